"""The 7-bit alphabet: tables, escapes, packing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec import gsm7, national
from smsd.values.errors import InvalidValue

SEPTETS = st.binary(max_size=400).map(lambda octets: bytes(octet & 0x7F for octet in octets))
PAIRS = [(locking, single) for locking in sorted(gsm7.LOCKING) for single in range(14)]


def slowly(septets: bytes, fill_bits: int) -> bytes:
    """Packing bit by bit, as 6.1.2.1 draws it."""
    bits = [0] * fill_bits + [septet >> bit & 1 for septet in septets for bit in range(7)]
    bits += [0] * (-len(bits) % 8)
    return bytes(sum(bits[at + bit] << bit for bit in range(8)) for at in range(0, len(bits), 8))


class DefaultTests(SynchronousTestCase):
    """The default alphabet and its extension (6.2.1)."""

    def test_traps(self) -> None:
        """The places that maps most often have wrong."""
        for septet, character in {
            0x00: "@",
            0x02: "$",
            0x09: "Ç",
            0x11: "_",
            0x24: "¤",
            0x40: "¡",
            0x5F: "§",
            0x60: "¿",
            0x7F: "à",
        }.items():
            self.assertEqual(gsm7.septets(character), bytes((septet,)))
            self.assertEqual(gsm7.text(bytes((septet,))), character)
        self.assertEqual(gsm7.septets("ÄÖÑÜ§äöñüà").hex(), "5b5c5d5e5f7b7c7d7e7f")

    def test_extension(self) -> None:
        """Ten characters cost two septets."""
        for septet, character in zip(
            (0x0A, 0x14, 0x28, 0x29, 0x2F, 0x3C, 0x3D, 0x3E, 0x40, 0x65), "\f^{}\\[~]|€", strict=True
        ):
            self.assertEqual(gsm7.septets(character), bytes((0x1B, septet)))
            self.assertEqual(gsm7.text(bytes((0x1B, septet))), character)

    def test_not_in_it(self) -> None:
        """Nothing is replaced by what looks like it."""
        for character in "`ç\t\0\x1bÀа’…ё😀\ud83d":
            with self.assertRaises(gsm7.Unencodable) as caught:
                gsm7.septets("ab" + character + "c")
            self.assertEqual((caught.exception.char, caught.exception.position), (character, 2))

    def test_the_first_one_is_named(self) -> None:
        """`Unencodable` names the first character that does not fit."""
        with self.assertRaises(gsm7.Unencodable) as caught:
            gsm7.septets("€uro ç and ж")
        self.assertEqual((caught.exception.char, caught.exception.position), ("ç", 5))

    def test_escapes(self) -> None:
        """An unknown extension is the base letter; ESC ESC and a last ESC are a space."""
        for septets, text in (
            (b"\x1bA", "A"),
            (b"\x1b\x1b", " "),
            (b"\x1b\x1be", " e"),
            (b"\x1b\x1b\x1be", " €"),
            (b"a\x1b", "a "),
            (b"\x1b", " "),
            (b"\x1b\x0d", "\r"),
            (b"\x9be\xe1", "€a"),
        ):
            self.assertEqual(gsm7.text(septets), text, septets)

    def test_both_ways_are_one(self) -> None:
        """The short way for ASCII gives what the tables give."""
        for point in range(128):
            character = chr(point)
            try:
                short = gsm7.septets(character)
            except gsm7.Unencodable:
                continue
            self.assertEqual(short, gsm7.septets("é" + character)[1:])


class NationalTests(SynchronousTestCase):
    """The tables of annex A."""

    def test_there_are_thirteen(self) -> None:
        """Every number has a single shift table, all but Spanish a locking one."""
        self.assertEqual(set(national.SINGLE), set(range(14)))
        self.assertEqual(national.LOCKING, frozenset(range(14)) - {2})

    def test_every_character_comes_back(self) -> None:
        """What a pair of tables can write reads as itself, alone and in company."""
        for locking, single in PAIRS:
            characters = [chr(point) for point in national.encoder(locking, single)]
            self.assertGreater(len(characters), 110)
            text = "".join(characters)
            self.assertEqual(gsm7.text(gsm7.septets(text, locking, single), locking, single), text)

    def test_turkish(self) -> None:
        """The Turkish tables differ from the default at eight places."""
        places = {0x04: "€", 0x07: "ı", 0x0B: "Ğ", 0x0C: "ğ", 0x1C: "Ş", 0x1D: "ş", 0x40: "İ", 0x60: "ç"}
        for septet in range(128):
            wanted = places.get(septet, national.MAIN[0][septet])
            self.assertEqual(national.MAIN[1][septet], wanted)
        for septet, character in {0x47: "Ğ", 0x49: "İ", 0x53: "Ş", 0x63: "ç", 0x67: "ğ", 0x69: "ı"}.items():
            self.assertEqual(national.SINGLE[1][septet], character)

    def test_portuguese(self) -> None:
        """The Portuguese tables."""
        for septet, character in {
            0x12: "ª",
            0x13: "Ç",
            0x14: "À",
            0x15: "∞",
            0x16: "^",
            0x17: "\\",
            0x18: "€",
        }.items():
            self.assertEqual(national.MAIN[3][septet], character)

    def test_spanish(self) -> None:
        """The Spanish single shift table adds nine letters."""
        self.assertEqual(gsm7.septets("Áç", 0, 2).hex(), "1b411b09")

    def test_corrections(self) -> None:
        """Where the data of gsmcodecs departs from the published tables."""
        for table in range(4, 14):
            self.assertEqual(national.MAIN[table][0x2C], ",")
            self.assertEqual(national.SINGLE[table][0x09], "'")
        self.assertEqual(national.MAIN[7][0x23:0x26], "\u0ca0\u0ca1\u0ca2")
        self.assertEqual(national.SINGLE[12][0x65], "€")

    def test_indic_tables_run_parallel(self) -> None:
        """Letters of one place are the same letter in each script, as their Unicode blocks are."""
        bases = {4: 0x980, 5: 0xA80, 7: 0xC80, 8: 0xD00, 9: 0xB00, 10: 0xA00, 11: 0xB80, 12: 0xC00}
        for table, base in bases.items():
            for septet in range(0x60):
                point = ord(national.MAIN[table][septet])
                if point > 0x7F:
                    self.assertEqual(point - base, ord(national.MAIN[6][septet]) - 0x900, (table, septet))

    def test_brackets_of_the_indic_tables(self) -> None:
        """The closing bracket comes first in them."""
        for table in range(4, 14):
            self.assertEqual(national.MAIN[table][0x28:0x2A], ")(")

    def test_escape_stays(self) -> None:
        """1B is the escape in every table."""
        for locking, single in PAIRS:
            self.assertNotIn("\x1b", gsm7.text(bytes(range(128)), locking, single))
            self.assertEqual(gsm7.text(b"\x1b\x14", locking, single), "^")

    def test_unknown_tables(self) -> None:
        """Unknown numbers read as the default and cannot be written."""
        self.assertEqual(gsm7.text(b"\x00\x1b\x65", 99, 99), "@€")
        for tables in ((14, 0), (0, 14), (2, 0), (-1, 0)):
            with self.assertRaises(InvalidValue):
                gsm7.septets("é", *tables)

    @given(SEPTETS, st.integers(-1, 20), st.integers(-1, 20))
    def test_reads_anything(self, septets: bytes, locking: int, single: int) -> None:
        """Any septets are a text, one character for each but the escapes."""
        text = gsm7.text(septets, locking, single)
        self.assertLessEqual(len(text), len(septets))
        self.assertGreaterEqual(2 * len(text), len(septets))


class PackingTests(SynchronousTestCase):
    """6.1.2.1."""

    def test_known(self) -> None:
        """Published examples."""
        self.assertEqual(gsm7.pack(b"hellohello").hex(), "e8329bfd4697d9ec37")
        self.assertEqual(gsm7.pack(b"How are you?").hex(), "c8f71d14969741f977fd07")

    def test_eight_in_seven(self) -> None:
        """Seven and eight septets need seven octets both; only the count tells an @ from nothing."""
        self.assertEqual(gsm7.pack(b"1234567"), gsm7.pack(b"1234567\0"))
        self.assertEqual(len(gsm7.pack(bytes(160))), 140)

    def test_more_than_one_message(self) -> None:
        """No length is too long."""
        for size in (255, 256, 257, 511, 512, 513, 1000):
            septets = bytes(index * 7 & 0x7F for index in range(size))
            for fill_bits in (0, 1, 6):
                packed = gsm7.pack(septets, fill_bits)
                self.assertEqual(packed, slowly(septets, fill_bits))
                self.assertEqual(gsm7.unpack(packed, size, fill_bits), septets)

    @given(SEPTETS, st.integers(0, 6))
    def test_there_and_back(self, septets: bytes, fill_bits: int) -> None:
        """Packing is what the bits say, and comes back."""
        packed = gsm7.pack(septets, fill_bits)
        self.assertEqual(packed, slowly(septets, fill_bits))
        self.assertEqual(gsm7.unpack(packed, len(septets), fill_bits), septets)

    @given(st.binary(max_size=300), st.integers(-5, 400), st.integers(0, 6))
    def test_unpacks_what_is_there(self, octets: bytes, count: int, fill_bits: int) -> None:
        """Never more than asked for, never more than there is."""
        there = max(0, (len(octets) * 8 - fill_bits) // 7)
        self.assertEqual(len(gsm7.unpack(octets, count, fill_bits)), max(0, min(count, there)))
