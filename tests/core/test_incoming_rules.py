"""Rules at work on what comes in (features I1, I5, R6): what they decide, ask, rewrite and send besides."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from smsd.core.arriving import Arrivals, Rulebook
from smsd.gateways.smtp.letters import letter as as_mail
from smsd.interfaces import Abilities, MessageIn, PartIn
from smsd.policy.reply import CONFLICT
from smsd.policy.rules import engine
from smsd.policy.rules.letter import Ask, Effect, Facts, Letter, Question, Trace, Verdict
from smsd.policy.rules.model import (
    All,
    Folder,
    Forward,
    Frame,
    Program,
    Respond,
    Rule,
    Send,
    SqlCondition,
    Url,
)
from smsd.store import operating
from smsd.values.account import Account
from smsd.values.address import Address
from smsd.values.delivery import Accepted
from smsd.values.errors import Refused
from smsd.values.message import Call, Priority, Recipient, Submission, Text
from tests.core.arriving import OTHER, PHONE, ArrivingCase, Judge, parts, rule

DAY = 86_400


class RulesCase(ArrivingCase):
    def rules(self, judge: Judge | None, **more: Any) -> None:
        """These rules are in force."""
        arriving = self.house.inbound.arriving
        arriving.rules = replace(arriving.rules, judge=judge, **more)


class Verdicts(RulesCase):
    def test_what_they_see(self) -> None:
        seen: list[Letter] = []

        def judge(letter: Letter, facts: Facts) -> Verdict:
            seen.append(letter)
            return Verdict("accept", letter)

        self.house.inbound.arriving.arrivals["gsm1"] = Arrivals(
            "ann@example.org", "sms:%s@sms.example.org", "IT"
        )
        self.rules(judge, when=lambda now: (5, 800, "2026-11-21", "13:20"))
        self.sms("ciaò")
        (letter,) = seen
        self.assertEqual(
            (
                letter.sender,
                letter.to,
                letter.body,
                letter.number,
                letter.size,
                letter.gateway,
                letter.door,
                letter.when,
            ),
            (
                f"sms:{PHONE}@sms.example.org",
                "",
                "ciaò",
                PHONE,
                5,
                "gsm1",
                "gsm1",
                (5, 800, "2026-11-21", "13:20"),
            ),
        )
        self.house.inbound.arriving.arrivals["gsm1"] = Arrivals("ann@example.org", "%s", "IT")
        self.house.inbound.arriving.server_name = "gate.example.org"
        self.sms("ciao")
        self.assertEqual(seen[-1].sender, f"{PHONE}@gate.example.org")

    def test_accepted_it_goes_to_the_mailbox_of_the_gateway(self) -> None:
        self.rules(rule())
        self.sms()
        self.assertEqual(self.mails(), [("ann@example.org", "ciao")])

    def test_without_one_it_is_held(self) -> None:
        self.rules(rule())
        self.house.inbound.arriving.arrivals["gsm1"] = Arrivals("", "%s", None)
        self.sms()
        self.assertEqual(self.record()[0][0], "held")
        self.assertIn("deliver_to", self.record()[0][1])

    def test_rejected_the_phone_hears_why_once_an_hour(self) -> None:
        self.rules(rule(fate="reject", text="not here", title="spam"))
        self.sms()
        self.sms("again")
        self.assertEqual(self.texts(), [(PHONE, "not here")])
        self.assertEqual(self.record(), [("rejected", "rejected by the rule 'spam'")] * 2)
        self.assertEqual(self.mails(), [])

    def test_rejected_without_words_or_by_a_code_nobody_is_told(self) -> None:
        self.rules(rule(fate="reject", text=""))
        self.sms()
        self.rules(rule(fate="reject", text="no"))
        self.sms(sender="4888")
        self.sms(sender="ACME")
        self.assertEqual(self.texts(), [])
        self.assertEqual([state for state, _ in self.record()], ["rejected"] * 3)

    def test_deleted_it_is_on_record(self) -> None:
        self.rules(rule(fate="delete", title="ads"))
        self.sms()
        self.assertEqual(self.record(), [("cancelled", "deleted by the rule 'ads'")])
        self.assertEqual((self.texts(), self.mails()), ([], []))

    def test_how_it_was_decided_is_kept(self) -> None:
        self.rules(rule(title="first"))
        self.sms()
        trace = self.house.wait(
            self.house.store.ask(lambda c: c.execute("select trace from delivery").fetchone()[0])
        )
        self.assertEqual(trace, "'first' matched")

    def test_that_no_rule_was_asked_is_kept_too(self) -> None:
        self.rules(rule(title="first"))
        self.mail("bob")
        self.sms()
        trace = self.house.wait(
            self.house.store.ask(
                lambda c: c.execute("select trace from delivery order by id desc").fetchone()[0]
            )
        )
        self.assertTrue(trace.startswith('[0,"",["reply log: '), trace)

    def test_rules_that_break_lose_nothing(self) -> None:
        def judge(letter: Letter, facts: Facts) -> Verdict:
            raise ZeroDivisionError

        self.rules(judge)
        self.sms()
        self.assertEqual(self.mails(), [("ann@example.org", "ciao")])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class Rewritten(RulesCase):
    def mail(self) -> Any:  # type: ignore[override]
        """The one mail that left, read back."""
        import email
        import email.policy

        (piece,) = self.house.mail.pieces
        made = as_mail(piece, "gate.example.org", "admin@example.org")
        return email.message_from_bytes(made.data, policy=email.policy.default)

    def test_to_decides_who_gets_it(self) -> None:
        for to, expected in (
            ("bob@example.org", "mailto:bob@example.org"),
            ("Bob <bob@example.org>", "mailto:bob@example.org"),
            ("mailto:bob@example.org", "mailto:bob@example.org"),
            ("sms:+15550000009", "sms:+15550000009"),
            ("nobody in particular", "mailto:ann@example.org"),
            ("account:nobody", "mailto:ann@example.org"),
        ):
            self.rules(rule(to=to))
            self.sms()
            self.assertEqual(self.house.rows()[-1]["target"], expected, to)

    def test_to_that_nothing_reaches_is_held(self) -> None:
        self.rules(rule(to="+15550000009?id=nowhere"))
        self.sms()
        self.assertEqual(self.record()[0][0], "held")

    def test_the_mail_shows_it(self) -> None:
        self.rules(
            rule(
                to="bob@example.org",
                subject="From a phone",
                body="ciao!",
                sender="Gate <gate@example.org>",
                headers=(
                    ("X-Team", "ops"),
                    ("Content-Type", "text/html"),
                    ("Bcc", "x@y.org"),
                    ("bad name", "x"),
                ),
            )
        )
        self.sms()
        mail = self.mail()
        self.assertEqual(
            (mail["To"], mail["Subject"], mail["From"], mail["X-Team"], mail.get_content().strip()),
            ("bob@example.org", "From a phone", "Gate <gate@example.org>", "ops", "ciao!"),
        )
        self.assertEqual(mail.get_content_type(), "text/plain")
        self.assertIsNone(mail["Bcc"])

    def test_only_the_subject(self) -> None:
        self.rules(rule(subject="Alarm"))
        self.sms()
        mail = self.mail()
        self.assertEqual(
            (mail["Subject"], mail["To"], mail.get_content().strip()), ("Alarm", "ann@example.org", "ciao")
        )
        self.assertEqual(mail["From"], f"{PHONE}@sms.example.org")

    def test_a_forwarded_mail_shows_it_too(self) -> None:
        # 001: "you need to define additional action to add the To: header", for what rules deliver.
        self.rules(rule(Forward("bob@example.org"), to="Team <team@example.org>", subject="Alarm"))
        self.sms()
        (piece,) = self.house.mail.pieces
        self.assertEqual(piece.target.target, "bob@example.org")
        mail = self.mail()
        self.assertEqual((mail["To"], mail["Subject"]), ("Team <team@example.org>", "Alarm"))

    def test_an_address_between_hashes_may_be_rewritten(self) -> None:
        self.rules(rule(to="bob@example.org"))
        self.sms("#carl@example.org# Hi")
        self.assertEqual(self.mails(), [("bob@example.org", "Hi")])

    def test_the_priority(self) -> None:
        self.rules(rule(priority=Priority.URGENT))
        self.sms()
        self.assertEqual(self.house.mail.pieces[0].parameters.priority, Priority.URGENT)

    def test_it_survives_a_restart(self) -> None:
        self.house.mail.manual = True
        self.rules(rule(subject="Alarm", body="ciao!"))
        self.sms()
        self.restart()
        (piece,) = self.house.mail.pieces
        self.assertEqual((piece.content, dict(piece.headers)["subject"]), (Text("ciao!"), "Alarm"))


class Effects(RulesCase):
    def test_a_forward_delivers_a_copy_does_not(self) -> None:
        self.rules(rule(Forward("bob@example.org"), title="to bob"))
        self.sms()
        self.assertEqual(self.mails(), [("bob@example.org", "ciao")])
        self.assertEqual(self.record(), [("delivered", "handed on by the rule 'to bob'")])
        self.house.mail.pieces.clear()
        self.rules(rule(Forward("bob@example.org", copy=True)))
        self.sms()
        self.assertEqual(set(self.mails()), {("bob@example.org", "ciao"), ("ann@example.org", "ciao")})

    def test_what_counts_as_delivered(self) -> None:
        self.house.gateway("effects", Abilities(frozenset({"program", "url"})))
        for action, delivered in (
            (Folder("bob@example.org/SMS"), True),
            (Folder("bob@example.org/SMS", copy=True), False),
            (Program(("/bin/true",)), True),
            (Url("http://localhost/"), True),
            (Send("sms:+15550000009", "look"), False),
            (Respond("thanks"), False),
        ):
            self.rules(rule(action))
            self.sms()
            self.assertEqual(self.record()[-1][0] == "delivered", delivered, action)

    def test_a_program_gets_the_message(self) -> None:
        effects = self.house.gateway("effects", Abilities(frozenset({"program"})))
        self.house.outlet("effects").opened(1)
        self.rules(rule(Program(("/bin/log", "x"))))
        self.sms("take this")
        (piece,) = effects.pieces
        assert isinstance(piece.content, Call)
        self.assertEqual((piece.content.what, piece.content.text), ("/bin/log", "take this"))
        self.assertEqual(dict(piece.content.facts)["SMSD_NUMBER"], PHONE)

    def test_what_cannot_be_done_delivers_nothing(self) -> None:
        for action in (Forward("nobody"), Forward("sms:1*+"), Folder("no folder")):
            self.rules(rule(action))
            self.house.mail.pieces.clear()
            self.sms()
            self.assertEqual(self.mails(), [("ann@example.org", "ciao")], action)

    def test_no_phone_gets_what_it_has_written(self) -> None:
        """Everything goes to the boss's phone, which answers that he is driving."""
        newest = "select trace from delivery order by id desc"
        for copy in (False, True):
            self.rules(rule(Forward(f"sms:{PHONE}", copy=copy), title="to the boss"))
            self.house.mail.pieces.clear()
            self.sms("I am driving")
            self.assertEqual((self.texts(), self.mails()), ([], [("ann@example.org", "I am driving")]))
            trace = self.house.wait(self.house.store.ask(lambda c: c.execute(newest).fetchone()[0]))
            self.assertIn(f"'to the boss' could not do what it says: {PHONE} has written it itself", trace)
        self.sms("Where are you?", sender=OTHER)
        self.assertEqual(self.texts("gsm1") + self.texts("gsm2"), [(PHONE, "Where are you?")])

    def test_what_rules_send_to_who_wrote_is_an_answer(self) -> None:
        self.rules(rule(Send(f"sms:{PHONE}", "an order has come")))
        for _ in range(3):
            self.sms("order")
        self.sms("order", sender=OTHER)
        self.assertEqual(len(self.texts("gsm1") + self.texts("gsm2")), 2)

    def test_what_nothing_carries_just_now_waits(self) -> None:
        self.rules(rule(Program(("/bin/true",)), title="run"))
        self.sms()
        self.assertEqual(self.mails(), [])
        self.assertEqual(
            sorted((row["target"], row["state"]) for row in self.house.rows()),
            [("mailto:ann@example.org", "delivered"), ("program:true", "ready")],
        )

    def test_a_copy_of_what_is_deleted(self) -> None:
        self.rules(rule(Forward("bob@example.org", copy=True), fate="delete"))
        self.sms()
        self.assertEqual(self.mails(), [("bob@example.org", "ciao")])
        self.assertEqual(self.record()[0][0], "cancelled")

    def test_all_in_one_commit(self) -> None:
        self.house.mail.manual = True
        self.rules(rule(Forward("bob@example.org"), Forward("sms:+15550000009")))
        message = self.sms()
        self.restart()
        self.assertEqual(self.mails(), [("bob@example.org", "ciao")])
        parents = self.house.wait(
            self.house.store.ask(
                lambda c: [row[0] for row in c.execute("select parent from message order by id")]
            )
        )
        self.assertEqual(sorted(parents, key=bool), [None, message, message])

    def test_an_answer_once_an_hour_to_a_phone_and_through_its_gateway(self) -> None:
        self.rules(rule(Respond("we are closed")))
        for _ in range(3):
            self.sms(gateway="gsm2")
        self.sms(sender="4888")
        self.assertEqual((self.texts(), self.texts("gsm2")), ([], [(PHONE, "we are closed")]))
        self.house.advance(3601)
        self.sms(gateway="gsm2")
        self.assertEqual(len(self.texts("gsm2")), 2)

    def test_two_machines_that_answer_each_other_come_to_rest(self) -> None:
        for number in range(30):
            self.rules(rule(Respond(f"you said: {number}")))
            self.sms(str(number))
        self.assertEqual(len(self.texts()), 20)

    def test_circles_end_where_the_configuration_says(self) -> None:
        self.house.inbound.arriving.most_hops = 2
        self.rules(rule(Forward("bob@example.org", copy=True)))
        for hops, copies in ((1, 1), (2, 0)):
            self.house.mail.pieces.clear()
            self.house.wait(self.house.inbound.message(MessageIn("gsm1", PHONE, Text("ciao"), hops=hops)))
            self.house.settle()
            self.assertEqual(self.mails().count(("bob@example.org", "ciao")), copies)

    def test_what_a_rule_sends_awaits_no_answer(self) -> None:
        self.rules(rule(Respond("thanks"), Send("sms:+15550000009", "look")))
        self.sms()
        self.assertEqual(self.count("link"), 0)

    def test_the_outgoing_rules_see_what_goes_to_phones(self) -> None:
        seen = []

        def further(child: Submission, facts: Facts) -> tuple[Submission, list[Submission]]:
            seen.append(str(child.recipients[0].address))
            refused = replace(child.recipients[0], refused=Refused(_reason(), "no"))
            more = replace(child, recipients=(Recipient(Address("mailto", "log@example.org")),))
            return replace(child, recipients=(refused,)), [more]

        self.rules(rule(Send("sms:+15550000009", "look")), further=further)
        self.sms()
        self.assertEqual(seen, ["sms:+15550000009"])
        self.assertEqual(self.texts(), [])
        self.assertEqual(set(self.mails()), {("log@example.org", "look"), ("ann@example.org", "ciao")})


