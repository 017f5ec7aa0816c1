"""Reports from doors: whichever gateway they are for, running or not; and reports to people whose gateway is away."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from smsd.core.reports import Space
from smsd.interfaces import Abilities, IReports
from smsd.values.delivery import Accepted, NetworkReport
from smsd.values.message import Wants
from tests.house import RELAY, House

PROVIDER = Abilities(frozenset({"sms"}), reports=True)
NUMBER = "+393331234567"
WANTED = Wants.SUCCESS | Wants.FAILURE


@dataclass(frozen=True)
class Settings:
    """Of a gateway, as far as reports look at them."""

    id: str
    report_account: str | None = None
    report_ids: str = "any"
    country: str | None = None


class ReportsCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(lambda: self.house.close())
        self.house.open()
        self.house.outlet("gsm1").closed("not today")
        self.reports = self.house.queue.reports
        self.one = self.house.gateway("one", PROVIDER)
        self.one.answer = lambda piece: Accepted("00A1-b2")
        self.house.outlet("one").opened(4)

    def send(self, wants: Wants = WANTED, text: str = "hello") -> int:
        delivery: int = self.house.send(NUMBER, text, wants=wants).recipients[0].delivery
        self.house.settle()
        return delivery

    def report(
        self, gateway: str, reference: str = "00A1-b2", status: str = "delivered", number: str = ""
    ) -> bool:
        known: bool = self.house.wait(
            self.reports.reported(gateway, NetworkReport(reference, number, status))
        )
        self.house.settle()
        return known

    def state(self) -> str:
        state: str = self.house.rows(target=NUMBER)[-1]["state"]
        return state


class Doors(ReportsCase):
    def test_interface(self) -> None:
        verifyObject(IReports, self.reports)

    def test_while_the_gateway_is_gone(self) -> None:
        self.send()
        self.house.wait(self.house.queue.remove("one"))
        self.assertTrue(self.report("one"))
        self.assertEqual(self.state(), "delivered")
        self.assertEqual([p.content.event for p in self.house.mail.pieces], ["delivered"])

    def test_for_another_gateway_of_the_same_account(self) -> None:
        self.reports.use([Settings("one", "acme"), Settings("two", "acme"), Settings("three")], "IT", 24)
        self.send()
        self.assertFalse(self.report("three"))
        self.assertTrue(self.report("two"))
        self.assertEqual(self.state(), "delivered")

    def test_numbers_as_the_country_spells_them(self) -> None:
        self.reports.use([Settings("one")], "IT", 24)
        self.assertEqual(self.reports.space("one"), Space("one", "IT"))
        self.one.answer = lambda piece: Accepted("12")
        self.send()
        self.assertTrue(self.report("one", "12", number="333 123 4567"))

    def test_one_that_is_for_nobody_waits_as_long_as_it_is_said(self) -> None:
        self.reports.use([Settings("one")], "IT", 2)
        self.one.manual = True
        for hours, state in ((1, "delivered"), (3, "sent")):
            self.one.answer = None
            self.send(text=f"{hours}")
            self.assertFalse(self.report("one", f"late-{hours}"))
            self.house.clock.advance(hours * 3600)
            self.one.release(Accepted(f"late-{hours}"))
            self.house.settle()
            self.assertEqual(self.state(), state)

    def test_nothing_is_named(self) -> None:
        self.assertFalse(self.report("one", " "))
        self.assertFalse(self.report("one", "\0\ud83d" * 1000, number="x" * 1000))


class Telling(ReportsCase):
    def test_what_is_to_be_told_waits_for_a_gateway_that_is_made_anew(self) -> None:
        self.house.dispatcher.schemes = frozenset({"sms", "mailto"})
        self.send()
        self.house.wait(self.house.queue.remove("mail"))
        self.report("one")
        self.assertEqual(self.house.states(), ["delivered", "ready"])
        again = self.house.gateway("mail", RELAY)
        self.house.outlet("mail").opened(1)
        self.house.settle()
        self.assertEqual([piece.content.event for piece in again.pieces], ["delivered"])

    def test_where_no_gateway_carries_it_nobody_is_told(self) -> None:
        self.send()
        self.house.wait(self.house.queue.remove("mail"))
        self.report("one")
        self.assertEqual(self.house.states(), ["delivered"])
