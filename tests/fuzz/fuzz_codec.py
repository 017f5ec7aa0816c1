"""Targets in the SMS codec: TPDUs, headers, alphabets, stamps, numbers, segmentation and reassembly."""

from __future__ import annotations

from smsd.codec import gsm7, tpdu, udh
from smsd.codec.dcs import Alphabet, Dcs
from smsd.codec.number import normalise
from smsd.codec.reassemble import UserContent, assemble, part_key
from smsd.codec.segment import TooManyParts, plan_binary, plan_text, replan
from smsd.codec.timestamps import Validity, read_stamp, write_stamp
from smsd.codec.tpdu import Address, Deliver, StatusReport, Submit, Tpdu, UserData
from smsd.values.errors import DecodeError, InvalidValue
from tests.fuzz.driver import target, text_of

_COUNTRIES = (None, "IT", "US", "AU", "RU", "DE", "AR", "SG")


def _must(holds: bool) -> None:
    assert holds


def _storable(text: str | None) -> None:
    """What leaves the codec as text is something any store can hold."""
    if text is not None:
        text.encode("utf-8")
        assert "\0" not in text


def _look_at(value: Tpdu) -> None:
    """Ask a value for everything it offers."""
    data = value.user_data if isinstance(value, (Deliver, Submit)) else None
    extras = getattr(value, "extras", None)
    for found in (data, extras and extras.user_data):
        if isinstance(found, UserData):
            _storable(found.text)
            assert found.concat is None or 1 <= found.concat.seq <= found.concat.total
            assert (found.header, found.ports) is not None
    if isinstance(value, Deliver):
        _storable(value.sender.text)
        part_key("+1555", value)
        _content(assemble([value]))
    if isinstance(value, Submit) and value.validity is not None:
        assert value.validity.seconds is None or value.validity.seconds >= 0
        assert value.validity.until is None or value.validity.format == 3
    if isinstance(value, StatusReport):
        assert tpdu.status_kind(value.status) in ("delivered", "pending", "expired", "failed")
        assert tpdu.status_words(value.status)
    for name in ("at", "discharged", "coding"):
        getattr(value, name, None)
    assert repr(value)


def _content(content: UserContent) -> None:
    _storable(content.text)
    assert len(content.missing) < content.total


def _again(value: Tpdu, direction: str) -> None:
    """What can be written reads as what writes the same octets."""
    try:
        octets = value.encode()
    except InvalidValue:
        return
    error = getattr(value, "cause", None) is not None
    decode = tpdu.decode_mt if direction == "mt" else tpdu.decode_mo
    assert decode(octets, error).encode() == octets, octets.hex()


@target("decode_mt", corpus="tpdu_mt")
def decode_mt(octets: bytes) -> None:
    """Octets from the network."""
    for error in (None, True, False):
        try:
            value = tpdu.decode_mt(octets, error)
        except DecodeError:
            continue
        _look_at(value)
        _again(value, "mt")


@target("decode_mo", corpus="tpdu_mo")
def decode_mo(octets: bytes) -> None:
    """Octets from a phone."""
    for error in (None, True, False):
        try:
            value = tpdu.decode_mo(octets, error)
        except DecodeError:
            continue
        _look_at(value)
        _again(value, "mo")


@target("read_frame", corpus="frame")
def read_frame(octets: bytes) -> None:
    """A line of PDU mode."""
    for direction in ("mt", "mo"):
        try:
            smsc, value = tpdu.read_frame(text_of(octets), direction)
        except DecodeError:
            continue
        _storable(smsc)
        _look_at(value)


@target("udh")
def header(octets: bytes) -> None:
    """Octets of a user data header."""
    elements = udh.read(octets)
    assert octets.startswith(udh.write(elements))
    udh.ports(elements)
    udh.shifts(elements)
    found = udh.concat(elements)
    if found is not None:
        assert udh.concat(udh.read(udh.concat_element(found))) == found
    assert udh.concat(udh.read(udh.without_concat(octets))) is None


