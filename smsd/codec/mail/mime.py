"""The structure of a mail (RFC 5322, 2045, 2046) as far as its text needs it: fields, parts, transfer encodings.

Hostile input is stopped by limits on header octets, parts and depth before anything is decoded; every function is linear.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, field

from smsd.codec.mail import headers
from smsd.values.errors import DecodeError

HEADER_LIMIT = 1 << 16
PARTS_LIMIT = 250
DEPTH_LIMIT = 12

WANTED = frozenset(
    b"content-type content-transfer-encoding content-disposition subject message-id in-reply-to references from date "
    b"auto-submitted precedence x-autoreply x-autorespond".split()
)
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)\n?")


@dataclass(slots=True)
class Part:
    """One entity: the wanted fields by lower-case name, its type in lower case, and its octets or its parts."""

    fields: dict[bytes, bytes]
    body: bytes
    kind: str = "text/plain"
    parameters: dict[str, str] = field(default_factory=dict)
    children: list[Part] = field(default_factory=list)

    @property
    def attached(self) -> bool:
        """Whether it is meant as a file, not as text to read."""
        disposition = self.fields.get(b"content-disposition")
        return (disposition is not None and disposition.lstrip().lower().startswith(b"attachment")) or (
            "name" in self.parameters and not self.kind.startswith("multipart/")
        )

    def octets(self) -> bytes | None:
        """The body with its transfer encoding undone; None for an encoding that is not known."""
        encoding = self.fields.get(b"content-transfer-encoding")
        if encoding is None:
            return self.body
        name = encoding.strip(b" \t\r\n;").lower()
        if name in (b"7bit", b"8bit", b"binary", b""):
            return self.body
        if name == b"quoted-printable":
            return binascii.a2b_qp(self.body)
        return headers.base64_octets(self.body) if name == b"base64" else None


def fields(raw: bytes, start: int = 0, end: int | None = None) -> tuple[dict[bytes, bytes], int]:
    """The wanted fields (the first of each name wins) and where the body begins; DecodeError above HEADER_LIMIT."""
    end = len(raw) if end is None else end
    found: dict[bytes, bytes] = {}
    position = start
    while match := _FIELD.match(raw, position, end):
        position = match.end()
        if position - start > HEADER_LIMIT:
            raise DecodeError(f"the header is longer than {HEADER_LIMIT} octets")
        name = match[1].lower()
        if name in WANTED and name not in found:
            found[name] = match[2]
    if raw.startswith(b"\r\n", position):
        position += 2
    elif raw.startswith(b"\n", position):
        position += 1
    return found, min(position, end)


def parse(raw: bytes) -> Part:
    """A whole mail as a tree of parts; DecodeError when it is beyond the limits or a multipart has no boundary."""
    count = [0]
    start = 0
    if raw.startswith((b"From ", b">From ")):  # mbox
        start = raw.find(b"\n") + 1
    return _parse(raw, start, len(raw), 0, "text/plain", count)


def _parse(raw: bytes, start: int, end: int, depth: int, default: str, count: list[int]) -> Part:
    count[0] += 1
    if count[0] > PARTS_LIMIT:
        raise DecodeError(f"the mail has more than {PARTS_LIMIT} parts")
    if depth > DEPTH_LIMIT:
        raise DecodeError(f"the mail's parts are nested deeper than {DEPTH_LIMIT}")
    found, body = fields(raw, start, end)
    part = Part(found, b"", default)
    content_type = found.get(b"content-type")
    if content_type is not None:
        kind, part.parameters = headers.parameters(headers.plain(content_type))
        part.kind = kind if "/" in kind else "text/plain"
    if not part.kind.startswith("multipart/"):
        part.body = raw[body:end]
        return part
    boundary = part.parameters.get("boundary", "").rstrip()
    if not boundary:
        raise DecodeError("a multipart mail without a boundary cannot be read")
    below = "message/rfc822" if part.kind == "multipart/digest" else "text/plain"
    spans = _spans(raw, body, end, b"--" + boundary.encode("utf-8", "replace"))
    if not spans:
        raise DecodeError("the boundary of a multipart mail does not appear in its body")
    part.children = [_parse(raw, first, last, depth + 1, below, count) for first, last in spans]
    return part


def _spans(raw: bytes, start: int, end: int, delimiter: bytes) -> list[tuple[int, int]]:
    """Where the parts between delimiter lines begin and end (RFC 2046 section 5.1.1); a missing last one is forgiven."""
    spans: list[tuple[int, int]] = []
    opened = -1
    position = start
    while True:
        at = raw.find(delimiter, position, end)
        after = at + len(delimiter)
        if at >= 0 and (
            (at > start and raw[at - 1] != 10)
            or raw[after : after + 1] not in (b"", b"-", b" ", b"\t", b"\r", b"\n")
        ):
            position = at + 1
            continue
        closing = raw[after : after + 2] == b"--"
        if at >= 0 and raw[after : after + 1] == b"-" and not closing:
            position = at + 1
            continue
        if opened >= 0:
            last = end if at < 0 else at - (2 if raw[at - 2 : at] == b"\r\n" else 1)
            spans.append((opened, max(opened, last)))
        if at < 0 or closing or len(spans) > PARTS_LIMIT:
            return spans
        newline = raw.find(b"\n", after, end)
        if newline < 0:
            return spans
        opened = position = newline + 1
