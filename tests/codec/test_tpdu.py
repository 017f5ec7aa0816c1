"""TPDUs against hand-made vectors, the traps of TS 23.040, and arbitrary octets."""

from __future__ import annotations

from operator import attrgetter

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec import tpdu
from smsd.codec.dcs import Alphabet, Dcs
from smsd.codec.segment import plan_text
from smsd.codec.timestamps import Stamp, Validity, write_stamp
from smsd.codec.tpdu import (
    Address,
    Command,
    Deliver,
    DeliverReport,
    Extras,
    StatusReport,
    Submit,
    SubmitReport,
    UserData,
)
from smsd.values.errors import DecodeError, InvalidValue
from tests.codec.vectors import FROM_NETWORK, FROM_PHONE, Vector

OCTET = st.integers(0, 255)
NUMBERS = st.text("0123456789*#abc", max_size=20)
ADDRESSES = st.one_of(
    st.builds(Address, NUMBERS, st.sampled_from([0, 1, 2, 3, 4, 6]), st.integers(0, 15)),
    st.builds(
        Address, st.text("Aabz 19_€@", min_size=1, max_size=5).filter(lambda t: t[-1] != "@"), st.just(5)
    ),
)
STAMPS = st.builds(
    lambda seconds, offset: write_stamp(Stamp(seconds * 1000, offset)),
    st.integers(700_000_000, 3_700_000_000),
    st.integers(-56, 56),
)
HEADERS = st.one_of(st.none(), st.binary(max_size=20))
USER_DATA = st.one_of(
    st.builds(
        UserData,
        st.just(Alphabet.GSM7),
        st.binary(max_size=120).map(lambda b: bytes(x & 0x7F for x in b)),
        HEADERS,
    ),
    st.builds(UserData, st.just(Alphabet.OCTETS), st.binary(max_size=119), HEADERS),
    st.builds(UserData, st.just(Alphabet.UCS2), st.binary(max_size=119), HEADERS),
)
VALIDITIES = st.one_of(
    st.none(),
    st.builds(Validity, st.just(2), st.binary(min_size=1, max_size=1)),
    st.builds(Validity, st.sampled_from([1, 3]), st.binary(min_size=7, max_size=7)),
)


def deliver(text: str, **fields: object) -> Deliver:
    """A deliver with a plain text."""
    return Deliver(Address.of("+41791234567"), plan_text(text).user_data(1, 0), **fields)  # type: ignore[arg-type]


class VectorTests(SynchronousTestCase):
    """Every vector reads as its table says."""

    def _check(self, vectors: list[Vector], direction: str) -> None:
        for name, line, expected in vectors:
            _, value = tpdu.read_frame(line, direction)
            for path, wanted in expected.items():
                self.assertEqual(attrgetter(path)(value), wanted, f"{name}: {path}")

    def test_from_network(self) -> None:
        """What the network sends."""
        self._check(FROM_NETWORK, "mt")

    def test_from_phone(self) -> None:
        """What a phone sends."""
        self._check(FROM_PHONE, "mo")

    def test_written_as_read(self) -> None:
        """A vector that is whole and canonical is written with the very octets it was read from."""
        odd = {
            "udl too long",
            "udl too short",
            "header beyond data",
            "reserved type 3",
            "cut",
            "report FF tail",
        }
        odd.add("sender 7 in 14")
        same = 0
        for vectors, direction in ((FROM_NETWORK, "mt"), (FROM_PHONE, "mo")):
            for name, line, _ in vectors:
                smsc, value = tpdu.read_frame(line, direction)
                if name not in odd:
                    self.assertEqual(tpdu.frame(value.encode(), smsc)[0], line, name)
                    same += 1
        self.assertGreater(same, 50)


