"""Incoming messages: once each, joined over restarts, delivered or held, never lost."""

from __future__ import annotations

from itertools import permutations

from twisted.trial.unittest import SynchronousTestCase

from smsd.codec import segment
from smsd.codec.timestamps import Stamp, write_stamp
from smsd.codec.tpdu import Address as TpAddress
from smsd.codec.tpdu import Deliver, UserData
from smsd.core.inbound import Arrivals
from smsd.interfaces import MessageIn, PartIn
from smsd.values.message import Binary, Text
from tests.house import RELAY, House

LONG = "Abcdefgh 😀 " * 20  # four parts
SENT_AT = 1_799_999_000_000


def parts(text: str = LONG, reference: int = 7, sender: str = "+393331234567") -> list[bytes]:
    """The TPDUs of a message from a phone."""
    planned = segment.plan_text(text)
    return [
        Deliver(
            TpAddress.of(sender),
            planned.user_data(seq, reference),
            planned.dcs(),
            scts=write_stamp(Stamp(SENT_AT, 4)),
        ).encode()
        for seq in range(1, planned.total + 1)
    ]


class InboundCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(lambda: self.house.close())
        self.house.open()

    def receive(self, octets: bytes, slot: str = "") -> int | None:
        got: int | None = self.house.wait(self.house.inbound.part(PartIn("gsm1", octets, slot)))
        self.house.settle()
        return got

    def texts(self) -> list[str]:
        return [piece.content.text for piece in self.house.mail.pieces]


class OnePart(InboundCase):
    def test_becomes_a_delivery_to_the_mailbox(self) -> None:
        self.assertIsNotNone(self.receive(parts("ciao")[0]))
        (piece,) = self.house.mail.pieces
        self.assertEqual(
            (str(piece.target), str(piece.origin)), ("mailto:ann@example.org", "sms:+393331234567")
        )
        headers = dict(piece.headers)
        self.assertEqual(
            (piece.content, headers["gateway"], headers["date"], headers["mail_from"]),
            (Text("ciao"), "gsm1", str(SENT_AT), "%s@sms.example.org"),
        )

    def test_the_same_slot_and_octets_are_the_same_message(self) -> None:
        (octets,) = parts("ciao")
        self.receive(octets, "SM:3")
        self.assertIsNone(self.receive(octets, "SM:3"))
        self.assertEqual(self.texts(), ["ciao"])

    def test_over_a_crash_too(self) -> None:
        (octets,) = parts("ciao")
        self.receive(octets, "SM:3")
        self.house = self.house.crash()
        self.house.open()
        self.assertIsNone(self.receive(octets, "SM:3"))
        self.assertEqual(len(self.house.rows()), 1)

    def test_no_body_goes_to_the_trash(self) -> None:
        self.receive(parts("")[0])
        self.assertEqual([(row["state"], row["reason"]) for row in self.house.rows()],
                         [("cancelled", "a message with no body")])  # fmt: skip
        self.assertEqual(self.house.mail.pieces, [])

    def test_octets(self) -> None:
        planned = segment.plan_binary(b"\x00\x01", udh=b"\x05\x04\x0b\x84\x23\xf0")
        self.receive(Deliver(TpAddress.of("+39333"), planned.user_data(1, 0), planned.dcs()).encode())
        content = self.house.mail.pieces[0].content
        self.assertEqual((content.data, content.header), (b"\x00\x01", b"\x05\x04\x0b\x84\x23\xf0"))

    def test_nul_and_half_surrogates_are_shown_not_lost(self) -> None:
        payload = UserData(segment.Alphabet.UCS2, b"\0a\0\0\xd8\x3d\0b")
        self.receive(Deliver(TpAddress.of("+39333"), payload, 8).encode())
        self.assertIn("a", self.texts()[0])
        self.assertIn("b", self.texts()[0])

    def test_unreadable_octets_are_kept(self) -> None:
        self.receive(b"\x04")
        content = self.house.mail.pieces[0].content
        self.assertEqual(content, Binary(b"\x04"))


class Nobody(InboundCase):
    def test_without_a_mailbox_it_is_held(self) -> None:
        self.house.inbound.arriving.arrivals["gsm1"] = Arrivals("", "%s", None)
        self.receive(parts("ciao")[0])
        (row,) = self.house.rows()
        self.assertEqual(row["state"], "held")
        self.assertIn("deliver_to", row["reason"])

    def test_without_a_mail_gateway_it_waits_for_one(self) -> None:
        self.house.wait(self.house.queue.remove("mail"))
        self.receive(parts("ciao")[0])
        self.assertEqual(self.house.states(), ["ready"])
        relay = self.house.gateway("relay", RELAY)
        self.house.outlet("relay").opened(1)
        self.house.settle()
        self.assertEqual([piece.content.text for piece in relay.pieces], ["ciao"])


class LongMessages(InboundCase):
    def test_in_any_order(self) -> None:
        for number, order in enumerate(permutations(range(4))):
            octets = parts(reference=number)
            got = [self.receive(octets[index]) for index in order]
            self.assertEqual([one is None for one in got], [True, True, True, False])
        self.assertEqual(set(self.texts()), {LONG})
        self.assertEqual(len(self.texts()), 24)

    def test_twice_in_other_slots(self) -> None:
        octets = parts()
        for index, slot in ((0, "SM:1"), (0, "SM:2"), (1, "SM:3"), (2, "SM:4"), (1, "SM:5"), (3, "SM:6")):
            self.receive(octets[index], slot)
        self.assertEqual(self.texts(), [LONG])

    def test_two_senders_with_one_reference(self) -> None:
        mixed = zip(parts(sender="+39333"), parts(LONG[::-1], sender="+39444"), strict=True)
        for one, other in mixed:
            self.receive(one)
            self.receive(other)
        self.assertEqual(self.texts(), [LONG, LONG[::-1]])

    def test_over_a_restart(self) -> None:
        octets = parts()
        self.receive(octets[2])
        self.receive(octets[0])
        self.house = self.house.crash()
        self.house.inbound.arriving.arrivals["gsm1"] = Arrivals("ann@example.org", "%s", None)
        self.house.open()
        self.receive(octets[1])
        self.receive(octets[3])
        self.assertEqual(self.texts(), [LONG])

    def test_what_never_becomes_whole_leaves_marked(self) -> None:
        octets = parts()
        self.receive(octets[0])
        self.receive(octets[3])
        self.house.sweeper.start()
        self.house.advance(86_400 + 2)
        self.house.advance(2)
        (piece,) = self.house.mail.pieces
        self.assertEqual(dict(piece.headers)["missing-parts"], "2,3")

    def test_a_reference_that_comes_again_joins_nothing_old(self) -> None:
        old, new = parts("old " * 50), parts("new " * 50)
        self.receive(old[0])
        self.receive(new[0])
        self.receive(new[1])
        self.assertEqual(self.texts()[-1], "new " * 50)
        self.assertEqual(len(self.texts()), 2)


class WholeMessages(InboundCase):
    def test_from_another_server(self) -> None:
        incoming = MessageIn("gsm1", "+39 333 1234567", Text("ciao"), id="x1")
        first = self.house.wait(self.house.inbound.message(incoming))
        again = self.house.wait(self.house.inbound.message(incoming))
        self.house.settle()
        self.assertEqual((first, self.texts()), (again, ["ciao"]))
        self.assertEqual(str(self.house.mail.pieces[0].origin), "sms:+393331234567")
