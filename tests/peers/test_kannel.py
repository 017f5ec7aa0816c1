"""A real Kannel in front of smsd: its `smsc = http` of type kannel hands in at /cgi-bin/sendsms, and what becomes of each message
reaches the program that asked Kannel. And the other way: what a phone writes reaches Kannel by a rule's URL."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.peers.kannel import Kannel, Program, missing
from tests.rig.modems import Modems
from tests.rig.processes import Folder, free_port, until, whole_lines
from tests.rig.server import Server, modem_gateway


class KannelTest(SynchronousTestCase):
    """One Kannel, one smsd, one modem."""

    skip = missing()
    timeout = 300

    def setUp(self) -> None:
        self.place = Folder()
        self.addCleanup(self.place.close)
        self.program = Program()
        self.addCleanup(self.program.stop)
        self.modems = Modems(self.place.path / "modems")
        self.addCleanup(self.modems.stop)
        self.modems.ask("reports 0:0")
        listener = free_port()
        service = (
            f'group = sms-service\nkeyword = weather\nget-url = "{self.program.url}/weather?from=%p&to=%P&all=%a"\n'
            "max-messages = 1\n"
        )
        self.kannel = Kannel(f"http://127.0.0.1:{listener}/cgi-bin/sendsms", service)
        self.addCleanup(self.kannel.stop)
        get_url = (
            f"http://127.0.0.1:{self.kannel.smsc}/?username=demo&password=demo"
            "&from=%p&to=2020&text=%b&charset=%C&coding=%c&id=%I"
        )
        self.server = Server(
            self.place.path / "s",
            [modem_gateway("gsm1", self.modems.link())],
            extra={
                "listeners": [
                    {
                        "id": "web", "type": "http", "kannel": True, "kannel_smsc": {"upstream": "gsm1"},
                        "listen": [f"tcp:{listener}:interface=127.0.0.1"],
                    },
                ],
                "callbacks": {"allow_networks": ["127.0.0.0/8"]},
                "incoming": [
                    {"title": "to the programs", "do": [{"url": {"url": get_url, "escapes": "kannel"}}]}
                ],
            },
        )  # fmt: skip
        self.server.http = self.server.smtp = listener
        self.addCleanup(lambda: self.server.process and self.server.process.kill())
        self.server.start()
        self.server.ready()
        self.server.in_service("gsm1")
        self.kannel.start()

    def send(self, **fields: str | bytes) -> str:
        """What a program asks its Kannel; the answer."""
        dlr = f"{self.program.url}/dlr?s=%d&to=%p&from=%P&said=%A&id=7"
        query = urllib.parse.urlencode(
            {"username": "tester", "password": "foobar", "dlr-mask": "31", "dlr-url": dlr, **fields}
        )
        url = f"http://127.0.0.1:{self.kannel.send}/cgi-bin/sendsms?{query}"
        with urllib.request.urlopen(url, timeout=120) as answer:
            return str(answer.read().decode())

    def wait(self, done: Any, what: str) -> None:
        until(done, 60, what, self.server.process)

    def journal(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in whole_lines(self.modems.journal).splitlines()]

    def test_a_text_goes_out_and_its_report_comes_back(self) -> None:
        answer = self.send(to="+15551234567", text="Grüße", **{"from": "Shop"})
        self.assertEqual(answer, "0: Accepted for delivery")
        self.wait(lambda: "1" in self.program.statuses("+15551234567"), "the report")
        # Kannel says that its SMSC, which is smsd, has taken it, and smsd that the network has.
        self.assertEqual(self.program.statuses("+15551234567"), ["8", "8", "1"])
        [sent] = self.journal()
        self.assertEqual((sent["number"], sent["text"]), ("+15551234567", "Grüße"))
        self.assertEqual(self.program.heard[-1]["from"], "Shop")

    def test_what_the_network_does_not_deliver(self) -> None:
        self.modems.ask("reports 0:0x46")
        self.send(to="+15551234567", text="hello")
        self.wait(lambda: "2" in self.program.statuses("+15551234567"), "the report")

    def test_what_smsd_does_not_take(self) -> None:
        self.send(to="123456789012345678901234", text="hello")
        self.wait(lambda: self.program.statuses("123456789012345678901234"), "the report")
        self.assertEqual(self.program.statuses("123456789012345678901234"), ["16"])
        self.assertEqual(self.journal(), [])

    def test_a_long_text_that_kannel_cuts_is_one_on_the_phone(self) -> None:
        text = "".join(f"{n:03} " for n in range(100))
        self.send(to="+15551234567", text=text)
        self.wait(lambda: len(self.journal()) == 3, "three parts")
        parts = sorted(self.journal(), key=lambda sent: sent["part"][2])
        self.assertEqual("".join(sent["text"] for sent in parts), text)
        self.assertEqual(len({tuple(sent["part"][:2]) for sent in parts}), 1)
        self.assertEqual([sent["part"][2] for sent in parts], [1, 2, 3])

    def test_unicode_octets_and_a_class(self) -> None:
        self.send(to="+15551234567", text="Жук", coding="2", charset="UTF-8")
        self.send(to="+15551234568", text=b"\x00\xff", coding="1", udh=b"\x06\x05\x04\x0b\x84\x23\x70")
        self.wait(lambda: len(self.journal()) == 2, "two messages")
        unicode, octets = sorted(self.journal(), key=lambda sent: sent["number"])
        self.assertEqual(unicode["text"], "Жук")
        self.assertEqual((octets["hex"].lower(), octets["udh"].lower()), ("00ff", "05040b842370"))

    def test_smsd_is_away_for_a_while(self) -> None:
        """Kannel keeps the message and comes again."""
        self.server.stop()
        self.send(to="+15551234567", text="patience")
        log = self.kannel.base / "bearerbox.log"
        until(lambda: b"Couldn't connect to SMS center" in log.read_bytes(), 60, "Kannel's first try")
        self.server.start()
        self.server.ready()
        self.wait(lambda: "1" in self.program.statuses("+15551234567"), "the report")
        self.assertEqual(len(self.journal()), 1)

    def test_a_phone_asks_and_is_answered(self) -> None:
        self.modems.ask("receive +15559876543 'weather in Rome'")
        self.wait(lambda: self.journal(), "the answer")
        [asked] = [said for said in self.program.heard if said["path"] == "/weather"]
        self.assertEqual((asked["from"], asked["all"]), ("+15559876543", "weather in Rome"))
        [sent] = self.journal()
        self.assertEqual((sent["number"], sent["text"]), ("+15559876543", "17 degrees"))
