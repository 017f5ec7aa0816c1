"""What was seen before, by the hundred thousand and in few octets: a set of hashes of 64 bits (16 octets for each entry or fewer;
Python's own takes a hundred). That two of a million different things have the same is a matter of one in thirty million."""

from __future__ import annotations

from array import array
from hashlib import blake2b


class Seen:
    """Remembers texts."""

    def __init__(self) -> None:
        self._size = 1 << 10
        self._slots = array("Q", bytes(8 * self._size))
        self._count = 0

    def add(self, text: str) -> bool:
        """Remember it; True when it was there before."""
        key = int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big") or 1
        if self._put(key):
            return True
        self._count += 1
        if self._count * 3 > self._size * 2:
            self._grow()
        return False

    def _put(self, key: int) -> bool:
        slots, mask = self._slots, self._size - 1
        at = key & mask
        while slots[at]:
            if slots[at] == key:
                return True
            at = (at + 1) & mask
        slots[at] = key
        return False

    def _grow(self) -> None:
        old = self._slots
        self._size *= 2
        self._slots = array("Q", bytes(8 * self._size))
        for key in old:
            if key:
                self._put(key)
