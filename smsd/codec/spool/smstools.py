"""Files of SMSTools3: headers, an empty line, the text. Its headers mean here what its manual says, save what only concerns its
modems (SMSC, Retries, Voicecall …), which is left unread, as are headers that nobody knows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timezone, tzinfo

from smsd.codec import gsm7, segment, udh
from smsd.codec.dcs import Alphabet
from smsd.codec.spool.values import Asked, Came, coding
from smsd.values.errors import InvalidValue
from smsd.values.frozen import frozen
from smsd.values.message import Binary, Parameters, Priority, Text

MOST_HEADERS = 100
_YES, _NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0", "")
_UNITS = {"min": 1, "hour": 60, "day": 1440, "week": 10080, "month": 43200, "year": 525600}
_LONGEST = 525_600
_HEX = re.compile(rb"[0-9A-Fa-f]{2}")

Include = Callable[[str], bytes]


def read(octets: bytes, include: Include | None = None) -> Asked:
    """What a file of the folder `outgoing` asks for. `include` reads the file that it names. InvalidValue says what is wrong."""
    headers, body = _split(octets)
    number, kind = _number(headers)
    if "include" in headers:
        if include is None:
            raise InvalidValue("Include: other files are not read here")
        body = include(headers["include"])
    content = _content(headers, body)
    parameters = _parameters(headers, content)
    return Asked(
        _dialled(number, kind),
        _split_up(content, headers.get("autosplit", "3")),
        parameters,
        _switch(headers, "report"),
        headers.get("provider") or headers.get("queue") or "",
    )


def _split(octets: bytes) -> tuple[dict[str, str], bytes]:
    """Headers by their name in small letters, and the body."""
    headers: dict[str, str] = {}
    at = 3 if octets.startswith(b"\xef\xbb\xbf") else 0
    while at < len(octets):
        end = octets.find(b"\n", at)
        line, at = (octets[at:], len(octets)) if end < 0 else (octets[at:end], end + 1)
        line = line.rstrip(b"\r")
        if not line.strip():
            break
        name, colon, value = line.partition(b":")
        if not colon:
            raise InvalidValue(
                f"{line[:40].decode('latin-1')!r} is no header: write To: and the number, an empty line, and the text"
            )
        if len(headers) >= MOST_HEADERS:
            raise InvalidValue(f"more than {MOST_HEADERS} headers")
        try:
            shown = value.decode("utf-8")
        except UnicodeDecodeError:
            shown = value.decode("iso-8859-15")
        headers[name.decode("latin-1").strip().lower()] = shown.strip()
    return headers, octets[at:]


def _switch(headers: Mapping[str, str], name: str, usual: bool = False) -> bool:
    value = headers.get(name)
    if value is None:
        return usual
    if value.lower() in _YES:
        return True
    if value.lower() in _NO:
        return False
    raise InvalidValue(f"{name.title()}: {value[:20]!r} is not possible; allowed: yes, no")


def _number(headers: Mapping[str, str]) -> tuple[str, str]:
    to = headers.get("to", "")
    if not to:
        raise InvalidValue("there is no To: write To: and the number in the first line")
    if "," in to or ";" in to:
        raise InvalidValue("To: has several numbers: write a file for each of them")
    kind = headers.get("to_toa", "").lower()
    if to[:1] in ("s", "S"):
        return to[1:], "short"
    return to, kind


def _dialled(number: str, kind: str) -> str:
    """SMSTools writes international numbers without a plus; 0 begins a national one."""
    digits = re.sub(r"[\s().\-/]", "", number)
    if (
        digits.isascii()
        and digits.isdigit()
        and len(digits) > 6
        and digits[0] != "0"
        and kind in ("", "international")
    ):
        return f"+{digits}"
    return number


def _content(headers: Mapping[str, str], body: bytes) -> Text | Binary:
    alphabet = headers.get("alphabet", "").lower()
    if _switch(headers, "binary"):  # of version 2
        alphabet = "binary"
    data = _octets(headers["udh-data"], "UDH-DATA") if headers.get("udh-data") else b""
    elements = _elements(data) if data else b""
    if alphabet.startswith("bin"):
        octets = _hex(body, "the text") if _switch(headers, "hex") else body
        if not data and _switch(headers, "udh", True):
            length = octets[0] + 1 if octets else 0
            if not octets or length > len(octets):
                raise InvalidValue(
                    "the octets do not begin with a user data header: write UDH: no when there is none"
                )
            elements, octets = _elements(octets[:length]), octets[length:]
        if not octets and not elements:
            raise InvalidValue("the message is empty")
        return Binary(octets, elements)
    text = _text(alphabet, body).rstrip()
    if not text:
        raise InvalidValue("the message is empty")
    return Text(text, elements)


def _text(alphabet: str, body: bytes) -> str:
    if alphabet.startswith(("ucs", "chi", "uni")):
        if body.startswith(b"\xff\xfe"):
            return body[2 : len(body) & ~1].decode("utf-16-le", "replace")
        return body[: len(body) & ~1].decode("utf-16-be", "replace").removeprefix("\ufeff")
    if alphabet.startswith("gsm"):
        return _septets(body)
    if alphabet.startswith(("iso", "lat", "ans")):
        return body.decode("iso-8859-15")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        if alphabet.startswith("utf"):
            raise InvalidValue(f"octet {error.start + 1} of the text is no UTF-8") from None
        if alphabet:
            raise InvalidValue(
                f"Alphabet: {alphabet[:20]!r} is not known; allowed: ISO, UTF-8, UCS2, GSM, binary"
            ) from None
        return body.decode("iso-8859-15")


def _septets(body: bytes) -> str:
    """A text whose octets are the positions of the GSM alphabet."""
    try:
        return gsm7.text(bytes(octet & 0x7F for octet in body.rstrip(b"\r\n")))
    except ValueError as error:
        raise InvalidValue(f"the text is no GSM alphabet: {error}") from None


def _hex(body: bytes, what: str) -> bytes:
    bare = b"".join(body.split())
    if len(bare) % 2 or not all(map(_HEX.fullmatch, (bare[at : at + 2] for at in range(0, len(bare), 2)))):
        raise InvalidValue(f"{what} is not hexadecimal: write pairs like 0A FF")
    return bytes.fromhex(bare.decode())


def _octets(text: str, what: str) -> bytes:
    return _hex(text.encode("utf-8"), what)


def _elements(header: bytes) -> bytes:
    """The information elements of a user data header with its length octet."""
    if header[0] != len(header) - 1:
        raise InvalidValue("the user data header does not begin with its length")
    try:
        udh.read(header[1:])
    except ValueError as error:
        raise InvalidValue(f"the user data header is broken: {error}") from None
    return header[1:]


def _parameters(headers: Mapping[str, str], content: Text | Binary) -> Parameters:
    octet = None
    if _switch(headers, "flash"):
        octet = coding(content, 0)
    elif headers.get("class", "").isdigit():
        octet = coding(content, int(headers["class"]) & 3)
    protocol = 0
    replace = headers.get("replace", "")
    if replace:
        if replace not in tuple("1234567"):
            raise InvalidValue(f"Replace: {replace[:20]!r} is not possible; allowed: 1 to 7")
        protocol = 0x40 + int(replace)
    if _switch(headers, "ping"):
        protocol = 0x40
    high = headers.get("priority", "").lower()
    return Parameters(
        max_parts=1 if headers.get("autosplit") == "0" else None,
        expire_minutes=_validity(headers.get("validity", "")),
        priority=Priority.URGENT if high == "high" or high in _YES else Priority.NORMAL,
        protocol_id=protocol,
        coding=octet,
    )


def _validity(text: str) -> int | None:
    """Minutes; a number alone is a relative TP-VP (TS 23.040 9.2.3.12.1)."""
    if not text:
        return None
    found = re.fullmatch(r"(\d{1,6})\s*([a-z]*)", text.lower())
    if found is None:
        raise InvalidValue(f"Validity: {text[:20]!r} is not understood: write 12 hours, or 0 to 255")
    n, unit = int(found[1]), found[2]
    if not unit:
        if n > 255:
            raise InvalidValue("Validity: a number alone is 0 to 255: write 12 hours")
        if n < 168:
            return (n + 1) * 5 if n < 144 else 720 + (n - 143) * 30
        return min((n - 166) * 1440 if n < 197 else (n - 192) * 10080, _LONGEST)
    for name, each in _UNITS.items():
        if unit.startswith(name):
            return max(1, min(n * each, _LONGEST))
    raise InvalidValue(f"Validity: the unit {unit[:20]!r} is not known; allowed: {', '.join(_UNITS)}")


def _split_up(content: Text | Binary, mode: str) -> tuple[Text | Binary, ...]:
    """Autosplit: 0 the first SMS only, 1 several of them, 2 the same with numbers, 3 one long message."""
    if mode not in ("0", "1", "2", "3"):
        raise InvalidValue(f"Autosplit: {mode[:10]!r} is not possible; allowed: 0 to 3")
    if mode in ("0", "3") or isinstance(content, Binary):
        return (content,)
    plan = segment.plan_text(content.text, elements=content.header)
    if plan.total == 1:
        return (content,)
    alphabet = Alphabet(plan.alphabet)
    front = 0 if mode == "1" else 6  # "99/99 "
    texts = _cut(content.text, alphabet, content.header, front)
    if mode == "2":
        texts = [f"{n}/{len(texts)} {text}" for n, text in enumerate(texts, 1)]
    return tuple(Text(text, content.header) for text in texts)


def _cut(text: str, alphabet: Alphabet, elements: bytes, front: int) -> list[str]:
    """Texts of one SMS each, with room for so many more characters."""
    made = []
    while text:
        size = min(len(text), 160)
        while segment.plan_text("0" * front + text[:size], alphabet=alphabet, elements=elements).total > 1:
            size -= 1
        made.append(text[:size])
        text = text[size:]
        if len(made) > 99:
            raise InvalidValue("the text needs more than 99 SMS: make it shorter")
    return made


# -- what is written


@frozen
class Fate:
    """What became of a file's message, for its headers. `at`: milliseconds UTC."""

    failed: str
    at: int
    gateway: str
    reference: str


