"""What the operator is told of accounts, groups and policies: their settings, without passwords, and what they have sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from smsd.core.accounts.directory import Directory
from smsd.core.accounts.wishes import FIELDS
from smsd.core.passwords import is_hash
from smsd.store import accounts as rows
from smsd.store.accepting import group_counter
from smsd.values.account import Account


class Showing:
    """`period` gives the month of a moment (ms)."""

    def __init__(self, store: Any, directory: Directory, period: Callable[[int], str]) -> None:
        self._store = store
        self._directory = directory
        self._period = period

    def told(self, kind: str, name: str) -> dict[str, Any]:
        """Its settings, and whether it is closed and why."""
        source = self._directory.source(kind, name)
        settings = self._directory.settings(kind, name)
        if settings is None and not source:
            entry = self._directory.get(name)
            assert entry is not None
            account = entry.account
            shown = {field: getattr(account, field) for field in FIELDS["account"] if hasattr(account, field)}
            told = {"name": account.name, "kind": kind, "source": "policy", **shown}
            told["expires"] = None if account.expires is None else str(account.expires)
            told["senders"] = list(account.senders)
            return {**told, "closed": self._closed(account)}
        told = {"name": name, "kind": kind, "source": source}
        if settings is None:
            return {**told, "closed": "its settings in the store are broken: the log says why"}
        said = settings.model_dump(mode="json", include=set(FIELDS[kind]))
        if "password" in said:
            password = settings.password.get_secret_value()
            said["password"] = "set" if is_hash(password) else "in clear" if password else ""
            said["sip_secret"] = "set" if settings.sip_secret.get_secret_value() else ""
        told.update(said)
        if kind == "account":
            found = self._directory.find(name)
            assert found is not None
            told["closed"] = self._closed(found)
        return told

    def _closed(self, account: Account) -> str:
        return account.closed(self._store.now() / 1000) or ""

    async def count(self, kind: str, told: list[dict[str, Any]]) -> None:
        """Add to each what it has sent."""
        if kind == "policy" or not told:
            return
        counters = {one["name"]: counter_of(kind, one["name"]) for one in told}
        period = self._period(self._store.now())
        counted = await self._store.ask(rows.counted, list(counters.values()), period, before(period))
        for one in told:
            one.update(counted[counters[one["name"]]])


def before(period: str) -> str:
    """The month before one: "2025-12" for "2026-01"."""
    year, month = int(period[:4]), int(period[5:7])
    return f"{year - 1:04}-12" if month == 1 else f"{year:04}-{month - 1:02}"


def counter_of(kind: str, name: str) -> str:
    """What its messages are counted under."""
    return group_counter(name) if kind == "group" else name
