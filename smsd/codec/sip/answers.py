"""Responses to requests (RFC 3261 section 8.2.6)."""

from __future__ import annotations

import re
from email.utils import formatdate

from smsd.codec.sip.errors import Malformed
from smsd.codec.sip.grammar import quoted, readable, written
from smsd.codec.sip.messages import Request, Response
from smsd.codec.sip.uri import Pairs
from smsd.codec.sip.values import read_party

REASONS: dict[int, str] = {
    100: "Trying", 180: "Ringing", 200: "OK", 202: "Accepted", 300: "Multiple Choices", 301: "Moved Permanently",
    302: "Moved Temporarily", 400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden",
    404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable", 407: "Proxy Authentication Required",
    408: "Request Timeout", 410: "Gone", 413: "Request Entity Too Large", 414: "Request-URI Too Long",
    415: "Unsupported Media Type", 416: "Unsupported URI Scheme", 420: "Bad Extension", 421: "Extension Required",
    423: "Interval Too Brief", 429: "Too Many Requests", 480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist",
    482: "Loop Detected", 483: "Too Many Hops", 484: "Address Incomplete", 486: "Busy Here", 487: "Request Terminated",
    488: "Not Acceptable Here", 493: "Undecipherable", 500: "Server Internal Error", 501: "Not Implemented", 502: "Bad Gateway",
    503: "Service Unavailable", 504: "Server Time-out", 505: "Version Not Supported", 513: "Message Too Large",
    600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere", 606: "Not Acceptable",
}  # fmt: skip
"""The usual words of each status."""

_COPIED = ("Via", "From", "To", "Call-ID", "CSeq")
_TAG = re.compile(r";[ \t]*tag[ \t]*=", re.IGNORECASE)
_LONGEST_TEXT = 300


def respond(
    request: Request, status: int, reason: str = "", *, tag: str = "", headers: Pairs = (), body: bytes = b""
) -> Response:
    """The response: Vias, From, To (with `tag`, unless it has one or status is 100), Call-ID and CSeq copied, `headers` added.
    Without `reason` the usual words. A text for people belongs into `warning` and, if short, into `reason`."""
    copied = []
    for pair in request.headers:
        if pair[0] in _COPIED:
            if pair[0] == "To" and tag and status != 100 and not _has_tag(request, pair[1]):
                pair = ("To", pair[1] + written((("tag", tag),)))
            copied.append(pair)
    words = readable(reason)[:_LONGEST_TEXT] or REASONS.get(status, "")
    return Response(status, words, (*copied, *headers), body)


def _has_tag(request: Request, to: str) -> bool:
    if request.facts is not None and request.facts.to.tag:
        return True
    try:
        return ";" in to and bool(read_party(to).tag)
    except Malformed:  # it is answered all the same, with 400
        return _TAG.search(to) is not None


def warning(host: str, text: str) -> tuple[str, str]:
    """A Warning header (code 399) that says `text` to people: as much of it as one line holds, safe whatever is in it."""
    return "Warning", f"399 {host} {quoted(readable(text)[:_LONGEST_TEXT])}"


def date(seconds: float) -> tuple[str, str]:
    """A Date header for a time in seconds since 1970."""
    return "Date", formatdate(seconds, usegmt=True)


def unsupported(request: Request, known: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """The options of Require that are not `known`: not empty means 420 with Unsupported. (Proxy-Require is for proxies.)"""
    options: dict[str, None] = {}
    for value in request.all("Require"):
        for option in value.split(","):
            if (option := option.strip(" \t")) and option.lower() not in known:
                options[option] = None
    return tuple(options)
