"""The client: servers by their names, and one timer for everything that may take too long."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
from zope.interface import implementer

from smsd.codec.weburl import Target
from smsd.gateways.exchange import Answer, IClient, request_octets
from smsd.gateways.guard import Guard
from smsd.gateways.lean.connection import Exchange
from smsd.gateways.lean.origin import Origin
from smsd.values.errors import InvalidValue

MOST_HABITS = 100
"""Servers of which is remembered whether they keep connections."""


@implementer(IClient)
class LeanClient:
    """At most `connections` to each server; `policy` decides whose certificates are good, `guard` who may be reached."""

    log = Logger()

    def __init__(self, reactor: Any, policy: Any, connections: int, guard: Guard | None = None) -> None:
        self.reactor = reactor if guard is None else guard.over(reactor)
        self.policy = policy
        self.connections = connections
        self.origins: dict[tuple[Any, ...], Origin] = {}
        self._keeps: dict[tuple[Any, ...], bool] = {}
        self._seconds = reactor.seconds
        self._timer: Any = None
        self._rings = math.inf
        self._closed: Deferred[None] | None = None

    def fetch(
        self,
        method: str,
        target: Target,
        headers: Mapping[str, str],
        body: bytes | None,
        limit: int,
        seconds: float,
    ) -> Deferred[Answer]:
        """See `IClient`."""
        key = (target.scheme, target.host, target.port, target.login)
        origin = self.origins.get(key)
        if origin is None:
            origin = self.origins[key] = Origin(self, key, target)
        try:
            octets = request_octets(method, target.path, headers, body, origin.fixed)
        except InvalidValue:
            origin.tidy()
            return fail()
        until = self._seconds() + seconds
        if until < self._rings:
            self.watch(until)
        exchange = Exchange(octets, method == "HEAD", limit, until)
        origin.put(exchange)
        return exchange.done

    def keeps(self, key: tuple[Any, ...]) -> bool:
        """Whether a server's connections are used again."""
        return self._keeps.get(key, True)

    def learn(self, key: tuple[Any, ...], keeps: bool) -> None:
        """It has, or has not, answered twice over one connection. What was learned first counts: others are restarted, too."""
        if key not in self._keeps and len(self._keeps) < MOST_HABITS:
            self._keeps[key] = keeps
            if not keeps:
                self.log.warn(
                    "{host} ends connections after an answer without having said so: each request gets one of its own",
                    host=key[1],
                )

    def close(self) -> Deferred[None]:
        """See `IClient`."""
        closed = self._closed = self._closed or Deferred()
        for origin in list(self.origins.values()):
            origin.close()
        self.ended()
        return closed

    def ended(self) -> None:
        """The last connection to some server has."""
        if self._closed is not None and not self.origins:
            closed, self._closed = self._closed, None
            if self._timer is not None:
                self._timer.cancel()
                self._timer, self._rings = None, math.inf
            closed.callback(None)

    def watch(self, until: float) -> None:
        """Something has to be looked at by then."""
        if until < self._rings:
            self._rings = until
            delay = max(until - self._seconds(), 0.0)
            if self._timer is None:
                self._timer = self.reactor.callLater(delay, self._sweep)
            else:
                self._timer.reset(delay)

    def _sweep(self) -> None:
        """End what is late, and wait for the next."""
        self._timer, self._rings = None, math.inf
        now = self._seconds()
        for origin in list(self.origins.values()):
            self.watch(origin.sweep(now))
