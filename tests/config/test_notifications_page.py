"""The examples of docs/notifications.rst and the commented ones of etc/smsd.yaml are configurations that load."""

from __future__ import annotations

import os
import re
import textwrap

from twisted.trial.unittest import SynchronousTestCase

from smsd.config.load import load_text
from smsd.core.postoffice.words import VARIABLES

ROOT = os.path.join(os.path.dirname(__file__), "..", "..")
AROUND = """\
server: {name: mx.example.org, domains: [sms.example.org, sms.localhost], postmaster: root@example.org}
listeners:
  - {id: mail, type: smtp, listen: ["tcp:2525:interface=127.0.0.1"]}
gateways:
  - {id: gsm1, type: loopback}
  - {id: box, type: folder}
"""
ACCOUNTS = """\
accounts:
  - {user: smsalerts, password: alertpwd, demo: yes, phone: +15550001111}
  - {user: demo, password: demo, demo: yes, phone: +15550001112}
"""


def read(*path: str) -> str:
    with open(os.path.join(ROOT, *path), encoding="utf-8") as stream:
        return stream.read()


class Examples(SynchronousTestCase):
    def test_of_the_page(self) -> None:
        blocks = re.findall(r"::\n\n((?:    .*\n|\n)+)", read("docs", "notifications.rst"))
        sections = []
        for block in map(textwrap.dedent, blocks):
            sections.append(block.partition(":")[0])
            with self.subTest(block=sections[-1]):
                accounts = "" if sections[-1] == "accounts" else ACCOUNTS
                load_text(AROUND + accounts + block, "/etc/smsd.yaml", {})
        self.assertEqual(sections, ["notifications", "lists", "programs", "accounts"])

    def test_every_variable_is_told(self) -> None:
        told = set(re.findall(r"^``%(\w+)%``", read("docs", "notifications.rst"), re.M))
        self.assertEqual(told, set(VARIABLES))

    def test_of_the_annotated_file(self) -> None:
        """Every key of a section stands there, commented out, and loads when it is not."""
        text = read("etc", "smsd.yaml")
        path = os.path.abspath(self.mktemp())
        with open(path, "w") as stream:
            stream.write("+15551234569\n")
        for name in ("notifications", "lists", "programs"):
            with self.subTest(section=name):
                found = re.search(rf"^{name}: \[\] .*\n((?:  # .*\n)+)", text, re.M)
                assert found is not None
                block = re.sub("^  # ", "  ", found[1], flags=re.M).replace("members.txt", path)
                configuration = load_text(f"{AROUND}{ACCOUNTS}{name}:\n{block}", "/etc/smsd.yaml", {})
                [entry] = getattr(configuration, name)
                self.assertEqual(entry.model_fields_set, set(type(entry).model_fields))
