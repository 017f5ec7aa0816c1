"""Administrators' regular expressions, run in linear time.

The engine is RE2: whatever is written here, a match takes time in proportion to the text, and `WORK` bounds that too. Python's
own `re` is never used for them: `^(a+)+$` on thirty letters would stand still for minutes. Differences to know: `\\w`, `\\d`, `\\s`
and `\\b` are ASCII (`\\pL` is any letter), `.` does not take a line end, `$` is the very end, and there is no look-behind and no
back reference; of look-ahead, what `lookahead` can translate.

Expressions may be written as the customer's document prints them: in double quotes, with `\\$` for `$` and `\\\\+` for `\\+`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

import re2  # type: ignore[import-untyped]

from smsd.policy.rules import needs, syntax
from smsd.policy.rules.lookahead import Translation, Untranslatable, translate
from smsd.values.errors import InvalidValue, storable

LONGEST: Final = 1000
"""Characters of an expression."""
REACH: Final = 65536
"""Characters of a text that are looked at."""
WORK: Final = 1 << 24
"""RE2's instructions times characters: a large program looks at less. About 0.1 s when all goes wrong."""
LONGEST_SMS: Final = 19_584
"""Characters of 128 parts."""
_LARGEST: Final = 20_000
MOST_PIECES: Final = 50
"""Groups and texts of a replacement: each may be as long as the message."""

_NOWHERE: Final = (-1, -1)

Spans = Sequence[tuple[int, int]]
"""Where a match is, and each of its groups, in octets; (-1, -1) for one that took no part."""
Search = Callable[[bytes], "Spans | None"]
Groups = Sequence[str]
"""What was matched, and each group: "" for one that took no part."""


