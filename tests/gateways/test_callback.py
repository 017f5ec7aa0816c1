"""Callbacks over real connections: signatures that others verify, URLs of senders that lead into our own network, odd servers."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError
from twisted.internet import reactor as real
from twisted.internet.defer import Deferred, succeed
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.resource import Resource
from twisted.web.server import Site
from zope.interface.verify import verifyObject

from smsd.codec import kannel, webhooks
from smsd.config.settings import CallbackSettings
from smsd.config.subscribers import SubscriberSettings, key_of
from smsd.gateways import callback
from smsd.interfaces import GatewayContext, IGateway
from smsd.logs import as_text
from smsd.values.address import Address
from smsd.values.delivery import Accepted, Failure, Kind, Scope
from smsd.values.message import Binary, Report, Text
from tests.gateways.helpers import RecordingOutlet, piece

reactor: Any = real
KEYS = [b"the first secret of the shop", bytes(range(200, 232))]
SECRETS = ["whsec_" + base64.b64encode(key).decode() for key in KEYS]
REPORT = Report(
    "delivered", 42, 41, "+15551234567", "the phone has received it", 1_700_000_000_000, 1_700_000_005_000, ""
)


class Book(Resource):
    """A server that notes what it is asked; `render_one` answers."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[bytes, dict[str, str], bytes]] = []
        self.answer: Callable[[Any], bytes] = lambda request: b"ok"

    def render(self, request: Any) -> Any:
        headers = {
            name.decode().lower(): values[-1].decode()
            for name, values in request.requestHeaders.getAllRawHeaders()
        }
        self.asked.append((request.uri, headers, request.content.read()))
        return self.answer(request)


class Memory:
    def __init__(self) -> None:
        self.facts: dict[str, str | None] = {}

    def recall(self, key: str) -> Deferred[str | None]:
        return succeed(self.facts.get(key))

    def remember(self, key: str, value: str | None) -> Deferred[None]:
        self.facts[key] = value
        return succeed(None)


def status(code: int, **headers: str) -> Callable[[Any], bytes]:
    def answer(request: Any) -> bytes:
        request.setResponseCode(code)
        for name, value in headers.items():
            request.setHeader(name.replace("_", "-"), value)
        return b"secret words of the server"

    return answer


class Case(TestCase):
    timeout = 300

    def setUp(self) -> None:
        self.book = Book()
        site: Any = Site(self.book)
        site.log = lambda request: None  # it would write URLs
        port = reactor.listenTCP(0, site, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.port = port.getHost().port
        self.memory, self.outlet = Memory(), RecordingOutlet()
        self.lines: list[str] = []
        observe = lambda event: self.lines.append(as_text(event))  # noqa: E731
        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)

    def url(self, path: str = "/in?token=s3cret", host: str = "127.0.0.1") -> str:
        return f"http://user:passw0rd@{host}:{self.port}{path}"

    def make(self, **given: Any) -> Any:
        context = GatewayContext(reactor=reactor, outlet=self.outlet, inbound=None, memory=self.memory)
        made = callback.make(callback.Settings(type="callback", **given), context)
        made.startService()
        self.addCleanup(made.stopService)
        return made

    def subscriber(self, **given: Any) -> Any:
        settings = SubscriberSettings(id="shop", **{"url": self.url(), "secrets": SECRETS[:1], **given})
        return self.make(id="hook-shop", subscriber=settings)

    def urls(self, *networks: str) -> Any:
        return self.make(id="hooks", callbacks=CallbackSettings(allow_networks=list(networks)))

    async def failed(self, gateway: Any, **changes: Any) -> Failure:
        try:
            await gateway.send(piece(**{"target": Address("hook", self.url()), "content": REPORT, **changes}))
        except Failure as failure:
            shown = failure.reason + "".join(self.lines) + gateway.status
            for secret in ("s3cret", "passw0rd"):
                self.assertNotIn(secret, shown)
            return failure
        raise AssertionError("it was accepted")


