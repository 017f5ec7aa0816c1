"""Providers' calls down to the store: 503 when it did not take them, and once each when they come again."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import fail
from twisted.trial.unittest import SynchronousTestCase

from smsd.core.inbound import Arrivals
from tests.frontends.fakes import context
from tests.frontends.http.client import Connection, Reply, door, request
from tests.frontends.http.provided import NOW, SECRET, FakeReports, IncomingSettings, Provided, mapping
from tests.house import House


class Stored(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(lambda: self.house.close())
        self.house.inbound.arriving.arrivals["gw"] = Arrivals("ann@example.org", "%s@sms.example.org", None)
        self.house.open()
        made = Provided("gw", mapping("clickatell"), IncomingSettings(secret=SECRET))  # type: ignore[arg-type]
        known = context(
            reactor=self.house.clock,
            inbound=self.house.inbound,
            providers={"gw": made},
            reports=FakeReports(),
        )
        self.door = door(known)
        self.house.clock.advance(NOW - self.house.clock.seconds())

    def call(self, text: str, id: str, udh: str = "") -> Reply:
        query = (
            f"api_id=1&from=279991235642&to=27123456789&text={text}&charset=ISO-8859-1&udh={udh}&moMsgId={id}"
        )
        connection = Connection(self.door)
        connection.send(request("GET", f"/sms/in/gw?{query}&secret={SECRET.replace(' ', '+')}"))
        self.house.settle()
        [reply] = connection.replies()
        return reply

    def texts(self) -> list[str]:
        return [piece.content.text for piece in self.house.mail.pieces]

    def test_503_and_again(self) -> None:
        store: Any = self.house.store
        good = store.arrive, store.receive

        def broken(*args: Any) -> Any:
            return fail(OSError("disk full"))

        store.arrive = store.receive = broken
        for udh in ("", "0500034a0201"):
            reply = self.call("hello", "m1", udh)
            self.assertEqual((reply.status, reply.headers["retry-after"]), (503, "5"))
        store.arrive, store.receive = good
        self.assertEqual([self.call("hello", "m1").status for _ in range(3)], [200] * 3)
        self.assertEqual(self.texts(), ["hello"])

    def test_parts_and_their_repeats(self) -> None:
        for seq in (2, 2, 1, 1, 2):
            self.assertEqual(self.call(f"part{seq}", f"m{seq}", f"0500034a02{seq:02x}").status, 200)
        self.assertEqual(self.texts(), ["part1part2"])
