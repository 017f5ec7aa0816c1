"""An SMS as a mail (features I1, I6): addresses that can be answered, one thread per number, and the text as it came.

Header fields are written by `headers.block` only, so neither a number nor a network's name can add a field. The
envelope sender is not this module's: the gateway uses the administrator's, so that bounces end there.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Sequence
from urllib.parse import quote

from smsd.codec.mail import headers
from smsd.values.errors import InvalidValue
from smsd.values.frozen import frozen
from smsd.values.message import Binary, Text

LOCAL_PART_LIMIT = 512
"""Octets of a local part that are written and taken back (features S4)."""
_DOT_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9])?|\[[0-9A-Za-z:.]{1,100}\]")
_NAMED = re.compile(r"\s*(.*?)\s*<([^<>]+)>\s*")
_FIELD_NAME = re.compile(r"[!-9;-~]{1,60}")
_OWN = frozenset(
    {"bcc", "received", "return-path", "delivered-to", "sender", "auto-submitted", "dkim-signature"}
)
_UNSAFE_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]|[ \t](?:\n|$)")


@frozen
class ReplyAddress:
    """One address in its two spellings: `header` may have a display name, `envelope` is the address alone."""

    header: str
    envelope: str


def domain(text: str) -> str:
    """A domain as ASCII, an address literal or a bare IP address as it is; InvalidValue for anything else."""
    if not text.isascii():
        try:
            text = text.encode("idna").decode("ascii")
        except UnicodeError:
            raise InvalidValue(f"{text!r} is no domain") from None
    if not _DOMAIN.fullmatch(text):
        raise InvalidValue(f"{text!r} is no domain")
    return text


def address(local: str, where: str) -> str:
    """`local@where` as RFC 5321 writes it, the local part quoted where it must be."""
    if not _DOT_ATOM.fullmatch(local):
        local = '"' + re.sub(r'(["\\])', r"\\\1", local) + '"'
    return f"{local}@{where}"


def reply_address(pattern: str, number: str, server_domain: str) -> ReplyAddress:
    """The From: of a mail made from an SMS, by the gateway's pattern (feature I1).

    `sms:%s@domain` gives `+1555… <"sms:+1555…"@domain>`, `%s@domain` gives `+1555…@domain`, `%s` alone is completed with
    `server_domain`; a pattern may carry a display name: `SMS %s <sms:%s@domain>`. What is not ASCII in a sender's name
    is percent-encoded in the address and shown in the display name. InvalidValue when the pattern's domain is none.
    """
    number = headers.line(number)[:100] or "unknown"
    named = _NAMED.fullmatch(pattern)
    name = named[1].strip('"').replace("%s", number) if named else ""
    wanted = named[2] if named else pattern
    local, at, where = wanted.strip().rpartition("@")
    if not at:
        local, where = where, server_domain
    if local.startswith('"') and local.endswith('"') and len(local) > 1:
        local = re.sub(r"\\(.)", r"\1", local[1:-1])
    safe = number if number.isascii() else quote(number, safe=" !#$&'()*+,/:;=?@~.-_")
    local = headers.line(local.replace("%s", safe))[:LOCAL_PART_LIMIT]
    if not local.isascii():
        local = quote(local, safe=" !#$&'()*+,/:;=?@~.-_%")
    envelope = address(local, domain(where))
    if not name and (not number.isascii() or envelope.startswith('"')):
        name = number  # some mail programs (mutt) answer a quoted local part only when it stands in angle brackets
    return ReplyAddress(f"{display(name)} <{envelope}>" if name else envelope, envelope)


def display(name: str) -> str:
    """A display name as a header may show it: an atom, a quoted string or encoded words."""
    name = headers.line(name)
    if not name.isascii() or "=?" in name:
        return (
            headers.unstructured(name)
            if not name.isascii()
            else '"' + name.replace('"', "'").replace("\\", "/") + '"'
        )
    if re.fullmatch(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*", name):
        return name
    return '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'


def thread_id(number: str, recipient: str, server_name: str) -> str:
    """The message id that all mails of one number to one mailbox refer to; no mail bears it."""
    digest = hashlib.sha256(f"{number}\n{recipient.lower()}".encode("utf-8", "replace")).hexdigest()
    return f"<sms.{digest[:24]}@{headers.ascii_line(server_name)}>"


def from_sms(
    content: Text | Binary,
    *,
    number: str,
    recipient: str,
    pattern: str,
    server_name: str,
    message_id: str,
    date: int,
    gateway: str = "",
    in_reply_to: str = "",
    references: str = "",
    subject: str = "",
    own: str = "",
    missing: str = "",
    to: str = "",
    extra: Sequence[tuple[str, str]] = (),
) -> bytes:
    """A mail (octets, CRLF, 7 bit but for a UTF-8 recipient) from `number` to the mailbox `recipient`.

    `date` is milliseconds UTC (the SMSC's time stamp), `message_id` has its brackets. `in_reply_to` is the message id of
    the mail that the SMS answers, `references` what that one refers to, `subject` its subject; when no such mail is known,
    mails are threaded on the number, and `subject` is shown as it is. `own` is the number that was written to; `missing`
    lists the parts of a long message that never came ("2,3"), and is told. `to` is shown instead of the recipient; `extra`
    are fields that a rule adds, without those that make the mail what it is.
    """
    number = headers.line(number) or "unknown"
    thread = thread_id(number, recipient, server_name)
    answered = headers.message_id(in_reply_to.encode("utf-8", "replace"))
    fields = [
        ("From", reply_address(pattern, number, server_name).header),
        ("To", _shown_to(to) or headers.line(recipient)),
        ("Subject", _subject(subject, number, bool(answered))),
        ("Date", headers.date(date)),
        ("Message-ID", message_id),
        ("In-Reply-To", answered or thread),
        ("References", headers.references(references, answered) if answered else thread),
        ("X-SMS-Sender", headers.unstructured(number)),
    ]
    if gateway:
        fields.append(("X-SMS-Gateway", headers.ascii_line(gateway)))
    if own:
        fields.append(("X-SMS-Recipient", headers.unstructured(own)))
    if missing:
        fields.append(("X-SMS-Missing-Parts", headers.ascii_line(missing)))
    # Holiday notices would come back as paid SMS if they were sent to the From: address; some servers do that.
    fields.append(("X-Auto-Response-Suppress", "OOF, AutoReply"))
    fields.append(("MIME-Version", "1.0"))
    fields += added(extra, fields)
    if isinstance(content, Text):
        note = (
            f"\n\n[Not all of this message arrived: missing part {headers.line(missing)}]" if missing else ""
        )
        extra, body = text_entity(content.text + note)
        return headers.block(fields + extra) + body
    return _binary(fields, content, number)


def _subject(subject: str, number: str, answer: bool) -> str:
    if not subject:
        return headers.unstructured(f"SMS from {number}")
    if answer and not re.match(r"(re|aw|sv|antw|r)\s*:", subject, re.I):
        subject = f"Re: {subject}"
    return headers.unstructured(subject)


def _shown_to(to: str) -> str:
    """A To: that a rule wrote, as a header may show it; "" when it cannot."""
    shown = headers.line(to)
    named = _NAMED.fullmatch(shown)
    if named:
        name = named[1].strip('"')
        shown = f"{display(name)} <{named[2]}>" if name else named[2]
    return shown if shown.isascii() and len(shown) <= 900 else ""


def added(extra: Sequence[tuple[str, str]], fields: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Fields that are not the mail's own: none that it has already, none that says how it is written or where it has been."""
    have = {name.lower() for name, _ in fields} | _OWN
    return [
        (name, headers.unstructured(value))
        for name, value in extra
        if _FIELD_NAME.fullmatch(name)
        and name.lower() not in have
        and not name.lower().startswith("content-")
    ]


def text_entity(text: str) -> tuple[list[tuple[str, str]], bytes]:
    """A text as (Content-* fields, body with CRLF): us-ascii as it is, else UTF-8 in the shorter of
    quoted-printable and base64; nothing in it can be changed by a relay (long lines, blanks at line ends)."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.endswith("\n"):
        text += "\n"
    octets = text.replace("\n", "\r\n").encode("utf-8", "replace")
    charset = "us-ascii" if text.isascii() else "utf-8"
    longest = max(map(len, text.split("\n")))
    if text.isascii() and longest <= 990 and not _UNSAFE_TEXT.search(text) and "\nFrom " not in "\n" + text:
        return _content("text/plain; charset=us-ascii", "7bit"), octets
    quoted = _quoted(octets)
    coded = _base64(octets)
    if len(quoted) <= len(coded) * 1.2:  # readable in the raw mail, when that costs little
        return _content(f"text/plain; charset={charset}", "quoted-printable"), quoted
    return _content(f"text/plain; charset={charset}", "base64"), coded


def _content(kind: str, encoding: str) -> list[tuple[str, str]]:
    return [("Content-Type", kind), ("Content-Transfer-Encoding", encoding)]


def _quoted(octets: bytes) -> bytes:
    quoted = binascii.b2a_qp(octets, istext=True, header=False)
    return b"\r\n".join(re.sub(rb"^From ", b"=46rom ", line) for line in quoted.split(b"\r\n"))


def _base64(octets: bytes) -> bytes:
    rows = (binascii.b2a_base64(octets[at : at + 57], newline=False) for at in range(0, len(octets), 57))
    return b"\r\n".join(rows) + b"\r\n"


def _binary(fields: list[tuple[str, str]], content: Binary, number: str) -> bytes:
    """Octets as an attachment, its user data header in a field and in words."""
    boundary = "sms-" + hashlib.sha256(content.header + b"\0" + content.data).hexdigest()[:24]
    words = f"A binary SMS of {len(content.data)} octets came from {number}; it is attached."
    fields = list(fields)
    if content.header:
        fields.append(("X-SMS-UDH", content.header.hex()))
        words += f"\nIts user data header: {content.header.hex(' ')}"
    fields.append(("Content-Type", f'multipart/mixed; boundary="{boundary}"'))
    text_fields, body = text_entity(words)
    file_fields = [
        *_content('application/octet-stream; name="sms.bin"', "base64"),
        ("Content-Disposition", 'attachment; filename="sms.bin"'),
    ]
    return multipart(fields, boundary, [(text_fields, body), (file_fields, _base64(content.data))])


def multipart(
    fields: list[tuple[str, str]], boundary: str, parts: list[tuple[list[tuple[str, str]], bytes]]
) -> bytes:
    """A mail of several entities; each body ends in CRLF."""
    line = f"--{boundary}".encode("ascii")
    out = [headers.block(fields)]
    for part_fields, body in parts:
        out += [line, b"\r\n", headers.block(part_fields), body, b"\r\n"]
    return b"".join([*out, line, b"--\r\n"])