class Subscribers(Case):
    async def test_others_can_verify_it(self) -> None:
        gateway = self.subscriber()
        self.assertTrue(verifyObject(IGateway, gateway))
        accepted = await gateway.send(piece(content=REPORT))
        self.assertEqual(accepted, Accepted())
        [(_, headers, body)] = self.book.asked
        self.assertEqual(headers["content-type"], "application/json")
        event = Webhook(SECRETS[0]).verify(body, headers)
        self.assertEqual((event["type"], event["data"]["delivery"]), ("message.delivered", "41"))
        self.assertEqual(headers["webhook-id"], "77")
        with self.assertRaises(WebhookVerificationError):
            Webhook(SECRETS[1]).verify(body, headers)
        with self.assertRaises(WebhookVerificationError):
            Webhook(SECRETS[0]).verify(body.replace(b"delivered", b"forwarded"), headers)
        with self.assertRaises(WebhookVerificationError):
            Webhook(SECRETS[0]).verify(body, {**headers, "webhook-id": "78"})

    async def test_while_secrets_change_both_verify(self) -> None:
        await self.subscriber(secrets=SECRETS).send(piece(content=Text("grüß dich 👋")))
        [(_, headers, body)] = self.book.asked
        for secret in SECRETS:
            self.assertEqual(Webhook(secret).verify(body, headers)["data"]["text"], "grüß dich 👋")

    async def test_a_secret_that_is_a_plain_text(self) -> None:
        await self.subscriber(secrets=["a plain and long secret"]).send(piece(content=REPORT))
        [(_, headers, body)] = self.book.asked
        Webhook(base64.b64encode(b"a plain and long secret").decode()).verify(body, headers)

    async def test_octets(self) -> None:
        await self.subscriber().send(piece(content=Binary(b"\x00\xff", b"\x05\x01")))
        [(_, _, body)] = self.book.asked
        data = json.loads(body)["data"]
        self.assertEqual((data["data"], data["udh"]), ("AP8=", "BQE="))

    async def test_trouble_is_the_subscribers_and_lasts_longer_each_time(self) -> None:
        gateway = self.subscriber()
        waits = []
        for code in (500, 400, 404, 302, 401, 503):
            self.book.answer = status(code, location="/elsewhere")
            failure = await self.failed(gateway)
            self.assertEqual(
                (failure.kind, failure.scope, failure.maybe_sent, failure.keeps_place),
                (Kind.TEMPORARY, Scope.GATEWAY, False, True),
            )
            self.assertIn(f"answered {code}", failure.reason)
            waits.append(failure.retry_after)
        self.assertEqual(waits, [5, 15, 30, 60, 120, 300])
        self.assertEqual({uri for uri, _, _ in self.book.asked}, {b"/in?token=s3cret"})
        self.assertIn("6 times in a row", gateway.status)
        self.book.answer = lambda request: b""
        await gateway.send(piece(content=REPORT))
        self.assertNotIn("in a row", gateway.status)

    async def test_a_server_says_when(self) -> None:
        for said, expected in (("7", 7.0), ("999999999", 86_400.0), ("0", 1.0), ("soon", 5.0)):
            self.book.answer = status(429, retry_after=said)
            gateway = self.subscriber()
            self.assertEqual((await self.failed(gateway)).retry_after, expected)

    async def test_gone(self) -> None:
        self.book.answer = status(410)
        gateway = self.subscriber()
        failure = await self.failed(gateway)
        self.assertEqual((failure.kind, failure.scope), (Kind.PERMANENT, Scope.MESSAGE))
        [opened, (closed, reason)] = self.outlet.told
        self.assertEqual((opened, closed), (("opened", 1), "closed"))
        self.assertIn("410", reason)
        self.outlet.told.clear()
        self.subscriber()
        self.assertEqual([word for word, _ in self.outlet.told], ["closed"])
        self.subscriber(url=self.url("/another"))
        self.assertEqual(self.outlet.told[-1], ("opened", 1))
        gateway.again()
        self.assertEqual((self.outlet.told[-1], self.memory.facts), (("opened", 1), {"gone": None}))

    async def test_a_long_answer_is_not_waited_for(self) -> None:
        self.book.answer = lambda request: b"x" * 20_000_000
        self.assertEqual(await self.subscriber().send(piece(content=REPORT)), Accepted())

    async def test_nobody_is_there(self) -> None:
        failure = await self.failed(self.subscriber(url="http://127.0.0.1:1/"))
        self.assertEqual((failure.scope, failure.keeps_place), (Scope.GATEWAY, True))
        self.assertIn("cannot be reached", failure.reason)

    def test_who_fetches_is_not_called(self) -> None:
        gateway = self.subscriber(url=None, pull=True)
        self.assertEqual(self.outlet.told, [("closed", "its events wait until they are fetched")])
        self.assertIn("/sms/events", gateway.status)
        gateway.again()
        self.assertEqual(len(self.outlet.told), 1)


