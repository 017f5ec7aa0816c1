"""The crash test with few kills, for every run of the tests; `make crash` has a hundred."""

from __future__ import annotations

import contextlib
import io

from twisted.trial.unittest import SynchronousTestCase

from tests.crash.__main__ import main


class Crash(SynchronousTestCase):
    def run_it(self, *arguments: str) -> None:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            code = main([*arguments, "--seed", "5", "--quiet"])
        self.assertEqual(code, 0, said.getvalue())
        self.assertIn("lost 0", said.getvalue())

    def test_five_kills_lose_nothing(self) -> None:
        self.run_it("--only", "modem", "--kills", "5")

    def test_null_gateway(self) -> None:
        self.run_it("--only", "loopback", "--kills", "1")
