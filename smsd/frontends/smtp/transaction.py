"""One mail transaction: its recipients as they are let in, and its message as submissions to the dispatcher.

Recipients are vetted at RCPT. After the lone dot the mail is read once; recipients who share account, wishes for the
content and reply address share a submission. The answer is given after the last commit: with one recipient queued the
mail is taken (a retry would send it twice), and the reply names those who were not. Robots' answers are discarded
(feature I6), mails that have gone in circles are refused (RFC 5321 6.3).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, DeferredList, gatherResults
from twisted.logger import Logger
from twisted.python.failure import Failure

from smsd.codec import mail as mails
from smsd.codec import smsuri
from smsd.frontends.smtp import addresses
from smsd.frontends.smtp.body import SPOOL_IN_MEMORY, Body
from smsd.frontends.smtp.commands import CommandError, Mail, Rcpt
from smsd.interfaces import Session
from smsd.values.address import Address, masked
from smsd.values.errors import DecodeError, InvalidValue, Reason, Refused
from smsd.values.frozen import frozen
from smsd.values.message import (
    Declined,
    IdempotencyKey,
    Queued,
    Receipt,
    Recipient,
    Submission,
    Text,
    Ticket,
    Wants,
)

if TYPE_CHECKING:
    from smsd.frontends.smtp.factory import DoorFactory

MOST_RECEIVED = 30
"""Received: lines of a mail that has not gone in circles."""
DEFAULT_WANTS = Wants.FAILURE | Wants.DELAY


@frozen
class Group:
    """What recipients must have in common to share a submission."""

    account: str | None
    reply: str | None = None
    msgid: str | None = None
    binary: bool = False
    udh: bytes = b""


class Transaction:
    """From MAIL to the answer after the lone dot. `asked` counts RCPT commands that could be read."""

    log = Logger()

    def __init__(self, door: DoorFactory, session: Session, here: str, mail: Mail) -> None:
        self.door = door
        self.session = session
        self.here = here
        self.mail = mail
        self.asked = 0
        self.recipients: list[tuple[Group, Recipient]] = []

    # --- RCPT

    def recipient(self, rcpt: Rcpt) -> Deferred[tuple[str, ...]]:
        """Fires with notes for the sender when the recipient is in; fails with Refused."""
        self.asked += 1
        if not rcpt.path.domain and rcpt.path.local.lower() == "postmaster":
            raise CommandError(550, "5.1.1", "the postmaster has no mailbox here: this server sends SMS only")
        target = addresses.read(rcpt.path, self.door.realm, self.here)
        wishes = target.wishes
        session = self.session
        if session.account is None and target.login is not None:
            login = self.door.log_in(target.login, wishes.password or "", session.peer, uri=True)
            return login.addCallback(self._as_account, target, rcpt)
        if (
            session.account is None
            and self.door.settings.require_auth
            and not (wishes.authenticated and session.trusted)
        ):
            raise Refused(
                Reason.NOT_AUTHENTICATED,
                "authentication required: log in (AUTH), or write ?user=…&pass=… into the address",
            )
        return self._vet(session, target, rcpt)

    def _as_account(
        self, result: tuple[object, Callable[[], None]], target: addresses.Target, rcpt: Rcpt
    ) -> Deferred[tuple[str, ...]]:
        account, logout = result
        logout()
        session = self.session
        named = Session(session.door, account.name, session.peer, session.trusted)  # type: ignore[attr-defined]
        return self._vet(named, target, rcpt)

    def _vet(self, session: Session, target: addresses.Target, rcpt: Rcpt) -> Deferred[tuple[str, ...]]:
        wishes = target.wishes
        try:
            recipient = Recipient(
                Address("sms", target.number), target.number, wishes.parameters, rcpt.wants, rcpt.original
            )
        except InvalidValue as error:
            raise Refused(Reason.BAD_NUMBER, str(error)) from None
        group = Group(session.account, wishes.reply, wishes.msgid, wishes.binary, wishes.udh)

        def let_in(_: object) -> tuple[str, ...]:
            if (group, recipient) not in self.recipients:
                self.recipients.append((group, recipient))
            return wishes.warnings

        return self.door.dispatcher.vet(session, recipient).addCallback(let_in)

    # --- the message

    def message(self, body: Body) -> Deferred[str]:
        """Fires with the text of the 250 after the commit; fails with Refused or CommandError."""
        if body.size > SPOOL_IN_MEMORY:  # reading that much would hold up every other session
            return self.door.in_thread(self._read, body).addCallback(self._take)
        return self._take(self._read(body))

    def _read(self, body: Body) -> tuple[mails.MailText, bytes, bytes]:
        """The mail's text, its header, and the digest of its body; runs in a thread for big mails."""
        raw = body.read()
        head, _, rest = raw.partition(b"\r\n\r\n")
        if (b"\r\n" + head.lower()).count(b"\r\nreceived:") > MOST_RECEIVED:
            raise CommandError(554, "5.4.6", f"mail loop: more than {MOST_RECEIVED} Received lines")
        try:
            return mails.to_text(raw, self.door.options), head, hashlib.sha256(rest).digest()
        except DecodeError as error:
            if self.mail.sender is None:
                return mails.MailText(f"({error})"), b"", b""
            raise CommandError(554, "5.6.0", str(error)) from None

    def _take(self, read: tuple[mails.MailText, bytes, bytes]) -> Deferred[str]:
        text, head, digest = read
        if text.automatic or self.mail.sender is None:
            return self._discard(text)
        groups: dict[Group, list[Recipient]] = {}
        for group, recipient in self.recipients:
            groups.setdefault(group, []).append(recipient)
        try:
            submissions = [
                self._submission(group, found, text, head, digest) for group, found in groups.items()
            ]
        except InvalidValue as error:
            raise CommandError(554, "5.6.0", str(error)) from None
        if len(submissions) == 1:
            return self.door.dispatcher.submit(submissions[0]).addCallback(
                lambda receipt: self._answer([(submissions[0], receipt)], text.notes)
            )
        answers = [self.door.dispatcher.submit(submission) for submission in submissions]
        return DeferredList(answers, consumeErrors=True).addCallback(self._answers, submissions, text.notes)

    def _discard(self, text: mails.MailText) -> Deferred[str]:
        """A robot's answer goes on record and nowhere else."""
        self.log.info(
            "{door}: discarded an automatic answer from {sender} to {count} recipients, which would become a paid SMS",
            sender=masked(str(self.mail.sender or "<>")),
            count=len(self.recipients),
            door=self.session.door,
        )
        headers = (("subject", text.subject), ("message-id", text.message_id), ("from", text.from_))
        submission = Submission(
            door=self.session.door,
            origin=Address("mailto", str(self.mail.sender or "<>")),
            recipients=tuple(recipient for _, recipient in self.recipients),
            content=Text(text.text.replace("\0", "\ufffd")),
            headers=tuple(header for header in headers if header[1]),
        )
        recorded = self.door.dispatcher.record(submission, "an automatic answer never becomes an SMS")
        return recorded.addCallback(lambda _: "discarded: automatic answer")

    def _submission(
        self, group: Group, recipients: list[Recipient], text: mails.MailText, head: bytes, digest: bytes
    ) -> Submission:
        sender = str(self.mail.sender)
        if "@" not in sender:
            sender = f"{sender}@{self.door.hostname}"
        wishes = smsuri.Wishes(reply=group.reply, binary=group.binary, udh=group.udh)
        origin = Address("mailto", sender)
        headers = (
            ("subject", text.subject),
            ("message-id", text.message_id),
            ("from", text.from_),
            ("references", text.references),  # so that the answer stands in the same thread
        )
        return Submission(
            door=self.session.door,
            origin=origin,
            recipients=tuple(recipients),
            content=wishes.content(text.text.strip() if group.binary else text.text),
            account=group.account,
            ticket=Ticket(
                wishes.reply_to() or origin,
                self.mail.envelope_id,
                text.message_id,
                text.subject,
                self.mail.full,
            ),
            wants=DEFAULT_WANTS,
            headers=tuple(header for header in headers if header[1]),
            key=self._key(group, recipients, text.message_id, digest),
            peer=self.session.peer,
            head=head,
            attachments=text.attachments,
        )

    def _key(
        self, group: Group, recipients: list[Recipient], message_id: str, digest: bytes
    ) -> IdempotencyKey | None:
        """The identity of the mail: client, Message-ID and envelope, or the caller's own `msgid`; never the text.

        The digest is of what follows the header, because each relay adds a Received line to that.
        """
        targets = sorted(
            f"{recipient.typed}@{recipient.parameters.gateway or ''}" for recipient in recipients
        )
        if group.msgid is not None:
            scope = f"account:{group.account}" if group.account else f"door:{self.session.door}"
            return IdempotencyKey(scope, group.msgid, digest)
        if not message_id or not self.door.settings.idempotent:
            return None
        key = "|".join((message_id, str(self.mail.sender), group.account or "", *targets))
        if len(key) > 512:
            key = f"{message_id[:255]}|{hashlib.sha256(key.encode()).hexdigest()}"
        return IdempotencyKey(f"smtp:{self.session.peer}", key, digest)

    # --- the answer

    def _answers(
        self,
        results: list[tuple[bool, Receipt | Failure]],
        submissions: list[Submission],
        notes: tuple[str, ...],
    ) -> str | Deferred[str]:
        receipts = []
        for (ok, result), submission in zip(results, submissions, strict=True):
            if ok:
                assert isinstance(result, Receipt)
                receipts.append((submission, result))
                continue
            assert isinstance(result, Failure)
            error = result.value
            if isinstance(error, Refused):
                refusal = error
            else:
                self.log.failure("a submission failed", result)
                refusal = Refused(Reason.UNAVAILABLE, "local error, try again later")
            declined = tuple(Declined(recipient.typed, refusal) for recipient in submission.recipients)
            receipts.append((submission, Receipt(0, declined)))
        return self._answer(receipts, notes)

    def _answer(
        self, receipts: list[tuple[Submission, Receipt]], notes: tuple[str, ...]
    ) -> str | Deferred[str]:
        """The text of the 250; Refused when nobody was queued, a temporary refusal before a permanent one. With
        recipients of both fates it is given when the sender's report about the declined ones is committed."""
        ids: list[str] = []
        lines = dict.fromkeys(notes)
        declined: list[Declined] = []
        for submission, receipt in receipts:
            for recipient, fate in zip(submission.recipients, receipt.recipients, strict=False):
                if isinstance(fate, Queued):
                    ids.append(str(receipt.message))
                    lines.update((f"{recipient.typed}: {note}", None) for note in fate.notes)
                else:
                    declined.append(fate)
        if not ids:
            if not declined:
                raise Refused(Reason.UNAVAILABLE, "nothing was queued, try again later")
            raise min(declined, key=lambda one: one.refusal.reason.smtp).refusal
        for one in declined:
            lines[f"{one.typed} was NOT taken: {one.refusal.text}"] = None
            self.log.warn(
                "a recipient was declined after others were queued: {number} {reason}",
                number=masked(one.typed),
                reason=one.refusal.reason.name,
                message=ids[0],
            )
        account, total = receipts[0][0].account, len(ids) + len(declined)
        self.door.calls.add(
            f"{self.session.door}: {self.session.peer} {account or '-'}: mail from {masked(str(self.mail.sender))},"
            f" {len(ids)} of {total} queued, message {ids[0]}",
            account=account,
            message=int(ids[0]),
        )
        answer = "\n".join((f"Ok: queued as {', '.join(dict.fromkeys(ids))}", *lines))
        if not declined:
            return answer
        telling = [
            self.door.dispatcher.bounce(
                submission, int(ids[0]), [fate for fate in receipt.recipients if isinstance(fate, Declined)]
            )
            for submission, receipt in receipts
        ]
        return gatherResults(telling, consumeErrors=True).addCallback(lambda _: answer)
