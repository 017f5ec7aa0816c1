"""The grammar that all headers share (RFC 3261 section 25): tokens, quoted strings, lists, parameters, names of headers.

Every pattern is linear in what it reads: a stranger chooses the octets.
"""

from __future__ import annotations

import ipaddress
import re

from smsd.codec.sip.errors import Malformed

Pairs = tuple[tuple[str, str], ...]

MOST_VALUES = 256
"""Values in one header, and parameters of one value."""

TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
HOST = re.compile(r"\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_](?:[A-Za-z0-9._\-]{0,254})")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_TO_ESCAPE = re.compile(r'(["\\])')
_SEPARATE = re.compile(r'[",<]')
_PARAMETER = re.compile(
    r""";[ \t]*([A-Za-z0-9\-.!%*_+`'~]+)[ \t]*(?:=[ \t]*("(?:[^"\\]|\\.)*"|[^ \t;",<>=]*)[ \t]*)?""",
    re.DOTALL,
)
_VALUE = re.compile(
    r"[A-Za-z0-9\-.!%*_+`'~]+|\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f.]*"
)
"""What stands without quotes: a token, or an address of IPv6 (received)."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SURROGATE = re.compile("[\ud800-\udfff]")

_LONG = {
    "a": "Accept-Contact", "b": "Referred-By", "c": "Content-Type", "d": "Request-Disposition", "e": "Content-Encoding",
    "f": "From", "i": "Call-ID", "j": "Reject-Contact", "k": "Supported", "l": "Content-Length", "m": "Contact",
    "o": "Event", "r": "Refer-To", "s": "Subject", "t": "To", "u": "Allow-Events", "v": "Via", "x": "Session-Expires",
    "y": "Identity",
}  # fmt: skip
_ODD = ("Call-ID", "CSeq", "MIME-Version", "WWW-Authenticate", "RAck", "RSeq", "SIP-ETag", "SIP-If-Match")
_NAMES = {**_LONG, **{name.lower(): name for name in _ODD}}
_COMMON = (
    *_LONG.values(), *_ODD, "Accept", "Allow", "Authorization", "Date", "Expires", "Max-Forwards", "Min-Expires",
    "P-Asserted-Identity", "Priority",
    "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Require", "Record-Route", "Require", "Retry-After", "Route", "Server",
    "Unsupported", "User-Agent", "Warning",
)  # fmt: skip
KNOWN = {name: name for name in _COMMON}
"""Spellings that need no thought; `KNOWN.get(name) or long_name(name)` where every message comes along."""


def long_name(name: str) -> str:
    """The usual long form of a header's name, whatever case or compact form it was written in; Malformed when it is no name."""
    found = KNOWN.get(name)
    if found is not None:
        return found
    bare = name.rstrip(" \t")
    if not TOKEN.fullmatch(bare):
        raise Malformed("a header line has no proper name")
    lower = bare.lower()
    return _NAMES.get(lower) or "-".join([part.capitalize() for part in lower.split("-")])


def readable(text: str) -> str:
    """`text` for logs, texts and stores: what was not UTF-8 shows as U+FFFD, control characters as blanks."""
    if text.isprintable():  # nearly always, and it takes no time to see
        return text
    if not text.isascii():
        text = _SURROGATE.sub("\ufffd", text)
    return _CONTROL.sub(" ", text)


def unquoted(text: str) -> str:
    """The inside of a quoted string; what is not quoted as it is."""
    if text[:1] != '"':
        return text
    return _ESCAPED.sub(r"\1", text[1:-1]) if "\\" in text else text[1:-1]


def quoted(text: str) -> str:
    """As a quoted string."""
    return '"' + _TO_ESCAPE.sub(r"\\\1", text) + '"'


def is_token(text: str) -> bool:
    """Whether it can stand without quotes."""
    return TOKEN.fullmatch(text) is not None


def listed(value: str) -> list[str]:
    """The values of a header that lists them: commas inside quotes and angle brackets do not count. Malformed above MOST_VALUES."""
    if "," not in value:
        return [value]
    values, start, position = [], 0, 0
    while (found := _SEPARATE.search(value, position)) is not None:
        position = found.end()
        if found[0] == '"':
            end = QUOTED.match(value, found.start())
            if end is None:
                raise Malformed("a quoted string does not end")
            position = end.end()
        elif found[0] == "<":
            position = value.find(">", position) + 1
            if not position:
                raise Malformed("an <address> does not end")
        else:
            values.append(value[start : found.start()].strip(" \t"))
            start = position
            if len(values) >= MOST_VALUES:
                raise Malformed(f"a header has more than {MOST_VALUES} values")
    values.append(value[start:].strip(" \t"))
    return values


def parameters(text: str) -> Pairs:
    """The parameters of `;name=value;name…`: names in lower case, values without quotes, "" for none; Malformed."""
    pairs: list[tuple[str, str]] = []
    position = 0
    while position < len(text):
        found = _PARAMETER.match(text, position)
        if found is None or len(pairs) >= MOST_VALUES:
            raise Malformed("the parameters of a header cannot be read")
        value = found[2] or ""
        pairs.append((found[1].lower(), unquoted(value) if value[:1] == '"' else value))
        position = found.end()
    return tuple(pairs)


def written(pairs: Pairs) -> str:
    """Parameters as they stand in a header."""
    return "".join(
        [
            f";{name}" if not value else f";{name}={value if _VALUE.fullmatch(value) else quoted(value)}"
            for name, value in pairs
        ]
    )


def host(text: str) -> str:
    """A host in lower case and without brackets; Malformed when it is none."""
    if HOST.fullmatch(text) is None:
        raise Malformed("a host name is none")
    if text[0] != "[":
        return text.lower()
    try:
        return str(ipaddress.IPv6Address(text[1:-1]))
    except ValueError:
        raise Malformed("an address in [brackets] is not of IPv6") from None


def bracketed(name: str) -> str:
    """A host as it stands in a URI or a Via."""
    return f"[{name}]" if ":" in name else name


def port(text: str) -> int:
    """A port; Malformed when it is none."""
    if (
        not 1 <= len(text) <= 5
        or not text.isascii()
        or not text.isdigit()
        or not 0 < (number := int(text)) < 65_536
    ):
        raise Malformed("a port is not between 1 and 65535")
    return number
