"""One connection: a request leaves, its answer comes, and whatever goes wrong in between is told as it was."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, TimeoutError
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Client as TcpClient
from twisted.python.failure import Failure
from zope.interface import implementer

from smsd.gateways.exchange import CLOSE, LONGEST_HEAD, Answer, Unanswered, words
from smsd.gateways.kept import Untouched

if TYPE_CHECKING:
    from smsd.gateways.lean.origin import Origin

_FRAMING = 20
"""Octets that a server may send per octet of the body: chunks of one octet need nine and more."""
_FRESH = 0.2
"""Seconds that a connection may have been idle to be used again without looking at it."""


class Exchange:
    """One request, and whoever waits for its answer."""

    __slots__ = ("done", "head", "limit", "octets", "on", "until")

    def __init__(self, octets: bytes, head: bool, limit: int, until: float) -> None:
        self.octets, self.head, self.limit, self.until = octets, head, limit, until
        self.on: Connection | Origin | None = None
        self.done: Deferred[Answer] = Deferred(self._cancel)

    def _cancel(self, _: object) -> None:
        if self.on is not None:
            self.on.forget(self)

    def failed(self, reason: str, sent: bool, forbidden: bool = False) -> None:
        """There is no answer."""
        self.done.errback(Unanswered(reason, sent, forbidden))


@implementer(IHandshakeListener)
class Connection(Protocol):
    """One connection: at most one request at a time, and its answer as it comes. What comes between answers ends it."""

    def __init__(self, origin: Origin, tls: bool, until: float) -> None:
        self.until = until
        self.secure = tls
        self.rested = math.inf
        self._origin = origin
        self._seconds = origin.client.reactor.seconds
        self._exchange: Exchange | None = None
        self._ending = False
        self._late: Failure | None = None
        self._proof: Untouched | None = None
        self._answers = 0
        parser = HttpResponseParser(self)
        # What old servers do and nobody can misread: lines that end with LF alone or go on in the next, padded chunk sizes.
        parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self._feed = parser.feed_data
        self._status, self._lasting = parser.get_status_code, parser.should_keep_alive

    # A request leaves.

    def connectionMade(self) -> None:
        """TCP stands."""
        self._plain = type(self.transport) is TcpClient
        self._origin.making(self)

    def handshakeCompleted(self) -> None:
        """TLS stands, and the server is who it should be."""
        self._origin.opened(self)

    def begin(self, exchange: Exchange) -> bool:
        """Make a request; False when this connection has turned out to be of no use, and nothing of it has left."""
        if self._ending:
            return False
        if self.rested + _FRESH < self._seconds():
            self._proof = Untouched(self.transport)
            if self._proof.stale:
                self.abort()
                return False
        self.rested = math.inf
        self.until = exchange.until
        self._heard, self._most, self._room = 0, LONGEST_HEAD, exchange.limit + 1
        self._headed = self._over = self._extra = self._keep = False
        self._phrase = b""
        self._lines: list[tuple[bytes, bytes]] = []
        self._body: bytes | bytearray = b""
        if not self._write(exchange.octets):
            return False
        self._exchange, exchange.on = exchange, self
        return True

    def _write(self, octets: bytes) -> bool:
        """At once where that can be done; `transport.write` costs two system calls and a round of the reactor more."""
        transport: Any = self.transport
        if self._plain and not transport.dataBuffer and not transport._tempDataBuffer and transport.connected:
            sent = transport.writeSomeData(octets)
            if not isinstance(sent, int):  # nothing has left, nor will it
                self.abort()
                return False
            if sent == len(octets):
                return True
            octets = octets[sent:]
        transport.write(octets)
        return True

    # An answer comes: the parser calls these.

    def on_message_begin(self) -> None:
        """A status line begins."""
        if self._over:
            self._extra = True

    def on_status(self, phrase: bytes) -> None:
        """What stands behind the status, or a part of it."""
        self._phrase += phrase

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        if not self._headed:
            self._lines.append((name, value))
            if (
                len(name) == 17
                and name.lower() == b"transfer-encoding"
                and value.strip().lower() != b"chunked"
            ):
                raise ValueError("it has a transfer coding that nobody asked for")

    def on_headers_complete(self) -> None:
        """The headers have come; the body has a limit of its own."""
        exchange = self._exchange
        if self._status() >= 200 and not self._over and exchange is not None:
            self._headed = True
            self._code = self._status()
            self._most = self._heard + LONGEST_HEAD + _FRAMING * exchange.limit
            # The parser would wait for the body whose length HEAD tells: that connection is not used again.
            self._over = exchange.head

    def on_body(self, data: bytes) -> None:
        """More of the body; what is longer than the limit is not waited for."""
        if self._over:
            self._extra = True
        elif self._room > 0:
            if self._body:
                self._body = bytearray(self._body) if isinstance(self._body, bytes) else self._body
                self._body += data[: self._room]
            else:
                self._body = data[: self._room]
            self._room -= len(data)

    def on_message_complete(self) -> None:
        """Its end, or that of an interim answer (100, 103), which is not meant for us."""
        if self._headed:
            self._over = True
            self._keep = self._lasting()
        else:
            self._phrase = b""
            self._lines = []

    def dataReceived(self, data: bytes) -> None:
        """From the server."""
        if self._exchange is None or self._ending:
            self.abort()
            return
        self._heard += len(data)
        try:
            self._feed(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._extra = True
            if not self._headed:
                why = (
                    "it wants another protocol"
                    if isinstance(error, HttpParserUpgrade)
                    else error.__context__ or error
                )
                self._unanswered(f"its answer cannot be read: {why}", True)
                return
            if not self._over:
                self._answered(False)
                return
        if self._over:
            self._answered(True)
        elif self._room <= 0 or (self._headed and self._heard > self._most):
            self._answered(False)
        elif self._heard > self._most:
            self._unanswered("its headers do not end", True)

    # It is over, in one way or another.

    def _answered(self, whole: bool) -> None:
        exchange, self._exchange = self._exchange, None
        assert exchange is not None
        body = bytes(self._body)
        answer = Answer(
            self._code,
            self._phrase.decode("utf-8", "replace"),
            tuple(self._lines),
            body,
            whole and len(body) <= exchange.limit,
        )
        if self._proof is not None:
            self._proof.close()
            self._proof = None
        if self._ending:
            pass
        elif not whole or self._extra:
            self.abort()
        elif self._keep and self._lasts():
            self._origin.free(self, self._seconds())
        else:
            self._end()
        exchange.done.callback(answer)

    def _lasts(self) -> bool:
        """Whether this server keeps connections, as it says."""
        self._answers += 1
        if self._answers == 2:
            self._origin.learn(True)
        return self._origin.keeps

    def _unanswered(self, reason: str, sent: bool) -> None:
        exchange, self._exchange = self._exchange, None
        self.abort()
        if exchange is not None:
            exchange.failed(reason, sent)

    def expire(self) -> None:
        """The time is over: of TLS, of the request, of being idle, or of the end."""
        if self._exchange is None:
            if self._ending:
                self.abort()
            elif self.rested == math.inf:
                self._late = Failure(TimeoutError())
                self.abort()
            else:
                self._end()
        elif self._headed:
            self._answered(False)
        else:
            self._unanswered("it did not answer in time", True)

    def stop(self) -> None:
        """Whatever is under way."""
        if self._exchange is not None and not self._headed:
            self._unanswered("the connection to it was ended here", True)
        elif self._exchange is not None:
            self._answered(False)
        else:
            self.abort()

    def forget(self, exchange: Exchange) -> None:
        """Nobody waits for the answer."""
        self._exchange = None
        self.abort()

    def _end(self) -> None:
        """In an orderly way, but not for ever: TLS waits for the other side."""
        self._ending = True
        self.until = self._seconds() + CLOSE
        self._origin.client.watch(self.until)
        self.transport.loseConnection()  # type: ignore[union-attr]

    def abort(self) -> None:
        """At once."""
        self._ending = True
        self.until = math.inf
        self.transport.abortConnection()  # type: ignore[union-attr]

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """The server's end of it, or ours."""
        exchange, proof = self._exchange, self._proof
        self._ending = True
        untouched = False
        if proof is not None:
            untouched = exchange is not None and not self._heard and proof.holds(reason)
            proof.close()
            self._proof = None
        if exchange is None:
            pass
        elif untouched:
            self._exchange = None
            self._origin.put(exchange)
        elif self._headed:
            self._answered(reason.check(ConnectionDone) is not None and self._until_end())
        else:
            if self._answers == 1 and not self._heard:
                self._origin.learn(False)
            self._unanswered(words(reason.value), True)
        self._origin.lost(self, self._late or reason)

    def _until_end(self) -> bool:
        """Whether the answer said nothing of its length: then its end is that of the connection."""
        return not any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in self._lines)
