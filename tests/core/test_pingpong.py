"""A program in a chat and a phone that both answer whatever they get: stopped, and people are not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from smsd.core import pingpong
from smsd.core.arriving import Arrivals
from smsd.interfaces import Abilities
from smsd.values.address import Address
from smsd.values.errors import Reason, Refused
from smsd.values.message import Recipient, Submission, Text
from tests.core.arriving import HOUR, MINUTES, OTHER, PHONE, REPLYING, ArrivingCase

BOT = "xmpp:bot@example.org"
MOST = 3


class Circles(ArrivingCase):
    replying = replace(REPLYING, at_once=MOST)

    def ready(self) -> None:
        self.house.gateway("chat", Abilities(frozenset({"xmpp", "sip"})))
        for gateway in ("gsm1", "gsm2"):
            self.house.inbound.arriving.arrivals[gateway] = Arrivals(BOT, "%s@sms.example.org", "IT")

    def say(self, *phones: str, who: str = BOT, text: str = "You wrote to a machine.") -> Any:
        """Somebody in a chat writes to phones; the receipt, or why not."""
        to = tuple(Recipient(Address("sms", phone), phone) for phone in phones)
        made = Submission("chat", Address.parse(who), to, Text(text))
        try:
            return self.house.wait(self.house.dispatcher.submit(made))
        except Refused as refused:
            return refused

    def rounds(self, most: int, wait: float = 1, **options: Any) -> int:
        """The phone writes and is answered, again and again, until one is refused; how many were sent."""
        for number in range(most):
            self.sms(f"away {number}")
            self.house.advance(wait)
            if isinstance(self.say(options.get("phone", PHONE), who=options.get("who", BOT)), Refused):
                return number
        return most

    def test_two_machines_are_stopped_and_told_why(self) -> None:
        self.assertEqual(self.rounds(10), MOST)
        refused = self.say(PHONE)
        self.assertIs(refused.reason, Reason.LOOP)
        self.assertIn("3 answers to this phone within an hour", refused.text)
        self.house.settle()
        self.assertEqual(len(self.texts("gsm1") + self.texts("gsm2")), MOST)
        self.assertIsNotNone(self.sms("what the phone writes arrives all the same"))

    def test_on_a_sip_phone_too(self) -> None:
        for gateway in ("gsm1", "gsm2"):
            self.house.inbound.arriving.arrivals[gateway] = Arrivals("sip:bot@example.org", "%s", "IT")
        self.assertEqual(self.rounds(10, who="sip:bot@example.org"), MOST)

    def test_a_ticket_system_that_calls_its_answers_generated_too(self) -> None:
        for gateway in ("gsm1", "gsm2"):
            self.house.inbound.arriving.arrivals[gateway] = Arrivals("Tickets@example.org", "%s", "IT")
        self.assertEqual(self.rounds(10, who="mailto:tickets@example.org"), MOST)

    def test_who_takes_his_time_is_not(self) -> None:
        self.assertEqual(self.rounds(20, wait=11), 20)
        self.assertEqual(self.rounds(10), MOST)
        self.house.advance(11)
        self.assertNotIsInstance(self.say(PHONE), Refused)

    def test_many_texts_that_answer_nothing_are_no_circle(self) -> None:
        self.sms("hello")
        for _ in range(20):
            self.assertNotIsInstance(self.say(PHONE), Refused)

    def test_each_pair_by_itself(self) -> None:
        self.assertEqual(self.rounds(10), MOST)
        self.sms("hello", sender=OTHER)
        self.assertNotIsInstance(self.say(OTHER), Refused)
        self.assertNotIsInstance(self.say(PHONE, who="xmpp:ann@example.org"), Refused)

    def test_an_hour_later_anew(self) -> None:
        self.assertEqual(self.rounds(10), MOST)
        self.house.advance(HOUR * MINUTES)
        self.assertEqual(self.rounds(10), MOST)

    def test_however_the_number_is_typed(self) -> None:
        self.assertEqual(self.rounds(10, phone=PHONE[1:]), MOST)

    def test_a_text_to_several_is_no_answer(self) -> None:
        for _ in range(10):
            self.sms("away")
            self.assertNotIsInstance(self.say(PHONE, OTHER), Refused)

    def test_what_nobody_gets_asks_for_no_answer(self) -> None:
        for _ in range(10):
            self.sms(" ")
            self.assertNotIsInstance(self.say(PHONE), Refused)

    def test_an_answer_that_rules_delete_goes_in_no_circle(self) -> None:
        self.assertEqual(self.rounds(10), MOST)
        to = (Recipient(Address("sms", PHONE), PHONE, dropped="deleted"),)
        made = Submission("chat", Address.parse(BOT), to, Text("You wrote to a machine."))
        self.house.wait(self.house.dispatcher.submit(made))
        self.assertEqual([row["state"] for row in self.house.rows()][-1], "cancelled")

    def test_switched_off(self) -> None:
        self.house.inbound.use(REPLYING)
        self.assertEqual(self.rounds(20), 20)

    def test_what_is_known_is_bounded(self) -> None:
        self.patch(pingpong, "MOST_PAIRS", 2)
        self.assertEqual(self.rounds(10), MOST)
        for sender in (OTHER, "+393330000001", "+393330000002"):
            self.sms("hello", sender=sender)
        self.assertEqual(len(self.house.dispatcher.ping_pong._pairs), 2)
