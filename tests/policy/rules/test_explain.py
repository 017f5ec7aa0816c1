"""Why a message fared as it did, in words."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smsd.policy.rules import explain, words
from smsd.policy.rules.engine import compile, judge
from smsd.policy.rules.letter import Facts, Letter, Verdict
from smsd.policy.rules.model import (
    All,
    And,
    Clock,
    Delete,
    Each,
    Field,
    Flag,
    Forward,
    HasPriority,
    How,
    Network,
    Not,
    Or,
    Rule,
    SetHeader,
    Size,
    SqlCondition,
    Stop,
    TextTest,
)
from smsd.values.message import Priority

LETTER = Letter(
    True, "ann@example.org", "+15551234567", "my password: hunter2, or pass=hunter2&x", number="+15551234567", size=40,
    account="acme", ip="10.0.0.1", when=(4, 785, "2026-11-20", "13:05"),
)  # fmt: skip


def starts(value: str) -> Field:
    return Field("number", TextTest(How.STARTS, value))


RULES = (
    Rule("Italy", starts("+39"), (SetHeader("To", "%%To%%@it"),), source="smsd.yaml:3"),
    Rule("off", All(), (Delete(),), active=False),
    Rule(
        "America", And((Flag("binary", False), starts("+1"))), (SetHeader("To", "%%To%%@us"), Forward("a@b"))
    ),
    Rule("has a gateway", Field("to", TextTest(How.CONTAINS, "@")), (Stop(),)),
    Rule("behind", All(), (Delete(),)),
)


class Explained(SynchronousTestCase):
    def test_every_rule_in_order(self) -> None:
        told = explain.explain(RULES, compile(RULES), LETTER, Facts())
        self.assertEqual(
            told,
            [
                '\'Italy\': did not match: number begins with "+39" (it is "+15551234567")',
                "'off': switched off",
                '\'America\': matched: number begins with "+1" (it is "+15551234567")',
                '  to: "+15551234567" is now "+15551234567@us"',
                "  forward to a@b",
                '\'has a gateway\': matched: to contains "@" (it is "+15551234567@us")',
                "  no more rules are asked",
                "'behind': not asked",
            ],
        )
        self.assertEqual(explain.lines(RULES, compile(RULES), LETTER, Facts())[0].source, "smsd.yaml:3")

    def test_a_kept_trace(self) -> None:
        verdict = judge(compile(RULES), LETTER, Facts())
        assert isinstance(verdict, Verdict)
        self.assertEqual(
            explain.kept(RULES, verdict.trace.decided, verdict.trace.stopped),
            [
                "'Italy': did not match: number begins with \"+39\"",
                "'off': switched off",
                "'America': matched: number begins with \"+1\"",
                "'has a gateway': matched: to contains \"@\"",
                "'behind': not asked",
            ],
        )
        self.assertEqual(explain.kept(RULES[:1], b""), ["'Italy': did not match: number begins with \"+39\""])

    def test_a_question_that_is_not_answered(self) -> None:
        rules = (Rule("paid", SqlCondition("crm", "q"), (Delete(),)), Rule("next", All(), (Delete(),)))
        told = explain.explain(rules, compile(rules), LETTER, Facts())
        self.assertEqual(told, ["'paid': answer of the database crm: not known yet", "'next': not asked"])

    def test_fates(self) -> None:
        rules = (Rule("gone", All(), (Delete(),)),)
        self.assertEqual(
            explain.explain(rules, compile(rules), LETTER, Facts()),
            ["'gone': matched: every message", "  fate: delete"],
        )

    def test_what_is_shown_of_a_text(self) -> None:
        rules = (Rule("r", Field("body", TextTest(How.CONTAINS, "pin=1234")), ()),)
        [line] = explain.explain(rules, compile(rules), LETTER, Facts())
        self.assertEqual(
            line,
            '\'r\': did not match: body contains "pin=***" (it is "my password: ***, or pass=***&x")',
        )
        for text, shown in (
            ("x" * 100, "x" * 80 + "…"),
            ("x" * 1000, "x" * 80 + "…"),
            ("a\nb\x1b[2J", "a b [2J"),
            ("https://user:geheim@example.org/?api_key=1&b=2", "https://…@example.org/?api_key=***&b=2"),
            ("shopping: list, the monkey=1", "shopping: list, the monkey=1"),
            ("", ""),
        ):
            self.assertEqual(words.shown(text), shown)

    def test_each_condition_in_words(self) -> None:
        for condition, told in (
            (And((All(), All())), "all of 2 conditions"),
            (Or(()), "one of 0 conditions"),
            (Not(All()), "not: every message"),
            (
                Field("cc", TextTest(How.IN, items=("a", "b", "c", "d"), each=Each.ALL)),
                '(each) is one of "a", "b", "c", …',
            ),
            (
                Field("cc", TextTest(How.ITEM, file="/x", each=Each.JOINED)),
                "(as one text) contains one of the lines of /x",
            ),
            (Field("cc", TextTest(How.EMPTY)), "cc is empty"),
            (Size(1, 5), "more than 1 and less than 5 octets"),
            (Size(), "any number of octets"),
            (Flag("local", False), "not local"),
            (Network(("10.0.0.0/8",)), "ip in 10.0.0.0/8"),
            (Clock(480, 1080, frozenset({4, 0})), "time 08:00-18:00 Mon Fri"),
            (Clock(), "time 00:00-24:00"),
            (HasPriority(Priority.BULK), "priority bulk"),
            (SqlCondition("db", "q", test=TextTest(How.EQUALS, "x")), 'answer of the database db is "x"'),
        ):
            self.assertTrue(words.condition(condition).endswith(told), words.condition(condition))

    def test_what_each_condition_saw(self) -> None:
        for condition, saw in (
            (Size(100), "40 octets"),
            (Flag("local"), "not local"),
            (Network(("11.0.0.0/8",)), "10.0.0.1"),
            (Clock(0, 1), "Fri 13:05"),
            (HasPriority(Priority.BULK), "normal"),
            (Not(Field("account", TextTest(How.EQUALS, "acme"))), '"acme"'),
        ):
            [line] = explain.lines(rules := (Rule("r", condition, ()),), compile(rules), LETTER, Facts())
            self.assertEqual((line.state, line.saw), ("did not match", saw), condition)
