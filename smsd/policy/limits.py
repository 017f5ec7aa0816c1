"""How much a gateway may carry: SMS per second, minute, hour and day, and different recipients per month, as SIM plans have it.

Seconds, minutes and hours are windows that move: in no stretch of that length more than the limit, which is what networks look
at. Days and months are the calendar's, in the administrator's time zone, which is what a plan is sold by. What counts is the
SMS: a text of four parts is four, also where a provider takes it whole. A message with more parts than a window holds leaves
when nothing else is in it, and fills as many windows as it needs.

A `Meter` is told the time. It holds what the running process knows; `smsd.store.limiting` keeps the same on disk.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from datetime import datetime, tzinfo
from typing import NamedTuple

_DAY = "day"
# Span: its length, and how finely what happened in it is remembered, so that an hour costs sixty entries at most (ms).
WINDOWS = {"second": (1_000, 50), "minute": (60_000, 1_000), "hour": (3_600_000, 60_000)}
SPANS = (*WINDOWS, _DAY)

FITS, WAIT, PASS = "fits", "wait", "pass"


class Limits(NamedTuple):
    """What the configuration says; 0 is no limit."""

    per_second: int = 0
    per_minute: int = 0
    per_hour: int = 0
    per_day: int = 0
    recipients_per_month: int = 0

    def of(self, span: str) -> int:
        """The limit of a span by its name."""
        return int(getattr(self, f"per_{span}"))


class Use(NamedTuple):
    """What is kept of a span: `n` SMS that began with `start` count until `until` (ms)."""

    span: str
    start: int
    until: int
    n: int


class _Span:
    """The use of one span, oldest first."""

    def __init__(self, name: str, most: int) -> None:
        self.name = name
        self.most = most
        self.used = 0
        self._uses: deque[list[int]] = deque()  # [start, until, n]

    def add(self, start: int, until: int, n: int) -> None:
        if self._uses and start <= self._uses[-1][0]:
            last = self._uses[-1]
            last[1], last[2] = max(last[1], until), last[2] + n
        else:
            self._uses.append([start, max(until, self._uses[-1][1] if self._uses else 0), n])
        self.used += n

    def undo(self, start: int, n: int) -> None:
        """What was added with this start did not happen."""
        for use in reversed(self._uses):
            if use[0] <= start:
                gone = min(use[2], n)
                use[2] -= gone
                self.used -= gone
                return

    def expire(self, now: int) -> None:
        """Forget what no longer counts, and what a clock that was set back has left in the future."""
        while self._uses and (self._uses[0][1] <= now or self._uses[0][0] > now):
            self.used -= self._uses.popleft()[2]

    def when(self, need: int, held: int, now: int) -> int:
        """When `need` fits."""
        self.expire(now)
        short = min(need, self.most) - (self.most - self.used - held)
        for _, until, n in self._uses:
            if short <= 0:
                break
            short, now = short - n, until
        return now if short <= 0 else now + 1000  # what is held ends by itself, and is told

    @property
    def left(self) -> int:
        return self.most - self.used


class Charge(NamedTuple):
    """What a message takes: `n` SMS to `number`, at `at` (ms)."""

    at: int
    n: int
    number: str


class Meter:
    """One gateway's limits and what is used of them."""

    def __init__(self, limits: Limits, zone: tzinfo) -> None:
        self.zone = zone
        # Whether its gateway carries the parts of octets, and of texts, one by one.
        self.parts = self.text_parts = False
        self._days = self._months = (0, 0)
        self._month = ""
        self._numbers: set[str] = set()
        self._spans: dict[str, _Span] = {}
        # Parts of messages that are on the wire, which will leave: they count, and no time makes them go away.
        self.held = 0
        self.become(limits)

    def become(self, limits: Limits) -> None:
        """Other limits, the same use, as far as it was counted."""
        self.limits = limits
        before = self._spans
        self._spans = {}
        for name in SPANS:
            if limits.of(name):
                self._spans[name] = before.get(name) or _Span(name, 0)
                self._spans[name].most = limits.of(name)

    def load(self, uses: Iterable[Use], numbers: Iterable[str], now: int) -> None:
        """What was kept: uses that still count, oldest first, and the numbers of this month."""
        self.month(now)
        self._numbers.update(numbers)
        for use in uses:
            if use.span in self._spans:
                self._spans[use.span].add(use.start, use.until, use.n)

    # -- asking

    def fits(self, number: str, n: int, now: int) -> bool:
        """Whether a message of `n` SMS may leave now."""
        return self.budget(now).take(number, n) is FITS

    def willing(self, now: int) -> bool:
        """Whether there is room for at least one SMS to anybody."""
        return self.ready_at(1, now) <= now and not self._full(now)

    def knows(self, number: str) -> bool:
        """Whether one more message to this number is no further recipient."""
        return not self.limits.recipients_per_month or number in self._numbers

    def ready_at(self, n: int, now: int) -> int:
        """When `n` SMS may leave (ms), as far as no recipient is too many."""
        return max((span.when(n, self.held, now) for span in self._spans.values()), default=now)

    def budget(self, now: int) -> Budget:
        """What a claim may take now."""
        for span in self._spans.values():
            span.expire(now)
        self.month(now)
        rooms = [[span.name == _DAY, span.most, span.left - self.held] for span in self._spans.values()]
        most = self.limits.recipients_per_month
        return Budget(rooms, most - len(self._numbers) if most else math.inf, self._numbers if most else None)

    def _full(self, now: int) -> bool:
        most = self.limits.recipients_per_month
        if not most:
            return False
        self.month(now)
        return len(self._numbers) >= most

    # -- counting

    def charge(self, charge: Charge, later: int = 0) -> bool:
        """It leaves; `later` of its SMS are parts that follow. Gives whether its number is new this month."""
        for use in self.uses(charge):
            self._spans[use.span].add(use.start, use.until, use.n - later)
        self.held += later
        if not self.limits.recipients_per_month:
            return False
        self.month(charge.at)
        new = charge.number not in self._numbers
        self._numbers.add(charge.number)
        return new

    def undo(self, charge: Charge, new: bool) -> None:
        """It did not leave."""
        for use in self.uses(charge):
            self._spans[use.span].undo(use.start, use.n)
        if new:
            self._numbers.discard(charge.number)

    def moved(self, charge: Charge, now: int, later: int) -> None:
        """What was charged when it was accepted leaves now; `later` of its SMS are parts that follow."""
        self.undo(charge, new=False)
        self.charge(charge._replace(at=now), later)

    def part(self, charge: Charge) -> None:
        """One of those that follow leaves."""
        self.held -= 1
        self.charge(charge)

    def drop(self, parts: int) -> None:
        """So many of those that follow do not leave."""
        self.held -= parts

    def uses(self, charge: Charge) -> list[Use]:
        """What is kept of a charge, one for each span that is limited."""
        found = []
        for name, span in self._spans.items():
            if name == _DAY:
                start, until = self._day(charge.at)
            else:
                length, grain = WINDOWS[name]
                start = charge.at - charge.at % grain
                until = charge.at + length * math.ceil(charge.n / span.most)
            found.append(Use(name, start, until, charge.n))
        return found

    def month(self, now: int) -> str:
        """The month that recipients count in, "2026-11"; with a new one nobody is known."""
        start, until = self._months
        if not start <= now < until:
            local = datetime.fromtimestamp(now / 1000, self.zone)
            first = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0, fold=0)
            after = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
            self._months = (_stamp(first), _stamp(after))
            month = f"{first:%Y-%m}"
            if month != self._month:
                self._month = month
                self._numbers.clear()
        return self._month

    def _day(self, now: int) -> tuple[int, int]:
        start, until = self._days
        if not start <= now < until:
            local = datetime.fromtimestamp(now / 1000, self.zone)
            first = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
            # A day has 23 to 25 hours; 30 hours after its beginning is the next one.
            later = datetime.fromtimestamp(first.timestamp() + 30 * 3600, self.zone)
            after = later.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
            self._days = (_stamp(first), _stamp(after))
        return self._days

    # -- for people

    def told(self, now: int) -> list[str]:
        """A line for each limit: how much of it is used, and when there is more."""
        lines = []
        for name, span in self._spans.items():
            at = span.when(1, self.held, now)
            next_in = f"; next in {length(at - now)}" if at > now else ""
            when = "today" if name == _DAY else f"this {name}"
            lines.append(f"{span.used + self.held} of {span.most} {when}{next_in}")
        most = self.limits.recipients_per_month
        if most:
            self.month(now)
            more = f"; new ones in {length(self._months[1] - now)}" if len(self._numbers) >= most else ""
            lines.append(f"{len(self._numbers)} of {most} recipients this month{more}")
        return lines


