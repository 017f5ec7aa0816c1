"""The rules engine: a list of rules, compiled once, judges one message after the other (features R1 to R5, R7).

Pure. `judge` never raises, whatever the message, and always ends: each rule runs at most once, from top to bottom. Actions run in
order, and what comes later sees what they changed. Accept, Reject, Delete and Stop end it. Where a condition needs the answer of a
database that the facts do not have, judge returns `Ask` and is called again, from the start, with the answer.

Rules that cannot match, or whose rewriting cannot, are not looked at (`index`); after a change of what they are filed by, the
index is asked again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from smsd.policy.rules import trace, words
from smsd.policy.rules.actions import Act, compile_action, step
from smsd.policy.rules.conditions import Compiler, Test, Unanswered, decisive, walk
from smsd.policy.rules.index import Index, filed_under
from smsd.policy.rules.letter import Ask, Facts, Letter, Trace, Verdict
from smsd.policy.rules.model import AddHeader, Condition, DeleteHeader, Field, Rule, SetHeader, WrongPart
from smsd.policy.rules.variables import shows
from smsd.policy.rules.view import WRITABLE, View, canonical, depends
from smsd.values.errors import InvalidValue

_MOST_LOOKUPS: Final = 16
"""A message that was changed more often than this is shown to all remaining rules."""
_MOST_NOTED: Final = 4096
"""Octets of a trace, after which only rules that matched are noted."""


BY_USER = "to by a user"
"""Stands among what was changed when a user's own rule has rewritten To: it may not choose any sender it likes."""


class Compiled:
    """A rule that can be run."""

    __slots__ = ("_lines", "acts", "condition", "position", "test", "title", "user")

    def __init__(self, position: int, rule: Rule, test: Test, acts: tuple[Act, ...]) -> None:
        self.position = position
        self.title = rule.title
        self.user = rule.user
        self.condition = rule.condition
        self.test = test
        self.acts = acts
        self._lines: dict[int, str] = {}

    def line(self, number: int) -> str:
        """What a trace says when condition `number` made it match."""
        known = self._lines.get(number)
        if known is None:
            why = words.condition(decisive(self.condition, number))
            known = self._lines[number] = f"{self.title!r} matched: {why}"
        return known

    def run(self, seen: View, number: int) -> bool:
        """Do what it says; True: ask no more rules."""
        step(seen, self.line(number))
        ended = False
        for act in self.acts:
            if act(seen):
                seen.stopped = self.title
                ended = True
                break
        if self.user and "to" in seen.dirty:
            seen.changed.add(BY_USER)
        return ended


@dataclass(frozen=True, slots=True)
class Ruleset:
    """A compiled list. `warnings` are sentences for the administrator; `files` and `databases` what its conditions need;
    `reads_headers`: whether it looks at headers other than From, To and Subject; `shows_number`: whether a text has the id of the
    message in it. `compiled` has None for a rule that is switched
    off."""

    compiled: tuple[Compiled | None, ...]
    index: Index = field(repr=False)
    warnings: tuple[str, ...] = ()
    files: frozenset[str] = frozenset()
    databases: frozenset[str] = frozenset()
    reads_headers: bool = False
    shows_number: bool = False


def compile(rules: Sequence[Rule]) -> Ruleset:
    """Make a list of rules ready. WrongPart names the rule and says what is wrong with it; in a rule that is switched off that is
    only a warning."""
    compiler, index = Compiler(), Index()
    compiled: list[Compiled | None] = []
    warnings: list[str] = []
    for position, rule in enumerate(rules):
        ready, doubts = _ready(position, rule, compiler)
        warnings += doubts
        compiled.append(ready)
        if ready is not None:
            index.add(position, filed_under(rule, compiler.comparisons))
    index.close()
    return Ruleset(
        tuple(compiled),
        index,
        tuple(warnings),
        frozenset(compiler.files),
        frozenset(compiler.databases),
        any(_reads_headers(rule) for rule in rules if rule.active),
        any(
            shows(part, "message") for rule in rules if rule.active for part in (rule.condition, rule.actions)
        ),
    )


