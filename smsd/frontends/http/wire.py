"""HTTP/1.1 on a connection, bounded: how much of a request is read, how long it may take, how many
connections there are.

A thin layer over twisted.web's channel (RFC 9112), which reads any body whole, answers broken requests with a
bare 400 and lets a client that sends an octet a minute stay for ever. Here a body is counted while it comes,
a request has one deadline from its first octet, and every answer is written in one go. No access log: URLs
hold passwords. Knows no page.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IProtocolNegotiationFactory
from twisted.internet.protocol import ServerFactory, connectionDone
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, Request, datetimeToString
from zope.interface import implementer

from smsd.frontends.http.answer import Answer, refused
from smsd.frontends.sending import send
from smsd.values.errors import Reason, Refused

_log = Logger()
_SWEEP = 1.0
_PATIENCE = 10.0
_AT_ONCE = 4096
_PHRASES = {int(status): status.phrase.encode("ascii") for status in HTTPStatus}
_PLAIN = re.compile(
    rb"(GET|HEAD) ([!-~]+) HTTP/1\.1\r\n"
    rb"((?:(?!(?i:connection|content-length|expect|transfer-encoding|upgrade):)"
    rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~]*\r\n){0,40})\r\n"
)
"""A whole request without a body, with nothing in its header that means something to the connection."""
_UPLOADS = (b"/sms/jobs", b"/api/v1/jobs")
"""Where files come, which may be larger."""
MOST_UPLOADS = 8
"""Requests with more than `max_body` at once: nobody has logged in before their body is there, and it is in memory."""
_LINGER = 5.0
"""Seconds in which a refused body is read and thrown away, so that the client sees the answer and not a
reset."""


class DoorRequest(Request):
    """One request with its body in `body` (octets), query in `query`, and an answer in one write.

    `gone` is true when the client has left. Nothing is parsed before a page asks for it.
    """

    channel: Any  # DoorChannel, until the answer is written
    gone = False
    query = b""
    body = b""
    _size = 0

    def __init__(self, channel: DoorChannel, queued: object = None) -> None:
        Request.__init__(self, channel, False)
        self._chunks: list[bytes] = []

    @property
    def most(self) -> int:
        """How many octets its body may have."""
        limits = self.channel.factory.limits
        upload = getattr(limits, "max_upload", None) if self.channel._path.startswith(_UPLOADS) else None
        return int(upload or limits.max_body)

    @property
    def peer(self) -> str:
        """The client's address, or "" on a unix socket."""
        return getattr(self.client, "host", "")

    def header(self, name: bytes) -> str | None:
        """A request header's last value, or None; octets that are no UTF-8 are read as ISO 8859-1 (RFC 9110
        5.5)."""
        values = self.requestHeaders.getRawHeaders(name)
        if not values:
            return None
        try:
            return values[-1].decode("utf-8")
        except UnicodeDecodeError:
            return values[-1].decode("latin-1")

    def parseCookies(self) -> None:
        """Nobody here wants cookies."""

    def gotLength(self, length: int | None) -> None:
        """The header is complete; `length` is the announced size of the body, None when it is chunked."""
        if length is not None and length > self.most:
            # Without this the channel would ask for the body ("100 Continue") all the same.
            self.requestHeaders.removeHeader(b"expect")
            self._too_large()

    def handleContentChunk(self, data: bytes) -> None:
        """A piece of the body."""
        self._size += len(data)
        if self._size > self.most:
            self._too_large()
        elif self._size > self.channel.factory.limits.max_body and not self._has_room():
            self._turn_away(
                Refused(Reason.UNAVAILABLE, "too many files come in at once: try again in a minute")
            )
        else:
            self._chunks.append(data)

    def _has_room(self) -> bool:
        uploads = self.channel.factory.uploads
        if self not in uploads and len(uploads) >= MOST_UPLOADS:
            return False
        uploads.add(self)
        return True

    def _too_large(self) -> None:
        self._turn_away(Refused(Reason.TOO_LONG, f"the body is larger than {self.most} octets: send less"))

    def _turn_away(self, refusal: Refused) -> None:
        self._chunks.clear()
        factory = self.channel.factory
        factory.uploads.discard(self)
        self.channel.turn_away(factory.spell(self.channel._path, refusal))

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """The request is complete."""
        channel = self.channel
        channel.began = None
        if channel.turned_away:
            return
        self.method, self.uri, self.clientproto = command, path, version
        self.path, _, self.query = path.partition(b"?")
        chunks = self._chunks
        if chunks:
            self.body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            chunks.clear()
        channel.factory.serve(self)

    def answer(self, answer: Answer) -> None:
        """Write the whole response; nothing happens when the client has gone."""
        if self.gone or self.finished:
            return
        channel = self.channel
        head = [
            b"HTTP/1.1 %d %b" % (answer.status, _PHRASES.get(answer.status, b"Unknown")),
            b"Date: " + channel.factory.date(),
            b"Content-Type: " + answer.kind,
            b"Content-Length: %d" % len(answer.body),
            b"Cache-Control: no-store",
        ]
        head.extend(answer.headers)
        if not channel.persistent:
            head.append(b"Connection: close")
        head.append(b"\r\n")
        self.code = answer.status
        self.startedWriting = 1
        if self._size:
            channel.factory.uploads.discard(self)
        channel.since = channel.factory.reactor.seconds()
        send(channel.transport, b"\r\n".join(head) + (b"" if self.method == b"HEAD" else answer.body))
        self.finish()

    def connectionLost(self, reason: Any) -> None:
        """The client has left before its answer."""
        self.gone = True
        if self.channel is not None:
            self.channel.factory.uploads.discard(self)
        Request.connectionLost(self, reason)