class AddressTests(SynchronousTestCase):
    """Lengths, fillers, names."""

    def test_lengths_differ(self) -> None:
        """A TP address counts digits, the service centre's counts octets with its type (trap 1)."""
        self.assertEqual(Address.of("+4179123456").encode().hex(), "0a911497214365")
        self.assertEqual(Address.of("+41791234567").encode().hex(), "0b911497214365f7")
        self.assertEqual(tpdu.with_smsc(b"", "+4179123456").hex(), "06911497214365")
        self.assertEqual(tpdu.with_smsc(b"", "+417912345678").hex(), "0791149721436587")
        self.assertEqual(tpdu.with_smsc(b"\x01"), b"\0\x01")

    def test_length_of_the_frame(self) -> None:
        """`AT+CMGS` is told the octets without the service centre."""
        line, length = tpdu.frame(bytes.fromhex("0100"), "+4179")
        self.assertEqual((line, length), ("039114970100", 2))

    def test_digits_above_nine(self) -> None:
        """A number may contain * # a b c."""
        address = Address.of("*#abc#*51")
        self.assertEqual(address.encode().hex(), "0981badcbe5af1")
        self.assertEqual(tpdu.decode_mo(Submit(address).encode()).recipient, address)  # type: ignore[union-attr]

    def test_letters_are_digits_beside_a_star(self) -> None:
        """A name made of a, b and c is a name."""
        self.assertEqual(Address.of("cab").ton, 5)
        self.assertEqual(Address.of("#cab").ton, 0)

    def test_international_only_by_plus(self) -> None:
        """00 is dialled as it stands."""
        self.assertEqual(Address.of("0041791234567").ton, 0)
        self.assertEqual(Address.of("+41791234567").text, "+41791234567")

    def test_seven_letters(self) -> None:
        """Seven letters are 13 semi-octets, eight are 14; neither shows an @ (trap 5)."""
        for name, length in (("Poste7x", 13), ("Vodafone", 14), ("Abc", 6), ("Example Com", 20)):
            encoded = Address.of(name).encode()
            self.assertEqual(encoded[0], length)
            self.assertEqual(deliver_from(encoded).sender.text, name)

    def test_refused(self) -> None:
        """What cannot be an address says so."""
        for text in ("", "+", "+abc def", "1" * 21, "a name too long", "[[[[[[", "ж"):
            with self.assertRaises(InvalidValue):
                Address.of(text)
        with self.assertRaises(InvalidValue):
            tpdu.with_smsc(b"", "Centre")
        with self.assertRaises(InvalidValue):
            Address("12x", 0).encode()

    def test_smsc(self) -> None:
        """No service centre, one without digits, one of one's own."""
        self.assertEqual(tpdu.split_smsc(b"\0\x04"), ("", b"\x04"))
        self.assertEqual(tpdu.split_smsc(b"\x01\x91\x04"), ("", b"\x04"))
        self.assertEqual(tpdu.split_smsc(bytes.fromhex("0481214365ff")), ("123456", b"\xff"))
        for octets in (b"", b"\x07\x91\x13"):
            with self.assertRaises(DecodeError):
                tpdu.split_smsc(octets)


def deliver_from(address: bytes) -> Deliver:
    """The deliver that comes from an address as encoded."""
    value = tpdu.decode_mt(b"\x04" + address + bytes(10))
    assert isinstance(value, Deliver)
    return value


