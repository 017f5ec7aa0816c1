"""How a judgement is remembered: which rules were looked at and which condition decided, in a few octets (`letter.Trace`)."""

from __future__ import annotations

from collections.abc import Iterator

LAST = 255
"""Condition numbers from here on are not told apart."""


def note(decided: bytearray, passed: int, answer: int) -> None:
    """Add a rule that was looked at after `passed` that were not; `answer` is that of its condition."""
    number = passed << 1 | (answer > 0)
    while number > 127:
        decided.append(number & 127 | 128)
        number >>= 7
    decided.append(number)
    decided.append(min(abs(answer) - 1, LAST))


def unpack(decided: bytes) -> Iterator[tuple[int, bool, int]]:
    """(position of the rule from 0, whether it matched, number of the condition that decided) of each rule looked at; ends early
    where the octets do."""
    octets = iter(decided)
    position = -1
    for octet in octets:
        number, shift = octet & 127, 7
        while octet > 127:
            octet = next(octets, 0)
            number |= (octet & 127) << shift
            shift += 7
        condition = next(octets, None)
        if condition is None:
            return
        position += (number >> 1) + 1
        yield position, bool(number & 1), condition
