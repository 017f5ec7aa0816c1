"""What must hold for all rules and all messages: judging never raises, ends, says the same twice, and says what the rules say
when they are run one by one without an index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.policy.rules import explain, trace
from smsd.policy.rules.engine import compile, judge
from smsd.policy.rules.letter import Answer, Ask, Facts, Letter, Question, Verdict
from smsd.policy.rules.model import (
    AddHeader,
    All,
    And,
    Condition,
    DeleteHeader,
    Each,
    Field,
    Forward,
    Frame,
    How,
    Not,
    Or,
    Rule,
    SetHeader,
    SetPriority,
    Size,
    SqlCondition,
    Stop,
    TextTest,
)
from smsd.values.message import Priority
from tests.policy.rules import naive, strategies

MOST_QUESTIONS = 60

_anything = st.text(max_size=20)  # lone surrogates and NUL as well
_ODD = st.one_of(
    _anything,
    st.sampled_from(
        ("", "+15551234567", "+15551234567@gw", "a@b, c@d", "Ann <ann@x>", '"sms:+1@2"@x', "STOP now", "ß K")
    ),
)
LETTERS = st.builds(
    Letter, outgoing=st.booleans(), sender=_ODD, to=_ODD, body=_ODD, number=_ODD, subject=_ODD,
    headers=st.lists(st.tuples(st.sampled_from(("Cc", "X-A", "x-a", "Date", "")), _ODD), max_size=3).map(tuple),
    size=st.integers(0, 300), account=_ODD, phone=_ODD, email=_ODD, door=_ODD, gateway=_ODD,
    ip=st.sampled_from(("", "10.1.2.3", "::ffff:10.1.2.3", "2001:db8::1", "fe80::1%eth0", "[::1]", "x")), host=_ODD,
    message=st.integers(0, 2**63), authenticated=st.booleans(), local=st.booleans(), attachment=st.booleans(),
    binary=st.booleans(), priority=st.sampled_from(Priority),
    when=st.tuples(st.integers(0, 6), st.integers(0, 1439), st.just("2026-11-21"), st.just("13:05")),
)  # fmt: skip


def answered(
    say: Callable[[Facts], Verdict | Ask], answers: Callable[[Question], Answer | Exception], facts: Facts
) -> Verdict:
    """The verdict once everything it asked was answered."""
    for _ in range(MOST_QUESTIONS):
        verdict = say(facts)
        if not isinstance(verdict, Ask):
            return verdict
        [question] = verdict.questions
        answer = answers(question)
        if isinstance(answer, Exception):
            facts = replace(facts, failed=facts.failed | {question})
        else:
            facts = replace(facts, answers={**facts.answers, question: answer})
    raise AssertionError("asks for ever")


def oracle(question: Question) -> Answer | Exception:
    """Some answer that depends on all of the question, and sometimes none."""
    number = sum(map(ord, question.statement + "".join(question.values)))
    return (None, "", "0", "hello", "+15551234567", TimeoutError())[number % 6]


class AnyRules(SynchronousTestCase):
    """With everything the language has."""

    @settings(max_examples=250, deadline=None)
    @given(strategies.lists_of_rules(strategies.RUNNABLE), LETTERS, st.booleans())
    def test_judging_says_what_the_rules_say(
        self, rules: tuple[Rule, ...], letter: Letter, listed: bool
    ) -> None:
        facts = Facts(dict.fromkeys(files(rules), ("a", "+15551234567", "0")) if listed else {})
        ruleset = compile(rules)
        verdict = answered(lambda known: judge(ruleset, letter, known), oracle, facts)
        self.assertEqual(
            naive.comparable(verdict),
            naive.comparable(answered(lambda known: naive.run(rules, letter, known), oracle, facts)),
        )
        self.assertEqual(verdict, answered(lambda known: judge(ruleset, letter, known), oracle, facts))

    @settings(max_examples=150, deadline=None)
    @given(strategies.lists_of_rules(strategies.RUNNABLE), LETTERS)
    def test_explaining_never_raises_and_agrees(self, rules: tuple[Rule, ...], letter: Letter) -> None:
        ruleset = compile(rules)
        lines = explain.lines(rules, ruleset, letter, Facts())
        self.assertEqual([line.rule for line in lines], [rule.title for rule in rules])
        verdict = judge(ruleset, letter, Facts())
        if isinstance(verdict, Verdict) and not any(line.state == "waiting" for line in lines):
            looked_at = {position: matched for position, matched, _ in trace.unpack(verdict.trace.decided)}
            matched = [position for position, line in enumerate(lines) if line.state == "matched"]
            self.assertEqual(matched, [position for position, yes in looked_at.items() if yes])
            self.assertEqual(
                len(explain.kept(rules, verdict.trace.decided, verdict.trace.stopped)), len(rules)
            )


def files(rules: tuple[Rule, ...]) -> set[str]:
    return set(compile(rules).files)


# -- rules that match often, and rewrite what others are filed by

_short = st.text(st.sampled_from("+13a@ K"), max_size=4)
_values = st.one_of(
    _short, st.sampled_from(("+1", "+39", "stop", "STOP", "gw", "ß", "SS", "\u212a", "a@b", "x"))
)
_regexes = st.sampled_from(
    (
        r"^\+1", r"^(\+39|\+3)", r"^(?:stop|halt)\b", r"^[sS]top", r"(?i)^k", r"stop|a@b", r"^(?!.*@)(.*)$", r"@(?!g)",
        r"^\+1(?!3)", r"a+", r"^(a|\+)*$", r"^a?\+1", r"(^x|^a)b?", r"^$", r"(?s)^.", r"^(?i:S)top", r"(?m)^stop", r"^\+{0}1", "^ß",
    )
)  # fmt: skip
_fields = st.sampled_from(
    (
        "to",
        "from",
        "body",
        "subject",
        "number",
        "keyword",
        "gateway",
        "account",
        "sender",
        "cc",
        "header:X-A",
        "header:To",
    )
)


@st.composite
def _tests(draw: Callable[..., Any]) -> TextTest:
    how = draw(st.sampled_from([how for how in How if how is not How.EMPTY]))
    options = {
        "case": draw(st.booleans()),
        "each": draw(st.sampled_from(Each)),
        "compare": draw(st.sampled_from(("text", "text", "number"))),
    }
    if how is How.REGEX:
        return TextTest(how, draw(_regexes), **options)
    if how in (How.ITEM, How.IN):
        return TextTest(how, items=tuple(draw(st.lists(_values, max_size=20))), **options)
    return TextTest(how, draw(_values), **options)


_leaves: st.SearchStrategy[Condition] = st.one_of(st.builds(Field, _fields, _tests()), st.just(All()))
_conditions = st.recursive(
    _leaves,
    lambda parts: st.one_of(
        st.lists(parts, max_size=3).map(lambda several: And(tuple(several))),
        st.lists(parts, max_size=3).map(lambda several: Or(tuple(several))),
        parts.map(Not),
    ),
    max_leaves=4,
)
_written = st.sampled_from(("To", "From", "Body", "Subject", "Cc", "X-A"))
_actions = st.one_of(
    st.builds(SetHeader, _written, _values),
    st.builds(SetHeader, _written, st.sampled_from(("$0@gw", "+1$0", "$0$0", "")), _regexes),
    st.builds(AddHeader, st.sampled_from(("Cc", "X-A")), _values),
    st.builds(DeleteHeader, _written),
    st.builds(Frame, _values, _values),
    st.builds(SetPriority, st.sampled_from(Priority)),
    st.builds(Forward, st.sampled_from(("a@b", "%%To%%", "%:body%"))),
    st.just(Stop()),
)
_rules = st.lists(
    st.builds(
        Rule,
        st.just("r"),
        _conditions,
        st.lists(_actions, max_size=2).map(tuple),
        st.booleans() | st.just(True),
    ),
    max_size=14,
).map(tuple)
_texts = st.one_of(
    _values, st.sampled_from(("+1a@gw", "+39 a", "Stop it", "K", "x <a@b>", "a@b, x", "halt", "\u017ftop"))
)
_letters = st.builds(
    Letter, st.booleans(), _texts, _texts, _texts, number=_texts, subject=_texts, account=_texts, gateway=_texts,
    headers=st.lists(st.tuples(st.sampled_from(("Cc", "X-A")), _texts), max_size=2).map(tuple),
)  # fmt: skip


# -- few fields and few values, so that nearly every rewriting makes another rule match

_few = st.sampled_from(("+1", "+13", "a", "a1", "stop", "x\nstop", ""))
_few_tests = st.one_of(
    st.builds(
        TextTest, st.sampled_from((How.STARTS, How.EQUALS, How.CONTAINS, How.ENDS)), _few, case=st.booleans()
    ),
    st.builds(
        TextTest,
        st.just(How.REGEX),
        _regexes | st.sampled_from((r"^a?1*$", r"^(?:stop)?$", r"(?m)^stop", r"^a{0,1}$")),
    ),
    st.builds(TextTest, st.just(How.IN), items=st.tuples(_few, _few)),
)
_few_fields = st.builds(Field, st.sampled_from(("to", "body", "number", "keyword")), _few_tests)
_few_conditions: st.SearchStrategy[Condition] = st.one_of(
    _few_fields, _few_fields, st.builds(lambda one, two: And((one, two)), _few_fields, _few_fields),
    st.builds(lambda one, two: Or((one, two)), _few_fields, _few_fields),
)  # fmt: skip
_few_rules = st.lists(
    st.builds(
        Rule, st.just("r"), _few_conditions, st.builds(SetHeader, st.sampled_from(("To", "Body")), _few).map(lambda one: (one,))
    ),
    min_size=4,
    max_size=25,
).map(tuple)  # fmt: skip
_few_letters = st.builds(Letter, st.just(True), st.just(""), _few, _few)


# -- what a glance is given: a number in its normal form, and no headers

_numbers = st.sampled_from(
    ("+1", "+13", "+15551234567", "+39", "3", "7", "+1555", "5551", "+15551234567@gw", "gw", "@GW", "@")
)
_spoken = st.sampled_from(
    ("stop", "STOP", "ß", "SS", "\u017ftop", "\u212a", "k", "x", "\u1e9e", "halt", " ", "", "top x", "1")
)
_glance_tests = st.one_of(
    st.builds(
        TextTest,
        st.sampled_from((How.STARTS, How.EQUALS, How.CONTAINS, How.ENDS)),
        _numbers | _spoken,
        case=st.booleans(),
        each=st.sampled_from(Each),
        compare=st.sampled_from(("text", "text", "number")),
    ),
    st.builds(
        TextTest,
        st.just(How.REGEX),
        _regexes
        | st.sampled_from((r"7$", r"@gw$", r"(?-i)@GW", r"^\+1555\d+$", r"\bstop\b", "\u017f", "^$", r"x\z")),
        case=st.booleans(),
    ),
    st.builds(TextTest, st.sampled_from((How.IN, How.ITEM)), items=st.tuples(_numbers, _spoken)),
)
_glance_fields = st.builds(
    Field,
    st.sampled_from(
        ("to", "number", "body", "keyword", "from", "sender", "account", "gateway", "door", "host", "subject")
    ),
    _glance_tests,
)
# What only the index and the conditions themselves know of: it stands beside what a glance sees.
_unseen: st.SearchStrategy[Condition] = st.one_of(
    st.builds(
        Field,
        st.sampled_from(("body", "number")),
        st.sampled_from((TextTest(How.IN, file="/a"), TextTest(How.ITEM, items=("x",), file="/a"))),
    ),
    st.builds(Size, above=st.integers(0, 9)),
    st.just(SqlCondition("db", "select", ("%from%",))),
    _glance_fields.map(Not),
)
_glance_rules = st.lists(
    st.builds(
        Rule,
        st.just("r"),
        st.one_of(
            _glance_fields, st.builds(lambda one, two: Or((one, two)), _glance_fields, _glance_fields),
            st.builds(lambda one, two: And((one, two)), _glance_fields, _glance_fields | _unseen),
        ),
        st.sampled_from(
            ((SetHeader("To", "%number%@gw"),), (SetHeader("To", "$1@gw", r"^(\+1)"),), (Frame("x ", ""),), (Stop(),))
        ),
    ),
    max_size=12,
).map(tuple)  # fmt: skip
_plain_bodies = st.lists(_spoken, max_size=3).map(" ".join)


class Glanced(SynchronousTestCase):
    """A glance leaves out no rule that matches, and what it finds is judged as what the index finds."""

    @settings(max_examples=600, deadline=None)
    @given(
        _glance_rules, st.sampled_from(("+15551234567", "+393331234567", "+1555123")), st.sampled_from(("", "gw", "GW")),
        _plain_bodies, _spoken, _spoken,
    )  # fmt: skip
    def test_a_glance_changes_nothing(
        self, rules: tuple[Rule, ...], number: str, at: str, body: str, sender: str, account: str
    ) -> None:
        ruleset = compile(rules)
        letter = Letter(
            True, sender, f"{number}@{at}" if at else number, body, number, account=account, door="web", host="h", gateway=at
        )  # fmt: skip
        found = None
        if ruleset.index.glance is not None:
            found = ruleset.index.glance.candidates((sender, account, "web", "h", at), number, at, body)
        if found is not None:
            self.assertEqual(list(found), sorted(set(found)))
        for lines in (("stop", "+15551234567"), ("x",)):  # a file that changes
            facts = Facts({"/a": lines})
            verdict = answered(lambda known: judge(ruleset, letter, known, found), oracle, facts)
            expected = answered(lambda known: naive.run(rules, letter, known), oracle, facts)
            self.assertEqual(naive.comparable(verdict), naive.comparable(expected))
            indexed = answered(lambda known: judge(ruleset, letter, known), oracle, facts)
            self.assertEqual(naive.comparable(verdict), naive.comparable(indexed))


class Filed(SynchronousTestCase):
    """The index leaves out no rule that matches, also after rewriting."""

    @settings(max_examples=400, deadline=None)
    @given(_rules, _letters)
    def test_the_index_changes_nothing(self, rules: tuple[Rule, ...], letter: Letter) -> None:
        verdict = judge(compile(rules), letter, Facts())
        self.assertEqual(naive.comparable(verdict), naive.run(rules, letter, Facts()))

    @settings(max_examples=500, deadline=None)
    @given(_few_rules, _few_letters)
    def test_rules_are_filed_by_what_others_rewrite(self, rules: tuple[Rule, ...], letter: Letter) -> None:
        verdict = judge(compile(rules), letter, Facts())
        self.assertEqual(naive.comparable(verdict), naive.run(rules, letter, Facts()))
