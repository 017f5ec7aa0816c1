"""The page for those who come from IceWarp tells the truth: its configuration loads, its import prints what it says."""

from __future__ import annotations

import io
import sys

from smsd.config.load import load_text
from tests.cli.test_icewarp import Folder
from tests.docs.page import PAGES, blocks

BLOCKS = list(blocks((PAGES / "icewarp.rst").read_text("utf-8")))


def squeezed(text: str) -> list[str]:
    """Words, whatever their alignment is."""
    return text.split()


class PageOfIceWarp(Folder):
    def test_what_it_shows_is_what_people_see(self) -> None:
        yaml = next(block for block in BLOCKS if block.language == "yaml")
        # This machine has not got the certificate.
        without = [line for line in yaml.text.splitlines() if "certificate:" not in line]
        settings = load_text("\n".join(without), "/etc/smsd/smsd.yaml", {})
        gateways = [gateway.id for gateway in settings.gateways]
        console = next(block for block in BLOCKS if block.language == "console").text
        commands = dict(part.split("\n", 1) for part in console.split("$ ")[1:])
        for command, printed in commands.items():
            if command.startswith("cat "):
                self.write(command.removeprefix("cat "), printed)
        self.directory.use({})
        self.gateways = gateways
        self.patch(sys, "stdin", io.StringIO("yes\n"))
        told = self.bring().replace("DIR/", "./").replace("[yes/no] ", "[yes/no] yes\n")
        self.assertEqual(squeezed(told), squeezed(commands["smsd import icewarp ."]))
        self.assertEqual(sorted(self.rows()["account"]), ["ann", "bob"])
        for password in ("secret", "hidden"):
            self.assertNotIn(password, told)
