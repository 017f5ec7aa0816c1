"""What every HTTP client of smsd promises, and what its two kinds share: the answer, the failure, the request's octets, words
for what went wrong.

`fetching.Client` (treq) is for rules and callbacks, `lean.LeanClient` for gateways that carry thousands per second to one
provider. Both keep connections for a moment and use them again, follow nothing, and never make a request twice that a server
may have seen once. `tests/gateways/test_clients.py` holds both to it.
"""

from __future__ import annotations

import os
import re
from base64 import b64encode
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet.error import ConnectError, ConnectionClosed, DNSLookupError, TimeoutError
from twisted.web.client import RequestTransmissionFailed, ResponseFailed
from zope.interface import Interface

from smsd.gateways.guard import Forbidden
from smsd.values.errors import InvalidValue
from smsd.values.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twisted.internet.defer import Deferred

    from smsd.codec.weburl import Target
    from smsd.values.delivery import Piece

LONGEST_HEAD = 200_000
"""Octets that a server may send before its headers end (with what else comes in the same packet)."""
KEEP = 2
"""Seconds that an idle connection is kept. Servers close theirs after five or more: ours are gone before."""
LONGEST_WAIT = 86_400.0
"""Seconds that a server's Retry-After means at most."""
CLOSE = 5.0
"""Seconds for an orderly end of a connection."""

_METHOD = re.compile(r"[A-Z]{1,20}")
_PATH = re.compile(r"[!-~]+")
# What frames a message, and where it goes, is the client's business.
_HEADERS = re.compile(
    r"(?:(?!(?i:host|connection|content-length|transfer-encoding|upgrade|expect|te|trailer):)"
    r"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [^\r\n\0]*\r\n)*"
)


@frozen
class Answer:
    """What a server said; `lines` are its headers. `body` has one octet more than the limit when there was more; `whole`: it
    came to its end."""

    status: int
    phrase: str
    lines: tuple[tuple[bytes, bytes], ...]
    body: bytes
    whole: bool

    def header(self, name: str) -> str:
        """The first header of that name, "" without one."""
        wanted = name.lower().encode()
        for found, value in self.lines:
            if found.lower() == wanted:
                return value.decode("utf-8", "replace").strip()
        return ""

    def retry_after(self, now: float, shortest: float = 1.0) -> float | None:
        """The seconds that a server wants to be left alone (RFC 9110, 10.2.3): a number, or a date; None when it does not say."""
        text = self.header("Retry-After")
        if not text:
            return None
        if text.isascii() and text.isdigit():
            wait = float(text[:10])
        else:
            try:
                wait = parsedate_to_datetime(text).timestamp() - now
            except (ValueError, TypeError, IndexError, OverflowError):
                return None
        return min(max(wait, shortest), LONGEST_WAIT)


class Unanswered(Exception):
    """There was no answer. `sent`: the request had left, so that it may have been carried out. `forbidden`: the server is none
    that this client may reach."""

    def __init__(self, reason: str, sent: bool, forbidden: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent
        self.forbidden = forbidden


class IClient(Interface):
    """Makes requests."""

    def fetch(
        method: str,
        target: Target,
        headers: Mapping[str, str],
        body: bytes | None,
        limit: int,
        seconds: float,
    ) -> Deferred[Answer]:
        """Request it once; the answer, with at most `limit` octets of its body and one. `seconds` is for all of it: name,
        connection, request, answer. Where the time ends within the body, the answer is what has come. Fails with Unanswered, and
        with InvalidValue for what is no request (a host that nobody can have, a line end in a header). Cancelling ends the
        connection."""

    def close() -> Deferred[None]:
        """End the connections; fires when they have ended."""


def idempotency_key(server: str, piece: Piece) -> str:
    """By what /sms/ and others know a request again: the same for every try of a piece, and no other's; but when an operator sends
    again what was over, that is another request, or the answer to the first would be all that comes of it."""
    again = f"-again{piece.again}" if piece.again else ""
    return f"{server}-{piece.delivery}-{piece.arrived}-{piece.seq}{again}"


def check_request(method: str, path: str, headers: Mapping[str, str]) -> str:
    """The header lines of a request; InvalidValue for what is none."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if lines.count("\n") != len(headers) or not _HEADERS.fullmatch(lines):
        raise InvalidValue(f"one of these headers cannot be sent: {', '.join(headers)}"[:300])
    if not _PATH.fullmatch(path) or not _METHOD.fullmatch(method):
        raise InvalidValue("this is no request: its method or path has characters that do not belong there")
    return lines


def request_octets(
    method: str, path: str, headers: Mapping[str, str], body: bytes | None, fixed: str
) -> bytes:
    """A request as it leaves; `fixed` are further headers of its server. InvalidValue for what is none."""
    lines = check_request(method, path, headers)
    if body is None:
        length = "Content-Length: 0\r\n" if method in ("POST", "PUT") else ""
        return f"{method} {path} HTTP/1.1\r\n{fixed}{lines}{length}\r\n".encode("utf-8", "replace")
    head = f"{method} {path} HTTP/1.1\r\n{fixed}{lines}Content-Length: {len(body)}\r\n\r\n"
    return head.encode("utf-8", "replace") + body


def fixed_lines(target: Target) -> str:
    """The headers that are the same for all requests to a server."""
    standard = {"http": 80, "https": 443}[target.scheme] == target.port
    host = target.host if standard else f"{target.host}:{target.port}"
    return f"Host: {host}\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in login_lines(target).items()
    )


def login_lines(target: Target) -> dict[str, str]:
    """The header that logs in, if the URL says so."""
    if target.login is None:
        return {}
    return {"Authorization": f"Basic {b64encode(':'.join(target.login).encode()).decode()}"}


def untrusted(error: BaseException | None) -> bool:
    """Whether TLS did not come about: then nothing has left."""
    return isinstance(error, (SSL.Error, VerificationError)) or any(
        reason.check(SSL.Error, VerificationError) for reason in getattr(error, "reasons", [])
    )


def words(error: BaseException | None) -> str:
    """What went wrong, for people."""
    for reason in getattr(error, "reasons", []):
        if not reason.check(ConnectionClosed):
            return words(reason.value)
    if isinstance(error, Forbidden):
        return str(error)
    if isinstance(error, DNSLookupError):
        return "its name is not known"
    if isinstance(error, TimeoutError):
        return "it cannot be reached: timed out"
    if isinstance(error, ConnectError):
        number = error.osError
        return f"it cannot be reached: {os.strerror(number) if isinstance(number, int) else error}"
    if isinstance(error, VerificationError):
        return "its certificate is for another name"
    if isinstance(error, SSL.Error):
        details = [entry[-1] for entry in (error.args[0] if error.args else []) if entry]
        return f"TLS failed: {', '.join(map(str, details)) or 'no reason given'}"
    if isinstance(error, (ResponseFailed, RequestTransmissionFailed, ConnectionClosed)):
        return "it ended the connection"
    return f"its answer cannot be read: {type(error).__name__}"
