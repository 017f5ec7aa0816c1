"""User data headers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec import udh
from smsd.codec.udh import Concat, Element, Ports
from smsd.values.errors import InvalidValue

ELEMENTS = st.lists(st.builds(Element, st.integers(0, 255), st.binary(max_size=30)), max_size=6)


def concat(octets: str) -> Concat | None:
    """The concatenation in a header written in hexadecimal."""
    return udh.concat(udh.read(bytes.fromhex(octets)))


class UdhTests(SynchronousTestCase):
    """TS 23.040 section 9.2.3.24."""

    def test_concat(self) -> None:
        """Both widths."""
        self.assertEqual(concat("00034A0201"), Concat(0x4A, 8, 2, 1))
        self.assertEqual(concat("080412340302"), Concat(0x1234, 16, 3, 2))
        for octets in ("00034A0201", "080412340302"):
            found = concat(octets)
            assert found is not None
            self.assertEqual(udh.concat_element(found).hex().upper(), octets)

    def test_void_concat(self) -> None:
        """No parts, part 0, part 3 of 2, or a wrong length: as good as none."""
        for octets in (
            "00034A0000",
            "00034A0200",
            "00034A0203",
            "00024A02",
            "08034A0201",
            "0004004A0201",
            "",
        ):
            self.assertIsNone(concat(octets), octets)

    def test_last_counts(self) -> None:
        """Of two, and of two widths, the last valid one."""
        self.assertEqual(concat("00034A0201 00034B0302"), Concat(0x4B, 8, 3, 2))
        self.assertEqual(concat("080412340302 00034A0201"), Concat(0x4A, 8, 2, 1))
        self.assertEqual(concat("00034A0201 00034B0300"), Concat(0x4A, 8, 2, 1))
        self.assertEqual(udh.shifts(udh.read(bytes.fromhex("240101240103250102"))), (2, 3))

    def test_ports(self) -> None:
        """The destination comes first."""
        self.assertEqual(udh.ports(udh.read(bytes.fromhex("05040B8423F0"))), Ports(2948, 9200, 16))
        self.assertEqual(udh.ports(udh.read(bytes.fromhex("0402F0F1"))), Ports(0xF0, 0xF1, 8))
        self.assertIsNone(udh.ports(udh.read(bytes.fromhex("0502F0F1"))))

    def test_shifts(self) -> None:
        """Locking and single at once; a wrong length counts for nothing."""
        self.assertEqual(udh.shifts(udh.read(udh.shift_elements(1, 3))), (1, 3))
        self.assertEqual(udh.shift_elements(0, 0), b"")
        self.assertEqual(udh.shifts(udh.read(bytes.fromhex("24020101"))), (0, 0))

    def test_beyond_the_end(self) -> None:
        """An element that runs past the end voids itself and the rest, not what stood before it."""
        self.assertEqual(udh.read(bytes.fromhex("7001AA 00054A02")), (Element(0x70, b"\xaa"),))
        self.assertEqual(udh.read(b"\x00"), ())

    def test_without_concat(self) -> None:
        """The other elements are kept as they are, unknown ones too."""
        octets = bytes.fromhex("7F01AA 00034A0201 05040B8423F0 080412340302")
        self.assertEqual(udh.without_concat(octets).hex().upper(), "7F01AA05040B8423F0")

    def test_too_long(self) -> None:
        """256 octets do not fit an element."""
        with self.assertRaises(InvalidValue):
            udh.write([Element(1, bytes(256))])

    @given(ELEMENTS)
    def test_there_and_back(self, elements: list[Element]) -> None:
        """What is written is read."""
        self.assertEqual(list(udh.read(udh.write(elements))), elements)

    @given(st.binary(max_size=200))
    def test_any_octets(self, octets: bytes) -> None:
        """Whole elements are the beginning of what came."""
        elements = udh.read(octets)
        self.assertTrue(octets.startswith(udh.write(elements)))
        self.assertIsInstance(udh.shifts(elements), tuple)
        found = udh.concat(elements)
        self.assertTrue(found is None or 1 <= found.seq <= found.total <= 255)
