"""Queries and bodies to (name, value) pairs: URL queries and forms, JSON objects, multipart/form-data.

Reads what the documents write (feature S3): a raw `+` before the digits of `number` is a plus, not the blank
that form decoding makes of it; quotes around data stay. Text is UTF-8 and nothing else. Never guesses a
charset, never keeps files, never recurses. Everything wrong is an InvalidValue that says what to write.
WHATWG URL 5.1, RFC 8259, RFC 7578.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote_to_bytes

from smsd.codec.smsuri import PARAMETER_NAMES
from smsd.values.errors import InvalidValue

Pairs = list[tuple[str, str]]

MOST_FIELDS = 1000
"""Pairs of one request; more is not a message."""
LONGEST_PART_HEADER = 4096
"""Octets of the header of one part of a multipart body."""

_NAMES = {name.encode(): name for name in PARAMETER_NAMES}
# At the start, in a list, and behind `sms:` or a quote; not before a 0, with which no international number begins.
_PLUS = re.compile(rb'(^|[,;:"]|%2[2Cc]|%3[AaBb])\+(?=[1-9])')


def _too_many() -> InvalidValue:
    return InvalidValue(f"more than {MOST_FIELDS} fields: send fewer")


def _text(octets: bytes, name: str) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidValue(
            f"{name} is not UTF-8 (octet {error.start + 1} is 0x{octets[error.start]:02x}): encode all text as UTF-8"
        ) from None


def _unquote(octets: bytes, name: str) -> str:
    if b"+" in octets:
        octets = octets.replace(b"+", b" ")
    if b"%" in octets:
        octets = unquote_to_bytes(octets)
    return _text(octets, name)


def read_query(query: bytes) -> Pairs:
    """The pairs of a URL query or an `application/x-www-form-urlencoded` body."""
    if query.count(b"&") >= MOST_FIELDS:
        raise _too_many()
    pairs = []
    for piece in query.split(b"&"):
        raw_name, equals, raw = piece.partition(b"=")
        name = _NAMES.get(raw_name) or _unquote(raw_name, "a field's name")
        if not name and not equals:
            continue
        if name.lower() == "number":
            if b"+" in raw:
                raw = _PLUS.sub(rb"\1%2B", raw)
            value = _unquote(raw, "number")
            if value[:1] == " " and value.lstrip()[:1].isdigit():
                value = "+" + value.lstrip()
        else:
            value = _unquote(raw, name)
        pairs.append((name, value))
    return pairs


class _Object(list[tuple[str, Any]]):
    """A JSON object as its pairs, so that a name given twice is seen."""


def _constant(name: str) -> Any:
    raise InvalidValue(f"{name} is no JSON: write a string or a whole number")


def read_json(body: bytes) -> Pairs:
    """The pairs of a JSON object. Strings are taken literally; a list repeats its name; null means: not
    said."""
    try:
        decoded = json.loads(
            _text(body, "the JSON body"),
            object_pairs_hook=_Object,
            parse_int=str,
            parse_float=str,
            parse_constant=_constant,
        )
    except RecursionError:
        raise InvalidValue("the JSON body is nested too deeply: send one flat object") from None
    except json.JSONDecodeError as error:
        raise InvalidValue(
            f"the body is no JSON: {error.msg} in line {error.lineno}, column {error.colno}"
        ) from None
    if not isinstance(decoded, _Object):
        raise InvalidValue('the JSON body is no object: send {"number": "+15551234567", "data": "hello"}')
    pairs: Pairs = []
    for name, value in decoded:
        for item in value if isinstance(value, list) and not isinstance(value, _Object) else [value]:
            if len(pairs) >= MOST_FIELDS:
                raise _too_many()
            if isinstance(item, bool):
                pairs.append((name, "1" if item else "0"))
            elif isinstance(item, str):
                pairs.append((name, item))
            elif item is not None:
                raise InvalidValue(
                    f"{name[:40]!r} is an object or a list in a list: write a string or a list of strings"
                )
    return pairs


_BOUNDARY = re.compile(r'boundary\s*=\s*(?:"([^"\\]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_PART_NAME = re.compile(rb'(?i)\s*form-data\s*;(?:.*;)?\s*name\s*=\s*(?:"([^"]*)"|([^\s;"]+))')
_FILE_NAME = re.compile(rb'(?i);\s*filename(\*?)\s*=\s*(?:"([^"]*)"|([^\s;"]+))')
_PART_TYPE = re.compile(rb"(?im)^content-type:([^\r\n]*)")
_FILE_CHARSETS = (
    "utf-8",
    "utf8",
    "us-ascii",
    "ascii",
    "utf-16",
    "windows-1252",
    "cp1252",
    "iso-8859-1",
    "latin1",
)
"""What is read as itself, or as something that has all its characters."""
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_CHARSET = re.compile(r'charset\s*=\s*"?([^\s;"]+)', re.IGNORECASE)


def read_multipart(body: bytes, content_type: str) -> Pairs:
    """The pairs of a `multipart/form-data` body (RFC 7578); a file's content is its field's value."""
    return [_read_part(head, value) for head, value in _parts(body, content_type)]


def read_upload(body: bytes, content_type: str) -> tuple[Pairs, bytes | None, str]:
    """The same where one part is a file: the other pairs, the octets of the file as they are (None without one), its name."""
    pairs: Pairs = []
    file, name = None, ""
    for head, value in _parts(body, content_type):
        found = _FILE_NAME.search(head)
        if found is None:
            pairs.append(_read_part(head, value))
        elif file is not None:
            raise InvalidValue("there are two files in this request: send one")
        else:
            file = value
            name = _base_name(*found.groups())
            for kind in _PART_TYPE.findall(head):
                check_file_charset(kind.decode("latin-1"))
    return pairs, file, name


def _base_name(coded: bytes, quoted: bytes | None, bare: bytes | None) -> str:
    """What a file is called, without its folders and anything that a terminal would obey. `coded`: a star, as in RFC 8187."""
    octets = (bare if quoted is None else quoted) or b""
    if coded:
        octets = unquote_to_bytes(octets.rpartition(b"'")[2])
    name = octets.decode("utf-8", "replace").rpartition("/")[2].rpartition("\\")[2]
    return _UNPRINTABLE.sub(" ", name).strip()


def check_file_charset(content_type: str) -> None:
    """InvalidValue when a file is said to be written in what would be read as something else."""
    found = _CHARSET.search(content_type)
    if found and found[1].lower() not in _FILE_CHARSETS:
        raise InvalidValue(f"charset {found[1][:20]} is not read: save the file as CSV in UTF-8")


def _parts(body: bytes, content_type: str) -> list[tuple[bytes, bytes]]:
    """Header and content of each part."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise InvalidValue("multipart/form-data without a boundary: send the body as the Content-Type says")
    delimiter = b"\r\n--" + (found[1] or found[2]).encode("latin-1", "replace")
    pieces = (b"\r\n" + body).split(delimiter, MOST_FIELDS + 2)
    if len(pieces) > MOST_FIELDS + 2:
        raise _too_many()
    parts: list[tuple[bytes, bytes]] = []
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            return parts
        head, blank, value = piece.partition(b"\r\n\r\n")
        if not blank or len(head) > LONGEST_PART_HEADER:
            break
        parts.append((head, value))
    raise InvalidValue("the multipart body is broken or does not end with its boundary: send it whole")


