"""A mail as the text of an SMS: which part, which charset, which of its lines.

RFC 5322, 2045-2047, 2231, 3676 (format=flowed), 3834 (Auto-Submitted). Any octets give a `MailText` or a DecodeError.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping

from smsd.codec.mail import headers, html, mime, plain
from smsd.codec.mail.charsets import decode
from smsd.values.errors import DecodeError
from smsd.values.frozen import frozen

_META = re.compile(rb"<meta[^>]{1,200}?charset\s*=\s*[\"']?([A-Za-z0-9_.:-]{1,40})", re.I)


class Subject(enum.Enum):
    """What becomes of the Subject: left out, a line before the text, or the text itself."""

    IGNORE = "ignore"
    PREFIX = "prefix"
    ONLY = "only"


@frozen
class MailOptions:
    """How mails are read. `fallback` is the charset of octets that are neither UTF-8 nor what the mail declares."""

    subject: Subject = Subject.IGNORE
    cut_signature: bool = False
    cut_quotes: bool = False
    fallback: str = "cp1252"


DEFAULT_OPTIONS = MailOptions()


@frozen
class MailText:
    """What a mail says. `sent` is the Date field as it came (`date` reads it); ids have their brackets or are "";
    `from_` is an address.

    `automatic`: a report or a robot's answer (multipart/report, Auto-Submitted: auto-replied), never to be an SMS;
    the empty envelope sender is for the door to see. `notes` say what was left out, for the sender.
    """

    text: str
    subject: str = ""
    message_id: str = ""
    in_reply_to: str = ""
    references: str = ""
    from_: str = ""
    sent: bytes = b""
    automatic: bool = False
    notes: tuple[str, ...] = ()
    attachments: int = 0

    @property
    def date(self) -> int | None:
        """The Date field in milliseconds UTC; None when there is none, or none that is one. Read when it is asked for."""
        return headers.moment(self.sent) if self.sent else None


class _Found:
    """What the walk over the parts has gathered."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.plain = False
        self.attachments = 0
        self.notes: list[str] = []

    def add(self, other: _Found) -> None:
        self.texts += other.texts
        self.plain |= other.plain
        self.attachments += other.attachments
        self.notes += other.notes


def to_text(raw: bytes, options: MailOptions = DEFAULT_OPTIONS) -> MailText:
    """Read a mail; DecodeError when it is beyond the limits of `mime` and `html`, or its text contains NUL."""
    root = mime.parse(raw)
    found = _Found()
    if options.subject is not Subject.ONLY:
        _collect(root, options, found)
    text = "\n".join(found.texts).strip("\n")
    fields = root.fields
    subject = headers.words(fields[b"subject"]) if b"subject" in fields else ""
    if options.subject is Subject.ONLY:
        text = subject
    elif options.subject is Subject.PREFIX and subject:
        text = f"{subject}\n{text}" if text else subject
    if "\0" in text:
        raise DecodeError("the text contains a NUL character: remove it")
    if found.attachments:
        found.notes.append(
            "1 attachment ignored" if found.attachments == 1 else f"{found.attachments} attachments ignored"
        )
    return MailText(
        text=text,
        subject=subject,
        message_id=headers.message_id(fields.get(b"message-id", b"")),
        in_reply_to=headers.message_id(fields.get(b"in-reply-to", b"")),
        references=_references(fields),
        from_=headers.mailbox(fields.get(b"from", b"")),
        sent=fields.get(b"date", b""),
        automatic=_automatic(root),
        notes=tuple(dict.fromkeys(found.notes)),
        attachments=found.attachments,
    )


def _references(fields: Mapping[bytes, bytes]) -> str:
    """The thread that a mail continues, as an answer to it has to name it (RFC 5322 3.6.4); blanks between."""
    field = fields.get(b"references") or fields.get(b"in-reply-to")
    return headers.references(headers.plain(field)).replace("\r\n", "") if field else ""


def _automatic(root: mime.Part) -> bool:
    """A report, or a robot that answers (RFC 3834 section 5); the older marks of answering machines count as well."""
    fields = root.fields
    if root.kind == "multipart/report" or b"x-autoreply" in fields or b"x-autorespond" in fields:
        return True
    submitted = fields.get(b"auto-submitted", b"").strip().lower()
    return (
        submitted.startswith(b"auto-replied")
        or fields.get(b"precedence", b"").strip().lower() == b"auto_reply"
    )


def _collect(part: mime.Part, options: MailOptions, found: _Found) -> None:
    if part.kind == "multipart/alternative":
        _choose(part, options, found)
    elif part.kind in ("multipart/related", "multipart/signed", "multipart/report"):
        _collect(part.children[0], options, found)
        if part.kind == "multipart/related":
            found.attachments += len(part.children) - 1
    elif part.children:
        for child in part.children:
            if child.kind == "text/html" and found.plain:
                found.attachments += 1
            else:
                _collect(child, options, found)
    elif part.kind in ("text/plain", "text/html") and not part.attached:
        _read(part, options, found)
    else:
        found.attachments += 1


def _choose(part: mime.Part, options: MailOptions, found: _Found) -> None:
    """Of alternatives the first with plain text, else the first with any."""
    best: _Found | None = None
    for child in part.children:
        candidate = _Found()
        _collect(child, options, candidate)
        if any(text.strip() for text in candidate.texts):
            if candidate.plain:
                best = candidate
                break
            best = best or candidate
    if best is not None:
        found.add(best)


def _read(part: mime.Part, options: MailOptions, found: _Found) -> None:
    octets = part.octets()
    if octets is None:
        found.notes.append("a part in an unknown transfer encoding was ignored")
        return
    declared = part.parameters.get("charset")
    markup = part.kind == "text/html"
    if markup and declared is None:
        meta = _META.search(octets[:2048])
        declared = meta[1].decode("ascii") if meta else None
    text, honoured = decode(octets, declared, options.fallback)
    if not honoured and declared is not None:
        found.notes.append("the text is not in the charset that the mail names")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if markup:
        text = html.text_of(text, options.cut_quotes)
    else:
        found.plain = True
        if part.parameters.get("format", "").lower() == "flowed":
            text = plain.unflow(text, part.parameters.get("delsp", "").lower() == "yes")
    if options.cut_signature:
        text, cut = plain.cut_signature(text)
        if cut:
            found.notes.append("signature cut")
    if options.cut_quotes:
        text, cut = plain.cut_quotes(text)
        if cut:
            found.notes.append("quoted text cut")
    text = text.strip("\n") if not text.isspace() else ""
    stripped = text.rstrip()
    found.texts.append(stripped if "\n" in text[len(stripped) :] else text)