class FlagTests(SynchronousTestCase):
    """First octets mean different things by direction (trap 4)."""

    def test_validity_format_order(self) -> None:
        """10 is relative, 01 enhanced, 11 absolute."""
        base = Submit(Address.of("+41791234567"))
        self.assertEqual(base.encode()[0], 0x01)
        for validity, first in (
            (Validity.relative(60), 0x11),
            (Validity(1, bytes(7)), 0x09),
            (Validity.absolute(Stamp(1_800_000_000_000, 4)), 0x19),
        ):
            self.assertEqual(Submit(base.recipient, validity=validity).encode()[0], first)

    def test_validity_of_wrong_size(self) -> None:
        """A period whose octets do not fit its format is not written."""
        with self.assertRaises(InvalidValue):
            Submit(Address.of("1"), validity=Validity(2, bytes(7))).encode()

    def test_fields_of_wrong_size(self) -> None:
        """A stamp has seven octets, a command at most 156 of data."""
        for value in (deliver("x", scts=bytes(6)), Command(data=bytes(157))):
            with self.assertRaises(InvalidValue):
                value.encode()
        self.assertIsNone(tpdu.decode_mt(deliver("x").encode()).at)

    def test_more_is_inverted(self) -> None:
        """TP-MMS 0 says that more messages wait."""
        self.assertEqual(deliver("x", more=True).encode()[0], 0x00)
        self.assertEqual(deliver("x", more=False).encode()[0], 0x04)

    def test_type_by_direction(self) -> None:
        """01 is a submit report from the network and a submit from a phone; 00 and 10 differ likewise."""
        octets = bytes(30)
        self.assertIsInstance(tpdu.decode_mt(octets), Deliver)
        self.assertIsInstance(tpdu.decode_mo(octets), DeliverReport)
        self.assertIsInstance(tpdu.decode_mt(b"\x01" + octets), SubmitReport)
        self.assertIsInstance(tpdu.decode_mo(b"\x01" + octets), Submit)
        self.assertIsInstance(tpdu.decode_mt(b"\x02" + octets), StatusReport)
        self.assertIsInstance(tpdu.decode_mo(b"\x02" + octets), Command)
        with self.assertRaises(DecodeError):
            tpdu.decode_mo(b"\x03" + octets)

    def test_header_indicator(self) -> None:
        """TP-UDHI follows the user data, a header of no octets included."""
        for elements, bit in ((None, 0), (b"", 0x40), (b"\x01\x02\x80\x01", 0x40)):
            submit = Submit(Address.of("1"), UserData(elements=elements))
            self.assertEqual(submit.encode()[0] & 0x40, bit)
            self.assertEqual(tpdu.decode_mo(submit.encode()), submit)

    def test_report_hint(self) -> None:
        """Whether a report came in an error is known from outside; without a hint a cause is known by bit 7."""
        octets = bytes.fromhex("00D300")
        self.assertEqual(tpdu.decode_mo(octets).cause, 0xD3)  # type: ignore[union-attr]
        self.assertIsNone(tpdu.decode_mo(octets, error=False).cause)  # type: ignore[union-attr]
        self.assertEqual(tpdu.decode_mo(b"\0\0\0", error=True).cause, 0)  # type: ignore[union-attr]
        with self.assertRaises(DecodeError):
            tpdu.decode_mo(b"\0", error=True)


