"""TP-UD: the header and the text or octets of a message (TS 23.040 sections 9.2.3.16 and 9.2.3.24).

TP-UDL counts septets for the 7-bit alphabet and octets for everything else, the header included. Text after a
header begins on a septet boundary. A length that goes beyond the octets, or a header beyond the length, is
read as far as it goes and marked `cut`.
"""

from __future__ import annotations

from dataclasses import dataclass

from smsd.codec import gsm7, udh
from smsd.codec.dcs import Alphabet, Dcs
from smsd.values.errors import InvalidValue

MAX_OCTETS, MAX_SEPTETS = 140, 160


@dataclass(frozen=True, slots=True)
class UserData:
    """What a message carries.

    `payload` holds one septet per octet for the 7-bit alphabet and plain octets otherwise (compressed 7-bit
    data too). `elements` are the octets of the header without UDHL, None when there is no header.
    """

    alphabet: Alphabet = Alphabet.GSM7
    payload: bytes = b""
    elements: bytes | None = None
    compressed: bool = False
    cut: bool = False

    @property
    def header(self) -> tuple[udh.Element, ...]:
        """The information elements, as far as they are whole."""
        return udh.read(self.elements) if self.elements else ()

    @property
    def concat(self) -> udh.Concat | None:
        """Which part of which message this is; None for a message of its own."""
        return udh.concat(udh.read(self.elements)) if self.elements else None

    @property
    def ports(self) -> udh.Ports | None:
        """The application ports, when it is for a program."""
        return udh.ports(udh.read(self.elements)) if self.elements else None

    @property
    def text(self) -> str | None:
        """The characters of this part alone; None for octets and compressed data.

        NUL characters and a byte order mark are left out, half surrogate pairs become U+FFFD: join parts with
        `reassemble.assemble`, which looks at the octets.
        """
        if self.compressed or self.alphabet == Alphabet.OCTETS:
            return None
        if self.alphabet == Alphabet.GSM7:
            return gsm7.text(self.payload, *udh.shifts(self.header))
        return utf16(self.payload)

    @property
    def data(self) -> bytes:
        """The octets for a program: `payload` as it is."""
        return self.payload

    def encode(self) -> tuple[int, bytes]:
        """TP-UDL and TP-UD; InvalidValue above 140 octets."""
        head = b"" if self.elements is None else bytes((len(self.elements) & 0xFF,)) + self.elements
        if self.alphabet != Alphabet.GSM7 or self.compressed:
            field = head + self.payload
            length = len(field)
        elif not head:
            field, length = gsm7.pack(self.payload), len(self.payload)
        else:
            fill = -len(head) * 8 % 7
            field = head + gsm7.pack(self.payload, fill)
            length = (len(head) * 8 + fill) // 7 + len(self.payload)
        if len(field) > MAX_OCTETS:
            raise InvalidValue(f"the user data has {len(field)} octets: one message holds {MAX_OCTETS}")
        return length, field


def utf16(octets: bytes) -> str:
    """UCS-2 as phones write it, which is UTF-16; an odd last octet is left out."""
    order = "utf-16-be"
    if octets[:2] == b"\xff\xfe":  # a byte order mark does not belong here, but one that came tells the truth
        order = "utf-16-le"
    text = octets[: len(octets) & ~1].decode(order, "replace")
    if "\0" in text:
        text = text.replace("\0", "")
    return text.removeprefix("\ufeff")


def read(octets: bytes, at: int, coding: int, headed: bool) -> UserData:
    """The user data whose TP-UDL stands at `at`; `headed` is TP-UDHI. Never raises."""
    if at >= len(octets):
        return UserData(elements=b"" if headed else None, cut=True)
    dcs = Dcs.read(coding)
    length = octets[at]
    septets = dcs.alphabet == Alphabet.GSM7 and not dcs.compressed
    size = (length * 7 + 7) // 8 if septets else length
    field = octets[at + 1 : at + 1 + size]
    cut = len(field) < size
    elements = None
    start = 0
    if headed:
        start = 1 + field[0] if field else 1
        elements = field[1:start]
        cut = cut or start > len(field)
    if not septets:
        return UserData(dcs.alphabet, field[start:], elements, dcs.compressed, cut)
    fill = -start * 8 % 7
    count = length - (start * 8 + fill) // 7
    return UserData(Alphabet.GSM7, gsm7.unpack(field[start:], count, fill), elements, cut=cut)
