"""What rules send belongs to recipients that are taken, is bounded by what it holds, and judging lets others have their turns."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail

from smsd.core import judging
from smsd.policy.rules.model import (
    All,
    Field,
    Forward,
    Frame,
    How,
    Not,
    Program,
    Reject,
    Rule,
    Send,
    SetHeader,
    SqlCondition,
    TextTest,
)
from smsd.values.delivery import Accepted
from smsd.values.errors import Reason, Refused
from smsd.values.message import Declined, IdempotencyKey, Queued
from tests.core.test_judging import JudgingCase, rule
from tests.house import MODEM, submission

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

    class Account:
        name, gateway, email, phone, country, monthly_limit = "ann", "gsm1", None, None, None, 0

    def setUp(self) -> None:
        super().setUp()
        self.house.accounts["ann"] = self.Account()

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
