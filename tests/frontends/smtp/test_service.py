"""The door as a service: listening, stopping, limits, certificates, settings."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, UNIXClientEndpoint, connectProtocol
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from smsd.frontends.smtp import MailDoor, Settings, make
from smsd.frontends.smtp.factory import CertificateFiles
from smsd.frontends.smtp.settings import TLSFiles
from smsd.interfaces import IFrontend
from tests.frontends import fakes
from tests.frontends.smtp import certificate
from tests.frontends.smtp.dialogue import MAIL, Dialogue, codes

LOOPBACK = "tcp:0:interface=127.0.0.1"


def door(**changes: Any) -> MailDoor:
    settings: dict[str, Any] = {
        "id": "smtp",
        "type": "smtp",
        "listen": [LOOPBACK],
        "require_auth": False,
        **changes,
    }
    return make(Settings(**settings), fakes.context(reactor=reactor))


class Client(Protocol):
    """Collects replies; `heard` fires when the last line of the n-th reply is there."""

    def __init__(self) -> None:
        self.text = ""
        self.gone: Deferred[None] = Deferred()
        self._wanted: tuple[int, Deferred[str]] | None = None

    def dataReceived(self, data: bytes) -> None:
        self.text += data.decode("ascii")
        if self._wanted and len(codes(self.text)) >= self._wanted[0]:
            wanted, self._wanted = self._wanted, None
            wanted[1].callback(self.text)

    def heard(self, replies: int) -> Deferred[str]:
        answer: Deferred[str] = Deferred()
        self._wanted = (replies, answer)
        self.dataReceived(b"")
        return answer

    def connectionLost(self, reason: object = None) -> None:
        self.gone.callback(None)


class Service(TestCase):
    """Over real sockets."""

    async def connect(self, service: MailDoor) -> Client:
        port = service.ports[0].getHost().port
        return await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port), Client())

    def test_interface(self) -> None:
        self.assertTrue(verifyObject(IFrontend, door()))

    async def test_listens_and_stops(self) -> None:
        service = door(listen=[LOOPBACK, LOOPBACK])
        await service.startService()
        self.assertEqual(len(service.ports), 2)
        client = await self.connect(service)
        await client.heard(1)
        await service.stopService()
        await client.gone
        self.assertTrue(client.text.endswith("421 4.3.2 the server is shutting down\r\n"))
        self.assertEqual(service.ports, [])

    async def test_a_port_in_use(self) -> None:
        first = door()
        await first.startService()
        self.addCleanup(first.stopService)
        taken = first.ports[0].getHost().port
        second = door(listen=[LOOPBACK, f"tcp:{taken}:interface=127.0.0.1"])
        with self.assertRaises(CannotListenError) as caught:
            await second.startService()
        self.assertIn(str(taken), str(caught.exception))
        self.assertEqual(second.ports, [])

    async def test_stop_gives_the_answers_that_are_owed(self) -> None:
        service = door()
        await service.startService()
        dispatcher: Any = service.context.dispatcher
        dispatcher.holding = True
        client = await self.connect(service)
        assert client.transport is not None
        client.transport.write(
            b"EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<+1@sms.example>\r\nDATA\r\n" + MAIL + b".\r\n"
        )
        await client.heard(5)
        while not dispatcher.submissions:
            turn: Deferred[None] = Deferred()
            reactor.callLater(0.01, turn.callback, None)
            await turn
        stopping = service.stopService()
        dispatcher.release()
        await stopping
        await client.gone
        self.assertEqual(codes(client.text)[-2:], ["250", "421"])

    async def test_unix_socket(self) -> None:
        path = tempfile.mktemp(
            prefix="smsd-", suffix=".sock"
        )  # trial's own folders are too deep for a socket
        service = door(listen=[f"unix:{path}"])
        await service.startService()
        self.addCleanup(service.stopService)
        client = await connectProtocol(UNIXClientEndpoint(reactor, path), Client())
        assert client.transport is not None
        client.transport.write(b"EHLO x\r\nQUIT\r\n")
        await client.gone
        self.assertEqual(codes(client.text), ["220", "250", "221"])

    async def test_haproxy(self) -> None:
        service = door(listen=[f"haproxy:{LOOPBACK}"], clear_auth_networks=["192.0.2.0/24"])
        await service.startService()
        self.addCleanup(service.stopService)
        for line, announced in (
            (b"PROXY TCP4 192.0.2.7 127.0.0.1 1 2", True),
            (b"PROXY UNKNOWN ::1 ::1 1 2", False),
        ):
            client = await self.connect(service)
            assert client.transport is not None
            client.transport.write(line + b"\r\nEHLO x\r\nQUIT\r\n")
            await client.gone
            self.assertEqual(codes(client.text), ["220", "250", "221"])
            self.assertEqual("AUTH" in client.text, announced, line)

    async def test_certificate_that_is_missing(self) -> None:
        service = door(tls={"certificate": "/nonexistent/cert.pem", "key": "/nonexistent/key.pem"})
        with self.assertRaises(OSError):
            await service.startService()
        await service.stopService()


class Limits(SynchronousTestCase):
    """How many may come."""

    def test_connection_limit(self) -> None:
        talk = Dialogue(connection_limit=1)
        busy = talk.factory.buildProtocol(None)
        transport = StringTransport()
        busy.makeConnection(transport)
        self.assertEqual(transport.value(), b"421 4.3.2 too many connections, try again later\r\n")
        self.assertTrue(transport.disconnecting)
        talk.protocol.connectionLost()
        self.assertNotIsInstance(talk.factory.buildProtocol(None), type(busy))

    def test_stop_does_not_wait_for_ever(self) -> None:
        talk = Dialogue()
        stopping = talk.factory.shut_down()
        self.assertEqual(codes(talk.output()), ["421"])
        talk.clock.advance(15)
        self.assertTrue(talk.wire.aborted)
        self.assertNoResult(stopping)
        talk.protocol.connectionLost()
        self.successResultOf(stopping)


class Certificates(SynchronousTestCase):
    """PEM files."""

    def test_read_again_when_changed(self) -> None:
        folder = Path(self.mktemp())
        cert, key = certificate.write(folder)
        files = CertificateFiles(TLSFiles(certificate=cert, key=key))
        first = files.context()
        self.assertIs(files.context(), first)
        certificate.write(folder)
        os.utime(cert, (1, 1))
        second = files.context()
        self.assertIsNot(second, first)
        Path(key).write_text("rubbish")
        self.assertIs(files.context(), second)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_unusable(self) -> None:
        folder = Path(self.mktemp())
        cert, key = certificate.write(folder)
        Path(cert).write_text("rubbish")
        with self.assertRaises(ValueError) as caught:
            CertificateFiles(TLSFiles(certificate=cert, key=key)).context()
        self.assertIn(cert, str(caught.exception))
        cert, key = certificate.write(folder)
        other = certificate.write(Path(self.mktemp()))
        with self.assertRaises(ValueError) as caught:
            CertificateFiles(TLSFiles(certificate=cert, key=other[1])).context()
        self.assertIn(other[1], str(caught.exception))


class Configured(SynchronousTestCase):
    """Settings that make no sense are refused with a reason."""

    def test_refused(self) -> None:
        for name, value in (
            ("clear_auth_networks", ["localhost"]),
            ("trusted_networks", ["127.0.0.1/8"]),
            ("helpers", {"sms": "maxmsgs=x"}),
            ("helpers", {"a:b": ""}),
            ("size_limit", 10),
            ("subject", "maybe"),
            ("unknown", 1),
        ):
            with self.assertRaises(ValidationError):
                door(**{name: value})