def _when(milliseconds: int, zone: tzinfo | None) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, zone or timezone.utc).strftime("%y-%m-%d %H:%M:%S")


def _value(text: str) -> str:
    return " ".join(text.split())


def told(octets: bytes, fate: Fate, zone: tzinfo | None = None) -> bytes:
    """The file as it lies in `sent` or `failed`: with what became of it among its headers."""
    lines = []
    if fate.gateway:
        lines.append(f"Modem: {_value(fate.gateway)}")
    if fate.failed:
        lines += [f"Fail_reason: {_value(fate.failed)}", f"Failed: {_when(fate.at, zone)}"]
    else:
        lines.append(f"Sent: {_when(fate.at, zone)}")
        if fate.reference:
            lines.append(f"Message_id: {_value(fate.reference)}")
    added = "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
    found = re.search(rb"\r?\n[ \t]*\r?\n", octets)
    if found is None:
        return octets + (b"" if octets.endswith(b"\n") or not octets else b"\n") + added
    return octets[: found.start()] + b"\n" + added + octets[found.end() - 1 :]


def came(one: Came, zone: tzinfo | None = None, charset: str = "iso") -> bytes:
    """A message from a phone, for the folder `incoming`. Texts are ISO 8859-15 where that is possible, else UCS-2, as
    SMSTools3 writes them; or all in UTF-8 (its `incoming_utf8`)."""
    more = ""
    if isinstance(one.content, Text):
        alphabet, body = _written(one.content.text, charset)
        length = len(body) // 2 if alphabet == "UCS2" else len(one.content.text)
    else:
        alphabet, body, length = "binary", one.content.data, len(one.content.data)
        if one.content.header:
            data = bytes([len(one.content.header), *one.content.header])
            more = f"UDH-DATA: {data.hex(' ').upper()} \n"
    head = _head(one.number, one.gateway, one.sent or one.received, one.received, zone)
    head += f"Alphabet: {alphabet}\n{more}Length: {length}\n\n"
    return head.encode("utf-8", "replace") + body


