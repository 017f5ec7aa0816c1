"""SIP, SIPS and TEL URIs (RFC 3261 section 19.1, RFC 3966): read and written."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

from smsd.codec.sip.errors import Malformed
from smsd.codec.sip.grammar import HOST, bracketed, host, port
from smsd.codec.sip.grammar import Pairs as Pairs
from smsd.values.frozen import frozen

LONGEST = 8_192
_MOST_PARTS = 64

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]{0,63}")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f<>\"]")
_HOST_PORT = re.compile(rf"({HOST.pattern})(?::([0-9]{{1,5}}))?")
_NUMBER = re.compile(r"\+?[0-9A-Fa-f*#]{1,200}")
_VISUAL = str.maketrans("", "", "-.()")

_IN_USER = "-_.!~*'()&=+$,;?/"
_IN_PASSWORD = "-_.!~*'()&=+$,"
_IN_PARAMETER = "-_.!~*'()[]/:&+$"
_IN_HEADER = "-_.!~*'()[]/?:+$"


@frozen
class Uri:
    """A `sip:`, `sips:` or `tel:` URI. `scheme` and `host` in lower case; `user` decoded (the number of a `tel:` without visual
    separators, host empty then); an IPv6 host without its brackets. `parameters` (names in lower case, "" for no value) and
    `headers` decoded, in order."""

    scheme: str
    user: str
    host: str
    port: int | None = None
    parameters: Pairs = ()
    headers: Pairs = ()
    password: str = ""

    def parameter(self, name: str) -> str | None:
        """The value of a parameter ("" when it has none), None when it is not there."""
        for key, value in self.parameters:
            if key == name:
                return value
        return None

    @property
    def address(self) -> str:
        """`user@host` without port and parameters, `host` alone without user; a tel's number."""
        if self.scheme == "tel":
            return self.user
        return f"{self.user}@{bracketed(self.host)}" if self.user else bracketed(self.host)

    def __str__(self) -> str:
        """As it stands in a request line; Malformed for what no URI can hold."""
        parts = [self.scheme, ":"]
        if self.scheme == "tel":
            if _NUMBER.fullmatch(self.user) is None:
                raise Malformed("a tel: URI needs a number")
            parts.append(self.user)
        else:
            if self.user:
                parts.append(_quoted(self.user, _IN_USER))
                if self.password:
                    parts += (":", _quoted(self.password, _IN_PASSWORD))
                parts.append("@")
            parts.append(bracketed(self.host))
            host(parts[-1])
            if self.port is not None:
                parts.append(f":{port(str(self.port))}")
        for name, value in self.parameters:
            parts += (
                ";",
                _quoted(name, _IN_PARAMETER),
                *(("=", _quoted(value, _IN_PARAMETER)) if value else ()),
            )
        for number, (name, value) in enumerate(self.headers):
            parts += ("&" if number else "?", _quoted(name, _IN_HEADER), "=", _quoted(value, _IN_HEADER))
        return "".join(parts)


@lru_cache(maxsize=256)
def read_uri(text: str) -> Uri:
    """The URI; Malformed 400 when it is none, 416 for a scheme that is not taken. The last ones are remembered: a message is
    asked for its addresses again and again."""
    scheme, colon, rest = text.partition(":")
    if len(text) > LONGEST or not colon or _SCHEME.fullmatch(scheme) is None or _FORBIDDEN.search(text):
        raise Malformed("an address is not a URI")
    scheme = scheme.lower()
    if scheme not in ("sip", "sips", "tel"):
        raise Malformed(f"addresses with {scheme}: are not taken here, write sip:, sips: or tel:", 416)
    if "%" in rest and _BAD_ESCAPE.search(rest):
        raise Malformed("a % in an address is not followed by two hexadecimal digits")
    if scheme == "tel":
        number, semicolon, parameters = rest.partition(";")
        number = number.translate(_VISUAL)
        if _NUMBER.fullmatch(number) is None:
            raise Malformed("a tel: address has no number")
        return Uri("tel", number, "", None, _pairs(parameters, ";", True) if semicolon else ())
    who, at, where = rest.rpartition("@")
    if "@" in who or (at and not who):
        raise Malformed("an address has an @ too many")
    user, _, password = who.partition(":")
    where, question, headers = where.partition("?")
    where, semicolon, parameters = where.partition(";")
    found = _HOST_PORT.fullmatch(where)
    if found is None or (at and not user):
        raise Malformed("an address has no proper host")
    return Uri(
        scheme,
        _decoded(user),
        host(found[1]),
        None if found[2] is None else port(found[2]),
        _pairs(parameters, ";", True) if semicolon else (),
        _pairs(headers, "&", False) if question else (),
        _decoded(password),
    )


def _pairs(text: str, separator: str, lower: bool) -> Pairs:
    pairs: list[tuple[str, str]] = []
    for part in text.split(separator, _MOST_PARTS):
        name, _, value = part.partition("=")
        if not name or len(pairs) == _MOST_PARTS:
            raise Malformed("the parameters of an address cannot be read")
        name = _decoded(name)
        pairs.append((name.lower() if lower else name, _decoded(value)))
    return tuple(pairs)


def _decoded(text: str) -> str:
    if "%" not in text and text.isascii():
        return text
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeError:  # a lone surrogate (an octet that was none) does not go into UTF-8 either
        raise Malformed("an address is not in UTF-8") from None


def _quoted(text: str, safe: str) -> str:
    try:
        return text if text.isascii() and text.isalnum() else quote(text, safe=safe)
    except UnicodeError:
        raise Malformed("an address has half a surrogate pair") from None
