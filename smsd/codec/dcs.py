"""TP-DCS, the data coding scheme octet (TS 23.038 section 4): alphabet, class, compression, message waiting.

Every one of the 256 octets reads as something: reserved groups and the reserved alphabet are the default
alphabet, as section 4 tells a receiver. The alphabet bits of the general groups mean nothing in the groups C
to F.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final


class Alphabet(enum.IntEnum):
    """How user data is written. The numbers are those of the general group and of `Segmentation.code`."""

    GSM7 = 0
    OCTETS = 1
    UCS2 = 2


class Waiting(enum.IntEnum):
    """What a message waiting indication is about."""

    VOICE = 0
    FAX = 1
    EMAIL = 2
    OTHER = 3


@dataclass(frozen=True, slots=True)
class Mwi:
    """A message waiting indication: switch the sign for `kind` on or off; `store` keeps the message too."""

    kind: Waiting
    active: bool
    store: bool


@dataclass(frozen=True, slots=True)
class Dcs:
    """What a coding octet says. `message_class` is None when it names no class, which is not class 0."""

    alphabet: Alphabet
    message_class: int | None = None
    compressed: bool = False
    auto_delete: bool = False
    mwi: Mwi | None = None
    reserved: bool = False

    @classmethod
    def read(cls, octet: int) -> Dcs:
        """The meaning of one octet (0..255)."""
        return _TABLE[octet & 0xFF]

    @staticmethod
    def octet(alphabet: Alphabet, message_class: int | None = None) -> int:
        """The octet of the general group for an alphabet and a class (0 flash, 1 ME, 2 SIM, 3 TE, None)."""
        if message_class is None:
            return alphabet << 2
        return 0x10 | alphabet << 2 | message_class & 3


def _read(octet: int) -> Dcs:
    group = octet >> 4
    if group < 0x8:
        bits = octet >> 2 & 3
        return Dcs(
            alphabet=Alphabet(bits) if bits < 3 else Alphabet.GSM7,
            message_class=octet & 3 if octet & 0x10 else None,
            compressed=bool(octet & 0x20),
            auto_delete=bool(octet & 0x40),
            reserved=bits == 3,
        )
    if group < 0xC:
        return Dcs(Alphabet.GSM7, reserved=True)
    if group < 0xF:
        waiting = Mwi(Waiting(octet & 3), active=bool(octet & 8), store=group != 0xC)
        return Dcs(Alphabet.UCS2 if group == 0xE else Alphabet.GSM7, mwi=waiting)
    return Dcs(
        Alphabet.OCTETS if octet & 4 else Alphabet.GSM7, message_class=octet & 3, reserved=bool(octet & 8)
    )


_TABLE: Final = tuple(_read(octet) for octet in range(256))
