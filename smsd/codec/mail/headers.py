"""Header fields of mails, read and written: encoded words (RFC 2047), parameters (RFC 2045 and 2231), addresses,
message ids and dates (RFC 5322).

Reading never fails: what makes no sense is given back as it stands or as nothing. Writing never lets a line break or
another control character through, so no value can add a header of its own. Everything here is linear in its input.
"""

from __future__ import annotations

import binascii
import re
from datetime import datetime, timezone
from email.utils import format_datetime, parsedate_to_datetime
from urllib.parse import unquote_to_bytes

from smsd.codec.mail.charsets import decode

MOST_REFERENCES = 12
FIELD_LIMIT = 4096
"""Characters of one field value that are looked at."""

_ANY_FIELD = re.compile(rb"^([!-9;-~]{1,76})[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)", re.M)
_WORD = re.compile(r"=\?([!-<>@-~]{1,60})\?([bBqQ])\?([^?\s]*)\?=")
_FOLD = re.compile(r"\r?\n(?=[ \t])|[\r\n]+")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f\x80-\x9f\u2028\u2029]+")
_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)')
_ANGLED = re.compile(r'<((?:"(?:[^"\\<>]|\\.)*"|[^<>\s"@]+)@[^<>\s@]+)>')
_BARE = re.compile(r"[^\s<>,;()]{1,256}@[^\s<>,;()]{1,255}")
_ID = re.compile(r"<[^<>\s\x00-\x1f]{1,250}>")


def plain(value: bytes) -> str:
    """A field's raw value as text: unfolded, without control characters, encoded words left as they are."""
    text = decode(value[:FIELD_LIMIT], None, "cp1252")[0]
    if text.isprintable():  # as most are
        return text.strip()
    return _CONTROLS.sub(" ", _FOLD.sub("", text)).strip()


def words(value: bytes) -> str:
    """A field's value for people: unfolded, encoded words decoded (RFC 2047 section 6.2)."""
    text = plain(value)
    if "=?" not in text:
        return text
    out: list[str] = []
    pending: list[
        tuple[str, bytes]
    ] = []  # neighbours of one charset are joined first: a character may be cut in two
    end = 0

    def flush() -> None:
        for charset, data in pending:
            out.append(decode(data, charset, "cp1252")[0])
        pending.clear()

    for match in _WORD.finditer(text):
        between = text[end : match.start()]
        if between and not (pending and between.isspace()):
            flush()
            out.append(between)
        charset = match[1].partition("*")[0].lower()  # RFC 2231 section 5: a language after the charset
        data = _word_octets(match[2], match[3])
        if pending and pending[-1][0] == charset:
            pending[-1] = (charset, pending[-1][1] + data)
        else:
            pending.append((charset, data))
        end = match.end()
    flush()
    out.append(text[end:])
    return _CONTROLS.sub(" ", "".join(out)).strip()


def _word_octets(encoding: str, data: str) -> bytes:
    octets = data.encode("utf-8", "replace")
    if encoding in "qQ":
        return binascii.a2b_qp(octets, header=True)
    return base64_octets(octets)


def base64_octets(data: bytes) -> bytes:
    """What base64 says, foreign characters skipped and a missing end forgiven."""
    try:
        return binascii.a2b_base64(data)
    except binascii.Error:
        clean = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
        keep = len(clean) - (len(clean) % 4 == 1)
        return binascii.a2b_base64(clean[:keep] + b"=" * (-keep % 4))


def parameters(value: str) -> tuple[str, dict[str, str]]:
    """`text/plain; charset="utf-8"` as ("text/plain", {"charset": "utf-8"}), both in lower case but for the values."""
    kind = value.partition(";")[0].strip().lower()
    found: dict[str, str] = {}
    pieces: dict[str, list[tuple[int, bool, str]]] = {}
    for match in _PARAMETER.finditer(value[:FIELD_LIMIT]):
        name, content = match[1].lower(), match[2].strip()
        if content.startswith('"') and content.endswith('"') and len(content) > 1:
            content = re.sub(r"\\(.)", r"\1", content[1:-1])
        stem, star, number = name.partition("*")
        if not star:
            found.setdefault(name, content)
        else:  # RFC 2231: name*=charset'language'value, name*0=, name*1*=
            digits = number.rstrip("*")
            index = int(digits) if digits.isdecimal() and len(digits) < 4 else 0
            pieces.setdefault(stem, []).append((index, number.endswith("*") or not number, content))
    for stem, parts in pieces.items():
        found[stem] = _continued(sorted(parts))
    return kind, found


