"""Programs that were written for Kannel, with smsd in its place: their requests as they write them, and what calls them."""

from __future__ import annotations

import urllib.parse
import urllib.request
from typing import Any, ClassVar

from twisted.trial.unittest import SynchronousTestCase

from tests.peers.kannel import Program
from tests.rig.modems import Modems
from tests.rig.processes import Folder, free_port, until
from tests.rig.server import Server, modem_gateway


class ClientCase(SynchronousTestCase):
    """A program, smsd, and a modem."""

    timeout = 300
    service: ClassVar[dict[str, Any]]

    def setUp(self) -> None:
        self.place = Folder()
        self.addCleanup(self.place.close)
        self.program = Program()
        self.addCleanup(self.program.stop)
        self.modems = Modems(self.place.path / "modems")
        self.addCleanup(self.modems.stop)
        self.modems.ask("reports 0:0")
        self.port = free_port()
        listener = {
            "id": "web", "type": "http", "kannel": True, "listen": [f"tcp:{self.port}:interface=127.0.0.1"],
        }  # fmt: skip
        url = {**self.service, "url": self.program.url + self.service["url"], "escapes": "kannel"}
        self.server = Server(
            self.place.path / "s",
            [modem_gateway("gsm1", self.modems.link())],
            extra={
                "listeners": [listener],
                "callbacks": {"allow_networks": ["127.0.0.0/8"]},
                "incoming": [{"title": "default", "do": [{"url": url}]}],
            },
        )
        self.server.http = self.server.smtp = self.port
        self.addCleanup(lambda: self.server.process and self.server.process.kill())
        self.server.start()
        self.server.ready()
        self.server.in_service("gsm1")

    def ask(self, query: str) -> tuple[int, str]:
        """A request of the program: status and answer."""
        url = f"http://127.0.0.1:{self.port}/cgi-bin/sendsms?{query}"
        with urllib.request.urlopen(url, timeout=120) as answer:
            return int(answer.status), str(answer.read().decode())

    def heard(self, path: str, count: int) -> list[dict[str, str]]:
        """The first `count` calls of a path."""

        def calls() -> list[dict[str, str]]:
            return [said for said in list(self.program.heard) if said["path"] == path]

        until(lambda: len(calls()) >= count, 60, f"{count} calls of {path}", self.server.process)
        return calls()


class RapidProCourier(ClientCase):
    """nyaruka/courier, channel type KN."""

    service: ClassVar[dict[str, Any]] = {
        "url": "/c/kn/8eb23e93/receive?backend=%i&sender=%p&message=%b&ts=%T&id=%I&to=%P",
        "method": "POST",
        "body": "%body%",
    }

    def test_send_and_status(self) -> None:
        status = urllib.parse.quote(f"{self.program.url}/c/kn/8eb23e93/status?id=10&status=%d", safe="")
        code, _ = self.ask(
            f"coding=2&charset=utf8&dlr-mask=27&dlr-url={status}&from=2020&password=demo&priority=1"
            "&text=%E2%98%BA&to=%2B250788383383&username=demo"
        )
        self.assertEqual(code // 100, 2)
        calls = self.heard("/c/kn/8eb23e93/status", 2)
        self.assertEqual(
            [(call["id"], call["status"], call["method"]) for call in calls],
            [("10", "8", "GET"), ("10", "1", "GET")],
        )

    def test_status_of_a_failure(self) -> None:
        self.modems.ask("reports 0:0x46")
        status = urllib.parse.quote(f"{self.program.url}/c/kn/8eb23e93/status?id=11&status=%d", safe="")
        self.ask(
            f"dlr-mask=27&dlr-url={status}&from=2020&password=demo&text=hi&to=%2B250788383383&username=demo"
        )
        self.assertEqual([call["status"] for call in self.heard("/c/kn/8eb23e93/status", 2)], ["8", "2"])

    def test_receive(self) -> None:
        self.modems.ask("receive +15559876543 'Join café'")
        [call] = self.heard("/c/kn/8eb23e93/receive", 1)
        self.assertEqual(
            (call["method"], call["sender"], call["message"]), ("POST", "+15559876543", "Join café")
        )
        self.assertEqual(call["backend"], "gsm1")
        self.assertTrue(int(call["ts"]) > 1_700_000_000)
        self.assertEqual(len(call["id"]), 36)


class PlaySms(ClientCase):
    """playSMS, gateway plug-in kannel."""

    service: ClassVar[dict[str, Any]] = {
        "url": "/plugin/gateway/kannel/callback.php?mo=1&authcode=abc&t=%t&q=%q&a=%a&Q=%Q&smsc=%i"
    }

    def test_send_and_dlr(self) -> None:
        back = f"{self.program.url}/plugin/gateway/kannel/callback.php?dlr=1&authcode=abc&type=%d&smslog_id=7&uid=1&smsc=kannel"
        answer = self.ask(
            f"username=demo&password=demo&from=1234&to=%2B628123456789&dlr-mask=27&dlr-url={urllib.parse.quote(back, safe='')}"
            "&charset=UTF-16BE&coding=2&account=1-admin&text=%04%16%00%20%00a"
        )
        self.assertEqual(answer, (202, "0: Accepted for delivery"))
        calls = self.heard("/plugin/gateway/kannel/callback.php", 2)
        self.assertEqual([call["type"] for call in calls], ["8", "1"])
        self.assertEqual(
            {(call["dlr"], call["authcode"], call["smslog_id"]) for call in calls}, {("1", "abc", "7")}
        )
        self.assertIn('"text": "\\u0416 a"', self.modems.journal.read_text())

    def test_the_modem_is_unplugged(self) -> None:
        self.modems.ask("vanish")
        until(lambda: not self.slots(), 60, "a closed gateway", self.server.process)
        query = "username=demo&password=demo&to=%2B628123456789&text=patience"
        self.assertEqual(self.ask(query), (202, "3: Queued for later delivery"))
        self.modems.ask("back")
        until(lambda: self.modems.sent() == 1, 60, "the message", self.server.process)

    def slots(self) -> int:
        """How many pieces the gateway would take now."""
        return sum(
            int(gateway["slots"])
            for gateway in self.server.ask("status")["gateways"]
            if gateway["id"] == "gsm1"
        )

    def test_incoming(self) -> None:
        self.modems.ask("receive +15559876543 'PV +628123456789 hello  there'")
        [call] = self.heard("/plugin/gateway/kannel/callback.php", 1)
        self.assertEqual((call["mo"], call["q"], call["smsc"]), ("1", "+15559876543", "gsm1"))
        self.assertEqual(call["a"], "PV +628123456789 hello there")
        self.assertRegex(call["t"], r"^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d$")
