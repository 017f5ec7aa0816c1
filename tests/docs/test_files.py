"""The manual's pages of lists and spool folders tell the truth: commands print what they print, files are what they say."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import tempfile
import textwrap
import time
from typing import Any
from unittest import mock

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from smsd.cli import jobs as command
from smsd.cli import lists
from smsd.cli.client import Refusal
from smsd.cli.main import main
from smsd.codec.spool import gammu, smstools
from smsd.config.load import load_text
from smsd.config.spool import SpoolSettings
from smsd.core.jobs import Jobs
from smsd.values.errors import InvalidValue, Refused
from smsd.values.message import Priority
from tests.docs.page import PAGES, blocks, commands
from tests.house import House

CAPTION = re.compile(r"\.\. code-block:: text\n   :caption: (\S+)\n\n((?:    .*\n|\n)+)")


def files(text: str) -> dict[str, str]:
    """The files that a page shows."""
    return {name: textwrap.dedent(body).rstrip("\n") + "\n" for name, body in CAPTION.findall(text)}


class FilesPage(SynchronousTestCase):
    """The page from top to bottom."""

    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(lambda: self.house.close())
        self.house.open(slots=5)
        house = self.house
        self.jobs = Jobs(
            house.store, house.dispatcher, house.queue, house.planner, house.clock, house.accounts.get
        )
        self.jobs.begin()
        self.addCleanup(lambda: self.house.wait(Deferred.fromCoroutine(self.jobs.stop())))
        self.patch(lists, "call", self.call)
        self.patch(command, "call", self.call)
        self.patch(command, "EVERY", 0)
        folder = tempfile.TemporaryDirectory(prefix="smsd-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def call(self, options: Any, verb: str, **arguments: Any) -> Any:
        if verb in ("job show", "job close"):
            self.house.advance(1)
        try:
            told = self.jobs.verbs()[verb](json.loads(json.dumps(arguments)))
            return json.loads(json.dumps(self.house.wait(Deferred.fromCoroutine(told))))
        except (InvalidValue, Refused) as error:
            raise Refusal(str(error)) from None

    def test_the_page(self) -> None:
        done = 0
        page = (PAGES / "files.rst").read_text("utf-8")
        for name, body in files(page).items():
            with open(os.path.join(self.folder, name), "w", encoding="utf-8") as stream:
                stream.write(body)
        for block in blocks(page):
            if block.language == "console":
                for typed, shown in commands(block):
                    done += 1
                    self.assertShown(shown, self.run_command(typed), f"line {block.line}: {typed}")
        self.assertGreaterEqual(done, 7)

    def assertShown(self, expected: str, said: str, where: str) -> None:
        expected, said = (re.sub(" +", " ", text) for text in (expected, said))
        pattern = "".join(
            r"(?:.*\n)*?"
            if line == "…"
            else re.sub(r"08:00:\\?\d\d", r"08:\\d\\d:\\d\\d", re.escape(line)) + r"\n"
            for line in expected.splitlines()
        )
        self.assertTrue(re.fullmatch(pattern, said), f"{where}\n{said}\n{pattern}")

    def run_command(self, typed: str) -> str:
        words = [
            os.path.join(self.folder, word) if word.endswith(".csv") else word for word in shlex.split(typed)
        ]
        out = io.StringIO()
        with mock.patch.dict(os.environ, {"TZ": "UTC"}), contextlib.redirect_stdout(out):
            time.tzset()
            main(words[1:])
        time.tzset()
        return out.getvalue()

    def test_no_option_is_left_out(self) -> None:
        text = (PAGES / "files.rst").read_text("utf-8")
        for option in ("--file", "--text", "--to-column", "--text-column", "--header", "--separator", "--duplicates", "--account",
                       "--check-only", "--yes", "--detach", "--normal"):  # fmt: skip
            self.assertIn(option, text)


class SpoolPage(SynchronousTestCase):
    def test_the_page(self) -> None:
        text = (PAGES / "spool.rst").read_text("utf-8")
        for block in blocks(text):
            if block.language == "yaml":
                self.assertEqual(len(load_text(block.text, "/etc/smsd/smsd.yaml", {}).listeners), 1)
        shown = files(text)
        self.assertEqual(len(shown), 2)
        for path, body in shown.items():
            folder, _, name = path.partition("/")
            asked = smstools.read(body.encode()) if folder == "outgoing" else gammu.read(name, body.encode())
            self.assertTrue(asked.report)
            urgent = folder == "outgoing"
            self.assertIs(asked.parameters.priority, Priority.URGENT if urgent else Priority.NORMAL)
        for name in SpoolSettings.model_fields:
            if name not in ("id", "active", "listen", "trusted_networks", "text"):
                self.assertRegex(text, rf"\b{name}\b", name)

    def test_the_sample(self) -> None:
        """The commented listener of etc/smsd.yaml loads when it is none."""
        sample = (PAGES.parent / "etc" / "smsd.yaml").read_text("utf-8")
        found = re.search(r"(?m)^  # - id: files .*\n(?:  #   .*\n)+", sample)
        assert found is not None
        listener = re.sub(r"(?m)^  # ", "  ", found[0])
        text = f"listeners:\n{listener}gateways:\n  - {{id: gsm1, type: loopback}}\n"
        (door,) = load_text(text, "/etc/smsd/smsd.yaml", {}).listeners
        self.assertEqual((door.place("outgoing"), door.queues), ("/var/spool/sms/outgoing", {"D1": "gsm1"}))
