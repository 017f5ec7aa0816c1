"""The mail that came after DATA, read once for all its recipients."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from smsd.codec import mail as mails
from smsd.codec.mail import headers
from smsd.frontends.smtp.body import Body
from smsd.frontends.smtp.commands import CommandError
from smsd.values.errors import DecodeError
from smsd.values.frozen import frozen

MOST_RECEIVED = 30
"""Received: lines of a mail that has not gone in circles."""
MOST_LOOPS = 4
"""How often a mail may come back that rules here have sent, by whatever way."""


@frozen
class Letter:
    """What becomes of the mail as an SMS (`text`), what it says `alone`, its header, the digest of what follows that, its size,
    and where it has been before (`loops`, of its X-Loop lines)."""

    text: mails.MailText
    alone: str = ""
    head: bytes = b""
    digest: bytes = b""
    size: int = 0
    loops: tuple[str, ...] = ()


def read(
    body: Body, options: mails.MailOptions, *, report: bool, alone: bool, headless: bool = False
) -> Letter:
    """The mail; CommandError when it cannot be taken. `report`: its envelope sender is empty, and nothing will be made of it;
    `alone`: somebody wants the text without the subject; `headless`: it may be a text without header."""
    size = body.size
    raw = body.read()
    head, _, rest = raw.partition(b"\r\n\r\n")
    if headless and not mails.has_header(raw):
        head, rest, raw = b"", raw, b"\r\n" + raw
    if (b"\r\n" + head.lower()).count(b"\r\nreceived:") > MOST_RECEIVED:
        raise CommandError(554, "5.4.6", f"mail loop: more than {MOST_RECEIVED} Received lines")
    try:
        text = mails.to_text(raw, options)
        without = text.text
        if alone and options.subject is not mails.Subject.IGNORE:
            without = mails.to_text(raw, replace(options, subject=mails.Subject.IGNORE)).text
    except DecodeError as error:
        if report:
            return Letter(mails.MailText(f"({error})"))
        raise CommandError(554, "5.6.0", str(error)) from None
    return Letter(text, without, head, hashlib.sha256(rest).digest(), size, loops(head))


def loops(head: bytes) -> tuple[str, ...]:
    """The values of X-Loop lines, in lower case."""
    if b"x-loop" not in head.lower():
        return ()
    fields = headers.all_fields(head)
    return tuple(value.strip().lower()[:320] for name, value in fields if name.lower() == "x-loop" and value)[
        -20:
    ]
