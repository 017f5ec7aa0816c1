"""Answers sent at once keep their order, whatever their size, and never get past what already waits."""

from __future__ import annotations

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase, TestCase

from smsd.frontends.sending import send

BIG = bytes(range(256)) * 40_000


class Speaker(Protocol):
    """Says everything and hangs up."""

    def connectionMade(self) -> None:
        send(self.transport, b"first,")
        self.transport.write(b"second,")
        send(self.transport, b"third,")
        send(self.transport, BIG)
        send(self.transport, b",last")
        self.transport.loseConnection()
        send(self.transport, b"!")


class Listener(Protocol):
    """Collects until the end."""

    def __init__(self) -> None:
        self.heard = b""
        self.done: Deferred[bytes] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: object = ConnectionDone) -> None:
        self.done.callback(self.heard)


class OverTcp(TestCase):
    @inlineCallbacks
    def test_order(self):
        port = reactor.listenTCP(0, Factory.forProtocol(Speaker), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
        listener = yield connectProtocol(endpoint, Listener())
        heard = yield listener.done
        self.assertEqual(heard.rstrip(b"!"), b"first,second,third," + BIG + b",last")


class Elsewhere(SynchronousTestCase):
    def test_other_transports_are_written_to(self) -> None:
        transport = StringTransport()
        send(transport, b"hello")
        self.assertEqual(transport.value(), b"hello")
