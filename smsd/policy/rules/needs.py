"""What is known of a regular expression without running it: what stands in every text that it matches, and, of the simplest, all.

Pure, and never needed for the right answer: who asks here first need not ask RE2 so often, which costs many times as much.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from smsd.policy.rules.syntax import Expression, Kind, Sequence

_MOST_PIECES = 64


def pieces(alternatives: tuple[Sequence, ...]) -> frozenset[str]:
    """Texts of which whatever matches has at least one in it, folded; empty when none are known. ASCII only: there
    the folding of RE2 and that of `str.casefold` agree."""
    found: set[str] = set()
    for sequence in alternatives:
        best: frozenset[str] = frozenset()
        for one in _runs(sequence):
            best = max(best, one, key=_shortest)
        if not best:
            return best
        found |= best
    return frozenset(found) if len(found) <= _MOST_PIECES else frozenset()


def _runs(sequence: Sequence) -> Iterator[frozenset[str]]:
    """What stands together in a sequence, and the `pieces` of its groups."""
    run = ""
    for item in sequence:
        if item.kind is Kind.CHAR and item.low > 0 and item.text.isascii():
            run += item.text.casefold()
            if item.once:
                continue
        elif item.kind in (Kind.START, Kind.END, Kind.ZERO, Kind.FLAGS):
            continue  # takes nothing
        if run:
            yield frozenset((run,))
        run = ""
        if item.kind is Kind.GROUP and item.low > 0:
            yield pieces(item.alternatives)
    if run:
        yield frozenset((run,))


def _shortest(texts: frozenset[str]) -> int:
    return min(map(len, texts), default=0)


@dataclass(frozen=True, slots=True)
class Beginning:
    """What an expression such as `^(\\+1)(.*)$` asks: that an ASCII text of one line begins with `literal`. `spans`: where the
    match and each of its groups then are; None is the end of the text."""

    literal: str
    spans: tuple[tuple[int, int | None], ...]


def beginning(expression: Expression) -> Beginning | None:
    """What it asks, where that is only how a text begins; None for all others."""
    sequence = expression.alternatives[0]
    if (
        len(expression.alternatives) > 1
        or expression.flags
        or not sequence
        or sequence[0].kind is not Kind.START
    ):
        return None
    if not all(item.once for item in sequence if item.kind is not Kind.SET):
        return None
    literal, whole, spans = "", False, list[tuple[int, int | None]]()
    for item in sequence[1:]:
        if item.kind is Kind.END and whole and item is sequence[-1]:
            continue
        if item.kind is Kind.GROUP and (whole or not item.captures or len(item.alternatives) > 1):
            return None
        start = len(literal)
        for inner in item.alternatives[0] if item.kind is Kind.GROUP else (item,):
            if whole:
                return None
            if (
                inner.kind is Kind.CHAR
                and inner.once
                and inner.text.isascii()
                and inner.text.lower() == inner.text.upper()
            ):
                literal += inner.text
            elif expression.source[inner.start : inner.end] == ".*":
                whole = True
            else:
                return None
        if item.kind is Kind.GROUP:
            spans.append((start, None if whole else len(literal)))
    return Beginning(literal, ((0, None if whole else len(literal)), *spans))
