"""What a gateway has under way and what came of it: counted for the status, and waited for when it stops."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred, DeferredList

from smsd.values.delivery import Accepted


class Underway:
    """The pieces of one gateway. `done` were accepted, `failed` were not."""

    def __init__(self) -> None:
        self.done = 0
        self.failed = 0
        self._busy: set[Deferred[None]] = set()

    def __len__(self) -> int:
        return len(self._busy)

    def send(self, sending: Coroutine[Deferred[Any], Any, Accepted]) -> Deferred[Accepted]:
        """Carry it out."""
        over: Deferred[None] = Deferred()
        self._busy.add(over)

        def count(result: Any) -> Any:
            if isinstance(result, Accepted):
                self.done += 1
            else:
                self.failed += 1
            self._busy.discard(over)
            over.callback(None)
            return result

        return Deferred.fromCoroutine(sending).addBoth(count)

    def end(self, client: Any = None) -> Deferred[None]:
        """Fires when the last one is over (each has its time limit), and the connections of an HTTP client are closed."""
        ending: Deferred[Any] = DeferredList(list(self._busy))
        if client is not None:
            ending.addCallback(lambda _: DeferredList([client.close()]))
        return ending.addCallback(lambda _: None)
