"""SMSPortal's SMTP interface, version 1.0.0 (feature S11): a login, a bare sender id, bare numbers, a text without mail header.

What its document prints and no client can read is corrected: EHLO's answer has a last line, the answer to a message its code. The
host behind a number (`003933312345678@host`) means nothing, so address books stay as they are.
"""

from __future__ import annotations

import re
from dataclasses import replace

from smsd.codec import number as numbers
from smsd.codec import smsuri
from smsd.frontends.smtp import auth, commands
from smsd.frontends.smtp.addresses import Realm, Target
from smsd.frontends.smtp.commands import CommandError, Mail, Mailbox
from smsd.frontends.smtp.dialects.dialect import Dialect, Offer, Taken, Texts
from smsd.values.errors import Reason, Refused
from smsd.values.message import Parameters

_SENDER = re.compile(r"\+?[0-9]{1,16}|[A-Za-z0-9]{1,11}")
_NUMBER = re.compile(r"\+?[0-9]+")
SHORTEST, LONGEST = 10, 16
"""Characters of a recipient, its prefix as it is written included."""
_IN_A_LINE = 18
HOME = "IT"
"""Where SMSPortal's customers are, if `server.country` does not say it."""


def announce(offer: Offer) -> list[bytes]:
    """The document's lines, in its spelling, and `AUTH LOGIN` behind them: the last line that it lacks."""
    lines = [b"Requested okay, completed", b"ENANCEDSTATUSCODES"]
    if offer.tls:
        lines.append(b"STARTTLS")
    if offer.mechanisms:
        lines += [b"AUTH=LOGIN", b"AUTH LOGIN"]
    return lines


def read_mail(argument: str, extended: bool, size_limit: int) -> Mail:
    """A sender id, or a mail program's address; what is neither is refused."""
    try:
        mail = commands.read_mail(argument, extended, size_limit)
    except CommandError:
        if "@" in argument or "=" in argument or argument[:5].upper() != "FROM:":
            raise
        raise _no_sender() from None
    sender = mail.sender
    if sender is not None and sender.domain:
        return mail
    if sender is None or not _SENDER.fullmatch(sender.local):
        raise _no_sender()
    return replace(mail, sender_id=sender.local)


def _no_sender() -> CommandError:
    return CommandError(
        553,
        "5.1.7",
        "a sender has up to 11 letters and digits, or up to 16 digits with or without +; or write a mail address",
    )


def target(mailbox: Mailbox, realm: Realm, here: str = "") -> Target:
    """+39…, 0039… or 39…; a mail program's `@host` is dropped."""
    typed = mailbox.local
    if not (SHORTEST <= len(typed) <= LONGEST and _NUMBER.fullmatch(typed)):
        raise _no_number()
    if typed.startswith("+"):
        international = typed
    elif typed.startswith("00"):
        international = "+" + typed[2:]
    else:
        international = "+" + typed
        # A national number would go to another country.
        at_home = numbers.meant_at_home(typed, realm.country or HOME)
        if at_home or not numbers.possible(international):
            raise _no_number()
    return Target(international, smsuri.Wishes(Parameters(max_parts=realm.max_parts)), typed=typed)


def _no_number() -> Refused:
    return Refused(
        Reason.BAD_NUMBER,
        f"a recipient has {SHORTEST} to {LONGEST} characters, the international prefix first:"
        " write +393331234567, 00393331234567 or 393331234567",
    )


def taken(mail: Taken) -> str:
    """The document's line; several recipients stand in it one after the other, and those who were declined behind it."""
    lines = [
        f"Message accepted for delivery to: {', '.join(mail.numbers[at : at + _IN_A_LINE])}"
        for at in range(0, len(mail.numbers), _IN_A_LINE)
    ]
    return "\n".join((*lines, *mail.losses))


def logged_in(user: str, credit: str) -> str:
    """Who can log in has an account that can be used: another status is never shown."""
    return f"[{credit or 'not prepaid'}] ID ACCOUNT: [{user}] STATUS: [active]"


SMSPORTAL = Dialect(
    name="smsportal",
    announce=announce,
    read_mail=read_mail,
    read_rcpt=commands.read_rcpt,
    target=target,
    taken=taken,
    logged_in=logged_in,
    texts=Texts(
        greeting="Service ready. Connection {number} with [{peer}]",
        sender="{0} ...Sender Ok",
        recipient="{0} ...Recipient Ok",
        data='Enter Text Message, end with <CRLF>"."<CRLF>',
        fine="Requested okay, completed",
        bye="SMSC SMTP Server closing connection.",
        help="EHLO AUTH MAIL RCPT DATA NOOP RSET QUIT\nRcpt To:+393331234567 sends an SMS",
    ),
    mechanisms={b"LOGIN": auth.Login},
    codes=False,
    boxes=False,
    headless=True,
    own_login=False,
    longest=160,
)
