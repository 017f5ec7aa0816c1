"""The shape of a regular expression: what can be known of it without matching anything.

Reads as much of RE2's and Perl's syntax as the translation of look-aheads (`lookahead`) and the index (`prefixes`) need: where
groups, alternatives, repetitions and anchors stand. Whether an expression is valid is for RE2 to say; what is not understood here
raises `Unreadable`, and then nothing is translated and nothing indexed.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, replace

from smsd.values.frozen import frozen

DEEPEST = 50
"""Groups within groups."""
_MOST_PREFIXES, _LONGEST_PREFIX = 64, 24


class Unreadable(ValueError):
    """Not understood here; RE2 may still do so, or say why not."""


class Kind(enum.Enum):
    """What an item is. CHAR: one known character; SET: one of several; START: `^`, `\\A`; END: `$`, `\\z`; ZERO: `\\b`, `\\B`;
    LOOK: look-ahead or look-behind; BACK: a back reference."""

    CHAR = "char"
    SET = "set"
    START = "start"
    END = "end"
    ZERO = "zero"
    GROUP = "group"
    FLAGS = "flags"
    LOOK = "look"
    BACK = "back"


@frozen
class Item:
    """A piece of a sequence, at `start` to `end` of the source with its repetition (`low` to `high` times, None: no end).
    `text` is the character itself, the source of a set, or what opens a group (`(?:`); `inner` is where a group's inside begins
    and ends; `captures`: it is a numbered group."""

    kind: Kind
    start: int
    end: int
    text: str
    low: int = 1
    high: int | None = 1
    alternatives: tuple[Sequence, ...] = ()
    inner: tuple[int, int] = (0, 0)
    captures: bool = False

    @property
    def once(self) -> bool:
        """Whether it is not repeated."""
        return self.low == self.high == 1


Sequence = tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Expression:
    """A whole expression. `flags` are all letters of all `(?…)` in it."""

    source: str
    alternatives: tuple[Sequence, ...]
    flags: frozenset[str]


def read(source: str) -> Expression:
    """The shape of `source`; Unreadable when it has something that is not understood here."""
    reader = _Reader(source)
    alternatives = reader.alternatives(0)
    if reader.at < len(source):
        raise Unreadable(f"the ) at character {reader.at + 1} closes nothing")
    return Expression(source, alternatives, frozenset(reader.flags))


_ESCAPED_CHARS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
_MARKS = {"^": Kind.START, "$": Kind.END, ".": Kind.SET}
_ESCAPED_MARKS = {"A": Kind.START, "z": Kind.END, "b": Kind.ZERO, "B": Kind.ZERO}
_HEXADECIMAL = re.compile(r"([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,5})\}")
_LOOKS = ("(?=", "(?!", "(?<=", "(?<!")


class _Reader:
    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.flags: set[str] = set()

    def alternatives(self, depth: int) -> tuple[Sequence, ...]:
        """Up to the closing parenthesis or the end."""
        if depth > DEEPEST:
            raise Unreadable(f"more than {DEEPEST} groups within each other")
        found: list[Sequence] = []
        items: list[Item] = []
        while self.at < len(self.source) and self.source[self.at] != ")":
            if self.source[self.at] == "|":
                self.at += 1
                found.append(tuple(items))
                items = []
            else:
                items.append(self._repeated(self._item(depth)))
        return (*found, tuple(items))

    def _item(self, depth: int) -> Item:
        start, char = self.at, self.source[self.at]
        if char == "(":
            return self._group(depth)
        if char == "[":
            self._skip_class()
            return Item(Kind.SET, start, self.at, self.source[start : self.at])
        if char == "\\":
            return self._escape()
        if char in "*+?":
            raise Unreadable(f"the {char} at character {start + 1} repeats nothing")
        self.at += 1
        return Item(_MARKS.get(char, Kind.CHAR), start, self.at, char)

    def _group(self, depth: int) -> Item:
        start, source = self.at, self.source
        look = next((opening for opening in reversed(_LOOKS) if source.startswith(opening, start)), "")
        if look:
            opening = look
        elif not source.startswith("(?", start):
            opening = "("
        else:
            end = start + 2
            named = source.startswith(("P<", "<"), end)
            if named:
                end = source.find(">", end)
            else:
                while end < len(source) and source[end] in "imsU-":
                    end += 1
            if not 0 < end < len(source) or source[end] not in (">" if named else ":)"):
                raise Unreadable(f"the group at character {start + 1} is of an unknown kind")
            opening = source[start : end + 1]
            if not named:
                self.flags.update(opening[2:-1])
        self.at = start + len(opening)
        if opening.endswith(")"):
            return Item(Kind.FLAGS, start, self.at, opening)
        inner = self.at
        alternatives = self.alternatives(depth + 1)
        if self.at >= len(source):
            raise Unreadable(f"the ( at character {start + 1} is not closed")
        self.at += 1
        return Item(
            Kind.LOOK if look else Kind.GROUP, start, self.at, opening,
            alternatives=alternatives, inner=(inner, self.at - 1), captures=opening == "(" or opening.endswith(">"),
        )  # fmt: skip

    def _skip_class(self) -> None:
        source, at = self.source, self.at + 1
        at += source.startswith("^", at)
        at += source.startswith("]", at)
        while at < len(source) and source[at] != "]":
            if source.startswith("[:", at):
                closed = source.find(":]", at + 2)
                at = closed + 2 if closed > 0 else at + 1
            else:
                at += 2 if source[at] == "\\" else 1
        if at >= len(source):
            raise Unreadable(f"the [ at character {self.at + 1} is not closed")
        self.at = at + 1

    def _escape(self) -> Item:
        start, source = self.at, self.source
        char = source[start + 1 : start + 2]
        self.at += 2
        if char in _ESCAPED_MARKS:
            return Item(_ESCAPED_MARKS[char], start, self.at, source[start : self.at])
        if char and char in "dDsSwW":
            return Item(Kind.SET, start, self.at, source[start : self.at])
        if char and char in "pP":
            if source.startswith("{", self.at):
                self.at = source.find("}", self.at)
            if not 0 < self.at < len(source):
                raise Unreadable(f"the class at character {start + 1} is not closed")
            self.at += 1
            return Item(Kind.SET, start, self.at, source[start : self.at])
        if char and char in "123456789k":
            return Item(Kind.BACK, start, self.at, source[start : self.at])
        if char in _ESCAPED_CHARS:
            return Item(Kind.CHAR, start, self.at, _ESCAPED_CHARS[char])
        if char == "x" and (octet := _HEXADECIMAL.match(source, self.at)) is not None:
            self.at = octet.end()
            return Item(Kind.CHAR, start, self.at, chr(int(octet[1] or octet[2], 16)))
        if not char or char.isalnum():
            raise Unreadable(f"the escape at character {start + 1} is of an unknown kind")
        return Item(Kind.CHAR, start, self.at, char)

    def _repeated(self, item: Item) -> Item:
        low, high, end = 1, 1, self.at
        char = self.source[end : end + 1]
        span: tuple[int, int | None] = (low, high)
        if char and char in "*+?":
            span = {"*": (0, None), "+": (1, None), "?": (0, 1)}[char]
            end += 1
        elif char == "{":
            closed = self.source.find("}", end)
            first, comma, last = self.source[end + 1 : max(closed, end + 1)].partition(",")
            if closed < 0 or not first.isdecimal() or (last and not last.isdecimal()):
                return item  # RE2 takes such a { as itself
            span = int(first), int(last) if last else None if comma else int(first)
            end = closed + 1
        else:
            return item
        if self.source.startswith("+", end):
            raise Unreadable(f"the possessive repetition at character {self.at + 1}")
        end += self.source.startswith("?", end)
        self.at = end
        return replace(item, low=span[0], high=span[1], end=end)


# -- what is known of it


def length(sequence: Sequence) -> int | None:
    """How many characters a sequence always takes; None when that differs."""
    total = 0
    for item in sequence:
        if item.kind in (Kind.CHAR, Kind.SET):
            one: int | None = 1
        elif item.kind is Kind.GROUP:
            lengths = {length(alternative) for alternative in item.alternatives}
            one = lengths.pop() if len(lengths) == 1 else None
        elif item.kind is Kind.BACK:
            one = None
        else:
            one = 0
        if one is None or (one and item.low != item.high):
            return None
        total += one * item.low
    return total


def prefixes(expression: Expression) -> frozenset[str]:
    """Texts with one of which whatever matches must begin, folded; empty when there are none. ASCII only: there the folding of
    RE2 and that of `str.casefold` agree."""
    if "m" in expression.flags:  # ^ is the beginning of any line
        return frozenset()
    found: set[str] = set()
    for sequence in expression.alternatives:
        heads = _heads(sequence, False)
        if heads is None:
            return frozenset()
        found |= {head for head, _, _ in heads}
    return frozenset() if "" in found or len(found) > _MOST_PREFIXES else frozenset(found)


_Head = tuple[str, bool, bool]
"""What a match begins with, whether that is all of the sequence so far, and whether it stands at the beginning of the text."""


def _heads(sequence: Sequence, anchored: bool) -> list[_Head] | None:
    """The beginnings of a sequence; None when it is not bound to the beginning of the text, or there are too many."""
    heads: list[_Head] = [("", True, anchored)]
    for item in sequence:
        if not any(whole for _, whole, _ in heads):
            break
        grown: list[_Head] = []
        for head, whole, bound in heads:
            if not whole:
                grown.append((head, whole, bound))
                continue
            more = _more(item, bound)
            if more is None:
                return None
            grown += [
                ((head + tail)[:_LONGEST_PREFIX], complete and len(head + tail) < _LONGEST_PREFIX, bound_then)
                for tail, complete, bound_then in more
            ]
        if len(grown) > _MOST_PREFIXES:
            grown = [(head, False, bound) for head, _, bound in heads]
        heads = grown
    return heads if all(bound for _, _, bound in heads) else None


def _more(item: Item, bound: bool) -> list[_Head] | None:
    """What an item adds to a beginning."""
    if item.kind is Kind.START and item.once:
        return [("", True, True)]
    if item.kind in (Kind.FLAGS, Kind.ZERO, Kind.END):
        return [("", True, bound)]
    if item.kind is Kind.GROUP and item.once:
        found: list[_Head] = []
        for alternative in item.alternatives:
            heads = _heads(alternative, bound)
            if heads is None:
                return None
            found += heads
        return found
    if not bound:
        return None  # something is taken before any ^
    chars = _characters(item)
    if chars is None or item.low == 0:
        return [("", False, bound)]
    return [(char, item.once, bound) for char in chars]


def _characters(item: Item) -> list[str] | None:
    """The few ASCII characters that an item stands for, folded."""
    if item.kind is Kind.CHAR:
        return [item.text.casefold()] if item.text.isascii() else None
    inside = item.text[1:-1]
    if (
        item.kind is Kind.SET
        and item.text[0] == "["
        and inside.isascii()
        and inside.isalnum()
        and len(inside) <= 10
    ):
        return sorted({char.casefold() for char in inside})
    return None
