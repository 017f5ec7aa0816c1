"""Prepaid accounts: what a message would cost, what is left, and what is not covered."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from smsd.policy.charge import Price, PriceList, Tariffs
from smsd.values import money
from tests.frontends.http.api.case import PHONE, ApiCase

ITALY = "+393331234567"


class Prepaid(ApiCase):
    def setUp(self) -> None:
        super().setUp()
        self.house.planner.tariffs = Tariffs(
            PriceList({"39": Price(450, "Italy"), "1": Price(1000)}), currency="EUR"
        )
        self.house.wait(Deferred.fromCoroutine(self.credit.top_up("buyer", money.read("0.30"), "first")))

    def test_price(self) -> None:
        said = self.ask(
            "POST", "/price", {"to": [ITALY, PHONE, "+441234567890"], "text": "x" * 200}, user="buyer"
        ).json()
        italy, america, nowhere = said["recipients"]
        self.assertEqual((italy["price"], italy["destination"], italy["parts"]), ("0.09", "Italy", 2))
        self.assertEqual(america["price"], "0.20")
        self.assertEqual((nowhere["price"], nowhere["parts"]), (None, 0))
        self.assertIn("price", nowhere["problem"]["detail"])
        self.assertEqual((said["price"], said["currency"], said["parts"]), ("0.29", "EUR", 4))

    def test_balance_and_what_it_does_not_cover(self) -> None:
        self.assertEqual(self.get("/account", user="buyer")["balance"], "0.30 EUR")
        self.send("x", to=[PHONE, PHONE[:-1] + "8"], user="buyer")
        self.assertEqual(self.get("/account", user="buyer")["balance"], "0.10 EUR")
        reply = self.ask("POST", "/messages", {"to": PHONE, "text": "x" * 200}, user="buyer")
        self.problem(reply, 402, "no-credit")
        many = self.ask(
            "POST", "/messages", [{"to": PHONE, "text": "a"}, {"to": PHONE, "text": "b"}], user="buyer"
        ).json()
        self.assertEqual([one["status"] for one in many["messages"]], [201, 402])
        self.assertEqual(self.get("/account", user="buyer")["balance"], "0.00 EUR")
        self.assertEqual(len(self.house.rows(account="buyer")), 3)
