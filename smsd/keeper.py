"""Services by id, each with the settings it was made from: started, replaced when the settings changed, stopped.

What is equal is left alone; that is how a reload drops nothing. The gateways, the doors and the simulators each have a
keeper. Errors of one service are logged and never keep the others from starting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import (
    CancelledError,
    Deferred,
    FirstError,
    TimeoutError,
    gatherResults,
    maybeDeferred,
)
from twisted.internet.error import BindError
from twisted.logger import Logger


@dataclass(frozen=True)
class Wanted:
    """One service that should run: `facts` decide whether a running one is still right; `make` gives a new one."""

    facts: tuple[Any, ...]
    make: Callable[[], Any]


@dataclass(frozen=True)
class Running:
    """One service that runs."""

    facts: tuple[Any, ...]
    service: Any


def _nothing() -> None:
    """Most services do not care for a reload that changes nothing for them."""


class Keeper:
    """Keeps one kind of service; `what` is its word in logs ("gateway", "door").

    One that stays is told `reloaded`, if it wants to hear that: what it has given up may be worth a try. Without `retire`, a
    service stops before its replacement starts (gateways: a modem has one owner). With it (doors), the replacement starts
    first; then `retire` is told of the old one, which lives on for `linger` seconds with the connections it has. `removed` is
    waited for before a service stops.
    """

    log = Logger()

    def __init__(
        self,
        what: str,
        reactor: Any,
        *,
        retire: Callable[[Any], None] | None = None,
        removed: Callable[[Any], Any] = lambda service: None,
        patience: float = 20.0,
        linger: float = 600.0,
    ) -> None:
        self._what = what
        self._reactor = reactor
        self._retire = retire
        self._removed = removed
        self._patience = patience
        self._linger = linger
        self._running: dict[str, Running] = {}
        self._retired: dict[object, tuple[Any, str, Any]] = {}

    @property
    def services(self) -> dict[str, Any]:
        """What runs, by id."""
        return {key: running.service for key, running in self._running.items()}

    async def become(self, wanted: Mapping[str, Wanted]) -> list[str]:
        """Start, replace and stop until exactly `wanted` runs; gives one line for each that could not be started."""
        troubles = []
        for key in [key for key in self._running if key not in wanted]:
            await self._stop(key)
        for key, want in wanted.items():
            running = self._running.get(key)
            if running is not None and running.facts == want.facts:
                getattr(running.service, "reloaded", _nothing)()
                continue
            trouble = await self._replace(key, want)
            if trouble:
                troubles.append(trouble)
        return troubles

    async def stop(self) -> None:
        """Stop everything, all at once, and wait for it."""
        stopping = [Deferred.fromCoroutine(self._stop(key)) for key in list(self._running)]
        for timer, key, service in list(self._retired.values()):
            timer.cancel()
            stopping.append(Deferred.fromCoroutine(self._finish(key, service)))
        self._retired.clear()
        await gatherResults(stopping)

    async def _replace(self, key: str, want: Wanted) -> str:
        """Empty when it runs; else why it does not."""
        old = self._running.get(key)
        if old is not None and self._retire is None:
            await self._stop(key)
            old = None
        error = await self._start(key, want)
        if isinstance(error, BindError) and old is not None:
            # A unix socket, say, cannot be listened on twice: then the old one has to go first.
            await self._stop(key)
            error = await self._start(key, want)
        elif error is None and old is not None:
            self._set_aside(key, old.service)
        trouble = "" if error is None else str(error) or type(error).__name__
        if trouble:
            self.log.error("{what} {key} cannot start: {reason}", what=self._what, key=key, reason=trouble)
            return f"{self._what} {key}: {trouble}"
        self.log.info("{what} {key} started", what=self._what, key=key)
        return ""

    async def _start(self, key: str, want: Wanted) -> BaseException | None:
        """None when it runs; else why not. What ran before under this key is left as it is then."""
        service = None
        try:
            service = want.make()
            await maybeDeferred(service.startService)
        except (OSError, ValueError, LookupError, ImportError, BindError, FirstError) as error:
            if service is not None:
                await maybeDeferred(self._removed, service)
            return error.subFailure.value if isinstance(error, FirstError) else error
        self._running[key] = Running(want.facts, service)
        return None

    def _set_aside(self, key: str, service: Any) -> None:
        assert self._retire is not None
        self._retire(service)

        def over() -> None:
            del self._retired[mark]
            Deferred.fromCoroutine(self._finish(key, service))

        mark = object()
        self._retired[mark] = (self._reactor.callLater(self._linger, over), key, service)

    async def _stop(self, key: str) -> None:
        running = self._running.pop(key)
        await self._finish(key, running.service)

    async def _finish(self, key: str, service: Any) -> None:
        """A whole server that stops has perhaps no time left to wait: then it goes on with the next step, and takes leave."""
        for step in (lambda: self._removed(service), service.stopService):
            try:
                await maybeDeferred(step).addTimeout(self._patience, self._reactor)
            except TimeoutError:
                self.log.warn(
                    "{what} {key} was not done in {s} s", what=self._what, key=key, s=self._patience
                )
            except CancelledError:
                self.log.warn("{what} {key} was not done in time", what=self._what, key=key)
        self.log.info("{what} {key} stopped", what=self._what, key=key)
