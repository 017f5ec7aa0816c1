"""What both HTTP clients promise, over real sockets of the loopback; the clock of the time limits is the test's."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from twisted.internet import reactor as real
from twisted.internet import ssl
from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IHostnameResolver
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from smsd.codec.weburl import Target, read_url
from smsd.gateways.exchange import CLOSE, KEEP, LONGEST_HEAD, Answer, IClient, Unanswered
from smsd.gateways.fetching import Client
from smsd.gateways.guard import Guard
from smsd.gateways.kept import Untouched
from smsd.gateways.lean import LeanClient
from smsd.gateways.trust import policy
from smsd.values.errors import InvalidValue
from tests.frontends.smtp.certificate import write
from tests.gateways.test_url import Mixed, forgotten, made, no_names
from tests.rig.processes import free_port

reactor: Any = real
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Talk(Protocol):
    """One connection of a server that does with each request what its script says."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.heard = b""
        self.over: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        self.server.talks.append(self)
        self.server.met(self)

    def dataReceived(self, data: bytes) -> None:
        self.heard += data
        while b"\r\n\r\n" in self.heard:
            head, _, rest = self.heard.partition(b"\r\n\r\n")
            length = 0
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    length = int(line[15:])
            if len(rest) < length:
                return
            self.heard = rest[length:]
            self.server.asked.append((head, rest[:length]))
            self.server.answer(self)

    def connectionLost(self, reason: Any = None) -> None:
        self.over.callback(None)


class Server(Factory):
    """`script` gets each connection with a whole request on it; `met` each new connection."""

    noisy = False

    def __init__(self) -> None:
        self.talks: list[Talk] = []
        self.asked: list[tuple[bytes, bytes]] = []
        self.script: Callable[[Talk], Any] = lambda talk: talk.transport.write(OK)
        self.met: Callable[[Talk], Any] = lambda talk: None

    def buildProtocol(self, address: Any) -> Talk:
        return Talk(self)

    def answer(self, talk: Talk) -> None:
        self.script(talk)

    def says(self, octets: bytes, close: bool = False) -> None:
        """Every answer from now on."""

        def script(talk: Talk) -> None:
            talk.transport.write(octets)
            if close:
                talk.transport.loseConnection()

        self.script = script


async def turns(count: int = 3) -> None:
    """Let the reactor look at its sockets."""
    for _ in range(count):
        await deferLater(reactor, 0)


class Setting:
    """A server that does what a test says, and a client."""

    timeout = 300

    def make(self, reactor: Any, policy: Any, connections: int, guard: Guard | None = None) -> Any:
        raise NotImplementedError

    def setUp(self: Any) -> None:
        self.mixed = Mixed()
        self.clock = self.mixed.clock
        self.client = self.make(self.mixed, policy(), 4)
        self.server = Server()
        self.port = self.listen(self.server)

    async def tearDown(self: Any) -> None:
        await self.client.close()
        for talk in self.server.talks:
            await talk.over
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def listen(self: Any, factory: Any, tls: Any = None) -> int:
        if tls:
            port = reactor.listenSSL(0, factory, tls, interface="127.0.0.1")
        else:
            port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return int(port.getHost().port)

    def fetch(
        self: Any,
        path: str = "/",
        method: str = "GET",
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        limit: int = 1000,
        seconds: float = 30.0,
        where: str = "",
    ) -> Deferred[Answer]:
        target = read_url(where or f"http://127.0.0.1:{self.port}/")
        if not where:
            target = Target(target.scheme, target.host, target.port, path, None, ())
        done: Deferred[Answer] = self.client.fetch(method, target, headers or {}, body, limit, seconds)
        return done

    async def none(self: Any, done: Deferred[Answer], words: str, sent: bool) -> Unanswered:
        trouble: Unanswered = await self.assertFailure(done, Unanswered)
        self.assertEqual((trouble.sent, words in trouble.reason), (sent, True), trouble.reason)
        return trouble


