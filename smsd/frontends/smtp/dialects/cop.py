"""COP's SMTP listener (feature S12): plain RFC 821, no login, a number as recipient with or without a domain that means nothing."""

from __future__ import annotations

import re

from smsd.codec import smsuri
from smsd.frontends.smtp import commands
from smsd.frontends.smtp.addresses import Realm, Target, check_number
from smsd.frontends.smtp.commands import CommandError, Mailbox, Rcpt
from smsd.frontends.smtp.dialects.dialect import Dialect, Offer, Texts
from smsd.frontends.smtp.dialects.smsd import taken
from smsd.values.message import Parameters

_ROUTE = re.compile(r"<[ \t]*@[^:<>]*:")


def announce(offer: Offer) -> list[bytes]:
    """EHLO is answered like HELO: mail programs that insist on it need not ask twice."""
    return [offer.host, b"STARTTLS"] if offer.tls else [offer.host]


def read_rcpt(argument: str, extended: bool, utf8: bool) -> Rcpt:
    """One number; a list of them is refused before anybody could take it for one."""
    rest = _ROUTE.sub("<", argument)  # RFC 821 3.6: hosts of a source route stand between commas
    if "," in rest or ";" in rest:
        raise CommandError(
            501,
            "5.1.3",
            "one number per RCPT: lists with commas or semicolons are not taken, send a RCPT for each",
        )
    return commands.read_rcpt(argument, extended, utf8)


def target(mailbox: Mailbox, realm: Realm, here: str = "") -> Target:
    """The number in front of any domain."""
    check_number(mailbox.local)
    return Target(mailbox.local, smsuri.Wishes(Parameters(max_parts=realm.max_parts)))


COP = Dialect(
    name="cop",
    announce=announce,
    read_mail=commands.read_mail,
    read_rcpt=read_rcpt,
    target=target,
    taken=taken,
    texts=Texts(
        greeting="{host} SMTP smsd",
        help="HELO MAIL RCPT DATA RSET NOOP QUIT\nRCPT TO:<+15551234567> sends an SMS",
    ),
    mechanisms={},
    codes=False,
    extended=False,
    boxes=False,
    headless=True,
)
