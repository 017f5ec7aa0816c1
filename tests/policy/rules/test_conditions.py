"""Conditions, each by examples: what is compared, how lists and several items count, networks, clocks, and what databases say."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsd.policy.rules import addresses
from smsd.policy.rules.engine import compile, judge
from smsd.policy.rules.letter import Ask, Facts, Letter, Question
from smsd.policy.rules.model import (
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
    Rule,
    Size,
    SqlCondition,
    TextTest,
)
from smsd.values.errors import InvalidValue
from smsd.values.message import Priority


def holds(condition: Condition, facts: Facts | None = None, **fields: Any) -> bool | Ask:
    """Whether it holds for an outgoing message with these fields."""
    given = {"outgoing": True, "sender": "", "to": "", "body": "", **fields}
    verdict = judge(compile([Rule("r", condition, (Delete(),))]), Letter(**given), facts or Facts())
    return verdict if isinstance(verdict, Ask) else verdict.fate == "delete"


def field(name: str, how: How, value: str = "", **options: Any) -> Field:
    return Field(name, TextTest(how, value, **options))


class Texts(SynchronousTestCase):
    def test_each_comparison(self) -> None:
        for how, yes, no in (
            (How.CONTAINS, "say HELLO you", "hell"),
            (How.STARTS, "Hello you", "say hello"),
            (How.ENDS, "say Hello", "hello you"),
            (How.EQUALS, "HELLO", "hello "),
            (How.REGEX, "HELLO", "hell"),
        ):
            self.assertTrue(holds(field("body", how, "hello"), body=yes), how)
            self.assertFalse(holds(field("body", how, "hello"), body=no), how)
            self.assertTrue(holds(field("body", how, "hello", case=True), body=yes.lower()), how)
            self.assertFalse(holds(field("body", how, "hello", case=True), body=yes.upper()), how)
        self.assertTrue(holds(field("body", How.EMPTY), body=" \n"))
        self.assertFalse(holds(field("body", How.EMPTY), body="x"))

    def test_capitals_of_any_script(self) -> None:
        self.assertTrue(holds(field("body", How.EQUALS, "straße Ξ"), body="STRASSE ξ"))

    def test_lists(self) -> None:
        some = {"items": ("Casino", "lottery")}
        self.assertTrue(holds(field("body", How.ITEM, **some), body="a casino!"))
        self.assertFalse(holds(field("body", How.IN, **some), body="a casino!"))
        self.assertTrue(holds(field("body", How.IN, **some), body="LOTTERY"))
        self.assertFalse(holds(field("body", How.IN, **some, case=True), body="LOTTERY"))
        many = tuple(f"item{number:03}" for number in range(500))
        for how in (How.ITEM, How.IN):
            self.assertTrue(holds(field("body", how, items=many), body="ITEM499"))
            self.assertFalse(holds(field("body", how, items=many), body="item500"))
        for items in (("needle",), (*many, "needle", "ab", "é")):
            listed = field("body", How.ITEM, items=items)
            self.assertTrue(holds(listed, body="hay needle hay"))
            self.assertFalse(holds(listed, body="x" * 65536 + "needle"))
        self.assertTrue(holds(field("body", How.ITEM, items=(*many, "ab", "é")), body="xÉ"))
        self.assertTrue(holds(field("body", How.ITEM, items=(*many, "item", "item4999")), body=".item4999."))

    def test_a_file_that_changes(self) -> None:
        ruleset = compile([Rule("r", field("number", How.IN, file="/x"), (Delete(),))])
        self.assertEqual(ruleset.files, {"/x"})
        letter = Letter(True, "", "+1555", "", number="+1555")

        def fate(*lines: str) -> str:
            verdict = judge(ruleset, letter, Facts({"/x": lines} if lines else {}))
            assert not isinstance(verdict, Ask)
            return verdict.fate

        self.assertEqual(fate(), "accept")
        self.assertEqual(fate(" +1555 ", "# a comment"), "delete")
        self.assertEqual(fate("+1666", "#+1555", ""), "accept")

    def test_phone_numbers(self) -> None:
        for how, value in (
            (How.EQUALS, "0039 333 123-4567"),
            (How.STARTS, "0039 333"),
            (How.ENDS, "123 45 67"),
            (How.CONTAINS, "39(333)"),
        ):
            self.assertTrue(holds(field("number", how, value, compare="number"), number="+393331234567"), how)
            self.assertFalse(holds(field("number", how, value), number="+393331234567"), how)
        listed = field("from", How.IN, items=("001 555 123 4567",), compare="number")
        for sender in ("sms:+15551234567@example.org", '"sms:+15551234567"@example.org', "+1 555 123-4567"):
            self.assertTrue(holds(listed, sender=sender), sender)

    def test_an_empty_comparison_is_mentioned(self) -> None:
        for doubtful in (field("body", How.CONTAINS), field("body", How.IN)):
            [warning] = compile([Rule("odd", doubtful, ())]).warnings
            self.assertIn("rule 'odd'", warning)


class Fields(SynchronousTestCase):
    def test_addresses(self) -> None:
        for sender, bare in (
            ("Ann <ann@example.org>", "ann@example.org"),
            ('"Ann, B" <ann@example.org>', "ann@example.org"),
            ("mailto:ann@example.org?subject=x", "ann@example.org"),
            ("sms:+1555@example.org", "+1555"),
            ("SMS://+1555", "+1555"),
            ('"sms:+1555"@example.org', "+1555"),
            ("sms:+1555?maxmsgs=2@example.org", "+1555"),
            ("", ""),
        ):
            self.assertTrue(holds(field("sender", How.EQUALS, bare), sender=sender), sender)
        named = {"sender": "Ann <ann@example.org>"}
        for value in ("Ann <ann@example.org>", "ann@example.org"):
            self.assertTrue(holds(field("from", How.EQUALS, value), **named))
        self.assertTrue(holds(field("from", How.STARTS, "Ann <"), **named))

    def test_number_and_keyword(self) -> None:
        self.assertTrue(holds(field("number", How.EQUALS, "+1555"), to="+1555@gw&sender=+1666"))
        self.assertTrue(holds(field("number", How.EQUALS, "+1555"), to="", number="+1555", outgoing=False))
        self.assertTrue(holds(field("keyword", How.EQUALS, "stop"), body=" \n Stop it"))
        self.assertTrue(holds(field("keyword", How.EQUALS, ""), body=" "))

    def test_the_rest(self) -> None:
        for name in ("subject", "host", "account", "gateway", "door"):
            self.assertTrue(holds(field(name, How.EQUALS, "x"), **{name: "X"}), name)
        self.assertTrue(holds(field("date", How.STARTS, "2026-11-21 13"), when=(0, 0, "2026-11-21", "13:05")))
        self.assertTrue(holds(field("date", How.CONTAINS, "Nov"), headers=(("Date", "21 Nov 2026"),)))

    def test_headers(self) -> None:
        headers = (("X-Level", "high"), ("x-level", "low"), ("Subject", "not this"))
        for value in ("high", "low"):
            self.assertTrue(holds(field("header:X-LEVEL", How.EQUALS, value), headers=headers))
        self.assertTrue(holds(field("header:Subject", How.EQUALS, "x"), headers=headers, subject="x"))
        self.assertTrue(holds(field("header:To", How.EQUALS, "+1"), to="+1"))
        self.assertTrue(holds(field("header:X-None", How.EMPTY), headers=headers))
        self.assertTrue(holds(field("header:X-None", How.EQUALS, ""), headers=headers))
        self.assertFalse(holds(field("header:X-None", How.CONTAINS, "x"), headers=headers))

    def test_items(self) -> None:
        cc = {"headers": (("Cc", 'Ann <ann@a.org>, "B, C" <b@b.org>'), ("cc", "c@a.org"))}

        def ends(each: Each, value: str) -> bool | Ask:
            return holds(field("cc", How.ENDS, value, each=each), **cc)

        self.assertTrue(ends(Each.ANY, "@b.org"))
        self.assertFalse(ends(Each.ALL, "@a.org"))
        self.assertTrue(ends(Each.ALL, ".org"))
        self.assertFalse(ends(Each.JOINED, "@b.org"))
        self.assertTrue(ends(Each.JOINED, "@a.org"))
        self.assertTrue(holds(field("cc", How.EQUALS, "b@b.org"), **cc))
        self.assertTrue(holds(field("cc", How.CONTAINS, ">, ", each=Each.JOINED), **cc))
        self.assertTrue(holds(field("to", How.EQUALS, "b@b"), outgoing=False, to="a@a, b@b"))
        self.assertTrue(holds(field("to", How.ENDS, "x,y"), to="+1&value=x,y"))

    def test_splitting(self) -> None:
        for text, items in (
            ("a, b", ["a", "b"]),
            ('"x, y" <a>, b', ['"x, y" <a>', "b"]),
            ("<a,b>,c", ["<a,b>", "c"]),
            (r'"x\", y" <a>,b', [r'"x\", y" <a>', "b"]),
            (",,", []),
            ('"open, b', ['"open, b']),
        ):
            self.assertEqual(addresses.split(text), items, text)

    def test_unknown_ones_are_refused(self) -> None:
        for name in ("form", "header:", "header:a b", ""):
            with self.assertRaises(InvalidValue) as caught:
                compile([Rule("typo", field(name, How.EMPTY), (), source="smsd.yaml:7")])
            self.assertIn("rule 'typo' (smsd.yaml:7): there is no field", str(caught.exception))


class Others(SynchronousTestCase):
    def test_together(self) -> None:
        yes, no = All(), Not(All())
        self.assertTrue(holds(And(())))
        self.assertFalse(holds(Or(())))
        self.assertTrue(holds(And((yes, Or((no, yes))))))
        self.assertFalse(holds(And((yes, no))))
        self.assertFalse(holds(Or((no, no))))

    def test_size(self) -> None:
        for size, expected in (
            (Size(10), False),
            (Size(9), True),
            (Size(below=10), False),
            (Size(9, 11), True),
        ):
            self.assertEqual(holds(size, size=10), expected, size)
        self.assertTrue(holds(Size(), size=0))

    def test_flags_and_priority(self) -> None:
        for name in ("authenticated", "local", "attachment", "binary"):
            self.assertTrue(holds(Flag(name), **{name: True}))
            self.assertFalse(holds(Flag(name, False), **{name: True}))
        self.assertTrue(holds(HasPriority(Priority.BULK), priority=Priority.BULK))
        self.assertFalse(holds(HasPriority(Priority.BULK)))
        with self.assertRaises(InvalidValue):
            holds(Flag("lokal"))

    def test_networks(self) -> None:
        network = Network(("10.0.0.0/8", "2001:db8::/32", "192.0.2.7", "::ffff:172.16.0.0/108"))
        for ip in (
            "10.9.8.7",
            "::ffff:10.9.8.7",
            "2001:db8:1::5",
            "192.0.2.7",
            "172.16.1.1",
            "[2001:db8::1]",
        ):
            self.assertTrue(holds(network, ip=ip), ip)
        for ip in ("11.0.0.1", "::ffff:11.0.0.1", "192.0.2.8", "172.32.0.1", "", "host", "::10.9.8.7"):
            self.assertFalse(holds(network, ip=ip), ip)
        self.assertTrue(holds(Network(("fe80::/10",)), ip="fe80::1%eth0"))
        self.assertTrue(holds(Network(("0.0.0.0/0",)), ip="::ffff:1.2.3.4"))
        self.assertTrue(holds(Network(("::/0",)), ip="2001:db8::1"))
        with self.assertRaises(InvalidValue):
            holds(Network(("10.0.0.0/33",)))

    def test_clocks(self) -> None:
        def at(day: int, minute: int) -> dict[str, Any]:
            return {"when": (day, minute, "", "")}

        day = Clock(8 * 60, 18 * 60, frozenset({0, 1, 2, 3, 4}))
        for weekday, minute, expected in (
            (0, 480, True), (0, 479, False), (4, 1079, True), (4, 1080, False), (5, 600, False),
        ):  # fmt: skip
            self.assertEqual(holds(day, **at(weekday, minute)), expected, (weekday, minute))
        friday_night = Clock(22 * 60, 6 * 60, frozenset({4}))
        for weekday, minute, expected in (
            (4, 1320, True), (4, 1439, True), (5, 0, True), (5, 359, True), (5, 360, False), (4, 0, False), (5, 1320, False),
        ):  # fmt: skip
            self.assertEqual(holds(friday_night, **at(weekday, minute)), expected, (weekday, minute))
        self.assertTrue(holds(Clock(1320, 360, frozenset({6})), **at(0, 5)))  # Sunday's night on Monday
        self.assertTrue(holds(Clock(), **at(3, 1439)))
        self.assertTrue(compile([Rule("never", Clock(60, 60), ())]).warnings)

    def test_depth_is_limited(self) -> None:
        condition: Condition = All()
        for _ in range(101):
            condition = Not(condition)
        with self.assertRaises(InvalidValue) as caught:
            holds(condition)
        self.assertIn("inside each other", str(caught.exception))


class Databases(SynchronousTestCase):
    def test_asked_only_when_reached(self) -> None:
        sql = SqlCondition("crm", "select 1 where x = ?", ("%number%",))
        yes, no = All(), Not(All())
        self.assertIs(holds(And((no, sql))), False)
        self.assertIs(holds(Or((yes, sql))), True)
        question = Question("crm", "select 1 where x = ?", ("+1555",))
        for reached in (sql, And((yes, sql)), Or((no, sql)), Not(sql)):
            self.assertEqual(holds(reached, to="+1555"), Ask((question,)))

    def test_answers(self) -> None:
        question = Question("crm", "q", ())
        for answer, plain, tested in (
            ("1", True, False), ("0", False, False), ("False", False, False), ("", False, False), (None, False, False),
            ("gold", True, True), ("GOLD", True, True),
        ):  # fmt: skip
            facts = Facts(answers={question: answer})
            self.assertEqual(holds(SqlCondition("crm", "q"), facts), plain, answer)
            test = TextTest(How.EQUALS, "Gold")
            self.assertEqual(holds(SqlCondition("crm", "q", test=test), facts), tested, answer)
        self.assertTrue(
            holds(SqlCondition("crm", "q", test=TextTest(How.EMPTY)), Facts(answers={question: None}))
        )

    def test_the_default_when_there_is_no_answer(self) -> None:
        facts = Facts(failed=frozenset({Question("crm", "q", ())}))
        self.assertIs(holds(SqlCondition("crm", "q", default=True), facts), True)
        self.assertIs(holds(SqlCondition("crm", "q"), facts), False)
        self.assertIs(holds(Not(SqlCondition("crm", "q")), facts), True)

    def test_databases_are_named(self) -> None:
        self.assertEqual(compile([Rule("r", Not(SqlCondition("crm", "q")), ())]).databases, {"crm"})