class Pattern:
    """A compiled expression. `main` is what RE2 gets to see of it, `size` the length of RE2's program, `prefixes` the texts with
    one of which every match begins, `pieces` those of which it has at least one in it, both folded (empty: not known), `groups` how
    many groups there are."""

    __slots__ = (
        "_beginning", "_checks", "_find", "_main", "_slots", "_wrapped", "case", "expression", "groups", "main", "pieces",
        "prefixes", "reach", "size", "warnings",
    )  # fmt: skip

    def __init__(
        self, expression: str, case: bool, translation: Translation, shape: syntax.Expression | None
    ) -> None:
        self.expression = expression
        self.case = case
        self.main = translation.main
        self._main = main = _compiled(translation.main, case)
        checks = [(_compiled(check.source, case), check.wanted) for check in translation.checks]
        self._find = search(main)
        self._checks = tuple((search(check), wanted) for check, wanted in checks)
        plain = translation.main == expression
        self._slots = translation.groups if not plain else tuple((0, n + 1) for n in range(main.groups))
        self._wrapped = 1 if translation.wrapped else 0
        self.groups = len(self._slots)
        self.size: int = main.programsize + sum(check.programsize for check, _ in checks)
        self.reach = min(REACH, WORK // max(self.size, 1))
        self.prefixes = frozenset[str]() if shape is None else syntax.prefixes(shape)
        self._beginning = None if shape is None or translation.main != expression else needs.beginning(shape)
        self.pieces = frozenset[str]() if shape is None else needs.pieces(shape.alternatives)
        self.warnings: tuple[str, ...] = ()

    def search(self, text: str) -> bool:
        """Whether it matches anywhere in the text."""
        octets = text[: self.reach].encode("utf-8", "replace")
        for check, wanted in self._checks:
            if (check(octets) is not None) is not wanted:
                return False
        return self._find(octets) is not None

    def rewrite(self, text: str, filling: Callable[[Groups], str]) -> str | None:
        """The text with its first match replaced by what `filling` makes of the groups; None when there is no match."""
        known = self._beginning
        if known is not None and len(text) <= self.reach and text.isascii() and "\n" not in text:
            if not text.startswith(known.literal):
                return None
            last = known.spans[0][1]
            return filling([text[begin:end] for begin, end in known.spans]) + (
                "" if last is None else text[last:]
            )
        octets = text[: self.reach].encode("utf-8", "replace")
        found: list[Any] = [None]
        for check, wanted in self._checks:
            match = check(octets)
            if (match is not None) is not wanted:
                return None
            found.append(match)
        match = found[0] = self._find(octets)
        if match is None:
            return None
        start, end = match[self._wrapped]
        spans = [(start, end)]
        spans += [found[slot[0]][slot[1]] if slot else _NOWHERE for slot in self._slots]
        if text.isascii():  # an octet is a character
            groups = [text[begin:end] if begin >= 0 else "" for begin, end in spans]
            return text[:start] + filling(groups) + text[end:]
        groups = [octets[begin:end].decode("utf-8", "replace") if begin >= 0 else "" for begin, end in spans]
        before, behind = octets[:start].decode("utf-8", "replace"), octets[end:].decode("utf-8", "replace")
        return before + filling(groups) + behind + text[self.reach :]


@lru_cache(maxsize=512)
def read(expression: str, case: bool = False) -> Pattern:
    """Compile an expression; `case`: capitals matter. InvalidValue says what is wrong and what to write instead."""
    if len(expression) > LONGEST:
        raise InvalidValue(
            f"the regular expression has {len(expression)} characters, at most {LONGEST} are taken: use a list (in) or a file"
        )
    storable(expression)
    plain, warnings = _plain(expression)
    pattern = Pattern(plain, case, *_translated(plain))
    if pattern.main != plain and _always(pattern, plain):
        warnings.append(
            f"the regular expression {plain} is true for every text that is not empty: what stands before its look-ahead can"
            " end earlier, where the look-ahead holds. To ask for texts without @ write ^[^@]*$"
        )
    if pattern.reach < LONGEST_SMS:
        warnings.append(
            f"the regular expression {plain} is so large that it looks only at the first {pattern.reach} characters:"
            " shorten its repetitions"
        )
    pattern.warnings = tuple(warnings)
    return pattern


def _translated(plain: str) -> tuple[Translation, syntax.Expression | None]:
    """What RE2 can run, and its shape where that is understood."""
    try:
        shape = syntax.read(plain)
        translation = translate(shape)
    except syntax.Unreadable as unreadable:
        _no_octets(plain)
        if any(sign in plain for sign in ("(?=", "(?!", "(?<=", "(?<!", "(?>", "(?P=")):
            raise InvalidValue(f"the regular expression cannot be run: {unreadable}") from None
        return Translation(plain), None
    except Untranslatable as error:
        raise InvalidValue(f"the regular expression cannot be run: {error}") from None
    return translation, shape if translation.main == plain else syntax.read(translation.main)


def _compiled(expression: str, case: bool) -> re2._Regexp:
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = case
    try:
        compiled = re2.compile(expression.encode("utf-8"), options)
    except re2.error as error:
        why = error.args[0] if error.args else "it is not valid"
        why = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
        raise InvalidValue(f"the regular expression cannot be read: {why}{_hint(why)}") from None
    if compiled.programsize > _LARGEST:
        raise InvalidValue(
            "the regular expression is too large once its repetitions are written out: shorten them"
        )
    return compiled


def search(compiled: re2._Regexp) -> Search:
    """Its `search`, without the generator and the match that the binding's own makes each time; that one, where it looks different
    inside."""
    try:
        match, anchor = compiled._regexp.Match, re2._Anchor.UNANCHORED
        known = match(anchor, b"", 0, 0)[0][0] in (-1, 0)
    except (AttributeError, TypeError, IndexError):
        known = False

    def quick(octets: bytes) -> Spans | None:
        found: Spans = match(anchor, octets, 0, len(octets))
        return None if found[0][0] < 0 else found

    def slow(octets: bytes) -> Spans | None:
        found = compiled.search(octets)
        return None if found is None else [found.span(group) for group in range(compiled.groups + 1)]

    return quick if known else slow


def _hint(why: str) -> str:
    if "\\Z" in why:
        return "; the end of the text is written $"
    if "repetition" in why or "repeat" in why:
        return "; a sign such as + or * that means itself is written \\+ or \\*, and at most 1000 repetitions are possible"
    return ""


def _no_octets(expression: str) -> None:
    if re.search(r"(?<!\\)(?:\\\\)*\\C", expression):
        raise InvalidValue(
            "the regular expression cannot be run: \\C, a single octet, would break characters apart: write (?s:.)"
        )


# -- as the customer's document prints them

_BACKSLASHED_PLUS = re.compile(r"\\\\\+(?=[0-9])")
"""`\\\\+` before a digit: one backslash too many. No phone number has a backslash."""


def _plain(expression: str) -> tuple[str, list[str]]:
    """The expression without the marks of the document, and what is said about that."""
    warnings = []
    inside = expression[1:-1]
    quoted = len(expression) > 2 and expression[0] == expression[-1] == '"'
    if quoted and (inside[0] == "^" or inside[-1] == "$" or "\\\\" in inside or "\\$" in inside):
        expression = inside.replace("\\$", "$")
        warnings.append(f"the quotes around the regular expression are left out: {expression}")
    plain = _BACKSLASHED_PLUS.sub(r"\\+", expression)
    if plain != expression:
        warnings.append(f"\\\\+ in the regular expression is read as \\+: {plain}")
    elif plain.endswith("\\$") and plain.startswith("^") and not quoted:
        warnings.append(
            f"\\$ at the end of the regular expression {plain} means a dollar sign: the end of the text is $"
        )
    return plain, warnings


_PROBES = (
    "5",
    "@",
    "5@",
    "@5",
    "+15551234567",
    "+15551234567@gw",
    "a@b@",
    "Hello, world @ 5",
    "ü",
    "€ @",
    "..@",
    "a b c",
)


def _always(pattern: Pattern, expression: str) -> bool:
    """Whether it matched each of many texts, among them what its look-ahead speaks of."""
    letters = "".join(char for char in expression if char.isalnum() or char in "@#*+-_ ")[:40]
    probes = [*_PROBES, *letters, letters, letters * 2, f"5{letters}", f"{letters}5"]
    return all(pattern.search(probe) for probe in probes if probe)


# -- what is put in place of a match

_REFERENCE = re.compile(r"\$\$|\\?\$(?:([0-9])|\{([0-9]{1,3})\})")


def read_replacement(text: str, groups: int) -> tuple[str | int, ...]:
    """What a replacement consists of: texts (templates still), and numbers of groups: `$1` … `$9`, `${10}`, also `\\$1`; `$0` is
    all that was matched and `$$` a dollar sign. InvalidValue for a group that the expression does not have."""
    pieces: list[str | int] = []
    literal, at = "", 0
    for found in _REFERENCE.finditer(text):
        literal += text[at : found.start()]
        at = found.end()
        number = found[1] or found[2]
        if number is None:
            literal += "$"
            continue
        if int(number) > groups:
            raise InvalidValue(
                f"${number} is no group: the expression has {groups} in parentheses"
                + (" (write $$ for $)" if not groups else "")
            )
        if literal:
            pieces.append(literal)
        pieces.append(int(number))
        literal = ""
    if len(pieces) > MOST_PIECES:
        raise InvalidValue(f"at most {MOST_PIECES} groups and texts are put together")
    literal += text[at:]
    return (*pieces, literal) if literal else tuple(pieces)
