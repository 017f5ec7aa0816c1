"""Look-aheads in an engine that has none: what can be translated without changing its meaning, is.

RE2 runs in linear time because it does not look around. Two places can be had all the same:

- `^(?!X)Y`, also with something of a fixed length between, `^\\+39(?!06)Y`: everybody knows where X stands, so two expressions do:
  `^X` must not match (for `(?=X)`: must), and `^Y` must;
- `Y(?=X)` at the end is YX of which only Y counts; `Y(?!X)` likewise with the opposite of X, which exists where X is a few single
  characters or `.*` and one character.

Everything else raises `Untranslatable` with what an administrator can do.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from dataclasses import dataclass

from smsd.policy.rules.syntax import Expression, Item, Kind, Sequence, length

_PLAIN = string.ascii_letters + string.digits + " +@.,;:#*/_-"


class Untranslatable(ValueError):
    """Cannot be run; the text says what to write instead."""


@dataclass(frozen=True, slots=True)
class Check:
    """An expression that must match at the beginning of the text (or, not `wanted`, must not)."""

    source: str
    wanted: bool


@dataclass(frozen=True, slots=True)
class Translation:
    """`main` does the work once all `checks` hold. `wrapped`: only its first group counts as what was matched. `groups`: where
    each numbered group of the original is now: (0 for main, else the number of the check, group there), or None for one that
    never has a text."""

    main: str
    checks: tuple[Check, ...] = ()
    wrapped: bool = False
    groups: tuple[tuple[int, int] | None, ...] = ()


def translate(expression: Expression) -> Translation:
    """The same without look-around; Untranslatable when that would be something else."""
    _no_back_references(expression.alternatives)
    looks = [item for sequence in expression.alternatives for item in _looks(sequence)]
    if not looks:
        count = sum(1 for item in _all(expression.alternatives) if item.captures)
        return Translation(expression.source, groups=tuple((0, number + 1) for number in range(count)))
    _refuse_odd(expression, looks)
    leading = _leading(expression.alternatives[0]) if len(expression.alternatives) == 1 else {}
    trailing = _trailing(expression, leading)
    for look in looks:
        if look.start not in leading and look is not trailing:
            raise Untranslatable(_elsewhere(look))
    return _Writer(expression, leading, trailing).translation()


def _all(alternatives: tuple[Sequence, ...]) -> Iterator[Item]:
    for sequence in alternatives:
        for item in sequence:
            yield item
            yield from _all(item.alternatives)


def _looks(sequence: Sequence) -> Iterator[Item]:
    """The look-arounds, outermost only."""
    for item in sequence:
        if item.kind is Kind.LOOK:
            yield item
        else:
            for alternative in item.alternatives:
                yield from _looks(alternative)


def _no_back_references(alternatives: tuple[Sequence, ...]) -> None:
    for item in _all(alternatives):
        if item.kind is Kind.BACK:
            raise Untranslatable(
                f"the back reference {item.text} at character {item.start + 1} cannot be matched in linear time:"
                " write the text out, or match twice with two conditions"
            )


def _refuse_odd(expression: Expression, looks: list[Item]) -> None:
    for look in looks:
        if look.text.startswith("(?<"):
            raise Untranslatable(
                f"the look-behind at character {look.start + 1} cannot be run in linear time: match what stands before as"
                " well, for example (?:^|[^0-9])7 for (?<![0-9])7"
            )
        if not look.once or any(item.kind is Kind.LOOK for item in _all(look.alternatives)):
            raise Untranslatable(_elsewhere(look))
    if "m" in expression.flags:
        raise Untranslatable("(?m) and look-aheads do not go together: write the expression without (?m)")


def _elsewhere(look: Item) -> str:
    return (
        f"the look-ahead at character {look.start + 1} stands where it cannot be run in linear time. It may stand behind ^ and"
        " characters of a fixed number, as in ^(?!.*@) or ^\\+39(?!06), or at the very end, as in 5(?!@); or use two conditions,"
        " one of them with not"
    )


# -- where they stand


def _leading(sequence: Sequence) -> dict[int, int]:
    """Where the look-aheads begin that stand a fixed number of characters behind ^, and how many groups are open there."""
    found: dict[int, int] = {}
    anchored = _lead(sequence, False, 0, found)
    return found if anchored else {}


def _lead(sequence: Sequence, anchored: bool, depth: int, found: dict[int, int]) -> bool:
    taken = 0
    for item in sequence:
        if item.kind is Kind.LOOK:
            found[item.start] = depth
        elif item.kind is Kind.START:
            anchored = anchored or (taken == 0 and item.once)
        elif item.kind is Kind.GROUP and item.once and len(item.alternatives) == 1:
            anchored = _lead(item.alternatives[0], anchored, depth + 1, found)
        elif any(inside.kind is Kind.LOOK for inside in _all(item.alternatives)):
            break
        step = length((item,))
        if step is None:
            break
        taken += step
        if taken and not anchored:
            return False
    return anchored


def _trailing(expression: Expression, leading: dict[int, int]) -> Item | None:
    """The look-ahead that ends the expression."""
    if len(expression.alternatives) != 1 or not expression.alternatives[0]:
        return None
    last = expression.alternatives[0][-1]
    if last.kind is not Kind.LOOK or last.start in leading:
        return None
    return last


class _Writer:
    """Cuts the look-aheads out of the source and writes the parts anew."""

    def __init__(self, expression: Expression, leading: dict[int, int], trailing: Item | None) -> None:
        self._source = expression.source
        self._expression = expression
        self._leading = leading
        self._trailing = trailing

    def translation(self) -> Translation:
        checks: list[Check] = []
        groups: list[tuple[int, int] | None] = []
        in_main = 1 if self._trailing else 0
        cuts: list[tuple[int, int]] = []
        for item in _all(self._expression.alternatives):
            if item.start in self._leading and item.kind is Kind.LOOK:
                before = sum(1 for group in groups if group is not None and group[0] == 0)
                checks.append(self._check(item, cuts))
                cuts.append((item.start, item.end))
                inside = sum(1 for one in _all(item.alternatives) if one.captures)
                wanted = checks[-1].wanted
                groups += [(len(checks), before + number + 1) if wanted else None for number in range(inside)]
            elif item.captures and not self._in_look(item):
                in_main += 1
                groups.append((0, in_main))
        if self._trailing is None:
            return Translation(self._cut(cuts, len(self._source)), tuple(checks), False, tuple(groups))
        return self._wrapped(checks, cuts, groups, in_main)

    def _in_look(self, item: Item) -> bool:
        """Whether it is inside a look-ahead: those groups are counted with it."""
        return any(
            look.start < item.start < look.end
            for sequence in self._expression.alternatives
            for look in _looks(sequence)
        )

    def _cut(self, cuts: list[tuple[int, int]], end: int) -> str:
        """The source up to `end` without the look-aheads in `cuts`."""
        kept, at = [], 0
        for start, stop in cuts:
            kept.append(self._source[at:start])
            at = stop
        return "".join(kept) + self._source[at:end]

    def _check(self, look: Item, cuts: list[tuple[int, int]]) -> Check:
        inside = self._source[look.inner[0] : look.inner[1]]
        closing = ")" * self._leading[look.start]
        # The beginning of the text stands in front, for a ^ that comes only behind the look-ahead.
        return Check(f"\\A{self._cut(cuts, look.start)}(?:{inside}){closing}", look.text == "(?=")

    def _wrapped(
        self,
        checks: list[Check],
        cuts: list[tuple[int, int]],
        groups: list[tuple[int, int] | None],
        in_main: int,
    ) -> Translation:
        look = self._trailing
        assert look is not None
        flags = "".join(item.text for item in self._expression.alternatives[0] if item.kind is Kind.FLAGS)
        if not self._source.startswith(flags):
            raise Untranslatable(
                "write (?…) flags at the beginning of an expression that ends with a look-ahead"
            )
        inside = self._source[look.inner[0] : look.inner[1]]
        count = sum(1 for item in _all(look.alternatives) if item.captures)
        if look.text == "(?=":
            behind = inside
            groups += [(0, in_main + number + 1) for number in range(count)]
        else:
            behind = _opposite(look, self._expression.flags)
            groups += [None] * count
        body = self._cut(cuts, look.start)[len(flags) :]
        return Translation(f"{flags}({body})(?:{behind})", tuple(checks), True, tuple(groups))


# -- the opposite of a short expression


def _opposite(look: Item, flags: frozenset[str]) -> str:
    """An expression that matches at exactly those places where the inside of `look` does not."""
    if len(look.alternatives) > 1:  # the opposite of several is what is the opposite of each at once
        raise Untranslatable(_no_opposite(look))
    sequence = look.alternatives[0]
    if len(sequence) == 2 and _anything(sequence[0]) and _in_a_line(sequence[1]) and "s" not in flags:
        return f"[^\\n{_class(sequence[1], look)}]*(?:\\n|\\z)"  # .* ends at the end of the line
    return _opposite_of(sequence, look, flags)


def _anything(item: Item) -> bool:
    return item.kind is Kind.SET and item.text == "." and item.low == 0 and item.high is None


def _in_a_line(item: Item) -> bool:
    """Whether it is one character that is no line end."""
    if not item.once or item.text in ("\\d", "\\w"):
        return item.once
    if item.kind is Kind.CHAR:
        return item.text != "\n"
    inside = item.text[1:-1]
    return item.text[0] == "[" and inside[0] != "-" and not inside.strip(_PLAIN)


def _opposite_of(sequence: Sequence, look: Item, flags: frozenset[str]) -> str:
    if not sequence:
        return "[^\\x00-\\x{10FFFF}]"  # nothing follows always: its opposite never
    item, rest = sequence[0], sequence[1:]
    if item.kind is Kind.END and item.once and not rest:
        return "(?s:.)"
    if item.kind not in (Kind.CHAR, Kind.SET) or not item.once:
        raise Untranslatable(_no_opposite(look))
    source = item.text if item.kind is Kind.SET else _escaped(item.text)
    if source != ".":
        other = f"\\z|[^{_class(item, look)}]"
    elif "s" not in flags:
        other = "\\z|\\n"
    else:
        raise Untranslatable(_no_opposite(look))
    return other if not rest else f"{other}|{source}(?:{_opposite_of(rest, look, flags)})"


def _class(item: Item, look: Item) -> str:
    """The inside of a class for the characters that `item` takes."""
    if item.once and item.kind is Kind.CHAR:
        return _escaped(item.text)
    if item.once and item.kind is Kind.SET and item.text[0] == "\\":
        return item.text
    if item.once and item.kind is Kind.SET and item.text[0] == "[" and item.text[1] != "^":
        return item.text[1:-1]
    raise Untranslatable(_no_opposite(look))


def _escaped(char: str) -> str:
    return char if char.isalnum() or not char.isascii() else f"\\x{ord(char):02x}"


def _no_opposite(look: Item) -> str:
    return (
        f"the look-ahead (?!…) at character {look.start + 1} stands at the end and is not simple enough to be turned round: there"
        " it may be a few single characters, as in (?!@) or (?!\\d\\d), or .* and one character; or use two conditions, one of"
        " them with not"
    )
