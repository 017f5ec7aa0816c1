"""What rules send belongs to recipients that are taken, is bounded by what it holds, and judging lets others have their turns."""

from __future__ import annotations

from email import message_from_bytes
from email.message import Message

from twisted.internet.defer import Deferred, fail

from smsd.core import judging
from smsd.gateways.smtp.letters import letter
from smsd.policy.rules.model import (
    AddHeader,
    All,
    Delete,
    Field,
    Folder,
    Forward,
    Frame,
    How,
    Not,
    Program,
    Reject,
    Respond,
    Rule,
    Send,
    SetHeader,
    Size,
    SqlCondition,
    TextTest,
)
from smsd.values.account import Account
from smsd.values.delivery import Accepted, Failure, Kind
from smsd.values.errors import Reason, Refused
from smsd.values.message import Declined, IdempotencyKey, Queued, Report, Wants
from tests.core.test_judging import JudgingCase, rule
from tests.house import MODEM, RELAY, submission

ARCHIVE = rule(All(), Forward("archive@example.org", copy=True), title="archive")


class BesidesTests(JudgingCase):
    def archived(self) -> list[str]:
        return [text for to, text in self.sent(self.house.mail) if to == "archive@example.org"]

    def test_nothing_is_sent_because_of_what_is_refused(self) -> None:
        self.use(ARCHIVE)
        receipt = self.submit("nonsense", "+15550000001", text="x")
        self.assertEqual([type(one) for one in receipt.recipients], [Declined, Queued])
        self.assertEqual(self.archived(), ["x"])

    def test_nor_when_nobody_is_taken(self) -> None:
        self.use(ARCHIVE)
        receipt = self.submit(text="é漢" * 20_000)
        (refused,) = receipt.recipients
        assert isinstance(refused, Declined)
        self.assertEqual((receipt.message, refused.refusal.reason), (0, Reason.TOO_LONG))
        self.assertEqual(self.house.rows(), [])

    def test_once_for_a_number_named_twice(self) -> None:
        self.use(ARCHIVE)
        self.submit("+15550000001", "0015550000001")
        self.assertEqual(self.archived(), ["hello"])

    def test_nor_because_of_what_another_rule_refuses(self) -> None:
        """A message that a rule sends, and the outgoing rules do not take: no copy of it."""
        self.use(
            rule(Field("number", TextTest(How.STARTS, "+39")), Reject("not there"), title="no"),
            rule(
                Field("number", TextTest(How.EQUALS, "+15550000001")),
                Send("+393331234567", "look"),
                title="tell",
            ),
            ARCHIVE,
        )
        self.submit()
        self.assertEqual(self.archived(), ["hello"])
        (refused,) = [row for row in self.house.rows() if row["target"] == "sms:+393331234567"]
        self.assertEqual((refused["state"], refused["reason"]), ("rejected", "not there"))

    def test_what_a_child_leads_to_is_the_childs(self) -> None:
        self.use(
            rule(
                Field("number", TextTest(How.EQUALS, "+15550000001")),
                Send("+15550000002", "look"),
                title="tell",
            ),
            rule(
                Field("number", TextTest(How.EQUALS, "+15550000002")),
                Forward("archive@example.org"),
                title="then",
            ),
        )
        self.submit()
        parents = self.house.wait(
            self.house.store.ask(lambda c: dict(c.execute("select id, parent from message").fetchall()))
        )
        first, tell, archive = sorted(parents)
        self.assertEqual(parents, {first: None, tell: first, archive: tell})

    def test_a_repeat_does_nothing_twice(self) -> None:
        self.use(ARCHIVE)
        for _ in range(2):
            receipt = self.submit(key=IdempotencyKey("account:demo", "1", b"x"))
        self.assertTrue(receipt.replayed)
        self.assertEqual(self.archived(), ["hello"])

    def test_each_of_many_recipients_is_archived(self) -> None:
        self.use(ARCHIVE)
        self.submit(*(f"+1555{n:07}" for n in range(300)))
        self.house.advance(1)
        rows = [row for row in self.house.rows(limit=1000) if row["target"] == "mailto:archive@example.org"]
        self.assertEqual(len(rows), 300)

    def test_what_is_too_much_to_keep_is_refused_and_leaves_nothing(self) -> None:
        self.use(
            rule(
                All(),
                SetHeader("To", "%%To%%&maxmsgs=1"),
                *(Send(f"a{n}@example.org", "%body%") for n in range(50)),
            )
        )
        with self.assertRaises(Refused) as caught:
            self.submit(text="x" * 500_000)
        self.assertEqual(caught.exception.reason, Reason.TOO_LONG)
        self.assertEqual(self.house.rows(), [])
        self.assertIsInstance(self.submit().recipients[0], Queued)