class Numbers(RulesCase):
    """`%message%`: the number under which it is on record."""

    def setUp(self) -> None:
        super().setUp()
        self.house.judge.use(engine.compile((Rule("out", All(), (Frame(after=" %message%"),)),)), 1)
        tell = Rule("in", All(), (Url("http://127.0.0.1/?id=%message%"), Send("+15550000009", "look")))
        asks = Rule("asks", SqlCondition("customers", "select ?", ("%message%",)), (Frame(after="!"),))
        rules = engine.compile((asks, tell))
        self.asked: list[Question] = []
        self.house.inbound.ask = self.ask
        self.assertTrue(rules.shows_number)
        self.rules(
            lambda letter, facts: engine.judge(rules, letter, facts),
            further=self.house.judge.rule,
            number=self.house.store.ids.next,
        )

    def ask(self, question: Question) -> Deferred[Any]:
        self.asked.append(question)
        return succeed("1")

    def test_it_is_the_same_in_questions_effects_and_on_record(self) -> None:
        message = self.sms("hello")
        assert message is not None
        self.house.advance(1)
        self.assertEqual({question.values for question in self.asked}, {(str(message),)})
        (call,) = [row for row in self.house.rows() if row["target"].startswith("url:")]
        question = self.house.store.ask(operating.explain, call["id"])
        self.assertIn(f"?id={message}", self.house.wait(question)["about"]["body"])
        self.assertIn(("+15550000009", f"look {message}"), self.texts() + self.texts("gsm2"))
        (row,) = self.house.rows(door="gsm1")
        self.assertEqual((row["message"], row["text"]), (message, "hello"), "handed on as it came")


