"""HTTP/1.1 on a connection, bounded: how much of a request is read, and how long it may take.

A thin layer over twisted.web's channel (RFC 9112), which reads any body whole, answers broken requests with a
bare 400 and lets a client that sends an octet a minute stay for ever. Here a body is counted while it comes
(`request`), a request has one deadline from its first octet, and every answer is written in one go. No access log:
URLs hold passwords. Knows no page. `connections` are all those of a door.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from twisted.internet.protocol import connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, Request

from smsd.frontends.http.answer import PHRASES, Answer, refused
from smsd.frontends.http.request import DoorRequest, PlainRequest
from smsd.values.errors import Reason, Refused

if TYPE_CHECKING:
    from smsd.frontends.http.connections import DoorFactory

_AT_ONCE = 4096
_PLAIN = re.compile(
    rb"(GET|HEAD) ([!-~]+) HTTP/1\.1\r\n"
    rb"((?:(?!(?i:connection|content-length|expect|transfer-encoding|upgrade):)"
    rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~]*\r\n){0,40})\r\n"
)
"""A whole request without a body, with nothing in its header that means something to the connection."""
LINGER = 5.0
"""Seconds in which a refused body is read and thrown away, so that the client sees the answer and not a
reset."""


def _ignore(data: bytes) -> None:
    """Receive nothing."""


class DoorChannel(HTTPChannel):
    """One connection. `since`: when it last became idle; `began`: when the first octet of the current request
    came."""

    requestFactory: Any = DoorRequest
    transport: Any
    _buffer: bytes
    timeOut = None  # the factory's sweep is the only clock here
    maxHeaders = 100
    turned_away = False
    closing = False
    began: float | None = None
    since = 0.0
    _here: Any = None
    _there: Any = None

    def __init__(self, factory: DoorFactory) -> None:
        HTTPChannel.__init__(self)
        self.factory: Any = factory

    def connectionMade(self) -> None:
        self.since = self.factory.reactor.seconds()
        self.factory.channels.add(self)
        HTTPChannel.connectionMade(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.factory.lost(self)
        HTTPChannel.connectionLost(self, reason)

    def getHost(self) -> Any:
        """Our address. twisted.web asks for both with every request, and each answer costs a system call."""
        if self._here is None:
            self._here = HTTPChannel.getHost(self)
        return self._here

    def getPeer(self) -> Any:
        """The client's address; behind a proxy it is known when the first request comes, and not before."""
        if self._there is None:
            self._there = HTTPChannel.getPeer(self)
        return self._there

    def dataReceived(self, data: bytes) -> None:
        if self.turned_away:
            return
        if self.began is None and not self._handlingRequest:
            self.began = self.factory.reactor.seconds()
            if not (self._buffer or self.requests) and len(data) <= _AT_ONCE and self.persistent:
                plain = _PLAIN.fullmatch(data)
                if plain is not None:
                    self._take_plain(plain)
                    return
        LineReceiver.dataReceived(self, data)
        self._reading_on()

    def _take_plain(self, plain: re.Match[bytes]) -> None:
        """A request that came whole in one read and is like most: taken as it is, without the general parser, which takes a
        fifth of the time of a message."""
        command, path, lines = plain.groups()
        fields = (line.partition(b":") for line in lines.split(b"\r\n")[:-1])
        self.requests.append(PlainRequest(self, {name.lower(): value.strip() for name, _, value in fields}))
        self.persistent = 1
        self._command, self._path, self._version = command, path, b"HTTP/1.1"
        self.allContentReceived()

    def allContentReceived(self) -> None:
        # A request that was refused would count as being served from now on: nothing more read from it, and no end to it.
        if not self.turned_away:
            HTTPChannel.allContentReceived(self)

    def requestDone(self, request: Request) -> None:
        """The answer is written; what was pipelined behind it begins now."""
        HTTPChannel.requestDone(self, request)
        self._reading_on()

    def _reading_on(self) -> None:
        """Start the clock for a request that lies behind another in the same octets."""
        if self.turned_away or self._handlingRequest:
            return
        if self.began is None and (self._buffer or self.requests):
            self.began = self.factory.reactor.seconds()

    def lineLengthExceeded(self, line: bytes) -> None:
        self.turn_away(
            refused(
                Refused(
                    Reason.TOO_LONG,
                    f"a line of the request is longer than {self.MAX_LENGTH} octets: use POST",
                ),
                status=414,
            )
        )

    def _respondToBadRequestAndDisconnect(self) -> None:
        # twisted.web's own answer is a bare status line. Should this hook ever go away, that is what remains.
        self.turn_away(
            refused(
                Refused(
                    Reason.BAD_REQUEST,
                    "this is no HTTP/1.1 request: percent-encode the URL (a blank is %20) and check the headers",
                )
            )
        )

    def turn_away(self, answer: Answer) -> None:
        """Answer without reading on: what still comes is thrown away, and soon the connection is closed."""
        if self.turned_away:
            return
        self.turned_away = True
        self.began = None
        self.since = self.factory.reactor.seconds() + LINGER - self.factory.limits.idle_timeout
        head = (
            b"HTTP/1.1 %d %b\r\nDate: %b\r\nContent-Type: %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
            % (
                answer.status,
                PHRASES.get(answer.status, b"Unknown"),
                self.factory.date(),
                answer.kind,
                len(answer.body),
            )
        )
        self.transport.write(head + answer.body)
        # What is left of the current read must not be parsed any more.
        self.__dict__.update(lineReceived=_ignore, rawDataReceived=_ignore)
        if self.isSecure():
            return
        half_close = getattr(self.transport, "loseWriteConnection", self.transport.loseConnection)
        half_close()

    def expired(self, now: float) -> bool:
        """Whether this connection has used up its time: for a request, or for being idle."""
        limits = self.factory.limits
        if self.began is not None:
            return bool(now - self.began > limits.request_timeout)
        if self._handlingRequest and not self.closing:
            return False
        return bool(now - self.since > limits.idle_timeout)
