"""Files of gammu-smsd's files backend: `OUTC20261121_173659_00_+15551234567_note.txtd`, the text alone inside, and `.smsbackup`,
what gammu-smsd-inject writes.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone, tzinfo

from smsd.codec import udh
from smsd.codec.spool.values import Asked, Came, coding
from smsd.values.errors import InvalidValue
from smsd.values.message import Binary, Parameters, Priority, Text

_NAME = re.compile(
    r"OUT(?P<middle>.*)\.(?P<type>txt(?P<options>[a-z]*)|smsbackup)", re.IGNORECASE | re.DOTALL
)
_LONG = re.compile(r"(?P<priority>[A-Za-z])?\d{8}_\d{6}_\d+_(?P<number>[^_]+)(?:_.*)?", re.DOTALL)
_SECTION = re.compile(r"\[SMSBackup(\d+)\]", re.IGNORECASE)
MOST_PARTS = 255


def is_order(name: str) -> bool:
    """Whether a file of the outbox is a message."""
    return _NAME.fullmatch(name) is not None


def read(name: str, octets: bytes) -> Asked:
    """What a file of the outbox asks for. InvalidValue says what is wrong."""
    found = _NAME.fullmatch(name)
    if found is None:
        raise InvalidValue("the name is not understood: write OUT+15551234567.txt")
    long = _LONG.fullmatch(found["middle"])
    number = long["number"] if long else found["middle"].partition("_")[0]
    priority = _priority(long["priority"] if long else None)
    if found["type"].lower() == "smsbackup":
        return _backup(octets, priority)
    options = (found["options"] or "").lower()
    if unknown := options.strip("dfb"):
        raise InvalidValue(f"the option {unknown[0]!r} is not known; allowed behind .txt: d, f, b")
    if "b" in options:
        raise InvalidValue("bookmarks (option b) are not sent")
    text = _text(octets)
    if not text.strip():
        raise InvalidValue("the message is empty")
    content = Text(text)
    parameters = Parameters(priority=priority, coding=coding(content, 0) if "f" in options else None)
    return Asked(number, (content,), parameters, "d" in options)


def _priority(letter: str | None) -> Priority:
    """A to Z; the usual one is C."""
    if letter is None or letter.upper() in "CDEFGHIJKLM":
        return Priority.NORMAL
    return Priority.URGENT if letter.upper() < "C" else Priority.BULK


def _text(octets: bytes) -> str:
    if octets.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = octets[: len(octets) & ~1].decode("utf-16", "replace")
    else:
        try:
            text = octets.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = octets.decode("cp1252", "replace")
    return re.sub(r"\r?\n\Z", "", text).removesuffix("\0")


def _backup(octets: bytes, priority: Priority) -> Asked:
    sections = _sections(octets)
    if not sections:
        raise InvalidValue("there is no message in this backup")
    first = sections[0]
    number = first.get("number", "").strip('"')
    if not number:
        raise InvalidValue("there is no number in this backup")
    texts, data, header = [], bytearray(), b""
    binary = first.get("coding", "").lower().startswith("8bit")
    for section in sections:
        elements = _elements(section.get("udh", ""))
        concat = udh.concat(udh.read(elements)) if elements else None
        if concat is None:
            header = elements
        octets_ = _hex("".join(section[key] for key in sorted(section) if re.fullmatch(r"text\d+", key)))
        if binary:
            data += octets_
        else:
            texts.append(octets_)
    content: Text | Binary
    if binary:
        content = Binary(bytes(data), header)
    else:
        text = b"".join(texts).decode("utf-16-be", "replace")
        if not text.strip():
            raise InvalidValue("the message is empty")
        content = Text(text, header)
    flash = first.get("class", "-1") == "0"
    parameters = Parameters(priority=priority, coding=coding(content, 0) if flash else None)
    return Asked(number, (content,), parameters, first.get("pdu", "").lower() == "status_report")


def _sections(octets: bytes) -> list[dict[str, str]]:
    sections: list[dict[str, str]] = []
    for line in octets.decode("utf-8", "replace").splitlines():
        line = line.strip()
        if _SECTION.fullmatch(line):
            if len(sections) >= MOST_PARTS:
                raise InvalidValue(f"more than {MOST_PARTS} parts")
            sections.append({})
        elif sections and line and not line.startswith(";"):
            key, _, value = line.partition("=")
            sections[-1][key.strip().lower()] = value.strip()
    return sections


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise InvalidValue("the text of the backup is not hexadecimal") from None


def _elements(text: str) -> bytes:
    header = _hex(text)
    if header and header[0] != len(header) - 1:
        raise InvalidValue("the user data header does not begin with its length")
    try:
        udh.read(header[1:])
    except ValueError as error:
        raise InvalidValue(f"the user data header is broken: {error}") from None
    return header[1:]


def came(one: Came, zone: tzinfo | None = None, charset: str = "utf-16") -> tuple[str, bytes]:
    """Name and content of a message from a phone, for the inbox."""
    when = datetime.fromtimestamp(one.received / 1000, zone or timezone.utc).strftime("%Y%m%d_%H%M%S")
    number = re.sub(r"[^+0-9A-Za-z]", "", one.number)[:40] or "unknown"
    # The serial number keeps apart what came in the same second.
    name = f"IN{when}_{one.name % 100_000_000:08}_{number}_00"
    if isinstance(one.content, Binary):
        return f"{name}.bin", one.content.data
    if charset == "utf-16":
        return f"{name}.txt", b"\xfe\xff" + one.content.text.encode("utf-16-be")
    return f"{name}.txt", one.content.text.encode("utf-8")
