"""Keeps in the store from where who has logged in (`smsd.core.guessing`), so that strangers who guess keep nobody out after a
restart either."""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger

from smsd.core.guessing import MOST_KNOWN, MOST_OF_ONE, Guessing, Key
from smsd.store import known
from smsd.store.sqlite import SqliteStore


class Knowing:
    """`load` before anybody logs in."""

    log = Logger()

    def __init__(self, store: SqliteStore, guessing: Guessing) -> None:
        self._store = store
        self._guessing = guessing

    async def load(self) -> None:
        """Give back what was known; from now on what is new is written."""
        now = self._store.now()
        await self._store.call(known.forget, now)
        self._guessing.remember(await self._store.ask(known.every, now, MOST_KNOWN, MOST_OF_ONE))
        self._guessing.learned = self._learned

    def _learned(self, pair: Key, until: float) -> None:
        self._store.call(known.learn, (pair, until)).addErrback(self._not_written)

    def _not_written(self, failure: Any) -> None:
        self.log.warn("who has logged in could not be written: {why}", why=failure.getErrorMessage())
