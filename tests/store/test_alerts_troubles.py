"""Several alerts at once, one of which has not reached its phone yet: an answer is to what somebody has read."""

from __future__ import annotations

from dataclasses import replace

from smsd.values.address import Address
from smsd.values.message import Escalation, Parameters, Priority, Ticket
from tests.house import MODEM
from tests.store.caring import ANN, BOB, EVE, digest, escalation, pause
from tests.store.test_alerts import AlertCase

URGENT = Parameters(priority=Priority.URGENT)
HOUR = 3600


class Unread(AlertCase):
    def asked(self) -> None:
        """ANN has read of a fire."""
        self.send("fire", replace(escalation(BOB), rule="fire"))

    def test_what_is_held_until_the_morning(self) -> None:
        self.asked()
        later = self.send("disk", pause(self.house, 8 * HOUR), escalation(BOB))
        self.answer(ANN, "OK")
        self.assertEqual(self.alert(later)["state"], "open")
        self.later(8 * 60 + 5)
        self.assertEqual((self.texts(ANN), self.texts(BOB)), (["fire", "disk"], ["disk"]))

    def test_what_waits_for_a_digest(self) -> None:
        self.asked()
        later = [self.send(text, digest(10), escalation(BOB)) for text in "ab"]
        self.answer(ANN, "OK")
        self.assertEqual(self.alert(later[0])["state"], "open")
        self.later(10)
        self.assertEqual(self.texts(ANN)[-1], "2 more: a")
        self.answer(ANN, "OK")
        self.assertEqual(self.alert(later[0])["state"], "answered")

    def test_what_waits_for_the_modem(self) -> None:
        self.house.gsm.manual = True
        self.asked()
        later = self.send("disk", escalation(BOB))
        self.house.gsm.release()
        self.house.settle()
        row = self.row(later)
        self.assertEqual(row["state"], "sending")
        self.answer(ANN, "OK")  # the modem has it: it may be there
        self.assertEqual(self.alert(later)["state"], "answered")
        again = self.send("roof", replace(escalation(BOB), rule="roof"))
        self.answer(ANN, "OK")
        self.assertEqual(self.alert(again)["state"], "open")
        self.house.gsm.manual = False
        self.house.gsm.release()
        self.house.settle()

    def test_sent_by_the_operator_it_can_be_answered(self) -> None:
        later = self.send("disk", pause(self.house, 8 * HOUR), escalation(BOB))
        self.operate("retry", later)
        self.answer(ANN, "OK")
        self.assertEqual(self.alert(later)["state"], "answered")


class Joining(AlertCase):
    def test_an_urgent_message_that_joins_one_that_is_held_waits_for_no_morning(self) -> None:
        first = self.send("disk", pause(self.house, 8 * HOUR), escalation(BOB, EVE))
        self.later(60)
        self.send("fire", pause(self.house, 7 * HOUR), escalation(BOB, EVE), parameters=URGENT)
        self.assertEqual(self.texts(ANN), ["fire"])
        self.later(5)
        self.assertEqual(self.texts(BOB), ["disk (and 1 more)"])
        self.answer(ANN, "OK")
        self.assertEqual(self.alert(first)["answered_by"], ANN)
        self.later(20)
        self.assertEqual(self.texts(EVE), [])

    def test_it_hastens_nobody_who_has_been_asked(self) -> None:
        self.send("fire", escalation(BOB, EVE))
        self.later(5)
        self.send("fire", escalation(BOB, EVE, minutes=1))
        self.later(4.8)
        self.assertEqual(self.texts(EVE), [])
        self.later(0.2)
        self.assertEqual(self.texts(EVE), ["fire (and 1 more)"])


class Reloads(AlertCase):
    """While a gateway is made anew there is none."""

    def reload(self, minutes: float) -> None:
        self.house.wait(self.house.queue.remove("gsm1"))
        self.later(minutes)
        pieces = self.house.gsm.pieces
        self.house.gsm = self.house.gateway("gsm1", MODEM)
        self.house.gsm.pieces = pieces
        self.house.outlet("gsm1").opened(1)
        self.house.settle()

    def test_nobody_is_passed_over(self) -> None:
        self.send("fire", escalation(BOB, EVE))
        self.reload(5.2)
        self.assertEqual((self.texts(BOB), self.texts(EVE)), (["fire"], []))
        self.later(5)
        self.assertEqual(self.texts(EVE), ["fire"])

    def test_through_the_gateway_that_it_names(self) -> None:
        self.house.judge.gateways = frozenset({"gsm1"})
        through = Parameters(gateway="gsm1")
        self.send("fire", Escalation("call", ((Address("sms", BOB), through),), 60_000, ("OK",)))
        self.reload(1.2)
        self.assertEqual(self.texts(BOB), ["fire"])

    def test_nobody_waits_for_what_reaches_accounts(self) -> None:
        first = self.send("fire", escalation(), ticket=Ticket(Address("account", "demo")))
        self.later(5.1)
        self.assertEqual(self.alert(first)["state"], "nobody answered")
        self.assertEqual(self.house.states(), ["sent"])

    def test_a_gateway_that_there_is_not_costs_no_time(self) -> None:
        nowhere = (Address("sms", BOB), Parameters(gateway="gsm9"))
        to = (nowhere, (Address("sms", EVE), Parameters()))
        self.send("fire", Escalation("call", to, 60_000, ("OK",)))
        self.later(1.1)
        self.assertEqual((self.texts(BOB), self.texts(EVE)), ([], ["fire"]))
