"""The time zone that local times are in, with its daylight saving time, as the pure rooms want it: this machine's, or another
one that is configured (`use`)."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from smsd.values.errors import InvalidValue


def use(name: str | None) -> None:
    """From now on local times of this process are those of this zone (None: the machine's). InvalidValue when the C library does
    not know it, which else would take it for UTC without a word."""
    if name is None:
        return
    os.environ["TZ"] = name
    time.tzset()
    year = datetime.now(timezone.utc).year
    for month in range(1, 13):
        moment = datetime(year, month, 1, tzinfo=timezone.utc)
        if moment.astimezone().utcoffset() != moment.astimezone(ZoneInfo(name)).utcoffset():
            raise InvalidValue(
                f"server.time_zone: this machine does not know {name!r}: install its time zones (the package tzdata)"
            )


class LocalZone(tzinfo):
    """What the C library knows of local time, as a tzinfo that follows PEP 495 (times that exist twice, or not at all)."""

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        """Of a wall time."""
        return None if dt is None else dt.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, dt: datetime | None) -> timedelta | None:
        """Not told: nobody asks."""
        return None

    def tzname(self, dt: datetime | None) -> str | None:
        """The abbreviation: CET, CEST."""
        return None if dt is None else dt.replace(tzinfo=None).astimezone().tzname()

    def fromutc(self, dt: datetime) -> datetime:
        """A moment as wall time; `fold` tells the second of two equal ones."""
        stamp = dt.replace(tzinfo=timezone.utc)
        return datetime.fromtimestamp(stamp.timestamp()).replace(microsecond=dt.microsecond, tzinfo=self)
