"""The manual page of credit: its configurations are read, its commands are run on a real store, and print what it says."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from smsd.cli import credit as commands
from smsd.cli.main import main
from smsd.codec import tidy
from smsd.config.load import load_text
from smsd.config.positions import ConfigError
from smsd.core import billing
from smsd.core import credit as core_credit
from smsd.core.accounts.directory import Directory
from smsd.core.billing import Billing
from smsd.core.credit import Credit
from smsd.core.pricing import Pricing
from tests.docs.page import PAGES, blocks
from tests.house import House

TEXT = (PAGES / "credit.rst").read_text("utf-8")
BLOCKS = list(blocks(TEXT))
YAML = [block.text for block in BLOCKS if block.language == "yaml"]
SERVER = """
server: {name: sms.example.org, postmaster: postmaster@example.org}
listeners:
  - {id: http, type: http, listen: ["tcp:8080:interface=127.0.0.1"]}
gateways: [{id: gsm1, type: loopback}]
"""
NUMBER = re.compile(r"\d{17,19}")


def read(text: str) -> Any:
    return load_text(SERVER + text, "/etc/smsd/smsd.yaml", {})


class Page(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(lambda: self.house.close())
        self.configuration = read(YAML[0])
        directory = Directory()
        directory.use(
            {"account": self.configuration.accounts, "group": self.configuration.account_groups, "policy": ()}
        )
        self.house.accounts["shop"] = directory.find("shop")
        self.house.planner.tariffs = self.configuration.prices.tariffs()
        self.house.open()
        tariffs = lambda: self.house.planner.tariffs  # noqa: E731
        credit = Credit(
            self.house.store, directory.find, tariffs, lambda name: directory.settings("group", name)
        )
        self.verbs = Billing(credit, Pricing(self.house.planner), tariffs).verbs()
        self.patch(commands, "call", self.call)

    def call(self, _: Any, verb: str, **arguments: Any) -> Any:
        told = self.house.wait(Deferred.fromCoroutine(self.verbs[verb](arguments)))
        return json.loads(json.dumps(told))

    def printed(self, command: str) -> str:
        with contextlib.redirect_stdout(io.StringIO()) as said:
            main(shlex.split(command)[1:])
        return said.getvalue()

    def test_commands_print_what_the_page_says(self) -> None:
        consoles = [block.text for block in BLOCKS if block.language == "console"]
        self.assertEqual(len(consoles), 3)
        for number, console in enumerate(consoles):
            if number == 1:
                self.house.send("+393471234567", "x" * 200, account="shop")
                self.house.settle()
            for part in re.split(r"^\$ ", console, flags=re.M)[1:]:
                command, _, shown = part.partition("\n")
                self.assertEqual(
                    NUMBER.sub("N", self.printed(command)),
                    NUMBER.sub("N", shown.rstrip("\n") + "\n"),
                    command,
                )

    def test_a_statement_for_people_and_one_for_programs(self) -> None:
        self.assertEqual(
            self.printed("smsd credit show"), "nobody has any credit: smsd credit top-up gives some\n"
        )
        self.assertEqual(self.printed("smsd credit statement shop"), "there is nothing in this time\n")
        self.printed("smsd credit top-up shop 1 --reference '=HYPERLINK(1)' --note '+cmd'")
        self.house.send("+393471234567", account="shop")
        self.house.settle()
        lines = self.printed("smsd credit statement shop").splitlines()
        self.assertEqual(len(lines), 4)
        self.assertIn("charged part 1", lines[3])
        self.assertIn("+393471234567", lines[3])
        self.assertEqual(len(json.loads(self.printed("smsd credit statement shop --json"))), 3)
        self.assertIn(",'=HYPERLINK(1),'+cmd", self.printed("smsd credit statement shop --csv"))
        self.assertEqual(
            self.printed("smsd credit statement shop --until 2026-01-01"), "there is nothing in this time\n"
        )

    def test_a_long_statement_is_fetched_in_pieces(self) -> None:
        self.patch(core_credit, "MOST", 2)
        self.patch(billing, "MOST", 2)
        for n in range(5):
            self.printed(f"smsd credit top-up shop 1 --reference {n}")
        rows = self.printed("smsd credit statement shop --csv").splitlines()[1:]
        self.assertEqual([row.split(",")[5] for row in rows], ["1.00", "2.00", "3.00", "4.00", "5.00"])

    def test_the_prices_of_its_configuration(self) -> None:
        tariffs = self.configuration.prices.tariffs()
        prices = [tariffs.common.price(n) for n in ("+39347", "+378333", "+378054912", "+49170")]
        self.assertEqual([one.amount for one in prices], [450, 900, 600, 1200])
        self.assertEqual(tariffs.of(self.house.accounts["shop"]).price("+49170"), None)
        self.assertEqual(tariffs.groups["sales"].price("+39347").amount, 310)

    def test_members_of_a_group_that_pays(self) -> None:
        member = "accounts:\n  - {user: eve, demo: yes, password: evepw, group: sales}\n"
        found = read(
            YAML[0].partition("accounts:\n")[0] + member + "account_groups: [{id: sales, prepaid: yes}]"
        )
        directory = Directory()
        directory.use({"account": found.accounts, "group": found.account_groups, "policy": ()})
        eve = directory.find("eve")
        assert eve is not None
        self.assertEqual((eve.prepaid, eve.payer), (True, "group:sales"))
        self.assertEqual(found.prices.tariffs().of(eve).price("+39347").amount, 310)

    def test_the_policy_for_texts(self) -> None:
        (account,) = read(YAML[1]).accounts
        self.assertEqual((account.text, account.max_parts_refuse), ("tidy", 4))

    def test_the_table(self) -> None:
        table = TEXT[TEXT.index("these                ") :]
        for char in re.findall(r"[^\x00-\x7f]", table[: table.index("What was done")]):
            self.assertIsNot(tidy.plain(char), None, char)
        for char, plain in zip("áêşžőç", "aeszoc", strict=True):
            self.assertEqual(tidy.plain(char), plain)


class Sample(SynchronousTestCase):
    def test_the_commented_prices_are_read(self) -> None:
        sample = (PAGES.parent / "etc" / "smsd.yaml").read_text("utf-8")
        section = sample[sample.index("\nprices:") :].partition("\n\n")[0]
        self.assertEqual(read(section).prices.tariffs().common.price("+39347"), None)
        section = (
            section.replace(": []", ":")
            .replace("\n  # ", "\n    ")
            .replace("    default: 0.12", "  default: 0.12")
        )
        tariffs = read(section).prices.tariffs()
        self.assertEqual(
            [tariffs.common.price(n).amount for n in ("+39047", "+39347", "+1555")], [450, 500, 1200]
        )
        self.assertEqual(tariffs.accounts["shop"].price("+39347").amount, 310)


class Mistakes(SynchronousTestCase):
    def wrong(self, prices: str) -> str:
        with self.assertRaises(ConfigError) as caught:
            read(f"prices: {prices}\n")
        return str(caught.exception)

    def test_each_is_told_with_its_place(self) -> None:
        for prices, words in (
            ('{list: [{prefix: "39", price: 1}]}', "how the numbers begin: +39"),
            ('{list: [{prefix: "+39", price: -1}]}', "is no amount"),
            ('{list: [{prefix: "+39", price: 1.23456}]}', "is no amount"),
            ('{list: [{prefix: "+39", price: 1}, {prefix: "+39", price: 2}]}', "+39 has two prices"),
            ("{default: free}", "is no amount"),
            ("{charge_when: never}", "charge_when"),
            ("{lists: [{name: a, accounts: [x]}, {name: b, accounts: [x]}]}", "x stands in two price lists"),
            ("{curency: EUR}", "did you mean currency"),
            ("[1]", "prices"),
        ):
            told = self.wrong(prices)
            self.assertIn(words, told)
            self.assertIn("smsd.yaml:6", told)

    def test_without_prices(self) -> None:
        self.assertEqual(read("").prices.tariffs().common.price("+39347"), None)
