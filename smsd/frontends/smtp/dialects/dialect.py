"""What a dialect says and decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from smsd.frontends.smtp import auth
from smsd.frontends.smtp.addresses import Realm, Target
from smsd.frontends.smtp.commands import Mail, Mailbox, Rcpt
from smsd.values.frozen import frozen


@dataclass(frozen=True, slots=True)
class Texts:
    """Good answers, without their codes. In braces: `host` (ours), `number` (of the connection) and `peer` in the greeting, what
    the client wrote in `sender` and `recipient`."""

    greeting: str = "{host} ESMTP smsd"
    sender: str = "Ok"
    recipient: str = "Ok"
    data: str = "end with <CRLF>.<CRLF>"
    fine: str = "Ok"
    bye: str = "bye"
    help: str = (
        "EHLO HELO STARTTLS AUTH MAIL RCPT DATA RSET NOOP VRFY QUIT\n"
        "RCPT TO:<+15551234567@domain> sends an SMS"
    )


@dataclass(frozen=True, slots=True)
class Offer:
    """What EHLO may announce to this client: our name, octets of a mail, whether TLS can be started, and the mechanisms with
    which it may log in now."""

    host: bytes
    size: int
    tls: bool
    mechanisms: tuple[bytes, ...]


@frozen
class Taken:
    """A mail that was taken: ids of messages, the numbers as typed, notes for the sender, and the numbers that were declined, each
    with the reason."""

    ids: tuple[str, ...]
    numbers: tuple[str, ...]
    notes: tuple[str, ...] = ()
    declined: tuple[tuple[str, str], ...] = ()

    @property
    def losses(self) -> tuple[str, ...]:
        """Who was declined, in words."""
        return tuple(f"{number} was NOT taken: {reason}" for number, reason in self.declined)


@dataclass(frozen=True, slots=True)
class Dialect:
    """`announce` gives the lines of EHLO's answer. `read_mail(argument, extended, size limit)` and `read_rcpt(argument, extended,
    utf8)` read the arguments, `target` says which phone a recipient means, `taken` is the answer to the message and `logged_in`
    (user, credit: "" when it is not prepaid) to a login; CommandError and Refused are answered as they say.

    `codes`: answers have enhanced codes (RFC 2034). `extended`: EHLO begins ESMTP, with parameters. `boxes`: lists and the like
    have addresses here. `headless`: a message may be a text without a mail header. `own_login`: credentials may stand in an
    address, so a login is asked for at RCPT, not at MAIL. `longest`: characters of a text, 0 for any number."""

    name: str
    announce: Callable[[Offer], list[bytes]]
    read_mail: Callable[[str, bool, int], Mail]
    read_rcpt: Callable[[str, bool, bool], Rcpt]
    target: Callable[[Mailbox, Realm, str], Target]
    taken: Callable[[Taken], str]
    logged_in: Callable[[str, str], str] | None = None
    texts: Texts = field(default_factory=Texts)
    mechanisms: Mapping[bytes, Callable[[], auth.Mechanism]] = field(default_factory=lambda: auth.MECHANISMS)
    codes: bool = True
    extended: bool = True
    boxes: bool = True
    headless: bool = False
    own_login: bool = True
    longest: int = 0
