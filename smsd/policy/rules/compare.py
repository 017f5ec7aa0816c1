"""Comparisons of texts: a `TextTest` becomes a function of a text, and what of it an index can use.

A text is read from the message as a `Reading` says: folded unless capitals matter, in the normal form of phone numbers where
numbers are compared. Lists from files are prepared once for each version of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import re2  # type: ignore[import-untyped]

from smsd.policy.rules import pattern, view
from smsd.policy.rules.addresses import normal
from smsd.policy.rules.model import Each, How, TextTest
from smsd.policy.rules.pattern import REACH, Pattern
from smsd.policy.rules.view import Items, View
from smsd.values.errors import InvalidValue, storable

Op = Callable[[str, View], bool]
"""Whether a text, read as the comparison wants it, is what it should be."""

_FEW: Final = 16
_FEW_PIECES: Final = 20
_HEAD: Final = 3
_MOST_KEYS: Final = 1000
_CHUNK: Final = 4096
"""Cost of an expression that looks for many texts at once, about its instructions: far below where RE2 gets slow."""
_CAREFUL: Final = 4
"""What an instruction costs that is not for a plain text: many of them together can make RE2 slow."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a field is read. `joined`: as one text; `number`: as phone numbers; `case`: as written, else folded."""

    field: str
    joined: bool = False
    number: bool = False
    case: bool = False

    @property
    def single(self) -> bool:
        """Whether it is always one text."""
        return self.joined or view.is_single(self.field)

    def one(self) -> Callable[[View], str]:
        """The reader of a field that is one text."""
        key, get, form = self._key("one"), view.text(self.field), _form(self.number, self.case)

        def read(seen: View) -> str:
            known: str | None = seen.cache.get(key)
            if known is None:
                known = seen.cache[key] = form(get(seen))
            return known

        return read

    def several(self) -> Callable[[View], Items]:
        """The reader of a field with items."""
        key, field, form = self._key("items"), self.field, _form(self.number, self.case)

        def read(seen: View) -> Items:
            known: Items | None = seen.cache.get(key)
            if known is None:
                items = view.items(seen, field)
                if len(items) == 1 and len(items[0]) == 1:
                    known = ((form(items[0][0]),),)
                else:
                    known = tuple([tuple([form(text) for text in item]) for item in items])
                seen.cache[key] = known
            return known

        return read

    def spellings(self) -> Callable[[View], tuple[str, ...]]:
        """The reader of all texts of a field."""
        key, several, plain = self._key("all"), self.several(), self.field == "to"
        form = _form(self.number, self.case)

        def read(seen: View) -> tuple[str, ...]:
            known: tuple[str, ...] | None = seen.cache.get(key)
            if known is None:
                if plain and seen.letter.outgoing and "<" not in seen.to and '"' not in seen.to:
                    known = (form(seen.to),)  # most
                else:
                    items = several(seen)
                    known = items[0] if len(items) == 1 else tuple([text for item in items for text in item])
                seen.cache[key] = known
            return known

        return read

    def _key(self, form: str) -> str:
        return f"{view.depends(self.field)} {self.field} {form} {self.number} {self.case}"


def _form(number: bool, case: bool) -> Callable[[str], str]:
    """What brings a text into the form in which it is compared."""
    if number:
        return normal if case else lambda text: normal(text).casefold()
    return str if case else str.casefold


@dataclass(frozen=True, slots=True)
class Key:
    """What a text must have for a comparison to be true: be `value`, begin or end with it (`starts`, `ends`), contain it (`has`),
    or match it (`matches`, an expression for RE2; what matches has one of `pieces` in it, where there are any). `cost` is that of
    looking for it."""

    reading: Reading
    kind: str
    value: str
    cost: int = 0
    pieces: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Comparison:
    """A compiled `TextTest`. `read` brings a text from elsewhere (an answer of a database) into the form that `op` wants; `case`
    and `number` say the same to a `Reading`. `keys` makes what an index needs, None when it can do nothing."""

    op: Op
    case: bool
    number: bool
    joined: bool
    keys: Callable[[str], tuple[Key, ...] | None]
    warnings: tuple[str, ...] = ()

    def read(self, text: str) -> str:
        """`text` in the form that `op` wants."""
        return _form(self.number, self.case)(text)

    def reading(self, field: str) -> Reading:
        """How a field is read for it."""
        return Reading(field, self.joined, self.number, self.case)


def compile_test(test: TextTest) -> Comparison:
    """The comparison; InvalidValue when the test makes no sense."""
    if test.compare not in ("text", "number"):
        raise InvalidValue(f"compare is {test.compare[:40]!r}: write text or number")
    number = test.compare == "number"
    joined = test.each is Each.JOINED or test.how is How.EMPTY
    for written in (test.value, *test.items):
        storable(written)
    if test.how is How.REGEX:
        return _regex(test, joined, number)
    if test.how in (How.ITEM, How.IN):
        return _listed(test, joined, number)
    if test.how is How.EMPTY:
        return Comparison(lambda text, _: not text.strip(), True, False, True, _no_keys)
    op, kind = _PLAIN[test.how]
    value = wanted(test.value, number, test.how is How.EQUALS)
    folded, case = value.casefold(), test.case and not number
    if not case:
        value = folded
    warnings = (
        ()
        if value or test.how is How.EQUALS
        else ("it compares with an empty text, which every text contains",)
    )

    def keys(field: str) -> tuple[Key, ...] | None:
        if not kind or (not folded and kind != "is"):
            return None
        return (Key(Reading(field, joined, number), kind, folded),)

    return Comparison(op(value), case, number, joined, keys, warnings)


