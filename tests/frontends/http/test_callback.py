"""`callback=` at /sms/, and /sms/events for those who fetch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from smsd.codec.webhooks import Event
from smsd.interfaces import ICallbacks
from smsd.values.address import Address
from smsd.values.errors import Reason, Refused
from smsd.values.message import Ticket, Wants
from tests.frontends.fakes import FakeAccount, context
from tests.frontends.http.client import Connection, Reply, ask, door, query, request

EVENT = Event("7", "message.delivered", 1_700_000_000_123, {"recipient": "+1555", "reason": "grüß"})


@implementer(ICallbacks)
class FakeCallbacks:
    """john hears at `app`, unless somebody else is named; events are those of `events`."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.fetched: list[tuple[Any, ...]] = []
        self.events: list[Event] = []
        self.bound = True
        self.failure: Exception | None = None

    def way_back(
        self, account: str | None, named: str | None = None, events: Iterable[str] | None = None
    ) -> tuple[Address, Wants] | None:
        self.asked.append((account, named, events))
        if named == "stranger":
            raise Refused(Reason.NOT_ALLOWED, "no subscriber of yours")
        if named is None and not self.bound:
            return None
        return Address("hook", named or "app"), Wants.FAILURE | Wants.ANSWERS

    def fetch(self, account: str, named: str | None, cursor: str, limit: int) -> Deferred[Any]:
        self.fetched.append((account, named, cursor, limit))
        if self.failure is not None:
            return fail(self.failure)
        return succeed((self.events, "next" if self.events else "0"))


class Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.callbacks = FakeCallbacks()
        self.context = context(callbacks=self.callbacks)
        self.http = door(self.context)
        self.http.running = 1

    def test_the_fake_is_one(self) -> None:
        verifyObject(ICallbacks, self.callbacks)


class Handing(Case):
    def send(self, **fields: str) -> Any:
        reply = ask(self.http, query(number="+15551234567", data="hello", **fields))
        self.assertEqual(reply.status, 200, reply.text)
        self.assertNotIn("WARNING", reply.text)
        return self.context.dispatcher.submissions[-1]

    def test_the_accounts_subscriber(self) -> None:
        submission = self.send(msgid="order-7")
        self.assertEqual(submission.ticket, Ticket(Address("hook", "app"), message_id="order-7"))
        self.assertEqual(submission.wants, Wants.FAILURE | Wants.ANSWERS)
        self.assertEqual(submission.origin, Address("account", "john"))
        self.assertEqual(self.callbacks.asked, [("john", None, None)])

    def test_one_that_is_named(self) -> None:
        submission = self.send(CallBack="https://x.example/in?a=1&b=2", callback_events="Sent, delivered,")
        self.assertEqual(submission.ticket.address, Address("hook", "https://x.example/in?a=1&b=2"))
        self.assertEqual(
            self.callbacks.asked, [("john", "https://x.example/in?a=1&b=2", ("sent", "delivered"))]
        )

    def test_a_mail_address_goes_before_the_accounts_subscriber_but_not_before_the_requests(self) -> None:
        self.assertEqual(
            self.send(reply="ann@example.org").ticket, Ticket(Address("mailto", "ann@example.org"))
        )
        self.assertEqual(self.callbacks.asked, [])
        named = self.send(reply="ann@example.org", callback="app")
        self.assertEqual(named.ticket.address, Address("hook", "app"))

    def test_nobody(self) -> None:
        self.callbacks.bound = False
        self.assertIsNone(self.send().ticket)
        self.context.portal.avatars["john"] = FakeAccount("john", email="john@example.org")
        submission = self.send(callback="")
        self.assertEqual(
            (submission.ticket, submission.wants),
            (Ticket(Address("mailto", "john@example.org")), Wants.FAILURE),
        )

    def test_refused(self) -> None:
        reply = ask(self.http, query(number="+15551234567", data="x", callback="stranger"))
        self.assertEqual((reply.status, self.context.dispatcher.submissions), (403, []))
        twice = query(number="+15551234567", data="x", callback="a") + "&callback=b"
        self.assertIn("callback is given twice", ask(self.http, twice).text)
        without = door(context())
        self.assertIn(
            "cannot tell programs", ask(without, query(number="+1555", data="x", callback="a")).text
        )

    def test_who_is_told_belongs_to_the_key(self) -> None:
        keys = [
            self.send(msgid="1", **more).key.fingerprint
            for more in (
                {},
                {"callback": "a"},
                {"callback": "b"},
                {"callback": "a", "callback_events": "sent"},
            )
        ]
        self.assertEqual(len(set(keys)), 4)


