"""One mail transaction: its recipients as they are let in, and its message as it is handed in for them.

Recipients are vetted at RCPT. After the lone dot the mail is read once; `making` makes submissions of it, and addresses of
the post office (lists and the like) get the mail itself. The `answer` is given after the last commit. Robots' answers are
discarded (feature I6), mails that have gone in circles are refused (RFC 5321 6.3).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger

from smsd.codec import smsuri
from smsd.frontends.smtp import addresses
from smsd.frontends.smtp.answer import Answer
from smsd.frontends.smtp.body import SPOOL_IN_MEMORY, Body
from smsd.frontends.smtp.commands import CommandError, Mail, Rcpt
from smsd.frontends.smtp.letter import MOST_LOOPS, Letter, read
from smsd.frontends.smtp.making import Group, Maker, of_box
from smsd.interfaces import Session
from smsd.values.address import Address, masked
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.message import Recipient

if TYPE_CHECKING:
    from smsd.codec import mail as mails
    from smsd.frontends.smtp.factory import DoorFactory


class Transaction:
    """From MAIL to the answer after the lone dot. `asked` counts RCPT commands that could be read."""

    log = Logger()

    def __init__(
        self, door: DoorFactory, session: Session, here: str, mail: Mail, email: str | None = None
    ) -> None:
        self.door = door
        self.session = session
        self.here = here
        self.mail = mail
        self.maker = Maker(door, session, mail, email)
        self.asked = 0
        self.recipients: list[tuple[Group, Recipient]] = []
        self.boxes: list[Any] = []  # IPostbox

    @property
    def empty(self) -> bool:
        """Whether nobody has been let in."""
        return not self.recipients and not self.boxes

    # --- RCPT

    def recipient(self, rcpt: Rcpt) -> Deferred[tuple[str, ...]]:
        """Fires with notes for the sender when the recipient is in; fails with Refused."""
        self.asked += 1
        box = self._box(rcpt)
        if box is not None:
            return self._let_into(box)
        if not rcpt.path.domain and rcpt.path.local.lower() == "postmaster":
            raise CommandError(550, "5.1.1", "the postmaster has no mailbox here: this server sends SMS only")
        target = self.door.dialect.target(rcpt.path, self.door.realm, self.here)
        wishes = target.wishes
        session = self.session
        if session.account is None and session.trusted and wishes.authenticated and not wishes.password:
            vouched = self.door.answered_for(target.login or self.maker.sender, session.peer)
            return vouched.addCallback(self._as_user, target, rcpt)
        if session.account is None and target.login is not None:
            login = self.door.log_in(target.login, wishes.password or "", session.peer, uri=True)
            return login.addCallback(self._as_account, target, rcpt)
        if session.account is None and self.door.require_auth:
            raise Refused(
                Reason.NOT_AUTHENTICATED,
                "authentication required: log in (AUTH), or write ?user=NAME&pass=PASSWORD into the address",
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

        admitted: Deferred[None] = box.admit(self.session, self.maker.sender, not self.door.require_auth)
        return admitted.addCallback(let_in)

    def _as_user(
        self, result: tuple[object, Callable[[], None]] | None, target: addresses.Target, rcpt: Rcpt
    ) -> Deferred[tuple[str, ...]]:
        """Of a client who may answer for its users."""
        if result is not None:
            return self._as_account(result, target, rcpt)
        if target.login is not None:
            raise Refused(Reason.BAD_CREDENTIALS, "there is no such user")
        return self._vet(self.session, target, rcpt)

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
        parameters = wishes.parameters
        if self.mail.sender_id:
            parameters = replace(parameters, sender=self.mail.sender_id)
        try:
            recipient = Recipient(
                Address("sms", target.number),
                target.typed or target.number,
                parameters,
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
        return read(
            body, self.door.options, report=self.mail.sender is None, alone=bool(self.boxes),
            headless=self.door.dialect.headless,
        )  # fmt: skip

    def _take(self, letter: Letter) -> Deferred[str]:
        text = letter.text
        if text.automatic or self.mail.sender is None:
            return self._discard(text)
        if letter.loops.count(self.door.mark) > MOST_LOOPS:
            raise CommandError(
                554, "5.4.6", "mail loop: rules of this server have sent this mail again and again"
            )
        longest = self.door.longest
        if longest and len(text.text) > longest:
            raise Refused(
                Reason.TOO_LONG,
                f"the text has {len(text.text)} characters and may have {longest}: shorten it, or send it in several messages",
            )
        groups: dict[Group, list[Recipient]] = {}
        for group, recipient in self.recipients:
            groups.setdefault(group, []).append(recipient)
        try:
            submissions = [self.maker.submission(group, found, letter) for group, found in groups.items()]
        except InvalidValue as error:
            raise CommandError(554, "5.6.0", str(error)) from None
        if len(submissions) == 1 and not self.boxes:
            return self.door.dispatcher.submit(submissions[0]).addCallback(
                lambda receipt: Answer(self.door, self.maker).of([(submissions[0], receipt)], [], text.notes)
            )
        answers: list[Deferred[Any]] = [self.door.dispatcher.submit(submission) for submission in submissions]
        if self.boxes:
            mail = self.maker.mail_in(letter)
            answers += [box.deliver(mail) for box in self.boxes]
        return DeferredList(answers, consumeErrors=True).addCallback(
            Answer(self.door, self.maker).of_all, submissions, self.boxes, letter
        )

    def _discard(self, text: mails.MailText) -> Deferred[str]:
        """A robot's answer goes on record and nowhere else."""
        self.log.info(
            "{door}: discarded an automatic answer from {sender} to {count} recipients, which would become a paid SMS",
            sender=masked(str(self.mail.sender or "<>")),
            count=len(self.recipients) + len(self.boxes),
            door=self.session.door,
        )
        recipients = [recipient for _, recipient in self.recipients] + [of_box(box) for box in self.boxes]
        recorded = self.door.dispatcher.record(
            self.maker.robots(recipients, text), "an automatic answer never becomes an SMS"
        )
        return recorded.addCallback(lambda _: "discarded: automatic answer")
