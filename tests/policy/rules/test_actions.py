"""Actions and variables, each by examples: headers, bodies, priorities, and effects with everything filled in."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsd.policy.rules.engine import compile, judge
from smsd.policy.rules.letter import Facts, Letter, Verdict
from smsd.policy.rules.model import (
    Action,
    AddHeader,
    All,
    Cap,
    DeleteHeader,
    Escalate,
    Folder,
    Forward,
    Frame,
    Gather,
    Hold,
    Program,
    Reject,
    Respond,
    Rule,
    Send,
    SetHeader,
    SetPriority,
    Sql,
    Url,
)
from smsd.policy.rules.variables import NAMES
from smsd.values.errors import InvalidValue
from smsd.values.message import Priority

OUT = Letter(
    True, "Ann <ann@example.org>", "+15551234567@gw&maxmsgs=2", "ORDER 17 & 100%", number="+15551234567", subject="Hi",
    account="acme", phone="+1666", email="acme@example.org", door="smtp", gateway="gw", message=77, size=15,
    when=(5, 785, "2026-11-21", "13:05"),
)  # fmt: skip
IN = Letter(
    False,
    "sms:+15551234567@icewarpdemo.com",
    "",
    "Grüße, Ann",
    number="+15551234567",
    gateway="gsm1",
    size=12,
)


def done(*actions: Action, letter: Letter = OUT) -> Verdict:
    verdict = judge(compile([Rule("r", All(), actions)]), letter, Facts())
    assert isinstance(verdict, Verdict)
    return verdict


def effect(action: Action, letter: Letter = OUT) -> Any:
    [found] = done(action, letter=letter).effects
    return found.action


def says(text: str, letter: Letter = OUT) -> str:
    return done(Reject(text), letter=letter).text


class Variables(SynchronousTestCase):
    def test_each(self) -> None:
        values = {
            "to": "+15551234567@gw&maxmsgs=2", "from": "Ann <ann@example.org>", "subject": "Hi", "body": "ORDER 17 & 100%",
            "data": "ORDER 17 & 100%", "number": "+15551234567", "extensionnose": "+15551234567",
            "extensionnosep": "+15551234567", "from_alias": "ann", "sender": "ann@example.org", "sender_phonealias": "+1666",
            "phone": "+1666", "email": "acme@example.org", "account": "acme", "gateway": "gw", "door": "smtp",
            "date": "2026-11-21", "time": "13:05", "message": "77", "keyword": "ORDER", "rest": "17 & 100%",
            "binary": "0", "udh": "", "own": "",
        }  # fmt: skip
        self.assertEqual(set(values), NAMES)
        for name, value in values.items():
            for spelling in (f"%%{name}%%", f"%{name.upper()}%", f"%:{name}%"):
                self.assertEqual(says(f"<{spelling}>"), f"<{value}>", spelling)

    def test_of_a_binary_message(self) -> None:
        binary = Letter(False, "x", "", "", binary=True, octets=b"\0\xff", elements=b"\5\4", own="+1999")
        self.assertEqual(says("%data%|%udh;hex%|%binary%|%body%|%own%", binary), "AP8=|0504|1||+1999")

    def test_of_an_incoming_message(self) -> None:
        self.assertEqual(
            says("%:from_alias%|%sender%|%number%|%extensionnose%|%keyword%", IN),
            "+15551234567|+15551234567|+15551234567||Grüße,",
        )
        addressed = Letter(False, "x", "sms:+1777@icewarpdemo.com", "")
        self.assertEqual(says("%%extensionnose%%", addressed), "+1777")

    def test_values_are_not_read_again(self) -> None:
        self.assertEqual(says("%body%", Letter(True, "", "", "%number% $1")), "%number% $1")
        rewritten = done(
            SetHeader("Body", "$1%from%", "^(.*)$"), letter=Letter(True, "$1 %to%", "", "%number% $1")
        )
        self.assertEqual(rewritten.letter.body, "%number% $1$1 %to%")

    def test_unknown_ones_are_refused(self) -> None:
        for action in (
            Forward("%adress%"), Send("a", "%adress%"), Respond("%adress%"), Program(("/bin/x", "%adress%")), Reject("%adress%"),
            Url("http://x/?a=%adress%"), Url("http://x", "POST", "%adress%"), Sql("db", "q", ("%adress%",)), Folder("%adress%"),
            SetHeader("To", "%adress%"), AddHeader("X", "%adress%"), Frame("%adress%"), Forward("%count%"),
            SetHeader("To", "$1%adress%", "(a)"), Cap(1, 1, "%adress%"),
        ):  # fmt: skip
            with self.assertRaises(InvalidValue, msg=repr(action)) as caught:
                compile([Rule("mine", All(), (action,))])
            self.assertIn("rule 'mine': at character", str(caught.exception))

    def test_texts_are_limited(self) -> None:
        for text in ("x" * 20_001, "%body%" * 51):
            with self.assertRaises(InvalidValue):
                done(Reject(text))


class Headers(SynchronousTestCase):
    def test_fields_of_the_message(self) -> None:
        verdict = done(
            SetHeader("TO:", "+1777"),
            SetHeader("from", "b@example.org"),
            SetHeader("Subject", "%subject%!"),
            SetHeader("body", "é"),
        )
        letter = verdict.letter
        self.assertEqual(
            (letter.to, letter.sender, letter.subject, letter.body, letter.size),
            ("+1777", "b@example.org", "Hi!", "é", 2),
        )
        self.assertEqual(verdict.changed, {"to", "from", "subject", "body"})
        self.assertEqual((letter.number, letter.gateway, letter.headers), ("+1777", "", ()))

    def test_the_number_follows_to(self) -> None:
        self.assertEqual(done(SetHeader("To", "001 555 999-8888@gw")).letter.number, "+15559998888")
        kept = done(SetHeader("To", "+15551234567@other&maxmsgs=3")).letter
        self.assertEqual((kept.number, kept.gateway), ("+15551234567", "other"))
        typed = Letter(True, "", "5551234567", "", number="+15551234567")  # as the account's country has it
        self.assertEqual(done(SetHeader("To", "%%To%%@gw"), letter=typed).letter.number, "+15551234567")
        incoming = done(SetHeader("To", "ann@example.org"), letter=IN).letter
        self.assertEqual(
            (incoming.to, incoming.number, incoming.gateway), ("ann@example.org", "+15551234567", "gsm1")
        )

    def test_the_same_again_is_no_change(self) -> None:
        verdict = done(
            SetHeader("To", "%%To%%"),
            SetHeader("Body", "x", "nowhere"),
            SetPriority(Priority.NORMAL),
            Frame(),
        )
        self.assertEqual((verdict.changed, verdict.letter), (frozenset(), OUT))

    def test_other_headers(self) -> None:
        given = Letter(True, "", "", "b", headers=(("X-A", "1"), ("B", "2"), ("x-a", "3")))
        for action, headers in (
            (AddHeader("X-A", "%body%"), (*given.headers, ("X-A", "b"))),
            (SetHeader("X-a", "4"), (("X-a", "4"), ("B", "2"))),
            (SetHeader("New", "4"), (*given.headers, ("New", "4"))),
            (SetHeader("x-A", "<$1>", "([13])"), (("X-A", "<1>"), ("B", "2"), ("x-a", "<3>"))),
            (SetHeader("x-A", "5", "1"), (("X-A", "5"), ("B", "2"), ("x-a", "3"))),
            (DeleteHeader("x-A"), (("B", "2"),)),
            (DeleteHeader("None"), given.headers),
        ):
            verdict = done(action, letter=given)
            self.assertEqual(verdict.letter.headers, headers, action)
            self.assertEqual(bool(verdict.changed), headers != given.headers)

    def test_no_text_becomes_another_header(self) -> None:
        given = Letter(True, "", "", "a\r\nBcc: all@example.org\0\n")
        verdict = done(
            AddHeader("X-Text", "%body%"),
            SetHeader("Subject", "$0", "^"),
            SetHeader("Subject", "%body%"),
            letter=given,
        )
        for value in (verdict.letter.subject, verdict.letter.headers[0][1]):
            self.assertEqual(value, "a Bcc: all@example.org")
        for name in ("X:Y", "X Y", "", "é"):
            with self.assertRaises(InvalidValue, msg=name):
                done(AddHeader(name, "x"))

    def test_there_is_only_one_subject(self) -> None:
        ruleset = compile([Rule("r", All(), (AddHeader("Subject", "x"),))])
        [warning] = ruleset.warnings
        self.assertIn("only one Subject", warning)
        self.assertEqual(done(AddHeader("Subject", "x")).letter.subject, "x")
        self.assertEqual(done(DeleteHeader("Subject")).letter.subject, "")

    def test_a_rewriting_that_does_not_match_is_skipped(self) -> None:
        verdict = done(SetHeader("To", "x", "nowhere"), SetHeader("Subject", "later"))
        self.assertEqual((verdict.letter.to, verdict.letter.subject), (OUT.to, "later"))

    def test_two_at_signs_are_one(self) -> None:
        self.assertEqual(done(SetHeader("To", "$1@$2", "^(.*@)(.*)$")).letter.to, "+15551234567@gw&maxmsgs=2")
        self.assertEqual(done(SetHeader("To", "+1@@@x")).letter.to, "+1@x")

    def test_body(self) -> None:
        self.assertEqual(
            done(Frame("%account%: ", "\n-- %time%")).letter.body, "acme: ORDER 17 & 100%\n-- 13:05"
        )
        self.assertEqual(done(SetHeader("Body", "[$1]", r"(\d+)")).letter.body, "ORDER [17] & 100%")


class Effects(SynchronousTestCase):
    def test_each_is_filled_in(self) -> None:
        for action, filled in (
            (Forward("sms:%phone%", True), Forward("sms:+1666", True)),
            (Send("%sender%", "%keyword%!", "%subject%"), Send("ann@example.org", "ORDER!", "Hi")),
            (Respond("got %rest%", "%subject%"), Respond("got 17 & 100%", "Hi")),
            (Program(("/bin/x", "-n%number%", "50% off"), True), Program(("/bin/x", "-n+15551234567", "50% off"), True)),
            (Sql("db", "insert ?", ("%body%", "x"), True), Sql("db", "insert ?", ("ORDER 17 & 100%", "x"), True)),
            (Folder("%email%/SMS", True), Folder("acme@example.org/SMS", True)),
            (Cap(3, 5, "%count% for %account%: %first%"), Cap(3, 5, "%count% for acme: %first%")),
            (Gather(5, "%COUNT% %last%"), Gather(5, "%count% %last%")),
            (Hold(1, 2), Hold(1, 2)),
            (Escalate(("+1", "+2"), 5), Escalate(("+1", "+2"), 5)),
            (Forward("fixed@example.org"), Forward("fixed@example.org")),
        ):  # fmt: skip
            self.assertEqual(effect(action), filled)

    def test_urls(self) -> None:
        """The document's own, for another server's deliver.html (feature R8)."""
        url = "http://b.example/sms/deliver.html?id=58&number=%:from_alias%&data=%:body%&pass=1234567"
        self.assertEqual(
            effect(Url(url), IN).url,
            "http://b.example/sms/deliver.html?id=58&number=%2B15551234567&data=Gr%C3%BC%C3%9Fe%2C%20Ann&pass=1234567",
        )
        other = "https://b.example/sms/deliver.html?number=%%from%%&id=1&data=%%body%%&pass=p%20w"
        self.assertEqual(
            effect(Url(other), IN).url,
            "https://b.example/sms/deliver.html?number=sms%3A%2B15551234567%40icewarpdemo.com&id=1"
            "&data=Gr%C3%BC%C3%9Fe%2C%20Ann&pass=p%20w",
        )

    def test_what_a_sender_writes_stays_a_value(self) -> None:
        letter = Letter(True, "", "", 'a"&b=\\\n')
        for kind, body in (
            ("text/plain; charset=utf-8", 'x=a"&b=\\\n'),
            ("application/x-www-form-urlencoded; charset=utf-8", "x=a%22%26b%3D%5C%0A"),
            ("application/json", r"x=a\"&b=\\\n"),
            ("application/problem+json", r"x=a\"&b=\\\n"),
        ):
            filled = effect(Url("http://x", "POST", "x=%body%", kind), letter)
            self.assertEqual((filled.body, filled.content_type), (body, kind))
