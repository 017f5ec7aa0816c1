"""docs/reports.rst: its example loads, its settings are those there are, its table is what the providers' data say."""

from __future__ import annotations

import itertools
import re
import textwrap
from pathlib import Path
from typing import get_args

from twisted.trial.unittest import SynchronousTestCase

from smsd.config import providers
from smsd.config.load import load_text
from smsd.config.settings import GatewaySettings, QueueSettings
from smsd.policy.reference import WAYS
from smsd.store.ledger import KEEP
from tests.rig.processes import ROOT

PAGE = Path(ROOT, "docs", "reports.rst").read_text("utf-8")
NAMES = {
    "another smsd": "smsd", "Clickatell (HTTP)": "clickatell", "Clickatell (REST)": "clickatell-rest", "Routo": "routo",
    "O2 connector": "o2", "Kannel": "kannel", "Twilio": "twilio", "Vonage": "vonage", "Infobip": "infobip",
    "SMSGate": "smsgate", "httpSMS": "httpsms", "2N VoiceBlue": "voiceblue",
}  # fmt: skip


class Page(SynchronousTestCase):
    def test_the_example(self) -> None:
        found = re.search(r"::\n\n(    gateways:\n(?:    .*\n)+)", PAGE)
        assert found is not None
        text = textwrap.dedent(found[1]).replace("…", "credentials: {api_key: k, api_secret: s}")
        loaded = load_text(f"queue: {{reports: failures}}\n{text}", "/etc/smsd.yaml", {})
        self.assertEqual([gateway.report_account for gateway in loaded.gateways], ["acme", "acme"])

    def test_the_settings(self) -> None:
        for word in get_args(QueueSettings.model_fields["reports"].annotation):
            self.assertIn(f"\n``{word}``\n", PAGE)
        self.assertEqual(QueueSettings().unknown_report_hours * 3_600_000, KEEP)
        said = get_args(GatewaySettings.model_fields["report_ids"].annotation)
        self.assertEqual({"" if word == "any" else word for word in said}, set(WAYS))
        for word in ("report_ids: hex", "``decimal``", "``exact``", "queue.unknown_report_hours"):
            self.assertIn(word, PAGE)

    def test_the_table(self) -> None:
        table = PAGE[PAGE.index("What each can say") :].split("\n=====")[2]
        rows: list[list[str]] = []
        edges = (0, 24, 43, 64, 107, 200)
        for line in table.splitlines()[1:]:
            cells = [line[start:end].strip() for start, end in itertools.pairwise(edges)]
            if cells[0]:
                rows.append(cells)
            else:
                rows[-1] = [f"{before} {more}".strip() for before, more in zip(rows[-1], cells, strict=True)]
        known = providers.load(str(Path(ROOT, "etc", "providers.yaml")))
        told = {NAMES[cells[0]]: cells[1:] for cells in rows if cells[0] in NAMES}
        listed = {name for name, provider in known.items() if provider.reports} | {"o2", "voiceblue"}
        self.assertEqual(set(told), listed)
        for name, cells in told.items():
            reports = known[name].reports or {}
            for status, cell in zip(("delivered", "failed", "pending", "expired"), cells, strict=True):
                self.assertEqual(cell != "no", bool(reports.get(status)), (name, status))
                if re.fullmatch(r"[a-zA-Z:. ,]+", cell) and name in ("twilio", "vonage", "infobip"):
                    words = reports.get(status) or ["no"]
                    self.assertEqual(cell.split(", "), [words] if isinstance(words, str) else words, name)
