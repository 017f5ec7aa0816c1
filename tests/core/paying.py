"""A house with a prepaid account, prices, and books that are looked at after every test."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from smsd.core.accounts.settings import AccountGroupSettings
from smsd.core.credit import Credit
from smsd.policy.charge import Price, PriceList, Tariffs
from smsd.store import credit, operating
from smsd.values import money
from smsd.values.account import Account
from smsd.values.delivery import NetworkReport
from smsd.values.errors import InvalidValue
from tests.house import House, submission

ITALY, AMERICA, NOWHERE = "+393330000001", "+15550000001", "+8835100000001"
TARIFFS = Tariffs(
    PriceList({"39": Price(450, "Italy"), "1": Price(100), "15559": Price(5000, "dear")}), currency="EUR"
)
LONG = "x" * 400
"""Three SMS."""


def books(house: Any) -> list[str]:
    """What is wrong with them."""
    wrong: list[str] = house.wait(house.store.ask(credit.wrong))
    return wrong


class PayingCase(SynchronousTestCase):
    funds = "1.00"

    def setUp(self) -> None:
        self.live(House())
        self.addCleanup(self.end)
        if self.funds:
            self.top_up(self.funds)

    def live(self, house: House) -> None:
        """Furnish a house, new or after a crash."""
        self.house = house
        house.planner.tariffs = TARIFFS
        house.accounts["shop"] = Account("shop", prepaid=True)
        house.accounts["free"] = Account("free")
        groups = {"sales": AccountGroupSettings(id="sales", prepaid=True)}
        self.credit = Credit(house.store, house.accounts.get, lambda: house.planner.tariffs, groups.get)
        house.open()
        house.sweeper.start()
        house.settle()

    def end(self) -> None:
        self.house.settle()
        try:
            self.assertEqual(books(self.house), [])
        finally:
            self.house.close()

    def become(self, name: str, **changes: Any) -> None:
        self.house.accounts[name] = replace(self.house.accounts[name], **changes)

    def late(self) -> None:
        """Messages are paid when they are delivered."""
        self.house.planner.tariffs = replace(TARIFFS, late=True)

    def top_up(self, amount: str, name: str = "shop", reference: str = "") -> Any:
        read = -money.read(amount[1:]) if amount.startswith("-") else money.read(amount)
        self.topped = getattr(self, "topped", 0) + 1
        return self.done(self.credit.top_up(name, read, reference or f"payment {self.topped}"))

    def done(self, coroutine: Any) -> Any:
        """What it gives."""
        return self.house.wait(Deferred.fromCoroutine(coroutine))

    def send(self, number: str = ITALY, text: str = "hello", account: str = "shop", **options: Any) -> int:
        """The (first) delivery of a message of the shop."""
        receipt = self.house.wait(
            self.house.dispatcher.submit(submission(number, text, account=account, **options))
        )
        self.house.settle()
        entry = receipt.recipients[0]
        if hasattr(entry, "refusal"):
            raise entry.refusal
        delivery: int = entry.delivery
        return delivery

    def has(self, payer: str = "shop") -> tuple[str, str]:
        """What may be spent, what is reserved."""
        self.house.settle()
        found = self.house.wait(self.house.store.ask(credit.balance, payer))
        return money.shown(found.available), money.shown(found.reserved)

    def lines(self, payer: str = "shop") -> list[tuple[str, str, int]]:
        """Kind, amount that changed hands, part; without top-ups."""
        self.house.settle()
        return [
            (line["kind"], money.shown(abs(line["amount"] or line["reserved"])), line["seq"])
            for line in self.house.wait(self.house.store.ask(credit.statement, payer))
            if line["delivery"]
        ]

    def state(self, delivery: int) -> str:
        state: str = self.house.wait(self.house.store.ask(operating.explain, delivery))["state"]
        return state

    def verb(self, verb: str, delivery: int) -> str:
        """Retry or cancel; why it cannot be done."""
        now = self.house.store.now()
        try:
            lanes = self.house.wait(
                self.house.store.control(operating.Verb(verb, delivery, now, now + 3_600_000))
            )
        except InvalidValue as error:
            return str(error)
        for lane in lanes:
            self.house.queue.wake(lane, now)
        self.house.settle()
        return ""

    def report(self, reference: str, status: str, number: str = ITALY) -> None:
        self.house.wait(self.house.outlet("gsm1").reported(NetworkReport(reference, number, status)))
        self.house.settle()
