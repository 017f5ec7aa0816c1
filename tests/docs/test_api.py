"""docs/api.rst: its configuration loads, its commands print what it shows, its programs run, its table is that of operations."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smsd.config.load import load_text
from smsd.frontends.http.api.asked import MessageRequest
from smsd.frontends.http.api.openapi import description
from smsd.frontends.http.api.operations import OPERATIONS
from tests.rig.processes import ROOT, environment, until
from tests.test_api import Served

PAGE = Path(ROOT, "docs", "api.rst").read_text("utf-8")


def blocks(kind: str) -> list[str]:
    found = re.findall(rf"^\.\. code-block:: {kind}\n\n((?:    .*\n|\n)+)", PAGE, re.M)
    return [textwrap.dedent(one).strip() + "\n" for one in found]


class Said(SynchronousTestCase):
    def test_the_configuration(self) -> None:
        found = re.search(r"::\n\n(    listeners:\n(?:    .*\n|\n)+)", PAGE)
        assert found is not None
        gateways = "gateways: [{id: gsm1, type: loopback}, {id: mail, type: folder, folder: mail}]\n"
        loaded = load_text(textwrap.dedent(found[1]) + gateways, "/etc/smsd.yaml", {})
        self.assertTrue(loaded.listeners[0].api)

    def test_the_table_of_operations(self) -> None:
        told = re.findall(
            r"^``([A-Z]+) (/\S*)`` +(send|read\+incoming|read|incoming|admin|) +\S+ \w", PAGE, re.M
        )
        there = {(one.method, one.path, "+".join(one.scopes)) for one in OPERATIONS}
        self.assertEqual(set(told), there)

    def test_every_field_of_a_message(self) -> None:
        part = PAGE[PAGE.index("\nA message\n") : PAGE.index("\nNever twice\n")]
        self.assertEqual(set(MessageRequest.model_fields) - set(re.findall(r"``(\w+)``", part)), set())

    def test_every_status(self) -> None:
        told = set(
            re.findall(
                r"\b[45]\d\d\b", PAGE[PAGE.index("\nWhen something is wrong\n") : PAGE.index("\nPages\n")]
            )
        )
        there = {
            status
            for path in description()["paths"].values()
            for operation in path.values()
            for status in operation["responses"]
            if status >= "4"
        }
        self.assertEqual(there - told, {"508"})  # circles of servers are told of elsewhere


class Done(SynchronousTestCase):
    """Everything that is typed, from the first line to the last, at one server."""

    def setUp(self) -> None:
        self.served = Served(self)
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        bin_ = self.folder / "bin"
        bin_.mkdir()
        (bin_ / "smsd").write_text(
            f'#!/bin/sh\nexec {sys.executable} -m smsd -c {self.served.server.file} "$@"\n'
        )
        (bin_ / "smsd").chmod(0o755)
        self.environ = {**environment(), "PATH": f"{bin_}:{os.environ['PATH']}"}

    def run_(self, *command: str) -> str:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=120,
            cwd=self.folder,
            env=self.environ,
            check=False,
        )
        self.assertEqual(done.returncode, 0, f"{command}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def here(self, text: str) -> str:
        return text.replace("http://127.0.0.1:8080", self.served.url)

    def test_all_of_it(self) -> None:
        typed = 0
        for block in blocks("console"):
            for command, promised in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.M):
                typed += 1
                printed = self.run_("sh", "-c", self.here(command))
                if "?" in command:  # what it asks for may take a moment
                    asked = self.here(command)
                    until(
                        lambda asked=asked, said=promised: same(said, self.run_("sh", "-c", asked)), 30, asked
                    )
                elif promised:
                    self.assertTrue(
                        same(promised, printed), f"$ {command}\n{printed}\ninstead of\n{promised}"
                    )
        self.assertEqual(typed, 16)
        plain, twisted = blocks("python")
        printed = self.run_(sys.executable, "-c", self.here(plain))
        self.assertRegex(printed, r"^\+15551234567 sen(t|ding)\n422 bad-number a name cannot receive an SMS")
        self.assertEqual(self.run_(sys.executable, "-c", self.here(twisted)), "[201, 201, 201]\n7\n")
        token = (self.folder / "token").read_text().strip()
        logs = "".join(
            path.read_text("utf-8") for path in (self.served.server.folder / "var" / "log").iterdir()
        )
        self.assertNotIn(token, logs)


def same(promised: str, printed: str) -> bool:
    """Whether it prints what it should, up to a …; ids are others."""
    wanted, _, rest = re.sub(r"\d{17,19}", "N", promised.strip()).partition("…")
    got = re.sub(r"\d{17,19}", "N", printed.strip())
    return got.startswith(wanted) if "…" in promised else got == wanted + rest
