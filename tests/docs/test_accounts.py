"""The manual's page of accounts tells the truth: its configurations load, its commands do what they print, nothing is left out."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import sys
import time
from typing import Any
from unittest import mock

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from smsd.cli import client
from smsd.cli.account import changing
from smsd.cli.client import Refusal
from smsd.cli.main import main
from smsd.config.load import load_text
from smsd.config.settings import Configuration
from smsd.core.accounts import AccountSettings, Directory
from smsd.core.accounts.book import Book
from smsd.core.accounts.wishes import FIELDS
from smsd.core.control import Control
from smsd.values.errors import InvalidValue, Refused
from tests.core.test_account_book import FakeLink
from tests.docs.page import PAGES, Block, blocks, commands
from tests.house import House

TEXT = (PAGES / "accounts.rst").read_text("utf-8")
_SECTION = re.compile(r"(?m)^(?=\w)")


def sections(text: str) -> dict[str, str]:
    return {part.partition(":")[0]: part for part in _SECTION.split(text) if part}


class PageTests(SynchronousTestCase):
    """The page from top to bottom: one server, whose configuration changes as the page says."""

    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(lambda: self.house.close())
        self.directory = Directory(self.house.planner.zone)
        self.book = Book(
            self.house.store, self.directory, self.house.planner.period, lambda: ["gsm1", "gsm2"]
        )
        known = [
            ("chat", FakeLink(shop=["ann@home.example"])),
            ("sip", FakeLink(shop=["sip:shop@192.0.2.7:5062"])),
        ]
        self.book.linked.links = lambda: known
        self.control = Control(
            store=self.house.store, dispatcher=None, queue=None, overrides=None, explainer=None,  # type: ignore[arg-type]
            status=dict, reload=None, accounts=self.book,  # type: ignore[arg-type]
        )  # fmt: skip
        self.patch(client, "call", self.call)

    def call(self, options: Any, verb: str, **arguments: Any) -> Any:
        try:
            return self.house.wait(Deferred.fromCoroutine(self.control.call(verb, arguments)))
        except (InvalidValue, Refused) as error:
            raise Refusal(str(error)) from None

    def use(self, block: Block, server: dict[str, str]) -> Configuration:
        found = load_text("".join({**server, **sections(block.text)}.values()), "/etc/smsd/smsd.yaml", {})
        self.directory.use(
            {"account": found.accounts, "group": found.account_groups, "policy": found.policies}
        )
        self.assertEqual(self.directory.clashes(), [], f"line {block.line}")
        return found

    def test_the_page(self) -> None:
        server: dict[str, str] = {}
        done = {"yaml": 0, "console": 0}
        for block in blocks(TEXT):
            done[block.language] += 1
            if block.language == "yaml":
                self.use(block, server)
                server = server or sections(block.text)
            else:
                for command, shown in commands(block):
                    self.assertShown(shown, self.run_command(command), f"line {block.line}: {command}")
        self.assertGreaterEqual(min(done.values()), 3, done)

    def assertShown(self, expected: str, said: str, where: str) -> None:
        """A line with … stands for any lines; how wide columns are is nobody's promise."""
        expected, said = (re.sub(" +", " ", text) for text in (expected, said))
        pattern = "".join(
            r"(?:.*\n)*?" if line == "…" else re.escape(line) + r"\n" for line in expected.splitlines()
        )
        self.assertTrue(re.fullmatch(pattern, said), f"{where}\n{said}")

    def run_command(self, command: str) -> str:
        typed, bar, rest = command.partition(" | ")
        words = shlex.split(rest if bar else command)
        self.assertEqual(words[0], "smsd")
        self.patch(sys, "stdin", io.StringIO(typed.removeprefix("echo ") + "\n" if bar else ""))
        out = io.StringIO()
        with (
            mock.patch.dict(os.environ, {"TZ": "UTC"}), contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(out),
        ):  # fmt: skip
            time.tzset()
            main(words[1:])
        time.tzset()
        return out.getvalue()

    def test_no_setting_is_left_out(self) -> None:
        for name in AccountSettings.model_fields:
            self.assertRegex(TEXT, rf"\b{name}\b", name)

    def test_the_command_names_every_setting(self) -> None:
        for kind, fields in FIELDS.items():
            for name in fields:
                if name not in ("password", "sip_secret"):  # asked for (account password), never NAME=VALUE
                    self.assertRegex(changing.SETTINGS, rf"\b{name}\b", kind)
