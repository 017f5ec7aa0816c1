"""Which rules can match at all: found by what a message has, instead of by asking each.

A rule is filed under keys of which a message must have one for the rule to match. What cannot be filed is always asked. The
answer may name rules that do not match after all, never leave out one that does; order is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import re2  # type: ignore[import-untyped]

from smsd.policy.rules import pattern, view
from smsd.policy.rules.compare import Comparison, Key, Reading, chunks, finder, pattern_keys
from smsd.policy.rules.model import And, Condition, Field, Or, Rule, SetHeader
from smsd.policy.rules.pattern import REACH
from smsd.policy.rules.view import View

_WEIGHTS = {"is": 3, "starts": 2, "has": 1, "matches": 1}
_MOST = 1000

Keys = tuple[int, tuple[Key, ...]]
"""How well keys divide messages, and the keys."""


def keys(condition: Condition, comparisons: dict[Field, Comparison]) -> Keys | None:
    """What a message must have one of; None when nothing is known."""
    if isinstance(condition, Field):
        found = comparisons[condition].keys(view.canonical(condition.name))
        return None if found is None else (min((_WEIGHTS[key.kind] for key in found), default=3), found)
    if isinstance(condition, And):  # the best one will do
        return best(*(keys(part, comparisons) for part in condition.parts))
    if isinstance(condition, Or):
        weight, gathered = 3, list[Key]()
        for part in condition.parts:
            one = keys(part, comparisons)
            if one is None:
                return None
            weight = min(weight, one[0])
            gathered += one[1]
        return (weight, tuple(gathered)) if len(gathered) <= _MOST else None
    return None


def rewriting(rule: Rule) -> Keys | None:
    """The same for a rule that does nothing but rewrite where expressions match: where none does, it need not be asked."""
    gathered: list[Key] = []
    for action in rule.actions:
        field = (
            action.name.strip().removesuffix(":").rstrip().lower() if isinstance(action, SetHeader) else ""
        )
        if not isinstance(action, SetHeader) or not action.regex or field not in view.WRITABLE:
            return None
        found = pattern_keys(pattern.read(action.regex), view.canonical(field), joined=True)
        if found is None:
            return None
        gathered += found
    return (min(_WEIGHTS[key.kind] for key in gathered), tuple(gathered)) if gathered else None


def best(*known: Keys | None) -> Keys | None:
    """The keys that divide messages best."""
    return max(
        [one for one in known if one is not None], key=lambda one: (one[0], -len(one[1])), default=None
    )


class Index:
    """Filed rules, by their positions. Built by `add` and `close`, then only asked."""

    def __init__(self) -> None:
        self.always: tuple[int, ...] = ()
        self.depends: frozenset[str] = frozenset()
        self._waiting: list[int] = []
        self._files: dict[Reading, _File] = {}
        self._closed: tuple[_File, ...] = ()

    def add(self, position: int, keys: Keys | None) -> None:
        """File the rule at `position`; with no keys it is always asked, with an empty tuple never."""
        if keys is None:
            self._waiting.append(position)
            return
        for key in keys[1]:
            self._files.setdefault(key.reading, _File(key.reading)).add(position, key)

    def close(self) -> None:
        """Make it ready."""
        for file in self._files.values():
            self._waiting += file.close()
        self.always = tuple(sorted(set(self._waiting)))
        self._closed = tuple(self._files.values())
        self.depends = frozenset(view.depends(reading.field) for reading in self._files) - {""}

    def candidates(self, seen: View) -> Sequence[int]:
        """The positions of the rules that may match, in order."""
        found: list[int] = []
        for file in self._closed:
            file.find(seen, found)
        return self._merged(self.always, found)

    def again(self, seen: View, before: Sequence[int]) -> Sequence[int]:
        """The same after a change of what is in `seen.dirty`: who could match before is not left out."""
        found: list[int] = []
        for file in self._closed:
            if file.depends in seen.dirty:
                file.find(seen, found)
        return self._merged(before, found)

    def _merged(self, known: Sequence[int], found: list[int]) -> Sequence[int]:
        if not found:
            return known
        return sorted({*known, *found}) if known or len(found) > 1 else found


class _File:
    """What is filed under one reading of a field."""

    def __init__(self, reading: Reading) -> None:
        self.depends = view.depends(reading.field)
        self._one = reading.one() if reading.single else None
        self._spellings = reading.spellings()
        self._limit = REACH if reading.case else None
        self._values: dict[str, list[int]] = {}
        self._prefixes: dict[str, list[int]] = {}
        self._lengths: tuple[int, ...] = ()
        self._sought: list[tuple[str, int, int]] = []
        self._finders: list[tuple[Callable[[bytes], object], list[int]]] = []

    def add(self, position: int, key: Key) -> None:
        if key.kind == "is":
            self._values.setdefault(key.value, []).append(position)
        elif key.kind == "starts":
            self._prefixes.setdefault(key.value, []).append(position)
        else:
            expression = re2.escape(key.value) if key.kind == "has" else key.value
            self._sought.append((expression, key.cost or len(expression), position))

    def close(self) -> list[int]:
        """Make it ready; the positions that cannot be filed here."""
        self._lengths = tuple(sorted({len(prefix) for prefix in self._prefixes}))
        lost: list[int] = []
        at = 0
        for chunk in chunks((expression, cost) for expression, cost, _ in self._sought):
            positions = [position for _, _, position in self._sought[at : at + len(chunk)]]
            at += len(chunk)
            try:
                self._finders.append((finder(chunk), positions))
            except re2.error:
                lost += positions
        self._sought = []
        return lost

    def find(self, seen: View, found: list[int]) -> None:
        """Add the positions of the rules filed under what the message has."""
        values, prefixes = self._values, self._prefixes
        for text in self._spellings(seen) if self._one is None else (self._one(seen),):
            if values and (hit := values.get(text)) is not None:
                found += hit
            for length in self._lengths:
                if (hit := prefixes.get(text[:length])) is not None:
                    found += hit
            if self._finders:
                octets = text[: self._limit].encode("utf-8", "replace")
                for search, positions in self._finders:
                    if search(octets) is not None:
                        found += positions
