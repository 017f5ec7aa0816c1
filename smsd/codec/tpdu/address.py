"""Addresses on the wire (TS 23.040 section 9.1.2.5; the service centre's in TS 24.011).

A TP address counts its useful semi-octets, without the type octet; the service centre's counts the octets
that follow, with it. Semi-octets above 9 are `*`, `#`, `a`, `b`, `c` and the filler. Alphanumeric addresses
are packed septets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from smsd.codec import gsm7
from smsd.values.errors import DecodeError, InvalidValue

UNKNOWN, INTERNATIONAL, NATIONAL, NETWORK, SUBSCRIBER, ALPHANUMERIC, ABBREVIATED = range(7)
"""Types of number (TON)."""

E164: Final = 1
_DIGITS: Final = "0123456789*#abc"
_NIBBLES: Final = {digit: nibble for nibble, digit in enumerate(_DIGITS)}
_LONGEST: Final = 20
_NAME_SEPTETS: Final = 11
# Two characters for each octet, "f" for the filler; what follows the first filler is no digit.
_PAIRS: Final = tuple((_DIGITS + "f")[octet & 0xF] + (_DIGITS + "f")[octet >> 4] for octet in range(256))


@dataclass(frozen=True, slots=True)
class Address:
    """`number` without + (or a name, when `ton` is alphanumeric), type of number and numbering plan."""

    number: str
    ton: int = UNKNOWN
    npi: int = E164

    @classmethod
    def of(cls, text: str) -> Address:
        """The address for `+4179…`, digits with * and #, or a name; InvalidValue for what cannot be one.

        The letters a b c are digits only beside a * or #: "cab" is a name.
        """
        if text.startswith("+"):
            digits, ton = text[1:], INTERNATIONAL
        else:
            digits, ton = text, UNKNOWN
        if digits and not digits.strip(_DIGITS if "*" in digits or "#" in digits else "0123456789*#"):
            if len(digits) > _LONGEST:
                raise InvalidValue(f"the number has {len(digits)} digits: at most {_LONGEST} can be sent")
            return cls(digits, ton)
        if not text or text.startswith("+"):
            raise InvalidValue("an address needs digits after the +, or a name")
        if len(gsm7.septets(text)) > _NAME_SEPTETS:
            raise InvalidValue(
                f"a sender name has at most {_NAME_SEPTETS} characters ([ ] € and the like count double)"
            )
        return cls(text, ALPHANUMERIC, 0)

    @property
    def text(self) -> str:
        """`+4179…` for international numbers, else the digits or the name as they are."""
        return "+" + self.number if self.ton == INTERNATIONAL and self.number else self.number

    @property
    def type(self) -> int:
        """The type-of-address octet."""
        return 0x80 | (self.ton & 7) << 4 | self.npi & 0xF

    def encode(self) -> bytes:
        """The TP address: semi-octets, type, digits."""
        if self.ton == ALPHANUMERIC:
            septets = gsm7.septets(self.number)
            return bytes(((len(septets) * 7 + 3) // 4, self.type)) + gsm7.pack(septets)
        return bytes((len(self.number), self.type)) + _semi_octets(self.number)


def _semi_octets(digits: str) -> bytes:
    """Packed digits, the filler after an odd one."""
    if digits.isdigit() and digits.isascii():
        padded = digits + "f" if len(digits) & 1 else digits
        octets = bytearray(len(padded))
        octets[0::2], octets[1::2] = padded[1::2].encode(), padded[0::2].encode()
        return bytes.fromhex(octets.decode())
    try:
        nibbles = [_NIBBLES[digit] for digit in digits]
    except KeyError as error:
        raise InvalidValue(
            f"{error.args[0]!r} cannot stand in a number: only digits, *, #, a, b and c can"
        ) from None
    if len(nibbles) & 1:
        nibbles.append(0xF)
    return bytes(low | high << 4 for low, high in zip(nibbles[0::2], nibbles[1::2], strict=True))


def _digits(octets: bytes, count: int) -> str:
    digits = "".join(_PAIRS[octet] for octet in octets)[:count]
    return digits.partition("f")[0]


def _name(octets: bytes, semi_octets: int) -> str:
    letters = semi_octets * 4 // 7
    septets = gsm7.unpack(octets, letters)
    # Seven letters are 13 semi-octets; stacks that say 14 turn the fill bits into an eighth letter, an @.
    if len(septets) == 8 and septets.endswith(b"\0"):
        septets = septets[:-1]
    return gsm7.text(septets)


def read(octets: bytes, at: int) -> tuple[Address, int]:
    """The TP address that begins at `at`, and where it ends; DecodeError when it goes beyond the octets."""
    if at + 2 > len(octets):
        raise DecodeError(f"the address at octet {at} is missing: {len(octets)} octets in all")
    semi_octets, kind = octets[at], octets[at + 1]
    end = at + 2 + (semi_octets + 1) // 2
    if end > len(octets):
        raise DecodeError(
            f"the address at octet {at} says {semi_octets} digits, beyond the end of the message"
        )
    ton, npi = kind >> 4 & 7, kind & 0xF
    field = octets[at + 2 : end]
    number = _name(field, semi_octets) if ton == ALPHANUMERIC else _digits(field, semi_octets)
    return Address(number, ton, npi), end


def with_smsc(tpdu: bytes, smsc: str = "") -> bytes:
    """`tpdu` behind the address of its service centre; without one the SIM's is used."""
    if not smsc:
        return b"\0" + tpdu
    address = Address.of(smsc)
    if address.ton == ALPHANUMERIC:
        raise InvalidValue("a service centre has a number, not a name")
    field = bytes((address.type,)) + _semi_octets(address.number)
    return bytes((len(field),)) + field + tpdu


def split_smsc(octets: bytes) -> tuple[str, bytes]:
    """The service centre's number ("" when none is named) and the TPDU; DecodeError when it runs past the
    end.
    """
    if not octets:
        raise DecodeError("there is nothing in the message, not even the length of a service centre address")
    end = 1 + octets[0]
    if end > len(octets):
        raise DecodeError(
            f"the service centre address says {octets[0]} octets, beyond the end of the message"
        )
    if end < 3:
        return "", octets[end:]
    digits = _digits(octets[2:end], 2 * (end - 2))
    return Address(digits, octets[1] >> 4 & 7, octets[1] & 0xF).text, octets[end:]
