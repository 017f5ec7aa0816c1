"""Through a real Kannel: what `template: kannel` hands to its sendsms is what its SMSC gets, and its refusals are understood."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote_to_bytes

from twisted.internet import reactor as real
from twisted.trial.unittest import TestCase

from smsd.values.delivery import Accepted, Failure
from smsd.values.message import Binary, Parameters
from tests.gateways.http.standin import gateway, piece, short
from tests.peers.kannel import Kannel, missing
from tests.rig.processes import until

reactor: Any = real


class Smsc:
    """What stands behind Kannel: takes every SMS, and remembers the octets of its parameters."""

    def __init__(self) -> None:
        self.got: list[dict[str, bytes]] = []
        smsc = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                pairs = (pair.partition("=") for pair in self.path.partition("?")[2].split("&"))
                smsc.got.append({name: unquote_to_bytes(value.replace("+", " ")) for name, _, value in pairs})
                body = b"0: Accepted for delivery"
                self.send_response(202)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/sms"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Takes no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


class OutgoingTests(TestCase):
    skip = missing()
    timeout = 300

    def setUp(self) -> None:
        self.smsc = Smsc()
        self.addCleanup(self.smsc.stop)
        self.kannel = Kannel(self.smsc.url)
        self.addCleanup(self.kannel.stop)
        self.kannel.start()

    async def send(self, content: Any, password: str = "foobar", **changes: Any) -> Accepted | Failure:
        made = gateway(
            reactor,
            template="kannel",
            server=f"http://127.0.0.1:{self.kannel.send}",
            credentials={"user": "tester", "password": password},
        )
        made.startService()
        try:
            return await made.send(piece(content, **changes))
        except Failure as failure:
            return failure
        finally:
            await made.stopService()

    def arrived(self, count: int) -> list[dict[str, bytes]]:
        """What the SMSC got of that many SMS, in the order of their parts."""
        until(lambda: len(self.smsc.got) >= count, 30, f"{count} SMS")
        found, self.smsc.got = self.smsc.got, []
        return sorted(found, key=lambda sms: sms.get("udh", b"")[-1:])

    async def test_messages(self) -> None:
        self.assertEqual(
            await self.send("Fish & chips: 5 € [é]", parameters=Parameters(sender="4711")), Accepted("7")
        )
        (sms,) = self.arrived(1)
        self.assertEqual((sms["to"], sms["from"]), (b"+15551234567", b"4711"))
        self.assertEqual(sms["text"].decode(sms.get("charset", b"utf-8").decode()), "Fish & chips: 5 € [é]")
        self.assertEqual(await self.send("Žluťoučký kůň 😀"), Accepted("7"))
        (sms,) = self.arrived(1)
        charset = sms.get("charset", b"utf-16be" if sms.get("coding") == b"2" else b"utf-8").decode()
        self.assertEqual(sms["text"].decode(charset), "Žluťoučký kůň 😀")
        # Octets with a header, part by part.
        content = Binary(bytes(range(256)), bytes.fromhex("05040b8423f0"))
        for seq in (1, 2):
            self.assertEqual(await self.send(content, parts=True, seq=seq), Accepted(f"7-{seq}"))
        got = self.arrived(2)
        self.assertEqual(
            [sms["udh"].hex() for sms in got], ["0b0003ab020105040b8423f0", "0b0003ab020205040b8423f0"]
        )
        self.assertEqual(b"".join(sms["text"] for sms in got), content.data)
        # A long text goes whole; Kannel cuts it.
        self.assertEqual(await self.send("x" * 400), Accepted("7"))
        self.assertEqual(b"".join(sms["text"] for sms in self.arrived(3)), b"x" * 400)

    async def test_refusals(self) -> None:
        outcome = short(await self.send("hi", password="wrong-one"))
        self.assertEqual(outcome[:2], ("temporary", "gateway"))
        self.assertIn("Authorization failed", outcome[2])
