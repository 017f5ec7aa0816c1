"""The one place that says how a text or octets will be sent: alphabet, tables, parts, what is left in the
last.

Doors, prices, plans and gateways all ask here; nobody else counts characters. A plan is kept as `code` (one
small number) and made again by `replan`, part for part. Sizes follow TS 23.040 section 9.2.3.24: a header
costs its octets, rounded up to whole septets for 7-bit text. No part ends inside an escape sequence or a
surrogate pair.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from smsd.codec import gsm7, udh
from smsd.codec.dcs import Alphabet, Dcs
from smsd.codec.tpdu.userdata import MAX_OCTETS, MAX_SEPTETS, UserData
from smsd.values.errors import InvalidValue

MAX_PARTS: Final = 255


class TooManyParts(InvalidValue):
    """`count` parts would be needed, and a concatenated message has at most 255."""

    def __init__(self, count: int) -> None:
        super().__init__(
            f"the message needs {count} parts, at most {MAX_PARTS} are possible: make it shorter"
        )
        self.count = count


class Segmentation(NamedTuple):
    """How a message will be sent.

    `parts` are the pieces of the text (or octets); `units` counts the septets, octets or UTF-16 units they
    need, `left` those still free in the last part. `culprit` is the first character that forced UCS-2 and
    `culprit_at` its index. `truncated`: only the first blocks are sent. `elements` are the information
    elements of every part.
    """

    alphabet: Alphabet
    parts: tuple[str, ...] | tuple[bytes, ...]
    units: int
    left: int
    locking: int = 0
    single: int = 0
    width: int = 8
    elements: bytes = b""
    culprit: str | None = None
    culprit_at: int | None = None
    truncated: bool = False

    @property
    def total(self) -> int:
        """Number of parts."""
        return len(self.parts)

    @property
    def code(self) -> int:
        """Alphabet, tables and width in one number of 11 bits, for `replan`."""
        return self.alphabet | self.locking << 2 | self.single << 6 | (self.width == 16) << 10

    def dcs(self, message_class: int | None = None) -> int:
        """The TP-DCS octet that goes with it."""
        return Dcs.octet(self.alphabet, message_class)

    def user_data(self, seq: int, reference: int) -> UserData:
        """What goes on the wire for part `seq` (from 1) under the concatenation reference `reference`."""
        part = self.parts[seq - 1]
        elements = self.elements
        if self.locking or self.single:
            elements += udh.shift_elements(self.locking, self.single)
        if len(self.parts) > 1:
            concat = udh.Concat(reference, self.width, len(self.parts), seq)
            elements = udh.concat_element(concat) + elements
        return UserData(self.alphabet, self._payload(part), elements or None)

    def _payload(self, part: str | bytes) -> bytes:
        if isinstance(part, bytes):
            return part
        if self.alphabet == Alphabet.GSM7:
            return gsm7.septets(part, self.locking, self.single)
        return part.encode("utf-16-be")


def plan_text(
    text: str,
    *,
    national: frozenset[int] = frozenset(),
    width: int = 8,
    elements: bytes = b"",
    alphabet: Alphabet | None = None,
    locking: int | None = None,
    single: int | None = None,
    max_parts: int | None = None,
) -> Segmentation:
    """How `text` will be sent: by the default alphabet, else one table of `national`, else UCS-2.

    `width` is that of the concatenation reference (8 or 16 bits), `elements` other information elements that
    each part repeats. `alphabet`, `locking` and `single` force a choice. `max_parts` sends the first so many
    blocks only. Raises `TooManyParts`, `gsm7.Unencodable` (a forced alphabet, or half a surrogate pair),
    `InvalidValue`.
    """
    if alphabet == Alphabet.OCTETS:
        raise InvalidValue("a text cannot be sent as octets: encode it first and plan_binary the result")
    if max_parts is not None and max_parts < 1:
        raise InvalidValue(f"at most {max_parts} parts would be no message: allow at least 1")
    culprit: gsm7.Unencodable | None = None
    if alphabet != Alphabet.UCS2:
        try:
            septets = gsm7.septets(text, locking or 0, single or 0)
            return _seven(text, septets, locking or 0, single or 0, width, elements, max_parts)
        except gsm7.Unencodable as error:
            culprit = error
        if locking is None and single is None and national:
            found, culprit = _best_table(text, national, culprit)
            if found is not None:
                septets, locking, single = found
                return _seven(text, septets, locking, single, width, elements, max_parts)
        if alphabet is not None or locking is not None or single is not None:
            raise culprit
    return _sixteen(text, width, elements, culprit, max_parts)


def plan_binary(data: bytes, *, udh: bytes = b"", width: int = 8) -> Segmentation:
    """How octets will be sent; `udh` are information elements (without UDHL) that each part repeats.

    Raises `TooManyParts`; `InvalidValue` when `udh` already numbers the parts and one is not enough.
    """
    return _binary(data, udh, width)


def replan(body: str | bytes, code: int, elements: bytes = b"", max_parts: int | None = None) -> Segmentation:
    """The same parts as when `code` was noted for the same body, elements and `max_parts` (texts only)."""
    width = 16 if code >> 10 & 1 else 8
    if isinstance(body, bytes):
        return _binary(body, elements, width)
    if code & 3 == Alphabet.UCS2:
        return _sixteen(body, width, elements, None, max_parts)
    locking, single = code >> 2 & 0xF, code >> 6 & 0xF
    septets = gsm7.septets(body, locking, single)
    return _seven(body, septets, locking, single, width, elements, max_parts)


def _best_table(
    text: str, national: frozenset[int], culprit: gsm7.Unencodable
) -> tuple[tuple[bytes, int, int] | None, gsm7.Unencodable]:
    """The tables that need fewest septets, headers counted; and the character that stopped the best of the
    others.
    """
    found: tuple[int, bytes, int, int] | None = None
    for table in sorted(national & gsm7.NATIONAL):
        pairs = ((0, table), (table, 0), (table, table)) if table in gsm7.LOCKING else ((0, table),)
        for locking, single in pairs:
            try:
                septets = gsm7.septets(text, locking, single)
            except gsm7.Unencodable as error:
                if error.position > culprit.position:
                    culprit = error
                continue
            # Every element costs three octets, 24/7 septets, in each part of some 150.
            size = len(septets) + (1 + len(septets) // 150) * (4 if not (locking and single) else 7)
            if found is None or size < found[0]:
                found = (size, septets, locking, single)
    return (found[1:] if found else None), culprit


def _room(alphabet: Alphabet, header: int) -> int:
    """Units beside `header` octets of elements; at least one escape sequence or surrogate pair must fit."""
    if not header:
        room = MAX_SEPTETS if alphabet == Alphabet.GSM7 else MAX_OCTETS
    elif alphabet == Alphabet.GSM7:
        room = MAX_SEPTETS - ((header + 1) * 8 + 6) // 7
    else:
        room = MAX_OCTETS - header - 1
    if alphabet == Alphabet.UCS2:
        room //= 2
    if room < 2:
        raise InvalidValue(f"the user data header of {header} octets leaves no room for the message")
    return room


def _each(alphabet: Alphabet, header: int, width: int, max_parts: int | None) -> int:
    """Units of one part of several; all of a message of its own when only one block is wanted."""
    if width not in (8, 16):
        raise InvalidValue(f"a concatenation reference has 8 or 16 bits, not {width}")
    if max_parts == 1:
        return _room(alphabet, header)
    return _room(alphabet, header + (5 if width == 8 else 6))


def _count(cuts: list[tuple[int, int]], max_parts: int | None) -> bool:
    """Cut the list down to `max_parts`; True when that left something out."""
    truncated = max_parts is not None and len(cuts) > max_parts
    if truncated:
        del cuts[max_parts:]
    if len(cuts) > MAX_PARTS:
        raise TooManyParts(len(cuts))
    return truncated


def _cuts(units: bytes, size: int, room: int, glue: int) -> list[tuple[int, int]]:
    """Where parts of at most `room` units begin and end.

    A unit has `size` octets, and nothing is cut after one whose first octet, masked, says that another
    belongs to it: the escape, or a high surrogate.
    """
    cuts = []
    start, end, step = 0, len(units), room * size
    mask = 0xFF if size == 1 else 0xFC
    while start < end:
        stop = min(start + step, end)
        if stop < end and units[stop - size] & mask == glue:
            stop -= size
        cuts.append((start, stop))
        start = stop
    return cuts


def _seven(
    text: str, septets: bytes, locking: int, single: int, width: int, elements: bytes, max_parts: int | None
) -> Segmentation:
    header = len(elements) + (3 if locking else 0) + (3 if single else 0)
    alone = _room(Alphabet.GSM7, header)
    units = len(septets)
    if units <= alone:
        return Segmentation(Alphabet.GSM7, (text,), units, alone - units, locking, single, width, elements)
    each = _each(Alphabet.GSM7, header, width, max_parts)
    cuts = _cuts(septets, 1, each, gsm7.ESCAPE)
    truncated = _count(cuts, max_parts)
    parts = []
    at = 0
    for start, stop in cuts:
        size = stop - start - septets.count(gsm7.ESCAPE, start, stop)
        parts.append(text[at : at + size])
        at += size
    left = each - (cuts[-1][1] - cuts[-1][0])
    return Segmentation(
        Alphabet.GSM7, tuple(parts), cuts[-1][1], left, locking, single, width, elements, truncated=truncated
    )


def _sixteen(
    text: str, width: int, elements: bytes, culprit: gsm7.Unencodable | None, max_parts: int | None
) -> Segmentation:
    alone = _room(Alphabet.UCS2, len(elements))
    try:
        octets = text.encode("utf-16-be")
    except UnicodeEncodeError as error:
        raise gsm7.Unencodable(text[error.start], error.start) from None
    why, where = (culprit.char, culprit.position) if culprit else (None, None)
    units = len(octets) // 2
    if units <= alone:
        return Segmentation(Alphabet.UCS2, (text,), units, alone - units, 0, 0, width, elements, why, where)
    each = _each(Alphabet.UCS2, len(elements), width, max_parts)
    cuts = _cuts(octets, 2, each, 0xD8)
    truncated = _count(cuts, max_parts)
    parts = tuple(octets[start:stop].decode("utf-16-be") for start, stop in cuts)
    left = each - (cuts[-1][1] - cuts[-1][0]) // 2
    return Segmentation(
        Alphabet.UCS2, parts, cuts[-1][1] // 2, left, 0, 0, width, elements, why, where, truncated
    )


def _binary(data: bytes, elements: bytes, width: int) -> Segmentation:
    alone = _room(Alphabet.OCTETS, len(elements))
    if len(data) <= alone:
        left = alone - len(data)
        return Segmentation(Alphabet.OCTETS, (data,), len(data), left, 0, 0, width, elements)
    if udh.concat(udh.read(elements)) is not None:
        raise InvalidValue(
            f"the header already says which part this is, and {len(data)} octets do not fit beside it:"
            f" send at most {alone}, or leave the concatenation out of the header"
        )
    each = _each(Alphabet.OCTETS, len(elements), width, None)
    count = -(-len(data) // each)
    if count > MAX_PARTS:
        raise TooManyParts(count)
    parts = tuple(data[start : start + each] for start in range(0, len(data), each))
    return Segmentation(Alphabet.OCTETS, parts, len(data), each - len(parts[-1]), 0, 0, width, elements)
