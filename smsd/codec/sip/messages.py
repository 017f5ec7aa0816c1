"""Requests and responses: values, read from octets and written to octets (RFC 3261 section 7).

Names of headers are in their long, usual form; a header that lists values (Via, Route, Contact …) stands here once per value.
Octets of headers that are not UTF-8 are kept as lone surrogates, so that they are answered as they came: show them with `readable`.
"""

from __future__ import annotations

from dataclasses import dataclass

from smsd.codec.sip.uri import Pairs, Uri
from smsd.codec.sip.values import Party, Via
from smsd.values.frozen import frozen


@dataclass(frozen=True, slots=True)
class Limits:
    """Most octets of the header block and of the body, most headers, most octets of one URI."""

    header: int = 65_536
    body: int = 1_048_576
    headers: int = 256


class _Message:
    """What requests and responses have in common."""

    __slots__ = ()

    headers: Pairs

    def get(self, name: str, default: str = "") -> str:
        """The first value of a header, by its long name (any case)."""
        raise NotImplementedError

    def all(self, name: str) -> tuple[str, ...]:
        """All values of a header, in order."""
        raise NotImplementedError

    @property
    def via(self) -> Via:
        """The topmost Via."""
        raise NotImplementedError

    @property
    def sender(self) -> Party:
        """From."""
        raise NotImplementedError

    @property
    def to(self) -> Party:
        """To."""
        raise NotImplementedError

    @property
    def call_id(self) -> str:
        """Call-ID."""
        raise NotImplementedError

    @property
    def cseq(self) -> int:
        """The number of CSeq."""
        raise NotImplementedError

    @property
    def contacts(self) -> tuple[Party, ...]:
        """All Contacts (`*` as Party("*")); Malformed."""
        raise NotImplementedError

    @property
    def content_type(self) -> str:
        """`type/subtype` in lower case without parameters, "" without one."""
        raise NotImplementedError


@frozen
class Request(_Message):
    """A request. `uri` as on its first line."""

    method: str
    uri: str
    headers: Pairs
    body: bytes = b""

    @property
    def target(self) -> Uri:
        """The Request-URI read; Malformed (400, or 416 for a scheme that is not taken)."""
        raise NotImplementedError


@frozen
class Response(_Message):
    """A response. `method` is that of CSeq."""

    status: int
    reason: str
    headers: Pairs
    body: bytes = b""

    @property
    def method(self) -> str:
        """The method of CSeq."""
        raise NotImplementedError


def parse(octets: bytes, limits: Limits = Limits()) -> Request | Response:
    """One message: a datagram, or what the framer cut out of a stream. Malformed for everything else, never another exception.
    What is returned has Via, From, To, Call-ID and CSeq that can be read, and a CSeq that fits the method."""
    raise NotImplementedError


def write(message: Request | Response) -> bytes:
    """The octets, with Content-Length. Malformed when a value would break out of its place (CR, LF, NUL; blanks in the URI)."""
    raise NotImplementedError


def readable(text: str) -> str:
    """`text` for logs, texts and stores: what was not UTF-8 shows as U+FFFD, control characters as blanks."""
    raise NotImplementedError
