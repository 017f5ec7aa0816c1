"""Service centre stamps and validity periods."""

from __future__ import annotations

import datetime

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.timestamps import (
    ABSOLUTE,
    ENHANCED,
    RELATIVE,
    Stamp,
    Validity,
    read_stamp,
    relative_minutes,
    relative_validity,
    write_stamp,
)
from smsd.values.errors import InvalidValue


def utc(*fields: int) -> int:
    """Milliseconds UTC of a date."""
    year, month, day, hour, minute, second = fields
    moment = datetime.datetime(year, month, day, hour, minute, second, tzinfo=datetime.timezone.utc)
    return int(moment.timestamp()) * 1000


def stamp(octets: str) -> Stamp | None:
    """The stamp in hexadecimal."""
    return read_stamp(bytes.fromhex(octets))


class StampTests(SynchronousTestCase):
    """9.2.3.11."""

    def test_zones(self) -> None:
        """Quarter hours, swapped, the sign in bit 3; UTC is stamp minus distance (trap 3)."""
        for zone, quarters in (
            ("8A", -28),
            ("48", -4),
            ("23", 32),
            ("08", 0),
            ("00", 0),
            ("40", 4),
            ("80", 8),
        ):
            wanted = Stamp(utc(2026, 11, 25, 14, 31, 50) - quarters * 900_000, quarters)
            self.assertEqual(stamp("621152411305" + zone), wanted, zone)

    def test_years(self) -> None:
        """90..99 lie in the last century."""
        self.assertEqual(stamp("09101000000000"), Stamp(utc(1990, 1, 1, 0, 0, 0)))
        self.assertEqual(stamp("98101000000000"), Stamp(utc(2089, 1, 1, 0, 0, 0)))

    def test_impossible(self) -> None:
        """No month, no day, semi-octets above 9, padding, too short: no time."""
        for octets in (
            "00000000000000",
            "62315241130540",
            "62112341130540",
            "62200341130540",
            "6211A241130540",
            "62115242130540",
            "62115241060540",
            "621152411305A0",
            "FFFFFFFFFFFFFF",
            "621152411305",
            "",
        ):
            self.assertIsNone(stamp(octets), octets)

    def test_out_of_range(self) -> None:
        """Two digits of a year, eighty quarter hours."""
        for at, offset in (
            (utc(1989, 12, 31, 23, 59, 59), 0),
            (utc(2090, 1, 1, 0, 0, 0), 0),
            (10**18, 0),
            (0, 80),
        ):
            with self.assertRaises(InvalidValue):
                write_stamp(Stamp(at, offset))
        self.assertEqual(write_stamp(Stamp(utc(1989, 12, 31, 23, 59, 59), 1)).hex(), "09101000419510")

    @given(st.integers(631_152_000 + 80_000, 3_786_912_000 - 80_000), st.integers(-79, 79))
    def test_there_and_back(self, seconds: int, offset: int) -> None:
        """Every second, every zone."""
        wanted = Stamp(seconds * 1000, offset)
        self.assertEqual(read_stamp(write_stamp(wanted)), wanted)

    @given(st.binary(max_size=9))
    def test_any_octets(self, octets: bytes) -> None:
        """A stamp or None; and a stamp can be written again."""
        found = read_stamp(octets)
        if found is not None:
            again = write_stamp(found)
            self.assertEqual(again[:6], octets[:6])
            self.assertEqual(read_stamp(again), found)


class ValidityTests(SynchronousTestCase):
    """9.2.3.12."""

    def test_relative(self) -> None:
        """The borders of the table."""
        day, week = 1440, 10080
        for octet, minutes in (
            (0, 5),
            (143, 720),
            (144, 750),
            (167, day),
            (168, 2 * day),
            (169, 3 * day),
            (171, 7200),
            (173, 7 * day),
            (196, 30 * day),
            (197, 5 * week),
            (255, 63 * week),
        ):
            self.assertEqual(relative_minutes(octet), minutes)
            self.assertEqual(relative_validity(minutes), octet)

    def test_never_longer(self) -> None:
        """The longest period that is not longer than asked for, but for less than five minutes."""
        table = [relative_minutes(octet) for octet in range(256)]
        self.assertEqual(table, sorted(table))
        for minutes in [*range(-10, 3000), *range(3000, 700_000, 97), 10**9]:
            octet = relative_validity(minutes)
            wanted = max((at for at in range(256) if table[at] <= minutes), default=0)
            self.assertEqual(octet, wanted, minutes)

    def test_absolute(self) -> None:
        """A stamp."""
        until = Stamp(utc(2026, 11, 25, 14, 31, 50), 4)
        validity = Validity.absolute(until)
        self.assertEqual((validity.format, validity.until, validity.seconds), (ABSOLUTE, until, None))

    def test_enhanced(self) -> None:
        """Octet, seconds, hours minutes seconds; single shot; nothing said."""
        for octets, seconds, single_shot in (
            ("01A70000000000", 86400, False),
            ("423C0000000000", 60, True),
            ("03214365000000", 12 * 3600 + 34 * 60 + 56, False),
            ("81000000000000", 300, False),
            ("00000000000000", None, False),
            ("03FFFFFF000000", None, False),
            ("07000000000000", None, False),
        ):
            validity = Validity(ENHANCED, bytes.fromhex(octets))
            self.assertEqual((validity.seconds, validity.single_shot), (seconds, single_shot), octets)

    def test_relative_value(self) -> None:
        """At most what was asked for."""
        self.assertEqual(Validity.relative(7200), Validity(RELATIVE, b"\xab"))
        self.assertEqual(Validity.relative(7200).seconds, 432_000)
        self.assertIsNone(Validity.relative(1).until)

    @given(st.integers(0, 3), st.binary(max_size=8))
    def test_any_octets(self, form: int, octets: bytes) -> None:
        """Nothing raises."""
        validity = Validity(form, octets)
        self.assertTrue(validity.seconds is None or validity.seconds >= 0)
        self.assertTrue(validity.until is None or form == ABSOLUTE)
        self.assertIsInstance(validity.single_shot, bool)
