"""What a gateway has under way and what came of it: counted for the status, and waited for when it stops."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, succeed

from smsd.values.delivery import Accepted


class Underway:
    """The pieces of one gateway. `done` were accepted, `failed` were not."""

    def __init__(self) -> None:
        self.done = 0
        self.failed = 0
        self._busy = 0
        self._last: list[Deferred[None]] = []

    def __len__(self) -> int:
        return self._busy

    def send(self, sending: Coroutine[Deferred[Any], Any, Accepted]) -> Deferred[Accepted]:
        """Carry it out."""
        self._busy += 1
        return Deferred.fromCoroutine(sending).addBoth(self._over)

    def _over(self, result: Any) -> Any:
        if isinstance(result, Accepted):
            self.done += 1
        else:
            self.failed += 1
        self._busy -= 1
        if not self._busy and self._last:
            last, self._last = self._last, []
            for ending in last:
                ending.callback(None)
        return result

    def end(self, client: Any = None) -> Deferred[None]:
        """Fires when the last one is over (each has its time limit), and the connections of an HTTP client are closed."""
        ending: Deferred[None] = Deferred() if self._busy else succeed(None)
        if self._busy:
            self._last.append(ending)
        if client is not None:
            ending.addCallback(lambda _: DeferredList([client.close()]))
        return ending.addCallback(lambda _: None)
