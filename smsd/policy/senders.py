"""What an account may call itself: patterns of sender numbers and names, and whether a sender is among them.

A pattern is a number (`+393331234567`), a name (`ACME`), or the beginning of either with a star (`+3933*`). Letters are
compared without case, because people read them so; numbers in the form in which they are dialled from abroad.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from smsd.codec.number import normalise
from smsd.values.errors import InvalidValue

LONGEST = 32
_DIALLED = re.compile(r"\+?[0-9 ./()-]+")
_SEPARATORS = re.compile(r"[ ./()-]")


def read(text: str) -> str:
    """A pattern as it is kept; InvalidValue says what is wrong with it."""
    pattern = text.strip()
    if not pattern or len(pattern) > LONGEST or not pattern.isprintable() or "*" in pattern[:-1]:
        raise InvalidValue(
            f"{text[:40]!r} is no sender: write +393331234567, ACME, or the beginning of either and a star, +3933*"
        )
    return pattern


def allowed(patterns: Sequence[str], sender: str, country: str | None) -> bool:
    """Whether one of the patterns fits a sender as it was typed; every sender fits where there are none."""
    if not patterns:
        return True
    forms = _forms(sender, country)
    for pattern in patterns:
        if pattern.endswith("*"):
            start = _beginning(pattern[:-1])
            if any(form.startswith(start) for form in forms):
                return True
        elif not forms.isdisjoint(_forms(pattern, country)):
            return True
    return False


def _forms(sender: str, country: str | None) -> set[str]:
    """How a sender may be written in a pattern: as it was, and, if it is a number, as it is dialled from abroad."""
    try:
        number = normalise(sender, country)
    except InvalidValue:
        return {_plain(sender)}
    return {_plain(number.value)} if number.value.startswith("+") else {_plain(sender), _plain(number.value)}


def _beginning(text: str) -> str:
    """Of a name as it is; of a number as it is dialled from abroad: `0039 333` is +39333."""
    plain = _plain(text)
    if not _DIALLED.fullmatch(plain):
        return plain
    digits = _SEPARATORS.sub("", plain)
    return "+" + digits[2:] if digits.startswith("00") else digits


def _plain(text: str) -> str:
    return text.strip().casefold()
