"""Addresses and words in the fields of a message, as conditions and variables mean them. Nothing here raises.

A phone's address is `sms:+1555…@example.org`, on the wire `"sms:+1555…"@example.org`; all that matters of it is the number.
"""

from __future__ import annotations

from typing import Final

from smsd.codec.number import normalise
from smsd.values.errors import InvalidValue

LONGEST_HEADER: Final = 65536
"""Characters of a header that are looked at."""


def split(value: str) -> list[str]:
    """The addresses of a list, as written: the commas inside quotes and angle brackets do not count."""
    value = value[:LONGEST_HEADER]
    if "," not in value:
        return [value]
    found, start, quoted, bracketed, skip = [], 0, False, False, False
    for at, char in enumerate(value):
        if skip:
            skip = False
        elif char == "\\" and quoted:
            skip = True
        elif char == '"':
            quoted = not quoted
        elif not quoted and char in "<>":
            bracketed = char == "<"
        elif char == "," and not quoted and not bracketed:
            found.append(value[start:at])
            start = at + 1
    found.append(value[start:])
    return [one for item in found if (one := item.strip())]


def spellings(value: str) -> tuple[str, ...]:
    """How a test may mean an address: as it is written, and bare."""
    if "<" not in value and '"' not in value:
        return (value,)
    bare = bracketless(value)
    return (value,) if bare == value else (value, bare)


def bracketless(value: str) -> str:
    """An address without name, angle brackets and quotes."""
    value = value.strip()
    if value.endswith(">") and "<" in value:
        value = value[value.rfind("<") + 1 : -1].strip()
    local, at, domain = value.rpartition("@")
    if at and len(local) > 1 and local[0] == local[-1] == '"':
        return f"{local[1:-1]}@{domain}"
    return value


def bare(value: str) -> str:
    """An address without anything around it, or the number when it is one of a phone: `sms:+1555…@example.org`."""
    value = bracketless(value)
    scheme, colon, rest = value.partition(":")
    scheme = scheme.lower()
    if not colon or scheme not in ("sms", "tel", "mailto"):
        return value
    if scheme == "mailto":
        return rest.partition("?")[0]
    return _before(rest, "@?;&").removeprefix("//").strip()


def local_part(value: str) -> str:
    """What stands before the @ of an address; of a phone's address, the number."""
    return bare(value).rpartition("@")[0] or bare(value)


def extension(value: str) -> str:
    """What `%%extensionnose%%` stands for: the part of To between the colon, if there is one, and the @ or &."""
    value = _before(bracketless(value), "@&")
    return value.rpartition(":")[2].strip()


def _before(value: str, ends: str) -> str:
    for end in ends:
        value = value.partition(end)[0]
    return value


def keyword(body: str) -> str:
    """The first word of a text."""
    words = body.split(None, 1)
    return words[0] if words else ""


def rest(body: str) -> str:
    """A text without its first word."""
    words = body.split(None, 1)
    return words[1] if len(words) > 1 else ""


def normal(value: str) -> str:
    """A phone number as all compare it, whatever stands around it; what is no number as it is, without blanks around."""
    value = _before(bare(value), "@&").strip()
    try:
        return normalise(value[:200]).value
    except InvalidValue:
        return value
