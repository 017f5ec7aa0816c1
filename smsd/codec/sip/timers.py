"""The timers of RFC 3261 section 17 (table 4), in seconds, and the clockwork that runs thousands of them without a clock."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from smsd.codec.sip.matching import Key
from smsd.codec.sip.tables import Event

_SLACK = 1_000


@dataclass(frozen=True, slots=True)
class Timers:
    """T1 is the estimated round trip, T2 the longest between retransmissions, T4 the longest a datagram lives in the network;
    `trying` is how long an INVITE waits for its 100."""

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0
    trying: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.t1 <= self.t2:
            raise ValueError("T1 is above 0 and not above T2")

    @property
    def most(self) -> float:
        """64*T1: how long a transaction is tried (F, H) and remembered (J)."""
        return 64 * self.t1


class Clockwork:
    """What is due when. An entry counts only while `is_set(key, event, time)` says so: whoever stops a timer need not find it here.
    Stopped ones are swept out before they are more than the live ones."""

    def __init__(self, is_set: Callable[[Key, Event, float], bool]) -> None:
        self._is_set = is_set
        self._heap: list[tuple[float, int, Key, Event]] = []
        self._count = 0

    def start(self, at: float, key: Key, event: Event, live: int) -> None:
        """One more; `live` transactions there are."""
        self._count += 1
        heapq.heappush(self._heap, (at, self._count, key, event))
        if len(self._heap) > 6 * live + _SLACK:
            self._heap = [entry for entry in self._heap if self._is_set(entry[2], entry[3], entry[0])]
            heapq.heapify(self._heap)

    def due(self, now: float) -> Iterator[tuple[Key, Event]]:
        """What is due by now, in order; each once."""
        while self._heap and self._heap[0][0] <= now:
            at, _, key, event = heapq.heappop(self._heap)
            if self._is_set(key, event, at):
                yield key, event

    def next(self) -> float | None:
        """When something is due next."""
        while self._heap:
            at, _, key, event = self._heap[0]
            if self._is_set(key, event, at):
                return at
            heapq.heappop(self._heap)
        return None
