"""Conditions, compiled: each becomes a function of a message under judgement that says yes or no, and which condition decided.

The answer is a number: n + 1 when condition n made it true, -(n + 1) when it made it false, where n counts the conditions of a
rule in the order they are written, depth first (`walk`). Parts are asked from left to right, and no more of them than needed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from itertools import count
from typing import Final

from smsd.policy.rules import view
from smsd.policy.rules.actions import step
from smsd.policy.rules.compare import Comparison, compile_test
from smsd.policy.rules.letter import Question
from smsd.policy.rules.model import (
    All,
    And,
    Clock,
    Condition,
    Each,
    Field,
    Flag,
    HasPriority,
    Network,
    Not,
    Or,
    Size,
    SqlCondition,
    TextTest,
)
from smsd.policy.rules.variables import compile_text
from smsd.policy.rules.view import View
from smsd.values.errors import InvalidValue

Test = Callable[[View], int]

DEEPEST: Final = 100
"""Conditions inside conditions."""


class Unanswered(Exception):
    """A condition has to know this first."""

    def __init__(self, question: Question) -> None:
        super().__init__("a rule has a question")
        self.question = question


def walk(condition: Condition) -> Iterator[Condition]:
    """A condition and all inside it, in the order they are written, depth first."""
    yield condition
    for part in parts(condition):
        yield from walk(part)


def decisive(condition: Condition, number: int) -> Condition:
    """Condition `number` as it decided: inside a `not` it is its contrary. The whole where there is no such number."""
    return next((part for at, part in enumerate(_signed(condition, False)) if at == number), condition)


def _signed(condition: Condition, negated: bool) -> Iterator[Condition]:
    yield Not(condition) if negated else condition
    for part in parts(condition):
        yield from _signed(part, negated != isinstance(condition, Not))


def parts(condition: Condition) -> tuple[Condition, ...]:
    """What a condition is put together from."""
    if isinstance(condition, (And, Or)):
        return condition.parts
    return (condition.part,) if isinstance(condition, Not) else ()


class Compiler:
    """Compiles the conditions of one list; comparisons that occur again are compiled once. `comparisons` are those of fields,
    `warnings` what was doubtful in the last condition, `files` and `databases` what they need."""

    def __init__(self) -> None:
        self.comparisons: dict[Field, Comparison] = {}
        self.warnings: list[str] = []
        self.files: set[str] = set()
        self.databases: set[str] = set()
        self._tests: dict[TextTest, Comparison] = {}

    def compile(self, condition: Condition) -> Test:
        """The test; InvalidValue says what is wrong with the condition."""
        self.warnings = []
        return self._compile(condition, count(), 0)

    def _compile(self, condition: Condition, numbers: Iterator[int], depth: int) -> Test:
        if depth > DEEPEST:
            raise InvalidValue(f"more than {DEEPEST} conditions inside each other: make two rules of it")
        yes = next(numbers) + 1
        inner = tuple(self._compile(part, numbers, depth + 1) for part in parts(condition))
        if isinstance(condition, All):
            return lambda seen: yes
        if isinstance(condition, And):
            return _and(yes, inner)
        if isinstance(condition, Or):
            return _or(yes, inner)
        if isinstance(condition, Not):
            part = inner[0]
            return lambda seen: -part(seen)
        if isinstance(condition, Field):
            return self._field(condition, yes)
        if isinstance(condition, Size):
            return _size(condition, yes)
        if isinstance(condition, Flag):
            return _flag(condition, yes)
        if isinstance(condition, Network):
            return _network(condition, yes)
        if isinstance(condition, Clock):
            return self._clock(condition, yes)
        if isinstance(condition, HasPriority):
            priority = condition.priority
            return lambda seen: yes if seen.priority == priority else -yes
        return self._sql(condition, yes)

    def _comparison(self, test: TextTest) -> Comparison:
        known = self._tests.get(test)
        if known is None:
            known = self._tests[test] = compile_test(test)
        self.warnings += known.warnings
        if test.file:
            self.files.add(test.file)
        return known

    def _field(self, field: Field, yes: int) -> Test:
        comparison = self.comparisons[field] = self._comparison(field.test)
        reading = comparison.reading(view.canonical(field.name))
        op = comparison.op
        if reading.single:
            one = reading.one()
            return lambda seen: yes if op(one(seen), seen) else -yes
        several = reading.several()
        if field.test.each is Each.ALL:
            return lambda seen: (
                yes if all(any(op(text, seen) for text in item) for item in several(seen)) else -yes
            )
        return lambda seen: yes if any(op(text, seen) for item in several(seen) for text in item) else -yes

    def _clock(self, clock: Clock, yes: int) -> Test:
        start, end, days = clock.start, clock.end, clock.days
        if start == end or not days:
            self.warnings.append("its time is never: it ends when it begins, or has no day")
        if start <= end:
            return lambda seen: (
                yes if start <= seen.letter.when[1] < end and seen.letter.when[0] in days else -yes
            )

        def past_midnight(seen: View) -> int:
            day, minute = seen.letter.when[:2]
            if minute >= start:
                return yes if day in days else -yes
            return yes if minute < end and (day - 1) % 7 in days else -yes

        return past_midnight

    def _sql(self, asked: SqlCondition, yes: int) -> Test:
        self.databases.add(asked.database)
        texts = [compile_text(value)[0] for value in asked.values]
        default = yes if asked.default else -yes
        unanswered = (
            f"the database {asked.database} did not answer: {'yes' if asked.default else 'no'} counts"
        )
        comparison = None if asked.test is None else self._comparison(asked.test)

        def test(seen: View) -> int:
            question = Question(
                asked.database, asked.statement, tuple(text(seen) for text in texts), asked.seconds
            )
            if question in seen.facts.failed:
                step(seen, unanswered)
                return default
            if question not in seen.facts.answers:
                raise Unanswered(question)
            answer = seen.facts.answers[question]
            if comparison is None:
                return -yes if answer is None or answer.strip().lower() in _FALSE else yes
            return yes if comparison.op(comparison.read(answer or ""), seen) else -yes

        return test


_FALSE = frozenset({"", "0", "false"})


def _and(yes: int, inner: tuple[Test, ...]) -> Test:
    def test(seen: View) -> int:
        last = yes
        for part in inner:
            last = part(seen)
            if last < 0:
                return last
        return last

    return test


def _or(yes: int, inner: tuple[Test, ...]) -> Test:
    def test(seen: View) -> int:
        last = -yes
        for part in inner:
            last = part(seen)
            if last > 0:
                return last
        return last

    return test


def _size(size: Size, yes: int) -> Test:
    above = -1 if size.above is None else size.above
    below = size.below
    if below is None:
        return lambda seen: yes if seen.size > above else -yes
    limit = below
    return lambda seen: yes if above < seen.size < limit else -yes


_FLAGS = frozenset({"authenticated", "local", "attachment", "binary"})


def _flag(flag: Flag, yes: int) -> Test:
    name, value = flag.name, flag.value
    if name not in _FLAGS:
        raise InvalidValue(f"there is no flag {name[:40]!r}: known are {', '.join(sorted(_FLAGS))}")
    return lambda seen: yes if getattr(seen.letter, name) is value else -yes


# -- networks

_Nets = dict[tuple[int, int], set[int]]
"""(version, bits that do not matter) -> the other bits of the networks."""


def _network(network: Network, yes: int) -> Test:
    nets: _Nets = {}
    for written in network.networks:
        version, bits, shift = _net(written)
        nets.setdefault((version, shift), set()).add(bits >> shift)

    def test(seen: View) -> int:
        address = seen.cache.get("ip")
        if address is None:
            address = seen.cache["ip"] = _address(seen.letter.ip)
        version, bits = address
        for (wanted, shift), known in nets.items():
            if wanted == version and bits >> shift in known:
                return yes
        return -yes

    return test


_MAPPED: Final = 0xFFFF << 32
"""::ffff:0:0/96, the IPv4 addresses among those of IPv6."""


def _net(written: str) -> tuple[int, int, int]:
    """Version, address and bits that do not matter of a network; mapped ones as IPv4."""
    try:
        net = ipaddress.ip_network(written.strip(), strict=False)
    except ValueError:
        raise InvalidValue(
            f"{written[:60]!r} is no network: write 10.0.0.0/8, 2001:db8::/32 or 192.0.2.7"
        ) from None
    bits, shift = int(net.network_address), net.max_prefixlen - net.prefixlen
    if net.version == 6 and bits >> 32 << 32 == _MAPPED:
        return 4, bits - _MAPPED, shift
    return net.version, bits, shift


def _address(written: str) -> tuple[int, int]:
    """Version and number of an address; version 0 for what is none."""
    try:
        address = ipaddress.ip_address(written.strip().strip("[]"))
    except ValueError:
        return 0, 0
    bits = int(address)
    if address.version == 6 and bits >> 32 << 32 == _MAPPED:
        return 4, bits - _MAPPED
    return address.version, bits
