"""Accounts, account groups and policies in a configuration: what loads, mistakes with their places, the annotated sample."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smsd.config.load import load_text
from smsd.config.positions import ConfigError
from smsd.config.settings import Configuration
from smsd.core.accounts import Directory, hash_password
from smsd.core.arriving.deciding import DOOR as ANSWERS
from smsd.core.drafting import LATER
from smsd.core.protecting import DOOR as PROTECTION

ROOT = Path(__file__).resolve().parents[2]
HASH = hash_password("annpw")
BEFORE = f"""\
server: {{postmaster: root@example.org}}
gateways: [{{id: gsm1, type: loopback}}]
groups: [{{id: out, share: [gsm1]}}]
accounts:
  - {{user: Ann@example.org, password: '{HASH}', group: sales, senders: [ACME, "+39*"]}}
  - {{user: bob, password: '{HASH}'}}
account_groups:
  - {{id: sales, gateway: out, monthly_limit: 10}}
"""


class Accounts(SynchronousTestCase):
    def load(self, text: str = "") -> Configuration:
        return load_text(BEFORE + text, "/etc/smsd/smsd.yaml", {})

    def problems(self, text: str = "", old: str = "", new: str = "") -> list[str]:
        whole = (BEFORE + text).replace(old, new) if old else BEFORE + text
        error = self.assertRaises(ConfigError, load_text, whole, "/etc/smsd/smsd.yaml", {})
        return [str(problem).removeprefix("/etc/smsd/smsd.yaml:") for problem in error.problems]

    def directory(self, configuration: Configuration) -> Directory:
        found = Directory()
        found.use(
            {
                "account": configuration.accounts,
                "group": configuration.account_groups,
                "policy": configuration.policies,
            }
        )
        return found

    def test_all_of_it(self) -> None:
        found = self.directory(
            self.load(
                'policies:\n  - {who: "*", access: no}\n  - {who: example.net, access: yes, group: sales}\n'
            )
        )
        ann, joe = found.find("Ann@example.org"), found.find("joe@example.net")
        assert ann is not None
        assert joe is not None
        self.assertEqual((ann.gateway, ann.group_limit, ann.senders), ("out", 10, ("ACME", "+39*")))
        self.assertEqual((joe.gateway, joe.group_limit), ("out", 10))

    def test_mistakes(self) -> None:
        for text, old, new, expected in (
            (
                "",
                "group: sales",
                "group: none",
                "5:147: accounts[0].group: there is no account group 'none'; allowed: sales",
            ),
            (
                "",
                "gateway: out",
                "gateway: g2",
                "8:25: account_groups[0].gateway: there is no gateway 'g2'; allowed: gsm1, out",
            ),
            (
                "",
                "senders: [ACME",
                "senders: [A*E",
                "accounts[0].senders: 'A*E' is no sender: write +393331234567",
            ),
            (
                "  - {id: sales}\n",
                "",
                "",
                "9:10: account_groups[1].id: 'sales' is used twice (first in line 8)",
            ),
            (
                "policies:\n  - {who: example.org, group: x}\n",
                "",
                "",
                "10:32: policies[0].group: there is no account group 'x'",
            ),
            (
                "policies:\n  - {who: example.org, gateway: x}\n",
                "",
                "",
                "there is no gateway 'x'; allowed: gsm1, out",
            ),
            (
                "policies:\n  - {who: ann@example.org}\n",
                "",
                "",
                "10:11: policies[0].who: 'ann@example.org' is also an account (line 5)",
            ),
            (
                "policies:\n  - {who: a.org}\n  - {who: A.org}\n",
                "",
                "",
                "policies[1].who: 'a.org' is used twice (first in line 10)",
            ),
            (
                "policies:\n  - {who: no domain}\n",
                "",
                "",
                "write a user's address (ann@example.org), a domain",
            ),
            (
                "policies:\n  - {who: a.org, password: x}\n",
                "",
                "",
                "password belongs to one user, and a.org is not one",
            ),
            ("policies:\n  - {access: yes}\n", "", "", "policies[0].who: missing"),
            ("policies: {}\n", "", "", "policies: this must be a list"),
        ):
            with self.subTest(text=text, new=new):
                problems = self.problems(text, old, new)
                self.assertEqual(len(problems), 1, problems)
                self.assertIn(
                    re.sub(r":\d+: ", ": ", expected, count=1), re.sub(r":\d+: ", ": ", problems[0], count=1)
                )

    def test_timed_rules_may_name_those_of_the_store(self) -> None:
        found = self.load(
            "timed:\n  - {title: news, to: '+15551234567', text: x, at: 08:00, account: kept}\n"
        )
        told = "timed rule 'news': account 'kept' is not in this file: it counts only if the store has it"
        self.assertIn(told, found.warnings)

    def test_no_listener_is_called_like_what_is_asked_less(self) -> None:
        """Messages of these doors may have any sender, and need no price: they were accepted before."""
        for name in (*LATER, PROTECTION, ANSWERS):
            problems = self.problems(f"listeners: [{{id: {name}, type: http, listen: ['tcp:8080']}}]\n")
            self.assertIn(f"{name!r} is a name of smsd's own; choose another", problems[0])
        load_text(
            BEFORE.replace("id: out", "id: alert").replace("gateway: out", "gateway: alert"), "/x.yaml", {}
        )

    def test_price_lists_of_nobody_here(self) -> None:
        policies = 'policies: [{who: "*", access: yes}]\n'
        lists = "lists: [{name: own, accounts: [bob, shop, joe@example.net], groups: [sales, sale]}]"
        told = "price list own: {} is not in this file: it counts only if the store has it"
        found = self.load(f"{policies}prices: {{default: 0.1, {lists}}}\n")
        for who, there in (("account 'shop'", True), ("account group 'sale'", True), ("account 'bob'", False),
                           ("account 'joe@example.net'", False), ("account group 'sales'", False)):  # fmt: skip
            self.assertIs(told.format(who) in found.warnings, there, who)

    def test_prepaid_without_prices(self) -> None:
        told = "prices: nothing has a price, so nobody who is prepaid can send"
        prepaid = "policies: [{who: example.net, access: yes, prepaid: yes}]\n"
        self.assertIn(told, self.load(prepaid).warnings)
        for text in (
            "",
            prepaid + "prices: {default: 0}\n",
            prepaid + "prices: {list: [{prefix: +39, price: 0.1}]}\n",
        ):
            self.assertNotIn(told, self.load(text).warnings, text)

    def test_one_mistake_is_reported_once(self) -> None:
        problems = self.problems("", "monthly_limit: 10}", "monthly_limit: x}")
        self.assertEqual(len(problems), 1, problems)

    def test_the_annotated_sample(self) -> None:
        text = (ROOT / "etc" / "smsd.yaml").read_text("utf-8")
        account = re.search(r"(?m)^accounts:\n(?:  .*\n)+", text)
        assert account is not None
        blocks = [
            re.sub(r"(?m)^(  )  # (group|senders)", r"\1  \2", account[0]).replace(
                "networks: []", "networks: [127.0.0.1]"
            )
        ]
        for name in ("account_groups", "policies"):
            commented = re.search(rf"(?m)^# {name}:\n(?:#   .*\n)+", text)
            assert commented is not None, name
            blocks.append(re.sub("(?m)^# ", "", commented[0]).replace("$argon2id$…", HASH))
        found = self.directory(
            load_text("gateways: [{id: gsm1, type: loopback}]\n" + "".join(blocks), "/etc/smsd/smsd.yaml", {})
        )
        ann, joe, demo = (found.find(name) for name in ("ann@example.org", "joe@example.org", "demo"))
        assert ann is not None
        assert joe is not None
        assert demo is not None
        self.assertEqual((ann.monthly_limit, ann.group_limit, ann.phone), (50, 1000, "+420776047467"))
        self.assertEqual((joe.senders, demo.group, demo.gateway), ((), "sales", "gsm1"))
        self.assertIsNone(found.get("joe@example.com"))