class UserDataTests(SynchronousTestCase):
    """TP-UDL, fill bits, broken headers."""

    def test_fill_bits(self) -> None:
        """A header of 6 octets takes 7 septets (1 fill bit), one of 7 octets 8 (none) (trap 2)."""
        eight = plan_text("x" * 161).user_data(1, 1)
        length, field = eight.encode()
        self.assertEqual((length, len(field)), (160, 140))
        self.assertEqual(field[6], ord("x") << 1 & 0xFF)
        sixteen = plan_text("x" * 161, width=16).user_data(1, 1)
        length, field = sixteen.encode()
        self.assertEqual((length, len(field)), (160, 140))
        self.assertEqual(field[7] & 0x7F, ord("x"))

    def test_trailing_at(self) -> None:
        """A text that ends in @ keeps it at every length, and none appears (trap 5)."""
        for size in range(161):
            for text in ("x" * size, "x" * max(size - 1, 0) + "@"):
                value = tpdu.decode_mt(deliver(text).encode())
                self.assertEqual(value.user_data.text, text)  # type: ignore[union-attr]

    def test_too_long(self) -> None:
        """141 octets are not written."""
        for data in (UserData(Alphabet.OCTETS, bytes(141)), UserData(Alphabet.GSM7, bytes(161))):
            with self.assertRaises(InvalidValue):
                data.encode()

    def test_no_text_in_octets(self) -> None:
        """Octets and compressed text have no characters; the octets are there."""
        self.assertIsNone(UserData(Alphabet.OCTETS, b"abc").text)
        value = deliver_with(0x20, b"\x03abc")
        self.assertTrue(value.user_data.compressed)
        self.assertIsNone(value.user_data.text)
        self.assertEqual(value.user_data.data, b"abc")

    def test_ucs2_oddities(self) -> None:
        """Byte order marks, NULs and half pairs do not reach the text."""
        for octets, text in (
            (b"\xfe\xff\0A", "A"),
            (b"\xff\xfeA\0", "A"),
            (b"\0A\0\0", "A"),
            (b"\xd8\x3d\0A", "\ufffdA"),
            (b"\0A\xd8\x3d", "A\ufffd"),
            (b"\0", ""),
        ):
            self.assertEqual(UserData(Alphabet.UCS2, octets).text, text)

    def test_stated_length_ignored(self) -> None:
        """Octets after the message, as phones append them, change nothing."""
        octets = deliver("Hello").encode()
        self.assertEqual(tpdu.decode_mt(octets + b"\xff" * 9), tpdu.decode_mt(octets))


def deliver_with(dcs: int, tail: bytes) -> Deliver:
    """A deliver with that coding, whose octets from TP-UDL on are `tail`."""
    value = tpdu.decode_mt(b"\x04\x02\x81\x21\x00" + bytes((dcs,)) + bytes(7) + tail)
    assert isinstance(value, Deliver)
    return value


class StatusTests(SynchronousTestCase):
    """TP-ST and TP-FCS in words."""

    def test_kinds(self) -> None:
        """Only 20..3F is not final (trap 9); 46 is the network's validity period."""
        for status in range(256):
            wanted = "delivered" if status < 0x20 else "pending" if status < 0x40 else "failed"
            wanted = "expired" if status == 0x46 else wanted
            self.assertEqual(tpdu.status_kind(status), wanted)
            self.assertTrue(tpdu.status_words(status))
            self.assertTrue(tpdu.cause_words(status))

    def test_words(self) -> None:
        """The words say what happened."""
        self.assertEqual(tpdu.status_words(0x46), "validity period expired")
        self.assertEqual(tpdu.status_words(0x22), "no response from the phone, still trying")
        self.assertEqual(tpdu.status_words(0x62), "no response from the phone, given up")
        self.assertEqual(tpdu.cause_words(0xD0), "SIM storage full")
        self.assertEqual(tpdu.cause_words(0xE4), "application error")


