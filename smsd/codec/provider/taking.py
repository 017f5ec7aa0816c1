"""Messages and reports out of a request, as a provider's mapping says. Pure.

What a phone wrote is never refused for its charset: octets that are not what was declared are read as UTF-8, then as Windows-1252,
with a note for the log. One bad message among others does not keep the others out.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

from smsd.codec import udh
from smsd.codec.provider import matching, stamps
from smsd.codec.provider.handed import Handed, Item, storable_text, utf8
from smsd.codec.provider.incoming import Charset, Conditions, Incoming, Messages, Octets, Reports, Stamp, code
from smsd.values.delivery import NetworkReport
from smsd.values.errors import InvalidValue
from smsd.values.frozen import frozen
from smsd.values.message import Binary, Text

LONGEST_NUMBER = 64
LONGEST_ID = 200
LONGEST_REFERENCE = 255
"""As many as the ledger keeps of what the answer to a submission says."""
LONGEST_DETAIL = 200
MOST_OCTETS = 100_000


@frozen
class Heard:
    """A message from a phone, or part `seq` of `total` of one (`join` is what the parts share). `at`: when it was sent, in
    milliseconds, None when that is not known."""

    sender: str
    content: Text | Binary
    own: str = ""
    id: str = ""
    at: int | None = None
    join: str = ""
    seq: int = 1
    total: int = 1


@frozen
class Taken:
    """What a request holds. `wrong` says of items what keeps them from being read, `notes` what a log should have; `others` counts
    what is neither message nor report."""

    messages: tuple[Heard, ...] = ()
    reports: tuple[NetworkReport, ...] = ()
    wrong: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    others: int = 0


def take(incoming: Incoming, handed: Handed, *, reports_only: bool = False) -> Taken:
    """Everything in a request. InvalidValue when it is too much."""
    messages: list[Heard] = []
    reports: list[NetworkReport] = []
    wrong: list[str] = []
    notes: list[str] = []
    others = 0
    paths = [each.list for each in (incoming.reports, incoming.messages) if each is not None]
    for item in handed.items(next(filter(None, paths), "")):
        try:
            if incoming.reports is not None and _holds(incoming.reports.when, item):
                reports.append(_report(incoming.reports, item, notes))
            elif incoming.messages is None or reports_only or not _holds(incoming.messages.when, item):
                others += 1
            else:
                messages.append(_message(incoming.messages, item, notes))
        except InvalidValue as error:
            wrong.append(str(error))
    return Taken(tuple(messages), tuple(reports), tuple(wrong), tuple(dict.fromkeys(notes)), others)


def _holds(conditions: Conditions, item: Item) -> bool:
    for name, words in conditions:
        value = item.text((name,))
        given = code(value or "")
        if not any(
            bool(given) if word == "*" else value is None if word == "-" else given == word for word in words
        ):
            return False
    return True


# -- messages


def _message(mapping: Messages, item: Item, notes: list[str]) -> Heard:
    sender = _number(mapping.numbers, item.text(mapping.sender))
    if not sender:
        raise InvalidValue(f"the sender is missing: {mapping.sender[0]}")
    own = _number(mapping.numbers, item.text(mapping.own))
    header = _header(mapping, item, notes)
    elements = udh.read(header)
    content = _content(mapping, item, udh.without_concat(header), notes)
    at = _at(mapping.time, item)
    named = [item.text((name,)) for name in mapping.id_also]
    given = " ".join(part for part in (item.text(mapping.id), *named) if part)
    heard = Heard(sender, content, own, _id(given), at)
    reference, total, seq = _part(mapping, item)
    concat = udh.concat(elements)
    if total == 1 and concat is not None:
        reference, total, seq = f"{concat.width}|{concat.reference}", concat.total, concat.seq
    if total == 1:
        return heard
    return Heard(sender, content, own, heard.id, at, f"{own}|{reference}", seq, total)


def _header(mapping: Messages, item: Item, notes: list[str]) -> bytes:
    """The user data header; one that cannot be read keeps no text from being delivered."""
    try:
        return b"" if mapping.udh is None else _octets(mapping.udh, item, "the user data header")
    except InvalidValue as error:
        notes.append(str(error))
        return b""


def _part(mapping: Messages, item: Item) -> tuple[str, int, int]:
    if mapping.concat is None:
        return "", 1, 1
    reference = item.text(mapping.concat.reference) or ""
    total, seq = (_small(item.text(names)) for names in (mapping.concat.total, mapping.concat.part))
    if not reference or total < 2 or not 1 <= seq <= total:
        return "", 1, 1
    return reference[:LONGEST_ID], total, seq


def _small(text: str | None) -> int:
    return int(text) if text and re.fullmatch(r"\d{1,3}", text, re.ASCII) and int(text) <= 255 else 0


def _content(mapping: Messages, item: Item, header: bytes, notes: list[str]) -> Text | Binary:
    raw = item.raw(mapping.text)
    binary = bool(mapping.binary) and _holds(mapping.binary, item)
    if mapping.data is not None and (raw is None or (not raw and not mapping.binary)):
        binary = binary or bool(item.raw(mapping.data.names))
    if binary:
        if mapping.data is None:
            raise InvalidValue("a binary message, and nothing says where its data is")
        return Binary(_octets(mapping.data, item, "data"), header)
    if raw is None:
        raise InvalidValue(f"the text is missing: {mapping.text[0]}")
    return Text(storable_text(_decoded(raw, mapping.charset, item, notes)))


def _decoded(raw: str | bytes, charset: Charset, item: Item, notes: list[str]) -> str:
    if isinstance(raw, str):
        return raw
    declared = item.text(charset.names) or ""
    known = matching.charset(_ALIASES.get(declared.casefold(), declared)) if declared else None
    if declared and known is None and declared.casefold() not in _NO_CHARSET:
        notes.append(f"charset {declared[:40]!r} is not known")
    named = known or charset.default
    try:
        # Half a surrogate pair, where a part ends, is no reason to read all of it otherwise.
        text = raw.decode(named, "surrogatepass" if named.startswith("utf-16") else "strict")
    except UnicodeDecodeError:
        notes.append(f"a text is not {named}, as it should be")
        return utf8(raw)
    # A mark of the order of octets is no part of the text.
    return text.removeprefix("\ufeff")


_ALIASES = {
    "ucs-2": "utf-16be",
    "ucs2": "utf-16be",
    "utf-16": "utf-16be",
    "utf16": "utf-16be",
    "utf16-be": "utf-16be",
}
# What Kannel calls the charset of octets, and of texts that it has made UTF-8 of.
_NO_CHARSET = frozenset({"8-bit", "binary", "gsm"})
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})*")


def _octets(mapping: Octets, item: Item, what: str) -> bytes:
    raw = item.raw(mapping.names)
    if not raw:
        return b""
    if len(raw) > MOST_OCTETS:
        raise InvalidValue(f"{what} is too long")
    if mapping.written == "octets":
        octets = raw if isinstance(raw, bytes) else raw.encode("latin-1", "replace")
    else:
        text = "".join((raw if isinstance(raw, str) else raw.decode("latin-1")).split())
        octets = _plain(text, mapping.written, what)
    # Without the length that should be there it is taken as it is.
    counted = mapping.length and octets and octets[0] == len(octets) - 1
    return octets[1:] if counted else octets


def _plain(text: str, written: str, what: str) -> bytes:
    if written == "hex":
        if _HEX.fullmatch(text) is None:
            raise InvalidValue(f"{what} is not in hexadecimal digits")
        return bytes.fromhex(text)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidValue(f"{what} is not base64") from None


def _number(written: str, text: str | None) -> str:
    """A number as smsd writes it; a name or a short code stays what it is."""
    number = "".join(letter for letter in text or "" if letter.isprintable()).strip()
    if written == "address":
        local, at, _ = number.rpartition("@")
        number = (local if at else number).strip().strip('"').removeprefix("sms:").partition("?")[0]
    elif written == "digits" and re.fullmatch(r"[1-9]\d{7,14}", number, re.ASCII):
        number = f"+{number}"
    return number[:LONGEST_NUMBER]


def _id(text: str) -> str:
    if len(text) <= LONGEST_ID:
        return text
    return hashlib.sha256(text.encode()).hexdigest()


def _at(mapping: Stamp | None, item: Item) -> int | None:
    text = item.text(mapping.names) if mapping is not None else None
    return stamps.stamp(text, mapping.written, mapping.offset) if mapping is not None and text else None


# -- reports


def _report(mapping: Reports, item: Item, notes: list[str]) -> NetworkReport:
    reference = item.text(mapping.reference)
    if not reference:
        raise InvalidValue(f"the report names no message: {mapping.reference[0]} is missing")
    word = item.text(mapping.status)
    if not word:
        raise InvalidValue(f"the report says nothing: {mapping.status[0]} is missing")
    status = dict(mapping.states).get(code(word))
    if status is None:
        status = "pending"
        notes.append(f"status {word[:40]!r} is not known; taken as still under way")
    given = [word] if not mapping.detail else [item.text((name,)) or "" for name in mapping.detail]
    reason = dict(mapping.reasons).get(code(item.text(mapping.reason) or "")) if mapping.reason else None
    detail = " ".join(dict.fromkeys(part for part in (*given, reason or "") if part))
    return NetworkReport(
        reference[:LONGEST_REFERENCE],
        _number(mapping.numbers, item.text(mapping.number)),
        status,
        detail[:LONGEST_DETAIL],
        _at(mapping.time, item),
    )