def doubts_about(rule: Rule) -> list[str]:
    """What `compile` would warn of in this rule alone; WrongPart when it would refuse it."""
    return _ready(0, rule, Compiler())[1]


def _ready(position: int, rule: Rule, compiler: Compiler) -> tuple[Compiled | None, list[str]]:
    """The rule, None when it is switched off, and what is doubtful about it."""
    name = f"rule {rule.title!r}{f' ({rule.source})' if rule.source else ''}"
    doubts: list[str] = []
    ready = None
    try:
        ready = _rule(position, rule, compiler, doubts)
    except WrongPart as error:
        if rule.active:
            raise WrongPart(f"{name}: {error}", error.where) from None
        doubts.append(f"it is switched off, and cannot be switched on: {error}")
    return ready if rule.active else None, [f"{name}: {doubt}" for doubt in dict.fromkeys(doubts)]


def _rule(position: int, rule: Rule, compiler: Compiler, doubts: list[str]) -> Compiled:
    with _blaming("if"):
        test = compiler.compile(rule.condition)
    doubts += compiler.warnings
    acts: list[Act] = []
    for index, action in enumerate(rule.actions):
        with _blaming("do", index):
            acts.append(compile_action(rule.title, action, index, doubts, rule.user))
    return Compiled(position, rule, test, tuple(acts))


@contextmanager
def _blaming(*where: str | int) -> Iterator[None]:
    """What is wrong inside is wrong with this part of the rule."""
    try:
        yield
    except InvalidValue as error:
        raise WrongPart(str(error), where) from None


def _reads_headers(rule: Rule) -> bool:
    for action in rule.actions:
        if isinstance(action, (AddHeader, SetHeader, DeleteHeader)) and action.name.lower() not in WRITABLE:
            return True
    return any(_reads_header(part) for part in walk(rule.condition))


def _reads_header(condition: Condition) -> bool:
    return isinstance(condition, Field) and depends(canonical(condition.name)) == "headers"


def judge(
    ruleset: Ruleset, letter: Letter, facts: Facts, candidates: Sequence[int] | None = None
) -> Verdict | Ask:
    """What becomes of a message, or what has to be asked first. `candidates`: the positions of the rules that may match, where a
    `glance` has found them already."""
    seen = View(letter, facts)
    try:
        _run(ruleset, seen, candidates)
    except Unanswered as unanswered:
        return Ask((unanswered.question,))
    return verdict(seen)


def _run(ruleset: Ruleset, seen: View, candidates: Sequence[int] | None) -> None:
    index, compiled, decided, dirty = ruleset.index, ruleset.compiled, seen.decided, seen.dirty
    if candidates is None:
        candidates = index.candidates(seen)
    at, last, noted, lookups = 0, -1, -1, 0
    while at < len(candidates):
        position = candidates[at]
        at += 1
        if position <= last:
            continue
        rule = compiled[position]
        if rule is None:
            continue
        answer = rule.test(seen)
        last = position
        if answer > 0 or len(decided) < _MOST_NOTED:
            trace.note(decided, position - noted - 1, answer)
            noted = position
        if answer < 0:
            continue
        if rule.run(seen, answer - 1):
            return
        if dirty:
            if not index.depends.isdisjoint(dirty):
                lookups += 1
                all_left = range(position + 1, len(compiled))
                candidates = index.again(seen, candidates) if lookups <= _MOST_LOOKUPS else all_left
                at = 0
            dirty.clear()


def verdict(seen: View) -> Verdict:
    """What has come of a message."""
    decided = bytes(seen.decided)
    if not seen.steps:  # no rule has matched
        return Verdict("accept", seen.letter, "", (), _NOTHING, Trace(decided, (), ""))
    return Verdict(
        seen.fate,
        seen.result(),
        seen.text,
        tuple(seen.effects),
        frozenset(seen.changed),
        Trace(decided, tuple(seen.steps), seen.stopped),
    )


_NOTHING: Final[frozenset[str]] = frozenset()
