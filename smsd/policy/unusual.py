"""When an account sends far more than it usually does: pure arithmetic over what it has sent.

What is usual is the busiest hour, the busiest day and the dearest hour that an account has had, fading by half in a month. They
grow slowly (`GROWTH`), so that whoever steals an account cannot teach it new habits within a day. Hours and days are those of UTC.
Nothing is usual for an account that is new, and little enough is never unusual.
"""

from __future__ import annotations

from typing import NamedTuple

from smsd.values import money

HOUR = 3_600_000
DAY = 24
"""Hours."""
HALF_LIFE = 720.0
"""Hours after which half of a habit is forgotten."""
GROWTH = 4.0
"""What is usual grows at most so many times with each hour, and each day."""
OF_A_DAY = 4
"""So many times what is never held in an hour is never held in a day."""


class Bounds(NamedTuple):
    """What is far more than usual: so many times (`factor`, `spending_factor`), and more than `from_messages` in an hour, or
    `from_spending` in money (in `currency`). `learn` messages come before anything is usual. Without `hold` nothing ever is."""

    hold: bool = False
    factor: float = 50
    spending_factor: float = 10
    from_messages: int = 500
    from_spending: int = 20 * money.UNIT
    learn: int = 100
    currency: str = ""


class Habit(NamedTuple):
    """Of one account: messages in this `hour` (since 1970) and in this day before it, money `spent` in this hour, the peaks of
    hours and days that are over, messages `seen` before this hour. `held`: since when it is (ms), 0 when it is not."""

    account: str
    hour: int = 0
    taken: int = 0
    today: int = 0
    spent: int = 0
    hour_peak: float = 0
    day_peak: float = 0
    spent_peak: float = 0
    seen: int = 0
    held: int = 0
    why: str = ""


def turned(habit: Habit, hour: int, bounds: Bounds) -> Habit:
    """The habit in a later hour. What was sent while the account is held is nobody's habit."""
    if hour <= habit.hour:
        return habit
    learning = habit.seen < bounds.learn
    same_day = hour // DAY == habit.hour // DAY
    today = habit.today + habit.taken
    hour_peak, day_peak, spent_peak = habit.hour_peak, habit.day_peak, habit.spent_peak
    if not habit.held:
        hour_peak = _grown(hour_peak, habit.taken, learning)
        spent_peak = _grown(spent_peak, habit.spent, learning)
        if not same_day:
            day_peak = _grown(day_peak, today, learning)
    fade = 0.5 ** ((hour - habit.hour) / HALF_LIFE)
    return habit._replace(
        hour=hour, taken=0, spent=0, today=today if same_day else 0, seen=habit.seen + habit.taken,
        hour_peak=hour_peak * fade, day_peak=day_peak * fade, spent_peak=spent_peak * fade,
    )  # fmt: skip


def _grown(peak: float, now: int, learning: bool) -> float:
    if peak and not learning:
        now = min(now, int(peak * GROWTH) + 1)
    return max(peak, now)


def counted(habit: Habit, messages: int, cost: int) -> Habit:
    """With what has just been accepted."""
    return habit._replace(taken=habit.taken + messages, spent=habit.spent + cost)


def judged(habit: Habit, messages: int, cost: int, bounds: Bounds) -> str:
    """Why so many more messages, at this cost, are far more than usual, for people; "" when they are not."""
    if not bounds.hold or habit.seen < bounds.learn:
        return ""
    hour = habit.taken + messages
    if hour > max(bounds.from_messages, bounds.factor * habit.hour_peak):
        return f"{hour} messages within an hour, where {_about(habit.hour_peak)} are usual at most"
    day = habit.today + hour
    if habit.day_peak and day > max(bounds.from_messages * OF_A_DAY, bounds.factor * habit.day_peak):
        return f"{day} messages within a day, where {_about(habit.day_peak)} are usual at most"
    spent = habit.spent + cost
    if (
        cost
        and habit.spent_peak
        and spent > max(bounds.from_spending, bounds.spending_factor * habit.spent_peak)
    ):
        usual = money.shown(int(habit.spent_peak), bounds.currency)
        return f"messages for {money.shown(spent, bounds.currency)} within an hour, where {usual} is usual at most"
    return ""


def _about(peak: float) -> int:
    return max(1, round(peak))


def held(habit: Habit, now: int, why: str) -> Habit:
    """From now on."""
    return habit._replace(held=now, why=why)


def released(habit: Habit) -> Habit:
    """Somebody has looked at it: as much as it has sent in this hour and this day is usual from now on."""
    return habit._replace(
        held=0,
        why="",
        hour_peak=max(habit.hour_peak, habit.taken),
        day_peak=max(habit.day_peak, habit.today + habit.taken),
        spent_peak=max(habit.spent_peak, habit.spent),
    )
