"""Which rules can match at all: found by what a message has, instead of by asking each.

A rule is filed under keys of which a message must have one for the rule to match. What cannot be filed is always asked. The
answer may name rules that do not match after all, never leave out one that does; order is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import re2  # type: ignore[import-untyped]

from smsd.policy.rules import pattern, view
from smsd.policy.rules.compare import Comparison, Key, Reading, chunks, finder, pattern_keys, pieces
from smsd.policy.rules.glance import Filed, Glance, Positions, Way, glance
from smsd.policy.rules.letter import Facts, Letter
from smsd.policy.rules.model import And, Condition, Field, Or, Rule, SetHeader
from smsd.policy.rules.pattern import REACH
from smsd.policy.rules.view import View

_WEIGHTS = {"is": 4, "starts": 3, "ends": 2, "has": 1, "matches": 1}
_MOST = 1000
_FEW = 16
"""So many plain texts are looked for one by one: quicker than an expression for all of them."""

_NO_FACTS = Facts()

Keys = tuple[int, tuple[Key, ...]]
"""How well keys divide messages, and the keys."""


def keys(condition: Condition, comparisons: dict[Field, Comparison]) -> Keys | None:
    """What a message must have one of; None when nothing is known."""
    if isinstance(condition, Field):
        found = comparisons[condition].keys(view.canonical(condition.name))
        return (
            None
            if found is None
            else (min((_WEIGHTS[key.kind] for key in found), default=_WEIGHTS["is"]), found)
        )
    if isinstance(condition, And):  # the best one will do
        return best(*(keys(part, comparisons) for part in condition.parts))
    if isinstance(condition, Or):
        weight, gathered = _WEIGHTS["is"], list[Key]()
        for part in condition.parts:
            one = keys(part, comparisons)
            if one is None:
                return None
            weight = min(weight, one[0])
            gathered += one[1]
        return (weight, tuple(gathered)) if len(gathered) <= _MOST else None
    return None


def filed_under(rule: Rule, comparisons: dict[Field, Comparison]) -> Keys | None:
    """What a message must have one of for a rule to do something; None when nothing is known."""
    asked = keys(rule.condition, comparisons)
    if asked is not None and asked[0] > _WEIGHTS["has"]:
        return asked  # what it rewrites is seldom more special than what it asks for
    return best(asked, _rewriting(rule))


def only_rewrites(rule: Rule) -> bool:
    """Whether a rule may be left out because it has nothing to rewrite, whatever its condition says."""
    return _rewriting(rule) is not None


def _rewriting(rule: Rule) -> Keys | None:
    """Those of a rule that does nothing but rewrite where expressions match: where none does, it need not be asked."""
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
        self.glance: Glance | None = None
        self._waiting: list[int] = []
        self._files: dict[Reading, _File] = {}
        self._shelves: tuple[tuple[frozenset[str], Find], ...] = ()
        self._alike: tuple[Find, ...] = ()
        self._filed: list[Filed] = []

    def add(self, position: int, keys: Keys | None) -> None:
        """File the rule at `position`; with no keys it is always asked, with an empty tuple never."""
        if keys is None:
            self._waiting.append(position)
            return
        for key in keys[1]:
            self._filed.append((position, key))
            reading = _filed(key.reading)
            self._files.setdefault(reading, _File(reading)).add(position, key)

    def close(self) -> None:
        """Make it ready."""
        shelves: list[tuple[frozenset[str], Find]] = []
        alike: dict[bool, dict[str, Find]] = {True: {}, False: {}}
        for reading, file in self._files.items():
            find, lost = file.close()
            self._waiting += lost
            field = reading.field
            if field in _ALIKE:
                together = alike[field == "subject"]
                together[f"{field} {reading}"] = find
            else:
                shelves.append((frozenset((view.depends(field),)), find))
        for together in alike.values():
            if together:
                fields = frozenset(name.partition(" ")[0] for name in together)
                depends = frozenset(map(view.depends, fields))
                find = _remembering(fields, list(together.values()))
                shelves.append((depends, find))
                self._alike += (find,)
        self.always = tuple(sorted(set(self._waiting)))
        if not self.always:
            self.glance = glance(self._filed, _ALIKE, self._by_way)
        self._shelves = tuple(shelves)
        self.depends = frozenset().union(*(depends for depends, _ in shelves)) - {""}

    def _by_way(self, way: Way) -> Positions:
        """The positions of the rules that are filed under what a way has."""
        sender, account, door, host, gateway = way
        letter = Letter(True, sender, "", "", account=account, door=door, host=host, gateway=gateway)
        found: list[int] = []
        for find in self._alike:
            find(View(letter, _NO_FACTS), found)
        return tuple(found)

    def candidates(self, seen: View) -> Sequence[int]:
        """The positions of the rules that may match, in order."""
        found: list[int] = []
        for _, find in self._shelves:
            find(seen, found)
        return self._merged(self.always, found)

    def again(self, seen: View, before: Sequence[int]) -> Sequence[int]:
        """The same after a change of what is in `seen.dirty`: who could match before is not left out."""
        found: list[int] = []
        for depends, find in self._shelves:
            if not depends.isdisjoint(seen.dirty):
                find(seen, found)
        return self._merged(before, found)

    def _merged(self, known: Sequence[int], found: list[int]) -> Sequence[int]:
        if not found:
            return known
        return sorted({*known, *found}) if known or len(found) > 1 else found


Find = Callable[[View, "list[int]"], None]
"""Adds the positions of the rules filed under what a message has."""

# Every message asks, so what is found where is written out, and read without what only conditions need.
_ALIKE = {
    "from": "sender", "sender": "sender", "subject": "subject", "host": "letter.host", "account": "letter.account",
    "door": "letter.door", "gateway": "gateway",
}  # fmt: skip
"""Fields in which many messages are alike, and the text of the message that they follow from: what was found under it once is
remembered."""
_PLAIN = {**_ALIKE, "body": "body", "number": "number"}
del _PLAIN["from"], _PLAIN["sender"]


def _filed(reading: Reading) -> Reading:
    """How a field is read for the index: what is one text, or one recipient, is read only once."""
    whole = view.is_single(reading.field) or reading.field in ("from", "to")
    return Reading(reading.field, False, reading.number, reading.case) if whole else reading


def _remembering(fields: frozenset[str], finds: list[Find]) -> Find:
    """All of `finds` at once, which look at these fields alone."""
    get = attrgetter(*sorted({_ALIKE[field] for field in fields}))
    known: dict[object, tuple[int, ...]] = {}

    def find(seen: View, found: list[int]) -> None:
        texts: Any = get(seen)
        positions = known.get(texts)
        if positions is None:
            mine: list[int] = []
            for one in finds:
                one(seen, mine)
            positions = tuple(mine)
            if len(known) >= _MOST:
                known.clear()
            if (len(texts) if isinstance(texts, str) else sum(map(len, texts))) <= _MOST:
                known[texts] = positions
        found += positions

    return find


class _File:
    """What is filed under one reading of a field."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._values: dict[str, list[int]] = {}
        self._prefixes: dict[str, list[int]] = {}
        self._suffixes: dict[str, list[int]] = {}
        self._has: list[tuple[Key, int]] = []
        self._sought: list[tuple[Key, int]] = []

    def add(self, position: int, key: Key) -> None:
        if key.kind == "is":
            self._values.setdefault(key.value, []).append(position)
        elif key.kind == "starts":
            self._prefixes.setdefault(key.value, []).append(position)
        elif key.kind == "ends":
            self._suffixes.setdefault(key.value, []).append(position)
        elif key.kind == "has":
            self._has.append((key, position))
        else:
            self._sought.append((key, position))

    def close(self) -> tuple[Find, list[int]]:
        """What finds, and the positions that cannot be filed here."""
        few = [(key.value, position) for key, position in self._has] if len(self._has) <= _FEW else []
        self._sought += self._has if not few else []
        finders: list[tuple[Callable[[bytes], object], list[int]]] = []
        lost: list[int] = []
        at = 0
        for chunk in chunks(_expression(key) for key, _ in self._sought):
            positions = [position for _, position in self._sought[at : at + len(chunk)]]
            at += len(chunk)
            try:
                finders.append((finder(chunk), positions))
            except re2.error:
                lost += positions
        sought = _Sought(
            finders, pieces(key for key, _ in self._sought), REACH if self._reading.case else None
        )
        look = _looking(self._values, self._prefixes, self._suffixes, few, sought)
        return self._reader(look), lost

    def _reader(self, look: Look) -> Find:
        reading = self._reading
        if reading.field in _PLAIN and not reading.number:
            get = attrgetter(_PLAIN[reading.field])
            if reading.case:
                return lambda seen, found: look(get(seen), found)
            return lambda seen, found: look(get(seen).casefold(), found)
        if reading.single:
            one = reading.one()
            return lambda seen, found: look(one(seen), found)
        spellings = reading.spellings()
        if reading.field != "to":
            return lambda seen, found: _each(look, spellings(seen), found)
        whole = Reading("to", True, reading.number, reading.case).one()
        folded = not reading.number and not reading.case

        def find(seen: View, found: list[int]) -> None:
            if folded and seen.letter.outgoing and "<" not in seen.to and '"' not in seen.to:  # most
                look(seen.to.casefold(), found)
                return
            _each(look, spellings(seen), found)
            if not seen.letter.outgoing:  # several recipients: as one text they are more than their spellings
                look(whole(seen), found)

        return find


