"""The door as a service: real sockets, TLS, curl, and what its log says."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from twisted.internet import reactor
from twisted.internet.error import CannotListenError
from twisted.internet.utils import getProcessOutputAndValue
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SkipTest, SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from smsd.frontends.http import HttpDoor, Settings, make
from smsd.interfaces import IFrontend
from smsd.values.errors import Reason
from tests.frontends.fakes import context, refused
from tests.frontends.http.client import ask, door, query
from tests.frontends.smtp import certificate

CURL = shutil.which("curl")


class SettingsTests(SynchronousTestCase):
    """What the configuration may say."""

    def test_defaults_are_safe(self) -> None:
        settings = Settings(id="web", type="http", listen=["tcp:8080"])
        self.assertTrue(settings.require_auth)
        self.assertEqual((settings.max_body, settings.trusted_networks), (1_000_000, []))

    def test_mistakes(self) -> None:
        for wrong in (
            {"trusted_networks": ["10.0.0.1/8"]},
            {"trusted_networks": ["office"]},
            {"max_body": "0"},
            {"require_auth": "perhaps"},
            {"colour": "red"},
            {"listen": []},
        ):
            fields: dict[str, Any] = {"id": "web", "type": "http", "listen": ["tcp:1"], **wrong}
            self.assertRaises(ValidationError, Settings, **fields)


class LogTests(SynchronousTestCase):
    """One line for each call; never a password, a text, or a whole number."""

    def test_lines(self) -> None:
        events: list[Any] = []
        globalLogPublisher.addObserver(events.append)
        self.addCleanup(globalLogPublisher.removeObserver, events.append)
        fakes = context()
        http = door(fakes)
        fakes.dispatcher.refusals["+1\tx"] = refused(Reason.BAD_NUMBER)
        ask(http, query(number="+15551234567", data="good news", msgid="m1"))
        ask(http, query(number="+1\tx", data="good news"))
        ask(http, "/sms/?number=%2B15551234567&data=good+news&user=john&pass=sesame")
        ask(http, "/sms/deliver.html?id=HTTP&pass=1234&number=sms:+15551234567@x&data=good+news")
        ask(http, "/sms/deliver.html?id=HTTP&pass=sesame&number=+15551234567&data=good+news")
        ask(http, "/sms/deliver.html?id=sesame&pass=1234&number=+15551234567&data=good+news")
        fakes.reactor.advance(1)
        (event,) = [event for event in events if event.get("door") == "web"]
        lines = event["batch"]
        self.assertEqual(
            [one["line"] for one in lines],
            [
                "192.0.2.7 /sms/ 200: 1 of 1 accepted as message 1, to +1555…67",
                "192.0.2.7 /sms/ 400: 0 of 1 accepted (BAD_NUMBER), to +1x",
                "192.0.2.7 /sms/ 401: BAD_CREDENTIALS, to +1555…67",
                "192.0.2.7 /sms/deliver.html 200: True, gateway HTTP, from +1555…67, 0.000 s",
                "192.0.2.7 /sms/deliver.html 403: False, gateway HTTP, from +1555…67, 0.000 s",
                "192.0.2.7 /sms/deliver.html 403: False, gateway -, from +1555…67, 0.000 s",
            ],
        )
        self.assertEqual(
            [(event.get("account"), event.get("msgid")) for event in lines[:3]],
            [("john", "m1"), ("john", None), (None, None)],
        )
        for event in events:
            for secret in ("johnpw", "sesame", "1234&", "good news", "15551234567"):
                self.assertNotIn(secret, repr(event))


class ServiceTests(TestCase):
    """Over real sockets."""

    async def listening(self, *listen: str, **settings: Any) -> tuple[HttpDoor, Any]:
        fakes = replace(context(), reactor=reactor)
        http = make(Settings(id="web", type="http", listen=list(listen), **settings), fakes)
        verifyObject(IFrontend, http)
        await http.startService()
        self.addCleanup(http.stopService)
        return http, fakes

    async def curl(self, *arguments: str) -> str:
        if CURL is None:
            raise SkipTest("curl is not installed")
        output, _, code = await getProcessOutputAndValue(
            CURL, ["-s", "-S", "-m", "20", *arguments], reactor=reactor
        )
        self.assertEqual(code, 0, output)
        return output.decode()

    async def test_curl(self) -> None:
        http, fakes = await self.listening("tcp:0:interface=127.0.0.1", "tcp:0:interface=127.0.0.1")
        self.assertEqual(len(http.addresses), 2)
        url = f"http://127.0.0.1:{http.addresses[0].port}/sms/"
        said = await self.curl("-u", "john:johnpw", "-d", "number=+15551234567", "-d", "data=hello", url)
        self.assertEqual(said, "OK 1001 +15551234567 parts=1\n")
        said = await self.curl("-u", "john:johnpw", "-F", "number=+15551234567", "-F", "data=Grüße", url)
        self.assertEqual(said, "OK 1002 +15551234567 parts=1\n")
        self.assertEqual([sent.content.text for sent in fakes.dispatcher.submissions], ["hello", "Grüße"])
        self.assertEqual(fakes.portal.logins[0], ("john", "johnpw", "127.0.0.1"))

    async def test_a_large_body_hears_why(self) -> None:
        """Neither with nor without asking first does the client see a reset instead of the answer."""
        http, _ = await self.listening("tcp:0:interface=127.0.0.1")
        large = Path(self.mktemp())
        large.write_bytes(b"x" * 20_000_000)
        url = f"http://127.0.0.1:{http.addresses[0].port}/sms/"
        for header in ("X: y", "Expect:", "Transfer-Encoding: chunked"):
            said = await self.curl("-H", header, "-w", "%{http_code}", "--data-binary", f"@{large}", url)
            self.assertEqual(said[-3:], "413", said)

    async def test_tls(self) -> None:
        cert, key = certificate.write(Path(self.mktemp()))
        http, _ = await self.listening(f"ssl:0:privateKey={key}:certKey={cert}:interface=127.0.0.1")
        url = f"https://localhost:{http.addresses[0].port}{query(number='+15551234567', data='hello')}"
        resolve = f"localhost:{http.addresses[0].port}:127.0.0.1"
        said = await self.curl("--cacert", cert, "--resolve", resolve, url)
        self.assertEqual(said, "OK 1001 +15551234567 parts=1\n")
        large = Path(self.mktemp())
        large.write_bytes(b"x" * 5_000_000)
        arguments = ("-k", "-w", "%{http_code}", "-H", "Expect:", "--data-binary", f"@{large}")
        self.assertEqual((await self.curl(*arguments, url))[-3:], "413")

    async def test_port_in_use(self) -> None:
        """One address of two cannot be had: neither is listened on."""
        first, _ = await self.listening("tcp:0:interface=127.0.0.1")
        taken = first.addresses[0].port
        second = make(
            Settings(
                id="web",
                type="http",
                listen=["tcp:0:interface=127.0.0.1", f"tcp:{taken}:interface=127.0.0.1"],
            ),
            replace(context(), reactor=reactor),
        )
        with self.assertRaises(CannotListenError):
            await second.startService()
        self.assertEqual(second.addresses, [])