class Fetching(Case):
    def get(self, path: str = "/sms/events?user=john&pass=johnpw", **fields: str) -> Reply:
        more = "".join(f"&{name}={quote(value)}" for name, value in fields.items())
        return ask(self.http, path + more)

    def test_events_and_a_cursor(self) -> None:
        self.callbacks.events = [EVENT]
        reply = self.get(after="last", limit="7", subscriber="till")
        self.assertEqual((reply.status, reply.headers["content-type"]), (200, "application/json"))
        self.assertEqual(
            reply.json(),
            {"events": [{"id": "7", "type": "message.delivered", "timestamp": "2023-11-14T22:13:20.123Z",
                         "data": {"recipient": "+1555", "reason": "grüß"}}], "cursor": "next"},
        )  # fmt: skip
        self.assertEqual(self.callbacks.fetched, [("john", "till", "last", 7)])

    def test_none_answers_at_once(self) -> None:
        self.assertEqual(self.get().json(), {"events": [], "cursor": "0"})
        self.assertEqual(self.callbacks.fetched, [("john", None, "", 100)])

    def waiting(self, seconds: str = "20") -> Connection:
        connection = Connection(self.http)
        connection.send(request("GET", f"/sms/events?user=john&pass=johnpw&after=last&wait={seconds}"))
        self.assertEqual(connection.replies(), [])
        return connection

    def test_it_waits_until_there_is_one(self) -> None:
        connection = self.waiting()
        self.context.reactor.pump([1] * 5)
        self.assertEqual(connection.replies(), [])
        self.callbacks.events = [EVENT]
        self.context.reactor.advance(1)
        [reply] = connection.replies()
        self.assertEqual(reply.json()["cursor"], "next")
        # Only the first look confirms what came before.
        self.assertEqual([cursor for _, _, cursor, _ in self.callbacks.fetched], ["last", *[""] * 6])

    def test_it_does_not_wait_for_ever(self) -> None:
        connection = self.waiting()
        self.context.reactor.pump([1] * 19)
        self.assertEqual(connection.replies(), [])
        self.context.reactor.advance(1)
        [reply] = connection.replies()
        self.assertEqual(reply.json(), {"events": [], "cursor": "0"})

    def test_who_has_gone_is_not_looked_for(self) -> None:
        connection = self.waiting()
        connection.channel.connectionLost()
        self.context.reactor.pump([1] * 5)
        self.assertLess(len(self.callbacks.fetched), 4)

    def test_a_door_that_closes_waits_for_nobody(self) -> None:
        connection = self.waiting()
        self.http.running = 0
        self.context.reactor.advance(1)
        self.assertEqual(len(connection.replies()), 1)

    def test_refused(self) -> None:
        for path, status in (
            ("/sms/events", 401),
            ("/sms/events?user=john&pass=wrong", 401),
            ("/sms/events?user=john&pass=johnpw&limit=501", 400),
            ("/sms/events?user=john&pass=johnpw&wait=-1", 400),
            ("/sms/events?user=john&pass=johnpw&number=1", 400),
        ):
            reply = ask(self.http, path)
            self.assertEqual((reply.status, set(reply.json())), (status, {"error"}), path)
        self.assertEqual(self.callbacks.fetched, [])
        self.callbacks.failure = Refused(Reason.NOT_ALLOWED, "no events to fetch")
        self.assertEqual(self.get().status, 403)
        self.assertEqual(ask(door(context()), "/sms/events?user=john&pass=johnpw").status, 403)

    def test_the_password_may_come_otherwise(self) -> None:
        reply = ask(self.http, "/sms/events", headers={"Authorization": "Basic am9objpqb2hucHc="})
        self.assertEqual(reply.status, 200)
        reply = ask(
            self.http, "/sms/events", "POST", b"user=john&pass=johnpw",
            {"Content-Type": "application/x-www-form-urlencoded"},
        )  # fmt: skip
        self.assertEqual(reply.status, 200)
