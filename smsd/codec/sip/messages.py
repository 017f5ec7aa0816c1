"""Requests and responses: values, read from octets and written to octets (RFC 3261 section 7).

Names of headers are in their long, usual form; a header that lists values (Via, Route, Contact …) stands here once per value;
Content-Length is not here: the body has a length. Octets of headers that are not UTF-8 are kept as lone surrogates, so that
they are answered as they came: show them with `readable`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from smsd.codec.sip.errors import Malformed
from smsd.codec.sip.grammar import KNOWN, is_token, listed, long_name
from smsd.codec.sip.grammar import readable as readable
from smsd.codec.sip.uri import LONGEST, Pairs, Uri, read_uri
from smsd.codec.sip.values import Party, Via, read_party, read_via
from smsd.values.frozen import frozen


@dataclass(frozen=True, slots=True)
class Limits:
    """Most octets of the header block and of the body, and most headers."""

    header: int = 65_536
    body: int = 1_048_576
    headers: int = 256


USUAL = Limits()

_LISTS = frozenset(("Via", "Route", "Record-Route", "Contact", "Path", "Service-Route"))
_ONCE = ("From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length", "Content-Type")
_NEEDED = ("Via", "From", "To", "Call-ID", "CSeq")
_FOLD = re.compile(r"\r\n[ \t]+")
_START = re.compile(r"([^ ]+) ([^ ]+) (SIP/[0-9]{1,9}\.[0-9]{1,9})", re.IGNORECASE)
_STATUS = re.compile(r"(SIP/[0-9]{1,9}\.[0-9]{1,9}) ([1-6][0-9][0-9])(?: (.*))?", re.IGNORECASE | re.DOTALL)
_CSEQ = re.compile(r"([0-9]{1,10})[ \t]+([^ \t]+)")
_LENGTH = re.compile(r"[0-9]{1,10}")
_NO_URI = re.compile(r"[\x00-\x20\x7f<>\"]")


@frozen
class Facts:
    """What every message must have, read."""

    via: Via
    sender: Party
    to: Party
    call_id: str
    cseq: int
    method: str


class _Message:
    """What requests and responses have in common. What they must have is read once; Malformed when it is not there."""

    __slots__ = ()

    headers: Pairs
    body: bytes
    facts: Facts | None

    def get(self, name: str, default: str = "") -> str:
        """The first value of a header, by its name (any case)."""
        name = KNOWN.get(name) or long_name(name)
        for key, value in self.headers:
            if key == name:
                return value
        return default

    def all(self, name: str) -> tuple[str, ...]:
        """All values of a header, in order."""
        name = KNOWN.get(name) or long_name(name)
        return tuple([value for key, value in self.headers if key == name])

    def _facts(self) -> Facts:
        if self.facts is None:
            # A value that was built, not parsed: read at first need.
            object.__setattr__(self, "facts", _read_facts(dict(reversed(self.headers))))
        assert self.facts is not None
        return self.facts

    def facts_with(self, via: Via) -> Facts:
        """What was read, with another top Via."""
        facts = self._facts()
        return Facts(via, facts.sender, facts.to, facts.call_id, facts.cseq, facts.method)

    @property
    def via(self) -> Via:
        """The topmost Via."""
        return self._facts().via

    @property
    def sender(self) -> Party:
        """From."""
        return self._facts().sender

    @property
    def to(self) -> Party:
        """To."""
        return self._facts().to

    @property
    def call_id(self) -> str:
        """Call-ID."""
        return self._facts().call_id

    @property
    def cseq(self) -> int:
        """The number of CSeq."""
        return self._facts().cseq

    @property
    def contacts(self) -> tuple[Party, ...]:
        """All Contacts (`*` as Party("*")); Malformed."""
        return tuple([read_party(value) for value in self.all("Contact")])

    @property
    def content_type(self) -> str:
        """`type/subtype` in lower case without parameters, "" without one."""
        return self.get("Content-Type").partition(";")[0].strip(" \t").lower()


@frozen
class Request(_Message):
    """A request. `uri` as on its first line."""

    method: str
    uri: str
    headers: Pairs
    body: bytes = b""
    facts: Facts | None = field(default=None, compare=False, repr=False)

    @property
    def target(self) -> Uri:
        """The Request-URI read; Malformed (400, or 416 for a scheme that is not taken)."""
        return read_uri(self.uri)


@frozen
class Response(_Message):
    """A response."""

    status: int
    reason: str
    headers: Pairs
    body: bytes = b""
    facts: Facts | None = field(default=None, compare=False, repr=False)

    @property
    def method(self) -> str:
        """The method of CSeq."""
        return self._facts().method


# -- reading


def parse(octets: bytes, limits: Limits = USUAL) -> Request | Response:
    """One message: a datagram, or what the framer cut out of a stream. Malformed for everything else, never another exception.
    What is returned has Via, From, To, Call-ID and CSeq that can be read, and a CSeq that fits the method."""
    if octets[:2] == b"\r\n":
        octets = octets.lstrip(b"\r\n")  # section 7.5: empty lines before a message are no part of it
    end = octets.find(b"\r\n\r\n")
    if end < 0:
        raise Malformed("there is no empty line after the headers", request=salvage(octets, limits))
    if end > limits.header:
        raise Malformed(f"the headers are longer than {limits.header} octets", 513, salvage(octets, limits))
    start, pairs, firsts = _head(octets[:end], limits)
    try:
        if start is None or firsts is None:
            raise Malformed("a header line is broken, or there are too many")
        if len(firsts) < len(pairs):
            _refuse_doubles(pairs)
        facts = _read_facts(firsts)
        body = _body(octets, end + 4, firsts.get("Content-Length"), limits)
        if "Content-Length" in firsts:
            pairs = [pair for pair in pairs if pair[0] != "Content-Length"]
        return _message(start, tuple(pairs), body, facts)
    except Malformed as error:
        error.request = _salvaged(start, pairs)
        raise


def _head(octets: bytes, limits: Limits) -> tuple[str | None, list[tuple[str, str]], dict[str, str] | None]:
    """First line, headers, and the first value of each; None where lines are broken or too many (the headers are then those that
    could be read)."""
    text = octets.decode("utf-8", "surrogateescape")
    if "\r\n " in text or "\r\n\t" in text:
        text = _FOLD.sub(" ", text)
    lines = text.split("\r\n", limits.headers + 1)
    whole = text.count("\n") == len(lines) - 1 == text.count("\r") and len(lines) <= limits.headers + 1
    pairs: list[tuple[str, str]] = []
    firsts: dict[str, str] = {}
    for line in lines[1 : limits.headers + 1]:
        name, colon, value = line.partition(":")
        try:
            if not colon:
                raise Malformed("a header line has no colon")
            name = KNOWN.get(name) or long_name(name)
            value = value.strip(" \t")
            if not whole and ("\n" in value or "\r" in value):
                raise Malformed("a line ends with half a line end")
            if "," in value and name in _LISTS:
                values = listed(value)
                pairs += [(name, one) for one in values]
                firsts.setdefault(name, values[0])
                continue
        except Malformed:
            whole = False
            continue
        pairs.append((name, value))
        if name not in firsts:
            firsts[name] = value
    return lines[0], pairs, firsts if whole and len(pairs) <= limits.headers else None


def _refuse_doubles(pairs: list[tuple[str, str]]) -> None:
    names = [name for name, _ in pairs]
    for name in _ONCE:
        if names.count(name) > 1:
            raise Malformed(f"{name} is there more than once")


def _read_facts(firsts: dict[str, str]) -> Facts:
    for name in _NEEDED:
        if not firsts.get(name):
            raise Malformed(f"{name} is missing")
    found = _CSEQ.fullmatch(firsts["CSeq"])
    if found is None or (number := int(found[1])) >= 1 << 31:
        raise Malformed("CSeq is not a number below 2147483648 and a method")
    return Facts(
        read_via(firsts["Via"]),
        read_party(firsts["From"]),
        read_party(firsts["To"]),
        firsts["Call-ID"],
        number,
        found[2],
    )


def _length(value: str) -> int:
    """A Content-Length; Malformed when it is no number."""
    if _LENGTH.fullmatch(value) is None:
        raise Malformed("Content-Length is not a number")
    return int(value)


def content_length(head: bytes, limits: Limits = USUAL) -> int:
    """How long the body is that follows this header block in a stream; Malformed when it does not say, or is too long."""
    start, pairs, _ = _head(head, limits)
    values = [value for name, value in pairs if name == "Content-Length"]
    try:
        if len(values) != 1:
            raise Malformed("on a connection each message needs one Content-Length")
        length = _length(values[0])
        if length > limits.body:
            raise Malformed(f"the body is longer than {limits.body} octets", 413)
    except Malformed as error:
        error.request = _salvaged(start, pairs)
        raise
    return length


def _body(octets: bytes, start: int, length: str | None, limits: Limits) -> bytes:
    end = len(octets)
    if length is not None:
        end = start + _length(length)
        if end > len(octets):
            raise Malformed("the body is shorter than Content-Length says")
    if end - start > limits.body:
        raise Malformed(f"the body is longer than {limits.body} octets", 413)
    return octets[start:end]


def _message(start: str, headers: Pairs, body: bytes, facts: Facts) -> Request | Response:
    if start[:4].upper() == "SIP/":
        found = _STATUS.fullmatch(start)
        if found is None or found[1].upper() != "SIP/2.0":
            raise Malformed("the status line cannot be read")
        return Response(int(found[2]), found[3] or "", headers, body, facts)
    found = _START.fullmatch(start)
    if found is None or not is_token(found[1]) or len(found[2]) > LONGEST or _NO_URI.search(found[2]):
        raise Malformed("the request line is not a method, an address and SIP/2.0")
    if found[3].upper() != "SIP/2.0":
        raise Malformed(f"{found[3]} is not spoken here, SIP/2.0 is", 505)
    if found[1] != facts.method:
        raise Malformed("CSeq names another method than the request line")
    return Request(found[1], found[2], headers, body, facts)


def salvage(octets: bytes, limits: Limits = USUAL) -> Request | None:
    """What can be answered of octets that are no message: a request with Via, From, To, Call-ID and CSeq; None without."""
    start, pairs, _ = _head(octets[: limits.header], limits)
    return _salvaged(start, pairs)


def _salvaged(start: str | None, pairs: list[tuple[str, str]]) -> Request | None:
    if start is None or start[:4].upper() == "SIP/":
        return None
    names = {name for name, _ in pairs}
    method = start.partition(" ")[0]
    # ACK is never answered.
    if not names.issuperset(_NEEDED) or not is_token(method) or method == "ACK":
        return None
    try:
        via = read_via(next(value for name, value in pairs if name == "Via"))
    except Malformed:
        return None
    kept = []
    for name, value in pairs:
        if name == "Via" or (name in _NEEDED and name in names):
            kept.append((name, value))
            if name != "Via":
                names.discard(name)
    nobody = Party("sip:invalid")
    return Request(method, nobody.uri, tuple(kept), b"", Facts(via, nobody, nobody, "", 0, method))


# -- writing


def write(message: Request | Response) -> bytes:
    """The octets, with Content-Length. Malformed when a value would break out of its place (CR, LF; blanks in the URI), or when the
    message would be no message."""
    if isinstance(message, Request):
        if not is_token(message.method) or not message.uri or _NO_URI.search(message.uri):
            raise Malformed("the method or the address cannot stand in a request line")
        lines = [f"{message.method} {message.uri} SIP/2.0"]
    else:
        if not 100 <= message.status <= 699:
            raise Malformed("the status is not between 100 and 699")
        lines = [f"SIP/2.0 {message.status} {message.reason}"]
    for name, value in message.headers:
        name = KNOWN.get(name) or long_name(name)
        if name != "Content-Length":
            lines.append(f"{name}: {value}")
    lines.append(f"Content-Length: {len(message.body)}\r\n\r\n")
    text = "\r\n".join(lines)
    if text.count("\n") != len(lines) + 1 or text.count("\r") != len(lines) + 1:
        raise Malformed("a value of a header has a line end")
    try:
        return text.encode("utf-8", "surrogateescape") + message.body
    except UnicodeError:
        raise Malformed("a value of a header has half a surrogate pair") from None