class PinnedTests(JudgingCase):
    """An account with a gateway of its own."""

    def setUp(self) -> None:
        super().setUp()
        self.house.accounts["ann"] = Account("ann", gateway="gsm1")

    def test_its_messages_may_become_mails(self) -> None:
        self.use(rule(All(), SetHeader("To", "%number%@mail.example.net")))
        self.assertIsInstance(self.submit(account="ann").recipients[0], Queued)
        self.assertEqual(self.sent(self.house.mail), [("+15550000001@mail.example.net", "hello")])

    def test_answers_of_programs_reach_it(self) -> None:
        programs = self.house.gateway("programs", MODEM.__class__(frozenset({"program"})))
        programs.answer = lambda piece: Accepted(output="done")
        self.house.outlet("programs").opened(1)
        self.use(rule(All(), Program(("/bin/true",), reply=True)))
        self.submit(account="ann")
        self.house.advance(1)
        self.assertEqual(self.sent(self.house.mail), [("ann@example.org", "done")])


class LimitTests(JudgingCase):
    """The monthly limit of an account, and what rules send."""

    def setUp(self) -> None:
        super().setUp()
        self.house.accounts["ann"] = Account("ann", monthly_limit=3)

    def count(self) -> int:
        question = self.house.store.ask(lambda c: c.execute("select sum(n) from counter").fetchone()[0])
        return int(self.house.wait(question))

    def test_sms_that_rules_send_are_covered_or_nothing_is_sent(self) -> None:
        self.use(
            rule(Field("number", TextTest(How.EQUALS, "+15550000001")), Send("+15550000002", "look")), ARCHIVE
        )
        self.submit(account="ann")
        self.assertEqual(self.count(), 2)
        with self.assertRaises(Refused) as caught:
            self.submit(account="ann")
        self.assertEqual(caught.exception.reason, Reason.OVER_LIMIT)
        self.assertEqual((len(self.house.rows()), self.count()), (4, 2))
        self.submit("+15550000003", account="ann")
        self.assertEqual(self.count(), 3)

    def test_what_a_rule_deletes_costs_nothing(self) -> None:
        self.use(rule(Field("body", TextTest(How.CONTAINS, "casino")), Delete()))
        self.submit(account="ann", text="casino")
        self.assertEqual(self.count(), 0)


class MailTests(JudgingCase):
    """What rules send by mail because of what goes out."""

    HEAD = b"From: ann@example.org\r\nReceived: from pc7\r\nX-Old: 1\r\n"

    def letters(self) -> list[Message]:
        return [
            message_from_bytes(letter(piece, "gw.example.org", "root@example.org").data)
            for piece in self.house.mail.pieces
        ]

    def test_headers_that_rules_write_are_shown_and_no_others(self) -> None:
        self.use(
            rule(
                All(),
                AddHeader("X-Queue", "sms"),
                SetHeader("X-Old", "2"),
                SetHeader("Subject", "new"),
                Forward("archive@example.org", copy=True),
                Folder("boss@example.org/Sent", copy=True),
                SetHeader("To", "%number%@mail.example.net"),
            )
        )
        self.submit(head=self.HEAD)
        self.house.advance(1)
        shown = [
            (mail["To"], mail["X-Queue"], mail["X-Old"], mail["Subject"], mail["Received"])
            for mail in self.letters()
        ]
        self.assertEqual(
            sorted(shown),
            [
                (to, "sms", "2", "new", None)
                for to in ("+15550000001@mail.example.net", "archive@example.org", "boss@example.org")
            ],
        )

    def test_where_it_has_been_goes_along(self) -> None:
        self.use(rule(All(), Forward("archive@example.org"), Send("boss@example.org", "look")))
        self.submit(headers=(("loop", "rules@a.example rules@b.example"),))
        self.house.advance(1)
        been = [mail.get_all("X-Loop") for mail in self.letters()]
        self.assertEqual(been, [["rules@a.example", "rules@b.example", "rules@gw.example.org"]] * 2)

    def test_an_answer_says_that_nobody_wrote_it(self) -> None:
        programs = self.house.gateway("programs", MODEM.__class__(frozenset({"program"})))
        programs.answer = lambda piece: Accepted(output="done")
        self.house.outlet("programs").opened(1)
        self.use(
            rule(All(), Respond("sent"), Program(("/bin/true",), reply=True), Forward("archive@example.org"))
        )
        self.submit()
        self.house.advance(1)
        self.assertEqual(
            sorted((mail["To"], mail["Auto-Submitted"]) for mail in self.letters()),
            [("ann@example.org", "auto-replied")] * 2 + [("archive@example.org", None)],
        )

    def test_a_forward_that_fails_is_told_with_the_text_as_it_was_written_and_a_copy_is_not(self) -> None:
        self.house.mail.answer = lambda piece: (
            Accepted() if isinstance(piece.content, Report) else Failure(Kind.PERMANENT, "no such mailbox")
        )
        self.use(rule(All(), Frame(after="!"), Forward("a@example.org"), Forward("b@example.org", copy=True)))
        self.submit(wants=Wants.FAILURE)
        self.house.advance(1)
        self.assertIn(("a@example.org", "hello!"), self.sent(self.house.mail))
        (report,) = [piece.content for piece in self.house.mail.pieces if isinstance(piece.content, Report)]
        self.assertEqual((report.recipient, report.text), ("a@example.org", "hello"))


