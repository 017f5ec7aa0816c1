"""Parts that become one message."""

from __future__ import annotations

import itertools
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec import tpdu
from smsd.codec.dcs import Alphabet
from smsd.codec.reassemble import PartKey, assemble, part_key
from smsd.codec.segment import Segmentation, plan_binary, plan_text
from smsd.codec.tpdu import Address, Deliver, UserData
from smsd.codec.udh import Concat, concat_element


def delivers(plan: Segmentation, reference: int = 7, sender: str = "+41791234567") -> list[Deliver]:
    """The parts as the network would deliver them, written and read."""
    found = []
    for seq in range(1, plan.total + 1):
        part = Deliver(Address.of(sender), plan.user_data(seq, reference), dcs=plan.dcs())
        value = tpdu.decode_mt(part.encode())
        assert isinstance(value, Deliver)
        found.append(value)
    return found


def part(
    seq: int, total: int, payload: bytes, alphabet: Alphabet = Alphabet.GSM7, more: bytes = b""
) -> Deliver:
    """One part made by hand."""
    elements = concat_element(Concat(1, 8, total, seq)) + more
    return Deliver(Address.of("+4179"), UserData(alphabet, payload, elements), dcs=alphabet << 2)


class KeyTests(SynchronousTestCase):
    """Which parts belong together (trap 8)."""

    def test_key(self) -> None:
        """Sender, own number, reference, width and total; not the part's number."""
        first, second, _ = delivers(plan_text("x" * 400))
        key = part_key("+1555", first)
        self.assertEqual(key, PartKey("+41791234567", "+1555", 7, 8, 3))
        self.assertEqual(part_key("+1555", second), key)

    def test_strangers(self) -> None:
        """Another sender, number, reference, width or total is another message."""
        plan = plan_text("x" * 400)
        keys = {
            part_key("+1555", delivers(plan)[0]),
            part_key("+1556", delivers(plan)[0]),
            part_key("+1555", delivers(plan, sender="+41790000000")[0]),
            part_key("+1555", delivers(plan, reference=8)[0]),
            part_key("+1555", delivers(plan_text("x" * 400, width=16))[0]),
            part_key("+1555", delivers(plan_text("x" * 600))[0]),
        }
        self.assertEqual(len(keys), 6)

    def test_no_part(self) -> None:
        """A message of its own, and a part 1 of 1, wait for nobody."""
        self.assertIsNone(part_key("", delivers(plan_text("x"))[0]))
        self.assertIsNone(part_key("", part(1, 1, b"x")))
        self.assertIsNone(part_key("", part(3, 2, b"x")))


class AssembleTests(SynchronousTestCase):
    """What they make."""

    def test_any_order_and_twice(self) -> None:
        """Every order of three parts, and each once more."""
        text = "".join(chr(97 + index % 26) for index in range(400))
        parts = delivers(plan_text(text))
        for order in itertools.permutations(parts):
            for again in parts:
                content = assemble([*order, again])
                self.assertEqual((content.text, content.missing, content.total), (text, (), 3))

    def test_missing(self) -> None:
        """What is not there is named; the rest is read."""
        content = assemble(delivers(plan_text("x" * 400))[::2])
        self.assertEqual((content.missing, content.text), ((2,), "x" * (153 + 94)))

    def test_pair_cut_by_the_sender(self) -> None:
        """Phones cut surrogate pairs; octets are joined before they are read."""
        octets = "a😀b".encode("utf-16-be")
        parts = [part(1, 2, octets[:4], Alphabet.UCS2), part(2, 2, octets[4:], Alphabet.UCS2)]
        self.assertEqual(assemble(parts).text, "a😀b")

    def test_escape_cut_by_the_sender(self) -> None:
        """The same for an escape and its letter."""
        self.assertEqual(assemble([part(2, 2, b"e!"), part(1, 2, b"10 \x1b")]).text, "10 €!")

    def test_tables_of_each_part(self) -> None:
        """Each part is read by the tables that it names."""
        turkish = bytes.fromhex("250101")
        parts = [part(1, 2, b"\x0c", more=turkish), part(2, 2, b"\x0c")]
        self.assertEqual(assemble(parts).text, "ğø")

    def test_mixed_alphabets(self) -> None:
        """7-bit and UCS-2 parts of one message are read each in its own way."""
        parts = [part(1, 2, b"Hi "), part(2, 2, "ж".encode("utf-16-be"), Alphabet.UCS2)]
        self.assertEqual(assemble(parts).text, "Hi ж")

    def test_octets(self) -> None:
        """Octets have no text; ports and other elements are there, without the numbering."""
        ports = bytes.fromhex("05040B8423F0")
        content = assemble(reversed(delivers(plan_binary(bytes(range(256)), udh=ports))))
        self.assertIsNone(content.text)
        self.assertEqual((content.data, content.elements), (bytes(range(256)), ports))
        assert content.ports is not None
        self.assertEqual(content.ports.destination, 2948)

    def test_single(self) -> None:
        """A message of its own is itself."""
        content = assemble(delivers(plan_text("Hello")))
        self.assertEqual(
            (content.text, content.total, content.missing, content.elements), ("Hello", 1, (), b"")
        )

    def test_cut(self) -> None:
        """A part that was cut marks the whole."""
        first, second = delivers(plan_text("x" * 200))
        self.assertTrue(assemble([first, replace(second, user_data=replace(second.user_data, cut=True))]).cut)

    def test_nothing(self) -> None:
        """Without parts there is no message."""
        with self.assertRaises(ValueError):
            assemble([])

    @given(
        st.text("abc€[😀жğ \n", max_size=600),
        st.sampled_from([frozenset[int](), frozenset({1})]),
        st.sampled_from([8, 16]),
        st.randoms(use_true_random=False),
    )
    def test_there_and_back(self, text: str, national: frozenset[int], width: int, random: object) -> None:
        """Any text, in any order."""
        parts = delivers(plan_text(text, national=national, width=width))
        random.shuffle(parts)  # type: ignore[attr-defined]
        content = assemble(parts)
        self.assertEqual((content.text, content.missing), (text, ()))
        self.assertEqual(len({part_key("", deliver) for deliver in parts}), 1)
