"""Which algorithms a phone is offered: all, until it has shown that it stumbles over those that it does not know.

RFC 8760 lets a server ask with several, the strongest first, and phones take the first that they know. Some (baresip 1.0) give up
instead, and try again later without a password. Who does that twice is offered MD5 alone, if MD5 is offered at all, so nothing gets
weaker by it.
"""

from __future__ import annotations

from collections.abc import Sequence

REMEMBER = 86_400.0
"""Seconds that a phone's habit is remembered after it was seen last."""
MOST = 10_000

Who = tuple[str, str]
"""An address, and the user who is said to be there."""


class Offers:
    """`algorithms` are those of the configuration."""

    def __init__(self, algorithms: Sequence[str]) -> None:
        self._simple = ("MD5",) if "MD5" in algorithms and len(algorithms) > 1 else ()
        self._missed: dict[Who, tuple[int, float]] = {}

    def simple(self, who: Who, now: float) -> bool:
        """It has to be asked, once more: whether with MD5 alone."""
        if not self._simple:
            return False
        times, last = self._missed.pop(who, (0, now))
        times = 1 if now - last > REMEMBER else times + 1
        while len(self._missed) >= MOST:
            del self._missed[next(iter(self._missed))]
        self._missed[who] = min(times, 2), now
        return times > 1

    def answered(self, who: Who, algorithm: str) -> None:
        """It has given its password by this algorithm."""
        times, _ = self._missed.get(who, (0, 0.0))
        if times == 1 or (times and algorithm != "MD5"):
            del self._missed[who]
