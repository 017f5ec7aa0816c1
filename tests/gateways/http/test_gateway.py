"""The gateway over real sockets: servers that are good, slow, hostile, or lie."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import reactor as real
from twisted.internet import ssl
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import directlyProvides, providedBy
from zope.interface.verify import verifyObject

from smsd.codec.weburl import path_of, read_url
from smsd.config.load import load_text
from smsd.config.positions import ConfigError
from smsd.gateways.http import Settings, stamp
from smsd.gateways.http.gateway import Http
from smsd.interfaces import IGateway
from smsd.logs import as_text
from smsd.store.rows import piece_of
from smsd.values.address import Address
from smsd.values.delivery import Accepted, Failure, Kind, Scope
from smsd.values.errors import InvalidValue
from smsd.values.message import Binary, Recipient, Text
from tests.frontends.smtp.certificate import write
from tests.gateways.http.standin import StandIn, gateway, piece, provider, send, short
from tests.house import House, submission
from tests.rig.processes import free_port

reactor: Any = real
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"


class Mixed:
    """The network of the real reactor on a clock of the test's."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_800_000_000)
        self.seconds = self.clock.seconds
        directlyProvides(self, providedBy(reactor))

    def callLater(self, delay: float, *arguments: Any, **options: Any) -> Any:
        """Short waits of Twisted's own while it connects are real."""
        return (self.clock if delay >= 1 else reactor).callLater(delay, *arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(reactor, name)


class Raw(Protocol):
    """A server that does what its script says with each request."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.buffer = b""

    def connectionMade(self) -> None:
        self.server.connections += 1
        self.server.open.add(self)

    def connectionLost(self, reason: Any = None) -> None:
        self.server.open.discard(self)
        if not self.server.open:
            waiting, self.server.waiting = self.server.waiting, []
            for done in waiting:
                done.callback(None)

    def dataReceived(self, data: bytes) -> None:
        self.buffer += data
        if b"\r\n\r\n" in self.buffer:
            asked, self.buffer = self.buffer, b""
            self.server.asked.append(asked)
            self.server.script(self.transport)
            self.server.heard.callback(None)
            self.server.heard = Deferred()


class Server(Factory):
    """Its connections, and what it was asked."""

    noisy = False

    def __init__(self, script: Callable[[Any], None]) -> None:
        self.script = script
        self.asked: list[bytes] = []
        self.connections = 0
        self.open: set[Raw] = set()
        self.waiting: list[Deferred[None]] = []
        self.heard: Deferred[None] = Deferred()

    def buildProtocol(self, address: Any) -> Raw:
        return Raw(self)

    def over(self) -> Deferred[None]:
        """Fires when no connection is open."""
        done: Deferred[None] = Deferred()
        if self.open:
            self.waiting.append(done)
        else:
            done.callback(None)
        return done


def answering(octets: bytes, close: bool = False) -> Callable[[Any], None]:
    """A script that says this."""

    def script(transport: Any) -> None:
        transport.write(octets)
        if close:
            transport.loseConnection()

    return script


class Case(TestCase):
    timeout = 300

    def setUp(self) -> None:
        self.mixed = Mixed()
        self.lines: list[str] = []
        observe = lambda event: self.lines.append(as_text(event))  # noqa: E731
        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        self.gateways: list[Http] = []
        self.servers: list[Server] = []

    async def tearDown(self) -> None:
        for made in self.gateways:
            await made.stopService()
        for server in self.servers:
            for protocol in list(server.open):
                protocol.transport.abortConnection()
            await server.over()
        for line in self.lines:
            self.assertNotIn("geheim", line)

    def listen(self, script: Callable[[Any], None], tls: Any = None) -> tuple[Server, int]:
        server = Server(script)
        self.servers.append(server)
        if tls is None:
            port = reactor.listenTCP(0, server, interface="127.0.0.1")
        else:
            port = reactor.listenSSL(0, server, tls, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return server, port.getHost().port

    def make(self, url: str, **settings: Any) -> Http:
        made = gateway(self.mixed, url=url, **settings)
        made.startService()
        self.gateways.append(made)
        return made

    async def outcome(self, made: Http, **changes: Any) -> Accepted | Failure:
        """What becomes of one message."""
        try:
            return await made.send(piece("hello", **changes))
        except Failure as failure:
            self.assertNotIn("geheim", failure.reason)
            self.assertNotIn("hello", failure.reason)
            return failure

    async def fate(self, script: Callable[[Any], None], **settings: Any) -> Accepted | Failure:
        """What becomes of a message when the server does this."""
        _, port = self.listen(script)
        made = self.make(f"http://127.0.0.1:{port}/send?pass=geheim&to=%number%&text=%data%", **settings)
        return await self.outcome(made)

    def expect(self, outcome: Any, kind: Kind, scope: Scope, maybe: bool, reason: str) -> None:
        self.assertIsInstance(outcome, Failure)
        self.assertEqual(
            (outcome.kind, outcome.scope, outcome.maybe_sent), (kind, scope, maybe), outcome.reason
        )
        self.assertIn(reason, outcome.reason)


class GoodTests(Case):
    async def test_yes_over_a_kept_connection(self) -> None:
        server, port = self.listen(answering(OK))
        made = self.make(f"http://127.0.0.1:{port}/send?to=%number%&text=%data%", window=3)
        verifyObject(IGateway, made)
        self.assertEqual(made.context.outlet.told, [("opened", 3)])
        for _ in range(3):
            self.assertEqual(await self.outcome(made), Accepted())
        self.assertEqual(server.connections, 1)
        head = server.asked[0].decode()
        self.assertTrue(head.startswith("GET /send?to=%2B15551234567&text=hello HTTP/1.1\r\n"), head)
        self.assertIn("Idempotency-Key: sms.example.org-7-0-1\r\n", head)
        self.assertEqual(made.status, "3 accepted, 0 not, 0 under way")

    async def test_post(self) -> None:
        server, port = self.listen(answering(OK))
        made = self.make(
            f"http://127.0.0.1:{port}/",
            body='{"t": "%data%"}',
            body_type="json",
            login="ann:geheim",
            headers={"X-N": "%number%"},
        )
        self.assertEqual(await self.outcome(made), Accepted())
        head, _, body = server.asked[0].partition(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"POST / HTTP/1.1\r\n"))
        self.assertEqual(body, b'{"t": "hello"}')
        for line in (
            b"Authorization: Basic YW5uOmdlaGVpbQ==",
            b"X-N: +15551234567",
            b"Content-Type: application/json",
        ):
            self.assertIn(line, head)

    async def test_redirects_that_stay(self) -> None:
        """A GET to the same server is followed, a few times."""

        def script(transport: Any) -> None:
            moved = server.asked[-1].startswith(b"GET /new?x=1 ")
            transport.write(
                OK if moved else b"HTTP/1.1 307 Away\r\nLocation: /new?x=1\r\nContent-Length: 0\r\n\r\n"
            )

        server, port = self.listen(script)
        made = self.make(f"http://127.0.0.1:{port}/send?to=%number%&text=%data%")
        self.assertEqual(await self.outcome(made), Accepted())
        self.assertEqual(len(server.asked), 2)
        server.script = answering(b"HTTP/1.1 302 Away\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")
        self.expect(
            await self.outcome(made), Kind.TEMPORARY, Scope.GATEWAY, False, "redirects more than 3 times"
        )


class NoAnswerTests(Case):
    async def test_nobody_is_there(self) -> None:
        number = free_port()
        made = self.make(f"http://127.0.0.1:{number}/?pass=geheim&text=%data%")
        outcome = await self.outcome(made)
        self.expect(
            outcome, Kind.TEMPORARY, Scope.GATEWAY, False, f"http://127.0.0.1:{number}: it cannot be reached"
        )

    async def test_silence(self) -> None:
        """The deadline is for the whole exchange, and whoever was asked may have done it."""
        server, port = self.listen(lambda transport: None)
        made = self.make(f"http://127.0.0.1:{port}/?text=%data%", seconds=20)
        heard = server.heard
        waiting = made.send(piece("hello"))
        await heard
        self.mixed.clock.advance(19)
        self.assertFalse(waiting.called)
        self.mixed.clock.advance(2)
        try:
            await waiting
        except Failure as failure:
            self.expect(
                failure, Kind.UNKNOWN, Scope.MESSAGE, True, "it did not answer in time: it may have been sent"
            )
        else:
            self.fail("there was no answer")

    async def test_the_connection_ends(self) -> None:
        outcome = await self.fate(lambda transport: transport.abortConnection())
        self.expect(outcome, Kind.UNKNOWN, Scope.MESSAGE, True, "it ended the connection")
        outcome = await self.fate(answering(b"HTTP/1.1 200 OK\r\nContent-Le", close=True))
        self.expect(outcome, Kind.UNKNOWN, Scope.MESSAGE, True, "ended")
        outcome = await self.fate(
            answering(b"HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\nx")
        )
        self.expect(outcome, Kind.UNKNOWN, Scope.MESSAGE, True, "read: it wants another protocol")
        outcome = await self.fate(answering(b"SSH-2.0-OpenSSH\r\n\r\n", close=True))
        self.expect(outcome, Kind.UNKNOWN, Scope.MESSAGE, True, "")

    async def test_half_an_answer(self) -> None:
        """A Content-Length that lies: what has come decides if it is enough, else nobody knows."""
        half = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nstatus=q"
        wanted = {"success": {"match": "status=queued"}}
        outcome = await self.fate(answering(half, close=True), answers=wanted)
        self.expect(
            outcome, Kind.UNKNOWN, Scope.MESSAGE, True, "half an answer: it answered 200 OK: status=q"
        )
        self.assertEqual(await self.fate(answering(half, close=True)), Accepted())
        short = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nstatus=queued"
        outcome = await self.fate(answering(short, close=True), answers=wanted)
        self.assertIsInstance(outcome, Failure)
        self.assertTrue(outcome.maybe_sent)


class BadAnswerTests(Case):
    async def test_errors(self) -> None:
        outcome = await self.fate(answering(b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\ndown"))
        self.expect(outcome, Kind.TEMPORARY, Scope.MESSAGE, False, "it answered 500 Oops: down")
        wait = b"HTTP/1.1 429 Slow\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n"
        outcome = await self.fate(answering(wait))
        self.expect(outcome, Kind.TEMPORARY, Scope.SPEED, False, "it answered 429 Slow")
        self.assertEqual(outcome.retry_after, 30)  # type: ignore[union-attr]
        dated = b"HTTP/1.1 503 x\r\nRetry-After: Fri, 15 Jan 2027 08:02:00 GMT\r\nContent-Length: 0\r\n\r\n"
        outcome = await self.fate(answering(dated))
        self.assertEqual(outcome.retry_after, 120)  # type: ignore[union-attr]
        for odd in (b"soon", b"-1", b"1e9", b"9" * 30, b"Fri, 99 Jan"):
            outcome = await self.fate(answering(wait.replace(b"30", odd)))
            self.assertLessEqual(outcome.retry_after or 1, 86_400)  # type: ignore[union-attr]
        outcome = await self.fate(answering(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"), rest=600)
        self.expect(outcome, Kind.TEMPORARY, Scope.GATEWAY, False, "403")
        self.assertEqual(outcome.retry_after, 600)  # type: ignore[union-attr]

    async def test_redirects_elsewhere(self) -> None:
        """To other servers, schemes and files: refused, with the reason, and nothing is lost."""
        for where, reason in (
            (b"file:///etc/passwd", "redirects to what is neither http: nor https:"),
            (b"ftp://127.0.0.1/", "neither http: nor https:"),
            (b"http://127.0.0.1:9/x?pass=geheim", "redirects to http://127.0.0.1:9, which is not followed"),
            (b"https://127.0.0.1/", "redirects to https://127.0.0.1, which is not followed"),
            (b"//[", "neither http: nor https:"),
            (b"", "answered 302, a redirect that leads nowhere"),
        ):
            away = b"HTTP/1.1 302 Found\r\nLocation: " + where + b"\r\nContent-Length: 0\r\n\r\n"
            outcome = await self.fate(answering(away))
            self.expect(outcome, Kind.TEMPORARY, Scope.GATEWAY, False, reason)
        _, port = self.listen(answering(b"HTTP/1.1 307 Away\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"))
        made = self.make(f"http://127.0.0.1:{port}/a", body="t=%data%")
        outcome = await self.outcome(made)
        self.expect(outcome, Kind.TEMPORARY, Scope.GATEWAY, False, "answered a POST with a redirect")
        self.assertEqual(len(self.servers[-1].asked), 1)

    async def test_twenty_megabytes(self) -> None:
        """Are not waited for, nor held."""

        def flood(transport: Any) -> None:
            transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\nID: 7\n")
            for _ in range(305):
                transport.write(b"x" * 65_536)

        found = {"success": {"match": "^ID: "}, "id": {"match": "ID: ([0-9]+)"}}
        self.assertEqual(await self.fate(flood, answers=found), Accepted("7"))
        outcome = await self.fate(flood, answers={"success": {"match": "END$"}}, answer_limit=1000)
        self.expect(outcome, Kind.PERMANENT, Scope.MESSAGE, True, "an answer that nobody expects")
        found = {"success": {"match": "END$"}, "stop": {"match": "^ID: 7"}}
        outcome = await self.fate(flood, answers=found, answer_limit=1000)
        self.expect(outcome, Kind.TEMPORARY, Scope.GATEWAY, False, "ID: 7")
        self.assertLess(len(outcome.reason), 301)  # type: ignore[union-attr]

    async def test_what_the_server_says_back(self) -> None:
        """Of the request nothing is shown, however the server writes it, and wherever it would be cut.

        The number in the secret is longer than any port's, for the reason names the server and its port.
        """
        secret = 'geheim-"&<+/471147'
        spelt = (quote(secret), quote_plus(secret), escape(secret), json.dumps(secret)[1:-1], secret)
        login = b64encode(f"ann:{secret}".encode()).decode()
        for said in (*spelt, f"Authorization: Basic {login}"):
            for before in (0, 10, 150, 155, 159):
                body = ("x" * before + " " + said + " " + said).encode()
                head = b"HTTP/1.1 400 No\r\nContent-Length: %d\r\n\r\n" % len(body)
                _, port = self.listen(answering(head + body))
                made = self.make(
                    f"http://127.0.0.1:{port}/?p=%password%&t=%data%",
                    credentials={"password": secret}, login="ann:%password%",
                )  # fmt: skip
                outcome = await self.outcome(made)
                assert isinstance(outcome, Failure)
                for part in ("geh", "471147", login[:6]):
                    self.assertNotIn(part, outcome.reason)

        def echo(transport: Any) -> None:
            asked = self.servers[-1].asked[-1]
            transport.write(b"HTTP/1.1 404 No\r\nContent-Length: %d\r\n\r\n" % len(asked) + asked)

        _, port = self.listen(echo)
        outcome = await self.outcome(self.make(f"http://127.0.0.1:{port}/send?to=%number%&text=%data%"))
        assert isinstance(outcome, Failure)
        self.assertIn("it answered 404 No: GET ***", outcome.reason)
        self.assertNotIn("1555", outcome.reason.replace(f":{port}", ""))

    async def test_wrong_charset(self) -> None:
        body = "účet nemá kredit".encode("cp1250")
        head = b"HTTP/1.1 400 No\r\nContent-Type: text/plain; charset=%b\r\nContent-Length: %d\r\n\r\n"
        for name, words in (
            (b"windows-1250", "účet nemá kredit"),
            (b"klingon", "nem\ufffd kredit"),
            (b"utf-16", ""),
        ):
            outcome = await self.fate(answering(head % (name, len(body)) + body))
            self.expect(outcome, Kind.PERMANENT, Scope.MESSAGE, False, words)


class CertificateTests(Case):
    def certificate(self, name: str) -> str:
        folder = self.mktemp()
        os.mkdir(folder)
        path = os.path.join(folder, "both.pem")
        key, certificate = write(Path(folder), name)
        with open(path, "w", encoding="utf-8") as out:
            for part in (certificate, key):
                out.write(Path(part).read_text("utf-8"))
        return path

    async def test_wrong_and_right(self) -> None:
        """A certificate that nobody vouches for: nothing leaves, and the gateway is to blame."""
        path = self.certificate("localhost")
        options = ssl.DefaultOpenSSLContextFactory(path, path)
        server, port = self.listen(answering(OK), options)
        made = self.make(f"https://localhost:{port}/?pass=geheim&t=%data%")
        outcome = await self.outcome(made)
        self.expect(outcome, Kind.TEMPORARY, Scope.GATEWAY, False, "TLS failed")
        made = self.make(f"https://localhost:{port}/?pass=geheim&t=%data%", ca=path)
        self.assertEqual(await self.outcome(made), Accepted())
        self.assertEqual(len(server.asked), 1)

    async def test_another_name(self) -> None:
        """A good certificate of another server."""
        path = self.certificate("sms.example.org")
        server, port = self.listen(answering(OK), ssl.DefaultOpenSSLContextFactory(path, path))
        made = self.make(f"https://localhost:{port}/?pass=geheim&t=%data%", ca=path)
        outcome = await self.outcome(made)
        self.expect(outcome, Kind.TEMPORARY, Scope.GATEWAY, False, "its certificate is for another name")
        self.assertEqual(server.asked, [])

    async def test_ours(self) -> None:
        """A provider that wants a client certificate (O2) gets it; without one nothing is sent."""
        path, mine = self.certificate("localhost"), self.certificate("client.example.org")
        options = ssl.CertificateOptions(
            privateKey=ssl.PrivateCertificate.loadPEM(Path(path).read_text()).privateKey.original,
            certificate=ssl.Certificate.loadPEM(Path(path).read_text()).original,
            trustRoot=ssl.trustRootFromCertificates([ssl.Certificate.loadPEM(Path(mine).read_text())]),
        )
        server, port = self.listen(answering(OK), options)
        made = self.make(f"https://localhost:{port}/?t=%data%", ca=path)
        outcome = await self.outcome(made)
        self.assertIsInstance(outcome, Failure)
        self.assertEqual(server.asked, [])
        made = self.make(f"https://localhost:{port}/?t=%data%", ca=path, certificate=mine)
        self.assertEqual(await self.outcome(made), Accepted())


class SettingsTests(SynchronousTestCase):
    def problems(self, section: str) -> str:
        try:
            load_text(
                f"server: {{name: a}}\ngateways:\n  - {{id: up, type: http, {section}}}\n",
                "/x/smsd.yaml",
                {"PW": "geheim"},
            )
        except ConfigError as error:
            return str(error)
        return ""

    def test_right(self) -> None:
        for section in (
            "template: smsd, server: 'http://b.example.org:8080', credentials: {user: b, password: env:PW}",
            "template: twilio, sender: '+15550001', credentials: {account_sid: AC1, auth_token: x}",
            "url: 'http://x/?u=%user%&p=%pass%&t=%data%', credentials: {user: a, pass: b}, answers: {success: {match: OK}}",
        ):
            self.assertEqual(self.problems(section), "")

    def test_wrong(self) -> None:
        for section, expected in {
            "template: smsd, credentials: {user: b, password: t}": "3:5: gateways[0].server: missing; write server:",
            "template: nobody": "gateways[0].template: there is no provider 'nobody'; write one of clickatell, ",
            "template: o2": "gateways[0].credentials: ba_id is missing; ba_id: number of the business application",
            "template: o2, credentials: {ba_id: 1, pass: 2}": "credentials.pass: the provider has no such credential",
            "template: o2, credentials: {ba_id: 1}, url: 'http://x'": "gateways[0].url: this belongs to a gateway without",
            "template: o2, credentials: {ba_id: 1}, headers: {X: y}": "gateways[0].headers: this belongs to a gateway without",
            "template: o2, credentials: {ba_id: 1}, omit: [x]": "gateways[0].omit: this belongs to a gateway without",
            "url: 'http://x/', headers: {Expect: x}": "headers.Expect: Expect is not yours to set",
            "description: x": "gateways[0]: there is neither a template nor a url",
            "url: 'http://x/?p=geheim&t=%dat%'": "3:31: gateways[0].url: at character 22: there is no variable dat",
            "url: 'http://x/', body: '{', body_type: json": "gateways[0].body: filled in for ascii texts this is no JSON",
            "url: 'http://x/', headers: {X: '%y%'}": "headers.X: at character 1: there is no variable y",
            "url: 'http://x/', certificate: none.pem": "gateways[0].certificate: ",
            "url: 'http://x/', window: 0": "gateways[0].window: ",
            "url: 'http://x/', answers: {success: {match: '('}}": "answers.success.match: the regular expression",
            "url: 'http://x/', credentials: {Number: x}": "credentials.Number: this cannot be the name",
            "template: smsd, server: 'b.example.org'": "gateways[0].server: this is no server",
        }.items():
            found = self.problems(section)
            self.assertIn(expected, found)
            self.assertNotIn("geheim", found)

    def test_nothing_secret_is_shown(self) -> None:
        made, _ = provider("smsd")
        self.assertNotIn("geheim", repr(made._settings) + repr(made.provider))
        for made in (gateway(url="http://x/?p=geheim&t=%data%"), gateway(url="http://x/", body="p=geheim")):
            self.assertNotIn("geheim", repr(made._settings) + repr(made.provider))

    def test_abilities(self) -> None:
        """What a URL has no place for, the gateway cannot do."""
        for url, binary, sender in (
            ("http://x/?t=%data%", False, False),
            ("http://x/?t=%data%&udh=%udh%&from=%sender%", True, True),
            ("http://x/?t=%data;isascii%&udh=%udh%", False, False),
            ("http://x/?t=%data%&binary=%binary%", True, False),
            ("http://x/?t=%data%&binary=%binary%&concat=1", False, False),
        ):
            abilities = gateway(url=url).abilities
            self.assertEqual((abilities.binary, abilities.sender), (binary, sender), url)
            self.assertTrue(abilities.parts and abilities.whole_text)
        self.assertFalse(gateway(url="http://x/?t=%data%", split=True).abilities.whole_text)
        self.assertRaises(ConfigError, gateway, url="http://x/?t=%dat%")
        self.assertRaises(InvalidValue, gateway, template="nobody")

    def test_reports_are_awaited_where_they_can_come(self) -> None:
        """The provider gives them, and the gateway says how its calls are known."""
        calls = {"secret": "s" * 20}
        self.assertFalse(provider("vonage")[0].abilities.reports)
        self.assertTrue(provider("vonage", incoming=calls)[0].abilities.reports)
        self.assertFalse(provider("vonage", incoming=calls, reports=False)[0].abilities.reports)
        url = "http://x/?t=%data%"
        self.assertFalse(gateway(url=url).abilities.reports)
        self.assertTrue(gateway(url=url, incoming={**calls, "template": "vonage"}).abilities.reports)

    def test_files_that_change(self) -> None:
        """A renewed certificate, or a provider that was described anew, makes another gateway at the next reload."""
        folder = self.mktemp()
        os.mkdir(folder)
        Path(folder, "providers.yaml").write_text(
            'providers: {a: {text: {url: "http://x/"}}, b: {}}', "utf-8"
        )
        Path(folder, "c.pem").write_text("", "utf-8")
        find = lambda name: os.path.join(folder, name)  # noqa: E731
        settings = Settings(id="up", template="a", certificate=find("c.pem"))
        first = stamp(settings, find)
        self.assertEqual(first, stamp(settings, find))
        os.utime(find("c.pem"), (1, 1))
        second = stamp(settings, find)
        Path(find("providers.yaml")).write_text('providers: {a: {text: {url: "http://x/"}}, cc: {}}')
        self.assertEqual(stamp(settings, find), second)
        Path(find("providers.yaml")).write_text('providers: {a: {text: {url: "http://z/?t=%data%"}}}')
        third = stamp(settings, find)
        self.assertNotEqual(second, third)
        self.assertNotEqual(first, second)

    def test_the_account_s_phone(self) -> None:
        class Account:
            phone = "+420776047467"

        made = gateway(url="http://x/?from=%sender_phonealias%&t=%data%", account=Account)
        stand_in = StandIn()
        made._client = stand_in  # type: ignore[assignment]
        stand_in.says(200)
        send(made, account="ann")
        self.assertEqual(stand_in.asked[0].query["from"], "+420776047467")
        send(made)
        self.assertEqual(stand_in.asked[1].query["from"], "")

    def test_headers_of_its_own(self) -> None:
        """Stand in for ours, however they are written: nothing is said twice."""
        made = gateway(url="http://x/?t=%data%", headers={"user-agent": "box", "ACCEPT": "text/xml"})
        stand_in = StandIn()
        made._client = stand_in  # type: ignore[assignment]
        stand_in.says(200)
        send(made)
        said = {name.lower(): value for name, value in stand_in.asked[0].headers.items()}
        self.assertEqual((said["user-agent"], said["accept"]), ("box", "text/xml"))
        self.assertEqual(len(said), len(stand_in.asked[0].headers))

    def test_reasons_have_no_credentials(self) -> None:
        """Not even when the provider repeats them."""
        made, stand_in = provider("twilio")
        stand_in.says(
            400, '{"code": 1, "message": "no account AC0123456789 with token geheim-3+ or geheim-3%2B"}', "x"
        )
        outcome = send(made)
        self.assertEqual(short(outcome)[2], "no account *** with token *** or ***")

    def test_what_cannot_be_sent(self) -> None:
        """Refused with the reason, and nothing is requested."""
        # Another gateway may carry it.
        made = gateway(url="http://x/?t=%data%&concat=2")
        made._client = StandIn()  # type: ignore[assignment]
        outcome = send(made, "x" * 400)
        self.assertEqual(
            (outcome.kind, outcome.scope, outcome.reason),  # type: ignore[union-attr]
            (Kind.PERMANENT, Scope.GATEWAY, "the message needs 3 SMS, and the URL allows 2 (concat=2)"),
        )
        made = gateway(url="http://x/", headers={"X": "%data%"})
        made._client = StandIn()  # type: ignore[assignment]
        self.assertEqual(short(send(made, "a\r\nEvil: b"))[0], "permanent")


class AddressTests(SynchronousTestCase):
    @given(
        st.sampled_from(["http://x", "https://u:p@h.example:8443", "http://[::1]:80"]),
        st.text("/aZ09%&=;+.,-~?:@!$'()*[] #\\\"ž", max_size=40).map("/{}".format) | st.text(max_size=40),
    )
    def test_the_short_way(self, origin: str, rest: str) -> None:
        """A URL taken apart in the short way is what `read_url` makes of it."""
        path = path_of(origin + rest, origin)
        if path is None:
            return
        found = read_url(origin + rest)
        self.assertEqual((found.path, found.host), (path, read_url(origin + "/").host))

    def test_which_ways_are_short(self) -> None:
        self.assertEqual(path_of("http://x/a?b=%C5%BE&c=1+2;d", "http://x"), "/a?b=%C5%BE&c=1+2;d")
        for odd in (
            "http://x.evil/",
            "http://x?a",
            "http://x/?",
            "http://x/#a",
            "http://x/a b",
            "http://x/ž",
            "http://y/",
            "http://x",
        ):
            self.assertIsNone(path_of(odd, "http://x"))

    def test_servers_from_credentials(self) -> None:
        """Where the server is not the same for all, each message goes to its own."""
        made = gateway(url="http://%host%/?t=%data%", credentials={"host": "h%msgid%.example"})
        stand_in = StandIn()
        stand_in.says(200)
        made._client = stand_in  # type: ignore[assignment]
        for delivery in (5, 6, 5, 7, 8, 9, 10):
            send(made, delivery=delivery)
            self.assertEqual(stand_in.asked[-1].target.host, f"h{delivery}.example")


class QueueTests(SynchronousTestCase):
    """The queue gives such gateways texts whole and octets part by part."""

    def run_through(self, url: str, content: Text | Binary, later: bool, **settings: Any) -> StandIn:
        house = House()
        self.addCleanup(house.close)
        made = gateway(house.clock, url=url, **settings)
        stand_in = StandIn()
        stand_in.says(200)
        made._client = stand_in  # type: ignore[assignment]
        outlet = house.queue.outlet("up", made.abilities)
        outlet.gateway = made
        house.open()
        house.outlet("gsm1").closed("away")
        if not later:
            outlet.opened(10)
        house.wait(
            house.dispatcher.submit(
                submission(
                    "+15551234567", content=content, recipients=(Recipient(Address("sms", "+15551234567")),)
                )
            )
        )
        if later:
            outlet.opened(10)
        house.settle()
        (row,) = house.rows()
        self.assertEqual(row["state"], "sent")
        return stand_in

    def test_texts_and_octets(self) -> None:
        url = "http://x/?t=%data%&u=%udh;hex%&b=%binary%&n=%parts%&m=%msgid%"
        for later in (False, True):
            (asked,) = self.run_through(url, Text("x" * 400), later).asked
            self.assertEqual((asked.query["t"], asked.query["n"]), ("x" * 400, "3"))
            asked_all = self.run_through(url, Binary(b"\0" * 300), later).asked
            self.assertEqual([each.query["u"][-4:] for each in asked_all], ["0301", "0302", "0303"])
            self.assertEqual(len({each.query["m"] for each in asked_all}), 3)
            asked_all = self.run_through(url, Text("x" * 400), later, split=True).asked
            self.assertEqual([len(each.query["t"]) for each in asked_all], [153, 153, 94])

    def test_piece_of(self) -> None:
        """A row of a text that was begun in parts goes whole."""
        row = {
            "headers": None, "pieces": 3, "kind": 1, "body": "x" * 400, "id": 1, "message": 2, "lane": 1, "target": "sms:+1555",
            "origin": "account:ann", "sent": 1, "code": 0, "reference": 7, "parameters": None, "ticket": None, "account": None,
            "arrived": 0, "expires": 0, "report": 0, "tries": 0, "maybe_twice": 0, "wants": 0, "again": 0, "hops": 0,
        }  # fmt: skip
        for whole_text, expected in ((True, (1, 1)), (False, (2, 3))):
            found = piece_of(row, "up", parts=True, whole_text=whole_text)
            self.assertEqual((found.seq, found.total), expected)
