"""Ids made in memory, known before the commit: milliseconds since 2020 (41 bits) | session slot (10) | sequence (12).

They sort by time, survive clocks that jump backwards (time never runs back within a session, and a session's slot is
never its predecessor's), and let old rows be purged by range.
"""

from __future__ import annotations

from collections.abc import Callable

EPOCH = 1_577_836_800_000  # 2020-01-01T00:00:00Z in Unix milliseconds
SLOTS = 1024
SEQUENCE = 4096


class Ids:
    """A source of ids for one session, all greater than `floor`. `now` gives Unix milliseconds."""

    def __init__(self, slot: int, now: Callable[[], int], floor: int = 0) -> None:
        self._slot = (slot % SLOTS) << 12
        self._now = now
        self._last = floor >> 22
        self._sequence = SEQUENCE - 1  # the milliseconds of the floor are used up

    def next(self) -> int:
        """A new id, greater than all before it."""
        at = self._now() - EPOCH
        if at > self._last:
            self._last, self._sequence = at, 0
        else:
            self._sequence += 1
            if self._sequence >= SEQUENCE:
                self._last, self._sequence = self._last + 1, 0
        return self._last << 22 | self._slot | self._sequence


def first_at(milliseconds: int) -> int:
    """The smallest id that could have been made at this Unix time, for ranges."""
    return max(milliseconds - EPOCH, 0) << 22