class UsersOwnRules(RulesCase):
    """What a user's own rules send to phones, his account pays for (features R11, U1)."""

    def ready(self) -> None:
        self.house.accounts["ann"] = Account("ann", gateway="gsm2", monthly_limit=2)

    def own(self, *actions: Any) -> None:
        effects = tuple(Effect("mine", action, user="ann") for action in actions)
        self.rules(lambda letter, facts: Verdict("accept", letter, "", effects, trace=Trace(steps=("mine",))))

    def counted(self) -> list[Any]:
        question = self.house.store.ask(
            lambda c: [tuple(row) for row in c.execute("select account, n from counter")]
        )
        return list(self.house.wait(question))

    def traces(self) -> str:
        question = self.house.store.ask(
            lambda c: " ".join(row[0] or "" for row in c.execute("select trace from delivery"))
        )
        return str(self.house.wait(question))

    def test_they_are_counted_and_refused_when_the_month_is_used_up(self) -> None:
        self.own(Send("sms:+15550000009", "look"), Forward("boss@example.org", copy=True))
        for text in "abc":
            self.sms(text)
        self.house.advance(1)
        self.assertEqual(self.texts("gsm2"), [("+15550000009", "look")] * 2, "by the account's gateway")
        self.assertEqual(self.counted(), [("ann", 2)], "mail costs nothing")
        self.assertEqual(len(self.mails()), 6, "what comes in comes in")
        self.assertIn("'mine' could not do what it says: account ann may send 2 messages", self.traces())
        self.restart()
        self.own(Respond("thanks"))
        self.sms("d")
        self.assertEqual((self.texts(), self.texts("gsm2"), self.counted()), ([], [], [("ann", 2)]))

    def test_administrators_rules_are_nobodys_account(self) -> None:
        self.rules(rule(Send("sms:+15550000009", "look")))
        self.sms()
        self.assertEqual((len(self.texts()) + len(self.texts("gsm2")), self.counted()), (1, []))

    def test_a_question_that_comes_later_counts_nothing_twice(self) -> None:
        effects = (Effect("mine", Send("sms:+15550000009", "look"), user="ann"),)
        asked = Question("customers", "select 1", ())

        def further(child: Submission, facts: Facts) -> tuple[Submission, list[Submission]] | Ask:
            return (child, []) if asked in facts.answers else Ask((asked,))

        self.house.inbound.ask = lambda question: succeed("1")
        self.rules(lambda letter, facts: Verdict("accept", letter, "", effects), further=further)
        self.sms()
        self.assertEqual(self.counted(), [("ann", 1)])

    def test_what_a_users_program_answers_is_paid_by_the_account(self) -> None:
        programs = self.house.gateway("programs", Abilities(frozenset({"url"})))
        programs.answer = lambda piece: Accepted(output=f"answer {len(programs.pieces)}")
        self.house.outlet("programs").opened(1)
        self.own(Url("http://127.0.0.1/", reply=True))
        for text in "abc":
            self.sms(text)
            self.house.advance(1)
        self.assertEqual(self.texts(), [(PHONE, "answer 1"), (PHONE, "answer 2")])
        self.assertEqual(self.counted(), [("ann", 2)], "the requests themselves cost nothing")
        reasons = [row["reason"] for row in self.house.rows() if row["target"].startswith("url:")]
        self.assertEqual(reasons[:2], [None, None])
        self.assertIn("its answer was not sent: account ann may send 2 messages", reasons[2])
        self.house.accounts["ann"] = Account("ann", active=False)
        self.sms("closed")
        self.house.advance(1)
        self.assertEqual((len(self.texts()), self.counted()), (2, [("ann", 2)]))
        self.rules(rule(Url("http://127.0.0.1/", reply=True)))
        self.sms("d")
        self.house.advance(1)
        self.assertEqual((len(self.texts()), self.counted()), (3, [("ann", 2)]), "that of the administrator")

    def test_a_closed_account_sends_nothing(self) -> None:
        self.house.accounts["ann"] = Account("ann", active=False)
        self.own(Send("sms:+15550000009", "look"))
        self.sms()
        self.assertEqual((self.texts("gsm2"), self.counted()), ([], []))
        self.assertIn("switched off", self.traces())


