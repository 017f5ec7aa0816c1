"""What `smsd account` asks of the server and shows; where passwords come from."""

from __future__ import annotations

import getpass
import io
import json
import os
import sys
import time
from typing import Any

from smsd.core.digests import read_secret
from smsd.core.passwords import matches
from tests.cli.test_cli import Command

SENT = 1_800_000_000_000  # the 15th of January 2027, 08:00 UTC
ANN: dict[str, Any] = {
    "name": "ann", "kind": "account", "source": "store", "password": "set", "active": True, "description": "",
    "gateway": "gsm1", "expires": None, "monthly_limit": 500, "phone": None, "email": "ann@example.org", "country": None,
    "networks": [], "group": "sales", "senders": ["+420776047467", "ACME"], "text": "as_is", "prepaid": False, "closed": "",
    "sent_this_month": 3, "sent_last_month": 40, "last_sent": SENT, "group_sent_this_month": 7,
}  # fmt: skip


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class AccountCommand(Command):
    def setUp(self) -> None:
        super().setUp()
        before = os.environ.get("TZ")
        os.environ["TZ"] = "UTC"
        time.tzset()
        self.addCleanup(time.tzset)
        self.addCleanup(os.environ.update if before else os.environ.pop, {"TZ": before} if before else "TZ")

    def asked(self, *words: str, result: Any = ANN) -> dict[str, Any]:
        """What the server is asked."""
        code, question = self.ask("account", *words, result=result)
        self.assertEqual(code, 0, self.err.getvalue())
        return {"verb": question["verb"], **question["args"]}

    def refused(self, *words: str) -> str:
        self.assertEqual(self.run_command("account", *words), 1)
        return self.err.getvalue()


class Looking(AccountCommand):
    def test_a_list_that_ends_too_early_says_so(self) -> None:
        rows = [{**ANN, "name": name} for name in ("ann", "bob smith")]
        self.asked("list", "--limit", "2", result=rows)
        self.assertIn("perhaps there are more: smsd account list --after 'bob smith'\n", self.err.getvalue())
        self.asked("list", "--group", "--limit", "2", result=rows)
        self.assertIn("smsd account list --group --after 'bob smith'\n", self.err.getvalue())
        before = self.err.getvalue()
        self.asked("list", "--limit", "3", result=rows)
        self.assertEqual(self.err.getvalue(), before)

    def test_list(self) -> None:
        rows = [ANN, {**ANN, "name": "bob\x1b", "active": False, "gateway": None, "monthly_limit": 0, "last_sent": None,
                      "source": "configuration"}]  # fmt: skip
        question = self.asked("list", result=rows)
        self.assertEqual(question, {"verb": "accounts", "kind": "account", "after": "", "limit": 1000})
        self.assertEqual(
            self.out.getvalue().splitlines(),
            [
                "NAME     ACTIVE  GATEWAY  EXPIRES  LIMIT  THIS MONTH  LAST MONTH  LAST SENT            IN",
                "ann      yes     gsm1     -        500    3           40          2027-01-15 08:00:00  store",
                "bob\\x1b  no      -        -        -      3           40          -                    configuration",
            ],
        )

    def test_none(self) -> None:
        self.assertEqual(self.asked("list", "--group", result=[])["kind"], "group")
        self.assertEqual(self.out.getvalue(), "there is no group\n")

    def test_who_has_registered_with_it(self) -> None:
        linked = [
            {"gateway": "chat", "address": "ann\x1b@home.example", "until": None},
            {"gateway": "sip", "address": "sip:ann@192.0.2.7", "until": SENT},
        ]
        self.asked("show", "ann", result={**ANN, "linked": linked})
        lines = [line.split("  ", 1) for line in self.out.getvalue().splitlines()[-2:]]
        self.assertEqual(
            [(name, value.strip()) for name, value in lines],
            [
                ("linked by chat", "ann\\x1b@home.example"),
                ("linked by sip", "sip:ann@192.0.2.7, until 2027-01-15 08:00:00"),
            ],
        )
        question = self.asked("unlink", "ann", "ann@home.example", result={"gateways": ["chat"]})
        self.assertEqual(question, {"verb": "account_unlink", "name": "ann", "address": "ann@home.example"})
        self.assertIn("ann@home.example: not linked to ann any more (chat)\n", self.out.getvalue())

    def test_policies(self) -> None:
        rows = [
            {
                "name": "example.org",
                "kind": "policy",
                "source": "store",
                "access": True,
                "gateway": None,
                "group": "sales",
            }
        ]
        self.asked("list", "--policy", result=rows)
        self.assertIn("example.org  yes     -        sales  store", self.out.getvalue())

    def test_settings_that_are_broken(self) -> None:
        broken = {
            "name": "ann",
            "source": "store",
            "closed": "broken",
            "sent_this_month": 0,
            "sent_last_month": 0,
            "last_sent": None,
        }
        self.asked("list", result=[broken])
        self.assertIn("ann   broken", self.out.getvalue())

    def test_show(self) -> None:
        self.assertEqual(self.asked("show", "ann"), {"verb": "account", "kind": "account", "name": "ann"})
        shown = self.out.getvalue()
        for line in (
            "source                 store", "password               set", "active                 yes",
            "senders                +420776047467, ACME", "sent this month        3", "last sent              2027-01-15 08:00:00",
            "group sent this month  7", "closed                 -",
        ):  # fmt: skip
            self.assertIn(line, shown.splitlines())

    def test_json(self) -> None:
        self.asked("show", "ann", "--json")
        self.assertEqual(json.loads(self.out.getvalue()), ANN)


