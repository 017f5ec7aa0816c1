"""SIP, SIPS and TEL URIs (RFC 3261 section 19.1, RFC 3966): read, compared, written."""

from __future__ import annotations

from smsd.values.frozen import frozen

Pairs = tuple[tuple[str, str], ...]


@frozen
class Uri:
    """A `sip:`, `sips:` or `tel:` URI. `scheme` and `host` in lower case; `user` decoded (the number of a `tel:`, host empty then);
    an IPv6 host without its brackets. `parameters` (names in lower case, values decoded, "" for none) and `headers` as given."""

    scheme: str
    user: str
    host: str
    port: int | None = None
    parameters: Pairs = ()
    headers: Pairs = ()
    password: str = ""

    def parameter(self, name: str) -> str | None:
        """The value of a parameter ("" when it has none), None when it is not there."""
        raise NotImplementedError

    @property
    def address(self) -> str:
        """`user@host` without port and parameters, `host` alone without user; a tel's number."""
        raise NotImplementedError

    def __str__(self) -> str:
        """As it stands in a request line; Malformed for what no URI can hold."""
        raise NotImplementedError


def read_uri(text: str) -> Uri:
    """The URI; Malformed 400 when it is none, 416 for a scheme that is not taken."""
    raise NotImplementedError
