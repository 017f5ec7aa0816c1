"""What a mail becomes: submissions for the dispatcher, one for all recipients who share account, wishes and reply address, and
the mail itself for addresses of the post office.

Owns origin, way back, headers and idempotency keys; who is a recipient is the transaction's business.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from smsd.codec import mail as mails
from smsd.codec import smsuri
from smsd.frontends.smtp.commands import Mail
from smsd.frontends.smtp.letter import Letter
from smsd.interfaces import MailIn, Session
from smsd.values.address import Address
from smsd.values.frozen import frozen
from smsd.values.message import IdempotencyKey, Recipient, Submission, Text, Ticket, Wants

if TYPE_CHECKING:
    from smsd.frontends.smtp.factory import DoorFactory

DEFAULT_WANTS = Wants.FAILURE | Wants.DELAY


@frozen
class Group:
    """What recipients must have in common to share a submission."""

    account: str | None
    reply: str | None = None
    msgid: str | None = None
    binary: bool = False
    udh: bytes = b""


class Maker:
    """Makes what one transaction hands in. `email` is that of the account."""

    def __init__(self, door: DoorFactory, session: Session, mail: Mail, email: str | None = None) -> None:
        self.door = door
        self.session = session
        self.mail = mail
        self.email = email

    @property
    def sender(self) -> str:
        """The envelope's sender, completed; "" for the empty one."""
        sender = str(self.mail.sender or "")
        return f"{sender}@{self.door.hostname}" if sender and "@" not in sender else sender

    def mail_in(self, letter: Letter) -> MailIn:
        """For addresses of the post office."""
        text = letter.text
        return MailIn(
            session=self.session, sender=self.sender, text=letter.alone, sms=text.text, subject=text.subject,
            message_id=text.message_id, from_=text.from_, head=letter.head,
            titled=bool(text.subject) and self.door.options.subject is not mails.Subject.IGNORE, sent=text.date,
            size=letter.size, attachments=text.attachments,
            scope=self.scope(letter), digest=letter.digest,
            anonymous=not self.door.require_auth,
        )  # fmt: skip

    def robots(self, recipients: Sequence[Recipient], text: mails.MailText) -> Submission:
        """An automatic answer, for the record."""
        headers = (("subject", text.subject), ("message-id", text.message_id), ("from", text.from_))
        return Submission(
            door=self.session.door,
            origin=self._writer()[0]
            if self.mail.sender_id
            else Address("mailto", str(self.mail.sender or "<>")),
            recipients=tuple(recipients),
            content=Text(text.text.replace("\0", "\ufffd")),
            headers=tuple(header for header in headers if header[1]),
        )

    def submission(self, group: Group, recipients: list[Recipient], letter: Letter) -> Submission:
        """The mail for these recipients."""
        text = letter.text
        wishes = smsuri.Wishes(reply=group.reply, binary=group.binary, udh=group.udh)
        origin, way, wants = self._writer()
        way = wishes.reply_to() or way
        ticket = None
        if way is not None:
            ticket = Ticket(way, self.mail.envelope_id, text.message_id, text.subject, self.mail.full)
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
            ticket=ticket,
            wants=wants,
            headers=tuple(header for header in headers if header[1]),
            key=self._key(group, recipients, letter),
            peer=self.session.peer,
            host=self.session.host,
            head=letter.head,
            attachments=text.attachments,
        )

    def _writer(self) -> tuple[Address, Address | None, Wants]:
        """Who wrote, who hears of it, and what: the envelope's sender, or where that is no address, whoever hears for the
        account."""
        if not self.mail.sender_id:
            address = Address("mailto", self.sender)
            return address, address, DEFAULT_WANTS
        account, callbacks = self.session.account, self.door.callbacks
        origin = Address("account", account) if account else Address("door", self.session.door)
        program = callbacks.way_back(account) if account and callbacks is not None else None
        if program is not None:
            return origin, *program
        if self.email:
            address = Address("mailto", self.email)
            return address, address, DEFAULT_WANTS
        return origin, None, Wants.NOTHING

    def scope(self, letter: Letter) -> str:
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
        scope, message_id = self.scope(letter), letter.text.message_id
        if not scope:
            return None
        key = "|".join((message_id, str(self.mail.sender), group.account or "", *targets))
        if len(key) > 512:
            key = f"{message_id[:255]}|{hashlib.sha256(key.encode()).hexdigest()}"
        return IdempotencyKey(scope, key, letter.digest)


def of_box(box: Any) -> Recipient:
    """The recipient that an address of the post office (IPostbox) is."""
    return Recipient(Address("mailto", box.address), box.address)
