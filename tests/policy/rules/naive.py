"""Rules run as they are written, one after the other, with nothing compiled, filed or remembered: what `engine` is compared with.

Conditions are interpreted here. Actions are left to the engine, one rule at a time, behind a condition that always holds.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from smsd.policy.rules import addresses, pattern, view
from smsd.policy.rules.engine import compile, judge
from smsd.policy.rules.letter import Ask, Effect, Facts, Letter, Question, Verdict
from smsd.policy.rules.model import (
    Accept,
    All,
    And,
    Clock,
    Condition,
    Delete,
    Each,
    Field,
    Flag,
    HasPriority,
    How,
    Network,
    Not,
    Or,
    Reject,
    Rule,
    Size,
    SqlCondition,
    Stop,
    TextTest,
)
from smsd.policy.rules.variables import compile_text
from smsd.policy.rules.view import View


def run(rules: Sequence[Rule], letter: Letter, facts: Facts) -> Verdict | Ask:
    """What `engine.judge` must say, the octets of the trace and its texts apart."""
    effects: list[Effect] = []
    changed: frozenset[str] = frozenset()
    for rule in rules:
        if not rule.active:
            continue
        holds = decide(rule.condition, letter, facts)
        if isinstance(holds, Question):
            return Ask((holds,))
        if not holds:
            continue
        for index, action in enumerate(rule.actions):
            alone = judge(compile((Rule(rule.title, All(), (action,)),)), letter, facts)
            assert isinstance(alone, Verdict)
            effects += [Effect(rule.title, effect.action, index) for effect in alone.effects]
            letter, changed = alone.letter, changed | alone.changed
            if isinstance(action, (Accept, Delete, Reject, Stop)):
                return Verdict(alone.fate, letter, alone.text, tuple(effects), changed)
    return Verdict("accept", letter, "", tuple(effects), changed)


def decide(condition: Condition, letter: Letter, facts: Facts) -> bool | Question:
    """Whether a condition holds, or what has to be asked first."""
    if isinstance(condition, (And, Or)):
        ending = isinstance(condition, Or)
        for part in condition.parts:
            answer = decide(part, letter, facts)
            if isinstance(answer, Question) or answer is ending:
                return answer
        return not ending
    if isinstance(condition, Not):
        answer = decide(condition.part, letter, facts)
        return answer if isinstance(answer, Question) else not answer
    if isinstance(condition, SqlCondition):
        return ask(condition, letter, facts)
    return plain(condition, letter, facts)


def ask(condition: SqlCondition, letter: Letter, facts: Facts) -> bool | Question:
    seen = View(letter, facts)
    values = tuple(compile_text(value)[0](seen) for value in condition.values)
    question = Question(condition.database, condition.statement, values, condition.seconds)
    if question in facts.failed:
        return condition.default
    if question not in facts.answers:
        return question
    answer = facts.answers[question]
    if condition.test is None:
        return answer is not None and answer.strip().lower() not in ("", "0", "false")
    return compared(condition.test, answer or "", facts)


def plain(condition: Condition, letter: Letter, facts: Facts) -> bool:
    if isinstance(condition, Field):
        return field(condition, letter, facts)
    if isinstance(condition, Size):
        above, below = condition.above, condition.below
        return (above is None or letter.size > above) and (below is None or letter.size < below)
    if isinstance(condition, Flag):
        return bool(getattr(letter, condition.name)) == condition.value
    if isinstance(condition, Network):
        try:
            address = ipaddress.ip_address(letter.ip)
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in ipaddress.ip_network(one) for one in condition.networks)
    if isinstance(condition, Clock):
        return clock(condition, *letter.when[:2])
    if isinstance(condition, HasPriority):
        return letter.priority == condition.priority
    return True


def clock(condition: Clock, day: int, minute: int) -> bool:
    """Counted out: every minute of every span that begins on one of the days."""
    length = condition.end - condition.start
    if length < 0:
        length += 24 * 60
    week = 7 * 24 * 60
    return any(
        ((day * 24 * 60 + minute) - (begin * 24 * 60 + condition.start)) % week < length
        for begin in condition.days
    )


def field(condition: Field, letter: Letter, facts: Facts) -> bool:
    seen, test, name = View(letter, facts), condition.test, view.canonical(condition.name)
    if test.each is Each.JOINED or test.how is How.EMPTY:
        return compared(test, view.text(name)(seen), facts)
    choose = all if test.each is Each.ALL else any
    return choose(
        any(compared(test, spelling, facts) for spelling in item) for item in view.items(seen, name)
    )


def compared(test: TextTest, text: str, facts: Facts) -> bool:
    if test.how is How.EMPTY:
        return not text.strip()
    if test.compare == "number":
        text = addresses.normal(text)
    if test.how is How.REGEX:
        return pattern.read(test.value, test.case).search(text)
    whole = test.how in (How.EQUALS, How.IN)
    wanted = [test.value]
    if test.how in (How.ITEM, How.IN):
        wanted = [item for item in (*test.items, *facts.lists.get(test.file, ())) if item]
    if test.compare == "number":
        wanted = [addresses.normal(one) if whole else digits(one) for one in wanted]
    if not test.case or test.compare == "number":
        text, wanted = text.casefold(), [one.casefold() for one in wanted]
    if test.how is How.STARTS:
        return text.startswith(wanted[0])
    if test.how is How.ENDS:
        return text.endswith(wanted[0])
    return any(one == text if whole else one in text for one in wanted)


def digits(value: str) -> str:
    found = "".join(char for char in value if char in "+0123456789*#")
    return "+" + found[2:] if found.startswith("00") else found or value


def comparable(verdict: Verdict | Ask) -> Verdict | Ask:
    """A verdict without what only the engine writes."""
    return verdict if isinstance(verdict, Ask) else verdict._replace(trace=Verdict("", verdict.letter).trace)
