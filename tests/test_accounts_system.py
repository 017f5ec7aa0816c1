"""Accounts of a running server: made by command, counted over a kill, never in two places."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from smsd.cli.main import main
from tests.rig.server import Server
from tests.test_system import System


class AccountsOfAServer(System):
    def command(self, server: Server, *words: str, typed: str = "") -> str:
        """What `smsd account …` prints."""
        out = io.StringIO()
        self.patch(sys, "stdin", io.StringIO(typed))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            main(["--control", str(server.folder / "var" / "control.sock"), *words])
        return out.getvalue()

    def send(self, server: Server, **fields: str) -> str:
        query = urllib.parse.urlencode({"number": "+15550000001", "data": "hi", **fields})
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{server.http}/sms/?{query}", timeout=120
            ) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            return error.read().decode()

    def test_a_life(self) -> None:
        server = self.running(account_groups=[{"id": "sales", "monthly_limit": "3"}])
        self.change(server, subscribers=[{"id": "till", "pull": True, "events": ["sent", "failed"]}])
        self.command(server, "reload")
        made = self.command(
            server,
            "account",
            "add",
            "ann",
            "monthly_limit=2",
            "group=sales",
            "callback=till",
            typed="annpw\n",
        )
        self.assertIn("there is no subscriber", self.command(server, "account", "set", "ann", "callback=x"))
        self.command(server, "account", "set", "ann", "email=ann@home.example")
        trial = (
            "explain",
            "--dry-run",
            "--incoming",
            "--gateway",
            "nowhere",
            "--from",
            "+15550000001",
            "--text",
        )
        self.assertIn("mailto:ann@home.example", self.command(server, *trial, "#ann@home.example# hi"))
        self.assertIn("store", made)
        self.assertNotIn("argon2", made)
        self.assertIn("OK", self.send(server, user="ann", **{"pass": "annpw"}))
        assert server.process is not None
        server.process.kill()
        server.start()
        server.ready()
        self.assertIn("OK", self.send(server, user="ann", **{"pass": "annpw"}))
        self.assertIn("may send 2 messages a month", self.send(server, user="ann", **{"pass": "annpw"}))

        shown = json.loads(self.command(server, "account", "show", "ann", "--json"))
        self.assertEqual((shown["sent_this_month"], shown["group_sent_this_month"]), (2, 2))
        self.command(server, "account", "reset", "ann")
        self.command(server, "account", "password", "ann", typed="better\n")
        self.assertIn("BAD_CREDENTIALS", self.send(server, user="ann", **{"pass": "annpw"}))
        self.assertIn("OK", self.send(server, user="ann", **{"pass": "better"}))
        self.assertIn("the group sales may send 3", self.send(server, user="ann", **{"pass": "better"}))

        self.change(server, subscribers=[])
        told = self.command(server, "reload")
        self.assertIn(
            "warning: account ann of the store names the subscriber 'till', which there is not", told
        )
        self.assertIn("the configuration is in force", told)

        self.collide(server)

    def collide(self, server: Server) -> None:
        """The same name in the file: the reload is refused, and so is a start."""
        accounts: list[dict[str, Any]] = json.loads(server.file.read_text())["accounts"]
        self.change(server, accounts=[*accounts, {"user": "ann", "password": "demo", "demo": True}])
        self.assertIn("'ann' is in the configuration and in the store", self.command(server, "reload"))
        self.assertIn("store", self.command(server, "account", "show", "ann"))
        self.assertIn("OK", self.send(server, user="demo", **{"pass": "demo"}))
        server.stop()
        self.assertIsNotNone(server.start().wait(60))
        self.assertIn("account 'ann' is in the configuration and in the store", self.output(server))
        self.change(server, accounts=accounts)
        server.start()
        server.ready()
        self.command(server, "account", "remove", "ann")
        self.assertIn("BAD_CREDENTIALS", self.send(server, user="ann", **{"pass": "better"}))
