"""One server: the connections to it, bounded, and the requests that wait for one. The connection that was used last is used
first, so that those which are not needed end."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from smsd.codec.weburl import Target
from smsd.gateways.exchange import KEEP, fixed_lines, words
from smsd.gateways.guard import Forbidden
from smsd.gateways.lean.connection import Connection, Exchange
from smsd.values.errors import InvalidValue

if TYPE_CHECKING:
    from smsd.gateways.lean.client import LeanClient


class Origin:
    """One server: the connections to it, and the requests that wait for one."""

    def __init__(self, client: LeanClient, key: tuple[Any, ...], target: Target) -> None:
        self.client = client
        self.fixed = fixed_lines(target)
        self._key = key
        self._target = target
        self._idle: list[Connection] = []
        self._ready: set[Connection] = set()
        self._raw: set[Connection] = set()
        self._connecting: set[Deferred[Any]] = set()
        self._waiting: deque[Exchange] = deque()

    def put(self, exchange: Exchange) -> None:
        """Over a kept connection, a new one, or the next that is free."""
        idle = self._idle
        while idle:
            if idle.pop().begin(exchange):
                return
        exchange.on = self
        self._waiting.append(exchange)
        self._connect()

    def free(self, connection: Connection, now: float) -> None:
        """The connection can carry another request."""
        if self._waiting:
            if connection.begin(self._waiting[0]):
                self._waiting.popleft()
            return  # if it was of no use it ends, and another is made
        connection.rested = now
        connection.until = now + KEEP
        self._idle.append(connection)
        self.client.watch(connection.until)

    @property
    def keeps(self) -> bool:
        """Whether its connections are used again. A server that ends them after an answer without having said so gets one for each
        request: the next request over the same may have arrived, and nobody would know."""
        return self.client.keeps(self._key)

    def learn(self, keeps: bool) -> None:
        """See `LeanClient.learn`."""
        self.client.learn(self._key, keeps)

    def _connect(self) -> None:
        """One more connection, where there is need and room."""
        opening = len(self._connecting) + len(self._raw)
        if not opening < len(self._waiting) or not opening + len(self._ready) < self.client.connections:
            return
        client, target = self.client, self._target
        name = target.host.strip("[]")
        until = self._waiting[0].until
        seconds = max(until - client.reactor.seconds(), 0.0)
        factory = Factory.forProtocol(lambda: Connection(self, target.scheme == "https", until))
        factory.noisy = False
        try:
            endpoint: Any = HostnameEndpoint(client.reactor, name, target.port, timeout=seconds)
            if target.scheme == "https":
                endpoint = wrapClientTLS(client.policy.creatorForNetloc(name.encode(), target.port), endpoint)
            connecting: Deferred[Any] = endpoint.connect(factory)
        except ValueError:
            connecting = fail()
        self._connecting.add(connecting)
        connecting.addBoth(self._connected, connecting)

    def _connected(self, result: Any, connecting: Deferred[Any]) -> None:
        self._connecting.discard(connecting)
        if isinstance(result, Failure):
            self.unreachable(result)
        elif result.transport is not None and result in self._raw and not result.secure:
            self.opened(result)
        self.tidy()

    def making(self, connection: Connection) -> None:
        """TCP stands; TLS perhaps not yet."""
        self._raw.add(connection)
        self.client.watch(connection.until)

    def opened(self, connection: Connection) -> None:
        """It can carry requests."""
        self._raw.discard(connection)
        self._ready.add(connection)
        self.free(connection, self.client.reactor.seconds())

    def lost(self, connection: Connection, why: Failure) -> None:
        """It has ended."""
        self._ready.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if connection in self._raw:
            self._raw.discard(connection)
            self.unreachable(why)
        else:
            self._connect()
        self.tidy()

    def unreachable(self, why: Failure) -> None:
        """A connection did not come about. Where others stand, its request waits for one of those."""
        if self._waiting and not self._ready:
            exchange = self._waiting.popleft()
            if why.check(ValueError):  # of Twisted, about host names
                exchange.done.errback(InvalidValue(f"{self._target.host} is no name of a host"))
            else:
                exchange.failed(words(why.value), False, why.check(Forbidden) is not None)
        self._connect()

    def forget(self, exchange: Exchange) -> None:
        """Nobody waits for it any more."""
        self._waiting.remove(exchange)

    def sweep(self, now: float) -> float:
        """End what is late; when the next will be."""
        for exchange in [one for one in self._waiting if one.until <= now]:
            if exchange in self._waiting:  # what the last one's failure led to may have changed that
                self._waiting.remove(exchange)
                exchange.failed(self._hindrance(), False)
        for open_ in (*self._ready, *self._raw):
            if open_.until <= now:
                open_.expire()
        if not self._waiting:
            for connecting in list(self._connecting):
                connecting.cancel()
        self.tidy()
        return min(
            [one.until for one in self._waiting] + [one.until for one in (*self._ready, *self._raw)],
            default=math.inf,
        )

    def _hindrance(self) -> str:
        if self._ready:
            return f"none of {len(self._ready)} connections to it became free in time"
        if self._raw:
            return "it did not answer in time: TLS did not come about"
        return "it cannot be reached in time"

    def close(self) -> None:
        """End everything."""
        while self._waiting:
            self._waiting.popleft().failed("the connections to it were ended here", False)
        for connecting in list(self._connecting):
            connecting.cancel()
        for connection in (*self._ready, *self._raw):
            connection.stop()
        self.tidy()

    def tidy(self) -> None:
        """Without connections and requests it need not be remembered."""
        if not (self._ready or self._raw or self._connecting or self._waiting):
            self.client.origins.pop(self._key, None)
            self.client.ended()