class PropertyTests(SynchronousTestCase):
    """What is written is read; any octets give a value or DecodeError."""

    @given(ADDRESSES, USER_DATA, OCTET, OCTET, VALIDITIES, st.tuples(*[st.booleans()] * 3))
    def test_submit(
        self,
        recipient: Address,
        data: UserData,
        pid: int,
        reference: int,
        validity: Validity | None,
        flags: tuple[bool, bool, bool],
    ) -> None:
        """SUBMIT there and back."""
        value = Submit(recipient, data, Dcs.octet(data.alphabet), pid, reference, validity, *flags)
        try:
            octets = value.encode()
        except InvalidValue:
            self.assertGreater(len(data.payload) + len(data.elements or b""), 119)
            return
        self.assertEqual(tpdu.decode_mo(octets), value)

    @given(ADDRESSES, USER_DATA, OCTET, STAMPS, st.tuples(*[st.booleans()] * 4))
    def test_deliver(
        self, sender: Address, data: UserData, pid: int, scts: bytes, flags: tuple[bool, bool, bool, bool]
    ) -> None:
        """DELIVER there and back."""
        value = Deliver(sender, data, Dcs.octet(data.alphabet), pid, scts, *flags)
        try:
            octets = value.encode()
        except InvalidValue:
            self.assertGreater(len(data.payload) + len(data.elements or b""), 119)
            return
        self.assertEqual(tpdu.decode_mt(octets), value)

    @given(OCTET, ADDRESSES, STAMPS, STAMPS, OCTET, st.one_of(st.none(), st.just(0x3F)), st.booleans())
    def test_status_report(
        self,
        reference: int,
        party: Address,
        scts: bytes,
        done: bytes,
        status: int,
        pid: int | None,
        more: bool,
    ) -> None:
        """STATUS-REPORT there and back."""
        value = StatusReport(reference, party, scts, done, status, more, extras=Extras(pid=pid))
        self.assertEqual(tpdu.decode_mt(value.encode()), value)

    @given(st.one_of(st.none(), st.integers(0x80, 0xFE)), STAMPS, st.one_of(st.none(), st.integers(0, 0x7F)))
    def test_reports_and_command(self, cause: int | None, scts: bytes, pid: int | None) -> None:
        """SUBMIT-REPORT, DELIVER-REPORT and COMMAND there and back."""
        extras = Extras(pid, 0, plan_text("ok").user_data(1, 0)) if pid else Extras(pid)
        for report in (SubmitReport(cause, scts, extras), DeliverReport(cause, extras)):
            decode = tpdu.decode_mt if isinstance(report, SubmitReport) else tpdu.decode_mo
            self.assertEqual(decode(report.encode(), error=cause is not None), report)
        command = Command(Address.of("+4179"), 2, cause or 0, scts, pid or 0, 7, pid is None)
        self.assertEqual(tpdu.decode_mo(command.encode()), command)

    @given(st.binary(max_size=200))
    @example(b"\x02\x00\x0b\x91\x14\x97\x21\x43\x65\xf7" + bytes(14))
    def test_any_octets(self, octets: bytes) -> None:
        """A value or DecodeError; and what was read can be asked for everything."""
        for decode in (tpdu.decode_mt, tpdu.decode_mo):
            try:
                value = decode(octets)
            except DecodeError as error:
                self.assertTrue(str(error))
                continue
            self.assertEqual(repr(value), repr(decode(octets)))

    @given(st.integers(0, len(FROM_NETWORK) - 1), st.data())
    def test_cut_anywhere(self, which: int, data: st.DataObject) -> None:
        """A frame that ends early, at any digit, is read or refused."""
        line = FROM_NETWORK[which][1]
        at = data.draw(st.integers(0, len(line)))
        try:
            _, value = tpdu.read_frame(line[:at])
        except DecodeError:
            return
        self.assertTrue(repr(value))


class FrameTests(SynchronousTestCase):
    """The hexadecimal line."""

    def test_blanks_case_and_half_octets(self) -> None:
        """Blanks and lower case are read, half an octet at the end is left out."""
        line = FROM_NETWORK[1][1]
        whole = tpdu.read_frame(line)
        self.assertEqual(tpdu.read_frame(line.lower()), whole)
        self.assertEqual(tpdu.read_frame(" " + line[:20] + "\r\n " + line[20:]), whole)
        self.assertEqual(tpdu.read_frame(line + "F"), whole)

    def test_no_hexadecimal(self) -> None:
        """Anything else is a DecodeError."""
        for line in ("", "OK", "07G1", "+CMT: ,20", "٣٣", "0000\ud83d"):
            with self.assertRaises(DecodeError):
                tpdu.read_frame(line)

    def test_encode_submit(self) -> None:
        """The short way for a gateway."""
        octets = tpdu.encode_submit(
            "+46708251358", plan_text("hellohello").user_data(1, 0), validity_minutes=4 * 1440
        )
        self.assertEqual(tpdu.frame(octets), ("0011000B916407281553F80000AA0AE8329BFD4697D9EC37", 23))
