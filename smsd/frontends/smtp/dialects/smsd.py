"""smsd's own dialect: ESMTP for mail programs, scripts and mail servers."""

from __future__ import annotations

from smsd.frontends.smtp import addresses, commands
from smsd.frontends.smtp.dialects.dialect import Dialect, Offer, Taken


def announce(offer: Offer) -> list[bytes]:
    """Old clients look for `AUTH=`."""
    lines = [offer.host, b"PIPELINING", b"SIZE %d" % offer.size, b"8BITMIME", b"SMTPUTF8"]
    lines += [b"ENHANCEDSTATUSCODES", b"DSN"]
    if offer.tls:
        lines.append(b"STARTTLS")
    if offer.mechanisms:
        names = b" ".join(offer.mechanisms)
        lines += [b"AUTH " + names, b"AUTH=" + names]
    return [*lines, b"HELP"]


def taken(mail: Taken) -> str:
    """The ids, then what the sender should know."""
    return "\n".join((f"Ok: queued as {', '.join(mail.ids)}", *mail.notes, *mail.losses))


SMSD = Dialect(
    name="smsd",
    announce=announce,
    read_mail=commands.read_mail,
    read_rcpt=commands.read_rcpt,
    target=addresses.read,
    taken=taken,
)
