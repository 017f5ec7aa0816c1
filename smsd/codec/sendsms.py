"""Kannel's sendsms: its fields, as octets, and what they mean.

Octets stay octets until `coding` and `charset` are known: a text in Kannel is whatever they say it is. What is wrong is said in
Kannel's own words, where it has some. Reads queries and forms, the headers `X-Kannel-…`, and Kannel's XML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes
from xml.parsers import expat

from smsd.codec import gsm7, udh
from smsd.codec.dcs import Alphabet, Dcs
from smsd.codec.kannel import MASK, Facts, fill, is_charset
from smsd.codec.smsuri import LONGEST_EXPIRY
from smsd.codec.weburl import read_url
from smsd.values.errors import InvalidValue, storable
from smsd.values.frozen import frozen
from smsd.values.message import Binary, Parameters, Priority, Text

Fields = Mapping[str, bytes]

MOST_FIELDS = 200
LONGEST_URL = 2_000
LONGEST_DEFERRAL = 366 * 24 * 60
"""Minutes."""
_MOST_DEPTH = 20

_PLUS = re.compile(rb"(?:^|(?<=%20)|(?<=\+))\+(?=[1-9])")
_INTEGER = re.compile(rb"\s*([+-]?[0-9]{1,9})")
_NUMBER = re.compile(r"[0-9 +-]*")
_UNDEFINED = -1
_CHARSETS = {
    "ucs-2": "utf-16-be", "ucs2": "utf-16-be", "ucs-2be": "utf-16-be", "iso-10646-ucs-2": "utf-16-be", "utf-16": "utf-16-be",
}  # fmt: skip


@frozen
class Sendsms:
    """A message as a client of Kannel hands it in. `deferred` are minutes; `facts` is what escapes of `dlr_url` may need."""

    to: tuple[str, ...]
    content: Text | Binary
    parameters: Parameters
    mask: int = 0
    dlr_url: str = ""
    deferred: int = 0
    facts: Facts = Facts()


# -- fields


def read_form(query: bytes) -> dict[str, bytes]:
    """The fields of a URL's query or a form; of one that is there twice the first counts, as in Kannel."""
    fields: dict[str, bytes] = {}
    for pair in query.split(b"&", MOST_FIELDS)[:MOST_FIELDS]:
        name, _, value = pair.partition(b"=")
        if name == b"to":
            # A raw plus in front of a number is meant as one, although a form means a blank by it; between numbers it is a blank.
            value = _PLUS.sub(b"%2B", value)
        fields.setdefault(_unquoted(name).decode("latin-1"), _unquoted(value))
    return fields


def _unquoted(octets: bytes) -> bytes:
    return unquote_to_bytes(octets.replace(b"+", b" "))


_HEADERS = {
    "x-kannel-username": "username", "x-kannel-password": "password", "x-kannel-from": "from", "x-kannel-to": "to",
    "x-kannel-smsc": "smsc", "x-kannel-udh": "udh", "x-kannel-pid": "pid", "x-kannel-alt-dcs": "alt-dcs",
    "x-kannel-mclass": "mclass", "x-kannel-mwi": "mwi", "x-kannel-coding": "coding", "x-kannel-compress": "compress",
    "x-kannel-validity": "validity", "x-kannel-deferred": "deferred", "x-kannel-dlr-url": "dlr-url",
    "x-kannel-dlr-mask": "dlr-mask", "x-kannel-rpi": "rpi", "x-kannel-account": "account", "x-kannel-binfo": "binfo",
    "x-kannel-priority": "priority", "x-kannel-meta-data": "meta-data",
}  # fmt: skip
HEADERS = tuple(_HEADERS)
"""The headers that are fields, in lower case."""


def read_headers(headers: Iterable[tuple[str, str]], body: bytes, content_type: str) -> dict[str, bytes]:
    """The fields of a POST whose body is the message and whose headers say the rest (text/plain, application/octet-stream)."""
    fields = {_HEADERS[name]: value.strip().encode() for name, value in headers if name in _HEADERS}
    if "udh" in fields:
        fields["udh"] = _hex(fields["udh"])
    kind, _, rest = content_type.partition(";")
    if kind.strip().lower() == "application/octet-stream":
        fields.setdefault("coding", b"1")
    charset = re.search(r'charset\s*=\s*"?([^\s;"]+)', rest, re.IGNORECASE)
    if charset:
        fields["charset"] = charset[1].encode()
    return {**fields, "text": body}