class Budget:
    """What one claim may take; `short` is what the first message needs that has to wait for its turn, `costs` what each that fits
    takes, `passed` whether one was passed over: not today, or not this month."""

    def __init__(self, rooms: list[list[int]], new: float, known: set[str] | None) -> None:
        self._rooms = rooms  # [whether it is the day, most, left]
        self._new = new
        self._known = known
        self._met: set[str] = set()
        self.short = 0
        self.costs: list[int] = []
        self.passed = False

    def take(self, number: str, n: int) -> str:
        """FITS: it is taken. WAIT: nothing behind it may overtake it, or a long text would never leave. PASS: others may, because
        what it waits for is far."""
        stranger = self._known is not None and number not in self._known and number not in self._met
        tight = [day for day, most, left in self._rooms if min(n, most) > left]
        if (stranger and self._new <= 0) or True in tight:
            self.passed = True
            return PASS
        if tight:
            self.short = n
            return WAIT
        for room in self._rooms:
            room[2] -= n
        if stranger:
            self._new -= 1
            self._met.add(number)
        self.costs.append(n)
        return FITS


def length(milliseconds: int) -> str:
    """A time to wait, in words: 12 s, 5 min, 3 h 20 min, 9 days."""
    seconds = math.ceil(milliseconds / 1000)
    if seconds < 120:
        return f"{seconds} s"
    minutes = math.ceil(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{math.ceil(seconds / 86400)} days"


def _stamp(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
