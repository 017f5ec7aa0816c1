"""URLs of rules: real servers on 127.0.0.1, good ones and hostile ones; the clock of the time limits is the test's."""

from __future__ import annotations

import os
import socket
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import reactor as real
from twisted.internet import ssl, tcp
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IHostnameResolver
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock, deferLater
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SkipTest, SynchronousTestCase, TestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site
from zope.interface import directlyProvides, implementer, providedBy
from zope.interface.verify import verifyObject

from smsd.codec.weburl import LONGEST, read_url
from smsd.gateways import url
from smsd.gateways.fetching import CLOSE, KEEP, LONGEST_HEAD
from smsd.interfaces import IGateway
from smsd.logs import as_text
from smsd.values.delivery import Accepted, Failure, Kind, Scope
from smsd.values.errors import InvalidValue
from smsd.values.message import Call
from tests.frontends.smtp.certificate import write
from tests.gateways.helpers import context, piece
from tests.rig.processes import free_port

reactor: Any = real


class Mixed:
    """The network of the real reactor on a clock of the test's."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_800_000_000)
        self.seconds = self.clock.seconds
        directlyProvides(self, providedBy(reactor))

    def callLater(self, delay: float, *arguments: Any, **options: Any) -> Any:
        """Twisted's own short waits while it connects are real."""
        return (self.clock if delay >= 1 else reactor).callLater(delay, *arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(reactor, name)


@implementer(IHostnameResolver)
class NoNames:
    """A name service that knows nobody, at once."""

    def resolveHostName(self, receiver: Any, name: str, *arguments: Any, **options: Any) -> Any:
        receiver.resolutionBegan(self)
        receiver.resolutionComplete()
        return self


def no_names(test: TestCase) -> None:
    """The machine's own name service may be slow, absent, or give an address for anything."""
    test.addCleanup(reactor.installNameResolver, reactor.installNameResolver(NoNames()))


def made() -> list[Any]:
    """This side's transport of every connection that it made."""
    return [one for one in reactor.getReaders() if isinstance(one, tcp.Client)]


async def forgotten() -> None:
    """Wait until this side has seen the end of every connection that it made."""
    while made():
        await deferLater(reactor, 0.001)


def when_heard(call: Callable[..., Any], *arguments: Any) -> None:
    """Call it once the next octets have come to this side."""
    [ours] = made()
    hear = ours.protocol.dataReceived

    def heard(data: bytes) -> None:
        ours.protocol.dataReceived = hear
        hear(data)
        call(*arguments)

    ours.protocol.dataReceived = heard


class Book(Resource):
    """A server that notes what it is asked; `pages` answer by path."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Any] = []
        self.bodies: list[bytes] = []
        self.pages: dict[bytes, Callable[[Any], Any]] = {}

    def render(self, request: Any) -> Any:
        self.asked.append(request)
        self.bodies.append(request.content.read())
        return self.pages.get(request.path, lambda request: b"True")(request)


class Visits(Site):
    """`over` fires when the last connection was lost."""

    def __init__(self, book: Book) -> None:
        super().__init__(book)
        self.timeOut = None
        self.over: Deferred[None] = Deferred()

    def buildProtocol(self, address: Any) -> Any:
        protocol: Any = super().buildProtocol(address)
        lost = protocol.connectionLost
        over = self.over = Deferred()

        def connection_lost(reason: Any) -> None:
            lost(reason)
            over.callback(None)

        protocol.connectionLost = connection_lost
        return protocol


class Raw(Protocol):
    """A server that does what its script says."""

    def __init__(self, script: Callable[[Any], None]) -> None:
        self.script = script
        self.heard = b""
        self.over: Deferred[None] = Deferred()
        self.over.addErrback(lambda _: None)

    def dataReceived(self, data: bytes) -> None:
        begun = bool(self.heard)
        self.heard += data
        if not begun:
            self.script(self.transport)

    def connectionLost(self, reason: Any = None) -> None:
        self.over.callback(None)


class Case(TestCase):
    timeout = 300

    def setUp(self) -> None:
        self.mixed = Mixed()
        self.clock = self.mixed.clock
        self.context = context(self.mixed)
        self.gateway = self.make()
        self.book = Book()
        self.visits = Visits(self.book)
        self.port = self.listen(self.visits)
        self.made: list[Raw] = []
        self.lines: list[str] = []
        observe = lambda event: self.lines.append(as_text(event))  # noqa: E731
        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)

    async def tearDown(self) -> None:
        await self.gateway.stopService()

    def make(self, **settings: Any) -> url.Urls:
        made = url.make(url.Settings(id="rules-url", **settings), self.context)
        made.startService()
        return made

    def listen(self, factory: Any, tls: Any = None) -> int:
        port = (
            reactor.listenSSL(0, factory, tls, interface="127.0.0.1")
            if tls
            else reactor.listenTCP(0, factory, interface="127.0.0.1")
        )
        self.addCleanup(port.stopListening)
        return int(port.getHost().port)

    def raw(self, script: Callable[[Any], None]) -> int:
        """A scripted server; its port."""
        factory = Factory()
        factory.noisy = False

        def build(address: Any) -> Raw:
            self.made.append(Raw(script))
            return self.made[-1]

        factory.buildProtocol = build  # type: ignore[assignment, method-assign]
        return self.listen(factory)

    def get(self, path: str = "/", *, port: int = 0, where: str = "", **more: Any) -> Deferred[Accepted]:
        call = Call(
            "url", where or f"http://127.0.0.1:{port or self.port}{path}", ("GET",), rule="a rule", **more
        )
        return self.gateway.send(piece(content=call, gateway="rules-url"))

    def post(self, path: str, text: str, media_type: str = "", port: int = 0) -> Deferred[Accepted]:
        call = Call("url", f"http://127.0.0.1:{port or self.port}{path}", ("POST",), text, media_type)
        return self.gateway.send(piece(content=call, gateway="rules-url"))

    async def refused(self, done: Deferred[Accepted], kind: Kind, words: str, maybe: bool = False) -> Failure:
        failure: Failure = await self.assertFailure(done, Failure)
        self.assertEqual(
            (failure.kind, failure.scope, failure.maybe_sent), (kind, Scope.MESSAGE, maybe), failure.reason
        )
        self.assertIn(words, failure.reason)
        return failure

    def page(self, path: bytes, status: int, body: bytes = b"", **headers: str) -> None:
        def answer(request: Any) -> bytes:
            request.setResponseCode(status)
            for name, value in headers.items():
                request.setHeader(name.replace("_", "-"), value)
            return body

        self.book.pages[path] = answer


class Requests(Case):
    async def test_get(self) -> None:
        verifyObject(IGateway, self.gateway)
        self.assertEqual(self.context.outlet.told, [("opened", 4)])
        done = await self.get("/sms/deliver.html?id=HTTP&pass=1234&number=%2B1555&data=Gr%C3%BC%C3%9Fe a&b=ü")
        self.assertEqual(done, Accepted(output="True"))
        [request] = self.book.asked
        self.assertEqual(request.method, b"GET")
        self.assertEqual(
            request.uri,
            b"/sms/deliver.html?id=HTTP&pass=1234&number=%2B1555&data=Gr%C3%BC%C3%9Fe%20a&b=%C3%BC",
        )
        self.assertEqual(request.getHeader("host"), f"127.0.0.1:{self.port}")
        self.assertTrue(request.getHeader("user-agent").startswith("smsd/"))
        self.assertEqual(request.getHeader("idempotency-key"), "sms.example.org-77-1704103201000-1")
        self.assertIsNone(request.getHeader("authorization"))
        self.assertEqual(self.gateway.status, "1 done, 0 failed, 0 under way")

    async def test_post(self) -> None:
        await self.post("/in", "Grüße 😀", "text/plain; charset=utf-8\r\nX-Evil: 1")
        [request], [body] = self.book.asked, self.book.bodies
        self.assertEqual((request.method, body.decode()), (b"POST", "Grüße 😀"))
        self.assertEqual(request.getHeader("content-type"), "text/plain; charset=utf-8%0D%0AX-Evil%3A 1")
        self.assertIsNone(request.getHeader("x-evil"))

    async def test_a_large_post(self) -> None:
        await self.post("/in", "x" * 3_000_000)
        self.assertEqual(len(self.book.bodies[0]), 3_000_000)

    async def test_login(self) -> None:
        await self.get(where=f"http://ann%40example.org:se%3Acret@127.0.0.1:{self.port}/")
        expected = b64encode(b"ann@example.org:se:cret").decode()
        self.assertEqual(self.book.asked[0].getHeader("authorization"), f"Basic {expected}")
        self.assertEqual(self.book.asked[0].getHeader("host"), f"127.0.0.1:{self.port}")

    async def test_connections_are_used_again_and_then_closed(self) -> None:
        for _ in range(3):
            await self.get()
        self.assertEqual(len({request.transport.getPeer().port for request in self.book.asked}), 1)
        self.assertNoResult(self.visits.over)
        self.clock.advance(KEEP)
        await self.visits.over
        await self.get()

    async def test_ipv6(self) -> None:
        try:
            port = reactor.listenTCP(0, Visits(self.book), interface="::1")
        except CannotListenError:
            raise SkipTest("no IPv6 on this machine") from None
        self.addCleanup(port.stopListening)
        await self.get(where=f"http://[::1]:{port.getHost().port}/x")
        self.assertEqual(self.book.asked[0].uri, b"/x")

    async def test_by_name(self) -> None:
        await self.get(where=f"http://LOCALHOST:{self.port}/x")
        self.assertEqual(self.book.asked[0].getHeader("host"), f"localhost:{self.port}")

    async def test_what_is_no_url(self) -> None:
        for where in ("ftp://127.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1", "http://", "x"):
            await self.refused(self.get(where=where), Kind.PERMANENT, "URL")
        call = Call("url", f"http://127.0.0.1:{self.port}/", ("DELETE",))
        await self.refused(self.gateway.send(piece(content=call)), Kind.PERMANENT, "GET or POST")
        self.assertEqual(self.book.asked, [])


class Answers(Case):
    async def test_good(self) -> None:
        for status, body in ((200, b" ok \n"), (202, b""), (204, b"")):
            self.page(b"/", status, body)
            self.assertEqual((await self.get()).output, body.decode().strip())

    async def test_for_ever(self) -> None:
        for status in (400, 401, 403, 404, 410, 300, 304):
            self.page(b"/", status, b"<h1>no such thing</h1>")
            words = "" if status == 304 else ": <h1>no such thing</h1>"
            failure = await self.refused(
                self.get(), Kind.PERMANENT, f"http://127.0.0.1:{self.port} answered {status} "
            )
            self.assertTrue(failure.reason.endswith(words))

    async def test_for_now(self) -> None:
        for status in (408, 425, 429, 500, 502, 503, 504):
            self.page(b"/", status, b"busy")
            failure = await self.refused(self.get(), Kind.TEMPORARY, f"answered {status}")
            self.assertIsNone(failure.retry_after)

    async def test_retry_after(self) -> None:
        for text, wait in (
            ("120", 120.0),
            ("0", 5.0),
            ("99999999999999999999999", 86_400.0),
            ("Fri, 15 Jan 2027 08:10:00 GMT", 600.0),
            ("Thu, 01 Jan 1970 00:00:00 GMT", 5.0),
            ("soon", None),
            ("-5", None),
        ):
            self.page(b"/", 429, retry_after=text)
            failure = await self.refused(self.get(), Kind.TEMPORARY, "answered 429")
            self.assertEqual(failure.retry_after, wait, text)

    async def test_no_secret_is_shown(self) -> None:
        """Not in a reason, not in the status, not in a line of the log; nor numbers and texts."""

        def echo(request: Any) -> bytes:
            request.setResponseCode(403)
            return b"refused: " + request.uri + b" pin 98765 password hunter2"

        self.book.pages[b"/x"] = echo
        failure = await self.refused(
            self.get(where=f"http://ann:hunter2@127.0.0.1:{self.port}/x?pin=98765&api_key=a%20b&data=private"),
            Kind.PERMANENT, "/x?pin=***&api_key=***",
        )  # fmt: skip
        shown = (
            failure.reason
            + self.gateway.status
            + "".join(line for line in self.lines if "[rules-url]" in line)
        )
        for secret in ("hunter2", "98765", "a%20b", "a b"):
            self.assertNotIn(secret, shown)
        self.assertIn("answered 403", shown)
        self.assertNotIn("private", "".join(line for line in self.lines if "[rules-url]" in line))

    async def test_long_words_are_cut(self) -> None:
        self.page(b"/", 404, "é".encode() * 50_000)
        failure = await self.refused(self.get(), Kind.PERMANENT, "404 Not Found: é")
        self.assertLess(len(failure.reason), 200)

    async def test_an_answer_in_other_octets(self) -> None:
        self.page(b"/", 200, b"a\0\xff\xc3\xa9")
        self.assertEqual((await self.get()).output, "a\ufffdé")


class Redirects(Case):
    async def test_followed(self) -> None:
        for status in (301, 302, 303, 307, 308):
            self.page(b"/a", status, location="b/../c?d=1#e")
            self.assertEqual((await self.get("/a")).output, "True")
            self.assertEqual(self.book.asked[-1].uri, b"/c?d=1")

    async def test_in_a_circle(self) -> None:
        self.page(b"/a", 302, location="/a")
        await self.refused(self.get("/a"), Kind.PERMANENT, "more than 3 times")
        self.assertEqual(len(self.book.asked), 4)

    async def test_not_for_a_post(self) -> None:
        self.page(b"/a", 307, location="/b")
        await self.refused(self.post("/a", "x"), Kind.PERMANENT, "answered a POST with a redirect")
        self.assertEqual(len(self.book.asked), 1)

    async def test_to_nowhere(self) -> None:
        for location in ("ftp://127.0.0.1/", "javascript:alert(1)", "file:///etc/passwd"):
            self.page(b"/a", 302, location=location)
            await self.refused(self.get("/a"), Kind.PERMANENT, "redirects to nowhere")
        self.page(b"/a", 302)
        await self.refused(self.get("/a"), Kind.PERMANENT, "redirects to nowhere")

    async def test_a_login_stays_with_its_server(self) -> None:
        other = Book()
        port = self.listen(Visits(other))
        self.page(b"/same", 302, location="/x")
        self.page(b"/other", 302, location=f"http://127.0.0.1:{port}/x")
        for path in ("same", "other"):
            await self.get(where=f"http://ann:pw@127.0.0.1:{self.port}/{path}")
        self.assertIsNotNone(self.book.asked[1].getHeader("authorization"))
        self.assertIsNone(other.asked[0].getHeader("authorization"))

    async def test_all_of_it_has_one_time_limit(self) -> None:
        def slow(request: Any) -> Any:
            self.clock.advance(20)
            request.setResponseCode(302)
            request.setHeader("location", "/b")
            return b""

        self.book.pages[b"/a"] = slow
        self.book.pages[b"/b"] = lambda request: (reactor.callLater(0, self.clock.advance, 10), NOT_DONE_YET)[
            1
        ]
        await self.refused(self.get("/a"), Kind.TEMPORARY, "did not answer in time", maybe=True)


class Hostile(Case):
    async def test_refuses_the_connection(self) -> None:
        failure = await self.refused(
            self.get(port=free_port()), Kind.TEMPORARY, "cannot be reached: Connection refused"
        )
        self.assertEqual(failure.status, "4.4.1")

    async def test_has_no_name(self) -> None:
        no_names(self)
        await self.refused(
            self.get(where="http://no-such-host.invalid/"), Kind.TEMPORARY, "its name is not known"
        )

    async def test_has_an_impossible_name(self) -> None:
        for host in ("a_b.example", "a..example", "-", "xn--zzzzzz"):
            await self.refused(
                self.get(where=f"http://{host}/"), Kind.PERMANENT, f"{host} is no name of a host"
            )
            await self.refused(
                self.get(where=f"https://{host}/"), Kind.PERMANENT, f"{host} is no name of a host"
            )

    async def test_never_accepts(self) -> None:
        """Its queue is full, so the kernel does not answer: nothing has left."""
        with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
            waiting = [socket.socket() for _ in range(4)]
            for one in waiting:
                self.addCleanup(one.close)
                one.setblocking(False)
                one.connect_ex(listener.getsockname())
            done = self.get(port=listener.getsockname()[1])
            await deferLater(reactor, 0)
            await deferLater(reactor, 0)
            self.clock.advance(30)
            failure = await self.refused(done, Kind.TEMPORARY, "cannot be reached in time")
            self.assertEqual(failure.status, "4.4.1")

    async def test_says_nothing(self) -> None:
        port = self.raw(lambda transport: self.clock.advance(30))
        failure = await self.refused(
            self.get(port=port), Kind.TEMPORARY, "did not answer in time", maybe=True
        )
        self.assertIn("it may have been carried out", failure.reason)
        await self.made[0].over

    async def test_headers_octet_by_octet(self) -> None:
        """Every octet comes a second after the last: the limit is for all of them."""

        def drip(transport: Any) -> None:
            octets = iter(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: " + b"y" * 1000)

            def next_one() -> None:
                if transport.connected:
                    transport.write(bytes([next(octets)]))
                    self.clock.advance(1)
                    reactor.callLater(0, next_one)

            next_one()

        await self.refused(
            self.get(port=self.raw(drip)), Kind.TEMPORARY, "did not answer in time", maybe=True
        )
        await self.made[0].over

    async def test_headers_without_end(self) -> None:
        def flood(transport: Any) -> None:
            transport.write(
                b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(LONGEST_HEAD // 6))
            )

        await self.refused(
            self.get(port=self.raw(flood)), Kind.TEMPORARY, "its headers do not end", maybe=True
        )
        await self.made[0].over

    async def test_interim_answers_without_end(self) -> None:
        def flood(transport: Any) -> None:
            transport.write(b"HTTP/1.1 100 Continue\r\n\r\n" * (LONGEST_HEAD // 20))

        await self.refused(
            self.get(port=self.raw(flood)), Kind.TEMPORARY, "its headers do not end", maybe=True
        )

    async def test_a_gigabyte(self) -> None:
        """No more is read than is kept; the answer counts."""
        sent = 0

        class Endless:
            def __init__(self, transport: Any) -> None:
                self.transport = transport

            def resumeProducing(self) -> None:
                nonlocal sent
                sent += 65536
                self.transport.write(b"z" * 65536)

            def stopProducing(self) -> None:
                pass

        def flood(transport: Any) -> None:
            transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
            transport.registerProducer(Endless(transport), False)

        done = await self.get(port=self.raw(flood))
        self.assertEqual(done.output, "z" * 10_000)
        await self.made[0].over
        self.assertLess(sent, 50_000_000)

    async def test_ends_half_way(self) -> None:
        """The server has said 200: it is done, and not done again."""

        def half(transport: Any) -> None:
            transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of")
            transport.loseConnection()

        self.assertEqual((await self.get(port=self.raw(half))).output, "half of")

    async def test_ends_in_the_headers(self) -> None:
        for begun in (b"", b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nX: y\r\n"):

            def cut(transport: Any, begun: bytes = begun) -> None:
                transport.write(begun)
                transport.loseConnection()

            await self.refused(self.get(port=self.raw(cut)), Kind.TEMPORARY, "", maybe=True)

    async def test_a_body_that_drips(self) -> None:
        def drip(transport: Any) -> None:
            transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            when_heard(self.clock.advance, 30)

        self.assertEqual((await self.get(port=self.raw(drip))).output, "half")
        await self.made[0].over

    async def test_a_body_until_the_end(self) -> None:
        def old(transport: Any) -> None:
            transport.write(b"HTTP/1.0 200 OK\r\n\r\nold")
            transport.loseConnection()

        self.assertEqual((await self.get(port=self.raw(old))).output, "old")

    async def test_no_http(self) -> None:
        for words in (b"220 mail.example.org ESMTP\r\n", b"\0\xff" * 100 + b"\r\n", b"HTTP/9 x\r\n\r\n"):

            def talk(transport: Any, words: bytes = words) -> None:
                transport.write(words)
                transport.loseConnection()

            await self.refused(self.get(port=self.raw(talk)), Kind.TEMPORARY, "127.0.0.1", maybe=True)

    async def test_a_transfer_encoding_of_its_own(self) -> None:
        def talk(transport: Any) -> None:
            transport.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: zip\r\n\r\nx")

        await self.refused(self.get(port=self.raw(talk)), Kind.TEMPORARY, "cannot be read", maybe=True)

    async def test_chunks_without_end(self) -> None:
        def talk(transport: Any) -> None:
            transport.write(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1;x=y\r\nz\r\n" * 20_000
            )

        self.assertEqual((await self.get(port=self.raw(talk))).output, "z" * 10_000)

    async def test_an_idle_connection_that_was_closed(self) -> None:
        """It is noticed, and the request goes over a new one."""

        def once(transport: Any) -> None:
            transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

        port = self.raw(once)
        await self.get(port=port)
        self.made[0].transport.loseConnection()
        await self.made[0].over
        await forgotten()
        self.assertEqual((await self.get(port=port)).output, "ok")
        self.assertEqual(len(self.made), 2)

    async def test_a_kept_connection_that_ends_with_the_next_request(self) -> None:
        """Nobody can know whether it was carried out: it is not sent again at once."""
        answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]

        class Twice(Raw):
            def dataReceived(self, data: bytes) -> None:
                if answers:
                    self.transport.write(answers.pop())
                else:
                    self.transport.loseConnection()

        factory = Factory.forProtocol(lambda: Twice(lambda transport: None))  # type: ignore[arg-type]
        factory.noisy = False
        port = self.listen(factory)
        await self.get(port=port)
        await self.refused(self.get(port=port), Kind.TEMPORARY, "it ended the connection", maybe=True)

    async def test_stop_waits(self) -> None:
        waiting: Deferred[Any] = Deferred()
        self.book.pages[b"/"] = lambda request: (waiting.callback(request), NOT_DONE_YET)[1]
        done = self.get()
        request = await waiting
        stopped = self.gateway.stopService()
        self.assertNoResult(stopped)
        request.write(b"late")
        request.finish()
        await stopped
        self.assertEqual((await done).output, "late")
        self.assertEqual(self.clock.getDelayedCalls(), [])


class Tls(Case):
    def setUp(self) -> None:
        super().setUp()
        self.folder = Path(self.mktemp())
        self.certificate, key = write(self.folder / "good")
        tls = ssl.DefaultOpenSSLContextFactory(key, self.certificate)
        self.secured = Visits(self.book)
        self.secure = self.listen(self.secured, tls)

    async def use(self, **settings: Any) -> None:
        await self.gateway.stopService()
        self.gateway = self.make(**settings)

    async def test_verified(self) -> None:
        await self.use(ca=self.certificate)
        for host in ("localhost", "127.0.0.1"):
            self.assertEqual((await self.get(where=f"https://{host}:{self.secure}/")).output, "True")
            self.assertEqual((await self.get(where=f"https://{host}:{self.secure}/")).output, "True")
        self.assertEqual(len({request.transport.getPeer().port for request in self.book.asked}), 2)

    async def test_nobody_vouches_for_it(self) -> None:
        await self.refused(
            self.get(where=f"https://localhost:{self.secure}/"), Kind.TEMPORARY, "TLS failed: "
        )
        self.assertEqual(self.book.asked, [])

    async def test_for_another_name(self) -> None:
        certificate, key = write(self.folder / "other", "other.example")
        port = self.listen(Visits(self.book), ssl.DefaultOpenSSLContextFactory(key, certificate))
        await self.use(ca=certificate)
        await self.refused(
            self.get(where=f"https://localhost:{port}/"),
            Kind.TEMPORARY,
            "its certificate is for another name",
        )
        self.assertEqual(self.book.asked, [])

    async def test_no_tls_there(self) -> None:
        port = self.raw(lambda transport: transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
        await self.refused(self.get(where=f"https://localhost:{port}/"), Kind.TEMPORARY, "TLS failed")

    async def test_a_handshake_that_hangs(self) -> None:
        """The request is still with us."""
        port = self.raw(lambda transport: self.clock.advance(30))
        await self.refused(
            self.get(where=f"https://localhost:{port}/"), Kind.TEMPORARY, "did not answer in time"
        )

    async def test_a_redirect_to_tls_and_none_from_it(self) -> None:
        await self.use(ca=self.certificate)
        self.page(b"/up", 302, location=f"https://localhost:{self.secure}/x")
        self.page(b"/down", 302, location=f"http://localhost:{self.port}/x")
        self.assertEqual((await self.get("/up")).output, "True")
        await self.refused(
            self.get(where=f"https://localhost:{self.secure}/down"), Kind.PERMANENT, "from https to http"
        )

    async def test_a_peer_that_does_not_close(self) -> None:
        """An idle TLS connection ends although the server does not answer to that."""
        await self.use(ca=self.certificate)
        await self.get(where=f"https://localhost:{self.secure}/")
        self.clock.advance(KEEP)
        self.clock.advance(CLOSE)
        await self.secured.over

    def test_authorities_that_cannot_be_read(self) -> None:
        empty = os.path.join(self.folder, "empty")
        Path(empty).write_text("nothing")
        for path in (empty, "/no/such/file"):
            with self.assertRaisesRegex(ValueError, "file of authorities"):
                url.make(url.Settings(id="x", ca=path), self.context)


class ReadUrl(SynchronousTestCase):
    def test_parts(self) -> None:
        target = read_url("HTTPS://U%40x:p%3Aq@Host.Example:8443/a b?x=ü&pin=12 3#frag")
        self.assertEqual(
            (target.scheme, target.host, target.port, target.path, target.login, target.origin),
            (
                "https",
                "host.example",
                8443,
                "/a%20b?x=%C3%BC&pin=12%203",
                ("U@x", "p:q"),
                "https://host.example:8443",
            ),
        )
        self.assertLessEqual({"p:q", "p%3Aq", "12 3", "12%203"}, set(target.secrets))

    def test_a_name_in_other_letters(self) -> None:
        self.assertEqual(read_url("http://Bücher.example").host, "xn--bcher-kva.example")

    def test_no_line_can_be_added(self) -> None:
        target = read_url("http://h/x\r\nX-Evil: 1?y=\n")
        self.assertEqual(target.path, "/x%0D%0AX-Evil:%201?y=")
        for bad in ("http://h\r\nX: 1/", "http://h\0/", "http://h h/"):
            self.assertRaises(InvalidValue, read_url, bad)

    def test_too_long(self) -> None:
        self.assertRaises(InvalidValue, read_url, "http://h/" + "x" * LONGEST)

    @given(
        st.text(max_size=60),
        st.sampled_from(["", "http://", "https://h", "http://h/?pass=", "http://u:p@h:"]),
    )
    def test_anything(self, text: str, start: str) -> None:
        try:
            target = read_url(start + text)
        except InvalidValue:
            return
        self.assertTrue(target.path.isascii() and target.path.isprintable() and " " not in target.path)
        self.assertTrue(target.host.isascii() and target.host)
        self.assertEqual(replace(target).origin, target.origin)
