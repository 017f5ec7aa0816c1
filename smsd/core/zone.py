"""This machine's time zone, with its daylight saving time, as the pure rooms want it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone, tzinfo


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
