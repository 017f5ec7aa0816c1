"""Times in SMS (TS 23.040 sections 9.2.3.11 and 9.2.3.12): service centre stamps and validity periods.

A stamp on the wire is local time with its distance from UTC in quarter hours; here it is milliseconds UTC
beside that distance. Stamps that name no possible moment are None, so that the message they came with is
kept. This module never asks what time it is.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Final

from smsd.values.errors import InvalidValue

_EPOCH: Final = datetime.date(1970, 1, 1).toordinal()
_FIRST_DAY: Final = datetime.date(1990, 1, 1).toordinal() - _EPOCH
_LAST_DAY: Final = datetime.date(2090, 1, 1).toordinal() - _EPOCH
_QUARTER: Final = 15 * 60
_FIVE_MINUTES, _HALF_HOUR, _DAY, _WEEK = 5, 30, 24 * 60, 7 * 24 * 60

NO_VALIDITY, ENHANCED, RELATIVE, ABSOLUTE = 0, 1, 2, 3
"""The values of TP-VPF; relative is 2, not 1."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """A moment in milliseconds UTC, and the quarter hours (-79..79) by which the writer's clock was ahead of
    UTC.
    """

    at: int
    offset: int = 0


def _swapped(octet: int) -> int | None:
    """Two semi-octet digits, low nibble first; None when one is no digit."""
    tens, units = octet & 0xF, octet >> 4
    return None if tens > 9 or units > 9 else tens * 10 + units


def _semi_octets(number: int) -> int:
    return number // 10 | number % 10 << 4


def read_stamp(octets: bytes) -> Stamp | None:
    """The stamp in the first seven octets, or None. 90..99 are years of the last century."""
    if len(octets) < 7:
        return None
    fields = [_swapped(octet) for octet in octets[:6]]
    quarters = _swapped(octets[6] & 0xF7)  # bit 3 is the sign, the other nibble bits the tens
    if quarters is None or None in fields:
        return None
    year, month, day, hour, minute, second = (field or 0 for field in fields)
    try:
        date = datetime.date(year + (1900 if year >= 90 else 2000), month, day)
    except ValueError:
        return None
    if hour > 23 or minute > 59 or second > 59:
        return None
    offset = -quarters if octets[6] & 8 else quarters
    seconds = (date.toordinal() - _EPOCH) * 86400 + hour * 3600 + minute * 60 + second - offset * _QUARTER
    return Stamp(seconds * 1000, offset)


def write_stamp(stamp: Stamp) -> bytes:
    """Seven octets; milliseconds are dropped. InvalidValue outside 1990..2089 or for more than 79 quarter
    hours.
    """
    if abs(stamp.offset) > 79:
        raise InvalidValue(f"a time zone of {stamp.offset} quarter hours cannot be written: at most 79")
    days, second = divmod(stamp.at // 1000 + stamp.offset * _QUARTER, 86400)
    if not _FIRST_DAY <= days < _LAST_DAY:
        raise InvalidValue("a time stamp must lie between the years 1990 and 2089")
    date = datetime.date.fromordinal(_EPOCH + days)
    parts = (date.year % 100, date.month, date.day, second // 3600, second // 60 % 60, second % 60)
    zone = _semi_octets(abs(stamp.offset)) | (8 if stamp.offset < 0 else 0)
    return bytes((*map(_semi_octets, parts), zone))


def relative_validity(minutes: int) -> int:
    """The TP-VP octet for at most `minutes`; the shortest, 5 minutes, for anything below it, 63 weeks at
    most.
    """
    if minutes <= 12 * 60:
        return max(minutes // _FIVE_MINUTES, 1) - 1
    if minutes <= _DAY:
        return 143 + (minutes - 12 * 60) // _HALF_HOUR
    if minutes < 2 * _DAY:
        return 167
    if minutes < 5 * _WEEK:
        return 166 + min(minutes // _DAY, 30)
    return 192 + min(minutes // _WEEK, 63)


def relative_minutes(octet: int) -> int:
    """How many minutes a relative TP-VP octet stands for."""
    if octet <= 143:
        return (octet + 1) * _FIVE_MINUTES
    if octet <= 167:
        return 12 * 60 + (octet - 143) * _HALF_HOUR
    if octet <= 196:
        return (octet - 166) * _DAY
    return (octet - 192) * _WEEK


@dataclass(frozen=True, slots=True)
class Validity:
    """A TP-VP field as it stands on the wire: `format` is TP-VPF (1..3), `octets` its one or seven octets."""

    format: int
    octets: bytes

    @classmethod
    def relative(cls, minutes: int) -> Validity:
        """At most that many minutes from the moment the service centre takes the message."""
        return cls(RELATIVE, bytes((relative_validity(minutes),)))

    @classmethod
    def absolute(cls, stamp: Stamp) -> Validity:
        """Until that moment."""
        return cls(ABSOLUTE, write_stamp(stamp))

    @property
    def until(self) -> Stamp | None:
        """The moment an absolute period ends; None for other formats and impossible moments."""
        return read_stamp(self.octets) if self.format == ABSOLUTE else None

    @property
    def seconds(self) -> int | None:
        """How long a relative or enhanced period lasts; None when it does not say."""
        if self.format == RELATIVE:
            return relative_minutes(self.octets[0]) * 60 if self.octets else None
        if self.format != ENHANCED or len(self.octets) < 5:
            return None
        at = 2 if self.octets[0] & 0x80 else 1  # bit 7: one more functionality octet follows
        form = self.octets[0] & 7
        if form == 1:
            return relative_minutes(self.octets[at]) * 60
        if form == 2:
            return self.octets[at]
        if form == 3:
            hours, minutes, seconds = (_swapped(octet) for octet in self.octets[at : at + 3])
            if hours is not None and minutes is not None and seconds is not None:
                return hours * 3600 + minutes * 60 + seconds
        return None

    @property
    def single_shot(self) -> bool:
        """The service centre is to try once only (enhanced format)."""
        return self.format == ENHANCED and bool(self.octets and self.octets[0] & 0x40)