def _reason() -> Any:
    from smsd.values.errors import Reason

    return Reason.NOT_ALLOWED


ASKED = Question("customers", "select mailbox from customer where phone=?", (PHONE,))
SECOND = Question("customers", "select 1", ())


def asking(letter: Letter, facts: Facts) -> Verdict | Ask:
    """A rule that has to know ASKED, then, when that has an answer, SECOND."""
    if ASKED in facts.failed:
        return rule(to="default@example.org")(letter, facts)
    if ASKED not in facts.answers:
        return Ask((ASKED,))
    if SECOND not in facts.answers and SECOND not in facts.failed:
        return Ask((SECOND,))
    return rule(to=str(facts.answers[ASKED]))(letter, facts)


class Questions(RulesCase):
    def setUp(self) -> None:
        super().setUp()
        self.asked: list[Question] = []
        self.rules(asking)
        self.house.inbound.ask = self.ask

    def ask(self, question: Question) -> Deferred[str | None]:
        self.asked.append(question)
        return succeed("bob@example.org" if question == ASKED else "1")

    def test_asked_one_after_the_other(self) -> None:
        self.sms()
        self.assertEqual(self.asked, [ASKED, SECOND])
        self.assertEqual(self.mails(), [("bob@example.org", "ciao")])

    def test_a_whole_message_too(self) -> None:
        incoming = MessageIn("gsm1", PHONE, Text("ciao"), id="x1")
        first = self.house.wait(self.house.inbound.message(incoming))
        again = self.house.wait(self.house.inbound.message(incoming))
        self.house.settle()
        self.assertEqual(first, again)
        self.assertEqual(self.mails(), [("bob@example.org", "ciao")])

    def test_nobody_to_ask_or_no_answer_is_the_default(self) -> None:
        for ask in (None, lambda question: fail(OSError("down"))):
            self.house.inbound.ask = ask
            self.house.mail.pieces.clear()
            self.sms()
            self.assertEqual(self.mails(), [("default@example.org", "ciao")])

    def test_nothing_is_written_until_it_is_answered(self) -> None:
        waiting: Deferred[str | None] = Deferred()
        self.house.inbound.ask = lambda question: waiting if question == ASKED else succeed("1")
        octets = parts("ciao " * 60)
        for part in octets[:-1]:
            self.house.wait(self.house.inbound.part(PartIn("gsm1", part)))
        done = self.house.inbound.part(PartIn("gsm1", octets[-1]))
        self.house.settle()
        self.assertNoResult(done)
        self.assertEqual((self.count("message"), self.count("inbound")), (0, len(octets) - 1))
        waiting.callback("bob@example.org")
        self.house.wait(done)
        self.house.settle()
        self.assertEqual((self.count("message"), self.count("inbound")), (1, 0))
        self.assertEqual(self.mails(), [("bob@example.org", "ciao " * 60)])

    def test_a_crash_while_it_is_asked_loses_nothing(self) -> None:
        self.house.inbound.ask = lambda question: Deferred()
        (octets,) = parts("ciao")
        pending = self.house.inbound.part(PartIn("gsm1", octets, "SM:1"))
        pending.addErrback(lambda failure: None)
        self.house.settle()
        self.restart()
        self.rules(asking)
        self.house.inbound.ask = self.ask
        self.assertIsNotNone(self.house.wait(self.house.inbound.part(PartIn("gsm1", octets, "SM:1"))))
        self.house.settle()
        self.assertEqual(self.mails(), [("bob@example.org", "ciao")])

    def test_the_same_sms_while_it_is_asked_is_one_message(self) -> None:
        waiting: list[Deferred[str | None]] = []

        def ask(question: Question) -> Deferred[str | None]:
            waiting.append(Deferred())
            return waiting[-1]

        self.house.inbound.ask = ask
        (octets,) = parts("ciao")
        got: list[int | None] = []
        for _ in range(2):
            self.house.inbound.part(PartIn("gsm1", octets, "SM:1")).addCallback(got.append)
        for _ in range(4):
            self.house.settle()
            while waiting:
                waiting.pop().callback("bob@example.org")
        self.assertEqual(sorted(one is None for one in got), [False, True])
        self.assertEqual(self.mails(), [("bob@example.org", "ciao")])

    def test_questions_without_end_end(self) -> None:
        def judge(letter: Letter, facts: Facts) -> Verdict | Ask:
            return Ask((Question("d", f"select {len(facts.answers) + len(facts.failed)}", ()),))

        self.rules(judge)
        self.rules(
            lambda letter, facts: judge(letter, facts) if len(facts.failed) < 100 else rule()(letter, facts)
        )
        self.sms()
        self.assertEqual(self.mails(), [("ann@example.org", "ciao")])

    def test_what_never_becomes_whole_asks_nobody(self) -> None:
        octets = parts("ciao " * 60)
        self.house.wait(self.house.inbound.part(PartIn("gsm1", octets[0])))
        self.house.sweeper.start()
        self.house.advance(DAY + 2)
        self.house.advance(2)
        self.assertEqual(self.asked, [])
        self.assertEqual([to for to, _ in self.mails()], ["default@example.org"])

    def test_lanes_made_before_a_question_are_not_remembered(self) -> None:
        # The parts of an earlier message leave first and make its lane, in the transaction that is undone.
        earlier, later = parts("old " * 60), parts("new " * 60)
        self.house.wait(self.house.inbound.part(PartIn("gsm1", earlier[0])))
        for part in later:
            self.house.wait(self.house.inbound.part(PartIn("gsm1", part)))
        self.house.settle()
        self.assertEqual(len(self.mails()), 2)
        lanes = self.house.wait(
            self.house.store.ask(
                lambda c: c.execute(
                    "select count(*) from delivery where lane not in (select id from lane)"
                ).fetchone()[0]
            )
        )
        self.assertEqual(lanes, 0)

    def test_children_may_ask_too(self) -> None:
        def further(child: Submission, facts: Facts) -> Any:
            return (child, []) if SECOND in facts.answers else Ask((SECOND,))

        self.rules(rule(Respond("thanks")), further=further)
        self.sms()
        self.assertEqual(self.asked, [SECOND])
        self.assertEqual(self.texts(), [(PHONE, "thanks")])

    def test_the_lines_of_lists_are_among_the_facts(self) -> None:
        seen = []

        def judge(letter: Letter, facts: Facts) -> Verdict | Ask:
            seen.append(dict(facts.lists))
            return asking(letter, facts)

        self.rules(judge, lists=lambda: {"/lists/a": ("x",)})
        self.sms()
        self.assertEqual(seen, [{"/lists/a": ("x",)}] * 3)


