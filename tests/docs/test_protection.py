"""The manual page of protection: its configuration is read, its letter is the one that is sent, its log the one that is shown."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from typing import Any

from twisted.internet.defer import Deferred

from smsd.cli import audit as command
from smsd.cli.main import main
from smsd.config.load import load_text
from smsd.config.settings import ProtectionSettings
from smsd.core.auditing import WHO
from smsd.values.account import Account
from tests.core import test_auditing, test_protecting
from tests.core.test_account_book import HASH
from tests.docs.page import PAGES, blocks

BLOCKS = list(blocks((PAGES / "protection.rst").read_text("utf-8")))


def block(language: str) -> str:
    return next(one.text for one in BLOCKS if one.language == language)


class Section(test_protecting.ProtectionCase):
    def test_the_configuration_has_what_holds_without_it(self) -> None:
        said = load_text(block("yaml"), "/etc/smsd/smsd.yaml", {}).protection
        self.assertEqual(said, ProtectionSettings())
        self.assertEqual(
            {line.split(":")[0].strip() for line in block("yaml").splitlines()[1:]},
            set(said.model_fields_set),
        )

    def test_the_letter(self) -> None:
        house = self.house
        house.accounts["shop"] = Account("shop")
        for _ in range(5):
            self.send(4, "shop")
            house.advance(test_protecting.HOUR)
        self.send(9, "shop")
        (piece,) = self.mails()
        subject = dict(piece.headers)["subject"]
        self.assertEqual(f"Subject: {subject}\n\n{piece.content.text}".strip(), block("text").strip())


class Log(test_auditing.AuditCase):
    def test_what_smsd_audit_shows(self) -> None:
        self.patch(sys, "stdout", io.StringIO())
        before = os.environ.get("TZ")
        os.environ["TZ"] = "UTC"
        time.tzset()
        self.addCleanup(time.tzset)
        self.addCleanup(os.environ.update if before else os.environ.pop, {"TZ": before} if before else "TZ")
        self.as_user("root", "account_add", name="shop", settings={"password": HASH, "monthly_limit": 100})
        self.as_user("eva", "account_set", name="shop", settings={"monthly_limit": 200})
        self.as_user("root", "set", name="expire_minutes", value="1440")
        self.as_user("root", "token_create", account="shop", scopes=["send", "read"], note="the till")

        def called(options: Any, verb: str, **arguments: Any) -> Any:
            answer = self.house.wait(Deferred.fromCoroutine(self.control.call(verb, arguments)))
            return json.loads(json.dumps(answer))

        self.patch(command, "call", called)
        self.assertEqual(main(["audit"]), 0)
        printed = block("console").removeprefix("$ smsd audit\n")
        self.assertEqual(sys.stdout.getvalue().strip(), printed.strip())  # type: ignore[attr-defined]
        self.assertEqual(WHO.get(), "the operator")
