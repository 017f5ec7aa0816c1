"""Parts that providers hand in one by one: joined in order, once, over restarts, and let go when the rest does not come."""

from __future__ import annotations

from itertools import permutations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.core import partly
from smsd.core.inbound import Arrivals
from smsd.interfaces import MessageIn
from smsd.store.receiving import PATIENCE
from smsd.values.message import Binary, Text
from smsd.values.plan import Incoming
from tests.house import START, House

SENDER, OWN = "+447700900001", "+447700900000"
TEXTS = ("Once upon ", "a time 😀 there", " was a part.")


def part(seq: int, **changes: Any) -> MessageIn:
    """Part `seq` of the three."""
    known = {
        "gateway": "vonage", "sender": SENDER, "own": OWN, "content": Text(TEXTS[seq - 1]), "id": f"id{seq}",
        "join": f"{OWN}|77", "seq": seq, "total": 3, "at": 1_799_999_000_000 + seq,
    }  # fmt: skip
    return MessageIn(**{**known, **changes})


class Parts(SynchronousTestCase):
    def setUp(self) -> None:
        self.begin(House())
        self.addCleanup(lambda: self.house.close())

    def begin(self, house: House) -> None:
        self.house = house
        arrivals = house.inbound.arriving.arrivals
        for gateway in ("vonage", "other"):
            arrivals[gateway] = Arrivals("ann@example.org", "%s@sms.example.org", None)
        house.open()

    def receive(self, incoming: MessageIn) -> int:
        got: int = self.house.wait(self.house.inbound.message(incoming))
        self.house.settle()
        return got

    def texts(self) -> list[str]:
        return [piece.content.text for piece in self.house.mail.pieces]

    def parts_kept(self) -> int:
        def count(connection: Any) -> int:
            return int(connection.execute("select count(*) from inbound").fetchone()[0])

        return int(self.house.wait(self.house.store.ask(count)))

    def test_any_order(self) -> None:
        for number, order in enumerate(permutations((1, 2, 3))):
            ids = [self.receive(part(seq, id=f"{number}.{seq}", join=f"r{number}")) for seq in order]
            self.assertEqual(ids[:2], [0, 0])
            self.assertGreater(ids[2], 0)
        self.assertEqual(self.texts(), ["".join(TEXTS)] * 6)
        self.assertEqual(self.parts_kept(), 0)

    def test_what_is_known_of_it(self) -> None:
        for seq in (2, 1, 3):
            self.receive(part(seq))
        (piece,) = self.house.mail.pieces
        headers = dict(piece.headers)
        self.assertEqual(
            (str(piece.origin), headers["own"], headers["date"]), (f"sms:{SENDER}", OWN, "1799999000001")
        )
        self.assertNotIn("missing-parts", headers)

    def test_repeats_before_and_after_it_is_whole(self) -> None:
        for seq in (1, 1, 2, 1, 3, 3, 1, 2):
            self.receive(part(seq))
        self.assertEqual((self.texts(), self.parts_kept()), (["".join(TEXTS)], 0))

    def test_all_with_the_same_id(self) -> None:
        for seq in (1, 1, 2, 1, 3, 3, 2):
            self.receive(part(seq, id="the message's"))
        self.assertEqual((self.texts(), self.parts_kept()), (["".join(TEXTS)], 0))

    def test_repeats_without_an_id(self) -> None:
        for seq in (1, 1, 2, 3, 2, 3, 1):
            self.receive(part(seq, id=""))
        self.assertEqual((self.texts(), self.parts_kept()), (["".join(TEXTS)], 0))

    def test_over_a_crash(self) -> None:
        self.receive(part(3))
        self.receive(part(1))
        self.begin(self.house.crash())
        self.assertEqual(self.parts_kept(), 2)
        self.assertEqual(self.receive(part(1)), 0)
        self.assertGreater(self.receive(part(2)), 0)
        self.assertEqual(self.texts(), ["".join(TEXTS)])
        self.begin(self.house.crash())
        self.assertEqual([self.receive(part(seq)) for seq in (1, 2, 3)], [0, 0, 0])
        self.assertEqual(len(self.house.rows()), 1)

    def test_senders_gateways_and_references_are_apart(self) -> None:
        self.receive(part(1))
        self.receive(part(2, sender="+447700900009", id="x"))
        self.receive(part(2, gateway="other", id="x"))
        self.receive(part(2, join=f"{OWN}|78", id="y"))
        self.receive(part(2, total=4, id="z"))
        self.receive(part(3))
        self.assertEqual(self.texts(), [])
        self.receive(part(2))
        self.assertEqual(self.texts(), ["".join(TEXTS)])

    def test_a_reference_that_comes_back(self) -> None:
        self.receive(part(1))
        self.receive(part(2))
        self.receive(part(1, id="new", content=Text("A new one")))
        (piece,) = self.house.mail.pieces
        self.assertEqual(
            (piece.content, dict(piece.headers)["missing-parts"]), (Text(TEXTS[0] + TEXTS[1]), "3")
        )
        self.receive(part(2, id="new2"))
        self.receive(part(3, id="new3"))
        self.assertEqual(self.texts()[1:], ["A new one" + TEXTS[1] + TEXTS[2]])

    def test_parts_that_never_come(self) -> None:
        self.receive(part(3))
        self.house.sweeper.start()
        self.house.advance(PATIENCE / 1000 - 60)
        self.assertEqual(self.texts(), [])
        self.house.advance(120)
        (piece,) = self.house.mail.pieces
        self.assertEqual((piece.content, dict(piece.headers)["missing-parts"]), (Text(TEXTS[2]), "1,2"))
        self.assertEqual(self.parts_kept(), 0)

    def test_octets(self) -> None:
        for seq, data in ((2, b"\2\0"), (1, b"\1\xff")):
            self.receive(part(seq, total=2, content=Binary(data, b"\5\4\x0b\x84\x23\xf0")))
        (row,) = self.house.mail.pieces
        self.assertEqual(row.content, Binary(b"\1\xff\2\0", b"\5\4\x0b\x84\x23\xf0"))

    def test_octets_among_texts(self) -> None:
        self.receive(part(1, total=2, content=Text("é")))
        self.receive(part(2, total=2, content=Binary(b"\xff")))
        (row,) = self.house.mail.pieces
        self.assertEqual(row.content, Binary("é".encode() + b"\xff"))

    def test_how_often_it_was_handed_on(self) -> None:
        for seq in (1, 2, 3):
            self.receive(part(seq, hops=seq))
        (row,) = self.house.wait(
            self.house.store.ask(lambda connection: connection.execute("select hops from message").fetchall())
        )
        self.assertEqual(row[0], 3)

    def test_time_of_a_message_that_came_whole(self) -> None:
        self.receive(MessageIn("vonage", SENDER, Text("hello"), at=1_799_999_000_000))
        (piece,) = self.house.mail.pieces
        self.assertEqual(dict(piece.headers)["date"], "1799999000000")


