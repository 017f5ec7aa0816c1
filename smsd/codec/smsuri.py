"""Parameters of a message as people write them: in `sms:` addresses, in `/sms/` requests, in a mail's local
part.

Owns the names, spellings and limits of feature S2, the `sms:` URI of RFC 5724 (read tolerantly: `sms://`, a
bare number) and the order in which a login name is tried (feature S4). Doors split their own syntax into
(name, value) pairs, decoded once, and `read_parameters` gives them their meaning. It never normalises a
number (that is `smsd.codec.number`), never decides who may send, and never shows a password or a text, not in
a repr and not in an error.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from dataclasses import field
from typing import Any
from urllib.parse import unquote

from smsd.values.address import Address
from smsd.values.errors import InvalidValue
from smsd.values.frozen import frozen
from smsd.values.message import DEFAULT_PARAMETERS, Binary, Parameters, Priority, Text, storable

MANY_PARTS = 12
"""Above this many parts (2048 octets of payload) carriers and phones may cut: a warning."""
MOST_PARTS = 128
"""The largest `maxmsgs`."""
LONGEST_EXPIRY = 63 * 7 * 24 * 60
"""Minutes: the longest validity that TP-VP can express (3GPP TS 23.040 9.2.3.12.1)."""
LONGEST_ID = 255
"""Characters of `msgid`."""


@frozen
class Wishes:
    """What a caller asked for. `numbers` are as typed; `data` is the text, or base64 with `binary`; `udh` are
    the information elements without their length octet; `warnings` are sentences for the caller."""

    parameters: Parameters = DEFAULT_PARAMETERS
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    authenticated: bool = False
    reply: str | None = None
    msgid: str | None = None
    binary: bool = False
    udh: bytes = field(default=b"", repr=False)
    numbers: tuple[str, ...] = ()
    data: str | None = field(default=None, repr=False)
    warnings: tuple[str, ...] = ()

    def content(self, data: str) -> Text | Binary:
        """`data` as these wishes mean it: octets in base64 with `binary`, else a text with the `reply`
        address in front (`#ann@example.org# …`, the form that an answer is routed by). InvalidValue when it
        is not base64."""
        if self.binary:
            return Binary(read_base64("data", data), self.udh)
        return Text(f"#{self.reply}# {data}" if self.reply else data)

    def reply_to(self) -> Address | None:
        """The `reply` address, where answers and reports go, or None."""
        return Address("mailto", self.reply) if self.reply else None


def _bad(name: str, given: str, allowed: str) -> InvalidValue:
    shown = given if len(given) <= 40 else given[:40] + "..."
    return InvalidValue(f"{name}={shown!r} is not understood: {allowed}")


_SWITCHES = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


def _switch(name: str, given: str) -> bool:
    try:
        return _SWITCHES[given.strip().lower()]
    except KeyError:
        raise _bad(name, given, "write 1 or 0") from None


_NUMBER = re.compile(r"[0-9]{1,9}|0[xX][0-9a-fA-F]{1,4}")


def _whole(name: str, given: str, lowest: int, highest: int, hint: str = "") -> int:
    text = given.strip()
    if _NUMBER.fullmatch(text):
        value = int(text, 16) if text[:2] in ("0x", "0X") else int(text)
        if lowest <= value <= highest:
            return value
    raise _bad(name, given, f"write a whole number from {lowest} to {highest}{hint}")


def _octet(name: str, given: str) -> int:
    return _whole(name, given, 0, 255, " (or 0x00 to 0xff)")


def _parts(name: str, given: str) -> int:
    return _whole(name, given, 1, MOST_PARTS)


def _minutes(name: str, given: str) -> int:
    return _whole(name, given, 1, LONGEST_EXPIRY, " (minutes)")


_PRIORITIES = {
    "urgent": Priority.URGENT,
    "high": Priority.URGENT,
    "normal": Priority.NORMAL,
    "bulk": Priority.BULK,
    "low": Priority.BULK,
}


def _priority(name: str, given: str) -> Priority:
    try:
        return _PRIORITIES[given.strip().lower()]
    except KeyError:
        raise _bad(name, given, "write urgent, normal or bulk") from None


def _plain(name: str, given: str) -> str:
    return given.strip()


def _msgid(name: str, given: str) -> str:
    if len(given) > LONGEST_ID or not given.isprintable():
        raise _bad(name, given, f"write at most {LONGEST_ID} printable characters")
    return given


_MAILBOX = re.compile(r"[^\s@#<>,;]{1,64}@[^\s@#<>,;]{1,255}")


def _reply(name: str, given: str) -> str:
    text = given.strip()
    if text[:7].lower() == "mailto:":
        text = text[7:]
    if not _MAILBOX.fullmatch(text):
        raise _bad(name, given, "write one mail address such as ann@example.org")
    return text


def read_base64(name: str, given: str) -> bytes:
    """Octets from base64 (RFC 4648 section 4). A space is a `+` that form decoding ate; line ends are
    dropped. InvalidValue names the parameter."""
    try:
        return base64.b64decode(re.sub(r"[\r\n]", "", given).replace(" ", "+"), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidValue(
            f"{name} is not base64: encode its octets with the alphabet A-Z a-z 0-9 + / and = at the end"
        ) from None


def _udh(name: str, given: str) -> bytes:
    octets = read_base64(name, given)
    at = 0
    while at < len(octets):
        if at + 1 >= len(octets) or at + 2 + octets[at + 1] > len(octets):
            raise InvalidValue(
                f"{name} does not end with an information element: write identifier, length and data of each "
                "without the length octet of the whole header (3GPP TS 23.040 9.2.3.24)"
            )
        at += 2 + octets[at + 1]
    if at > 139:
        raise InvalidValue(f"{name} has {at} octets: a user data header has room for 139")
    return octets


_Reader = Callable[[str, str], Any]
# What becomes a field of Parameters, and what stays with the door.
_PARAMETERS: dict[str, tuple[str, _Reader]] = {
    "id": ("gateway", _plain),
    "sender": ("sender", _plain),
    "sender_required": ("sender_required", _switch),
    "maxmsgs": ("max_parts", _parts),
    "expire": ("expire_minutes", _minutes),
    "priority": ("priority", _priority),
    "pid": ("protocol_id", _octet),
    "dcs": ("coding", _octet),
}
_WISHES: dict[str, tuple[str, _Reader]] = {
    "authenticated": ("authenticated", _switch),
    "reply": ("reply", _reply),
    "msgid": ("msgid", _msgid),
    "binary": ("binary", _switch),
    "udh": ("udh", _udh),
}
# Taken as they are: a password may begin with a space, and an empty text is for the dispatcher to refuse.
_LITERAL = {"user": "user", "pass": "password", "data": "data"}
_SPELLINGS = {
    **{name: name for name in (*_PARAMETERS, *_WISHES, *_LITERAL, "number", "value")},
    "maxmsg": "maxmsgs",
    "dsc": "dcs",
    "password": "pass",
    "body": "data",
}
PARAMETER_NAMES = frozenset(_SPELLINGS)
"""Every name that means something here, in lower case."""


def _check(name: str, value: str) -> None:
    try:
        storable(value)
        storable(name)
    except InvalidValue as error:
        raise InvalidValue(f"{name[:40]!r}: {error}") from None


def read_parameters(pairs: Iterable[tuple[str, str]]) -> Wishes:
    """The meaning of decoded (name, value) pairs. An empty value means: not said; an unknown name gives a
    warning.

    InvalidValue names the parameter, what was given and what is allowed; also for one name given twice with
    two values.
    """
    given: dict[str, str] = {}
    numbers: list[str] = []
    values: list[str] = []
    warnings: list[str] = []
    bare_value = False
    for name, value in pairs:
        key = _SPELLINGS.get(name) or _SPELLINGS.get(name.lower())
        if "\0" in value or not value.isascii() or key is None:
            _check(name, value)
        if key == "number":
            numbers.extend(split_numbers(value))
        elif key == "value":
            if value:
                values.append(value)
        elif key is None:
            if bare_value:  # `value=&unicode=1`, as the documents write it, means the text `&unicode=1`
                values.append(f"&{name}={value}")
            else:
                warnings.append(f"unknown parameter {name[:40]!r} is ignored")
        elif given.setdefault(key, value) != value:
            raise InvalidValue(f"{key} is given twice with different values: give it once")
        bare_value = key == "value" and not value
    found: dict[str, Any] = {}
    chosen: dict[str, Any] = {"values": tuple(values)} if values else {}
    for key, value in given.items():
        if not value and key != "data":
            continue
        if key in _LITERAL:
            found[_LITERAL[key]] = value
        elif key in _PARAMETERS:
            attribute, read = _PARAMETERS[key]
            chosen[attribute] = read(key, value)
        else:
            attribute, read = _WISHES[key]
            found[attribute] = read(key, value)
    if found.get("udh") and not found.get("binary"):
        raise InvalidValue("udh goes with binary=1 and data in base64: a text gets its header from smsd")
    if chosen.get("max_parts", 0) > MANY_PARTS:
        warnings.append(f"maxmsgs over {MANY_PARTS}: carriers and phones may cut so long a message")
    return Wishes(
        parameters=Parameters(**chosen) if chosen else DEFAULT_PARAMETERS,
        numbers=tuple(numbers),
        warnings=tuple(warnings),
        **found,
    )


def split_numbers(text: str) -> list[str]:
    """The numbers of a list with commas, semicolons or line ends, without blanks around them; empty ones are dropped."""
    if "," not in text and ";" not in text and "\n" not in text and "\r" not in text:
        text = text.strip()
        return [text] if text else []
    return [number for piece in re.split("[,;\\r\\n]", text) if (number := piece.strip())]


def _decoded(name: str, text: str) -> str:
    if "%" not in text:
        return text
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        if name == "user":  # `john%dead.example`, a login name with % for @, is no percent-encoding
            return text
        raise InvalidValue(f"{name} is not percent-encoded UTF-8: write its octets in UTF-8") from None


def parse_local(local: str) -> tuple[str, list[tuple[str, str]]]:
    """Split `sms:+1555…?user=john%40x&pass=…`, or the same without `sms:`, into the target and its decoded
    pairs.

    The target is what stands before the `?`: one number, or several with commas. `+` is never a space (RFC
    3986, unlike forms). InvalidValue when something is percent-encoded and not UTF-8.
    """
    target, _, query = local.partition("?")
    if target[:4].lower() == "sms:":
        target = target[4:].removeprefix("//")
    pairs = []
    for piece in query.split("&"):
        if piece:
            name, _, value = piece.partition("=")
            name = _decoded("a parameter's name", name)
            pairs.append((name, _decoded(name.lower(), value)))
    return _decoded("number", target).strip(), pairs


def parse_uri(text: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Read a whole `sms:` URI (RFC 5724): its numbers (at least one) and its pairs, where `body` is the text.

    InvalidValue when it is no `sms:` URI or names nobody.
    """
    if text.strip()[:4].lower() != "sms:":
        raise InvalidValue("no sms: address: write sms:+15551234567")
    target, pairs = parse_local(text.strip())
    numbers = split_numbers(target)
    if not numbers:
        raise InvalidValue("the sms: address has no number: write sms:+15551234567")
    return numbers, pairs


# Also as RFC 6533 spells ORCPT. What ends it: the next parameter, or the domain.
_PASSWORD = re.compile(r"([?&]pass(?:word)?(?:=|\\x\{3D\}))[^&]*?(?=&|\"?@[^@&]*$|$)", re.I)


def concealed(address: str) -> str:
    """An address that may have a password in it, for records and reports."""
    return _PASSWORD.sub(r"\1***", address) if "pass" in address.lower() else address


def login_names(name: str, percent_option: bool) -> list[str]:
    """The names to try for one that a client gave: literally, then (with the option) its last `%` or `/` as
    `@`, then percent-decoded (feature S4). Without repetitions."""
    names = [name]
    if percent_option and "@" not in name:
        at = max(name.rfind("%"), name.rfind("/"))
        if at > 0:
            names.append(f"{name[:at]}@{name[at + 1 :]}")
    decoded = _decoded("user", name)
    if decoded not in names:
        names.append(decoded)
    return names
