"""Time stamps as providers write them, to milliseconds. A stamp that cannot be read is none: no message is refused for it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from smsd.values.errors import InvalidValue

FORMATS = ("iso", "epoch", "epoch-ms", "digits")
"""`iso`: 2020-01-31 12:00:00, with T or a blank, with a fraction and a zone or without; `digits`: YYMMDDHHMM[SS]."""

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ]?(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s*(Z|UTC|GMT|[+-]\d\d:?\d\d)?",
    re.ASCII | re.IGNORECASE,
)
_DIGITS = re.compile(r"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?", re.ASCII)
_ZONE = re.compile(r"([+-])(\d\d):?([0-5]\d)", re.ASCII)
_LAST = 253_402_300_800_000  # the year 10000


def zone(text: str) -> timedelta:
    """How far `+02:00` is from UTC; InvalidValue when that is no zone."""
    found = _ZONE.fullmatch(text.strip())
    if found is None:
        raise InvalidValue(f"{text!r} is no time zone: write +02:00")
    distance = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return -distance if found[1] == "-" else distance


def stamp(text: str, written: str, offset: timedelta) -> int | None:
    """Unix milliseconds; `offset` counts for stamps that name no zone."""
    text = text.strip()
    try:
        if written == "iso":
            return _iso(text, offset)
        if written == "digits":
            return _digits(text, offset)
        at = int(float(text) * (1 if written == "epoch-ms" else 1000)) if len(text) <= 20 else 0
    except (ValueError, OverflowError):
        return None
    return at if 0 < at < _LAST else None


def _iso(text: str, offset: timedelta) -> int | None:
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    *numbers, second, fraction, named = found.groups()
    if named:
        offset = zone(named) if named[0] in "+-" else timedelta()
    thousandths = int(f"{fraction or 0:0<3}"[:3])
    return _at([int(number) for number in numbers], int(second or 0), offset) + thousandths


def _digits(text: str, offset: timedelta) -> int | None:
    found = _DIGITS.fullmatch(text)
    if found is None:
        return None
    year, *numbers = [int(number) for number in found.groups()[:5]]
    return _at([2000 + year, *numbers], int(found[6] or 0), offset)


def _at(numbers: list[int], second: int, offset: timedelta) -> int:
    year, month, day, hour, minute = numbers
    local = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=timezone.utc)
    return round((local - offset).timestamp() * 1000)