class Packing(SynchronousTestCase):
    @settings(deadline=None, max_examples=100)
    @given(st.lists(st.one_of(st.text(), st.binary()), min_size=2, max_size=5), st.text(max_size=10))
    def test_nothing_of_it_is_lost(self, pieces: list[str | bytes], sender: str) -> None:
        try:
            contents = [Text(each) if isinstance(each, str) else Binary(each) for each in pieces]
        except ValueError:
            return
        total = len(contents)
        parts = [
            partly.packed(MessageIn("g", sender, content, join="j", seq=seq, total=total), 5)
            for seq, content in enumerate(contents, 1)
        ]
        self.assertEqual({part.join for part in parts}, {parts[0].join})
        self.assertEqual(len({part.identity for part in parts}), total)
        arrival = partly.whole(parts[-1], [part.octets for part in parts])
        octets = b"".join(each.encode() if isinstance(each, str) else each for each in pieces)
        held = arrival.content
        self.assertEqual(held.text.encode() if isinstance(held, Text) else held.data, octets)  # type: ignore[union-attr]
        self.assertEqual((arrival.sender, arrival.now, arrival.headers), (sender, 5, ()))

    def test_a_modem_s_part_is_none(self) -> None:
        self.assertFalse(partly.is_packed(Incoming("gsm1", b"", "", "+1555", 0, join="+1555|8|7|3")))
        self.assertTrue(partly.is_packed(partly.packed(part(1), int(START))))
