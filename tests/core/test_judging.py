"""Rules at work on what goes out: routes, refusals, rewritten texts, further messages, circles, questions."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from smsd.policy.rules import engine
from smsd.policy.rules.letter import Question
from smsd.policy.rules.model import (
    Action,
    All,
    Cap,
    Condition,
    Delete,
    Field,
    Folder,
    Forward,
    Frame,
    How,
    Program,
    Reject,
    Respond,
    Rule,
    Send,
    SetHeader,
    SetPriority,
    SqlCondition,
    TextTest,
    Url,
)
from smsd.store import operating
from smsd.store.carrying import MOST_ANSWERS
from smsd.values.account import Account
from smsd.values.address import Address
from smsd.values.delivery import Accepted
from smsd.values.errors import Reason
from smsd.values.message import (
    Binary,
    Call,
    Declined,
    Priority,
    Queued,
    Receipt,
    Recipient,
    Report,
    Submission,
    Text,
    Ticket,
)
from tests.house import MODEM, House


def rule(condition: Condition, *actions: Action, title: str = "rule") -> Rule:
    return Rule(title, condition, actions)


class JudgingCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(lambda: self.house.close())
        self.second = self.house.gateway("gsm2", MODEM)
        self.house.judge.gateways = frozenset({"gsm1", "gsm2"})
        self.house.open()
        self.house.outlet("gsm2").opened(1)

    def use(self, *rules: Rule) -> None:
        self.house.judge.use(engine.compile(rules), 1)

    def submit(self, *numbers: str, text: str = "hello", **said: Any) -> Receipt:
        recipients = tuple(
            Recipient(Address("sms", number), number) for number in numbers or ("+15550000001",)
        )
        said.setdefault("ticket", Ticket(Address("mailto", "ann@example.org")))
        origin = said.pop("origin", Address("mailto", "ann@example.org"))
        content = said.pop("content", Text(text))
        receipt: Receipt = self.house.wait(
            self.house.dispatcher.submit(Submission("http", origin, recipients, content, **said))
        )
        self.house.settle()
        return receipt

    def sent(self, gateway: Any) -> list[tuple[str, str]]:
        return [
            (
                piece.target.target,
                piece.content.text if isinstance(piece.content, Text) else type(piece.content).__name__,
            )
            for piece in gateway.pieces
        ]


class JudgingTests(JudgingCase):
    def test_routing_by_prefix(self) -> None:
        self.use(rule(All(), SetHeader("To", "$1$2@gsm2", r"^(\+1)(.*)"), title="US"))
        self.submit("+15550000001", "+393330000001")
        self.assertEqual(self.sent(self.second), [("+15550000001", "hello")])
        self.assertEqual(self.sent(self.house.gsm), [("+393330000001", "hello")])

    def test_an_accounts_gateway_is_seen_and_may_be_left(self) -> None:
        self.house.accounts["ann"] = Account("ann", gateway="gsm1", phone="+15559990000")
        self.use(
            rule(Field("to", TextTest(How.ENDS, "@gsm1")), SetHeader("To", "%number%@gsm2")),
        )
        self.submit(account="ann")
        self.assertEqual(self.sent(self.second), [("+15550000001", "hello")])

    def test_of_two_gateways_the_one_written_last_counts(self) -> None:
        self.use(
            rule(All(), SetHeader("To", "%%To%%@gsm1"), title="first"),
            rule(All(), SetHeader("To", "$1$2@gsm2", r"^(\+1)(.*)"), title="then"),
        )
        self.submit()
        self.assertEqual(self.sent(self.second), [("+15550000001", "hello")])

    def test_the_senders_own_domain_is_no_gateway(self) -> None:
        self.use(rule(All(), SetHeader("To", "%number%@example.org")))
        receipt = self.submit()
        self.assertIsInstance(receipt.recipients[0], Queued)

    def test_an_unknown_gateway_is_refused_for_this_recipient_alone(self) -> None:
        self.use(rule(Field("number", TextTest(How.STARTS, "+39")), SetHeader("To", "%number%@nowhere")))
        receipt = self.submit("+15550000001", "+393330000001")
        good, bad = receipt.recipients
        self.assertIsInstance(good, Queued)
        assert isinstance(bad, Declined)
        self.assertEqual(bad.refusal.reason, Reason.UNKNOWN_GATEWAY)
        self.assertIn("nowhere", bad.refusal.text)

    def test_the_log_says_which_rule_refused(self) -> None:
        events: list[Any] = []
        globalLogPublisher.addObserver(events.append)
        self.addCleanup(globalLogPublisher.removeObserver, events.append)
        self.use(
            rule(Field("body", TextTest(How.CONTAINS, "casino")), Reject("%body%"), title="no casinos"),
            rule(
                Field("body", TextTest(How.CONTAINS, "lost")), SetHeader("To", "%number%@gsm7"), title="lost"
            ),
        )
        for text in ("the casino", "lost", "hello"):
            self.submit(text=text)
        told = [formatEvent(event) or "" for event in events if "refused" in event.get("log_format", "")]
        self.assertEqual(len(told), 2)
        self.assertIn("was refused by the rule 'no casinos'", told[0])
        self.assertIn("was refused after the rules: a rule sends this to 'gsm7'", told[1])
        self.assertNotIn("the casino", told[0])

    def test_a_mail_domain_makes_it_a_mail(self) -> None:
        self.use(rule(All(), SetHeader("To", "%number%@mail.example.net")))
        self.submit()
        self.assertEqual(self.sent(self.house.mail), [("+15550000001@mail.example.net", "hello")])

    def test_parameters_of_a_rewritten_to(self) -> None:
        self.use(rule(All(), SetHeader("To", "%%To%%&maxmsgs=1&sender=%2B1555")))
        receipt = self.submit(text="x" * 400)
        queued = receipt.recipients[0]
        assert isinstance(queued, Queued)
        self.assertEqual(queued.parts, 1)
        piece = self.house.gsm.pieces[0] if self.house.gsm.pieces else self.second.pieces[0]
        self.assertEqual((piece.parameters.max_parts, piece.parameters.sender), (1, "+1555"))

    def test_reject_and_delete(self) -> None:
        self.use(
            rule(
                Field("body", TextTest(How.CONTAINS, "casino")),
                Reject("no advertising: %number%"),
                title="spam",
            ),
            rule(Field("body", TextTest(How.CONTAINS, "secret")), Delete(), title="silence"),
        )
        refused = self.submit(text="Casino!").recipients[0]
        assert isinstance(refused, Declined)
        self.assertEqual(
            (refused.refusal.reason, refused.refusal.text),
            (Reason.NOT_ALLOWED, "no advertising: +15550000001"),
        )
        self.submit(text="a secret")
        self.assertEqual(self.sent(self.house.gsm) + self.sent(self.second), [])
        (row,) = self.house.rows()
        self.assertEqual((row["state"], row["reason"]), ("cancelled", "deleted by the rule 'silence'"))

    def test_what_stands_before_delete_is_done(self) -> None:
        self.use(
            rule(
                Field("body", TextTest(How.CONTAINS, "secret")),
                Forward("archive@example.org", copy=True),
                title="archive",
            ),
            rule(All(), Cap(0, 5), title="quiet"),
            rule(
                Field("body", TextTest(How.CONTAINS, "secret")),
                Send("+15550000009", "psst, %number%"),
                Respond("not by SMS"),
                Delete(),
                Send("+15550000008", "never"),
                title="silence",
            ),
        )
        self.submit(text="a secret")
        self.house.advance(1)
        self.assertEqual(
            sorted(self.sent(self.house.mail)),
            [("ann@example.org", "not by SMS"), ("archive@example.org", "a secret")],
        )
        states = {row["target"]: row["state"] for row in self.house.rows()}
        self.assertEqual(states["sms:+15550000001"], "cancelled")
        self.assertNotIn("sms:+15550000008", states)
        self.assertEqual(
            states["sms:+15550000009"], "gathered", "it is a message, and other rules are about it as well"
        )

    def test_what_stands_before_reject_is_not_done(self) -> None:
        self.use(rule(All(), Forward("archive@example.org", copy=True), Reject("no")))
        self.assertIsInstance(self.submit().recipients[0], Declined)
        self.house.advance(1)
        self.assertEqual((self.house.rows(), self.house.mail.pieces), ([], []))

    def test_the_same_answer_once_an_hour(self) -> None:
        self.use(rule(All(), Respond("sent to %number%"), title="receipt"))
        self.submit()
        self.submit()
        self.submit(ticket=Ticket(Address("mailto", "ANN@example.org")))
        self.submit("+393330000001")
        self.house.advance(1)
        self.assertEqual(
            [text for _, text in self.sent(self.house.mail)],
            ["sent to +15550000001", "sent to +393330000001"],
        )
        (row, _) = [row for row in self.house.rows() if row["state"] == "cancelled"]
        self.assertEqual(
            row["reason"], "the rule 'receipt' has told ann@example.org the same within the last hour"
        )
        ruleset, self.house = self.house.judge.ruleset, self.house.crash()
        again = self.house
        again.judge.use(ruleset, 1)
        again.open()
        for expected in (2, 3):
            again.wait(
                again.dispatcher.submit(
                    Submission(
                        "http",
                        Address("mailto", "ann@example.org"),
                        (Recipient(Address("sms", "+15550000001")),),
                        Text("hello"),
                    )
                )
            )
            again.settle()
            said = [
                row
                for row in again.rows()
                if row["target"] == "mailto:ann@example.org" and row["state"] == "sent"
            ]
            self.assertEqual(len(said), expected, "a restart is not forgetful, an hour is")
            again.advance(3601)

    def test_a_phone_hears_the_answers_of_rules_twenty_times_an_hour(self) -> None:
        self.use(rule(Field("number", TextTest(How.STARTS, "+1")), Respond("%body%")))
        for n in range(25):
            self.submit(origin=Address("sms", "+4915550000001"), ticket=None, text=f"say {n}")
        for _ in range(60):
            self.house.advance(1)
        told = [to for to, _ in self.sent(self.house.gsm) + self.sent(self.second) if to.startswith("+49")]
        self.assertEqual(len(told), 20)

    def test_a_text_rewritten_for_one_recipient(self) -> None:
        self.use(
            rule(
                Field("number", TextTest(How.STARTS, "+39")),
                Frame(after=" (via Rome)"),
                SetPriority(Priority.URGENT),
            )
        )
        self.submit("+15550000001", "+393330000001")
        self.assertEqual(
            sorted(self.sent(self.house.gsm) + self.sent(self.second)),
            [("+15550000001", "hello"), ("+393330000001", "hello (via Rome)")],
        )

    def test_archiving_and_further_messages_are_of_the_same_commit(self) -> None:
        self.house.judge.use(
            engine.compile(
                (
                    rule(Field("number", TextTest(How.EQUALS, "+15550000009")), SetPriority(Priority.BULK)),
                    rule(
                        Field("number", TextTest(How.EQUALS, "+15550000001")),
                        Forward("archive@example.org", copy=True),
                        Send("+15550000009", "sent to %number%: %body%"),
                        Folder("ann@example.org/Sent", copy=True),
                    ),
                )
            ),
            1,
        )
        receipt = self.submit()
        self.house.advance(1)
        self.assertEqual(
            sorted(self.sent(self.house.gsm) + self.sent(self.second)),
            [("+15550000001", "hello"), ("+15550000009", "sent to +15550000001: hello")],
        )
        self.assertEqual(
            sorted(self.sent(self.house.mail)),
            [("ann@example.org", "hello"), ("archive@example.org", "hello")],
        )
        folders = [dict(piece.headers).get("folder") for piece in self.house.mail.pieces]
        self.assertEqual(sorted(folders, key=str), [None, "Sent"])
        told = self.house.wait(self.house.store.ask(operating.explain, receipt.recipients[0].delivery))
        self.assertIn("matched", told["trace"])

    def test_a_program_waits_for_its_gateway(self) -> None:
        self.use(rule(All(), Program(("/usr/bin/logger", "-t", "%number%"))))
        self.submit()
        (row,) = [row for row in self.house.rows() if row["target"].startswith("program:")]
        self.assertEqual(row["state"], "ready")
        gateway = self.house.gateway("programs", MODEM.__class__(frozenset({"program"})))
        self.house.outlet("programs").opened(1)
        self.house.advance(1)
        (piece,) = gateway.pieces
        call = piece.content
        assert isinstance(call, Call)
        self.assertEqual(
            (call.what, call.arguments, call.text), ("/usr/bin/logger", ("-t", "+15550000001"), "hello")
        )
        self.assertEqual(dict(call.facts)["SMSD_NUMBER"], "+15550000001")

    def test_what_a_program_answers_a_phone_has_a_limit(self) -> None:
        programs = self.house.gateway("programs", MODEM.__class__(frozenset({"program"})))
        programs.answer = lambda piece: Accepted(output="the answer")
        self.house.outlet("programs").opened(1)
        call = Call("program", "/bin/true", reply="sms:+15550000077", gateway="gsm2")
        for n in range(MOST_ANSWERS + 2):
            self.house.wait(
                self.house.dispatcher.submit(
                    Submission("rules", Address("sms", "+1"), (Recipient(Address("program", f"p{n}")),), call)
                )
            )
            self.house.advance(1)
        for _ in range(4):
            self.house.advance(1)
        self.assertEqual(self.sent(self.second), [("+15550000077", "the answer")] * MOST_ANSWERS)
        reasons = [row["reason"] for row in self.house.rows() if row["reason"]]
        self.assertEqual(len(reasons), 2)
        self.assertIn("within an hour", reasons[0])

    def answered(self, text: str = "the answer", number: str = "+15550000077") -> None:
        """A program that a rule started answers a phone."""
        programs = self.house.gateway("programs", MODEM.__class__(frozenset({"program"})))
        programs.answer = lambda piece: Accepted(output=text)
        self.house.outlet("programs").opened(1)
        call = Call("program", "/bin/true", reply=f"sms:{number}", gateway="gsm2")
        to = (Recipient(Address("program", "p"), "p"),)
        self.house.wait(self.house.dispatcher.submit(Submission("rules", Address("sms", "+1"), to, call)))
        for _ in range(4):
            self.house.advance(1)

    def test_the_outgoing_rules_see_what_a_program_answers(self) -> None:
        self.use(rule(All(), Frame(after="!"), Forward("archive@example.org", copy=True), title="archive"))
        self.answered()
        self.assertEqual(self.sent(self.second), [("+15550000077", "the answer!")])
        self.assertEqual(self.sent(self.house.mail), [("archive@example.org", "the answer!")])
        run, said, copied = (
            self.house.wait(self.house.store.ask(operating.explain, row["id"])) for row in self.house.rows()
        )
        self.assertIn("'archive' matched", said["trace"])
        self.assertEqual(said["about"]["parent"], run["about"]["id"])
        self.assertEqual(copied["about"]["parent"], said["about"]["id"])

    def test_and_may_refuse_it(self) -> None:
        self.use(rule(Field("number", TextTest(How.ENDS, "77")), Reject("not to this phone")))
        self.answered()
        self.assertEqual((self.sent(self.second), self.sent(self.house.mail)), ([], []))
        (row,) = self.house.rows()
        self.assertEqual(row["state"], "sent")
        self.assertEqual(row["reason"], "its answer was not sent: not to this phone")

    def test_a_mistake_of_ours_while_they_judge_it_keeps_no_slot(self) -> None:
        self.use(rule(All(), Frame(after="!")))
        judge = self.house.judge.outgoing

        def outgoing(submission: Submission) -> Any:
            if submission.door == "rules" and isinstance(submission.content, Text):
                raise ZeroDivisionError
            return judge(submission)

        self.patch(self.house.judge, "outgoing", outgoing)
        self.answered()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual([row["state"] for row in self.house.rows()], ["sent", "sent"])
        self.assertEqual(self.sent(self.second), [("+15550000077", "the answer")])

    def test_and_ask_a_database_about_it(self) -> None:
        asked: list[Question] = []
        waiting: Deferred[str | None] = Deferred()

        def ask(question: Question) -> Deferred[str | None]:
            asked.append(question)
            return waiting

        self.house.judge.ask = ask
        self.use(rule(SqlCondition("crm", "select ?", ("%number%",)), Frame(after="!")))
        self.answered()
        self.assertEqual([question.values for question in asked], [("+15550000077",)])
        self.assertEqual([row["state"] for row in self.house.rows()], ["sending"])  # until that is known
        waiting.callback("1")
        self.house.advance(1)
        self.assertEqual(self.sent(self.second), [("+15550000077", "the answer!")])
        self.assertEqual([row["state"] for row in self.house.rows()], ["sent", "sent"])

    def test_the_number_of_the_message(self) -> None:
        tell = Url("http://127.0.0.1/?id=%message%")
        look = rule(Field("number", TextTest(How.EQUALS, "+15550000009")), Frame(after=" (%message%)"))
        self.use(
            rule(Field("body", TextTest(How.CONTAINS, "hello")), tell, Send("+15550000009", "look")), look
        )
        for number in ("+15550000001", "+15550000002"):
            receipt = self.submit(number)
            self.house.advance(1)
            calls = [row for row in self.house.rows() if row["target"].startswith("url:")]
            told = self.house.wait(self.house.store.ask(operating.explain, calls[-1]["id"]))
            self.assertIn(f"?id={receipt.message}", told["about"]["body"])
            self.assertEqual(told["about"]["parent"], receipt.message)
            self.assertIn(
                ("+15550000009", f"look ({receipt.message})"),
                self.sent(self.house.gsm) + self.sent(self.second),
            )

    def test_the_number_stays_while_databases_are_asked(self) -> None:
        asked: list[Question] = []

        def ask(question: Question) -> Deferred[Any]:
            asked.append(question)
            return succeed("1")

        self.house.judge.ask = ask
        self.use(rule(SqlCondition("log", "select ?", ("%message%",)), Frame(after=" %message%")))
        for numbers in (("+15550000001",), ("+15550000001", "+15550000002")):
            asked.clear()
            receipt = self.submit(*numbers)
            self.assertEqual({question.values for question in asked}, {(str(receipt.message),)})
            self.house.advance(1)
            texts = [text for _, text in self.sent(self.house.gsm) + self.sent(self.second)]
            self.assertEqual(texts.count(f"hello {receipt.message}"), len(numbers))

    def test_without_a_rule_that_shows_it_the_number_follows_the_deliverys(self) -> None:
        self.use(rule(All(), Frame(after="!")))
        receipt = self.submit()
        queued = receipt.recipients[0]
        assert isinstance(queued, Queued)
        self.assertEqual(
            receipt.message, queued.delivery + 1, "the index of deliveries by message relies on it"
        )

    def test_messages_in_a_circle_end_with_a_bounce(self) -> None:
        self.use(
            rule(
                Field("number", TextTest(How.EQUALS, "+15550000001")), Forward("+15550000002"), title="A to B"
            ),
            rule(
                Field("number", TextTest(How.EQUALS, "+15550000002")), Forward("+15550000001"), title="B to A"
            ),
        )
        self.submit()
        for _ in range(12):
            self.house.advance(1)
        self.assertEqual(len(self.house.gsm.pieces) + len(self.second.pieces), 9)
        (report,) = [piece.content for piece in self.house.mail.pieces]
        assert isinstance(report, Report)
        self.assertIn("circle", report.reason)

    def test_rules_that_multiply_are_bounded(self) -> None:
        more = tuple(Forward(f"+155500000{n:02}") for n in range(10))
        self.use(rule(All(), *more, title="all to all"))
        self.submit()
        self.assertLessEqual(len(self.house.rows()), 110)

    def test_octets_are_judged_and_stay_octets(self) -> None:
        self.use(rule(All(), Frame(before="x"), SetHeader("To", "%number%@gsm2")))
        self.submit(content=Binary(b"\x01\x02"))
        (piece,) = self.second.pieces
        self.assertEqual(piece.content, Binary(b"\x01\x02"))


class QuestionTests(JudgingCase):
    """Rules that ask a database."""

    def asking(self, answer: Any) -> list[Question]:
        asked: list[Question] = []

        def ask(question: Question) -> Deferred[Any]:
            asked.append(question)
            return fail(answer) if isinstance(answer, Exception) else succeed(answer)

        self.house.judge.ask = ask
        self.use(
            rule(
                SqlCondition("customers", "select blocked from customer where number=?", ("%number%",)),
                Reject("blocked"),
            )
        )
        return asked

    def test_yes(self) -> None:
        asked = self.asking("1")
        self.assertIsInstance(self.submit().recipients[0], Declined)
        self.assertEqual([question.values for question in asked], [("+15550000001",)])

    def test_no(self) -> None:
        self.asking(None)
        self.assertIsInstance(self.submit().recipients[0], Queued)

    def test_no_answer_is_the_default(self) -> None:
        self.asking(TimeoutError("too late"))
        self.assertIsInstance(self.submit().recipients[0], Queued)

    def test_one_question_for_each_recipient(self) -> None:
        asked = self.asking("0")
        self.submit("+15550000001", "+15550000002")
        self.assertEqual(len(asked), 2)