def _expression(key: Key) -> tuple[str, int]:
    """What RE2 looks for, and its cost."""
    expression = key.value if key.kind == "matches" else re2.escape(key.value)
    return expression, key.cost or len(expression)


class _Sought:
    """Expressions to look for in the first `limit` characters of a text, if it has one of `pieces` in it."""

    __slots__ = ("_limit", "_pieces", "finders")

    def __init__(
        self, finders: list[tuple[Callable[[bytes], object], list[int]]], pieces: tuple[str, ...], limit: int | None
    ) -> None:  # fmt: skip
        self.finders = finders
        self._pieces = pieces
        self._limit = limit

    def look(self, text: str, found: list[int]) -> None:
        """Add the positions of those that match."""
        if text.isascii():
            folded = text.lower()
            for piece in self._pieces:
                if piece in folded:
                    break
            else:
                return
        octets = text[: self._limit].encode("utf-8", "replace")
        for search, positions in self.finders:
            if search(octets) is not None:
                found += positions


Look = Callable[[str, "list[int]"], None]
"""Adds the positions of the rules filed under what one text has."""


def _each(look: Look, texts: tuple[str, ...], found: list[int]) -> None:
    for text in texts:
        look(text, found)


def _looking(
    values: dict[str, list[int]],
    prefixes: dict[str, list[int]],
    suffixes: dict[str, list[int]],
    has: list[tuple[str, int]],
    sought: _Sought,
) -> Look:
    """What adds the positions filed under what a text is, begins with, ends with, contains, matches."""
    lengths = tuple(sorted({len(prefix) for prefix in prefixes}))
    tails = tuple(sorted({len(suffix) for suffix in suffixes}))
    finders = sought.finders
    if not (prefixes or suffixes or has or finders):

        def look_up(text: str, found: list[int]) -> None:
            if (hit := values.get(text)) is not None:
                found += hit

        return look_up

    def look(text: str, found: list[int]) -> None:
        if values and (hit := values.get(text)) is not None:
            found += hit
        for length in lengths:
            if (hit := prefixes.get(text[:length])) is not None:
                found += hit
        for length in tails:
            if (hit := suffixes.get(text[-length:])) is not None:
                found += hit
        for value, position in has:
            if value in text:
                found.append(position)
        if finders:
            sought.look(text, found)

    return look