class BoundTests(JudgingCase):
    def test_circles_end_where_the_configuration_says(self) -> None:
        self.house.judge.most_hops = 2
        self.use(rule(All(), Forward("+15550000002"), title="again"))
        self.submit()
        for _ in range(5):
            self.house.advance(1)
        self.assertEqual(len(self.sent(self.house.gsm) + self.sent(self.second)), 3)
        (report,) = [piece.content for piece in self.house.mail.pieces]
        self.assertIn("circle", report.reason)

    def test_a_refusal_is_no_longer_than_a_door_can_say(self) -> None:
        self.use(rule(All(), Reject("no: %body%")))
        (refused,) = self.submit(text="x" * 100_000).recipients
        assert isinstance(refused, Declined)
        self.assertEqual(len(refused.refusal.text), judging.LONGEST_REFUSAL + 1)

    def test_traces_of_many_rules_are_not_kept_in_memory(self) -> None:
        asked = tuple(Rule(f"r{n}", Size(above=1_000_000 + n), (Delete(),)) for n in range(3000))
        for rules, kept in ((asked[:3], 1), (asked, 0)):
            self.use(*rules)
            self.submit()
            self.assertEqual(len(self.house.judge._traces._known), kept)


class EmptyTests(JudgingCase):
    def test_a_text_of_which_nothing_is_left_is_no_message(self) -> None:
        self.use(rule(All(), SetHeader("Body", "")))
        (refused,) = self.submit().recipients
        assert isinstance(refused, Declined)
        self.assertEqual(refused.refusal.reason, Reason.EMPTY)

    def test_what_rules_say_instead_is_one(self) -> None:
        self.use(rule(All(), SetHeader("Body", "nothing was written")))
        self.assertIsInstance(self.submit(text="").recipients[0], Queued)


class LateTests(JudgingCase):
    def test_an_answer_waits_for_a_gateway_that_is_made_anew(self) -> None:
        programs = self.house.gateway("programs", MODEM.__class__(frozenset({"program"})))
        programs.answer = lambda piece: Accepted(output="done")
        self.use(rule(All(), Program(("/bin/true",), reply=True)))
        self.submit()
        self.house.wait(self.house.queue.remove("mail"))
        self.house.outlet("programs").opened(1)
        self.house.advance(1)
        self.assertEqual(self.house.rows()[-1]["state"], "ready")
        again = self.house.gateway("mail", RELAY)
        self.house.outlet("mail").opened(1)
        self.house.advance(10)
        self.assertEqual(self.sent(again), [("ann@example.org", "done")])


class TurnTests(JudgingCase):
    """A message that takes long to judge."""

    def test_others_have_their_turns(self) -> None:
        """Here every look at the clock takes a second, and each recipient is as good as late."""
        self.use(ARCHIVE)
        pauses: list[Deferred[None]] = []

        def pause() -> Deferred[None]:
            pauses.append(Deferred())
            return pauses[-1]

        def now() -> int:
            self.house.clock.advance(1)
            return self.house.store.now()

        self.patch(self.house.judge, "_now", now)
        self.house.judge.pause = pause
        done = self.house.judge.outgoing(submission(numbers=[f"+1555000000{n}" for n in range(3)]))
        assert isinstance(done, Deferred)
        while not done.called:
            pauses[-1].callback(None)
        ruled = self.successResultOf(done)
        self.assertEqual(len(pauses), 3)
        self.assertEqual([len(each) for each in ruled.besides], [1, 1, 1])

    def test_questions_without_end_end(self) -> None:
        """Three hundred questions, each known only after the last one, to a database that is away."""
        asked = 0

        def ask(question: object) -> Deferred[None]:
            nonlocal asked
            asked += 1
            return fail(TimeoutError("away"))

        self.house.judge.ask = ask
        condition = Not(SqlCondition("crm", "select ?", ("%body%",)))
        self.use(*(Rule(f"r{n}", condition, (Frame(after="x"),)) for n in range(300)))
        receipt = self.submit()
        self.assertIsInstance(receipt.recipients[0], Queued)
        self.assertEqual(asked, judging.MOST_ROUNDS)
