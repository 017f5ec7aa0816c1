"""`/sms/deliver.html`: features D2 and D4."""

from __future__ import annotations

from urllib.parse import urlencode

from twisted.trial.unittest import SynchronousTestCase

from smsd.frontends.http.deliver import bare_number
from smsd.interfaces import MessageIn
from smsd.values.errors import InvalidValue, Reason
from smsd.values.message import Binary, Text
from tests.frontends.fakes import FakeInbound, context, refused
from tests.frontends.http.client import Reply, ask, door

GOOD = {"id": "HTTP", "pass": "1234", "number": "+15551234567", "data": "Grüße"}


class DeliverTests(SynchronousTestCase):
    """Another server calls."""

    def setUp(self) -> None:
        self.context = context(deliver_pins={"HTTP": "1234", "open": ""})
        self.inbound: FakeInbound = self.context.inbound
        self.door = door(self.context)

    def deliver(self, method: str = "GET", **fields: str) -> Reply:
        encoded = urlencode({**GOOD, **fields})
        if method == "GET":
            return ask(self.door, "/sms/deliver.html?" + encoded)
        return ask(self.door, "/sms/deliver.html", "POST", encoded.encode())

    def test_accepted(self) -> None:
        for method in ("GET", "POST"):
            reply = self.deliver(method)
            self.assertEqual((reply.status, reply.text), (200, "True\n"))
        self.assertEqual(self.inbound.messages, [MessageIn("HTTP", "+15551234567", Text("Grüße"))] * 2)

    def test_forms_of_the_number(self) -> None:
        for typed in (
            "+15551234567",
            "sms:+15551234567",
            "+15551234567@example.org",
            "sms:+15551234567@example.org",
            '"sms:+15551234567"@example.org',
        ):
            self.assertEqual(bare_number(typed), "+15551234567")
            self.assertEqual(self.deliver(number=typed).status, 200)
        raw = '/sms/deliver.html?id=HTTP&pass=1234&data=x&number="sms:+15551234567"@example.org'
        self.assertEqual(ask(self.door, raw).status, 200)
        self.assertEqual({message.sender for message in self.inbound.messages}, {"+15551234567"})

    def test_binary_own_and_id(self) -> None:
        self.deliver(binary="1", data="AQID", udh="BQQLhCPw", own="+1999", msgid="m7")
        self.deliver(binary="0", data="AQID", msgid="m7")
        self.assertEqual(
            self.inbound.messages,
            [
                MessageIn(
                    "HTTP", "+15551234567", Binary(b"\1\2\3", bytes.fromhex("05040b8423f0")), "+1999", "m7"
                )
            ],
        )

    def test_all_four_are_obligatory(self) -> None:
        for name in GOOD:
            fields = {key: value for key, value in GOOD.items() if key != name}
            reply = ask(self.door, "/sms/deliver.html?" + urlencode(fields))
            self.assertEqual((reply.status, reply.text.startswith("False")), (400, True), name)
            self.assertIn(name, reply.text)

    def test_wrong_pin(self) -> None:
        answers = {
            self.deliver(**{"pass": "12345"}).body,
            self.deliver(**{"pass": ""}).body,
            self.deliver(id="gw1").body,
            self.deliver(id="nobody").body,
            self.deliver(id="open", **{"pass": ""}).body,
            self.deliver(id="nobody", **{"pass": "\0"[:0]}).body,
        }
        self.assertEqual(answers, {b"False id and pass match no gateway and its PIN\n"})
        self.assertEqual(self.deliver(**{"pass": "x"}).status, 403)
        self.assertEqual(self.inbound.messages, [])

    def test_no_gateway_has_a_pin(self) -> None:
        self.door = door(context(deliver_pins=None))
        self.assertEqual(self.deliver().status, 403)

    def test_unreadable(self) -> None:
        for fields in ({"binary": "maybe"}, {"binary": "1", "data": "?"}, {"number": " "}, {"data": "a\0b"}):
            reply = self.deliver(**fields)
            self.assertEqual((reply.status, reply.text[:5]), (400, "False"), fields)
        self.assertEqual(ask(self.door, "/sms/deliver.html?id=%ff").status, 400)
        self.assertRaises(InvalidValue, bare_number, "%ff")

    def test_not_now(self) -> None:
        """Whatever kept us from keeping it: the caller has to repeat."""
        for failure in (refused(Reason.UNAVAILABLE), refused(Reason.SLOW_DOWN), OSError("disk")):
            self.inbound.failure = failure
            reply = self.deliver()
            self.assertEqual((reply.status, reply.text[:5]), (503, "False"))
            self.assertIn("retry-after", reply.headers)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        self.inbound.failure = refused(Reason.EMPTY, "no text")
        self.assertEqual(self.deliver().status, 400)
