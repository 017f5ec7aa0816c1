"""Small durable facts that a gateway keeps over restarts: never messages, never secrets (a refused PIN only as a hash)."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from zope.interface import implementer

from smsd.interfaces import IMemory
from smsd.store.sqlite import SqliteStore


@implementer(IMemory)
class Memory:
    """One gateway's memory."""

    def __init__(self, store: SqliteStore, gateway: str) -> None:
        self._store = store
        self._scope = f"gateway:{gateway}"

    def recall(self, key: str) -> Deferred[str | None]:
        """See `IMemory`."""
        return self._store.settings(self._scope).addCallback(lambda facts: facts.get(key))

    def everything(self, prefix: str = "") -> Deferred[dict[str, str]]:
        """See `IMemory`."""
        return self._store.settings(self._scope).addCallback(
            lambda facts: {key: value for key, value in facts.items() if key.startswith(prefix)}
        )

    def remember(self, key: str, value: str | None) -> Deferred[None]:
        """See `IMemory`."""
        return self._store.remember(self._scope, key, value)
