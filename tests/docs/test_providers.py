"""The manual page of providers tells the truth: its configurations load, its commands print what it says, nothing is left out."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smsd.cli.main import main
from smsd.codec.provider import model
from smsd.config import providers
from smsd.config.load import load_text
from smsd.config.places import find_data
from smsd.config.settings import GatewaySettings
from smsd.gateways import http
from tests.docs.page import PAGES, blocks, commands
from tests.frontends.smtp.certificate import write

TEXT = (PAGES / "providers.rst").read_text("utf-8")
SECRETS = ("CLICKATELL_PASSWORD", "B_PASSWORD", "GATEWAY_PIN", "MY_KEY")


class PageTests(SynchronousTestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "smsd.yaml")

    def test_configurations(self) -> None:
        """Each is one that can be used, and its gateway can be made."""
        found = [block for block in blocks(TEXT) if block.language == "yaml"]
        self.assertGreater(len(found), 3)
        for block in found:
            configuration = load_text(block.text, self.path, dict.fromkeys(SECRETS, "x"))
            for settings in configuration.gateways:
                self.assertTrue(http.building.build(settings, find_data).text)

    def test_commands(self) -> None:
        """Each prints what the page shows."""
        tried = 0
        for block in blocks(TEXT):
            for command, shown in commands(block) if block.language == "console" else []:
                self.assertEqual(self.run_command(command), shown.strip(), f"line {block.line}: {command}")
                tried += 1
        self.assertGreater(tried, 6)

    def run_command(self, command: str) -> str:
        program, *arguments = shlex.split(command)
        self.assertEqual(program, "smsd")
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            main([*arguments, "-c", self.path])
        return out.getvalue().strip()

    def test_the_sample(self) -> None:
        """Every key stands in etc/smsd.yaml, commented out, and loads when it is not."""
        folder = Path(self.path).parent / "var"
        certificate, key = write(folder)
        for source, target in (
            (certificate, "client.pem"),
            (key, "client.key"),
            (certificate, "authorities.pem"),
        ):
            shutil.copy(source, folder / target)
        text = Path(find_data("smsd.yaml")).read_text("utf-8")
        written = set[str]()
        for name in ("clickatell", "serverB", "mine"):
            (found,) = re.findall(rf"\n((?:  # - id: {name} .*\n)(?:  #   .*\n)+)", text)
            section = "gateways:\n" + re.sub(r"(?m)^  # ", "  ", found)
            load_text(section, self.path, dict.fromkeys(SECRETS, "x"))
            written |= set(re.findall(r"(?m)^    (\w+):", section))
        inherited = set(GatewaySettings.model_fields) - {"template"}
        self.assertEqual(set(http.Settings.model_fields) - inherited - {"incoming"} - written, set())

    def test_nothing_is_missing(self) -> None:
        """Every provider, variable, attribute, setting and key has its line."""
        for provider in providers.load(find_data(providers.FILE)).values():
            stem = provider.name.removesuffix("-text").removesuffix("-from")
            self.assertIn(f"\n{stem} ", TEXT)
            for credential in provider.credentials:
                self.assertIn(credential.name, TEXT)
        for name in model.MESSAGE:
            self.assertIn(f"``%{name}%``", TEXT)
        for word in (
            "isascii",
            "isunicode",
            "isbinary",
            "unicode",
            "hex",
            "b64",
            "raw",
            "len",
            "value=…",
            "charset=…",
        ):
            self.assertIn(f"``{word}``", TEXT)
        inherited = set(GatewaySettings.model_fields) - {"template"}
        for name in (
            (set(http.Settings.model_fields) - inherited) | set(providers.KEYS) | set(providers.ANSWERS)
        ):
            self.assertTrue(f"``{name}``" in TEXT or f"answers.{name}``" in TEXT, name)
