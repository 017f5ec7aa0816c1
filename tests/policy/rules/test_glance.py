"""What a glance says at once, and of which rules it says nothing."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from smsd.policy.rules.engine import compile, judge
from smsd.policy.rules.glance import Glance
from smsd.policy.rules.letter import Facts, Letter, Verdict
from smsd.policy.rules.model import All, Condition, Field, How, Not, Or, Rule, SetHeader, Size, Stop, TextTest
from smsd.policy.rules.pattern import REACH

WAY = ("demo", "demo", "web", "", "")


def asks(field: str, how: How, *values: str, case: bool = False) -> Condition:
    if how is How.IN:
        return Field(field, TextTest(how, items=values, case=case))
    return Field(field, TextTest(how, *values, case=case))


def glance(*conditions: Condition) -> Glance | None:
    return compile([Rule("r", condition, (Stop(),)) for condition in conditions]).index.glance


class Glances(SynchronousTestCase):
    def found(
        self, *conditions: Condition, number: str = "+15551234567", at: str = "", body: str = "hello", sender: str = "demo"
    ) -> Sequence[int] | None:  # fmt: skip
        looking = glance(*conditions)
        assert looking is not None
        return looking.candidates((sender, *WAY[1:4], at), number, at, body)

    def test_nothing_can_match(self) -> None:
        self.assertEqual(self.found(), ())
        conditions = (
            asks("to", How.STARTS, "+39"), asks("number", How.ENDS, "8"), asks("number", How.IN, "+1", "+2"),
            asks("body", How.CONTAINS, "bye"), asks("keyword", How.EQUALS, "ell"), asks("from", How.EQUALS, "ann"),
            asks("subject", How.CONTAINS, "x"), asks("body", How.REGEX, r"\bhell\b"),
        )  # fmt: skip
        self.assertEqual(self.found(*conditions), ())

    def test_numbers_and_senders_name_their_rules_in_order(self) -> None:
        conditions = (
            asks("number", How.ENDS, "67"),
            asks("to", How.STARTS, "+39"),
            asks("from", How.EQUALS, "DEMO"),
            Or((asks("number", How.CONTAINS, "+1555"), asks("to", How.EQUALS, "+15551234567"))),
        )
        self.assertEqual(self.found(*conditions), [0, 2, 3])
        self.assertEqual(self.found(*conditions, sender="ann"), [0, 3])
        self.assertEqual(self.found(*conditions, number="+393331234567", sender="ann"), [0, 1])

    def test_a_word_of_the_text_is_for_the_index(self) -> None:
        self.assertIsNone(self.found(asks("body", How.CONTAINS, "ELL")))
        self.assertIsNone(
            self.found(asks("keyword", How.EQUALS, "hello"), body="\x1f Hello, all".replace(",", " "))
        )
        self.assertIsNone(self.found(asks("body", How.REGEX, r"\bhello\b")))

    def test_capitals_that_are_not_ascii(self) -> None:
        self.assertIsNone(self.found(asks("body", How.CONTAINS, "strasse"), body="Hauptstra\u1e9ee 1"))
        self.assertIsNone(self.found(asks("body", How.CONTAINS, "straße"), body="HAUPTSTRASSE 1"))

    def test_a_very_long_text_is_for_the_index(self) -> None:
        ends = asks("body", How.REGEX, "x$")
        long = "a" * (REACH - 1) + "x" + "a" * 10  # conditions see it up to the x
        self.assertIsNone(self.found(ends, body=long))
        judged = judge(
            compile([Rule("r", ends, (Stop(),))]),
            Letter(True, "demo", "+15551234567", long, "+15551234567"),
            Facts(),
        )
        assert isinstance(judged, Verdict)
        self.assertEqual(judged.trace.stopped, "r")

    def test_what_is_behind_the_number_counts(self) -> None:
        self.assertEqual(self.found(asks("to", How.ENDS, "@gw"), at="other"), ())
        self.assertIsNone(self.found(asks("to", How.ENDS, "@gw"), at="GW"))
        self.assertIsNone(self.found(asks("to", How.REGEX, "(?-i)@GW$"), at="GW"))

    def test_what_it_cannot_see_leaves_no_glance(self) -> None:
        for condition in (
            All(), Size(above=10), Not(asks("to", How.STARTS, "+1")), asks("header:X-A", How.EQUALS, "1"),
            asks("date", How.STARTS, "2026"), asks("keyword", How.REGEX, "(a|b)$"),
            Or((asks("to", How.STARTS, "+1"), Size(above=10))),
        ):  # fmt: skip
            self.assertIsNone(glance(asks("to", How.STARTS, "+39"), condition), condition)

    def test_ways_are_forgotten_before_they_are_too_many(self) -> None:
        looking = glance(asks("from", How.STARTS, "user7"))
        assert looking is not None
        for number in range(2500):
            found = looking.candidates((f"user{number}", *WAY[1:]), "+15551234567", "", "hello")
            self.assertEqual(bool(found), str(number).startswith("7"))
        self.assertLessEqual(len(looking._known), 1000)

    def test_conditions_count_more_than_what_is_rewritten(self) -> None:
        rewriting = SetHeader("To", "$1@gw", r"^(\+1)")
        looking = compile([Rule("r", asks("number", How.ENDS, "7"), (rewriting,))]).index.glance
        assert looking is not None
        self.assertEqual(looking.candidates(WAY, "+15551234568", "", "hello"), ())
        self.assertEqual(looking.candidates(WAY, "+15551234567", "", "hello"), (0,))
