"""Readers of the information lines of TS 27.005 and 27.007, in all the shapes that modems give them.

Each takes the lines of an `Answer` and gives values; what cannot be read is left out, never an exception. Reads no PDUs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_HEX = re.compile(r"[0-9A-Fa-f]{2,}$")
_STATES = {"REC UNREAD": 0, "REC READ": 1, "STO UNSENT": 2, "STO SENT": 3}
_NAME = re.compile(r'"([^"]*)"|([A-Za-z][A-Za-z0-9_]*)')
_RANGE = re.compile(r"(\d{1,4})(?:\s*-\s*(\d{1,4}))?")
_WIDEST = 256  # a range wider than this is nonsense
_NUMBER = re.compile(r"[+*#0-9A-Ca-c]*$")


@dataclass(frozen=True, slots=True)
class Slot:
    """One stored message: `stat` 0 unread, 1 read, 2 unsent, 3 sent; `index` is -1 where the answer has none."""

    index: int
    stat: int
    length: int
    pdu: str


def _fields(text: str) -> list[str]:
    """The comma separated fields, commas within quotation marks kept, each stripped but still quoted."""
    fields, start, quoted = [], 0, False
    for position, letter in enumerate(text):
        if letter == '"':
            quoted = not quoted
        elif letter == "," and not quoted:
            fields.append(text[start:position].strip())
            start = position + 1
    fields.append(text[start:].strip())
    return fields


def _int(text: str) -> int | None:
    text = text.strip().strip('"').strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _bodies(lines: Iterable[str], *names: str) -> Iterator[str]:
    """What follows `+NAME:` in the lines that have one of these names."""
    for line in lines:
        name, colon, body = line.partition(":")
        if colon and name.strip().upper() in names:
            yield body.strip()


def _stat(text: str) -> int | None:
    number = _int(text)
    return number if number is not None else _STATES.get(text.strip('" ').upper())


def _header(body: str, indexed: bool) -> tuple[int, int, int] | None:
    """(index, stat, length) of a +CMGL or +CMGR line; the alpha field may be empty, quoted, or missing with its comma."""
    fields = _fields(body)
    index = -1
    if indexed:
        number = _int(fields.pop(0))
        if number is None or not fields:
            return None
        index = number
    stat = _stat(fields[0])
    length = _int(fields[-1]) if len(fields) > 1 else None
    if stat is None:
        return None
    return index, stat, -1 if length is None else length


def listing(lines: Iterable[str]) -> list[Slot]:
    """The messages of a `+CMGL` answer in PDU mode; headers without a PDU are left out."""
    found: list[Slot] = []
    header: tuple[int, int, int] | None = None
    for line in lines:
        if body := next(_bodies((line,), "+CMGL"), ""):
            header = _header(body, indexed=True)
        elif header is not None and _HEX.match(line):
            found.append(Slot(*header, line))
            header = None
    return found


def record(lines: Iterable[str]) -> Slot | None:
    """The message of a `+CMGR` answer; None for an empty slot in each of its spellings."""
    header: tuple[int, int, int] | None = None
    for line in lines:
        if body := next(_bodies((line,), "+CMGR"), ""):
            header = _header(body, indexed=False)
        elif header is not None and _HEX.match(line):
            return Slot(*header, line)
    return None


def length_of(body: str) -> int:
    """The TPDU length that ends a `+CMT:` or `+CDS:` header, -1 where there is none."""
    length = _int(_fields(body)[-1])
    return -1 if length is None else length


def place_of(body: str) -> tuple[str, int] | None:
    """(memory, index) of `+CMTI:` or `+CDSI:`; None when it names no index."""
    fields = _fields(body)
    index = _int(fields[1]) if len(fields) > 1 else None
    if index is None:
        return None
    return fields[0].strip('" ').upper()[:8], index


def _groups(body: str) -> list[str]:
    """The bracketed lists of a test answer; what stands between commas outside of brackets is a list of its own."""
    groups: list[str] = []
    depth, start = 0, 0
    flat = body.strip()
    if flat.startswith("((") and flat.endswith(")"):  # Wavecom brackets the whole once more
        flat = flat[1:-1]
    for position, letter in enumerate(flat + ","):
        if letter == "(":
            depth += 1
        elif letter == ")":
            depth -= 1
        elif letter == "," and depth <= 0:
            groups.append(flat[start:position].strip().strip("()"))
            start = position + 1
    return groups


def memories(lines: Iterable[str]) -> tuple[frozenset[str], ...]:
    """The memories of `+CPMS=?` for m1, m2, m3 (fewer where the modem says fewer)."""
    for body in _bodies(lines, "+CPMS"):
        groups = [
            frozenset((quoted or bare).upper() for quoted, bare in _NAME.findall(group))
            for group in _groups(body)
        ]
        return tuple(groups[:3])
    return ()


def notify_ranges(lines: Iterable[str]) -> tuple[frozenset[int], ...]:
    """What each field of `+CNMI=` may be, of `+CNMI=?`; empty when the modem does not say."""
    for body in _bodies(lines, "+CNMI"):
        ranges = []
        for group in _groups(body)[:5]:
            values: set[int] = set()
            for low, high in _RANGE.findall(group):
                first, last = int(low), int(high or low)
                values.update(range(first, min(last, first + _WIDEST) + 1))
            ranges.append(frozenset(values))
        return tuple(ranges)
    return ()


def registration(lines: Iterable[str]) -> int | None:
    """The state of `+CREG:` (also +CGREG, +CEREG): solicited `<n>,<stat>[,…]` and unsolicited `<stat>[,…]`."""
    state: int | None = None
    for body in _bodies(lines, "+CREG", "+CGREG", "+CEREG"):
        fields = _fields(body)
        second = fields[1] if len(fields) > 1 else ""
        solicited = second.isascii() and second.isdigit() and len(second) <= 2
        number = _int(second if solicited else fields[0])
        state = state if number is None else number
    return state


def signal(lines: Iterable[str]) -> int | None:
    """Received signal strength in dBm of `+CSQ:`; None when unknown."""
    for body in _bodies(lines, "+CSQ"):
        value = _int(_fields(body)[0])
        return None if value is None or value > 31 else 2 * value - 113
    return None


def service_centre(lines: Iterable[str]) -> str:
    """The number of `+CSCA:`, also as UCS-2 hexadecimal and without quotation marks; "" when none is set."""
    for body in _bodies(lines, "+CSCA"):
        text = _fields(body)[0].strip('" ')
        if len(text) >= 8 and len(text) % 4 == 0 and re.match(r"(00[0-9A-Fa-f]{2})+$", text):
            text = bytes.fromhex(text).decode("utf-16-be").strip('" ')
        return text if _NUMBER.match(text) else ""
    return ""


def reference(lines: Iterable[str]) -> int | None:
    """The message reference of `+CMGS: <mr>[,…]`; None when the modem gave none."""
    for body in _bodies(lines, "+CMGS"):
        return _int(_fields(body)[0])
    return None


def pin_state(lines: Iterable[str]) -> str:
    """The word of `+CPIN:`: `READY`, `SIM PIN`, `SIM PUK`, …; "" when there is none."""
    for body in _bodies(lines, "+CPIN"):
        return body.strip('" ').upper()
    return ""


def identifier(lines: Iterable[str]) -> str:
    """The bare word of an identification (+CGMI, +CIMI, +CCID, ICCID …) without its name and quotation marks."""
    for line in lines:
        text = re.sub(r"^[+^#*%]?[A-Z]+ ?: ?", "", line).strip('" ')
        if text:
            return text[:120]
    return ""
