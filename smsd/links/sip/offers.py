"""Which algorithms a phone is offered: all, until it has shown that it stumbles over those that it does not know.

RFC 8760 lets a server ask with several, the strongest first, and phones take the first that they know. Some (baresip 1.0) give up
instead, and try again later without a password. Who does that is offered MD5 alone, if MD5 is offered at all, so nothing gets
weaker by it. Several requests at once without a password are no stumbling (Linphone writes so), and who has answered by a better
algorithm is never asked by MD5 alone: it has forgotten that half of its password.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

REMEMBER = 86_400.0
"""Seconds that a phone's habit is remembered after it was seen last."""
PATIENCE = 5.0
"""Seconds that a phone has to answer before it counts as stumbled."""
MOST = 10_000

Who = tuple[str, str, str]
"""An address, the user who is said to be there, and the program."""


@dataclass(slots=True)
class _Habit:
    """`asked`: since when it owes an answer, None when it owes none. `simple`: whether it knows MD5 alone, None: not seen yet."""

    seen: float
    asked: float | None = None
    simple: bool | None = None


class Offers:
    """`algorithms` are those of the configuration."""

    def __init__(self, algorithms: Sequence[str]) -> None:
        self._both = "MD5" in algorithms and len(algorithms) > 1
        self._habits: dict[Who, _Habit] = {}

    def simple(self, who: Who, now: float) -> bool:
        """It has to be asked, once more: whether with MD5 alone."""
        if not self._both:
            return False
        habit = self._habits.pop(who, None)
        if habit is None or abs(now - habit.seen) > REMEMBER:
            habit = _Habit(now)
        while len(self._habits) >= MOST:
            del self._habits[next(iter(self._habits))]
        self._habits[who] = habit
        habit.seen = now
        if habit.asked is None:
            habit.asked = now
        elif habit.simple is None and now - habit.asked >= PATIENCE:
            habit.simple = True
        return bool(habit.simple)

    def answered(self, who: Who, algorithm: str) -> None:
        """It has given its password by this algorithm."""
        habit = self._habits.get(who)
        if habit is not None:
            habit.asked = None
            if algorithm != "MD5":
                habit.simple = False
