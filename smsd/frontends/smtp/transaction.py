"""One mail transaction: its recipients as they are let in, and its message as submissions to the dispatcher.

Recipients are vetted at RCPT. After the lone dot the mail is read once; recipients who share account, wishes for the
content and reply address share a submission, and addresses of the post office (lists and the like) get the mail itself. The
answer is given after the last commit: with one recipient queued the mail is taken (a retry would send it twice), and the reply
names those who were not. Robots' answers are discarded (feature I6), mails that have gone in circles are refused (RFC 5321
6.3).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, DeferredList, gatherResults
from twisted.logger import Logger
from twisted.python.failure import Failure

from smsd.codec import mail as mails
from smsd.codec import smsuri
from smsd.frontends.smtp import addresses
from smsd.frontends.smtp.body import SPOOL_IN_MEMORY, Body
from smsd.frontends.smtp.commands import CommandError, Mail, Rcpt
from smsd.frontends.smtp.letter import MOST_LOOPS, Letter, read
from smsd.interfaces import MailIn, Posted, Session
from smsd.values.address import Address, masked
from smsd.values.errors import InvalidValue, Reason, Refused
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

DEFAULT_WANTS = Wants.FAILURE | Wants.DELAY
LATER = (Reason.UNAVAILABLE, Reason.SLOW_DOWN)
"""Refusals of a moment."""


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
        self.boxes: list[Any] = []  # IPostbox

    @property
    def empty(self) -> bool:
        """Whether nobody has been let in."""
        return not self.recipients and not self.boxes

    @property
    def sender(self) -> str:
        """The envelope's sender, completed; "" for the empty one."""
        sender = str(self.mail.sender or "")
        return f"{sender}@{self.door.hostname}" if sender and "@" not in sender else sender

    # --- RCPT

    def recipient(self, rcpt: Rcpt) -> Deferred[tuple[str, ...]]:
        """Fires with notes for the sender when the recipient is in; fails with Refused."""
        self.asked += 1
        box = self._box(rcpt)
        if box is not None:
            return self._let_into(box)
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

    def _box(self, rcpt: Rcpt) -> Any:
        if self.door.post_office is None:
            return None
        local, domain = rcpt.path.local, rcpt.path.domain
        return self.door.post_office.find(local, domain, addresses.ours(domain, self.door.realm, self.here))

    def _let_into(self, box: Any) -> Deferred[tuple[str, ...]]:
        def let_in(_: object) -> tuple[str, ...]:
            if all(box.address != known.address for known in self.boxes):
                self.boxes.append(box)
            return ()

        admitted: Deferred[None] = box.admit(self.session, self.sender, not self.door.settings.require_auth)
        return admitted.addCallback(let_in)

    def _as_account(
        self, result: tuple[object, Callable[[], None]], target: addresses.Target, rcpt: Rcpt
    ) -> Deferred[tuple[str, ...]]:
        account, logout = result
        logout()
        session = self.session
        named = Session(session.door, account.name, session.peer, session.trusted, session.host)  # type: ignore[attr-defined]
        return self._vet(named, target, rcpt)

    def _vet(self, session: Session, target: addresses.Target, rcpt: Rcpt) -> Deferred[tuple[str, ...]]:
        wishes = target.wishes
        try:
            recipient = Recipient(
                Address("sms", target.number),
                target.number,
                wishes.parameters,
                rcpt.wants,
                smsuri.concealed(rcpt.original),  # mail servers put the whole recipient there
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

    def _read(self, body: Body) -> Letter:
        """Runs in a thread for big mails."""
        return read(body, self.door.options, report=self.mail.sender is None, alone=bool(self.boxes))

    def _take(self, letter: Letter) -> Deferred[str]:
        text = letter.text
        if text.automatic or self.mail.sender is None:
            return self._discard(text)
        if letter.loops.count(self.door.mark) > MOST_LOOPS:
            raise CommandError(
                554, "5.4.6", "mail loop: rules of this server have sent this mail again and again"
            )
        groups: dict[Group, list[Recipient]] = {}
        for group, recipient in self.recipients:
            groups.setdefault(group, []).append(recipient)
        try:
            submissions = [self._submission(group, found, letter) for group, found in groups.items()]
        except InvalidValue as error:
            raise CommandError(554, "5.6.0", str(error)) from None
        if len(submissions) == 1 and not self.boxes:
            return self.door.dispatcher.submit(submissions[0]).addCallback(
                lambda receipt: self._answer([(submissions[0], receipt)], [], text.notes)
            )
        answers: list[Deferred[Any]] = [self.door.dispatcher.submit(submission) for submission in submissions]
        if self.boxes:
            mail = self._mail_in(letter)
            answers += [box.deliver(mail) for box in self.boxes]
        return DeferredList(answers, consumeErrors=True).addCallback(self._answers, submissions, letter)

    def _mail_in(self, letter: Letter) -> MailIn:
        text, settings = letter.text, self.door.settings
        return MailIn(
            session=self.session, sender=self.sender, text=letter.alone, sms=text.text, subject=text.subject,
            message_id=text.message_id, from_=text.from_, head=letter.head,
            titled=bool(text.subject) and self.door.options.subject is not mails.Subject.IGNORE, sent=text.date,
            size=letter.size, attachments=text.attachments,
            scope=self._scope(letter), digest=letter.digest,
            anonymous=not settings.require_auth,
        )  # fmt: skip

    def _discard(self, text: mails.MailText) -> Deferred[str]:
        """A robot's answer goes on record and nowhere else."""
        self.log.info(
            "{door}: discarded an automatic answer from {sender} to {count} recipients, which would become a paid SMS",
            sender=masked(str(self.mail.sender or "<>")),
            count=len(self.recipients) + len(self.boxes),
            door=self.session.door,
        )
        headers = (("subject", text.subject), ("message-id", text.message_id), ("from", text.from_))
        submission = Submission(
            door=self.session.door,
            origin=Address("mailto", str(self.mail.sender or "<>")),
            recipients=(*(recipient for _, recipient in self.recipients), *map(_of_box, self.boxes)),
            content=Text(text.text.replace("\0", "\ufffd")),
            headers=tuple(header for header in headers if header[1]),
        )
        recorded = self.door.dispatcher.record(submission, "an automatic answer never becomes an SMS")
        return recorded.addCallback(lambda _: "discarded: automatic answer")

    def _submission(self, group: Group, recipients: list[Recipient], letter: Letter) -> Submission:
        text = letter.text
        wishes = smsuri.Wishes(reply=group.reply, binary=group.binary, udh=group.udh)
        origin = Address("mailto", self.sender)
        headers = (
            ("subject", text.subject),
            ("message-id", text.message_id),
            ("from", text.from_),
            ("references", text.references),  # so that the answer stands in the same thread
            ("loop", " ".join(letter.loops)),
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
            key=self._key(group, recipients, letter),
            peer=self.session.peer,
            host=self.session.host,
            head=letter.head,
            attachments=text.attachments,
        )

    def _scope(self, letter: Letter) -> str:
        """In which a Message-ID is unique; "" for a mail without one, or when it does not count."""
        known = self.door.settings.idempotent and letter.text.message_id
        return f"smtp:{self.session.peer}" if known else ""

    def _key(self, group: Group, recipients: list[Recipient], letter: Letter) -> IdempotencyKey | None:
        """The identity of the mail: client, Message-ID and envelope, or the caller's own `msgid`; never the text.

        The digest is of what follows the header, because each relay adds a Received line to that.
        """
        targets = sorted(
            f"{recipient.typed}@{recipient.parameters.gateway or ''}" for recipient in recipients
        )
        if group.msgid is not None:
            scope = f"account:{group.account}" if group.account else f"door:{self.session.door}"
            return IdempotencyKey(scope, group.msgid, letter.digest)
        scope, message_id = self._scope(letter), letter.text.message_id
        if not scope:
            return None
        key = "|".join((message_id, str(self.mail.sender), group.account or "", *targets))
        if len(key) > 512:
            key = f"{message_id[:255]}|{hashlib.sha256(key.encode()).hexdigest()}"
        return IdempotencyKey(scope, key, letter.digest)

    # --- the answer

    def _answers(
        self, results: list[tuple[bool, Any]], submissions: list[Submission], letter: Letter
    ) -> str | Deferred[str]:
        receipts = []
        for (ok, result), submission in zip(results, submissions, strict=False):
            if ok:
                receipts.append((submission, result))
                continue
            refusal = self._refusal(result)
            declined = tuple(Declined(recipient.typed, refusal) for recipient in submission.recipients)
            receipts.append((submission, Receipt(0, declined)))
        # When the mail comes again, is what was taken of it known?
        known = bool(self._scope(letter)) and all(submission.key for submission in submissions)
        posted: list[Posted] = []
        for (ok, result), box in zip(results[len(submissions) :], self.boxes, strict=True):
            if ok:
                self._log(result.queued, result.total, result.messages[0], box.address)
                posted.append(result)
                continue
            refusal = self._refusal(result)
            if refusal.reason in LATER and known:
                raise refusal
            recipient = _of_box(box)
            about = self._submission(Group(self.session.account), [recipient], letter)
            receipts.append((about, Receipt(0, (Declined(recipient.typed, refusal),))))
        return self._answer(receipts, posted, letter.text.notes)

    def _refusal(self, failure: Failure) -> Refused:
        if isinstance(failure.value, Refused):
            return failure.value
        self.log.failure("a submission failed", failure)
        return Refused(Reason.UNAVAILABLE, "local error, try again later")

    def _answer(
        self, receipts: list[tuple[Submission, Receipt]], posted: Sequence[Posted], notes: tuple[str, ...]
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
        if ids:
            self._log(len(ids), len(ids) + len(declined), int(ids[0]), account=receipts[0][0].account)
        ids += [str(one.messages[0]) for one in posted]
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

    def _log(self, queued: int, total: int, message: int, to: str = "", account: str | None = None) -> None:
        account = account or self.session.account
        self.door.calls.add(
            f"{self.session.door}: {self.session.peer} {account or '-'}: mail from {masked(str(self.mail.sender))}"
            f"{f' to {to}' if to else ''}, {queued} of {total} queued, message {message}",
            account=account,
            message=message,
        )


def _of_box(box: Any) -> Recipient:
    return Recipient(Address("mailto", box.address), box.address)
