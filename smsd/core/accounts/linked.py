"""Who comes for an account because somebody has logged in as it once: chat addresses and phones, shown and unlinked.

Links keep them; those of the settings (`jids`) are settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from smsd.core.accounts.asked import name_of, text_of
from smsd.values.errors import InvalidValue


class Register(Protocol):
    """What a link knows: `linked` tells addresses, and until when (seconds; None: for good), `unlink` whether it was there."""

    def linked(self, account: str) -> list[tuple[str, float | None]]:
        """Those of an account, the oldest first."""

    def unlink(self, account: str, address: str) -> Deferred[bool]:
        """Fires after the commit."""


class Linked:
    """`links` gives the links that run and know such people, by id."""

    def __init__(self) -> None:
        self.links: Callable[[], Iterable[tuple[str, Register]]] = tuple

    def of(self, account: str) -> list[dict[str, Any]]:
        """gateway, address, until (ms, null: for good) of each."""
        return [
            {"gateway": name, "address": address, "until": None if until is None else int(until * 1000)}
            for name, link in self.links()
            for address, until in link.linked(account)
        ]

    async def unlink(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """name, address → the gateways that knew it; what comes by itself (a phone) comes again until its password is another."""
        account, address = name_of(arguments), text_of(arguments, "address").strip()
        if not address:
            raise InvalidValue(f"address: say which one; smsd account show {account} lists them")
        gone = [name for name, link in self.links() if await link.unlink(account, address)]
        if not gone:
            raise InvalidValue(
                f"{address[:200]} has not registered with the account {account}: smsd account show {account} lists who has"
            )
        return {"gateways": gone}

    async def forget(self, account: str) -> None:
        """The account is gone: whoever gets its name later gets nobody with it."""
        for _, link in self.links():
            for address, _ in link.linked(account):
                await link.unlink(account, address)
