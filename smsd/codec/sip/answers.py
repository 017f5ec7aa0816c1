"""Responses to requests (RFC 3261 section 8.2.6)."""

from __future__ import annotations

from smsd.codec.sip.messages import Request, Response
from smsd.codec.sip.uri import Pairs

REASONS: dict[int, str] = {}
"""The usual words of each status."""


def respond(
    request: Request, status: int, reason: str = "", *, tag: str = "", headers: Pairs = (), body: bytes = b""
) -> Response:
    """The response: Vias, From, To (with `tag`, unless it has one or status is 100), Call-ID and CSeq copied, `headers` added.
    Without `reason` the usual words. A text for people belongs into `warning` and, if short, into `reason`."""
    raise NotImplementedError


def warning(host: str, text: str) -> tuple[str, str]:
    """A Warning header (code 399) that says `text` to people: as much of it as one line holds, safe whatever is in it."""
    raise NotImplementedError


def date(seconds: float) -> tuple[str, str]:
    """A Date header for a time in seconds since 1970."""
    raise NotImplementedError


def unsupported(request: Request, known: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """The options of Require (and Proxy-Require) that are not `known`: not empty means 420 with Unsupported."""
    raise NotImplementedError