class Contract(Setting):
    """What both promise."""

    # Requests.

    async def test_a_request_is_what_was_asked_for(self: Any) -> None:
        verifyObject(IClient, self.client)
        path = "/a%2Fb//c;d=%e9/../?x=%zz&y=a+b?&=&&to=%2B1555&z='\"<>{}|^`[]\\~"
        answer = await self.fetch(path, headers={"X-One": "Grüße", "accept": "*/*"})
        self.assertEqual((answer.status, answer.phrase, answer.body, answer.whole), (200, "OK", b"ok", True))
        [(head, body)] = self.server.asked
        line, *lines = head.split(b"\r\n")
        self.assertEqual((line, body), (b"GET " + path.encode() + b" HTTP/1.1", b""))
        found = sorted(line.lower() for line in lines)
        host = f"host: 127.0.0.1:{self.port}".encode()
        expected = [b"accept: */*", host, "x-one: grüße".encode()]
        self.assertEqual([line for line in found if not line.startswith(b"connection:")], expected)

    async def test_bodies(self: Any) -> None:
        for body in (b"", b"a=b&c=d", bytes(range(256)) * 10_000):
            await self.fetch(method="POST", body=body, headers={"Content-Type": "text/plain"})
            head, heard = self.server.asked[-1]
            self.assertEqual(heard, body)
            self.assertIn(b"content-length: %d" % len(body), head.lower())
        await self.fetch(method="POST")
        self.assertIn(b"content-length: 0", self.server.asked[-1][0].lower())

    async def test_logins_and_ports(self: Any) -> None:
        await self.fetch(where=f"http://ann:s%3Ae@127.0.0.1:{self.port}/")
        self.assertRegex(self.server.asked[0][0], rb"(?i:\r\nauthorization): Basic YW5uOnM6ZQ==(\r\n|\Z)")
        await self.fetch()
        self.assertNotIn(b"authorization", self.server.asked[1][0].lower())

    async def test_what_is_no_request(self: Any) -> None:
        for headers in (
            {"X": "a\r\nY: b"}, {"X": "a\nb"}, {"X": "\0"}, {"X Y": "a"}, {"X:": "a"}, {"": "a"}, {"Y\r\nX": "a"},
            {"Content-Length": "5"}, {"transfer-encoding": "chunked"}, {"A": "b", "HOST": "other"}, {"Connection": "x"},
        ):  # fmt: skip
            await self.assertFailure(self.fetch(headers=headers), InvalidValue)
        for path in ("", "/a b", "/a\r\nX: y", "/\0", "/ü"):
            await self.assertFailure(self.fetch(path), InvalidValue)
        await self.assertFailure(self.fetch(method="GE T"), InvalidValue)
        self.assertEqual(self.server.asked, [])

    async def test_names_that_nobody_can_have(self: Any) -> None:
        for host in ("a_b.example", "a..example", "-", "xn--zzzzzz"):
            for scheme in ("http", "https"):
                await self.assertFailure(self.fetch(where=f"{scheme}://{host}/"), InvalidValue)

    # Connections.

    async def test_connections_are_used_again(self: Any) -> None:
        for _ in range(5):
            self.assertEqual((await self.fetch()).body, b"ok")
        self.assertEqual(len(self.server.talks), 1)
        self.clock.advance(KEEP)
        await self.server.talks[0].over
        self.assertEqual((await self.fetch()).body, b"ok")

    async def test_connections_that_servers_do_not_keep(self: Any) -> None:
        for octets, close in (
            (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", False),
            (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", True),
            (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", True),
        ):
            self.server.talks.clear()
            self.server.says(octets, close)
            for _ in range(2):
                self.assertEqual((await self.fetch()).body, b"ok")
            self.assertEqual(len(self.server.talks), 2)
            for talk in self.server.talks:
                await talk.over

    async def test_each_answer_is_its_own_requests(self: Any) -> None:
        def script(talk: Talk) -> None:
            path = self.server.asked[-1][0].split()[1]
            answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path)
            reactor.callLater(0.001 * (len(path) % 3), talk.transport.write, answer)

        self.server.script = script
        paths = [f"/{'x' * number}" for number in range(30)]
        waiting = [self.fetch(path) for path in paths]
        self.assertEqual([(await one).body.decode() for one in waiting], paths)

    async def test_what_comes_too_much_is_no_answer(self: Any) -> None:
        """A longer body than was announced, or a second answer: nobody else gets it."""
        for more in (b"and more", OK, b"\0"):
            self.server.says(OK + more)
            self.assertEqual((await self.fetch()).body, b"ok")
            self.server.says(b"HTTP/1.1 201 OK\r\nContent-Length: 0\r\n\r\n")
            self.assertEqual((await self.fetch()).status, 201)

    async def test_what_comes_while_nobody_asked(self: Any) -> None:
        await self.fetch()
        self.server.talks[0].transport.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        await self.server.talks[0].over
        self.assertEqual((await self.fetch()).status, 200)

    async def test_closing(self: Any) -> None:
        await self.fetch()
        self.server.script = lambda talk: None
        waiting = self.fetch()
        while len(self.server.asked) < 2:
            await turns()
        closed = self.client.close()
        await self.none(waiting, "", True)
        await closed
        for talk in self.server.talks:
            await talk.over

    async def test_cancelling(self: Any) -> None:
        self.server.script = lambda talk: None
        waiting = self.fetch()
        while not self.server.asked:
            await turns()
        waiting.cancel()
        await self.assertFailure(waiting, CancelledError)
        await self.server.talks[0].over

    # Answers.

    async def test_without_a_body(self: Any) -> None:
        for status in (204, 304):
            self.server.says(b"HTTP/1.1 %d X\r\nContent-Length: 7\r\n\r\n" % status)
            answer = await self.fetch()
            self.assertEqual((answer.status, answer.body, answer.whole), (status, b"", True))
        self.server.says(b"HTTP/1.1 200 OK\r\nContent-Length: 70\r\n\r\n")
        answer = await self.fetch(method="HEAD")
        self.assertEqual((answer.status, answer.body, answer.whole), (200, b"", True))
        self.server.says(OK)
        self.assertEqual((await self.fetch()).body, b"ok")

    async def test_headers(self: Any) -> None:
        self.server.says(
            b"HTTP/1.1 429 Too  Many \r\nretry-AFTER:  120 \r\nX: 1\r\nx: 2\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
        )
        answer = await self.fetch()
        self.assertEqual(
            (answer.header("Retry-After"), answer.header("X"), answer.header("Y")), ("120", "1", "")
        )
        self.assertEqual([value for name, value in answer.lines if name.lower() == b"x"], [b"1", b"2"])
        await self.fetch()
        self.assertNotIn(b"cookie", self.server.asked[1][0].lower())

    async def test_chunks(self: Any) -> None:
        octets = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\no\r\n0000a\r\nk and more\r\n0\r\nX-T: 1\r\n\r\n"

        def script(talk: Talk) -> None:
            if self.server.asked[-1][0].startswith(b"GET /slow"):
                for number in range(len(octets)):
                    reactor.callLater(0.0005 * number, talk.transport.write, octets[number : number + 1])
            else:
                talk.transport.write(octets)

        self.server.script = script
        for path in ("/", "/slow", "/"):
            answer = await self.fetch(path)
            self.assertEqual((answer.body, answer.whole, answer.header("X-T")), (b"ok and more", True, ""))
        self.assertEqual(len(self.server.talks), 1)

    async def test_servers_that_are_not_exact(self: Any) -> None:
        for octets in (
            b"HTTP/1.1 200 OK\nContent-Length: 2\nX: y\n\nok", b"HTTP/1.1 200\r\nContent-Length: 2\r\nX: y\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\nX:\r\n y\r\nContent-Length:   2  \r\n\r\nok",
            b"HTTP/1.1 200 OK\r\nX: y\r\nY: \xe9\x01\r\nContent-Length: 2\r\n\r\nok",
        ):  # fmt: skip
            self.server.says(octets)
            answer = await self.fetch()
            self.assertEqual((answer.status, answer.body, answer.whole), (200, b"ok", True), octets)
            self.assertEqual(answer.header("X"), "y")

    async def test_interim_answers(self: Any) -> None:
        self.server.says(
            b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n" + OK
        )
        for _ in range(2):
            answer = await self.fetch(method="POST", body=b"x")
            self.assertEqual((answer.status, answer.phrase, answer.body), (200, "OK", b"ok"))
            self.assertEqual((answer.header("X"), answer.header("Link")), ("", ""))
        self.assertEqual(len(self.server.talks), 1)

    async def test_packed_octets_stay_packed(self: Any) -> None:
        packed = b"\x1f\x8b" + b"?" * 20
        self.server.says(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 22\r\n\r\n" + packed)
        answer = await self.fetch()
        self.assertEqual(
            (answer.body, answer.whole, answer.header("Content-Encoding")), (packed, True, "gzip")
        )

    async def test_until_the_connection_ends(self: Any) -> None:
        for version in (b"1.0", b"1.1"):
            self.server.says(b"HTTP/%b 200 OK\r\nX: y\r\n\r\nold" % version, close=True)
            answer = await self.fetch()
            self.assertEqual((answer.body, answer.whole), (b"old", True))

    async def test_shorter_than_announced(self: Any) -> None:
        for head in (
            b"Content-Length: 100\r\n\r\nhalf of",
            b"Transfer-Encoding: chunked\r\n\r\n64\r\nhalf of",
        ):
            self.server.says(b"HTTP/1.1 200 OK\r\n" + head, close=True)
            answer = await self.fetch()
            self.assertEqual((answer.status, answer.body, answer.whole), (200, b"half of", False))

    async def test_longer_than_wanted(self: Any) -> None:
        for head in (b"Content-Length: 50000\r\n\r\n" + b"z" * 5000, b"\r\n" + b"z" * 5000):
            self.server.talks.clear()
            self.server.says(b"HTTP/1.1 200 OK\r\n" + head)
            answer = await self.fetch(limit=100)
            self.assertEqual((answer.body, answer.whole), (b"z" * 101, False))
            await self.server.talks[0].over
        self.server.says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"z" * 100)
        answer = await self.fetch(limit=100)
        self.assertEqual((answer.body, answer.whole), (b"z" * 100, True))

    async def test_endless(self: Any) -> None:
        sent = 0

        def script(talk: Talk) -> None:
            class Endless:
                def resumeProducing(self) -> None:
                    nonlocal sent
                    sent += 60_000
                    talk.transport.write(b"1;x=y\r\nz\r\n" * 6_000)

                def stopProducing(self) -> None:
                    pass

            talk.transport.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            talk.transport.registerProducer(Endless(), False)

        self.server.script = script
        answer = await self.fetch(limit=10_000)
        self.assertEqual((answer.body, answer.whole), (b"z" * 10_001, False))
        await self.server.talks[0].over
        self.assertLess(sent, 50_000_000)

    async def test_headers_without_end(self: Any) -> None:
        for more, words in ((b"X-%05d: y\r\n", "its headers do not end"), (b"X%010d", "")):
            flood = b"".join(more % number for number in range(LONGEST_HEAD // 9))
            self.server.says(b"HTTP/1.1 200 OK\r\n" + flood)
            await self.none(self.fetch(), words, True)

    async def test_interim_answers_without_end(self: Any) -> None:
        self.server.says(b"HTTP/1.1 100 Continue\r\n\r\n" * (LONGEST_HEAD // 20))
        await self.none(self.fetch(), "its headers do not end", True)

    async def test_what_cannot_be_read(self: Any) -> None:
        for octets in (
            b"220 mail.example.org ESMTP\r\n\r\n", b"\0\xff" * 100 + b"\r\n", b"HTTP/9 x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk",
            b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok", b"HTTP/1.1 200 OK\r\nContent-Length: 2x\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: zip\r\n\r\nok",
        ):  # fmt: skip
            self.server.says(octets, close=True)
            await self.none(self.fetch(), "", True)
        self.server.says(OK)
        self.assertEqual((await self.fetch()).body, b"ok")

    async def test_another_protocol_is_not_gone_over_to(self: Any) -> None:
        self.server.says(
            b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x05hello", close=True
        )
        await self.none(self.fetch(), "", True)

    async def test_chunks_that_are_none(self: Any) -> None:
        self.server.says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n")
        answer = await self.fetch()
        self.assertEqual((answer.status, answer.body, answer.whole), (200, b"ok", False))

    async def test_ends_before_the_answer(self: Any) -> None:
        for begun in (b"", b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nX: y\r\n"):
            self.server.says(begun, close=True)
            await self.none(self.fetch(), "it ended the connection", True)

    # Time.

    async def test_refused(self: Any) -> None:
        number = free_port()
        waiting = [self.fetch(where=f"http://127.0.0.1:{number}/") for _ in range(10)]
        for one in waiting:
            await self.none(one, "it cannot be reached: Connection refused", False)
        no_names(self)
        await self.none(self.fetch(where="http://no-such-host.invalid/"), "its name is not known", False)

    async def test_never_accepts(self: Any) -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
            waiting = [socket.socket() for _ in range(4)]
            for one in waiting:
                self.addCleanup(one.close)
                one.setblocking(False)
                one.connect_ex(listener.getsockname())
            done = self.fetch(where=f"http://127.0.0.1:{listener.getsockname()[1]}/")
            await turns()
            self.clock.advance(30)
            await self.none(done, "it cannot be reached", False)

    async def test_says_nothing(self: Any) -> None:
        self.server.script = lambda talk: self.clock.advance(30)
        await self.none(self.fetch(), "it did not answer in time", True)
        await self.server.talks[0].over

    async def test_deadlines_of_their_own(self: Any) -> None:
        self.server.script = lambda talk: None
        late, soon = self.fetch(seconds=20), self.fetch(seconds=5)
        while len(self.server.asked) < 2:
            await turns()
        self.clock.advance(5)
        await self.none(soon, "it did not answer in time", True)
        self.assertNoResult(late)
        self.clock.advance(15)
        await self.none(late, "it did not answer in time", True)

    async def test_octet_by_octet(self: Any) -> None:
        """One comes each second: the limit is for all of them, and what has come of a body counts."""
        for head, words in ((b"X: " + b"y" * 100, ""), (b"Content-Length: 90\r\n\r\n" + b"z" * 90, "z")):

            def drip(talk: Talk, head: bytes = head) -> None:
                octets = iter(b"HTTP/1.1 200 OK\r\n" + head)

                def next_one() -> None:
                    if talk.transport.connected:
                        talk.transport.write(bytes([next(octets)]))
                        self.clock.advance(1)
                        reactor.callLater(0, next_one)

                next_one()

            self.server.script = drip
            done = self.fetch(seconds=60)
            if words:
                answer = await done
                self.assertFalse(answer.whole)
                self.assertRegex(answer.body, rb"^z{5,60}\Z")
            else:
                await self.none(done, "it did not answer in time", True)
            await self.server.talks[-1].over

    # Kept connections that end.

    async def test_one_that_ended_while_it_was_kept(self: Any) -> None:
        await self.fetch()
        self.server.talks[0].transport.loseConnection()
        await self.server.talks[0].over
        await forgotten()
        self.assertEqual((await self.fetch()).body, b"ok")
        self.assertEqual(len(self.server.talks), 2)

    async def test_one_whose_end_has_come_but_was_not_seen(self: Any) -> None:
        """The reactor was busy: the end waits in the socket when the next request is made."""
        await self.fetch()
        self.clock.advance(1)
        self.server.talks[0].transport.socket.shutdown(socket.SHUT_RDWR)
        [ours] = made()
        select.select([ours.socket], [], [])  # it has come
        self.assertEqual((await self.fetch()).body, b"ok")
        self.assertEqual((len(self.server.talks), len(self.server.asked)), (2, 2))

    async def test_made_again_when_it_is_certain_that_nobody_saw_it(self: Any) -> None:
        """The server's end is on its way when the request leaves."""
        await self.fetch()
        self.clock.advance(1)
        ended = self.server.talks[0].transport.socket

        class Late(Untouched):
            """The end comes right after the look."""

            def __init__(self, transport: Any) -> None:
                super().__init__(transport)
                ended.shutdown(socket.SHUT_WR)
                ended.shutdown(socket.SHUT_RD)
                ended.close()

        self.server.talks[0].transport.stopReading()
        with mock.patch(self.looks, Late):
            self.assertEqual((await self.fetch("/again")).body, b"ok")
        self.assertEqual([head.split()[1] for head, _ in self.server.asked], [b"/", b"/again"])
        self.server.talks[0].over.callback(None)

    async def test_one_that_ends_when_the_request_arrives(self: Any) -> None:
        """It may have been carried out, so it is not made again."""
        await self.fetch()
        self.clock.advance(1)
        self.server.script = lambda talk: talk.transport.loseConnection()
        await self.none(self.fetch(), "it ended the connection", True)
        self.assertEqual(len(self.server.asked), 2)

    async def test_one_that_is_reset_when_the_request_arrives(self: Any) -> None:
        await self.fetch()
        self.clock.advance(1)
        self.server.script = lambda talk: talk.transport.abortConnection()
        await self.none(self.fetch(), "it ended the connection", True)

    # TLS.

    def secure(self: Any, name: str = "localhost", asks: bool = False) -> tuple[str, str]:
        """A TLS server in place of the other; the PEM files that are also its authority."""
        certificate, key = write(Path(self.mktemp()), name)
        options = ssl.DefaultOpenSSLContextFactory(key, certificate)
        if asks:
            mine = ssl.PrivateCertificate.loadPEM(Path(certificate).read_bytes() + Path(key).read_bytes())
            options = mine.options(ssl.Certificate.loadPEM(Path(certificate).read_bytes()))
        self.port = self.listen(self.server, options)
        return certificate, key

    async def use(self: Any, **files: str) -> None:
        await self.client.close()
        self.client = self.make(self.mixed, policy(**files), 4)

    def safely(self: Any) -> Deferred[Answer]:
        return self.fetch(where=f"https://localhost:{self.port}/")

    async def test_tls(self: Any) -> None:
        certificate, _ = self.secure()
        trouble = await self.none(self.safely(), "TLS failed", False)
        self.assertIn("certificate verify failed", trouble.reason)
        await self.use(ca=certificate)
        for _ in range(3):
            self.assertEqual((await self.safely()).body, b"ok")
        self.assertEqual(len(self.server.asked), 3)
        self.clock.advance(KEEP)
        self.clock.advance(CLOSE)
        for talk in self.server.talks:
            await talk.over

    async def test_tls_with_another_name(self: Any) -> None:
        certificate, _ = self.secure("other.example")
        await self.use(ca=certificate)
        await self.none(self.safely(), "its certificate is for another name", False)
        self.assertEqual(self.server.asked, [])

    async def test_tls_that_hangs_or_is_none(self: Any) -> None:
        other = self.listen(self.server)
        self.server.met = lambda talk: self.clock.advance(30)
        await self.none(self.safely(), "in time", False)
        self.port = other
        self.server.met = lambda talk: talk.transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await self.none(self.safely(), "TLS failed", False)

    async def test_tls_with_a_certificate_of_ours(self: Any) -> None:
        certificate, key = self.secure(asks=True)
        await self.use(ca=certificate)
        # TLS 1.3 tells us after the handshake, when the request may have left.
        trouble = await self.assertFailure(self.safely(), Unanswered)
        self.assertEqual(self.server.asked, [], trouble.reason)
        await self.use(ca=certificate, certificate=certificate, key=key)
        self.assertEqual((await self.safely()).body, b"ok")

    async def test_tls_kept_and_ended(self: Any) -> None:
        certificate, _ = self.secure()
        await self.use(ca=certificate)
        await self.safely()
        self.clock.advance(1)
        self.server.talks[0].transport.transport.socket.shutdown(socket.SHUT_RDWR)
        self.assertEqual((await self.safely()).body, b"ok")

    # The guard.

    async def test_guarded(self: Any) -> None:
        self.client = self.make(self.mixed, policy(), 4, Guard())
        for host in (
            "127.0.0.1",
            "localhost",
            "[::1]",
            "0.0.0.0",
            "[::ffff:127.0.0.1]",
            "127.1",
            "0x7f000001",
            "2130706433",
        ):
            trouble = await self.none(self.fetch(where=f"http://{host}:{self.port}/"), "", False)
            known = host in ("127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]")
            self.assertTrue(trouble.forbidden or not known, f"{host}: {trouble.reason}")
        trouble = await self.none(
            self.fetch(where=f"https://127.0.0.1:{self.port}/"), "127.0.0.1 is in a network", False
        )
        self.assertEqual(self.server.talks, [])
        await self.client.close()
        self.client = self.make(self.mixed, policy(), 4, Guard(["127.0.0.0/8"]))
        self.assertEqual((await self.fetch()).body, b"ok")

    async def test_a_name_is_looked_up_once(self: Any) -> None:
        """What the guard saw is where the connection goes, whatever the name says a moment later."""
        resolver = Fickle(["127.0.0.9", "127.0.0.1"])
        self.mixed.nameResolver = resolver
        self.client = self.make(self.mixed, policy(), 4, Guard(["127.0.0.9/32"]))
        other = Server()
        other.says(b"HTTP/1.1 201 OK\r\nContent-Length: 0\r\n\r\n")
        port = reactor.listenTCP(self.port, other, interface="127.0.0.9")
        self.addCleanup(port.stopListening)
        self.assertEqual((await self.fetch(where=f"http://fickle.example:{self.port}/")).status, 201)
        self.clock.advance(KEEP)
        await other.talks[0].over
        trouble = await self.none(self.fetch(where=f"http://fickle.example:{self.port}/"), "127.0.0.1", False)
        self.assertTrue(trouble.forbidden)
        self.assertEqual((resolver.asked, self.server.talks), (2, []))


@implementer(IHostnameResolver)
class Fickle:
    """A name that is another address each time."""

    def __init__(self, addresses: list[str]) -> None:
        self.addresses = addresses
        self.asked = 0

    def resolveHostName(self, receiver: Any, hostName: str, portNumber: int = 0, *_: Any, **__: Any) -> Any:
        address = self.addresses[self.asked]
        self.asked += 1
        receiver.resolutionBegan(None)
        receiver.addressResolved(IPv4Address("TCP", address, portNumber))
        receiver.resolutionComplete()


class Treq(Contract, TestCase):
    looks = "smsd.gateways.fetching.Untouched"

    def make(self, reactor: Any, policy: Any, connections: int, guard: Guard | None = None) -> Any:
        return Client(reactor, policy, connections, guard)


class Lean(Contract, TestCase):
    looks = "smsd.gateways.lean.connection.Untouched"

    def make(self, reactor: Any, policy: Any, connections: int, guard: Guard | None = None) -> Any:
        return LeanClient(reactor, policy, connections, guard)
