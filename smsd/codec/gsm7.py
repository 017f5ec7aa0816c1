"""The 7-bit alphabet of TS 23.038: text to septets, septets to octets, and back.

A septet string here is `bytes` with one septet (0..127) in each octet. `septets` refuses what the chosen
tables lack and never replaces a character by a similar one; `text` reads anything. Packing is that of 6.1.2.1
(least significant bit first, zero fill); the carriage return fill of USSD (6.1.2.3) does not belong to SMS.
How many septets count is said by TP-UDL alone: a trailing @ is never taken away here.
"""

from __future__ import annotations

from functools import cache
from typing import Final, NoReturn

from smsd.codec.national import ESCAPE, LOCKING, MAIN, NATIONAL, SINGLE, encoder
from smsd.values.errors import InvalidValue

__all__ = ["ESCAPE", "LOCKING", "NATIONAL", "Unencodable", "pack", "septets", "text", "unpack"]

_ESC: Final = bytes([ESCAPE])


class Unencodable(InvalidValue):
    """`char` at `position` of the text is in neither of the tables asked for."""

    def __init__(self, char: str, position: int) -> None:
        super().__init__(
            f"the alphabet has no {char!r} (U+{ord(char):04X}): leave it out, or send as Unicode"
        )
        self.char = char
        self.position = position


class _Encoder(dict[int, str]):
    """Code point -> septets; a missing one ends the translation at once."""

    def __missing__(self, point: int) -> NoReturn:
        raise Unencodable(chr(point), -1)


@cache
def _encoder(locking: int, single: int) -> _Encoder:
    """The translation of one pair of tables."""
    if locking not in LOCKING or single not in SINGLE:
        raise InvalidValue(
            f"there is no locking table {locking} with single shift table {single} in TS 23.038"
        )
    return _Encoder(encoder(locking, single))


_ASCII: Final = bytes(
    ord(found) if len(found := _encoder(0, 0).get(point, "\x1b")) == 1 else ESCAPE for point in range(256)
)
# What ASCII gives exactly one septet: deleting it must leave nothing for the short way to be taken.
_PLAIN: Final = bytes(point for point in range(128) if _ASCII[point] != ESCAPE)


def septets(text: str, locking: int = 0, single: int = 0) -> bytes:
    """`text` as septets by the main table `locking` and the extension table `single`; two septets for the
    latter.

    Raises `Unencodable` with the first character that neither table has.
    """
    if not locking and text.isascii():
        octets = text.encode("ascii")
        if not octets.translate(None, _PLAIN):
            return octets.translate(_ASCII)
    try:
        return text.translate(_encoder(locking, single)).encode("latin-1")
    except Unencodable as error:
        raise Unencodable(error.char, text.index(error.char)) from None


def text(septets: bytes, locking: int = 0, single: int = 0) -> str:
    """The characters of `septets`; never raises.

    ESC with a septet that the extension lacks is the character of the main table; ESC ESC and a last ESC are
    a space. Bits above the seventh are ignored; a table number that is not defined reads as the default
    table.
    """
    if not septets.isascii():
        septets = bytes(octet & 0x7F for octet in septets)
    main = MAIN.get(locking, MAIN[0])
    if _ESC not in septets:
        return septets.decode("latin-1").translate(main)
    extension = SINGLE.get(single, SINGLE[0])
    found: list[str] = []
    start = 0
    while (escape := septets.find(ESCAPE, start)) >= 0:
        found.append(septets[start:escape].decode("latin-1").translate(main))
        follower = septets[escape + 1] if escape + 1 < len(septets) else ESCAPE
        found.append(" " if follower == ESCAPE else extension.get(follower, main[follower]))
        start = escape + 2
    found.append(septets[start:].decode("latin-1").translate(main))
    return "".join(found)


# Packing works on 256 lanes of one octet at once: 2 x 7 bits move together in 16 bit lanes, then 2 x 14 in
# 32, then 2 x 28 in 64, which leaves every eighth octet empty.
_LANES: Final = 256


def _lanes(pattern: int, width: int) -> int:
    return int.from_bytes(pattern.to_bytes(width, "little") * (_LANES // width), "little")


_STEPS: Final = tuple(
    (_lanes((1 << bits) - 1, width), _lanes(((1 << bits) - 1) << (width * 4), width), width * 4 - bits)
    for width, bits in ((2, 7), (4, 14), (8, 28))
)


def _pack(block: bytes) -> bytes:
    number = int.from_bytes(block, "little")
    for low, high, shift in _STEPS:
        number = (number & low) | ((number & high) >> shift)
    octets = bytearray(number.to_bytes((len(block) + 7) // 8 * 8, "little"))
    del octets[7::8]
    return bytes(octets[: (len(block) * 7 + 7) // 8])


def pack(septets: bytes, fill_bits: int = 0) -> bytes:
    """The octets of `septets`, after `fill_bits` (0..6) zero bits that bring them to a septet boundary."""
    if len(septets) <= _LANES:
        packed = _pack(septets)
    else:
        packed = b"".join(_pack(septets[at : at + _LANES]) for at in range(0, len(septets), _LANES))
    if not fill_bits:
        return packed
    size = (len(septets) * 7 + fill_bits + 7) // 8
    return (int.from_bytes(packed, "little") << fill_bits).to_bytes(size, "little")


# The same steps backwards, each with the mask of what moves.
_UNSTEPS: Final = tuple(
    (low, _lanes(((1 << bits) - 1) << bits, width), shift)
    for (low, _high, shift), (width, bits) in zip(reversed(_STEPS), ((8, 28), (4, 14), (2, 7)), strict=True)
)
_OCTETS: Final = _LANES * 7 // 8


def _unpack(block: bytes) -> bytes:
    groups = (len(block) + 6) // 7
    block = block.ljust(groups * 7, b"\0")
    spread = bytearray(groups * 8)
    for at in range(7):
        spread[at::8] = block[at::7]
    number = int.from_bytes(spread, "little")
    for low, high, shift in _UNSTEPS:
        number = (number & low) | ((number & high) << shift)
    return number.to_bytes(groups * 8, "little")


def unpack(data: bytes, count: int, fill_bits: int = 0) -> bytes:
    """`count` septets of `data` after `fill_bits` bits, or as many as there are."""
    if fill_bits:
        data = (int.from_bytes(data, "little") >> fill_bits).to_bytes(len(data), "little")
    count = max(0, min(count, (len(data) * 8 - fill_bits) // 7))
    if len(data) <= _OCTETS:
        return _unpack(data)[:count]
    return b"".join(_unpack(data[at : at + _OCTETS]) for at in range(0, len(data), _OCTETS))[:count]
