"""When timed rules run (feature R10): which moments a timetable names between two others, and which of them are still to run.

Times are those of a wall clock in a zone; slots, the moments they mean, are milliseconds UTC, so that a slot is the same one
whatever happens to clocks. A wall time that a day does not have (daylight saving begins) means the next minute that there is;
one that it has twice means the first. `every` counts minutes that really pass, anew from each midnight.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta, timezone, tzinfo
from itertools import count

from smsd.values.errors import InvalidValue
from smsd.values.frozen import frozen

MINUTE = 60_000
DAY = 24 * 60 * MINUTE
LAST = 0
"""The last day of a month, among days of the month."""
LONGEST_GAP = 70 * DAY
"""No timetable is silent for longer: the 31st comes after at most 62 days."""

_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_MONTHDAY = re.compile(r"0?[1-9]|[12][0-9]|3[01]")
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAYS = "write mon-fri, [mon, wed], [1, 15] or last"


@frozen
class Timetable:
    """Minutes of the day, or `every` so many minutes from midnight on (0: by `times`), on these `weekdays` (0 is Monday) or
    these days of the month (`LAST`: the last one); every day when there are neither."""

    times: tuple[int, ...] = ()
    every: int = 0
    weekdays: frozenset[int] = frozenset()
    monthdays: frozenset[int] = frozenset()

    def __str__(self) -> str:
        """The whole of it in one line: equal timetables, equal lines."""
        at = f"every {self.every}" if self.every else ",".join(_clock(minute) for minute in self.times)
        days = ",".join(_WEEKDAYS[day][:3] for day in sorted(self.weekdays))
        days += ",".join(
            "last" if day == LAST else str(day) for day in sorted(self.monthdays, key=lambda d: d or 32)
        )
        return f"{at} {days}".rstrip()

    def on(self, day: date) -> bool:
        """Whether it has that day."""
        if self.weekdays:
            return day.weekday() in self.weekdays
        if self.monthdays:
            last = (day + timedelta(1)).day == 1
            return day.day in self.monthdays or (last and LAST in self.monthdays)
        return True


def timetable(at: Iterable[str] = (), every: int = 0, days: Iterable[str] = ()) -> Timetable:
    """A timetable as people write it: `at` 08:00, `days` mon-fri, sat, 1, 15, last. InvalidValue says what is wrong."""
    weekdays, monthdays = read_days(days)
    return Timetable(read_times(at), every, weekdays, monthdays)


def read_times(texts: Iterable[str]) -> tuple[int, ...]:
    """Minutes of the day, in order, each once."""
    minutes = set()
    for text in texts:
        found = _TIME.fullmatch(text.strip())
        if found is None:
            raise InvalidValue(f"{text[:40]!r} is no time of day: write 08:00, from 00:00 to 23:59")
        minutes.add(int(found[1]) * 60 + int(found[2]))
    return tuple(sorted(minutes))


def read_days(texts: Iterable[str]) -> tuple[frozenset[int], frozenset[int]]:
    """Weekdays, or days of the month; both empty for every day."""
    weekdays: set[int] = set()
    monthdays: set[int] = set()
    for text in texts:
        first, dash, last = (part.strip().lower() for part in text.partition("-"))
        begin = _day(first, text)
        end = _day(last, text) if dash else begin
        if begin[0] != end[0] or (dash and LAST in (begin[1], end[1]) and begin[0] == "month"):
            raise InvalidValue(f"{text[:40]!r} is no span of days: {_DAYS}")
        if begin[0] == "week":
            weekdays |= {(begin[1] + n) % 7 for n in range((end[1] - begin[1]) % 7 + 1)}
        elif begin[1] > end[1]:
            raise InvalidValue(f"{text[:40]!r} ends before it begins: write the smaller day first")
        else:
            monthdays |= set(range(begin[1], end[1] + 1))
    if weekdays and monthdays:
        raise InvalidValue("either days of the week or days of the month: write a rule for each")
    return frozenset(weekdays), frozenset(monthdays)


def _day(word: str, text: str) -> tuple[str, int]:
    if word == "last":
        return "month", LAST
    if _MONTHDAY.fullmatch(word):
        return "month", int(word)
    for number, name in enumerate(_WEEKDAYS):
        if word in (name, name[:3]):
            return "week", number
    raise InvalidValue(f"{text[:40]!r} is no day: {_DAYS}")


# -- slots


def slots(table: Timetable, after: int, until: int, zone: tzinfo) -> Iterator[int]:
    """The moments later than `after` and not later than `until`, in order, each once."""
    newest = after
    day = datetime.fromtimestamp(after / 1000, zone).date()
    while _moment(day, 0, zone) <= until:
        for slot in _slots_of(table, day, after, zone) if table.on(day) else ():
            if slot > until:
                return
            if slot > newest:
                newest = slot
                yield slot
        day += timedelta(1)


def next_slot(table: Timetable, after: int, zone: tzinfo) -> int | None:
    """The first moment later than `after`; None when the timetable has no times."""
    return next(slots(table, after, after + LONGEST_GAP, zone), None)


def label(slot: int, zone: tzinfo) -> str:
    """The wall time of a slot with its offset, which no two slots share: 2026-11-01T08:00+01:00."""
    return datetime.fromtimestamp(slot / 1000, zone).isoformat(timespec="minutes")


def _slots_of(table: Timetable, day: date, after: int, zone: tzinfo) -> Iterator[int]:
    if not table.every:
        yield from (_moment(day, minute, zone) for minute in table.times)
        return
    step = table.every * MINUTE
    midnight, end = _moment(day, 0, zone), _moment(day + timedelta(1), 0, zone)
    for n in count(max(0, (after - midnight) // step)):
        if midnight + n * step >= end:
            return
        yield midnight + n * step


def _moment(day: date, minute: int, zone: tzinfo) -> int:
    """When a wall clock first shows this time or a later one."""
    wall = datetime(day.year, day.month, day.day, minute // 60, minute % 60)
    moment = _utc(wall.replace(tzinfo=zone))
    if _wall(moment, zone) == wall:
        return moment
    # In a gap. The offset from before it gives a moment after it, and the other way round (PEP 495).
    before, behind = _utc(wall.replace(tzinfo=zone, fold=1)) // MINUTE, moment // MINUTE
    while behind - before > 1:
        middle = (before + behind) // 2
        if _wall(middle * MINUTE, zone) < wall:
            before = middle
        else:
            behind = middle
    return behind * MINUTE


def _utc(local: datetime) -> int:
    return round(local.astimezone(timezone.utc).timestamp() * 1000)


def _wall(moment: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(moment / 1000, zone).replace(tzinfo=None, fold=0)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


# -- what has run


@frozen
class Done:
    """Stretches of time, from one whole minute to another, both included, in which nothing is left to run. Several, because a
    clock that is set jumps over what stays undecided, and comes back to what it has been through. The newest `MOST` are kept,
    newest last."""

    MOST = 16

    stretches: tuple[tuple[int, int], ...] = ()

    def __contains__(self, slot: int) -> bool:
        return any(first <= slot <= last for first, last in self.stretches)

    def having(self, first: int, last: int) -> Done:
        """With all whole minutes from `first` to `last`."""
        first, last = -(-first // MINUTE) * MINUTE, last // MINUTE * MINUTE
        apart = []
        for one in self.stretches:
            if one[0] <= last + MINUTE and first <= one[1] + MINUTE:
                first, last = min(first, one[0]), max(last, one[1])
            else:
                apart.append(one)
        return Done((*apart, (first, last))[-self.MOST :])


def begins(now: int, late: int) -> int:
    """The oldest moment that may still run at `now`, with `late` minutes to make up for it: one minute is always given."""
    return now - max(late, 0) * MINUTE - MINUTE + 1


def due(table: Timetable, done: Done, now: int, late: int, zone: tzinfo) -> list[int]:
    """What is to run at `now`, oldest first. Of an `every` only the newest: those it missed would say the same."""
    waiting = [slot for slot in slots(table, begins(now, late) - 1, now, zone) if slot not in done]
    return waiting[-1:] if table.every else waiting