def _written(text: str, charset: str) -> tuple[str, bytes]:
    """A text for a file, and what its alphabet is called."""
    if charset == "utf-8":
        return "UTF-8", text.encode("utf-8", "replace")
    try:
        return "ISO", text.encode("iso-8859-15")
    except UnicodeEncodeError:
        return "UCS2", text.encode("utf-16-be", "replace")


def _head(number: str, gateway: str, sent: int, received: int, zone: tzinfo | None) -> str:
    """What is the same for messages and reports. Who serves the phone, and which SIM it was, nobody has told us."""
    if number.startswith("+"):
        kind = "91 international, ISDN/telephone"
    else:
        bare = number.isascii() and number.isdigit()
        kind = "81 unknown, ISDN/telephone" if bare else "D0 alphanumeric, unknown"
    return (
        f"From: {_value(number.removeprefix('+'))}\nFrom_TOA: {kind}\nFrom_SMSC: \nSent: {_when(sent, zone)}\n"
        f"Received: {_when(received, zone)}\nSubject: {gateway}\nModem: {gateway}\nReport: no\n"
    )


STATUSES = {
    "delivered": "0,Ok,short message received by the SME",
    "expired": "70,Error,SM validity period expired",
    "failed": "64,Error,remote procedure error",
    "buffered": "32,Still trying,congestion",
}


def report(
    number: str, gateway: str, event: str, at: int, reference: str, zone: tzinfo | None = None
) -> bytes:
    """What a network has reported, for the folder `report`."""
    body = (
        f"SMS STATUS REPORT\nMessage_id: {_value(reference)}\nDischarge_timestamp: {_when(at, zone)}\n"
        f"Status: {STATUSES.get(event, STATUSES['failed'])}"
    )
    head = _head(number, gateway, at, at, zone)
    return f"{head}Alphabet: ISO\nLength: {len(body)}\nUDH: no\n\n{body}".encode("utf-8", "replace")