class Trash(RulesCase):
    """A message with no body (feature I5)."""

    def test_it_is_kept_for_a_week(self) -> None:
        self.house.sweeper.keep_days = 90
        self.sms("  ")
        self.sms("ciao")
        self.house.sweeper.start()
        self.house.advance(7 * DAY - 60)
        self.assertEqual(self.count("message"), 2)
        self.house.advance(120)
        self.assertEqual([row["text"] for row in self.house.rows()], ["ciao"])
        self.assertEqual(self.count("trash"), 0)

    def test_what_the_operator_takes_out_stays(self) -> None:
        from smsd.store import operating

        self.house.mail.manual = True
        self.sms("  ")
        row = self.house.rows()[0]
        now = self.house.store.now()
        verb = operating.Verb("retry", row["id"], now, now + 90 * DAY * 1000)
        self.house.wait(self.house.store.control(verb))
        self.house.sweeper.start()
        self.house.advance(7 * DAY + 120)
        self.assertEqual(self.count("message"), 1)

    def test_no_rule_sees_it(self) -> None:
        self.rules(rule(Forward("bob@example.org")))
        self.sms("")
        self.assertEqual((self.mails(), self.record()), ([], [("cancelled", "a message with no body")]))


class Trials(RulesCase):
    """`smsd explain --dry-run --incoming`."""

    def trial(self, text: str = "ciao", sender: str = PHONE) -> Any:
        told = self.house.wait(Deferred.fromCoroutine(self.house.inbound.trial("gsm1", sender, text)))
        self.assertEqual((self.count("message"), self.count("quiet")), (self.before, 0))
        return told

    def setUp(self) -> None:
        super().setUp()
        self.house.inbound.arriving.rules = Rulebook()
        self.before = 0

    def test_the_mailbox_of_the_gateway(self) -> None:
        told = self.trial()
        self.assertEqual((told["fate"], told["to"], told["sends"]), ("sent", "mailto:ann@example.org", []))

    def test_the_reply_log(self) -> None:
        self.mail("bob")
        self.before = 1
        told = self.trial()
        self.assertEqual(told["to"], "mailto:bob@example.org")
        self.assertIn("reply log", told["trace"])
        self.mail("carl")
        self.before = 2
        told = self.trial()
        self.assertEqual((told["fate"], told["sends"]), ("held", [{"to": f"sms:{PHONE}", "what": CONFLICT}]))

    def test_rules_that_ask(self) -> None:
        self.rules(asking)
        self.assertEqual(self.trial()["to"], "mailto:default@example.org")
        self.house.inbound.ask = lambda question: succeed("bob@example.org")
        self.assertEqual(self.trial()["to"], "mailto:bob@example.org")

    def test_what_they_send_besides(self) -> None:
        self.rules(rule(Respond("thanks"), Forward("bob@example.org")))
        told = self.trial()
        self.assertEqual(told["fate"], "delivered")
        self.assertEqual([one["to"] for one in told["sends"]], [f"sms:{PHONE}", "mailto:bob@example.org"])


class Damage(RulesCase):
    def test_a_decision_that_fails_spoils_no_other_call(self) -> None:
        """The group's transaction is undone for the one, and done for the others."""
        decide = self.house.store.receiving.decide
        assert decide is not None

        def failing(arrival: Any, desk: Any, facts: Any) -> Any:
            desk.hush(arrival.sender, "x", arrival.now)
            if arrival.content == Text("bad"):
                raise sqlite3.OperationalError("no")
            return decide(arrival, desk, facts)

        self.house.store.receiving.decide = failing
        good, bad = (
            self.house.inbound.message(MessageIn("gsm1", PHONE, Text(text))) for text in ("good", "bad")
        )
        self.house.wait(good)
        self.assertRaises(Refused, self.house.wait, bad)
        self.house.settle()
        self.assertEqual(self.mails(), [("ann@example.org", "good")])