def _continued(parts: list[tuple[int, bool, str]]) -> str:
    charset, octets = "utf-8", b""
    for position, (_, encoded, content) in enumerate(parts):
        if encoded and position == 0 and content.count("'") >= 2:
            charset, _, content = content.split("'", 2)
        octets += unquote_to_bytes(content) if encoded else content.encode("utf-8", "replace")
    return decode(octets, charset, "cp1252")[0]


def all_fields(head: bytes) -> tuple[tuple[str, str], ...]:
    """Every field of a header block in order, as (name, text for people); at most 200 of them."""
    found = []
    for match in _ANY_FIELD.finditer(head[:65536]):
        found.append((match[1].decode("ascii"), words(match[2])))
        if len(found) == 200:
            break
    return tuple(found)


def mailbox(value: bytes) -> str:
    """The first address of a From: field without its display name ("" when there is none)."""
    text = plain(value)
    match = _ANGLED.search(text)
    if match:
        return match[1]
    bare = _BARE.search(text)
    return bare[0] if bare else ""


def message_id(value: bytes) -> str:
    """The first message id in a field, with its brackets, or ""."""
    match = _ID.search(plain(value))
    return match[0] if match else ""


def references(value: str, answered: str = "") -> str:
    """The message ids of a References: field, the one that is answered behind them: the first and the newest where they
    are too many (RFC 5322 3.6.4 lets a thread grow without end)."""
    ids = [one for one in _ID.findall(value[:FIELD_LIMIT]) if one.isascii() and one != answered]
    if answered:
        ids.append(answered)
    if len(ids) > MOST_REFERENCES:
        ids = ids[:1] + ids[1 - MOST_REFERENCES :]
    return "\r\n ".join(dict.fromkeys(ids))


def moment(value: bytes) -> int | None:
    """A Date: field in milliseconds UTC, or None when it is no date."""
    try:
        parsed = parsedate_to_datetime(plain(value[:100]))
        if parsed.tzinfo is None:
            parsed = parsed.replace(tzinfo=timezone.utc)
        return int(parsed.timestamp() * 1000)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def date(milliseconds: int) -> str:
    """Milliseconds UTC as RFC 5322 writes a date; a time that no calendar has becomes the nearest it has."""
    seconds = min(max(milliseconds // 1000, 0), 253402300799)
    return format_datetime(datetime.fromtimestamp(seconds, timezone.utc))


def line(text: str) -> str:
    """`text` on one line: control characters and line separators become one space."""
    return _CONTROLS.sub(" ", text).strip()


def ascii_line(text: str) -> str:
    """`text` on one line of printable ASCII, anything else as "?"."""
    return line(text).encode("ascii", "replace").decode("ascii")


def unstructured(text: str) -> str:
    """Free text for a header (Subject): itself when short printable ASCII, else folded encoded words of UTF-8."""
    text = line(text)
    if text.isascii() and len(text) <= 900 and "=?" not in text:
        return text
    chunks: list[str] = []
    current = b""
    for character in text:
        octets = character.encode("utf-8", "replace")
        if len(current) + len(octets) > 42:  # an encoded word has at most 75 characters, RFC 2047 section 2
            chunks.append(_base64_word(current))
            current = b""
        current += octets
    chunks.append(_base64_word(current))
    return "\r\n ".join(chunks)


def _base64_word(octets: bytes) -> str:
    return f"=?utf-8?B?{binascii.b2a_base64(octets, newline=False).decode('ascii')}?="


def block(fields: list[tuple[str, str]]) -> bytes:
    """Fields as octets with CRLF and the empty line after them. Values are single lines or already folded ones."""
    lines = []
    for name, value in fields:
        safe = "\r\n ".join(line(part) for part in value.split("\r\n "))
        lines.append(f"{name}: {safe}\r\n")
    return "".join(lines).encode("utf-8", "replace") + b"\r\n"
