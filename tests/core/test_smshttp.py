"""SMSHTTP past the login: what `/sms/` takes, over the control socket."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from smsd.core.smshttp import hand_in
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.message import Binary, Priority, Text
from tests.house import House

PHONE = "+15551234567"


class HandedIn(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(lambda: self.house.close())
        self.house.open(slots=9)

    def hand_in(self, *pairs: tuple[str, str], **given: str) -> Any:
        said = [list(pair) for pair in (*pairs, *given.items())]
        told = self.house.wait(Deferred.fromCoroutine(hand_in(self.house.dispatcher, {"given": said})))
        self.house.settle()
        return told

    def test_all_that_may_be_said(self) -> None:
        told = self.hand_in(
            ("pass", "x"), user="nobody", number=f"{PHONE}, +15551234568", data="hello", sender="+15550000000", maxmsgs="2",
            expire="60", priority="high", pid="64", dcs="0", reply="ann@example.org", msgid="m1", id="gsm1",
        )  # fmt: skip
        self.assertEqual([one["number"] for one in told["recipients"]], [PHONE, "+15551234568"])
        self.assertNotIn("warnings", told)
        first, second = self.house.gsm.pieces
        self.assertEqual((str(first.target), str(second.target)), (f"sms:{PHONE}", "sms:+15551234568"))
        self.assertEqual(first.content, Text("#ann@example.org# hello"))
        wished = first.parameters
        self.assertEqual((wished.gateway, wished.sender, wished.max_parts), ("gsm1", "+15550000000", 2))
        self.assertEqual((wished.priority, wished.protocol_id, wished.coding), (Priority.URGENT, 64, 0))

    def test_octets(self) -> None:
        self.hand_in(number=PHONE, data="AAH/", binary="1", udh="BQQLhCPw")
        [piece] = self.house.gsm.pieces
        self.assertEqual(piece.content, Binary(b"\x00\x01\xff", bytes.fromhex("05040b8423f0")))

    def test_a_message_that_is_known_goes_out_once(self) -> None:
        first, again = (self.hand_in(number=PHONE, data="x", msgid="7") for _ in range(2))
        self.assertEqual(first, again)
        self.assertEqual(len(self.house.gsm.pieces), 1)
        with self.assertRaises(Refused) as caught:
            self.hand_in(number=PHONE, data="y", msgid="7")
        self.assertEqual(caught.exception.reason, Reason.CONFLICT)

    def test_mistakes(self) -> None:
        for given, why in (
            ({"data": "x"}, "number is missing"), ({"number": PHONE}, "data is missing"),
            ({"number": PHONE, "data": "x", "expire": "soon"}, "expire='soon' is not understood"),
            ({"number": PHONE, "data": "x", "binary": "1"}, "not base64"),
        ):  # fmt: skip
            with self.assertRaises(InvalidValue) as caught:
                self.hand_in(**given)
            self.assertIn(why, str(caught.exception))
        for given in (None, "number=1", [["x"]], [["number", 5]], [["a", "b"]] * 1001):
            with self.assertRaises(InvalidValue) as caught:
                self.house.wait(Deferred.fromCoroutine(hand_in(self.house.dispatcher, {"given": given})))
            self.assertIn("names and values", str(caught.exception))
        self.assertEqual(self.house.gsm.pieces, [])
        told = self.hand_in(number=PHONE, data="x", colour="red")
        self.assertEqual(told["warnings"], ["unknown parameter 'colour' is ignored"])
