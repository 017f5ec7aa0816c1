"""Servers that do not answer: left alone for a while, so that they do not hold the few slots that all senders' URLs share.

After `FEW` failures in a row a server rests, longer each time; then one request tries it. Pure; remembers the latest `MOST`.
"""

from __future__ import annotations

FEW = 3
SHORTEST, LONGEST = 15.0, 600.0
"""Seconds."""
MOST = 1000


class Silent:
    """What is known of servers, by their origin: failures in a row, and until when nobody asks them."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, float]] = {}

    def rest(self, origin: str, now: float, trial: float) -> float:
        """Seconds for which a server is to be left alone; 0: ask it. Whoever is told 0 after a rest asks for all the others, who
        wait for `trial` seconds."""
        failures, until = self._known.get(origin, (0, 0.0))
        if failures < FEW:
            return 0.0
        if now < until:
            return until - now
        self._known[origin] = (failures, now + trial)
        return 0.0

    def failed(self, origin: str, now: float) -> None:
        """It did not answer."""
        failures, until = self._known.pop(origin, (0, 0.0))
        if failures < FEW or now >= until:  # else one of several that were under way, and it rests already
            failures += 1
            until = now + min(SHORTEST * 2 ** min(max(failures - FEW, 0), 10), LONGEST)
        self._known[origin] = (failures, until)
        if len(self._known) > MOST:
            del self._known[next(iter(self._known))]

    def answered(self, origin: str) -> None:
        """Whatever it said."""
        self._known.pop(origin, None)
