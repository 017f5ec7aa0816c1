"""The log lines of a busy door, a moment later and together.

Written one by one, the lines of calls cost as much as most of what else a call needs. A crash may lose the lines of the last
tenth of a second; what was accepted is in the store, and `smsd log` shows it.
"""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger

EVERY = 0.1
"""Seconds that a line may wait."""


class CallLog:
    """`add` a line with its fields; they reach `log` as one event with a `batch` (see `smsd.logs`)."""

    def __init__(self, log: Logger, clock: Any, door: str) -> None:
        self._log = log
        self._clock = clock
        self._door = door
        self._calls: list[dict[str, Any]] = []
        self._writing: Any = None

    def add(self, line: str, **fields: Any) -> None:
        """Log one call, within a moment."""
        self._calls.append({"line": line, **fields})
        if self._writing is None:
            self._writing = self._clock.callLater(EVERY, self.flush)

    def flush(self) -> None:
        """Write what waits; the door calls it last."""
        writing, self._writing = self._writing, None
        if writing is not None and writing.active():
            writing.cancel()
        calls, self._calls = self._calls, []
        if calls:
            self._log.info("{line}", line=f"{len(calls)} calls", door=self._door, batch=calls)