class Changing(AccountCommand):
    def test_the_password_of_a_new_one_is_read_from_standard_input(self) -> None:
        self.patch(sys, "stdin", io.StringIO("annpw\n"))
        question = self.asked("add", "ann", "gateway=gsm1", "phone=+420776047467", "description=Ann of sales")
        settings = question.pop("settings")
        self.assertEqual(question, {"verb": "account_add", "kind": "account", "name": "ann"})
        self.assertTrue(matches(settings.pop("password"), "annpw"))
        self.assertEqual(
            settings, {"gateway": "gsm1", "phone": "+420776047467", "description": "Ann of sales"}
        )

    def test_it_is_typed_twice(self) -> None:
        self.patch(sys, "stdin", Terminal())
        typed = iter(["annpw", "annpw", "annpw", "other"])
        self.patch(getpass, "getpass", lambda prompt: next(typed))
        question = self.asked("password", "ann")
        self.assertTrue(matches(question["settings"]["password"], "annpw"))
        self.assertEqual(self.out.getvalue(), "ann: has a new password\n")
        self.assertIn("two different passwords", self.refused("password", "ann"))

    def test_never_in_the_arguments(self) -> None:
        self.assertIn("can be read by others", self.refused("set", "ann", "password=secret"))
        self.assertIn("can be read by others", self.refused("add", "ann", "password=secret"))

    def test_an_empty_one_is_refused(self) -> None:
        self.patch(sys, "stdin", io.StringIO("\n"))
        self.assertIn("1 to 1024 characters", self.refused("add", "ann"))

    def test_without_one(self) -> None:
        self.assertEqual(
            self.asked("add", "net", "--no-password", "networks=192.0.2.0/24")["settings"],
            {"networks": "192.0.2.0/24"},
        )
        self.assertEqual(self.asked("password", "net", "--none")["settings"], {"password": None})

    def test_groups_and_policies_have_none(self) -> None:
        self.assertEqual(
            self.asked("add", "--group", "sales", "monthly_limit=1000"),
            {"verb": "account_add", "kind": "group", "name": "sales", "settings": {"monthly_limit": "1000"}},
        )
        self.assertEqual(self.asked("add", "--policy", "*", "access=no")["name"], "*")

    def test_set(self) -> None:
        self.assertEqual(
            self.asked("set", "ann", "gateway=", "senders=ACME,+39*", "description=a=b"),
            {
                "verb": "account_set", "kind": "account", "name": "ann",
                "settings": {"gateway": None, "senders": "ACME,+39*", "description": "a=b"},
            },
        )  # fmt: skip
        self.assertIn("write NAME=VALUE", self.refused("set", "ann", "gateway"))

    def test_switch_remove(self) -> None:
        self.assertEqual(self.asked("switch", "ann", "off")["settings"], {"active": False})
        self.assertEqual(self.asked("switch", "--policy", "example.org", "on")["settings"], {"access": True})
        self.assertEqual(
            self.asked("remove", "ann", result=None),
            {"verb": "account_remove", "kind": "account", "name": "ann"},
        )
        self.assertTrue(self.out.getvalue().endswith("account ann: removed\n"))

    def test_reset(self) -> None:
        asked = {"verb": "account_reset", "kind": "account", "name": "ann"}
        self.assertEqual(self.asked("reset", "ann"), {**asked, "sent": 0})
        self.assertEqual(
            self.asked("reset", "ann", "--last-month", "5", "--last-sent", "2027-01-15 08:00"),
            {**asked, "sent_before": 5, "last_sent": SENT},
        )
        self.assertEqual(self.asked("reset", "ann", "--last-sent", "never")["last_sent"], 0)
        self.assertIn("is no time", self.refused("reset", "ann", "--last-sent", "yesterday"))

    def test_what_the_server_refuses(self) -> None:
        code, _ = self.ask(
            "account", "set", "john", "gateway=gsm1", error="account john is in the configuration"
        )
        self.assertEqual(
            (code, self.err.getvalue()), (1, "smsd account: account john is in the configuration\n")
        )


class Sip(AccountCommand):
    def test_a_password_for_sip_leaves_as_a_digest_secret(self) -> None:
        self.patch(sys, "stdin", io.StringIO("secret\n"))
        asked = self.asked("password", "ann", "--sip", "sip.example.org")
        secret = asked["settings"].pop("sip_secret")
        self.assertEqual(read_secret(secret).user, "ann")
        self.assertNotIn("secret", secret)
        self.assertEqual(asked["settings"], {})
        self.assertEqual(
            self.asked("password", "ann", "--sip", "x", "--none")["settings"], {"sip_secret": None}
        )

    def test_none_on_the_command_line(self) -> None:
        self.assertIn("can be read by others", self.refused("set", "ann", "sip_secret=x"))

    def test_one_for_the_configuration(self) -> None:
        self.patch(sys, "stdin", io.StringIO("secret\n"))
        self.assertEqual(self.run_command("password", "--sip", "ann", "--realm", "sip.example.org"), 0)
        self.assertEqual(read_secret(self.out.getvalue().strip()).realm, "sip.example.org")
        self.assertEqual(self.run_command("password", "--sip", "ann"), 1)
