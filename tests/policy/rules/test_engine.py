"""From top to bottom: order, ends, what later rules see, questions, traces, and how rules are filed."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsd.policy.rules import trace
from smsd.policy.rules.engine import Ruleset, compile, judge
from smsd.policy.rules.index import Index
from smsd.policy.rules.letter import Ask, Effect, Facts, Letter, Question, Verdict
from smsd.policy.rules.model import (
    Accept,
    Action,
    All,
    And,
    Condition,
    Delete,
    DeleteHeader,
    Field,
    Forward,
    How,
    Not,
    Or,
    Reject,
    Rule,
    SetHeader,
    SetPriority,
    SqlCondition,
    Stop,
    TextTest,
)
from smsd.policy.rules.view import View
from smsd.values.errors import InvalidValue
from smsd.values.message import Priority

LETTER = Letter(True, "ann@example.org", "+15551234567", "Hello Bob", number="+15551234567", size=9)


def field(name: str, how: How, value: str) -> Field:
    return Field(name, TextTest(how, value))


def starts(value: str) -> Field:
    return field("number", How.STARTS, value)


def rule(title: str, condition: Condition, *actions: Action, active: bool = True) -> Rule:
    return Rule(title, condition, actions, active)


def judged(*rules: Rule, letter: Letter = LETTER) -> Verdict:
    verdict = judge(compile(rules), letter, Facts())
    assert isinstance(verdict, Verdict)
    return verdict


def to(name: str) -> Forward:
    return Forward(f"{name}@example.org")


def reached(verdict: Verdict) -> list[str]:
    return [effect.rule for effect in verdict.effects]


class Order(SynchronousTestCase):
    def test_nothing_matches(self) -> None:
        for verdict in (judged(), judged(rule("no", Not(All()), Delete()))):
            self.assertEqual((verdict.fate, verdict.changed, verdict.effects), ("accept", frozenset(), ()))
            self.assertIs(verdict.letter, LETTER)

    def test_from_top_to_bottom(self) -> None:
        rules = [
            rule(name, starts(prefix), to(name)) for name, prefix in (("a", "+1"), ("b", "+3"), ("c", "+155"))
        ]
        rules.insert(1, rule("x", All(), to("x")))
        rules.append(rule("off", All(), to("off"), active=False))
        self.assertEqual(reached(judged(*rules)), ["a", "x", "c"])

    def test_ends(self) -> None:
        for action, fate in (
            (Accept(), "accept"),
            (Delete(), "delete"),
            (Reject("No."), "reject"),
            (Stop(), "accept"),
        ):
            verdict = judged(rule("end", All(), to("a"), action, to("b")), rule("behind", All(), to("c")))
            self.assertEqual((verdict.fate, reached(verdict), verdict.trace.stopped), (fate, ["end"], "end"))
            self.assertEqual(verdict.text, "No." if fate == "reject" else "")

    def test_effects_say_where_they_are_from(self) -> None:
        verdict = judged(rule("r", All(), SetPriority(Priority.BULK), to("a"), to("b")))
        self.assertEqual(verdict.effects, (Effect("r", to("a"), 1), Effect("r", to("b"), 2)))
        self.assertEqual((verdict.letter.priority, verdict.changed), (Priority.BULK, {"priority"}))

    def test_later_ones_see_what_earlier_ones_changed(self) -> None:
        verdict = judged(
            rule(
                "rewrite",
                starts("+1"),
                SetHeader("To", "+393331234567@it"),
                SetHeader("Body", "Ciao"),
                to("%number%"),
            ),
            rule("old number", starts("+1"), to("wrong")),
            rule("new number", starts("+39"), to("%gateway%")),
            rule("new gateway", field("gateway", How.EQUALS, "it"), to("gateway")),
            rule("new body", field("keyword", How.EQUALS, "ciao"), to("%:body%")),
        )
        self.assertEqual(
            [effect.action for effect in verdict.effects],
            [to("+393331234567"), to("it"), to("gateway"), to("Ciao")],
        )
        self.assertEqual((verdict.letter.number, verdict.letter.gateway), ("+393331234567", "it"))
        self.assertEqual((verdict.letter.size, verdict.changed), (4, {"to", "body"}))

    def test_a_rule_above_is_not_asked_again(self) -> None:
        verdict = judged(
            rule("above", starts("+39"), to("wrong")),
            rule("rewrite", starts("+1"), SetHeader("To", "+39333")),
        )
        self.assertEqual(verdict.effects, ())

    def test_many_rewritings(self) -> None:
        """More than the index is asked for."""
        rules = [
            rule(f"{number}", starts(f"+1{number:02}"), SetHeader("To", f"+1{number + 1:02}"))
            for number in range(60)
        ]
        verdict = judged(*rules, letter=Letter(True, "", "+100", "", number="+100"))
        self.assertEqual(verdict.letter.to, "+160")
        self.assertEqual(len(verdict.trace.decided), 120)

    def test_growth_is_bounded(self) -> None:
        double = SetHeader("Body", "$1$1", "(?s)(.*)")
        for rules in (
            [rule("a", All(), double)] * 40,
            [rule("b", All(), SetHeader("To", "%%To%%%%To%%"))] * 60,
        ):
            verdict = judged(*rules, letter=Letter(True, "", "x" * 100, "y" * 100))
            self.assertLessEqual(len(verdict.letter.body), 1 << 20)
            self.assertLessEqual(len(verdict.letter.to), 65536)
            self.assertLess(len(verdict.trace.steps), 500)
            self.assertTrue(any("too long" in step for step in verdict.trace.steps))

    def test_the_index_is_asked_a_few_times_only(self) -> None:
        asked: list[str] = []
        again = Index.again

        def counted(index: Index, *arguments: Any) -> Any:
            asked.append("again")
            return again(index, *arguments)

        self.patch(Index, "again", counted)
        self.test_many_rewritings()
        self.assertEqual(len(asked), 16)


class Questions(SynchronousTestCase):
    def test_one_after_the_other_with_what_was_rewritten(self) -> None:
        rules = [
            rule("first", SqlCondition("db", "a", ("%number%",)), SetHeader("To", "+39333")),
            rule("second", SqlCondition("db", "b", ("%number%",), default=True), to("a")),
        ]
        ruleset = compile(rules)
        first = Question("db", "a", ("+15551234567",))
        self.assertEqual(judge(ruleset, LETTER, Facts()), Ask((first,)))
        second = Question("db", "b", ("+39333",))
        self.assertEqual(judge(ruleset, LETTER, Facts(answers={first: "1"})), Ask((second,)))
        verdict = judge(ruleset, LETTER, Facts(answers={first: "1"}, failed=frozenset({second})))
        assert isinstance(verdict, Verdict)
        self.assertEqual((verdict.letter.to, reached(verdict)), ("+39333", ["second"]))
        other = Question("db", "b", ("+15551234567",))
        self.assertEqual(judge(ruleset, LETTER, Facts(answers={first: None})), Ask((other,)))

    def test_a_rule_that_cannot_match_asks_nothing(self) -> None:
        condition = And((SqlCondition("db", "a"), field("account", How.EQUALS, "other")))
        self.assertIsInstance(judge(compile([rule("r", condition)]), LETTER, Facts()), Verdict)


class Traces(SynchronousTestCase):
    def test_what_decided(self) -> None:
        body = field("body", How.CONTAINS, "bob")
        verdict = judged(
            rule("one", And((Not(starts("+1")), body)), to("a")),
            rule("passed over", field("account", How.EQUALS, "x"), to("a")),
            rule("off", All(), to("b"), active=False),
            rule("two", And((starts("+1"), Or((field("subject", How.EMPTY, ""), body)))), to("c")),
        )
        self.assertEqual(list(trace.unpack(verdict.trace.decided)), [(0, False, 2), (3, True, 3)])
        self.assertEqual(
            verdict.trace.steps, ("'two' matched: subject is empty", "  forward to c@example.org")
        )

    def test_changes_in_words_without_passwords(self) -> None:
        verdict = judged(
            rule(
                "r",
                All(),
                SetHeader("To", "%%To%%@gw&pass=secret1"),
                Forward("sms:+1?user=a&pass=secret2"),
                DeleteHeader("X"),
            )
        )
        self.assertNotIn("secret", str(verdict.trace.steps))
        self.assertIn('  to: "+15551234567" is now "+15551234567@gw&pass=***"', verdict.trace.steps)

    def test_rules_passed_over_cost_nothing(self) -> None:
        decided = bytearray()
        for passed, answer in ((0, 1), (62, -2), (63, 1), (64, -1), (100_000, 300)):
            trace.note(decided, passed, answer)
        self.assertEqual(
            list(trace.unpack(decided)),
            [(0, True, 0), (63, False, 1), (127, True, 0), (192, False, 0), (100_193, True, 255)],
        )
        self.assertEqual(len(decided), 2 + 2 + 2 + 3 + 4)
        for length in range(len(decided)):
            list(trace.unpack(bytes(decided[:length])))

    def test_a_long_trace_keeps_what_matched(self) -> None:
        rules = [rule("no", Not(All())) for _ in range(5000)]
        rules += [
            rule("hit", All(), Forward("a@example.org") if n == 300 else SetPriority(Priority.BULK))
            for n in range(500)
        ]
        verdict = judged(*rules)
        self.assertLess(len(verdict.trace.decided), 4096 + 4 * 500)
        known = list(trace.unpack(verdict.trace.decided))
        self.assertEqual([position for position, matched, _ in known if matched], list(range(5000, 5500)))
        self.assertEqual(len(verdict.trace.steps), 401)


class Filing(SynchronousTestCase):
    """Rules that cannot match are not looked at."""

    def looked_at(self, ruleset: Ruleset, letter: Letter = LETTER) -> list[int]:
        return list(ruleset.index.candidates(_view(letter)))

    def test_ten_thousand_rules(self) -> None:
        kinds = (
            lambda n: starts(f"+39{n:05}"),
            lambda n: field("account", How.EQUALS, f"a{n}"),
            lambda n: field("keyword", How.REGEX, f"^(?:K{n}|W{n})$"),
            lambda n: And((Not(All()), field("to", How.REGEX, rf"^\+4{n:05}"))),
            lambda n: Or(
                (field("gateway", How.EQUALS, f"g{n}"), field("from", How.EQUALS, f"u{n}@example.org"))
            ),
        )
        rules = [rule(str(number), kinds[number % 5](number), to("x")) for number in range(10_000)]
        rules[5000] = rule("hit", starts("+1555"), to("a"))
        ruleset = compile(rules)
        self.assertEqual(ruleset.index.always, ())
        self.assertEqual(self.looked_at(ruleset), [5000])
        verdict = judge(ruleset, LETTER, Facts())
        assert isinstance(verdict, Verdict)
        self.assertEqual(reached(verdict), ["hit"])
        other = Letter(
            True, "u4@example.org", "+400003", "W2 x", number="+3900000", account="a1", gateway="g9"
        )
        self.assertEqual(self.looked_at(ruleset, other), [0, 1, 2, 3, 4, 9])

    def test_rules_that_only_rewrite(self) -> None:
        """The document's way: every message, and an expression that is skipped where it does not match."""
        rules = [
            rule(str(number), All(), SetHeader("To:", r"\$1\$2@gw", rf"^(\+3{number:03})(.*)"))
            for number in range(1000)
        ]
        rules[500] = rule("us", All(), SetHeader("To:", r"\$1\$2@usgw", r"^(\+1)(.*)"))
        ruleset = compile(rules)
        self.assertEqual(self.looked_at(ruleset), [500])
        self.assertEqual(judged(*rules).letter.to, "+15551234567@usgw")
        rules[700] = rule("and stops", All(), SetHeader("To:", "x", "^nowhere"), Stop())
        self.assertEqual(self.looked_at(compile(rules)), [500, 700])

    def test_words_anywhere_in_a_text(self) -> None:
        rules = [rule(str(number), field("body", How.CONTAINS, f"word{number}x")) for number in range(1000)]
        ruleset = compile(rules)
        self.assertEqual(self.looked_at(ruleset), [])
        hit = self.looked_at(ruleset, Letter(True, "", "", "so: WORD700X"))
        self.assertIn(700, hit)
        self.assertLess(len(hit), 300)

    def test_expressions_are_looked_for_together_but_not_too_many(self) -> None:
        rules = [
            rule(str(number), field("body", How.REGEX, f"a.{{{number % 9}}}word{number}x"))
            for number in range(300)
        ]
        ruleset = compile(rules)
        hit = self.looked_at(ruleset, Letter(True, "", "", "a...word3x"))
        self.assertIn(3, hit)
        self.assertLess(len(hit), 60)

    def test_what_cannot_be_filed_is_always_looked_at(self) -> None:
        rules = [
            rule("a", Not(starts("+2"))),
            rule("b", Or((starts("+3"), All()))),
            rule("c", starts("+4")),
            rule("d", Or(())),
        ]
        self.assertEqual(self.looked_at(compile(rules)), [0, 1])


