"""The kept corpus, and a short run of the fuzzer, in the normal tests."""

from __future__ import annotations

import contextlib
import io
import random
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.fuzz import driver


class FuzzTests(SynchronousTestCase):
    """`python -m tests.fuzz` runs longer."""

    def test_short_run(self) -> None:
        """The whole corpus and a few thousand made inputs find nothing."""
        figures = driver.run(4000, seed=1)
        self.assertEqual([failure[1:] for failure in figures.failures], [])
        self.assertGreater(figures.runs, 4000)

    def test_every_target_has_a_corpus(self) -> None:
        """A target without seeds would be fed noise."""
        driver.load_targets()
        for target in driver.TARGETS.values():
            self.assertTrue((driver.CORPUS / f"{target.corpus}.txt").exists(), target.name)

    def test_same_seed_same_inputs(self) -> None:
        """A failure can be had again."""
        streams = [driver.inputs(random.Random("3 x"), [b"abc", b"defg"]) for _ in range(2)]
        first, second = ([next(stream) for _ in range(200)] for stream in streams)
        self.assertEqual(first, second)
        self.assertGreater(len(set(first)), 100)

    def test_failures_are_found_and_kept(self) -> None:
        """An input that fails is counted, shown once per kind, kept, and tried again."""

        def check(octets: bytes) -> None:
            if b"\x1b" in octets:
                raise LookupError("escaped")

        corpus = Path(self.mktemp())
        corpus.mkdir()
        self.patch(driver, "CORPUS", corpus)
        self.patch(driver, "TARGETS", {"bad": driver.Target("bad", check, "bad")})
        self.patch(driver, "load_targets", lambda: None)
        said, shown = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(shown):
            self.assertEqual(driver.main(["--runs", "500"]), 1)
        self.assertIn("failures", said.getvalue())
        self.assertEqual(shown.getvalue().count("LookupError: escaped"), 1)
        kept = driver.seeds("bad")
        self.assertEqual(len(kept), 1)
        self.assertIn(b"\x1b", kept[0])
        self.assertEqual(driver.run(0, 1).failed, 1)
