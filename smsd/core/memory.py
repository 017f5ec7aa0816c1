"""Small durable facts: what a gateway remembers, and settings made at run time (`smsd set`)."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from zope.interface import implementer

from smsd.interfaces import IMemory
from smsd.store.sqlite import SqliteStore
from smsd.values.errors import InvalidValue

# What `smsd set` may change while smsd runs: name to (lowest, highest) value.
RUNTIME_SETTINGS = {"expire_minutes": (5, 63 * 7 * 24 * 60), "warn_minutes": (1, 63 * 7 * 24 * 60)}


@implementer(IMemory)
class Memory:
    """One gateway's memory."""

    def __init__(self, store: SqliteStore, gateway: str) -> None:
        self._store = store
        self._scope = f"gateway:{gateway}"

    def recall(self, key: str) -> Deferred[str | None]:
        """See `IMemory`."""
        return self._store.settings(self._scope).addCallback(lambda facts: facts.get(key))

    def remember(self, key: str, value: str | None) -> Deferred[None]:
        """See `IMemory`."""
        return self._store.remember(self._scope, key, value)


def checked_setting(key: str, value: str) -> int:
    """The value of a run-time setting as a number; InvalidValue names what there is and what is allowed."""
    if key not in RUNTIME_SETTINGS:
        raise InvalidValue(f"there is no setting {key!r}: {', '.join(sorted(RUNTIME_SETTINGS))} can be set")
    lowest, highest = RUNTIME_SETTINGS[key]
    if not value.isascii() or not value.isdigit() or not lowest <= int(value) <= highest:
        raise InvalidValue(f"{key} must be a whole number from {lowest} to {highest}, not {value!r}")
    return int(value)
