"""The mail that came after DATA, read once for all its recipients."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from smsd.codec import mail as mails
from smsd.frontends.smtp.body import Body
from smsd.frontends.smtp.commands import CommandError
from smsd.values.errors import DecodeError
from smsd.values.frozen import frozen

MOST_RECEIVED = 30
"""Received: lines of a mail that has not gone in circles."""


@frozen
class Letter:
    """What becomes of the mail as an SMS (`text`), what it says `alone`, its header, the digest of what follows that, its size."""

    text: mails.MailText
    alone: str = ""
    head: bytes = b""
    digest: bytes = b""
    size: int = 0


def read(body: Body, options: mails.MailOptions, *, report: bool, alone: bool) -> Letter:
    """The mail; CommandError when it cannot be taken. `report`: its envelope sender is empty, and nothing will be made of it;
    `alone`: somebody wants the text without the subject."""
    size = body.size
    raw = body.read()
    head, _, rest = raw.partition(b"\r\n\r\n")
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
    return Letter(text, without, head, hashlib.sha256(rest).digest(), size)
