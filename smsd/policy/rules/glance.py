"""The first look at a message: of most it says that no rule can match, before anything is made for them.

Rules are filed under keys of which a message must have one to match (`index`). The glance knows the same keys, and looks only at
what a text without headers has: who sends it and how (alike for many messages: what was found for it is remembered), its number,
its body. What it finds may match or not; what it does not find cannot. A rule that is always asked, or is filed under anything else
(further headers, a date), leaves nothing to glance at: then every message goes to the index.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import replace
from typing import Final

import re2  # type: ignore[import-untyped]

from smsd.policy.rules.compare import Key, chunks, finder, pieces
from smsd.policy.rules.pattern import REACH

Way = tuple[str, str, str, str, str]
"""Who sends a message and how: the texts of From, account, door, host and gateway."""
Positions = tuple[int, ...]
Filed = tuple[int, Key]
"""The position of a rule and a key under which it is filed."""

_NUMBERS: Final = frozenset({"number", "to"})
_TEXTS: Final = frozenset({"body", "keyword"})
_MOST: Final = 1000
"""Ways that are remembered, and characters of one that is."""


class Glance:
    """`ask` says which rules are filed under what a way has."""

    __slots__ = ("_ask", "_bodies", "_heads", "_is", "_known", "_pieces", "_sought", "_tails")

    def __init__(self, filed: Sequence[Filed], ask: Callable[[Way], Positions]) -> None:
        numbers = [(position, _begun(key)) for position, key in filed if key.reading.field in _NUMBERS]
        self._ask = ask
        self._known: dict[Way, Positions] = {}
        self._is = _table(numbers, "is")
        self._heads = tuple(_by_length(_table(numbers, "starts")).items())
        self._tails = tuple((-length, table) for length, table in _by_length(_table(numbers, "ends")).items())
        self._sought = _finders(key for _, key in numbers if key.kind in ("has", "matches"))
        texts = [key for _, key in filed if key.reading.field in _TEXTS]
        self._bodies = _finders(texts)
        self._pieces = pieces(texts)

    def candidates(self, way: Way, number: str, at: str, body: str) -> Sequence[int] | None:
        """The positions of the rules that may match a text without headers, in order; None: the index has to say. `number` is in
        its normal form, with a +; To is the number, @ and `at`, the id of a gateway, or the number alone."""
        found = self._known.get(way)
        if found is None:
            found = self._remembered(way)
        if (hit := self._is.get(number)) is not None:
            found += hit
        for length, table in self._heads:
            if (hit := table.get(number[:length])) is not None:
                found += hit
        for length, table in self._tails:
            if (hit := table.get(number[length:])) is not None:
                found += hit
        if at and self._addressed(number, at):
            return None
        if self._sought and _any(self._sought, number):
            return None
        if self._bodies and self._says(body):
            return None
        return found if len(found) < 2 else sorted(set(found))

    def _says(self, body: str) -> bool:
        """Whether a text has something that rules look for. Of a very long one conditions see a part, which may end like this."""
        if len(body) > REACH:
            return True
        if not body.isascii():
            return _any(self._bodies, body) or _any(self._bodies, body.casefold())
        folded = body.lower()
        for piece in self._pieces:
            if piece in folded:
                return _any(self._bodies, body)
        return False

    def _addressed(self, number: str, at: str) -> bool:
        """Whether anything is filed under `number@at` that is not under the number."""
        to = f"{number}@{at}"
        folded = to.casefold()
        return (
            folded in self._is
            or any(len(folded) >= length and folded[:length] in table for length, table in self._heads)
            or any(folded[length:] in table for length, table in self._tails)
            or _any(self._sought, to)
            or _any(self._sought, folded)
        )

    def _remembered(self, way: Way) -> Positions:
        found = self._ask(way)
        if len(self._known) >= _MOST:
            self._known.clear()
        if sum(map(len, way)) <= _MOST:
            self._known[way] = found
        return found


def glance(filed: Sequence[Filed], alike: Container[str], ask: Callable[[Way], Positions]) -> Glance | None:
    """A glance at rules that are filed like this; None when it would not see all. `alike` are the fields that a way says all
    about."""
    if not all(key.reading.field in alike or _seen(key) for _, key in filed):
        return None
    try:
        return Glance(filed, ask)
    except re2.error:
        return None


def _seen(key: Key) -> bool:
    reading = key.reading
    if reading.field == "keyword" and key.kind == "matches":
        return False  # its ^ and $ are those of a word
    return reading.field in _NUMBERS or (reading.field in _TEXTS and not reading.number)


def _begun(key: Key) -> Key:
    """A number has one +, with which it begins."""
    return replace(key, kind="starts") if key.kind == "has" and key.value.startswith("+") else key


def _table(filed: Iterable[Filed], kind: str) -> dict[str, Positions]:
    found: dict[str, Positions] = {}
    for position, key in filed:
        if key.kind == kind:
            found[key.value] = (*found.get(key.value, ()), position)
    return found


def _by_length(table: dict[str, Positions]) -> dict[int, dict[str, Positions]]:
    found: dict[int, dict[str, Positions]] = {}
    for value in sorted(table, key=len):
        found.setdefault(len(value), {})[value] = table[value]
    return found


def _any(finders: Iterable[Callable[[bytes], object]], text: str) -> bool:
    octets = text.encode("utf-8", "replace")
    return any(find(octets) is not None for find in finders)


# What is a plain text in the index is an expression here, so that one search looks for all of them. What is folded and all ASCII is
# found in a text as it is, whatever its capitals; a text that has more than ASCII is looked at a second time, folded.

_FORMS: Final = {
    ("body", "is"): r"(?i:\A{}\z)", ("body", "starts"): r"(?i:\A{})", ("body", "ends"): r"(?i:{}\z)",
    ("keyword", "is"): r"(?i:\A\W*{}(?:\W|\z))", ("keyword", "starts"): r"(?i:\A\W*{})",
}  # fmt: skip


def _finders(keys: Iterable[Key]) -> tuple[Callable[[bytes], object], ...]:
    sought: dict[str, int] = {}
    for key in keys:
        if key.kind == "matches":
            sought[key.value] = key.cost or len(key.value)
        else:
            form = _FORMS.get((key.reading.field, key.kind), "(?i:{})")
            sought[form.replace("{}", re2.escape(key.value))] = 2 * len(key.value) + 1
    return tuple(map(finder, chunks(sought.items())))