def _hex(octets: bytes) -> bytes:
    try:
        return bytes.fromhex(octets.decode("ascii"))
    except ValueError:
        raise InvalidValue("UDH field misformed, rejected") from None


_PATHS = {
    "from/user": "username", "from/username": "username", "from/pass": "password", "from/password": "password",
    "from/account": "account", "from/binfo": "binfo", "oa/number": "from", "da/number": "to", "udh": "udh", "smsc": "smsc",
    "to": "smsc", "pid": "pid", "rpi": "rpi", "dcs/mclass": "mclass", "dcs/mwi": "mwi", "dcs/coding": "coding",
    "dcs/compress": "compress", "dcs/alt-dcs": "alt-dcs", "vp/delay": "validity", "timing/delay": "deferred",
    "statusrequest/dlr-mask": "dlr-mask", "statusrequest/dlr-url": "dlr-url", "priority": "priority", "meta-data": "meta-data",
    "ud": "text",
}  # fmt: skip


def read_xml(body: bytes) -> dict[str, bytes]:
    """The fields of Kannel's XML (`<message><submit>…`). The text is in UTF-8 then, whatever the document was in."""
    found: dict[str, list[str]] = {}
    path: list[str] = []
    binary = False

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal binary
        path.append(name)
        if len(path) > _MOST_DEPTH:
            raise InvalidValue("the XML is nested too deeply")
        if (field := _PATHS.get("/".join(path[2:]))) is not None and path[:2] == ["message", "submit"]:
            found.setdefault(field, []).append("")
            binary = binary or (field == "text" and attributes.get("type", "").lower() == "binary")

    def text(data: str) -> None:
        if (field := _PATHS.get("/".join(path[2:]))) is not None and field in found:
            found[field][-1] += data

    def doctype(*_: Any) -> None:
        raise InvalidValue("a document type (<!DOCTYPE …>) is not taken: leave it out")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.CharacterDataHandler = start, text
    parser.EndElementHandler = lambda _: path.pop() and None
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(body, True)
    except InvalidValue:
        raise
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise InvalidValue(f"the XML cannot be read: {error}") from None
    fields = {field: " ".join(values).strip().encode() for field, values in found.items()}
    if "udh" in fields:
        fields["udh"] = _udh_of_xml(fields["udh"])
    if "text" in fields:
        fields["text"] = (
            _hex(fields["text"]) if binary else unquote_to_bytes(fields["text"].replace(b"+", b" "))
        )
        fields["charset"] = b"UTF-8"
    return fields


def _udh_of_xml(octets: bytes) -> bytes:
    return unquote_to_bytes(octets) if b"%" in octets else _hex(octets)


# -- what they mean


def read(fields: Fields, smsc: Mapping[str, str] | None = None) -> Sendsms:
    """The message; InvalidValue in Kannel's words. `smsc` maps Kannel's names of SMSCs to gateways ("": any); "*" stands for those
    that it does not name."""
    mask = _number(fields, "dlr-mask", -1, 66, "DLR-Mask")
    deferred = _number(fields, "deferred", -1, LONGEST_DEFERRAL, "Deferred")
    validity = _number(fields, "validity", -1, 10**9, "Validity")
    if 0 < validity <= deferred:
        raise InvalidValue("Validity field misformed, rejected: it would be over before the deferred time is")
    priority = _number(fields, "priority", -1, 3, "Priority")
    url = _dlr_url(fields)
    content, coding = _content(fields)
    sender = _text(fields, "from")
    named = _text(fields, "smsc")
    gateway = _gateway(named, smsc or {}) if named else ""
    return Sendsms(
        to=_receivers(fields),
        content=content,
        parameters=Parameters(
            gateway=gateway or None, sender=sender or None, coding=coding,
            expire_minutes=min(validity, LONGEST_EXPIRY) if validity > 0 else None,
            priority=Priority.URGENT if priority > 0 else Priority.NORMAL,
            protocol_id=max(_number(fields, "pid", -1, 255, "PID"), 0),
        ),
        mask=max(mask, 0) & MASK if url else 0,
        dlr_url=url,
        deferred=max(deferred, 0),
        facts=Facts(
            receiver=sender, account=_text(fields, "account"), billing=_text(fields, "binfo"), meta=_text(fields, "meta-data")
        ),
    )  # fmt: skip


def _gateway(named: str, smsc: Mapping[str, str]) -> str:
    return smsc.get(named, smsc.get("*", named))


