"""A target in the templates: any text parses or is refused with its position, and what parses renders."""

from __future__ import annotations

import re
from urllib.parse import quote

from smsd.codec.template import Kind, parse
from smsd.values.errors import InvalidValue
from tests.fuzz.driver import target, text_of

_NAMES = ("number", "data", "udh", "sender", "condition", ":from_alias", ":body", "To")
_KINDS: tuple[Kind, ...] = ("ascii", "unicode", "binary")


@target("template")
def template(octets: bytes) -> None:
    """The first octet chooses URL or text, and the kind of message."""
    wishes, text = octets[0] if octets else 0, text_of(octets[1:])
    url, kind = wishes & 1 == 0, _KINDS[wishes // 2 % 3]
    try:
        found = parse(text, _NAMES, url)
    except InvalidValue as error:
        if re.match(r"at character [0-9]+: ", str(error)) is None:
            raise
        return
    assert found.names <= set(_NAMES)
    for value in ("+1555 & é😀%", "", b"\x05\x00\xff", b""):
        values = dict.fromkeys(_NAMES, value)
        shown = found.render(values, lambda inserted: quote(inserted, safe=""), kind)
        if not found.names:
            assert shown == text
        found.render(values, None, kind)
