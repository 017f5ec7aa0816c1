"""How an answer finds whoever wrote (features I2 to I4, I8): the reply log, conflicts, addresses in texts; over restarts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred

from smsd.core.arriving import Arrivals
from smsd.interfaces import Abilities, MessageIn
from smsd.policy.reply import CONFLICT
from smsd.policy.rules import engine
from smsd.policy.rules.model import Field, How, Rule, SetHeader, TextTest
from smsd.store import operating
from smsd.values.account import Account
from smsd.values.address import Address
from smsd.values.delivery import Failure, Kind
from smsd.values.message import Parameters, Text, Ticket
from tests.core.arriving import HOUR, MINUTES, OTHER, PHONE, REPLYING, ArrivingCase, rule
from tests.house import House


class OneSender(ArrivingCase):
    def test_the_answer_goes_to_whoever_wrote_and_no_rule_is_asked(self) -> None:
        self.house.inbound.arriving.rules = replace(
            self.house.inbound.arriving.rules, judge=lambda letter, facts: self.fail("a rule was asked")
        )
        self.mail("bob")
        self.sms("yes")
        self.assertEqual(self.mails(), [("bob@example.org", "yes")])

    def test_it_stands_in_the_thread_of_the_mail(self) -> None:
        self.mail("bob", message_id="<m1@example.org>", subject="Lunch?")
        self.sms("yes")
        (piece,) = self.house.mail.pieces
        about = dict(piece.headers)
        self.assertEqual((about["in_reply_to"], about["subject"]), ("<m1@example.org>", "Re: Lunch?"))
        self.assertEqual(about["mail_from"], "%s@sms.example.org")
        self.assertEqual(str(piece.origin), f"sms:{PHONE}")

    def test_with_the_thread_that_the_mail_continues(self) -> None:
        ann = Address("mailto", "ann@example.org")
        ticket = Ticket(ann, message_id="<m2@example.org>")
        self.house.send(PHONE, origin=ann, ticket=ticket, headers=(("references", "<m0@x> <m1@x>"),))
        self.sms("yes")
        self.assertEqual(dict(self.house.mail.pieces[0].headers)["references"], "<m0@x> <m1@x>")

    def test_a_stranger_is_the_rules_affair(self) -> None:
        self.mail("bob", OTHER)
        self.sms("yes")
        self.assertEqual(self.mails(), [("ann@example.org", "yes")])

    def test_in_whatever_form_networks_write_the_number(self) -> None:
        self.house.planner.policies = replace(self.house.planner.policies, country="IT")
        self.mail("bob", "333 1234567")
        for sender in ("+393331234567", "00393331234567", "3331234567"):
            incoming = MessageIn("gsm1", sender, Text("yes"))
            self.house.wait(self.house.inbound.message(incoming))
        self.house.settle()
        self.assertEqual({to for to, _ in self.mails()}, {"bob@example.org"})

    def test_until_its_minutes_are_over(self) -> None:
        self.mail("bob")
        self.house.advance(HOUR * MINUTES - 1)
        self.sms("in time")
        self.house.advance(2)
        self.sms("late")
        self.assertEqual(self.mails(), [("bob@example.org", "in time"), ("ann@example.org", "late")])

    def test_each_message_begins_them_anew(self) -> None:
        self.mail("bob")
        self.house.advance(HOUR * MINUTES - 1)
        self.mail("bob")
        self.house.advance(HOUR * MINUTES - 1)
        self.sms("yes")
        self.assertEqual(self.mails(), [("bob@example.org", "yes")])
        self.assertEqual(self.count("link"), 1)

    def test_the_newest_message_is_the_one_answered(self) -> None:
        self.mail("bob", subject="one")
        self.house.advance(1)
        self.mail("bob", subject="two")
        self.sms("yes")
        self.assertEqual(dict(self.house.mail.pieces[0].headers)["subject"], "Re: two")

    def test_one_person_with_two_spellings_is_no_conflict(self) -> None:
        self.mail("bob")
        self.mail("Bob")
        self.sms("yes")
        self.assertEqual(self.mails(), [("Bob@example.org", "yes")])

    def test_who_typed_no_plus_is_found_by_the_number_that_the_network_tells(self) -> None:
        self.mail("bob", PHONE[1:])
        self.sms("yes")
        self.assertEqual(self.mails(), [("bob@example.org", "yes")])

    def test_one_person_with_two_spellings_of_the_number_is_no_conflict(self) -> None:
        self.mail("bob", PHONE, subject="one")
        self.house.advance(1)
        self.mail("bob", PHONE[1:], subject="two")
        self.sms("yes")
        (piece,) = self.house.mail.pieces
        about = dict(piece.headers)
        self.assertEqual((about["subject"], about["typed"]), ("Re: two", PHONE[1:]))

    def test_of_both_spellings_the_newest_that_left_where_the_answer_came(self) -> None:
        for number, subject, gateway in (
            (PHONE[1:], "one", "gsm1"),
            (PHONE, "two", "gsm1"),
            (PHONE[1:], "three", "gsm2"),
        ):
            bob = Address("mailto", "bob@example.org")
            pinned = Parameters(gateway=gateway)
            self.house.send(number, origin=bob, ticket=Ticket(bob, subject=subject), parameters=pinned)
            self.house.advance(1)
        for gateway, subject in (("gsm1", "two"), ("gsm2", "three")):
            self.sms("yes", gateway=gateway)
            self.assertEqual(dict(self.house.mail.pieces[-1].headers)["subject"], f"Re: {subject}")

    def test_over_a_restart(self) -> None:
        self.mail("bob", message_id="<m1@example.org>")
        self.restart()
        self.sms("yes")
        self.assertEqual(self.mails(), [("bob@example.org", "yes")])
        self.assertEqual(dict(self.house.mail.pieces[0].headers)["in_reply_to"], "<m1@example.org>")

    def test_without_a_mailbox_of_the_gateway_too(self) -> None:
        self.house.inbound.arriving.arrivals["gsm1"] = Arrivals("", "%s", None)
        self.mail("bob")
        self.sms("yes")
        self.assertEqual(self.mails(), [("bob@example.org", "yes")])

    def test_to_the_reply_address_rather_than_the_sender(self) -> None:
        demo = Address("account", "demo")
        self.house.send(PHONE, origin=demo, ticket=Ticket(Address("mailto", "carl@example.org")))
        self.sms("yes")
        self.assertEqual(self.mails(), [("carl@example.org", "yes")])

    def test_why_is_kept_with_it(self) -> None:
        self.mail("bob")
        self.sms("yes")
        row = self.house.rows()[-1]
        told = self.house.wait(self.house.store.ask(operating.explain, row["id"]))
        self.assertIn("mailto:bob@example.org wrote to this phone", told["trace"])


class SwitchedOff(ArrivingCase):
    replying = replace(REPLYING, keep=0)

    def test_nothing_is_written_and_nothing_read(self) -> None:
        self.mail("bob")
        self.assertEqual(self.count("link"), 0)
        self.sms("yes")
        self.assertEqual(self.mails(), [("ann@example.org", "yes")])

    def test_links_of_earlier_are_not_read_either(self) -> None:
        self.house.inbound.use(REPLYING)
        self.mail("bob")
        self.house.inbound.use(self.replying)
        self.sms("yes")
        self.assertEqual(self.mails(), [("ann@example.org", "yes")])


class Unlinked(ArrivingCase):
    """Who cannot get an answer leaves no link."""

    def test_the_operator_and_what_was_not_taken(self) -> None:
        self.house.send(PHONE, door="control", origin=Address("account", "operator"), ticket=None)
        self.house.send(PHONE, door="http", origin=Address("door", "http"), ticket=None)
        self.house.send("no number", origin=Address("mailto", "bob@example.org"))
        self.assertEqual(self.count("link"), 0)

    def test_an_account_waits_for_what_reaches_accounts(self) -> None:
        self.house.accounts["demo"] = Account("demo")
        self.house.send(PHONE, account="demo", ticket=None)
        self.assertEqual(self.count("link"), 1)
        self.sms("yes")
        self.assertEqual(self.mails(), [("ann@example.org", "yes")])

    def test_an_account_that_has_a_mailbox_gets_it_there(self) -> None:
        self.house.accounts["demo"] = Account("demo", email="Demo@example.org")
        self.house.send(PHONE, account="demo", ticket=None)
        self.sms("yes")
        self.assertEqual(self.mails(), [("demo@example.org", "yes")])
        chat = Address("xmpp", "demo@chat.example")
        self.house.inbound.arriving.chat_of = lambda account: chat if account == "demo" else None
        self.house.gateway("chat", Abilities(frozenset({"xmpp"})))
        self.sms("again")
        self.assertEqual(len(self.mails()), 1)
        self.assertIn("xmpp:demo@chat.example", [row["target"] for row in self.house.rows()])

    def test_who_writes_as_an_account_and_by_mail_is_one(self) -> None:
        self.house.accounts["demo"] = Account("demo", email="Demo@example.org")
        mailbox = Address("mailto", "demo@example.org")
        first, second = (
            self.house.send(PHONE, parameters=Parameters(gateway=gateway), **options).recipients[0].delivery
            for gateway, options in (
                ("gsm1", {"account": "demo", "ticket": None}),
                ("gsm2", {"origin": mailbox, "ticket": Ticket(mailbox)}),
            )
        )
        for gateway, answered in (("gsm1", first), ("gsm2", second)):
            self.sms("yes", gateway=gateway)
            piece = self.house.mail.pieces[-1]
            self.assertEqual(
                (piece.target.target, dict(piece.headers)["answers"]), ("demo@example.org", str(answered))
            )


class SeveralSenders(ArrivingCase):
    """A conflict (feature I4)."""

    def setUp(self) -> None:
        super().setUp()
        self.mail("bob")
        self.house.advance(1)
        self.mail("carl")
        self.house.gsm.pieces.clear()

    def test_the_phone_is_asked_and_the_message_kept(self) -> None:
        self.sms("yes")
        self.assertEqual(self.texts(), [(PHONE, CONFLICT)])
        self.assertEqual(self.mails(), [])
        ((state, reason),) = self.record()
        self.assertEqual(state, "held")
        self.assertIn("mailto:carl@example.org, mailto:bob@example.org", reason)
        self.assertIn("the phone was asked", reason)

    def test_who_typed_the_number_otherwise_may_be_meant_too(self) -> None:
        for older, newer in ((PHONE, PHONE[1:]), (PHONE[1:], PHONE)):
            self.begin(House())
            self.mail("bob", older)
            self.house.advance(1)
            self.mail("carl", newer)
            self.sms("yes")
            self.assertEqual((self.mails(), self.texts()[-1]), ([], (PHONE, CONFLICT)))
            self.assertIn("mailto:carl@example.org, mailto:bob@example.org", self.record()[0][1])
            trial = self.house.wait(Deferred.fromCoroutine(self.house.inbound.trial("gsm1", PHONE, "yes")))
            self.assertEqual(trial["fate"], "held")

    def test_once_an_hour(self) -> None:
        for _ in range(3):
            self.sms("yes")
        self.assertEqual(len(self.texts()), 1)
        self.house.advance(59 * MINUTES)
        self.mail("bob")
        self.mail("carl")
        self.house.gsm.pieces.clear()
        self.sms("yes")
        self.assertEqual(self.texts(), [])
        self.house.advance(2 * MINUTES)
        self.sms("yes")
        self.assertEqual(self.texts(), [(PHONE, CONFLICT)])
        self.assertEqual({state for state, _ in self.record()}, {"held"})

    def test_once_an_hour_over_a_restart(self) -> None:
        self.sms("yes")
        self.restart()
        self.sms("yes")
        self.assertEqual(self.texts(), [])

    def test_each_phone_by_itself(self) -> None:
        for who in ("bob", "carl"):
            self.mail(who, OTHER)
        self.house.gsm.pieces.clear()
        self.sms("yes")
        self.sms("yes", OTHER)
        self.assertEqual({number for number, _ in self.texts()}, {PHONE, OTHER})

    def test_through_the_gateway_that_the_phone_wrote_to(self) -> None:
        self.sms("yes", gateway="gsm2")
        self.assertEqual((self.texts(), self.texts("gsm2")), ([], [(PHONE, CONFLICT)]))

    def test_through_another_when_that_one_only_brings_in(self) -> None:
        self.house.wait(self.house.inbound.message(MessageIn("provider", PHONE, Text("yes"))))
        self.house.settle()
        self.assertEqual(len(self.texts() + self.texts("gsm2")), 1)

    def test_never_another_server_that_asks_the_same(self) -> None:
        self.sms(CONFLICT)
        self.assertEqual(self.texts(), [])
        self.assertIn("not answered", self.record()[0][1])

    def test_never_a_service_code(self) -> None:
        for who in ("bob", "carl"):
            self.mail(who, "4888")
        self.house.gsm.pieces.clear()
        self.sms("yes", "4888")
        self.assertEqual(self.texts(), [])
        self.assertIn("the phone was not asked", self.record()[0][1])

    def test_nobody_hears_that_it_could_not_be_told(self) -> None:
        self.house.gsm.answer = lambda piece: Failure(Kind.PERMANENT, "barred")
        self.sms("yes")
        self.assertEqual(len(self.texts()), 1)
        self.assertEqual(self.mails(), [])

    def test_what_it_is_told_awaits_no_answer(self) -> None:
        self.sms("yes")
        self.assertEqual(self.count("link"), 2)

    def test_naming_one_answers_the_question(self) -> None:
        self.sms("yes")
        self.sms("#bob@example.org# yes")
        self.assertEqual(self.mails(), [("bob@example.org", "yes")])

    def test_an_empty_text_asks_nobody(self) -> None:
        self.house.inbound.use(replace(REPLYING, conflict=""))
        self.sms("yes")
        self.assertEqual(self.texts(), [])

    def test_the_operator_sends_it_on(self) -> None:
        self.sms("yes")
        row = self.house.rows(states=[5])[0]
        verb = operating.Verb("retry", row["id"], self.house.store.now(), row["expires"])
        for lane in self.house.wait(self.house.store.control(verb)):
            self.house.queue.wake(lane)
        self.house.settle()
        self.assertEqual(self.mails(), [("ann@example.org", "yes")])


class SeveralGateways(ArrivingCase):
    """The number that the phone answered to counts, when it is known."""

    def by(self, who: str, gateway: str) -> None:
        address = Address("mailto", f"{who}@example.org")
        self.house.send(PHONE, origin=address, ticket=Ticket(address), parameters=Parameters(gateway=gateway))
        self.house.settle()

    def test_each_answer_to_its_own(self) -> None:
        self.by("bob", "gsm1")
        self.by("carl", "gsm2")
        self.sms("one", gateway="gsm1")
        self.sms("two", gateway="gsm2")
        self.assertEqual(self.mails(), [("bob@example.org", "one"), ("carl@example.org", "two")])

    def test_also_after_a_restart(self) -> None:
        self.by("bob", "gsm1")
        self.by("carl", "gsm2")
        self.restart()
        self.sms("two", gateway="gsm2")
        self.assertEqual(self.mails(), [("carl@example.org", "two")])

    def test_who_wrote_through_both_may_be_meant(self) -> None:
        self.by("bob", "gsm1")
        self.by("carl", "gsm1")
        self.by("carl", "gsm2")
        self.sms("one", gateway="gsm1")
        self.assertEqual(self.mails(), [])
        self.assertEqual(self.record()[0][0], "held")

    def test_more_messages_than_are_known_may_have_gone_anywhere(self) -> None:
        self.by("bob", "gsm1")
        for _ in range(8):
            self.by("carl", "gsm2")
        self.sms("one", gateway="gsm1")
        self.assertEqual(self.mails(), [])

    def test_of_a_link_long_renewed_what_is_old_does_not_count(self) -> None:
        self.by("carl", "gsm1")
        self.house.advance(HOUR * MINUTES - 1)
        self.by("carl", "gsm2")
        self.house.advance(2)
        self.by("bob", "gsm1")
        self.sms("one", gateway="gsm1")
        self.assertEqual(self.mails(), [("bob@example.org", "one")])

    def test_what_was_never_sent_is_not_answered(self) -> None:
        self.house.gsm.answer = lambda piece: Failure(Kind.PERMANENT, "barred")
        self.by("bob", "gsm1")
        self.by("carl", "gsm2")
        self.house.mail.pieces.clear()
        self.house.wait(self.house.inbound.message(MessageIn("provider", PHONE, Text("yes"))))
        self.house.settle()
        self.assertEqual(self.mails(), [("carl@example.org", "yes")])


class Addressed(ArrivingCase):
    """`#address@domain#` (feature I2)."""

    def test_it_names_the_recipient_and_the_log_is_not_asked(self) -> None:
        self.mail("bob")
        self.sms("Hello #carl@example.org# world")
        self.assertEqual(self.mails(), [("carl@example.org", "Hello world")])
        row = self.house.rows()[-1]
        told = self.house.wait(self.house.store.ask(operating.explain, row["id"]))
        self.assertEqual(
            (row["text"], told["about"]["body"]), ("Hello world", "Hello #carl@example.org# world")
        )

    def test_it_stands_in_the_thread_of_whom_it_names(self) -> None:
        self.mail("bob", message_id="<b1@example.org>", subject="B")
        self.mail("carl", message_id="<c1@example.org>", subject="C")
        self.sms("#Carl@example.org# yes")
        about = dict(self.house.mail.pieces[0].headers)
        self.assertEqual((about["in_reply_to"], about["subject"]), ("<c1@example.org>", "Re: C"))

    def test_the_rules_run_and_see_who_it_is_for(self) -> None:
        seen = []

        def judge(letter, facts):  # type: ignore[no-untyped-def]
            seen.append((letter.to, letter.body, letter.sender, letter.outgoing))
            return rule()(letter, facts)

        self.house.inbound.arriving.rules = replace(self.house.inbound.arriving.rules, judge=judge)
        self.sms("#boss@elsewhere.net# Hi")
        self.assertEqual(seen, [("boss@elsewhere.net", "Hi", f"{PHONE}@sms.example.org", False)])
        self.assertEqual(self.mails(), [("boss@elsewhere.net", "Hi")])

    def test_a_stranger_is_no_address(self) -> None:
        self.sms("#x@spam.example# buy")
        self.assertEqual(self.mails(), [("ann@example.org", "#x@spam.example# buy")])

    def test_with_nothing_else_it_has_no_body(self) -> None:
        self.sms("#carl@example.org#")
        self.assertEqual(self.record(), [("cancelled", "a message with no body")])

    def test_without_a_mailbox_of_the_gateway(self) -> None:
        self.house.inbound.arriving.arrivals["gsm1"] = Arrivals("", "%s", None)
        self.sms("#carl@example.org# Hi")
        self.assertEqual(self.mails(), [("carl@example.org", "Hi")])

    def test_while_nothing_carries_mail_it_waits(self) -> None:
        self.house.wait(self.house.queue.remove("mail"))
        self.sms("#carl@example.org# Hi")
        from tests.house import RELAY

        relay = self.house.gateway("relay", RELAY)
        self.house.outlet("relay").opened(1)
        self.house.settle()
        self.assertEqual(
            [(p.target.target, p.content.text) for p in relay.pieces], [("carl@example.org", "Hi")]
        )


class LateAnswersByMail(ArrivingCase):
    """A mail that answers one of ours finds the phone by its Message-ID, whatever became of the address."""

    def test_the_phone_of_a_mail(self) -> None:
        self.sms("question")
        (piece,) = self.house.mail.pieces
        ours = f"<{piece.delivery}.{piece.message}@sms.example.org>"
        self.house.advance(30 * 24 * HOUR * MINUTES)
        self.restart()
        for message_id, expected in (
            (ours, (PHONE, "gsm1")),
            (f"  {ours}\r\n", (PHONE, "gsm1")),
            (f"<{piece.delivery + 1}.{piece.message}@sms.example.org>", None),
            (f"<{piece.message}.{piece.delivery}@sms.example.org>", None),
            (f"<{'9' * 19}.{'9' * 19}@x>", None),
            ("<abc@example.org>", None),
            ("", None),
        ):
            self.assertEqual(self.house.wait(self.house.inbound.peer_of(message_id)), expected, message_id)

    def test_a_mail_to_a_phone_has_none(self) -> None:
        self.mail("bob")
        (piece,) = self.house.gsm.pieces
        found = self.house.inbound.peer_of(f"<{piece.delivery}.{piece.message}@x>")
        self.assertIsNone(self.house.wait(found))


class TheSameWay(ArrivingCase):
    """An answer by mail leaves by the gateway that the phone wrote to (feature I4)."""

    def ready(self) -> None:
        self.house.accounts["bound"] = Account("bound", gateway="gsm1")

    def asked(self, gateway: str = "gsm2") -> str:
        """A phone writes; the Message-ID of the mail made of it."""
        self.sms("question?", gateway=gateway)
        piece = self.house.mail.pieces[-1]
        return f"<{piece.delivery}.{piece.message}@sms.example.org>"

    def answer(self, references: str, number: str = PHONE, **options: Any) -> None:
        ann = Address("mailto", "ann@example.org")
        named = (("subject", "Re: SMS"), ("references", references))
        options = {"door": "smtp", "origin": ann, "ticket": Ticket(ann), "headers": named, **options}
        self.house.send(number, "answer", **options)
        self.house.settle()

    def left(self) -> tuple[int, int]:
        """How many have left by each modem."""
        return len(self.house.gsm.pieces), len(self.gsm2.pieces)

    def test_by_the_modem_that_the_phone_wrote_to(self) -> None:
        for expected in range(1, 4):
            self.answer(f"<0@x> {self.asked()}")
            self.assertEqual(self.left(), (0, expected))
        self.restart()
        self.answer(self.asked("gsm1"))
        self.assertEqual(self.left(), (1, 0))

    def test_in_whatever_form_the_number_is_written(self) -> None:
        self.house.planner.policies = replace(self.house.planner.policies, country="IT")
        for number in ("333 1234567", "00393331234567"):
            self.answer(self.asked(), number)
        self.assertEqual(self.left(), (0, 2))

    def test_the_newest_of_the_thread_counts(self) -> None:
        first, then = self.asked("gsm1"), self.asked("gsm2")
        self.answer(f"{first} {then} <a@x>")
        self.assertEqual(self.left(), (0, 1))

    def test_what_somebody_says_counts_more(self) -> None:
        ours = self.asked()
        self.answer(ours, parameters=Parameters(gateway="gsm1"))
        self.answer(ours, account="bound")
        self.assertEqual(self.left(), (2, 0))
        self.house.judge.gateways = frozenset({"gsm1", "gsm2"})
        seen = Rule(
            "seen", Field("to", TextTest(How.EQUALS, f"{PHONE}@gsm2")), (SetHeader("To", "%number%@gsm1"),)
        )
        self.house.judge.use(engine.compile((seen,)), 1)
        self.answer(ours)
        self.assertEqual(self.left(), (3, 0))

    def test_a_modem_that_is_away_keeps_no_answer_waiting(self) -> None:
        ours = self.asked()
        self.house.outlet("gsm2").closed("unplugged")
        self.answer(ours)
        self.assertEqual(self.left(), (1, 0))

    def test_other_phones_and_other_mails_take_any(self) -> None:
        ours = self.asked()
        self.house.outlet("gsm1").closed("unplugged")
        for number, references in ((OTHER, ours), (PHONE, "<a@x> <1.2@sms.example.org>"), (PHONE, "")):
            self.answer(references, number)
        self.assertEqual({row["route"] for row in self.house.rows(door="smtp")}, {"any:sms"})


class Forgetting(ArrivingCase):
    def test_what_has_expired_is_swept(self) -> None:
        self.mail("bob")
        self.mail("carl")
        self.sms("yes")
        self.assertEqual((self.count("link"), self.count("quiet")), (2, 1))
        self.house.sweeper.start()
        self.house.advance(HOUR * MINUTES - 1)
        self.assertEqual((self.count("link"), self.count("quiet")), (2, 1))
        self.house.advance(2)
        self.assertEqual((self.count("link"), self.count("quiet")), (0, 0))
