"""What `smsd explain` shows where there are very many rules."""

from __future__ import annotations

import contextlib
import io
from typing import Any
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from smsd.cli import explain, main


class ManyRules(SynchronousTestCase):
    def shown(self, lines: list[str], *more: str) -> list[str]:
        told = {"rules": lines, "fate": "sent", "to": "sms:+1"}

        def call(options: Any, verb: str, **given: Any) -> Any:
            return told

        out = io.StringIO()
        with mock.patch.object(explain, "call", call), contextlib.redirect_stdout(out):
            self.assertEqual(main.main(["explain", "--dry-run", "--to", "+1", "--text", "x", *more]), 0)
        rules, _, _ = out.getvalue().partition("\n\n")
        return [line[2:] for line in rules.splitlines()[1:]]

    def test_those_that_did_nothing_are_counted(self) -> None:
        idle = [f"'r{number}': did not match: to is \"+{number}\"" for number in range(10_000)]
        match = ["'all': matched: always", '  to: "+1" is now "+1@gw"']
        shown = self.shown([*idle[:5000], *match, *idle[5000:5040], *match, *idle[5040:]])
        self.assertEqual(
            shown,
            [
                *idle[:3], "… 4,997 rules more that did nothing (--all shows them)", *match,
                *idle[5000:5040], *match,
                *idle[5040:5043], "… 4,957 rules more that did nothing (--all shows them)",
            ],
        )  # fmt: skip
        self.assertEqual(self.shown([*idle, *match], "--all"), [*idle, *match])

    def test_those_behind_and_those_switched_off(self) -> None:
        lines = [f"'r{number}': {how}" for number in range(30) for how in ("not asked", "switched off")]
        self.assertEqual(
            self.shown(["'no': matched: always", *lines]),
            ["'no': matched: always", *lines[:3], "… 57 rules more that did nothing (--all shows them)"],
        )
