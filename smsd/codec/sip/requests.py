"""Requests of our own (RFC 3261 section 8.1.1). Random tokens (branch, tags, Call-ID) are given by the caller."""

from __future__ import annotations

from smsd.codec.sip.messages import Request
from smsd.codec.sip.uri import Pairs
from smsd.codec.sip.values import Party, Via

LARGEST_DATAGRAM = 1300
"""Octets: a request above that goes by TCP (RFC 3261 section 18.1.1)."""
COOKIE = "z9hG4bK"


def ask(
    method: str, uri: str, *, sender: Party, to: Party, via: Via, token: str, call_id: str, cseq: int = 1,
    routes: tuple[str, ...] = (), max_forwards: int = 70, headers: Pairs = (), body: bytes = b"",
) -> Request:  # fmt: skip
    """A new request outside of any dialog. `token` becomes the branch (and the From tag, if `sender` has none); `via` says transport
    and our own host and port (rport is added); `routes` are URIs of outbound proxies (loose routes)."""
    raise NotImplementedError


def again(request: Request, token: str, headers: Pairs = (), via: Via | None = None) -> Request:
    """The same request once more, as after 401 or 407: CSeq one up, a new branch, Call-ID and tags kept; `headers` replace those of
    the same name. `via`: by another transport."""
    raise NotImplementedError


def is_too_large(octets: bytes) -> bool:
    """Whether a written request must not go by UDP."""
    raise NotImplementedError