def _receivers(fields: Fields) -> tuple[str, ...]:
    if "to" not in fields:
        raise InvalidValue("Missing receiver number, rejected")
    numbers = _text(fields, "to").split()
    if not numbers:
        raise InvalidValue("Empty receiver number not allowed, rejected")
    return tuple(numbers)


def dialled(number: str) -> bool:
    """Whether Kannel would take this for a receiver (its sendsms-chars)."""
    return _NUMBER.fullmatch(number) is not None


def _text(fields: Fields, name: str) -> str:
    try:
        return storable(fields.get(name, b"").decode("utf-8").strip())
    except (UnicodeDecodeError, InvalidValue):
        raise InvalidValue(f"{name} is not UTF-8: encode it so") from None


def _number(fields: Fields, name: str, lowest: int, highest: int, title: str) -> int:
    """A number as Kannel reads it: what is none counts as not given."""
    found = _INTEGER.match(fields.get(name, b""))
    number = _UNDEFINED if found is None else int(found[1])
    if not lowest <= number <= highest:
        raise InvalidValue(f"{title} field misformed, rejected")
    return number


def _dlr_url(fields: Fields) -> str:
    url = _text(fields, "dlr-url")
    if url:
        try:
            if len(url) > LONGEST_URL:
                raise InvalidValue("too long")
            read_url(fill(url, Facts()))
        except InvalidValue:
            raise InvalidValue("DLR-URL field misformed, rejected") from None
    return url


def _header(fields: Fields) -> bytes:
    """The information elements of `udh`, which Kannel has with their length octet."""
    octets = fields.get("udh", b"")
    if len(octets) > 140:
        raise InvalidValue("UDH field is too long, rejected")
    if octets and (octets[0] != len(octets) - 1 or udh.write(udh.read(octets[1:])) != octets[1:]):
        raise InvalidValue("UDH field misformed, rejected")
    return octets[1:]


def _content(fields: Fields) -> tuple[Text | Binary, int | None]:
    """The message and its TP-DCS (None: whatever the text needs)."""
    header = _header(fields)
    coding = _number(fields, "coding", -1, 2, "Coding")
    message_class = _number(fields, "mclass", -1, 3, "MClass")
    waiting = _number(fields, "mwi", -1, 7, "MWI")
    alternative = _number(fields, "alt-dcs", -1, 1, "Alt-DCS") == 1
    _number(fields, "rpi", -1, 2, "RPI")
    if _number(fields, "compress", -1, 1, "Compress") == 1:
        raise InvalidValue(
            "Compress field misformed, rejected: compressed messages are not sent, leave compress away"
        )
    octets = fields.get("text", b"")
    if coding == _UNDEFINED:
        coding = 1 if header else 0
    if coding == 1:
        return Binary(octets, header), _dcs(Alphabet.OCTETS, message_class, _UNDEFINED, alternative)
    text = _decoded(octets, fields.get("charset", b"") or (b"UTF-16BE" if coding == 2 else b"UTF-8"))
    if coding == 2:
        return Text(text, header), _dcs(Alphabet.UCS2, message_class, waiting, False)
    if message_class == _UNDEFINED and waiting == _UNDEFINED:
        return Text(text, header), None
    try:
        gsm7.septets(text)
    except gsm7.Unencodable:
        return Text(text, header), _dcs(Alphabet.UCS2, message_class, waiting, False)
    return Text(text, header), _dcs(Alphabet.GSM7, message_class, waiting, alternative)


def _dcs(alphabet: Alphabet, message_class: int, waiting: int, alternative: bool) -> int:
    """The octet for an alphabet with a class or a message waiting indication; `alternative`: class in the group F."""
    if waiting != _UNDEFINED:
        group = 0xE0 if alphabet is Alphabet.UCS2 else 0xD0
        return group | (0 if waiting & 4 else 8) | waiting & 3
    if message_class == _UNDEFINED:
        return Dcs.octet(alphabet)
    if alternative:
        return 0xF0 | (4 if alphabet is Alphabet.OCTETS else 0) | message_class
    return Dcs.octet(alphabet, message_class)


def _decoded(octets: bytes, charset: bytes) -> str:
    name = charset.decode("latin-1").strip().lower()[:40]
    name = _CHARSETS.get(name, name)
    try:
        if not is_charset(name):
            raise LookupError
        return storable(octets.decode(name))
    except (LookupError, ValueError):  # InvalidValue and UnicodeDecodeError are ValueErrors
        raise InvalidValue("Charset or body misformed, rejected") from None
