"""What the lean client does beyond the contract: its bound, who waits, and answers cut anywhere."""

from __future__ import annotations

from typing import Any
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, gatherResults
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from smsd.gateways.exchange import Answer, Unanswered
from smsd.gateways.lean import LeanClient
from smsd.gateways.lean.connection import Connection, Exchange
from tests.gateways.test_clients import OK, Setting, Talk, turns


class Bounded(Setting, TestCase):
    def make(self, reactor: Any, policy: Any, connections: int, guard: Any = None) -> Any:
        return LeanClient(reactor, policy, connections, guard)

    async def test_at_most_so_many_connections(self) -> None:
        waiting: list[Talk] = []
        self.server.script = waiting.append
        answers = [self.fetch(f"/{number}") for number in range(10)]
        while len(waiting) < 4:
            await turns()
        await turns(10)
        self.assertEqual((len(waiting), len(self.server.talks)), (4, 4))
        while waiting:
            waiting.pop(0).transport.write(OK)
            await turns(10)
        self.assertEqual([(await one).body for one in answers], [b"ok"] * 10)
        self.assertEqual(len(self.server.talks), 4)

    async def test_padded_chunks(self) -> None:
        """As old servers write them."""
        self.server.says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked \r\n\r\n2  \r\nok\r\n0\r\n\r\n")
        for _ in range(2):
            self.assertEqual((await self.fetch()).body, b"ok")
        self.assertEqual(len(self.server.talks), 1)

    async def test_what_waits_in_vain_was_not_sent(self) -> None:
        self.server.script = lambda talk: None
        busy = [self.fetch(seconds=60) for _ in range(4)]
        while len(self.server.asked) < 4:
            await turns()
        late = self.fetch(seconds=30)
        self.clock.advance(30)
        await self.none(late, "none of 4 connections to it became free in time", False)
        nobody = self.fetch()
        nobody.cancel()
        await self.assertFailure(nobody, CancelledError)
        self.clock.advance(30)
        for one in busy:
            await self.none(one, "it did not answer in time", True)
        self.assertEqual(len(self.server.asked), 4)

    async def test_another_takes_the_place_of_one_that_ended(self) -> None:
        self.server.script = lambda talk: talk.transport.loseConnection()
        for one in [self.fetch() for _ in range(12)]:
            await self.none(one, "it ended the connection", True)
        self.assertEqual((len(self.server.talks), len(self.server.asked)), (12, 12))

    async def test_a_server_that_ends_connections_without_a_word(self) -> None:
        """What is asked over one that has just answered may have arrived: that is done once, not with every second message."""

        def answer(talk: Talk) -> None:
            talk.transport.write(OK)
            talk.transport.loseConnection()

        self.server.script = answer
        first = await gatherResults([self.fetch().addErrback(lambda failure: None) for _ in range(30)])
        self.assertLessEqual(first.count(None), 4)  # one for each connection
        later = await gatherResults([self.fetch() for _ in range(30)])
        self.assertEqual({answer.body for answer in later}, {b"ok"})

    async def test_a_server_that_is_restarted_keeps_connections_all_the_same(self) -> None:
        for _ in range(2):
            await self.fetch()
        self.server.script = lambda talk: talk.transport.loseConnection()
        await self.none(self.fetch(), "it ended the connection", True)
        self.server.says(OK)
        await self.fetch()
        self.server.script = lambda talk: talk.transport.loseConnection()
        await self.none(self.fetch(), "it ended the connection", True)
        self.server.says(OK)
        for _ in range(3):
            await self.fetch()
        self.assertEqual(len(self.server.talks), 3)

    async def test_one_more_than_the_server_takes(self) -> None:
        """A connection that does not come about costs no request where others stand."""
        held: list[Talk] = []
        self.server.script = held.append
        first = self.fetch()
        while not held:
            await turns()
        tried: list[Any] = []

        def full(*arguments: Any, **_: Any) -> None:
            tried.append(arguments)
            raise OSError("no more")

        other = self.mixed.connectTCP
        self.mixed.connectTCP = full
        second = self.fetch("/second")
        while not tried:
            await turns()
        self.assertNoResult(second)
        self.mixed.connectTCP = other
        self.server.says(OK)
        held[0].transport.write(OK)
        self.assertEqual([(await first).body, (await second).body], [b"ok", b"ok"])
        self.assertEqual(len(self.server.talks), 1)


class Parsed(SynchronousTestCase):
    def answer(
        self, pieces: list[bytes], head: bool = False, limit: int = 1000
    ) -> tuple[Any, Connection, list[Any]]:
        """What becomes of an answer that comes in these pieces, and whether the connection is kept."""
        kept: list[Any] = []
        clock = Clock()
        origin = mock.Mock()
        origin.client.reactor = clock
        origin.free = lambda connection, now: kept.append(connection)
        connection = Connection(origin, False, 1.0)
        transport = StringTransport()
        connection.makeConnection(transport)
        exchange = Exchange(b"GET / HTTP/1.1\r\n\r\n", head, limit, 30.0)
        self.assertTrue(connection.begin(exchange))
        self.assertEqual(transport.value(), exchange.octets)
        for octets in pieces:
            connection.dataReceived(octets)
        done: list[Any] = []
        exchange.done.addBoth(done.append)
        if not done:
            connection.connectionLost(Failure(ConnectionDone()))
        result = done[0]
        return (result.value if isinstance(result, Failure) else result), connection, kept

    @given(st.data())
    def test_cut_anywhere(self, data: st.DataObject) -> None:
        body = data.draw(st.binary(max_size=40))
        chunked = b"".join(b"%x\r\n%b\r\n" % (1, body[at : at + 1]) for at in range(len(body))) + b"0\r\n\r\n"
        octets = b"HTTP/1.1 103 Early\r\nX: y\r\n\r\n" * data.draw(st.integers(0, 2)) + data.draw(
            st.sampled_from([
                b"HTTP/1.1 200 All well\r\nA: b\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body),
                b"HTTP/1.1 200 All well\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked,
            ])
        )  # fmt: skip
        cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=8)))
        pieces = [octets[a:b] for a, b in zip([0, *cuts], [*cuts, len(octets)], strict=True)]
        answer, connection, kept = self.answer([piece for piece in pieces if piece])
        self.assertEqual(
            (answer.status, answer.phrase, answer.body, answer.whole), (200, "All well", body, True)
        )
        self.assertEqual((answer.header("a"), answer.header("x"), kept), ("b", "", [connection]))

    @given(st.lists(st.binary(min_size=1, max_size=60), max_size=5), st.booleans())
    def test_anything(self, pieces: list[bytes], start: bool) -> None:
        """An answer or none, never anything else; and what is no whole answer leaves no connection behind."""
        result, _, kept = self.answer([b"HTTP/1.1 200 OK\r\n", *pieces] if start else pieces)
        self.assertIsInstance(result, (Answer, Unanswered))
        if isinstance(result, Unanswered):
            self.assertTrue(result.sent)
        if kept:
            self.assertTrue(result.whole)
