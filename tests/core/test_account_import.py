"""Accounts of another gateway: all that is new in one transaction, with its counters in the right months; twice is once."""

from __future__ import annotations

import calendar
from typing import Any

from twisted.internet.defer import Deferred

from smsd.core.accounts.importing import Importer
from smsd.store import accounts as rows
from tests.core.test_account_book import HASH, BookCase
from tests.house import START


def entry(
    name: str, kind: str = "account", sent: tuple[int, int, int] = (0, 0, 0), **settings: Any
) -> dict[str, Any]:
    if kind == "account":
        settings = {"password": HASH, **settings}
    return {
        "kind": kind, "name": name, "settings": settings, "sent": sent[0], "sent_before": sent[1], "last_sent": sent[2],
    }  # fmt: skip


def moment(year: int, month: int, day: int) -> int:
    return calendar.timegm((year, month, day, 12, 0, 0)) * 1000


class ImportCase(BookCase):
    def begin(self) -> None:
        super().begin()
        self.importer = Importer(self.book, self.house.planner.period, self.house.store.now)
        self.control.add(self.importer.verbs())

    def bring(self, *entries: Any, dry: bool = False) -> Any:
        return self.call("account_import", entries=list(entries), dry=dry)

    def states(self, told: Any) -> list[str]:
        return [one["state"] for one in told["entries"]]

    def sent(self, name: str) -> tuple[int, int, int | None]:
        told = self.call("account", name=name)
        return told["sent_this_month"], told["sent_last_month"], told["last_sent"]


