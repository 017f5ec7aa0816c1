"""Old backlog leaves as digests: what has waited too long for one recipient becomes one message, at the start and when a gateway
opens again after that long. `minutes` 0 switches it off.

Runs before anything is claimed for the lanes in question, so that nobody gets half of it twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from smsd.core.outlet import Outlet
from smsd.core.queue import Queue
from smsd.policy.step import MINUTE
from smsd.store import gathering
from smsd.store.sqlite import SqliteStore


class Backlog:
    """Looks for old messages with a question that only reads, a page at a time, and has the store make digests of them."""

    log = Logger()

    def __init__(self, store: SqliteStore, queue: Queue, minutes: int = 0) -> None:
        self._store = store
        self._queue = queue
        self.minutes = minutes
        queue.tidy = self.opening

    def gather(self, routes: Sequence[str] | None = None) -> Deferred[None]:
        """Make digests of what is old in these routes (None: everywhere). Never fails: what cannot be gathered is sent as it is."""
        if not self.minutes:
            return succeed(None)
        return Deferred.fromCoroutine(self._gather(routes)).addErrback(self._failed)

    def opening(self, outlet: Outlet) -> Deferred[None] | None:
        """A gateway is about to open: what has to be done first, None when nothing has."""
        if not self.minutes or self._store.now() - outlet.closed_since < self.minutes * MINUTE:
            return None
        routes = self._queue.waiting_for(outlet)
        return self.gather(sorted(routes)) if routes else None

    async def _gather(self, routes: Sequence[str] | None) -> None:
        now = self._store.now()
        after: tuple[int, str] | None = (-1, "")
        while after is not None:
            page: gathering.Page = await self._store.ask(
                gathering.old, now - self.minutes * MINUTE, now, routes, after
            )
            lanes = []
            for bite in gathering.bites(page.groups):
                lanes += await self._store.gather_backlog(bite)
            for lane in lanes:
                self._queue.wake(lane)
            if lanes:
                self.log.info("old messages leave as {n} digests", n=len(lanes))
            if not (page.cut and lanes):  # else there is more for the same recipient
                after = page.last

    def _failed(self, failure: Failure) -> None:
        self.log.error(
            "old messages could not be gathered and leave as they are: {why}", why=failure.getErrorMessage()
        )
