"""What the world outside was told: every message that a client offered, and what it heard of it.

A text carries its id so often that each part of a long SMS shows it. `Ledger` is filled by many threads.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field

ID = re.compile(r"[ki]\d{7}")


@dataclass(slots=True)
class Offer:
    """One message. `accepted` are the numbers that were answered with OK; `parts` of each SMS."""

    id: str
    door: str
    numbers: tuple[str, ...]
    text: str
    parts: int
    accepted: set[str] = field(default_factory=set)
    tries: int = 0


class Ledger:
    """All offers by id, and the ids of the incoming messages that the network was given."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.offers: dict[str, Offer] = {}
        self.incoming: dict[str, int] = {}
        self.problems: list[str] = []
        self._serial = 0

    def offer(self, door: str, count: int, size: int, extra: str = "") -> Offer:
        """A new message to `count` numbers, the id written `size` times."""
        with self._lock:
            self._serial += 1
            name = f"k{self._serial:07d}"
            first = 1_000_000 + self._serial * 4 % 8_000_000
            numbers = tuple(f"+1555{first + n:07d}" for n in range(count))
            text = " ".join([name] * size) + extra
            # 160 letters fit one SMS, 153 each part of a longer one (3GPP TS 23.040); with a letter outside the alphabet 70 and 67.
            one, part = (160, 153) if text.isascii() else (70, 67)
            parts = 1 if len(text) <= one else -(-len(text) // part)
            offer = self.offers[name] = Offer(name, door, numbers, text, parts)
            return offer

    def arrive(self, size: int) -> tuple[str, str]:
        """(id, text) of an incoming message."""
        with self._lock:
            self._serial += 1
            name = f"i{self._serial:07d}"
            self.incoming[name] = size
            return name, " ".join([name] * size)

    def accept(self, offer: Offer, number: str) -> None:
        """The door said yes."""
        with self._lock:
            offer.accepted.add(number)

    def problem(self, text: str) -> None:
        """Something that must not happen."""
        with self._lock:
            self.problems.append(text)

    def counts(self) -> dict[str, int]:
        """Accepted recipients by door, and offers that never heard an answer."""
        with self._lock:
            found: dict[str, int] = {"unanswered": 0}
            for offer in self.offers.values():
                if offer.accepted:
                    found[offer.door] = found.get(offer.door, 0) + len(offer.accepted)
                else:
                    found["unanswered"] += 1
            return found
