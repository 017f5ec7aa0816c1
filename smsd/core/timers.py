"""The sweeper: asks the store, once a second, to do what time demands (warnings, expiry, purge), in bounded bites."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from smsd.core.queue import Queue
from smsd.store.sqlite import SqliteStore
from smsd.store.sweeping import Swept, Tick

INTERVAL = 1.0


class Sweeper:
    """`keep_days`: how long finished messages stay on record (the call log)."""

    log = Logger()

    def __init__(self, store: SqliteStore, queue: Queue, reactor: Any, keep_days: int = 30) -> None:
        self._store = store
        self._queue = queue
        self.keep_days = keep_days
        self._loop = LoopingCall(self._tick)
        self._loop.clock = reactor

    def start(self) -> None:
        """Begin; the first sweep is at once."""
        self._loop.start(INTERVAL)

    def stop(self) -> Deferred[None]:
        """Fires when no sweep is under way."""
        if self._loop.running:
            self._loop.stop()
        return succeed(None)

    def _tick(self) -> Deferred[None]:
        tick = Tick(self._store.now(), self.keep_days * 86_400_000)
        return self._store.tick(tick).addCallbacks(self._swept, self._failed)

    def _swept(self, swept: Swept) -> Deferred[None] | None:
        for lane in swept.woken:
            self._queue.wake(lane)
        return self._tick() if swept.more and self._loop.running else None

    def _failed(self, failure: Failure) -> None:
        self.log.error("the sweep failed: {e!r}; it will be tried again", e=failure.value)
