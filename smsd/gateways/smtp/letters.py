"""A piece as a letter: envelope and mail. No sockets and no clock: a retry gives the same octets.

The Message-ID comes from the ids of delivery and message, so that a mail sent twice can be recognised; what a phone wrote
has the administrator as envelope sender, a report has none (features I6, Q2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from smsd.codec.mail import from_sms, headers, reply_address, report
from smsd.codec.mail.chat import chatted
from smsd.codec.mail.folders import levels, plus
from smsd.codec.mail.relayed import copied, relayed
from smsd.codec.mail.sms import domain
from smsd.values.delivery import Failure, Kind, Piece
from smsd.values.errors import InvalidValue
from smsd.values.message import Call, Report, Text

LONGEST_LOCAL = 64
"""Octets of a local part that every mail server takes."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What the relay is given. `sender` is "" for reports; `international` asks for SMTPUTF8 (RFC 6531). `inbox` is the
    recipient without a folder, for a relay that cannot take the folder's name in an address."""

    sender: str
    recipient: str
    data: bytes
    international: bool = False
    inbox: str = ""


def letter(piece: Piece, server_name: str, postmaster: str, mail_from: str = "%s") -> Letter:
    """The letter for a piece whose target is `mailto:`; a permanent Failure when no mail can be made of it.

    `piece.headers` may have: date (milliseconds), gateway (the id where the SMS came in), mail_from (its pattern),
    own (our number), missing-parts ("2,3"), in_reply_to, references and subject (of the mail that it answers), and what a
    rule wrote: subject, to, and `header:NAME` for any other field; auto_submitted for what answers by itself. A mail of a list
    has list (its address), owner, writer, from_name, reply_to and loop. What somebody wrote in a chat has chat_from: the mailbox
    that it comes from, or a - when it cannot come from his own.
    """
    recipient = _mailbox(piece.target.target)
    about = dict(piece.headers)
    message_id = f"<{piece.delivery}.{piece.message}@{server_name}>"
    try:
        if isinstance(piece.content, Report):
            sender = ""
            data = report(
                piece.content,
                recipient=recipient,
                server_name=server_name,
                postmaster=postmaster,
                message_id=message_id,
                full=piece.ticket.full if piece.ticket is not None else True,
            )
        elif "list" in about and isinstance(piece.content, Text):
            sender = about.get("owner", "") or postmaster
            data = relayed(
                piece.content.text,
                box=about["list"],
                writer=about.get("writer", piece.origin.target),
                name=about.get("from_name", ""),
                reply_to=about.get("reply_to", ""),
                subject=about.get("subject", ""),
                message_id=message_id,
                date=piece.arrived,
                loops=tuple(about.get("loop", "").split()),
            )
        elif "chat_from" in about and "sms_to" not in about and isinstance(piece.content, Text):
            mailbox = about["chat_from"] if "@" in about["chat_from"] else ""
            sender = mailbox or postmaster
            data = chatted(
                piece.content.text,
                sender=mailbox,
                box=postmaster,
                writer=piece.origin.target,
                recipient=recipient,
                subject=about.get("subject", ""),
                message_id=message_id,
                date=piece.arrived,
            )
        elif piece.origin.scheme != "sms" and isinstance(piece.content, Text):
            sender = postmaster
            data = copied(
                piece.content.text,
                box=postmaster,
                writer=piece.origin.target,
                recipient=recipient,
                phone=about.get("sms_to", ""),
                subject=about.get("subject", ""),
                message_id=message_id,
                date=piece.arrived,
                automatic=about.get("auto_submitted", ""),
                loops=(*about.get("loop", "").split(), f"rules@{server_name}"),
                extra=_added(piece),
            )
        elif isinstance(piece.content, Call):
            raise Failure(Kind.PERMANENT, "what a rule does outside is no mail", status="5.6.0")
        else:
            sender = postmaster
            stamp = about.get("date", "")
            data = from_sms(
                piece.content,
                number=piece.origin.target,
                recipient=recipient,
                pattern=_pattern(piece, about.get("mail_from", mail_from), server_name, postmaster),
                server_name=server_name,
                message_id=message_id,
                date=int(stamp) if stamp.lstrip("-").isdecimal() else piece.arrived,
                gateway=about.get("gateway", ""),
                in_reply_to=about.get("in_reply_to", ""),
                references=about.get("references", ""),
                subject=about.get("subject", ""),
                own=about.get("own", ""),
                missing=about.get("missing-parts", ""),
                to=about.get("to", ""),
                extra=_added(piece),
            )
    except InvalidValue as error:
        raise Failure(Kind.PERMANENT, str(error), status="5.6.0") from None
    return Letter(sender, recipient, data, not recipient.isascii())


def _added(piece: Piece) -> list[tuple[str, str]]:
    """The fields that rules have written."""
    return [(name[7:], value) for name, value in piece.headers if name.startswith("header:")]


def filed(mail: Letter, folder: str, how: str, separator: str) -> Letter:
    """The letter with the folder that a rule has chosen: `how` is plus, header or ignore.

    An address that would be too long (RFC 5321 section 4.5.3.1.1) stays as it is, and a header field says the folder; so it
    does when the folder makes the address one that not every relay takes.
    """
    found = levels(folder)
    if not found or how == "ignore":
        return mail
    recipient = plus(mail.recipient, found, separator)
    fits = how == "plus" and len(recipient.rpartition("@")[0].encode()) <= LONGEST_LOCAL
    if fits and recipient.isascii() == mail.recipient.isascii():
        return replace(mail, recipient=recipient)
    field = headers.block([("X-SMSD-Folder", headers.unstructured("/".join(found)))])[:-2]
    mail = replace(mail, data=field + mail.data)
    return replace(mail, recipient=recipient, international=True, inbox=mail.recipient) if fits else mail


def _pattern(piece: Piece, pattern: str, server_name: str, postmaster: str) -> str:
    """The From: pattern, or one that always works: what a phone wrote must not be lost over a wrong setting."""
    if piece.origin.scheme != "sms":
        return postmaster
    try:
        reply_address(pattern, piece.origin.target, server_name)
    except InvalidValue:
        return "%s"
    return pattern


def _mailbox(target: str) -> str:
    """The recipient with its domain in ASCII; a permanent Failure for what no relay could be told."""
    local, _, where = target.rpartition("@")
    if not local or len(target) > 600 or any(c in "<>\x7f" or c < " " for c in target):
        raise Failure(Kind.PERMANENT, "the recipient is no mail address", status="5.1.3")
    if " " in local and not (local.startswith('"') and local.endswith('"')):
        raise Failure(Kind.PERMANENT, "the recipient is no mail address", status="5.1.3")
    try:
        return f"{local}@{domain(where)}"
    except InvalidValue as error:
        raise Failure(Kind.PERMANENT, f"the recipient is no mail address: {error}", status="5.1.3") from None
