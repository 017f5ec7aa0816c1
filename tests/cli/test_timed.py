"""What `smsd timed` shows."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from tests.cli.test_cli import Command

MORNING = 1_800_000_000_000  # the 15th of January 2027, 08:00 UTC


def entry(title: str, **facts: Any) -> dict[str, Any]:
    return {
        "title": title, "active": True, "times": "08:00 mon", "next": MORNING, "waits": False, "last": None, "result": "",
        **facts,
    }  # fmt: skip


class Shown(Command):
    def setUp(self) -> None:
        super().setUp()
        before = os.environ.get("TZ")
        os.environ["TZ"] = "CET-1CEST,M3.5.0,M10.5.0/3"  # Europe/Rome, without the files of the system
        time.tzset()
        self.addCleanup(time.tzset)
        self.addCleanup(os.environ.update if before else os.environ.pop, {"TZ": before} if before else "TZ")

    def test_what_runs_next_comes_first(self) -> None:
        code, question = self.ask(
            "timed",
            result=[
                entry("off", active=False, next=None),
                entry("later", next=MORNING + 3_600_000),
                entry("dues", waits=True, last=MORNING - 86_400_000, result="3 sent, 1 refused"),
            ],
        )
        self.assertEqual((code, question), (0, {"verb": "timed", "args": {}}))
        self.assertEqual(
            self.out.getvalue().splitlines(),
            [
                "NEXT                     TITLE  TIMES      LAST              WHAT CAME OF IT",
                "2027-01-15 09:00 (late)  dues   08:00 mon  2027-01-14 09:00  3 sent, 1 refused",
                "2027-01-15 10:00         later  08:00 mon  -",
                "not active               off    08:00 mon  -",
            ],
        )

    def test_none(self) -> None:
        self.ask("timed", result=[])
        self.assertEqual(self.out.getvalue(), "no rule runs at a time\n")

    def test_json(self) -> None:
        self.ask("timed", "--json", result=[entry("dues")])
        self.assertEqual(json.loads(self.out.getvalue()), [entry("dues")])