class Bringing(ImportCase):
    def test_it_is_shown_and_then_done(self) -> None:
        entries = [
            entry("ann", gateway="gsm1", monthly_limit=500, sent=(3, 40, int(START * 1000))),
            entry("sales.example", "policy", monthly_limit=9),
        ]
        told = self.bring(*entries, dry=True)
        self.assertEqual((self.states(told), told["done"]), (["new", "new"], False))
        self.assertEqual(told["gateways"], ["gsm1", "gsm2"])
        self.assertEqual(self.rows(), {})
        self.assertIsNone(self.directory.get("ann"))

        told = self.bring(*entries)
        self.assertEqual((self.states(told), told["done"]), (["new", "new"], True))
        found = self.directory.find("ann")
        assert found is not None
        self.assertEqual((found.gateway, found.monthly_limit), ("gsm1", 500))
        self.assertEqual(self.sent("ann"), (3, 40, int(START * 1000)))
        self.assertEqual(self.rows()["policy"], {"sales.example": {"monthly_limit": 9}})

    def test_twice_changes_nothing(self) -> None:
        entries = [
            entry("ann", gateway="gsm1", description="", sent=(3, 40, 0)),
            entry("x.example", "policy", gateway="gsm2"),
        ]
        self.bring(*entries)
        self.call("account_reset", name="ann", sent=7)
        before = self.rows()
        told = self.bring(*entries)
        self.assertEqual((self.states(told), told["done"]), (["there", "there"], False))
        self.assertEqual([one["differs"] for one in told["entries"]], [[], []])
        self.assertEqual(self.rows(), before)
        self.assertEqual(self.sent("ann")[0], 7)

    def test_what_is_there_stays_and_what_differs_is_told(self) -> None:
        self.add("ann", gateway="gsm1", senders="ACME, +393331234567")
        told = self.bring(
            entry("ann", gateway="gsm2", senders=["+393331234567", "ACME"], description="other"),
            entry("john", gateway="gsm1"),
            entry("bob"),
        )
        self.assertEqual(self.states(told), ["there", "there", "new"])
        self.assertEqual(
            [one.get("differs") for one in told["entries"]], [["gateway", "description"], [], None]
        )
        self.assertEqual([one.get("source") for one in told["entries"]], ["store", "configuration", None])
        self.assertEqual(self.rows()["account"]["ann"]["gateway"], "gsm1")
        self.assertIn("bob", self.rows()["account"])

    def test_one_that_is_broken_and_nothing_is_done(self) -> None:
        told = self.bring(
            entry("ann"), entry("a b"), entry("bob", gateway="gsm9"), entry("eve", password="clear"),
            entry("carol", expires="soon"), entry("Dan@x.example"), entry("dan@x.example", "policy"),
        )  # fmt: skip
        self.assertFalse(told["done"])
        self.assertEqual(self.states(told), ["new", *["broken"] * 5, "new"])
        self.assertIn("no gateway 'gsm9'", told["entries"][2]["wrong"])
        self.assertIn("argon2id", told["entries"][3]["wrong"])
        self.assertNotIn("clear", told["entries"][3]["wrong"])
        self.assertIn("a name has one meaning", told["entries"][5]["wrong"])
        self.assertEqual(self.rows(), {})

    def test_a_policy_for_an_account_written_with_capitals(self) -> None:
        self.bring(entry("Dan@x.example"))
        self.assertIn("Dan@x.example", self.bring(entry("dan@x.example", "policy"))["entries"][0]["wrong"])
        self.assertEqual(self.directory.clashes(), [])

    def test_the_store_refuses_and_nothing_is_there(self) -> None:
        real = self.house.store.change_accounts
        # Somebody else's account between the check and the commit: as a second server would write it.
        other = rows.Change("account", "bob", '{"networks":["192.0.2.1/32"]}', 1, True)
        self.patch(
            self.house.store, "change_accounts", lambda item: real((other,)).addCallback(lambda _: real(item))
        )
        self.assertIn(
            "already", self.refused("account_import", entries=[entry("ann", sent=(1, 1, 1)), entry("bob")])
        )
        self.assertEqual(list(self.rows()["account"]), ["bob"])
        self.assertIsNone(self.directory.get("ann"))
        self.patch(self.house.store, "change_accounts", real)
        self.bring(entry("ann"))
        self.assertEqual(self.sent("ann"), (0, 0, None))

    def test_arguments(self) -> None:
        for entries in (
            None, [], {}, ["x"], [{"kind": "x", "name": "a"}], [{"kind": "account", "name": ""}], [entry("ann", sent=(-1, 0, 0))],
            [{**entry("ann"), "sent": True}], [{**entry("ann"), "settings": [1]}], [entry("ann"), entry("ann")],
            [entry("A.example", "policy"), entry("a.example", "policy")], [entry("a\0")], [entry("a", description="\ud800")],
            [entry("ann")] * 20_001,
        ):  # fmt: skip
            self.refused("account_import", entries=entries)
        self.assertEqual(self.rows(), {})

    def test_many(self) -> None:
        """Ten thousand are one transaction, and the directory knows them."""
        entries = [entry(f"user{number}", sent=(number, 0, 0)) for number in range(1, 10_001)]
        told = self.house.wait(Deferred.fromCoroutine(self.importer.bring({"entries": entries})))
        self.assertTrue(told["done"])
        self.assertEqual(len(self.rows()["account"]), 10_000)
        self.assertEqual(self.sent("user10000")[0], 10_000)
        self.assertIsNotNone(self.directory.find("user77"))


class Months(ImportCase):
    """START is the 15th of January 2027."""

    def brought(self, *sent: int) -> tuple[int, int, int | None]:
        self.bring(entry("ann", sent=sent))  # type: ignore[arg-type]
        found = self.sent("ann")
        self.call("account_remove", name="ann")
        return found

    def test_this_month(self) -> None:
        last = moment(2027, 1, 3)
        self.assertEqual(self.brought(3, 40, last), (3, 40, last))

    def test_the_last_message_was_last_month(self) -> None:
        last = moment(2026, 12, 31)
        self.assertEqual(self.brought(3, 40, last), (0, 3, last))

    def test_long_ago(self) -> None:
        last = moment(2009, 2, 2)
        self.assertEqual(self.brought(3, 40, last), (0, 0, last))

    def test_nothing_this_month(self) -> None:
        last = moment(2026, 12, 31)
        self.assertEqual(self.brought(0, 40, last), (0, 40, last))

    def test_nobody_knows_when(self) -> None:
        self.assertEqual(self.brought(3, 40, 0), (3, 40, None))

    def test_a_clock_that_was_ahead(self) -> None:
        last = moment(2027, 3, 1)
        self.assertEqual(self.brought(3, 40, last), (3, 40, last))