_PLAIN: dict[How, tuple[Callable[[str], Op], str]] = {
    How.CONTAINS: (lambda value: lambda text, _: value in text, "has"),
    How.STARTS: (lambda value: lambda text, _: text.startswith(value), "starts"),
    How.ENDS: (lambda value: lambda text, _: text.endswith(value), "ends"),
    How.EQUALS: (lambda value: lambda text, _: text == value, "is"),
}


def _no_keys(field: str) -> None:
    return None


def wanted(value: str, number: bool, whole: bool) -> str:
    """What a text is compared with, in the form in which it is read. A piece of a number loses its separators only."""
    if not number:
        return value
    if whole:
        return normal(value)
    plain = "".join(char for char in value if char in "+0123456789*#")
    return f"+{plain[2:]}" if plain.startswith("00") else plain or value


def _regex(test: TextTest, joined: bool, number: bool) -> Comparison:
    compiled = pattern.read(test.value, test.case)
    return Comparison(
        lambda text, _: compiled.search(text),
        True,
        number,
        joined,
        lambda field: pattern_keys(compiled, field, joined, number),
        compiled.warnings,
    )


_SMALL: Final = 200


def pattern_keys(
    compiled: Pattern, field: str, joined: bool = False, number: bool = False
) -> tuple[Key, ...] | None:
    """What a field must have for an expression to match it."""
    if compiled.prefixes:
        reading = Reading(field, joined, number)
        return tuple(Key(reading, "starts", prefix) for prefix in sorted(compiled.prefixes))
    if compiled.size > _SMALL:
        return None
    flags = "-i" if compiled.case else "i"
    reading = Reading(field, joined, number, True)
    expression, cost = f"(?{flags}:{compiled.main})", _CAREFUL * compiled.size
    return (Key(reading, "matches", expression, cost, compiled.pieces),)


# -- lists


def lines(given: Iterable[str]) -> list[str]:
    """The items of a file: one a line; empty lines and those that begin with # are none."""
    return [item for line in given if (item := line.strip()) and item[0] != "#"]


def _listed(test: TextTest, joined: bool, number: bool) -> Comparison:
    contains, path = test.how is How.ITEM, test.file
    case = test.case and not number
    form = _form(False, case)
    own = [form(wanted(item, number, not contains)) for item in test.items if item]
    prepare = _containing if contains else _being
    fixed = prepare(own)
    known: list[Any] = [None, None]

    def op(text: str, seen: View) -> bool:
        if fixed(text):
            return True
        now = seen.facts.lists.get(path)
        if not now:
            return False
        if known[0] is not now:  # a file that changed is another tuple
            known[1] = prepare([form(wanted(item, number, not contains)) for item in lines(now)])
            known[0] = now
        return bool(known[1](text))

    def keys(field: str) -> tuple[Key, ...] | None:
        if path or not own or len(own) > _MOST_KEYS:
            return None
        reading = Reading(field, joined, number)
        return tuple(Key(reading, "has" if contains else "is", item.casefold()) for item in own)

    warnings = () if own or path else ("its list is empty: it is never true",)
    return Comparison(op if path else lambda text, _: fixed(text), case, number, joined, keys, warnings)


def _being(items: list[str]) -> Callable[[str], bool]:
    return frozenset(items).__contains__


def _containing(items: list[str]) -> Callable[[str], bool]:
    """Whether one of the items is in a text: each where they are few; else from each place of the text, by its next characters."""
    short = [item for item in dict.fromkeys(items) if len(items) <= _FEW or len(item) < _HEAD]
    by_head: dict[str, dict[int, set[str]]] = {}
    for item in items if len(items) > _FEW else ():
        if len(item) >= _HEAD:
            by_head.setdefault(item[:_HEAD], {}).setdefault(len(item), set()).add(item)

    def find(text: str) -> bool:
        text = text[:REACH]
        if any(item in text for item in short):
            return True
        if not by_head:
            return False
        for at in range(len(text) - _HEAD + 1):
            lengths = by_head.get(text[at : at + _HEAD])
            if lengths is not None:
                for length, known in lengths.items():
                    if text[at : at + length] in known:
                        return True
        return False

    return find


def chunks(expressions: Iterable[tuple[str, int]], most: int = 200) -> list[list[str]]:
    """Expressions, each with its cost, in groups that RE2 can look for at once without getting slow."""
    found: list[list[str]] = []
    room = 0
    for expression, cost in expressions:
        if room < cost or len(found[-1]) >= most:
            found.append([])
            room = _CHUNK
        found[-1].append(expression)
        room -= cost
    return found


def finder(expressions: list[str]) -> Callable[[bytes], object]:
    """A function of the octets of a text: something that is not None when one of the expressions matches."""
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    return pattern.search(re2.compile("|".join(expressions).encode("utf-8", "replace"), options))


def pieces(keys: Iterable[Key]) -> tuple[str, ...]:
    """What stands in every text that has one of the keys, folded, cut so short that there are only few: to look for these one by
    one is quicker than any expression. An empty one stands in every text."""
    wanted: set[str] = set()
    for key in keys:
        wanted |= (key.pieces or {""}) if key.kind == "matches" else {key.value}
    for length in (16, 8, 6, 5, 4, 3):
        short = {piece[:length] for piece in wanted}
        if len(short) <= _FEW_PIECES:
            return tuple(sorted(short))
    return ("",)
