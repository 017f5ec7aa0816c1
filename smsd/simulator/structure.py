"""Walks the octets of an SMS-SUBMIT (TS 23.040 9.2.2.2) and says what is wrong with it, as a modem and a network would.

Written from the standard and on purpose without `smsd.codec`: what the gateway's codec composes is checked by other
code than its own. It reads no text. It also takes a DELIVER apart as far as the routing rules of +CNMI need, and builds
the STATUS-REPORT, which only copies fields of the SUBMIT.
"""

from __future__ import annotations

from dataclasses import dataclass


class Malformed(ValueError):
    """Not a TPDU that a network would take; the text says where."""


@dataclass(frozen=True, slots=True)
class Submit:
    """The fields of a SUBMIT; `destination` is the whole address field (length, type, digits)."""

    first: int
    destination: bytes
    protocol: int
    coding: int
    validity: bytes
    length: int
    data: bytes

    @property
    def report_wanted(self) -> bool:
        """TP-SRR."""
        return bool(self.first & 0x20)

    @property
    def has_header(self) -> bool:
        """TP-UDHI."""
        return bool(self.first & 0x40)


_VALIDITY = (0, 7, 1, 7)  # octets, by the two bits of TP-VPF


def septet_coded(coding: int) -> bool:
    """Whether TP-UDL counts septets under this TP-DCS (TS 23.038 section 4)."""
    group = coding >> 4
    if group < 8:
        return not coding & 0x20 and coding & 0x0C in (0x00, 0x0C)
    if group == 15:
        return not coding & 0x04
    return group != 14


def split_frame(octets: bytes, tpdu_length: int) -> tuple[bytes, bytes]:
    """Service centre field (without its length octet) and TPDU; Malformed unless the TPDU has `tpdu_length` octets."""
    if not octets or octets[0] > 11 or octets[0] == 1:
        raise Malformed("the service centre field is missing or longer than 11 octets")
    start = 1 + octets[0]
    if len(octets) - start != tpdu_length:
        raise Malformed(f"the TPDU has {len(octets) - start} octets, announced were {tpdu_length}")
    return octets[1:start], octets[start:]


def walk(tpdu: bytes) -> Submit:
    """The fields of a SUBMIT; Malformed when lengths do not add up or a field holds what no network takes."""
    if len(tpdu) < 7:
        raise Malformed(f"{len(tpdu)} octets are too few for a SUBMIT")
    first = tpdu[0]
    if first & 3 != 1:
        raise Malformed(f"message type {first & 3} is no SUBMIT")
    semi_octets = tpdu[2]
    if not 0 < semi_octets <= 20:
        raise Malformed(f"a destination of {semi_octets} semi-octets")
    if not tpdu[3] & 0x80:
        raise Malformed(f"type of address {tpdu[3]:#04x} lacks bit 7")
    end = 4 + (semi_octets + 1) // 2
    destination = tpdu[2:end]
    if semi_octets % 2 and tpdu[3] & 0x70 != 0x50 and tpdu[end - 1] >> 4 != 15:
        raise Malformed("an odd number of digits without filler")
    validity = _VALIDITY[first >> 3 & 3]
    if len(tpdu) < end + 3 + validity:
        raise Malformed("it ends before the user data length")
    protocol, coding = tpdu[end], tpdu[end + 1]
    length = tpdu[end + 2 + validity]
    data = tpdu[end + 3 + validity :]
    septets = septet_coded(coding)
    if length > (160 if septets else 140):
        raise Malformed(f"user data length {length}")
    octets = (length * 7 + 7) // 8 if septets else length
    if len(data) != octets:
        raise Malformed(f"user data has {len(data)} octets where its length says {octets}")
    if first & 0x40:
        _check_header(data)
    return Submit(first, destination, protocol, coding, tpdu[end + 2 : end + 2 + validity], length, data)


def _check_header(data: bytes) -> None:
    """TP-UDH: elements that fill exactly what UDHL says (9.2.3.24)."""
    if not data or data[0] + 1 > len(data):
        raise Malformed("the user data header is longer than the data")
    at, end = 1, 1 + data[0]
    while at < end:
        if at + 2 > end or at + 2 + data[at + 1] > end:
            raise Malformed("an information element runs past the header")
        at += 2 + data[at + 1]


def status_report(reference: int, recipient: bytes, sent: bytes, done: bytes, status: int) -> bytes:
    """A STATUS-REPORT TPDU (9.2.2.3): TP-MMS set (no more to come), the recipient as the SUBMIT had it, two stamps."""
    return bytes((0x06, reference)) + recipient + sent + done + bytes((status,))


def stamp(year: int, month: int, day: int, hour: int, minute: int, second: int) -> bytes:
    """TP-SCTS (9.2.3.11) in UTC."""
    values = (year % 100, month, day, hour, minute, second, 0)
    return bytes((value % 10) << 4 | value // 10 for value in values)


def message_class(tpdu: bytes) -> int | None:
    """The class in the TP-DCS of a DELIVER, None when it has none or is too short to tell."""
    if len(tpdu) < 4:
        return None
    at = 3 + (tpdu[1] + 1) // 2 + 1
    if at >= len(tpdu):
        return None
    coding = tpdu[at]
    if coding >> 4 == 15 or (coding >> 6 in (0, 1) and coding & 0x10):
        return coding & 3
    return None
