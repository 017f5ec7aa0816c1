"""The conversation with a relay without sockets: limits of time and size."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from smsd.gateways.smtp.client import Connection
from smsd.gateways.smtp.replies import Lost, Reply


class ConnectionTests(SynchronousTestCase):
    """One connection on a string transport."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.ended: list[Connection] = []
        self.connection = Connection(self.clock, 60, "relay", self.ended.append)
        self.transport = StringTransport()
        self.connection.makeConnection(self.transport)

    def begun(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self.connection.begin("me", "none", None, None))

    def lost(self, waiting: Deferred[None], words: str) -> None:
        self.assertIn(words, self.failureResultOf(waiting, Lost).value.reason)
        self.assertEqual(self.ended, [self.connection])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_answers_may_come_in_pieces(self) -> None:
        begun = self.begun()
        for octet in b"220-first\r\n220 second\r\n250-relay\r\n250-SIZE 1000\r\n250 PIPELINING\n":
            self.connection.dataReceived(bytes([octet]))
        self.successResultOf(begun)
        self.assertEqual(self.connection.extensions, {"SIZE": "1000", "PIPELINING": ""})
        self.assertEqual(self.transport.value(), b"EHLO me\r\n")

    def test_silence(self) -> None:
        begun = self.begun()
        self.clock.advance(59)
        self.assertNoResult(begun)
        self.clock.advance(1)
        self.lost(begun, "does not answer")

    def test_a_drip_does_not_extend_the_time(self) -> None:
        begun = self.begun()
        for _ in range(12):
            self.connection.dataReceived(b"220-still here\r\n")
            self.clock.advance(5)
        self.lost(begun, "does not answer")

    def test_a_line_without_end(self) -> None:
        begun = self.begun()
        self.connection.dataReceived(b"220 " + b"x" * 5000)
        self.lost(begun, "endless lines")

    def test_an_answer_without_end(self) -> None:
        begun = self.begun()
        self.connection.dataReceived(b"220-x\r\n" * 200)
        self.lost(begun, "does not speak SMTP")

    def test_answers_nobody_asked_for(self) -> None:
        begun = self.begun()
        self.connection.dataReceived(b"220 x\r\n250 me\r\n")
        self.successResultOf(begun)
        self.connection.dataReceived(b"250 x\r\n" * 200)
        self.assertEqual(self.ended, [self.connection])

    def test_leaving_has_a_limit(self) -> None:
        self.connection.quit()
        self.assertEqual(self.transport.value(), b"QUIT\r\n")
        self.clock.advance(5)
        self.assertEqual(self.ended, [self.connection])

    def test_replies_are_one_safe_line(self) -> None:
        reply = Reply(550, ("5.1.1 a\x00b", "x" * 500))
        self.assertEqual(reply.enhanced, "5.0.0")
        self.assertEqual(len(str(reply)), 300)
        self.assertNotIn("\x00", str(reply))