class PlainRequest(DoorRequest):
    """A request that came whole in one read: what is needed of twisted.web's, for a tenth of what that costs to make."""

    def __init__(self, channel: DoorChannel, fields: dict[bytes, bytes]) -> None:
        self.channel = channel
        self.client = channel.getPeer()
        self._fields = fields
        self._chunks = []

    def header(self, name: bytes) -> str | None:
        """See `DoorRequest`; here they are ASCII."""
        value = self._fields.get(name)
        return None if value is None else value.decode("ascii")

    def finish(self) -> None:
        """The answer is written."""
        self.finished = 1
        channel, self.channel = self.channel, None
        channel.requestDone(self)

    def connectionLost(self, reason: Any) -> None:
        """The client has left before its answer."""
        self.gone = True
        self.channel = None


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

    def requestDone(self, request: Request) -> None:
        """The answer is written; what was pipelined behind it begins now."""
        HTTPChannel.requestDone(self, request)
        self._reading_on()

    def _reading_on(self) -> None:
        """Start the clock for a request that lies behind another in the same octets."""
        if self.began is None and (self._buffer or self.requests) and not self._handlingRequest:
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
        self.since = self.factory.reactor.seconds() + _LINGER - self.factory.limits.idle_timeout
        head = (
            b"HTTP/1.1 %d %b\r\nDate: %b\r\nContent-Type: %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
            % (
                answer.status,
                _PHRASES.get(answer.status, b"Unknown"),
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


@implementer(IProtocolNegotiationFactory)
class DoorFactory(ServerFactory):
    """Connections of one door. `limits` has max_body, max_connections, idle_timeout and request_timeout;
    `serve` is called with every complete DoorRequest; `spell` says how a path tells that its body is too large."""

    noisy = False

    def __init__(self, reactor: Any, limits: Any, serve: Callable[[DoorRequest], None]) -> None:
        self.reactor = reactor
        self.limits = limits
        self.serve = serve
        self.spell: Callable[[bytes, Refused], Answer] = lambda path, refusal: refused(refusal)
        self.channels: set[DoorChannel] = set()
        self.uploads: set[DoorRequest] = set()
        self._sweeper = LoopingCall(self.sweep)
        self._sweeper.clock = reactor
        self._full = False
        self._gone: Deferred[None] | None = None
        self._date = (-1, b"")

    def acceptableProtocols(self) -> list[bytes]:
        """What TLS clients may choose from (ALPN, RFC 7301)."""
        return [b"http/1.1"]

    def start(self) -> None:
        """Begin to look after time-outs."""
        if not self._sweeper.running:
            self._sweeper.start(_SWEEP, now=False)

    def stop(self) -> Deferred[None]:
        """Close what is idle; requests that wait for their answer get it first, within seconds. Fires when
        all are gone."""
        if self._sweeper.running:
            self._sweeper.stop()
        self._gone = Deferred()
        for channel in list(self.channels):
            if channel._handlingRequest:
                channel.persistent = 0
            else:
                channel.transport.loseConnection()
        if not self.channels:
            return succeed(None)
        abort = self.reactor.callLater(_PATIENCE, self._abort)
        return self._gone.addCallback(lambda _: abort.active() and abort.cancel() and None)

    def _abort(self) -> None:
        for channel in list(self.channels):
            channel.transport.abortConnection()

    def lost(self, channel: DoorChannel) -> None:
        """A connection is gone."""
        self.channels.discard(channel)
        if self._gone is not None and not self.channels:
            gone, self._gone = self._gone, None
            gone.callback(None)

    def buildProtocol(self, addr: IAddress | None) -> DoorChannel | None:
        """A channel, or None (the connection is closed) when there are too many."""
        if len(self.channels) >= self.limits.max_connections:
            if not self._full:
                _log.warn(
                    "more than {limit} connections: new ones are closed", limit=self.limits.max_connections
                )
            self._full = True
            return None
        self._full = False
        return DoorChannel(self)

    def log(self, request: Request) -> None:
        """twisted.web would write the URL, and with it passwords, to an access log here."""

    def date(self) -> bytes:
        """The time for a Date header (RFC 9110 6.6.1), made once a second."""
        second = int(self.reactor.seconds())
        if second != self._date[0]:
            self._date = (second, datetimeToString(second))
        return self._date[1]

    def sweep(self) -> None:
        """Close what has used up its time, and abort what did not go then."""
        now = self.reactor.seconds()
        for channel in [channel for channel in self.channels if channel.expired(now)]:
            if channel.closing:
                channel.transport.abortConnection()
                continue
            channel.closing = True
            channel.began = None
            channel.since = now + _LINGER - self.limits.idle_timeout
            channel.loseConnection()
