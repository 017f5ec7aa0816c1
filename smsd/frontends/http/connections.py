"""All connections of an HTTP door: how many there are, which have used up their time, and how they end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IProtocolNegotiationFactory
from twisted.internet.protocol import ServerFactory
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.web.http import Request, datetimeToString
from zope.interface import implementer

from smsd.frontends.http.answer import Answer, refused
from smsd.frontends.http.request import DoorRequest
from smsd.frontends.http.wire import LINGER, DoorChannel
from smsd.values.errors import Refused

_log = Logger()
_SWEEP = 1.0
_PATIENCE = 10.0


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
            channel.since = now + LINGER - self.limits.idle_timeout
            channel.loseConnection()