class UrlsOfSenders(Case):
    async def test_our_own_network_is_refused_for_ever_and_named(self) -> None:
        gateway = self.urls()
        for host in ("127.0.0.1", "localhost", "[::1]", "0.0.0.0", "169.254.169.254"):
            with self.subTest(host=host):
                failure = await self.failed(gateway, target=Address("hook", self.url(host=host)))
                self.assertEqual((failure.kind, failure.scope), (Kind.PERMANENT, Scope.MESSAGE))
                self.assertIn("callbacks.allow_networks", failure.reason)
                self.assertIn(f"http://{host}:{self.port}", self.lines[-1])
        self.assertEqual(self.book.asked, [])

    async def test_unless_the_administrator_allows_it(self) -> None:
        gateway = self.urls("127.0.0.0/8")
        await gateway.send(piece(target=Address("hook", self.url()), content=REPORT))
        [(uri, headers, body)] = self.book.asked
        self.assertEqual(uri, b"/in?token=s3cret")
        self.assertNotIn("webhook-signature", headers)
        self.assertEqual(json.loads(body)["data"]["id"], "42")

    async def test_a_redirect_into_our_network_is_not_followed(self) -> None:
        self.book.answer = status(302, location="http://169.254.169.254/latest/meta-data")
        failure = await self.failed(self.urls("127.0.0.0/8"))
        self.assertEqual(failure.kind, Kind.PERMANENT)
        self.assertIn("redirects are not followed", failure.reason)
        self.assertEqual(len(self.book.asked), 1)

    async def test_each_event_has_its_own_fate(self) -> None:
        gateway = self.urls("127.0.0.0/8")
        for code, kind in (
            (404, Kind.PERMANENT),
            (410, Kind.PERMANENT),
            (429, Kind.TEMPORARY),
            (503, Kind.TEMPORARY),
        ):
            self.book.answer = status(code)
            failure = await self.failed(gateway)
            self.assertEqual((failure.kind, failure.scope), (kind, Scope.MESSAGE))

    async def test_as_kannel_calls(self) -> None:
        gateway = self.urls("127.0.0.0/8")
        url = self.url("/dlr?to=%p&s=%d&id=%I&token=s3cret")
        ticket = kannel.ticket(url, 1, kannel.Facts())
        told = Report(**{**_fields(REPORT), "envelope_id": ticket.envelope_id})
        await gateway.send(piece(target=ticket.address, content=told))
        [(uri, _, body)] = self.book.asked
        self.assertEqual((uri, body), (b"/dlr?to=%2B15551234567&s=1&id=41&token=s3cret", b""))
        unwanted = Report(**{**_fields(told), "event": "sent"})
        await gateway.send(piece(target=ticket.address, content=unwanted))
        self.assertEqual(len(self.book.asked), 1)

    async def test_a_url_that_is_none(self) -> None:
        failure = await self.failed(self.urls(), target=Address("hook", "file:///etc/passwd"))
        self.assertEqual(failure.kind, Kind.PERMANENT)


def _fields(report: Report) -> dict[str, Any]:
    return {name: getattr(report, name) for name in Report.__dataclass_fields__}


class Signing(SynchronousTestCase):
    def test_the_example_of_the_specification(self) -> None:
        key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        signed = webhooks.sign([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
        self.assertEqual(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")

    def test_what_is_no_event(self) -> None:
        from smsd.values.message import Call

        self.assertIsNone(webhooks.event(piece(content=Call("url", "http://x/"))))
