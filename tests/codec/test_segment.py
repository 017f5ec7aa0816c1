"""How a text will be sent: alphabets, tables, parts, what is left."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec import gsm7, segment
from smsd.codec.dcs import Alphabet
from smsd.codec.segment import Segmentation, TooManyParts, plan_binary, plan_text, replan
from smsd.codec.udh import Concat
from smsd.values.errors import InvalidValue

PORTS = bytes.fromhex("05040B8423F0")
TEXTS = st.one_of(
    st.text("abc @€[]é\n", max_size=700),
    st.text("ab€😀ж", max_size=500),
    st.text("abğışç€", max_size=500),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
)


def room(plan: Segmentation) -> int:
    """Units in one part of a plan: those in use in the first part and those that it could still take."""
    units = len(plan._payload(plan.parts[0])) // (2 if plan.alphabet == Alphabet.UCS2 else 1)
    return units + plan.left if plan.total == 1 else units


class SizeTests(SynchronousTestCase):
    """The table of sizes of section 9.2.3.24 in practice."""

    def test_text_sizes(self) -> None:
        """7-bit and UCS-2, with each header that occurs."""
        for elements, width, several, seven, sixteen in (
            (b"", 8, False, 160, 70),
            (b"", 8, True, 153, 67),
            (b"", 16, True, 152, 66),
            (PORTS, 8, False, 152, 66),
            (PORTS, 8, True, 146, 64),
            (PORTS, 16, True, 145, 63),
        ):
            size = 1000 if several else 10
            plan = plan_text("x" * size, elements=elements, width=width)
            self.assertEqual(room(plan), seven)
            plan = plan_text("ж" * size, elements=elements, width=width)
            self.assertEqual(room(plan), sixteen)

    def test_binary_sizes(self) -> None:
        """Octets."""
        for elements, width, several, size in (
            (b"", 8, False, 140),
            (b"", 8, True, 134),
            (b"", 16, True, 133),
            (PORTS, 8, False, 133),
            (PORTS, 8, True, 128),
            (PORTS, 16, True, 127),
        ):
            plan = plan_binary(bytes(1000 if several else 10), udh=elements, width=width)
            self.assertEqual(room(plan), size)

    def test_shift_sizes(self) -> None:
        """National tables cost their elements."""
        for locking, single, several, size in (
            (0, 1, False, 155),
            (1, 0, False, 155),
            (0, 1, True, 149),
            (1, 1, True, 146),
        ):
            plan = plan_text("x" * (1000 if several else 10), locking=locking, single=single)
            self.assertEqual(room(plan), size)

    def test_borders(self) -> None:
        """The last character that fits, and the first that does not."""
        for character, alone, each in (("x", 160, 153), ("ж", 70, 67)):
            for size, total, left in (
                (1, 1, alone - 1),
                (alone, 1, 0),
                (alone + 1, 2, 2 * each - alone - 1),
                (2 * each, 2, 0),
                (2 * each + 1, 3, each - 1),
                (255 * each, 255, 0),
            ):
                plan = plan_text(character * size)
                self.assertEqual((plan.total, plan.units, plan.left), (total, size, left))

    def test_empty(self) -> None:
        """No text is one part."""
        plan = plan_text("")
        self.assertEqual((plan.parts, plan.units, plan.left, plan.code), (("",), 0, 160, 0))
        self.assertEqual(plan_binary(b"").parts, (b"",))

    def test_too_many(self) -> None:
        """More than 255 parts are refused with the count."""
        for make, count in (
            (lambda: plan_text("x" * (255 * 153 + 1)), 256),
            (lambda: plan_text("ж" * (67 * 300)), 300),
            (lambda: plan_binary(bytes(134 * 999)), 999),
            (lambda: plan_text("x" * (255 * 153 + 1), max_parts=256), 256),
        ):
            with self.assertRaises(TooManyParts) as caught:
                make()
            self.assertEqual(caught.exception.count, count)
            self.assertIn(str(count), str(caught.exception))


class AlphabetTests(SynchronousTestCase):
    """Which alphabet, and why."""

    def test_default(self) -> None:
        """The extension counts double and is not split (trap 7)."""
        plan = plan_text("€" * 80)
        self.assertEqual((plan.total, plan.units, plan.left), (1, 160, 0))
        plan = plan_text("€" * 153)
        self.assertEqual((plan.total, plan.units), (3, 306))
        self.assertEqual([len(part) for part in plan.parts], [76, 76, 1])
        self.assertEqual(plan_text("[x]").units, 5)

    def test_surrogates(self) -> None:
        """A pair is never split."""
        plan = plan_text("😀" * 35)
        self.assertEqual((plan.total, plan.units, plan.left), (1, 70, 0))
        plan = plan_text("😀" * 67)
        self.assertEqual(([len(part) for part in plan.parts], plan.left), ([33, 33, 1], 65))

    def test_culprit(self) -> None:
        """The first character that forced UCS-2 is named."""
        plan = plan_text("a ç and ж")
        self.assertEqual((plan.alphabet, plan.culprit, plan.culprit_at), (Alphabet.UCS2, "ç", 2))
        plan = plan_text("`")
        self.assertEqual((plan.alphabet, plan.culprit, plan.culprit_at), (Alphabet.UCS2, "`", 0))
        self.assertIsNone(plan_text("plain").culprit)
        self.assertIsNone(plan_text("ж", alphabet=Alphabet.UCS2).culprit)

    def test_national(self) -> None:
        """A table that is allowed is used, the cheapest way; one that is not is not."""
        self.assertEqual(plan_text("ığş").alphabet, Alphabet.UCS2)
        few = plan_text("Merhaba ğ", national=frozenset({1}))
        self.assertEqual((few.alphabet, few.units), (Alphabet.GSM7, 9))
        many = plan_text("ğışç" * 50, national=frozenset({1, 3}))
        self.assertEqual((many.locking, many.single, many.units), (1, 0, 200))
        mixed = plan_text("हिन्दी ABC", national=frozenset({6}))
        self.assertEqual((mixed.locking, mixed.single), (6, 6))
        self.assertEqual(plan_text("Á", national=frozenset({2})).single, 2)
        self.assertEqual(plan_text("plain", national=gsm7.NATIONAL).code, 0)

    def test_culprit_of_the_table(self) -> None:
        """With a table allowed, the culprit is what that table lacks too."""
        plan = plan_text("ğ 中", national=frozenset({1, 3}))
        self.assertEqual((plan.alphabet, plan.culprit, plan.culprit_at), (Alphabet.UCS2, "中", 2))

    def test_forced(self) -> None:
        """What is forced is done, or refused with the character."""
        self.assertEqual(plan_text("abc", alphabet=Alphabet.UCS2).units, 3)
        self.assertEqual(plan_text("ığ", alphabet=Alphabet.GSM7, national=frozenset({1})).total, 1)
        for force in ({"alphabet": Alphabet.GSM7}, {"locking": 3}, {"single": 1, "national": gsm7.NATIONAL}):
            with self.assertRaises(gsm7.Unencodable) as caught:
                plan_text("ab中", **force)  # type: ignore[arg-type]
            self.assertEqual((caught.exception.char, caught.exception.position), ("中", 2))
        with self.assertRaises(InvalidValue):
            plan_text("abc", alphabet=Alphabet.OCTETS)

    def test_half_a_pair(self) -> None:
        """Half a surrogate pair cannot be sent."""
        for text in ("ab\ud83d", "\ude00"):
            with self.assertRaises(gsm7.Unencodable):
                plan_text(text)

    def test_dcs(self) -> None:
        """The coding that goes with it."""
        self.assertEqual(
            [plan_text("a").dcs(), plan_text("ж").dcs(), plan_binary(b"").dcs(), plan_text("ж").dcs(0)],
            [0x00, 0x08, 0x04, 0x18],
        )


class PartTests(SynchronousTestCase):
    """What goes on the wire."""

    def test_one_part_has_no_number(self) -> None:
        """A message of its own has no header."""
        data = plan_text("Hello").user_data(1, 99)
        self.assertEqual((data.elements, data.concat, data.text), (None, None, "Hello"))

    def test_numbers(self) -> None:
        """Each part says which it is, with a reference of the right width."""
        for width, reference, seen in ((8, 0x1FF, 0xFF), (16, 0x12345, 0x2345)):
            plan = plan_text("x" * 400, width=width)
            for seq in (1, 2, 3):
                self.assertEqual(plan.user_data(seq, reference).concat, Concat(seen, width, 3, seq))

    def test_elements_in_each_part(self) -> None:
        """Ports and tables are repeated in every part."""
        plan = plan_text("ğ" * 400, national=frozenset({1}), elements=PORTS)
        for seq in range(1, plan.total + 1):
            data = plan.user_data(seq, 7)
            assert data.ports is not None
            self.assertEqual((data.ports.destination, data.text), (2948, plan.parts[seq - 1]))

    def test_own_numbering(self) -> None:
        """Octets whose header numbers the parts must fit one."""
        own = bytes.fromhex("00034A0201")
        plan = plan_binary(bytes(134), udh=own)
        self.assertEqual(plan.user_data(1, 9).concat, Concat(0x4A, 8, 2, 1))
        with self.assertRaises(InvalidValue):
            plan_binary(bytes(135), udh=own)

    def test_no_room(self) -> None:
        """A header that fills the message is refused; one that fits a single message only is taken there."""
        with self.assertRaises(InvalidValue):
            plan_text("x", elements=bytes(139))
        with self.assertRaises(InvalidValue):
            plan_binary(b"x", udh=bytes(200))
        self.assertEqual(plan_binary(b"xy", udh=bytes(135)).total, 1)
        with self.assertRaises(InvalidValue):
            plan_binary(bytes(5), udh=bytes(135))

    def test_width(self) -> None:
        """A reference has 8 or 16 bits."""
        with self.assertRaises(InvalidValue):
            plan_text("x" * 200, width=12)


class TruncationTests(SynchronousTestCase):
    """`maxmsgs` of feature S2."""

    def test_first_blocks(self) -> None:
        """The first n parts; one block is a message of its own."""
        text = "".join(chr(65 + index % 26) for index in range(1000))
        for blocks, size in ((1, 160), (2, 306), (6, 918)):
            plan = plan_text(text, max_parts=blocks)
            self.assertEqual((plan.total, plan.truncated, "".join(plan.parts)), (blocks, True, text[:size]))
            self.assertEqual((plan.units, plan.left), (size, 0))
        for blocks in (7, 8, 1000):
            self.assertFalse(plan_text(text, max_parts=blocks).truncated)
        self.assertIsNone(plan_text(text, max_parts=1).user_data(1, 1).elements)

    def test_not_inside_a_pair(self) -> None:
        """The cut respects escapes and surrogates."""
        self.assertEqual(plan_text("x" + "€" * 100, max_parts=1).parts, ("x" + "€" * 79,))
        self.assertEqual(plan_text("x" + "😀" * 40, max_parts=1).parts, ("x" + "😀" * 34,))

    def test_nothing_allowed(self) -> None:
        """No parts at all is an error."""
        with self.assertRaises(InvalidValue):
            plan_text("x", max_parts=0)


class PropertyTests(SynchronousTestCase):
    """For any text."""

    @given(
        TEXTS,
        st.frozensets(st.integers(1, 13), max_size=3),
        st.sampled_from([8, 16]),
        st.sampled_from([b"", PORTS]),
        st.one_of(st.none(), st.integers(1, 4)),
    )
    def test_parts(
        self, text: str, national: frozenset[int], width: int, elements: bytes, max_parts: int | None
    ) -> None:
        """Parts make the text, fit, read back, and come again from the code."""
        plan = plan_text(text, national=national, width=width, elements=elements, max_parts=max_parts)
        joined = "".join(plan.parts)  # type: ignore[arg-type]
        self.assertTrue(text.startswith(joined))
        self.assertEqual(plan.truncated, joined != text)
        self.assertEqual(plan.culprit is not None, plan.alphabet == Alphabet.UCS2)
        again = replan(text, plan.code, elements, max_parts)
        self.assertEqual((again.parts, again.code, again.left), (plan.parts, plan.code, plan.left))
        units = 0
        for seq, part in enumerate(plan.parts, 1):
            data = plan.user_data(seq, seq)
            length, field = data.encode()
            self.assertLessEqual(length, 160)
            self.assertLessEqual(len(field), 140)
            if "\0" not in text and "\ufeff" not in text and "\ufffe" not in text:
                self.assertEqual(data.text, part)
            self.assertEqual(again.user_data(seq, seq), data)
            units += len(data.payload) // (2 if plan.alphabet == Alphabet.UCS2 else 1)
        self.assertEqual(units, plan.units)

    @given(st.binary(max_size=1000), st.sampled_from([b"", PORTS]), st.sampled_from([8, 16]))
    def test_octets(self, data: bytes, elements: bytes, width: int) -> None:
        """The same for octets."""
        plan = plan_binary(data, udh=elements, width=width)
        self.assertEqual(b"".join(plan.parts), data)  # type: ignore[arg-type]
        self.assertEqual(replan(data, plan.code, elements), plan)
        for seq in range(1, plan.total + 1):
            self.assertLessEqual(len(plan.user_data(seq, 1).encode()[1]), 140)

    def test_code_is_small(self) -> None:
        """One number below 2048."""
        self.assertLess(segment.Segmentation(Alphabet.UCS2, ("",), 0, 0, 13, 13, 16).code, 2048)
