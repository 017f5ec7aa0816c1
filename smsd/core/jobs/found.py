"""What the check of a file has found, counted; a few lines of each kind are kept to be shown."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

SHOWN_ROWS = 10
SHOWN_WRONG = 100


@dataclass
class Found:
    """What the check has found. `sms` counts SMS, `by_parts` messages by their number; `first` are [line, number, text, parts,
    encoding, price], `wrongs` [line, what is written there, why]."""

    rows: int = 0
    good: int = 0
    wrong: int = 0
    sms: int = 0
    price: int | None = None
    dropped: int = 0
    national: int = 0
    again_number: int = 0
    again_same: int = 0
    columns: list[str] = field(default_factory=list)
    to: int = 0
    text: int | None = None
    header: bool = False
    encodings: dict[str, int] = field(default_factory=Counter)
    by_parts: dict[str, int] = field(default_factory=Counter)
    empty: dict[str, int] = field(default_factory=Counter)
    notes: dict[str, int] = field(default_factory=Counter)
    first: list[list[Any]] = field(default_factory=list)
    longest: list[Any] = field(default_factory=list)
    wrongs: list[list[Any]] = field(default_factory=list)
    agains: list[list[Any]] = field(default_factory=list)

    def refuse(self, line: int, typed: str, why: str) -> None:
        """A line that cannot be sent."""
        self.wrong += 1
        if len(self.wrongs) < SHOWN_WRONG:
            self.wrongs.append([line, typed[:60], why])

    def again(self, line: int, target: str, same: bool) -> None:
        """A number that was there before; `same`: with this text."""
        self.again_number += 1
        self.again_same += same
        if len(self.agains) < SHOWN_WRONG:
            self.agains.append([line, target, same])

    def take(
        self, line: int, target: str, text: str, parts: int, encoding: str, price: int | None, notes: tuple[str, ...]
    ) -> None:  # fmt: skip
        """A line that will be sent."""
        self.good += 1
        self.sms += parts
        self.encodings[encoding] += 1
        self.by_parts[str(parts)] += 1
        if price is not None:
            self.price = (self.price or 0) + price
        for note in notes:
            self.notes[note] += 1
        row = [line, target, text, parts, encoding, price]
        if len(self.first) < SHOWN_ROWS:
            self.first.append(row)
        if not self.longest or parts > self.longest[3]:
            self.longest = row