@target("gsm7")
def alphabet(octets: bytes) -> None:
    """Septets by any tables, packed at any place."""
    locking, single, fill, septets = *(octets[:3].ljust(3, b"\0")), octets[3:]
    text = gsm7.text(septets, locking & 0xF, single & 0xF)
    _storable(text)
    count = len(septets) * 8 // 7
    unpacked = gsm7.unpack(septets, count, fill % 7)
    assert gsm7.unpack(gsm7.pack(unpacked, fill % 7), len(unpacked), fill % 7) == unpacked
    try:
        written = gsm7.septets(text, locking & 0xF, single & 0xF)
    except InvalidValue:
        return
    assert gsm7.text(written, locking & 0xF, single & 0xF) == text


@target("stamps")
def stamps(octets: bytes) -> None:
    """Stamps and validity periods."""
    found = read_stamp(octets)
    if found is not None:
        assert read_stamp(write_stamp(found)) == found
    for form in range(4):
        validity = Validity(form, octets[:7])
        assert validity.seconds is None or validity.seconds >= 0
        assert (validity.until, validity.single_shot) is not None
    if octets:
        assert Dcs.read(octets[0]).alphabet in Alphabet


@target("reassemble", corpus="tpdu_mt")
def reassemble(octets: bytes) -> None:
    """Several messages cut out of one input, put together although they may be strangers."""
    delivers = []
    for start in range(0, len(octets), max(1, len(octets) // 4)):
        try:
            value = tpdu.decode_mt(b"\x44" + octets[start + 1 :])
        except DecodeError:
            continue
        assert isinstance(value, Deliver)
        delivers.append(value)
    if delivers:
        content = assemble(delivers)
        _content(content)
        assert assemble(delivers + delivers[::-1]) == content


@target("number")
def number(octets: bytes) -> None:
    """Anything as a phone number."""
    country = _COUNTRIES[octets[0] % len(_COUNTRIES)] if octets else None
    try:
        found = normalise(text_of(octets[1:]), country)
    except InvalidValue as error:
        _storable(str(error))
        return
    _storable(found.value)
    again = normalise(found.value, country)
    assert (again.value, again.kind) == (found.value, found.kind)
    if found.kind != "name":
        assert Address.of(found.value).text == found.value


@target("plan_text")
def plan(octets: bytes) -> None:
    """Any text through segmentation, the wire and reassembly."""
    wishes, text = octets[:1] or b"\0", text_of(octets[1:])
    national = frozenset({wishes[0] & 0xF} - {0})
    width = 16 if wishes[0] & 0x10 else 8
    elements = bytes.fromhex("05040B8423F0") if wishes[0] & 0x20 else b""
    blocks = 1 + (wishes[0] >> 7) if wishes[0] & 0x40 else None
    try:
        found = plan_text(text, national=national, width=width, elements=elements, max_parts=blocks)
    except gsm7.Unencodable as error:
        _must("\ud800" <= error.char <= "\udfff")
        return
    except TooManyParts as error:
        _must(error.count > 255)
        return
    joined = "".join(str(part) for part in found.parts)
    assert joined == (text[: len(joined)] if found.truncated else text)
    assert replan(text, found.code, elements, blocks).parts == found.parts
    delivers = []
    for seq in range(found.total, 0, -1):
        part = Deliver(Address.of("+41791234567"), found.user_data(seq, 77), dcs=found.dcs())
        value = tpdu.decode_mt(part.encode())
        assert value == part
        delivers.append(part)
    content = assemble(delivers)
    assert not content.missing
    if not {"\0", "\ufeff", "\ufffe"} & set(joined):
        assert content.text == joined


@target("plan_binary")
def binary(octets: bytes) -> None:
    """Octets with any header through segmentation and reassembly."""
    size = octets[0] % 40 if octets else 0
    elements, data = octets[1 : 1 + size], octets[1 + size :] * 3
    try:
        found = plan_binary(data, udh=elements)
    except InvalidValue:
        return
    assert b"".join(bytes(part) for part in found.parts if isinstance(part, bytes)) == data
    delivers = []
    for seq in range(1, found.total + 1):
        part = Deliver(Address.of("4888"), found.user_data(seq, 3), dcs=found.dcs())
        assert tpdu.decode_mt(part.encode()) == part
        delivers.append(part)
    if found.total > 1:
        assert assemble(delivers).data == data
