"""Why a message fared as it did: every rule of a list, in order, with the condition that decided and what it saw.

`explain` judges anew, without the index, for dry runs; `kept` puts the trace of an earlier judgement into words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from smsd.policy.rules import trace, words
from smsd.policy.rules.conditions import Unanswered, decisive
from smsd.policy.rules.engine import Compiled, Ruleset
from smsd.policy.rules.index import only_rewrites
from smsd.policy.rules.letter import Facts, Letter
from smsd.policy.rules.model import All, Condition, Not, Rule
from smsd.policy.rules.view import View

MATCHED, UNMATCHED = "matched", "did not match"


@dataclass(frozen=True, slots=True)
class Line:
    """A rule and how it went. `state` is matched, did not match, off, unasked (an earlier rule ended it) or
    waiting (a database has to be asked first). `condition` decided, `saw` is what it looked at; `changes` are what was done."""

    rule: str
    state: str
    condition: str = ""
    saw: str = ""
    changes: tuple[str, ...] = ()
    source: str = ""

    def __str__(self) -> str:
        if self.state == "off":
            return f"{self.rule!r}: switched off"
        if self.state == "unasked":
            return f"{self.rule!r}: not asked"
        saw = f" (it is {self.saw})" if self.saw else ""
        if self.state == "waiting":
            return f"{self.rule!r}: {self.condition}: not known yet"
        return f"{self.rule!r}: {self.state}: {self.condition}{saw}"


def lines(rules: Sequence[Rule], ruleset: Ruleset, letter: Letter, facts: Facts) -> tuple[Line, ...]:
    """How each of `rules`, from which `ruleset` was compiled, takes the message. What a database would have to be asked ends it:
    the rules behind are unasked."""
    seen = View(letter, facts)
    found: list[Line] = []
    ended = False
    for rule, compiled in zip(rules, ruleset.compiled, strict=True):
        if compiled is None:
            found.append(Line(rule.title, "off", source=rule.source))
        elif ended:
            found.append(Line(rule.title, "unasked", source=rule.source))
        else:
            line, ended = _line(rule, compiled, seen)
            found.append(line)
    return tuple(found)


def _line(rule: Rule, compiled: Compiled, seen: View) -> tuple[Line, bool]:
    try:
        answer = compiled.test(seen)
    except Unanswered as unanswered:
        asked = f"answer of the database {unanswered.question.database}"
        return Line(rule.title, "waiting", asked, source=rule.source), True
    condition = decisive(rule.condition, abs(answer) - 1)
    state, told, saw = (
        UNMATCHED if answer < 0 else MATCHED,
        words.condition(condition),
        _saw(condition, seen),
    )
    ended = False
    told_before = tuple(seen.steps)  # a database that did not answer
    del seen.steps[:]
    if answer > 0:
        ended = compiled.run(seen, answer - 1)
    changes = told_before + tuple(line.strip() for line in seen.steps[1:])
    del seen.steps[:]
    if ended:
        changes += ({"accept": "no more rules are asked"}.get(seen.fate, f"fate: {seen.fate}"),)
    return Line(rule.title, state, told, saw, changes, rule.source), ended


def _saw(condition: Condition, seen: View) -> str:
    while isinstance(condition, Not):
        condition = condition.part
    return words.value(condition, seen)


def explain(rules: Sequence[Rule], ruleset: Ruleset, letter: Letter, facts: Facts) -> list[str]:
    """The same in lines of text, changes indented under their rule."""
    told = []
    for line in lines(rules, ruleset, letter, facts):
        told.append(str(line))
        told += [f"  {change}" for change in line.changes]
    return told


def kept(rules: Sequence[Rule], decided: bytes, stopped: str = "") -> list[str]:
    """The trace of an earlier judgement by these rules, a line for each rule: what decided is known, not what it saw. Of rules
    that the index passed over only the whole condition is."""
    known = {position: (matched, number) for position, matched, number in trace.unpack(decided)}
    last = max(known, default=-1)
    told = []
    for position, rule in enumerate(rules):
        if position in known:
            matched, number = known[position]
            asked = words.condition(decisive(rule.condition, number))
            told.append(f"{rule.title!r}: {MATCHED if matched else UNMATCHED}: {asked}")
        elif not rule.active:
            told.append(f"{rule.title!r}: switched off")
        elif stopped and position > last:
            told.append(f"{rule.title!r}: not asked")
        else:
            told.append(f"{rule.title!r}: {_left_out(rule)}")
    return told


def _left_out(rule: Rule) -> str:
    """Why the index did not find a rule."""
    if not only_rewrites(rule):
        return f"{UNMATCHED}: {words.whole(rule.condition)}"
    if isinstance(rule.condition, All):
        return "has nothing to rewrite"
    return f"{UNMATCHED}, or has nothing to rewrite: {words.whole(rule.condition)}"
