"""The page for those who come from Kannel tells the truth: requests are asked at a real door, reports come from the real ledger,
configurations load, and what phones write meets the rules."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

from twisted.trial.unittest import SynchronousTestCase

from smsd.codec import kannel
from smsd.config.load import load_text
from smsd.core.accounts import Accounts
from smsd.core.subscribers import Subscribers
from smsd.frontends.http import make
from smsd.interfaces import Abilities
from smsd.values.delivery import Accepted, Failure, Kind, NetworkReport
from smsd.values.message import Report, Text
from tests.docs.page import PAGES, Block, Example, Page, blocks, promises
from tests.docs.playing import every_example
from tests.docs.stage import Stage
from tests.frontends import fakes
from tests.frontends.http.client import Connection, Reply, request

TEXT = (PAGES / "kannel.rst").read_text("utf-8")
BLOCKS = list(blocks(TEXT))
PHONE = "+15551234567"


def page() -> Page:
    """What every page has; the rest is for the tests below."""
    server, *others = [block for block in BLOCKS if block.language == "yaml"]
    examples = [Example("", server.line, server.section)]
    examples += [Example(block.text, block.line, block.section) for block in others]
    for block in BLOCKS:
        if block.language == "text" and block.section in ("What phones write", "kannel.conf, group by group"):
            next(one for one in reversed(examples) if one.line < block.line).promises += promises(block)
    return Page("kannel.rst", server.text, examples, {}, {}, TEXT)


PAGE = page()
Examples = every_example(PAGE, __name__)


class Asked(SynchronousTestCase):
    """Requests and their answers."""

    def setUp(self) -> None:
        self.stage = Stage(PAGE, PAGE.examples[0])
        self.addCleanup(self.stage.close)
        house = self.stage.house
        accounts = Accounts(self.stage.configuration.accounts, house.clock)
        self.addCleanup(accounts.stop)
        self.hooks = house.gateway("hooks", Abilities(frozenset({"dlr"})))
        house.outlet("hooks").opened(4)
        subscribers = Subscribers()
        subscribers.use(self.stage.configuration)
        house.planner.redirect = subscribers.redirect
        context = fakes.context(
            reactor=house.clock, dispatcher=house.dispatcher, portal=accounts.portal,
            gateways=frozenset(gateway.id for gateway in self.stage.configuration.gateways),
        )  # fmt: skip
        (settings,) = self.stage.configuration.listeners
        self.door = make(settings, context)

    def ask(self, path: str) -> Reply:
        """One request; it waits for its commit."""
        connection = Connection(self.door, "127.0.0.1")
        connection.send(request("GET", path))
        self.stage.house.settle()
        [reply] = connection.replies()
        return reply

    def test_every_request(self) -> None:
        (block,) = (one for one in BLOCKS if one.language == "http")
        pairs = re.findall(r"GET (\S+)\n(\d+) (.+)\n", block.text)
        self.assertEqual(len(pairs), 6)
        for path, status, text in pairs:
            reply = self.ask(path)
            self.assertEqual((reply.status, reply.text), (int(status), text), path)
        sent = [(piece.target.target, piece.content) for piece in self._pieces()]
        self.assertEqual(
            sent,
            [(PHONE, Text("hello world")), (PHONE, Text("Ж")), ("+15557654321", Text("Ж"))],
        )

    def _pieces(self) -> list[Any]:
        every = [*self.stage.gateways["gsm1"].pieces, *self.stage.gateways["gsm2"].pieces]
        return sorted(every, key=lambda piece: piece.delivery)

    def called(self) -> list[str]:
        """The URLs that were requested."""
        self.stage.house.settle()
        found = []
        for piece in self.hooks.pieces:
            assert isinstance(piece.content, Report)
            url = kannel.callback(piece.target.target, piece.content)
            if url is not None:
                found.append(url)
        return found

    def test_every_report(self) -> None:
        urls, table = [one for one in BLOCKS if one.language == "text" and one.section == "Delivery reports"]
        promised = dict(re.findall(r"(\S.*?) +→ (\S+)", table.text))
        self.assertEqual(len(promised), 5)
        house, gsm1 = self.stage.house, self.stage.gateways["gsm1"]
        reports = {"the phone has it": ("delivered", "DELIVRD"), "it is not delivered": ("failed", "UNDELIV")}
        for end, (status, detail) in reports.items():
            reference = f"r-{status}"
            gsm1.answer = lambda piece, reference=reference: Accepted(reference)
            self.send(urls.text.strip())
            taken = [promised["the network takes it"]]
            self.assertEqual(self.called(), taken)
            for said, word in (("pending", "absent"), (status, detail)):
                report = NetworkReport(reference, PHONE, said, word)
                self.assertTrue(house.wait(house.outlet("gsm1").reported(report)))
                self.stage.house.settle()
            self.assertEqual(self.called(), [*taken, promised["the phone is away"], promised[end]])
            self.hooks.pieces.clear()
        gsm1.answer = lambda piece: Failure(Kind.PERMANENT, "no such number")
        self.send(urls.text.strip())
        self.assertEqual(self.called(), [promised["nobody took it"]])

    def send(self, url: str) -> None:
        fields = {
            "username": "tester", "password": "foobar", "to": PHONE, "text": "x", "smsc": "gsm1", "from": "Shop",
            "dlr-mask": "31", "dlr-url": url,
        }  # fmt: skip
        self.assertEqual(self.ask("/cgi-bin/sendsms?" + urlencode(fields)).status, 202)


class Told(SynchronousTestCase):
    """Nothing is left out."""

    def test_every_escape(self) -> None:
        section = TEXT.partition("The escapes\n")[2].partition("What phones write\n")[0]
        for letter in "kSsrabtTpPqQiIdRAFncmMCuBoOfxDevVyU%":
            self.assertIn(f"%{letter}", section)

    def test_every_field(self) -> None:
        section = TEXT.partition("Sending\n")[2].partition("Delivery reports\n")[0]
        for name in (
            "username", "password", "user", "pass", "from", "to", "text", "charset", "coding", "udh", "smsc", "mclass", "mwi",
            "compress", "validity", "deferred", "dlr-mask", "dlr-url", "pid", "alt-dcs", "rpi", "account", "binfo", "priority",
            "meta-data",
        ):  # fmt: skip
            self.assertRegex(section, rf"``[^`]*\b{name}\b")

    def test_blocks_are_for_somebody(self) -> None:
        def known(block: Block) -> bool:
            return block.language in ("yaml", "http", "ini", "text")

        self.assertTrue(all(map(known, BLOCKS)))

    def test_the_sample_configuration(self) -> None:
        sample = (PAGES.parent / "etc" / "smsd.yaml").read_text("utf-8")
        switched = sample.replace("    kannel: no ", "    kannel: yes ").replace(
            "    # kannel_smsc:", "    kannel_smsc:"
        )
        door, *_ = load_text(switched, str(PAGES.parent / "etc" / "smsd.yaml"), {}).listeners
        self.assertEqual((door.kannel, door.kannel_smsc), (True, {"vodafone": "gsm1"}))
