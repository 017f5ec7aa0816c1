"""Alerts that want an answer: who is asked when, what ends it, and who hears of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from smsd.core.arriving import Arrivals
from smsd.interfaces import Abilities, MessageIn
from smsd.store import alerts
from smsd.values.account import Account
from smsd.values.address import Address
from smsd.values.delivery import Failure, Kind
from smsd.values.errors import Refused
from smsd.values.message import (
    DEFAULT_PARAMETERS,
    Escalation,
    Parameters,
    Queued,
    Receipt,
    Recipient,
    Text,
    Wants,
)
from tests.house import submission
from tests.store.caring import ANN, BOB, EVE, CareCase, cap, digest, escalation, pause

TAKEN = "Taken by {}: fire"


class AlertCase(CareCase):
    def start(self) -> None:
        self.house.inbound.arriving.arrivals["gsm1"] = Arrivals("ann@example.org", "%s@sms.example.org", None)
        super().start()

    def answer(self, peer: str, text: str) -> None:
        """A phone writes."""
        self.house.wait(self.house.inbound.message(MessageIn("gsm1", peer, Text(text))))
        self.house.settle()

    def alert(self, delivery: int) -> dict[str, object]:
        ((alert),) = self.row(delivery)["alerts"]
        return dict(alert)

    def mails(self) -> list[str]:
        return [p.content.text for p in self.house.mail.pieces if isinstance(p.content, Text)]


CHATS = Abilities(frozenset({"xmpp", "sip"}))


class InChats(AlertCase):
    """Who is asked in a chat answers there."""

    def start(self) -> None:
        self.chat = self.house.gateway("chat", CHATS)
        super().start()
        self.house.outlet("chat").opened(1)

    def say(self, who: str, text: str, *to: Recipient, **options: Any) -> Receipt:
        """Somebody writes in a chat, to the server itself where nobody is named."""
        made = submission(text=text, door="chat", origin=Address.parse(who), **options)
        receipt = self.house.wait(self.house.dispatcher.submit(replace(made, recipients=to)))
        self.house.settle()
        return cast(Receipt, receipt)

    def test_an_answer_to_whoever_sent_it_takes_it_and_goes_its_way(self) -> None:
        for who in ("xmpp:bob@example.org", "sip:bob@sip.example.org"):
            first = self.send("fire", escalation(who, EVE))
            self.later(5)
            self.assertEqual(str(self.chat.pieces[-1].target), who)
            self.say(who, "ok!", Recipient(Address("mailto", "nagios@example.org")))
            self.assertEqual(self.mails()[-1], "ok!")
            self.assertEqual(self.texts(ANN)[-1], TAKEN.format(who.partition(":")[2]))
            told = self.alert(first)
            self.assertEqual((told["state"], told["answered_by"]), ("answered", who.partition(":")[2]))
            self.later(10)
            self.assertEqual(self.texts(EVE), [])

    def test_an_answer_to_the_server_itself(self) -> None:
        first = self.send("fire", escalation("xmpp:bob@example.org"))
        self.later(5)
        self.assertEqual(self.say("xmpp:bob@example.org", "OK"), Receipt(0))
        self.assertEqual(self.alert(first)["state"], "answered")
        self.assertRaises(Refused, self.say, "xmpp:bob@example.org", "OK")

    def test_other_words_to_the_server_itself_are_refused(self) -> None:
        first = self.send("fire", escalation("xmpp:bob@example.org"))
        self.later(5)
        for who, text in (
            ("xmpp:bob@example.org", "OK call Eve"),
            ("xmpp:eve@example.org", "OK"),
            ("sip:bob@example.org", "OK"),
        ):
            self.assertRaises(Refused, self.say, who, text)
        self.assertEqual(self.alert(first)["state"], "open")

    def test_before_it_was_asked_nobody_answers(self) -> None:
        first = self.send("fire", escalation("xmpp:bob@example.org"))
        self.assertRaises(Refused, self.say, "xmpp:bob@example.org", "OK")
        self.assertEqual(self.alert(first)["state"], "open")

    def test_what_nothing_carries_counts_and_stays_on_record(self) -> None:
        first = self.send("fire", escalation("xmpp:bob@example.org"))
        self.later(5)
        self.house.wait(self.house.queue.remove("mail"))
        receipt = self.say("xmpp:bob@example.org", "OK", Recipient(Address("mailto", "nagios@example.org")))
        (fate,) = receipt.recipients
        self.assertIsInstance(fate, Queued)
        self.assertEqual(self.alert(first)["state"], "answered")
        row = self.row(cast(Queued, fate).delivery)
        self.assertEqual(
            (row["state"], row["reason"]), ("delivered", "it answered an alert that waited for it")
        )

    def test_what_is_refused_counts_and_the_others_hear_of_it_at_once(self) -> None:
        first = self.send("fire", escalation("xmpp:bob@example.org"))
        self.later(5)
        self.house.accounts["bob"] = Account("bob", off="the account bob is switched off")
        eve = Recipient(Address("sms", EVE), EVE)
        self.assertRaises(Refused, self.say, "xmpp:bob@example.org", "no", eve, account="bob")
        receipt = self.say("xmpp:bob@example.org", "OK", eve, account="bob")
        self.assertEqual(self.alert(first)["state"], "answered")
        self.assertEqual(self.row(cast(Queued, receipt.recipients[0]).delivery)["state"], "delivered")
        self.assertEqual((self.texts(ANN)[-1], self.texts(EVE)), (TAKEN.format("bob@example.org"), []))

    def test_a_mail_is_no_answer(self) -> None:
        first = self.send("fire", escalation("mailto:bob@example.org"))
        self.later(5)
        self.say("mailto:bob@example.org", "OK", Recipient(Address("sms", EVE)))
        self.assertEqual(self.alert(first)["state"], "open")

    def test_a_provider_cannot_lend_a_phone_somebodys_chat(self) -> None:
        first = self.send("fire", escalation("xmpp:bob@example.org"))
        self.later(5)
        self.answer("xmpp:bob@example.org", "OK")
        self.assertEqual(self.alert(first)["state"], "open")

    def test_a_phone_that_was_asked_without_its_plus(self) -> None:
        first = self.send("fire", escalation(BOB[1:]))
        self.later(5)
        self.answer(BOB, "OK")
        self.assertEqual(self.alert(first)["state"], "answered")
        self.assertEqual(self.texts(BOB[1:]), ["fire"])

    def test_a_reload_passes_over_nobody_in_a_chat(self) -> None:
        self.house.wait(self.house.queue.remove("chat"))
        self.house.dispatcher.schemes = frozenset({"xmpp"})
        self.send("fire", escalation("xmpp:bob@example.org", EVE))
        self.later(5)
        self.assertEqual(self.texts(EVE), [])
        again = self.house.gateway("chat", CHATS)
        self.house.outlet("chat").opened(1)
        self.house.settle()
        self.assertEqual([str(piece.target) for piece in again.pieces], ["xmpp:bob@example.org"])

    def test_over_a_kill(self) -> None:
        first = self.send("fire", escalation("xmpp:bob@example.org"))
        self.later(5)
        self.house = self.house.crash()
        self.start()
        self.say("xmpp:bob@example.org", "OK")
        self.assertEqual(self.alert(first)["state"], "answered")


class Asking(AlertCase):
    def test_one_after_the_other_until_somebody_answers(self) -> None:
        first = self.send("fire", escalation(BOB, EVE))
        self.later(4.9)
        self.assertEqual((self.texts(ANN), self.texts(BOB)), (["fire"], []))
        self.later(0.1)
        self.assertEqual((self.texts(BOB), self.texts(EVE)), (["fire"], []))
        self.answer(BOB, "ok!")
        self.assertEqual(self.texts(ANN), ["fire", TAKEN.format(BOB)])
        self.later(20)
        self.assertEqual((len(self.texts(ANN)), self.texts(BOB), self.texts(EVE)), (2, ["fire"], []))
        told = self.alert(first)
        self.assertEqual((told["state"], told["answered_by"], told["asked"]), ("answered", BOB, [ANN, BOB]))

    def test_an_answer_at_once_asks_nobody_else(self) -> None:
        self.send("fire", escalation(BOB))
        self.answer(ANN, "OK")
        self.later(20)
        self.assertEqual((self.texts(ANN), self.texts(BOB)), (["fire"], []))

    def test_the_answer_goes_its_way_besides(self) -> None:
        self.send("fire", escalation(BOB))
        self.answer(ANN, "OK")
        self.assertEqual(self.mails(), ["OK"])

    def test_who_was_asked_first_may_answer_last(self) -> None:
        self.send("fire", escalation(BOB, EVE))
        self.later(5)
        self.later(5)
        self.answer(ANN, "OK")
        self.assertEqual(self.texts(ANN), ["fire"])
        self.assertEqual((self.texts(BOB), self.texts(EVE)), (["fire", TAKEN.format(ANN)],) * 2)

    def test_another_word_is_no_answer(self) -> None:
        self.send("fire", escalation(BOB, answers=("YES", "I come")))
        self.answer(ANN, "OK")
        self.answer(ANN, "yes but later")
        self.later(5)
        self.assertEqual(self.texts(BOB), ["fire"])
        self.answer(BOB, "i come.")
        self.assertEqual(self.texts(ANN)[-1], TAKEN.format(BOB))

    def test_who_was_not_asked_cannot_answer(self) -> None:
        self.send("fire", escalation(BOB))
        self.answer(BOB, "OK")
        self.answer(EVE, "OK")
        self.later(5)
        self.assertEqual(self.texts(BOB), ["fire"])

    def test_an_answer_closes_all_that_the_phone_was_asked(self) -> None:
        one = self.send("fire", escalation(BOB))
        two = self.send("water", Escalation("other", (), 60_000, ("OK",)))
        other = self.send("smoke", escalation(EVE), to=BOB)
        self.answer(ANN, "OK")
        self.assertEqual(
            [self.alert(d)["state"] for d in (one, two, other)], ["answered", "answered", "open"]
        )

    def test_nobody_answers(self) -> None:
        first = self.send("fire", escalation(BOB), wants=Wants.FAILURE)
        self.later(5)
        self.later(5)
        self.assertEqual(self.alert(first)["state"], "nobody answered")
        (mail,) = self.mails()
        self.assertEqual(mail, f"Nobody has answered this alert.\nAsked: {ANN}, {BOB}\n\nfire")
        self.answer(BOB, "OK")
        self.later(5)
        self.assertEqual((self.texts(ANN), self.texts(BOB)), (["fire"], ["fire"]))

    def test_nobody_answers_and_who_sent_it_cannot_be_told(self) -> None:
        self.house.store.alerts.postmaster = "postmaster@example.org"
        self.send("fire", escalation(BOB), ticket=None, wants=Wants.NOTHING)
        self.later(5)
        self.later(5)
        (piece,) = self.house.mail.pieces
        self.assertEqual(piece.target.target, "postmaster@example.org")
        self.assertEqual(dict(piece.headers)["subject"], "Nobody has answered: fire")

    def test_once_round_again(self) -> None:
        self.send("fire", escalation(BOB, ANN, BOB))
        for _ in range(4):
            self.later(5)
        self.assertEqual((len(self.texts(ANN)), len(self.texts(BOB))), (2, 2))


class Storms(AlertCase):
    def test_while_one_is_open_others_join_it(self) -> None:
        first = self.send("fire", escalation(BOB), cap(1))
        for number in range(7):
            self.send(f"smoke {number}", escalation(BOB), cap(1))
        self.later(1)
        self.later(4)
        self.assertEqual(self.texts(ANN), ["fire", "7 more: smoke 0"])
        self.assertEqual(self.texts(BOB), ["fire (and 7 more)"])
        self.assertEqual(self.alert(first)["more"], 7)
        self.assertEqual(self.select("select count(*) from alert"), [(1,)])

    def test_after_it_was_answered_the_next_one_asks_again(self) -> None:
        for _ in range(2):
            self.send("fire", escalation(BOB))
            self.answer(ANN, "OK")
        self.assertEqual(self.select("select state from alert"), [(alerts.ANSWERED,)] * 2)

    def test_the_time_runs_from_when_it_leaves(self) -> None:
        self.send("fire", pause(self.house, 3600), escalation(BOB))
        self.later(60)
        self.assertEqual((self.texts(ANN), self.texts(BOB)), (["fire"], []))
        self.later(5)
        self.assertEqual(self.texts(BOB), ["fire"])

    def test_what_left_in_a_digest_escalates_as_it_was(self) -> None:
        self.send("a", digest(10), to=ANN)
        self.send("fire", digest(10), escalation(BOB))
        self.later(10)
        self.assertEqual((self.texts(ANN), self.texts(BOB)), (["2 more: a"], []))
        self.later(5)
        self.assertEqual(self.texts(BOB), ["fire"])


class Troubles(AlertCase):
    def test_a_message_that_failed_does_not_end_it(self) -> None:
        self.house.gsm.answer = lambda piece: Failure(Kind.PERMANENT, "no such number")
        self.send("fire", escalation(BOB))
        self.later(5)
        self.assertEqual([piece.target.target for piece in self.house.gsm.pieces], [ANN, BOB])

    def test_a_number_that_is_none_costs_no_time(self) -> None:
        bad = Escalation(
            "on call", ((Address("sms", "nobody"), DEFAULT_PARAMETERS), (Address("sms", EVE), Parameters())), 300_000, ("OK",)
        )  # fmt: skip
        self.send("fire", bad)
        self.later(5.1)
        self.assertEqual(self.texts(EVE), ["fire"])

    def test_cancelled_by_the_operator_it_asks_nobody_else(self) -> None:
        self.house.outlet("gsm1").closed("pulled out")
        first = self.send("fire", escalation(BOB, EVE))
        self.operate("cancel", first)
        self.later(6)
        self.assertEqual(self.alert(first)["state"], "called off")
        self.assertEqual(len(self.house.rows()), 2)  # and the sender's report

    def test_who_has_not_been_reached_is_called_back(self) -> None:
        first = self.send("fire", escalation(BOB))
        self.house.outlet("gsm1").closed("pulled out")
        self.later(5)
        self.answer(ANN, "OK")
        self.house.outlet("gsm1").opened(1)
        self.house.settle()
        self.assertEqual((self.texts(ANN), self.texts(BOB)), (["fire"], []))
        (asked,) = (row for row in self.house.rows() if row["target"] == f"sms:{BOB}")
        self.assertEqual((asked["state"], asked["reason"]), ("cancelled", f"{ANN} has answered"))
        self.assertEqual(self.alert(first)["state"], "answered")

    def test_a_message_that_a_rule_dropped_asks_nobody(self) -> None:
        given = submission(ANN, "x")
        (one,) = given.recipients
        dropped = replace(one, gather=(escalation(BOB),), dropped="deleted by the rule 'x'")
        self.house.wait(self.house.dispatcher.submit(replace(given, recipients=(dropped,))))
        self.assertEqual(self.select("select * from alert"), [])

    def test_by_mail_it_may_escalate_too(self) -> None:
        mail = Escalation(
            "on call", ((Address("mailto", "boss@example.org"), DEFAULT_PARAMETERS),), 300_000, ("OK",)
        )
        self.send("fire", mail)
        self.later(5)
        (piece,) = self.house.mail.pieces
        self.assertEqual((piece.target.target, piece.content), ("boss@example.org", Text("fire")))

    def test_after_a_kill_between_any_two_steps(self) -> None:
        first = self.send("fire", escalation(BOB, EVE))
        self.crash()
        self.later(5)
        self.assertEqual(self.texts(BOB), ["fire"])
        self.crash()
        self.answer(BOB, "OK")
        self.assertEqual(self.texts(ANN), [TAKEN.format(BOB)])
        self.crash()
        self.later(30)
        self.assertEqual((self.texts(ANN), self.texts(EVE)), ([], []))
        self.assertEqual(self.alert(first)["state"], "answered")

    def test_forgotten_with_the_call_log(self) -> None:
        self.send("fire", escalation(BOB))
        self.answer(ANN, "OK")
        self.house.sweeper.keep_days = 2
        self.later(2 * 24 * 60 + 1)
        self.assertEqual(self.select("select * from alert"), [])
        self.assertEqual(self.select("select * from alert_waiting"), [])
