"""The user data header (TS 23.040 section 9.2.3.24): information elements and the few that smsd understands.

Headers are octets without their length octet (UDHL). Reading never raises: an element that runs past the end
voids itself and the rest, unknown elements are kept, and where elements of one kind repeat or exclude each
other the last valid one counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from smsd.values.errors import InvalidValue

CONCAT_8: Final = 0x00
SPECIAL_INDICATION: Final = 0x01
PORTS_8: Final = 0x04
PORTS_16: Final = 0x05
CONCAT_16: Final = 0x08
SINGLE_SHIFT: Final = 0x24
LOCKING_SHIFT: Final = 0x25


@dataclass(frozen=True, slots=True)
class Element:
    """One information element: its identifier and its data (0..255 octets)."""

    identifier: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Concat:
    """Which part of a longer message this is: `reference` of `width` bits, part `seq` of `total`."""

    reference: int
    width: int
    total: int
    seq: int


@dataclass(frozen=True, slots=True)
class Ports:
    """Application port addresses; the destination comes first on the wire."""

    destination: int
    source: int
    width: int


def read(octets: bytes) -> tuple[Element, ...]:
    """The elements of a header, as far as they are whole."""
    found = []
    at = 0
    while at + 2 <= len(octets):
        end = at + 2 + octets[at + 1]
        if end > len(octets):
            break
        found.append(Element(octets[at], octets[at + 2 : end]))
        at = end
    return tuple(found)


def write(elements: Iterable[Element]) -> bytes:
    """The octets of `elements`; InvalidValue when one is longer than its length octet can say."""
    octets = bytearray()
    for element in elements:
        if len(element.data) > 255:
            raise InvalidValue(f"information element {element.identifier:02X} has more than 255 octets")
        octets += bytes((element.identifier & 0xFF, len(element.data)))
        octets += element.data
    return bytes(octets)


def concat_element(concat: Concat) -> bytes:
    """The octets of a concatenation element; the reference is cut to its width."""
    if concat.width == 16:
        return bytes(
            (CONCAT_16, 4, concat.reference >> 8 & 0xFF, concat.reference & 0xFF, concat.total, concat.seq)
        )
    return bytes((CONCAT_8, 3, concat.reference & 0xFF, concat.total, concat.seq))


def concat(elements: Iterable[Element]) -> Concat | None:
    """The last valid concatenation; part 0, part 4 of 3 and 0 parts are as good as none (9.2.3.24.1)."""
    found = None
    for element in elements:
        data = element.data
        if element.identifier == CONCAT_8 and len(data) == 3:
            candidate = Concat(data[0], 8, data[1], data[2])
        elif element.identifier == CONCAT_16 and len(data) == 4:
            candidate = Concat(data[0] << 8 | data[1], 16, data[2], data[3])
        else:
            continue
        if 1 <= candidate.seq <= candidate.total:
            found = candidate
    return found


def ports(elements: Iterable[Element]) -> Ports | None:
    """The last port element, of either width."""
    found = None
    for element in elements:
        data = element.data
        if element.identifier == PORTS_8 and len(data) == 2:
            found = Ports(data[0], data[1], 8)
        elif element.identifier == PORTS_16 and len(data) == 4:
            found = Ports(data[0] << 8 | data[1], data[2] << 8 | data[3], 16)
    return found


def shifts(elements: Iterable[Element]) -> tuple[int, int]:
    """The numbers of the locking and the single shift table; 0 where none is named."""
    locking = single = 0
    for element in elements:
        if len(element.data) == 1:
            if element.identifier == LOCKING_SHIFT:
                locking = element.data[0]
            elif element.identifier == SINGLE_SHIFT:
                single = element.data[0]
    return locking, single


def shift_elements(locking: int, single: int) -> bytes:
    """The octets that name the tables; nothing for the default ones."""
    octets = b""
    if single:
        octets += bytes((SINGLE_SHIFT, 1, single))
    if locking:
        octets += bytes((LOCKING_SHIFT, 1, locking))
    return octets


def without_concat(octets: bytes) -> bytes:
    """The whole elements of a header but for those that say which part it is."""
    return write(element for element in read(octets) if element.identifier not in (CONCAT_8, CONCAT_16))
