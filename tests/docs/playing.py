"""Tests of a page of the manual: `Examples = every_example(PAGE, __name__)` has one for each example, named after its section."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from smsd.cli import explain, main
from smsd.config.positions import ConfigError
from smsd.policy.rules import xml
from tests.docs.page import Example, Page
from tests.docs.stage import Stage

DELIVERY = 911813352047513600
"""What pages call the newest delivery, whatever its number is; the next ones count from there."""
_NUMBER = re.compile(r"\b9[0-9]{17}\b")


class Played(SynchronousTestCase):
    """Plays examples: loads them, lets every message happen, runs every command."""

    page: Page

    def play(self, example: Example) -> None:
        """What the server says of the configuration, what becomes of each message, what each command prints; and that the rules
        survive a file of XML."""
        where = f"docs/{self.page.name}"
        doubts = [promise.fates for promise in example.promises if not promise.facts] or [[]]
        try:
            stage = Stage(self.page, example)
        except ConfigError as error:
            mistakes = dict.fromkeys(f"mistake: {one.wrong}" for one in error.problems)
            self.assertEqual(list(mistakes), doubts[0], f"{where}:{example.line}")
            return
        self.addCleanup(stage.close)
        self.assertEqual(stage.warnings, doubts[0], f"{where}:{example.line}")
        for promise in example.promises:
            if promise.facts:
                self.assertEqual(stage.keep(promise), promise.fates, f"{where}:{promise.line}")
        rules = stage.configuration.rules
        self.assertEqual(xml.read(xml.write(rules), "again"), rules)
        for command, said in example.console:
            self.assertEqual(run(stage, command), said, f"{where}, {command}")


def every_example(page: Page, module: str) -> type[Played]:
    """A test case of `module` with a test for each example."""
    tests: dict[str, Any] = {"page": page, "__module__": module}
    for example in page.examples:
        name = "test_" + re.sub(r"\W+", "_", example.section.lower()).strip("_")
        same = sum(1 for known in tests if re.fullmatch(f"{name}(_[0-9]+)?", known))
        tests[f"{name}_{same + 1}" if same else name] = _test(example)
    return type("Examples", (Played,), tests)


def _test(example: Example) -> Callable[[Played], None]:
    return lambda self: self.play(example)


def run(stage: Stage, command: str) -> str:
    """What `smsd …` prints in `server.folder`, in UTC; the server that it asks is the stage."""
    words = [str(stage.last) if word == str(DELIVERY) else word for word in shlex.split(command)]
    assert words[0] == "smsd", command
    out, before = io.StringIO(), os.getcwd()

    def call(options: Any, verb: str, **given: Any) -> Any:
        explainer = stage.explainer
        asked = explainer.trial(given) if verb == "trial" else explainer.delivery(given["delivery"])
        return stage.house.wait(Deferred.fromCoroutine(asked))

    os.chdir(stage.configuration.folder)
    try:
        with (
            mock.patch.object(explain, "call", call), mock.patch.dict(os.environ, {"TZ": "UTC"}),
            contextlib.redirect_stdout(out), contextlib.redirect_stderr(out),
        ):  # fmt: skip
            time.tzset()
            main.main([*words[1:], "-c", stage.path])
    finally:
        time.tzset()
        os.chdir(before)
    said = (
        out.getvalue().replace(stage.configuration.folder, "/var/lib/smsd").replace(stage.folder, "/etc/smsd")
    )
    numbers = dict.fromkeys([str(stage.last), *_NUMBER.findall(said)])
    for count, number in enumerate(numbers):
        said = said.replace(number, str(DELIVERY + count))
    return said
