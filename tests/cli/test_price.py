"""`smsd price`: what is asked for each number, and how it is told."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsd.cli import credit
from smsd.cli.main import main

QUOTE = {
    "refused": "", "parts": 1, "encoding": "GSM-7", "units": 2, "left": 158, "amount": "0.045", "currency": "EUR",
    "price": "0.045", "destination": "Italy", "notes": [], "offenders": [],
}  # fmt: skip
REFUSED = "that is no number"


class Price(SynchronousTestCase):
    def run_command(self, *words: str) -> tuple[int, str]:
        self.patch(credit, "call", self.call)
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = main(["price", "--text", "hi", *words])
        return code, out.getvalue()

    def call(self, options: argparse.Namespace, verb: str, **arguments: Any) -> dict[str, Any]:
        number = arguments["to"]
        return {**QUOTE, "number": number, "refused": "" if number.startswith("+") else REFUSED}

    def test_each_number_is_told(self) -> None:
        code, said = self.run_command("--to", "+393331234567", "--to", "+393331234568")
        self.assertEqual(code, 0)
        self.assertEqual([part.splitlines()[0] for part in said.split("\n\n")],
                         ["to       +393331234567 (Italy)", "to       +393331234568 (Italy)"])  # fmt: skip

    def test_one_that_is_refused_among_them(self) -> None:
        code, said = self.run_command("--to", "+393331234567", "--to", "nobody")
        self.assertEqual((code, said.splitlines()[-1]), (1, f"would be refused: {REFUSED}"))

    def test_json_is_one_object_for_one_number_and_a_list_for_more(self) -> None:
        _, said = self.run_command("--json", "--to", "+393331234567")
        self.assertEqual(json.loads(said)["number"], "+393331234567")
        _, said = self.run_command("--json", "--to", "+1", "--to", "+2")
        self.assertEqual([one["number"] for one in json.loads(said)], ["+1", "+2"])