def _view(letter: Letter) -> View:
    return View(letter, Facts())


class Compiling(SynchronousTestCase):
    def test_a_mistake_names_the_rule(self) -> None:
        bad = Rule("bad", All(), (SetHeader("To", "$2", "(a)"),), source="/etc/smsd/smsd.yaml:12")
        with self.assertRaises(InvalidValue) as caught:
            compile([rule("good", All()), bad])
        self.assertIn("rule 'bad' (/etc/smsd/smsd.yaml:12): $2 is no group", str(caught.exception))

    def test_a_rule_that_is_switched_off_may_be_wrong(self) -> None:
        ruleset = compile(
            [rule("bad", field("body", How.REGEX, "("), active=False), rule("good", All(), Delete())]
        )
        [warning] = ruleset.warnings
        self.assertIn("'bad'", warning)
        self.assertIn("cannot be switched on", warning)
        verdict = judge(ruleset, LETTER, Facts())
        assert isinstance(verdict, Verdict)
        self.assertEqual(verdict.fate, "delete")

    def test_whether_the_number_is_shown(self) -> None:
        asks = SqlCondition("log", "select ?", ("%%Message%%",))
        told = Forward("%message%@example.org")
        for shown, condition, action in (
            (True, Not(asks), Accept()),
            (True, All(), told),
            (False, field("body", How.CONTAINS, "message"), Reject("%body%")),
        ):
            self.assertEqual(compile([rule("a", condition, action)]).shows_number, shown, (condition, action))
        self.assertFalse(compile([rule("a", All(), told, active=False)]).shows_number)

    def test_whether_headers_are_read(self) -> None:
        for condition, action, reads in (
            (field("to", How.EMPTY, ""), SetHeader("Subject", "x"), False),
            (field("header:Subject", How.EMPTY, ""), Stop(), False),
            (Not(field("cc", How.EMPTY, "")), Stop(), True),
            (All(), SetHeader("X-A", "x"), True),
            (All(), DeleteHeader("Cc"), True),
        ):
            self.assertEqual(
                compile([rule("r", condition, action)]).reads_headers, reads, (condition, action)
            )
