"""docs/incoming-http.rst and the annotated configuration: their examples load, and name what there is."""

from __future__ import annotations

import os
import re
import textwrap
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.provider.incoming import read_incoming
from smsd.codec.provider.signature import WAYS
from smsd.config import providers
from smsd.config.load import load_text
from smsd.core.provided import IncomingSettings
from tests.frontends.http.provided import names
from tests.rig.processes import ROOT

PAGE = Path(ROOT, "docs", "incoming-http.rst").read_text("utf-8")
SECRET = "a secret of 24 characters"
NAMES = ("VONAGE_KEY", "VONAGE_SECRET", "VONAGE_SIGNATURE", "VONAGE_BEFORE", "SMSD_A", "TWILIO_TOKEN")
SECRETS = dict.fromkeys(NAMES, SECRET)
MAIL = "  - {id: mail, type: folder, folder: mail}\n"


class Page(SynchronousTestCase):
    def test_the_gateway(self) -> None:
        (block, *_) = re.findall(r"::\n\n((?:    .*\n|\n)+)", PAGE)
        text = textwrap.dedent(block)
        gateways = text[: text.index("listeners:")]
        gateway, _ = load_text(gateways.rstrip() + "\n" + MAIL, "/etc/smsd.yaml", SECRETS).gateways
        self.assertEqual(gateway.incoming.secrets, (SECRET,))

    def test_the_subscriber(self) -> None:
        found = re.search(r"\n\n(        subscribers:\n(?:        .*\n)+)", PAGE)
        assert found is not None
        text = textwrap.dedent(found[1]).replace("env:SMSD_A", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        accounts = "accounts:\n  - {user: server-a, password: x, demo: yes}\n"
        (subscriber,) = load_text(accounts + text, "/etc/smsd.yaml", SECRETS).subscribers
        self.assertEqual(subscriber.id, "server-a")

    def test_a_provider_of_one_s_own(self) -> None:
        found = re.search(r"\.\. code-block:: yaml\n\n((?:    .*\n|\n)+)", PAGE)
        assert found is not None
        path = os.path.abspath(self.mktemp())
        Path(path).write_text(textwrap.dedent(found[1]), "utf-8")
        provider = providers.load(path)["example"]
        read = read_incoming({"incoming": provider.incoming, "reports": provider.reports}, "page")
        assert read is not None
        assert read.messages is not None
        assert read.reports is not None
        self.assertEqual(
            (read.said.body, read.messages.numbers, read.reports.detail),
            ("ACK", "digits", ("status", "error")),
        )
        for section, keys in (("incoming", provider.incoming), ("reports", provider.reports)):
            known = {"incoming": read.messages, "reports": read.reports}[section]
            told = set(keys) | {"reason", "states", "list", "id_also"}
            self.assertEqual(
                {name for name in known.__slots__ if name not in told and name != "numbers"}, set()
            )
        signatures = re.search(r"signature: (.*)", PAGE)
        assert signatures is not None
        self.assertEqual([way for way in WAYS if way not in signatures[1]], [])

    def test_every_provider_is_in_the_table(self) -> None:
        table = re.findall(r"^([a-z-]+) +[^ ].*$", PAGE[PAGE.index("\n=====") :], re.M)
        self.assertEqual([name for name in names() if name not in table], [])

    def test_every_setting_is_told(self) -> None:
        told = set(re.findall(r"^``(\w+)(?:: \w+)?``$", PAGE, re.M))
        self.assertEqual(set(IncomingSettings.model_fields), told)

    def test_the_annotated_file(self) -> None:
        """Every key stands there, commented out, and loads when it is not."""
        text = Path(ROOT, "etc", "smsd.yaml").read_text("utf-8")
        found = re.search(r"\n((?:  # .*\n)*  # - id: vonage .*\n(?:  #   .*\n)+)", text)
        assert found is not None
        block = "gateways:\n" + re.sub("^  # ", "  ", found[1], flags=re.M)
        gateway, _ = load_text(block + MAIL, "/etc/smsd.yaml", SECRETS).gateways
        self.assertEqual(gateway.incoming.model_fields_set, set(IncomingSettings.model_fields))
