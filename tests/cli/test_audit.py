"""What `smsd audit` asks and shows, and what `smsd rules import` has put on record."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from smsd.cli import audit as module
from tests.cli.test_cli import Command

ROWS: list[dict[str, Any]] = [
    {"id": 2, "at": 1_800_000_000_000, "who": "eva", "verb": "account_set", "subject": "ann", "before": "gateway=gsm1",
     "after": "gateway=gsm2"},
    {"id": 1, "at": 1_799_990_000_000, "who": "root", "verb": "reload", "subject": "", "before": None, "after": "x\x1b[31m"},
]  # fmt: skip


class Audit(Command):
    def setUp(self) -> None:
        super().setUp()
        before = os.environ.get("TZ")
        os.environ["TZ"] = "UTC"
        time.tzset()
        self.addCleanup(time.tzset)
        self.addCleanup(os.environ.update if before else os.environ.pop, {"TZ": before} if before else "TZ")

    def test_shown(self) -> None:
        code, question = self.ask("audit", result=ROWS)
        self.assertEqual(code, 0)
        self.assertEqual(question["verb"], "audit")
        self.assertEqual(
            self.out.getvalue().splitlines(),
            [
                "ID  WHEN                 WHO   WHAT         SUBJECT  CHANGE",
                "2   2027-01-15 08:00:00  eva   account_set  ann      gateway=gsm1 → gateway=gsm2",
                "1   2027-01-15 05:13:20  root  reload       -        x\\x1b[31m",
            ],
        )

    def test_nothing(self) -> None:
        self.ask("audit", result=[])
        self.assertEqual(self.out.getvalue(), "nothing was changed\n")

    def test_json(self) -> None:
        self.ask("--json", "audit", result=ROWS)
        self.assertEqual(json.loads(self.out.getvalue()), ROWS)

    def test_asked(self) -> None:
        self.patch(module.time, "time", lambda: 1_800_000_000.0)
        _, question = self.ask(
            "audit", "--since", "2h", "--until", "2027-01-15 08:00", "--who", "eva", "--subject", "ann", "--verb",
            "account_set", "--before", "7", "--limit", "5", result=[],
        )  # fmt: skip
        self.assertEqual(
            question["args"],
            {
                "since": 1_799_992_800_000,
                "until": 1_800_000_000_000,
                "who": "eva",
                "what": "account_set",
                "subject": "ann",
                "before": 7,
                "limit": 5,
            },
        )

    def test_no_time(self) -> None:
        self.assertEqual(self.run_command("audit", "--since", "yesterday"), 1)
        self.assertIn("is no time", self.err.getvalue())