def _read_part(head: bytes, value: bytes) -> tuple[str, str]:
    name = None
    for line in re.sub(rb"\r\n[ \t]+", b" ", head).split(b"\r\n"):
        header, _, rest = line.partition(b":")
        header = header.strip().lower()
        if header == b"content-disposition" and (found := _PART_NAME.match(rest)):
            name = _text(found[1] if found[1] is not None else found[2], "a field's name").replace("%22", '"')
        elif header == b"content-transfer-encoding" and rest.strip().lower() not in (
            b"binary",
            b"8bit",
            b"7bit",
        ):
            raise InvalidValue(
                "Content-Transfer-Encoding is not used in forms (RFC 7578 4.7): send the value as it is"
            )
        elif header == b"content-type":
            check_charset(rest.decode("latin-1"), value.isascii())
    if name is None:
        raise InvalidValue('a part has no name: write Content-Disposition: form-data; name="…"')
    return name, _text(value, name)


def check_charset(content_type: str, ascii_only: bool) -> None:
    """InvalidValue when a body declares another charset than UTF-8 and has characters in which that
    matters."""
    found = _CHARSET.search(content_type)
    if found and not ascii_only and found[1].lower() not in ("utf-8", "utf8", "us-ascii"):
        raise InvalidValue(f"charset {found[1][:20]} is not taken: encode all text as UTF-8")


def read_body(body: bytes, content_type: str) -> Pairs | None:
    """The pairs of a body by its Content-Type ("" is taken for a form); None when no such type is read
    here."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind in ("application/x-www-form-urlencoded", ""):
        pairs = read_query(body.strip(b"\r\n"))
        check_charset(content_type, all(value.isascii() for _, value in pairs))
        return pairs
    if kind == "application/json":
        check_charset(content_type, body.isascii())
        return read_json(body)
    if kind == "multipart/form-data":
        return read_multipart(body, content_type)
    return None
