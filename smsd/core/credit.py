"""Balances for people and doors: what an account may still spend, top-ups, statements. The store keeps the books."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from smsd.interfaces import ICredit
from smsd.policy.charge import Tariffs
from smsd.store import credit as books
from smsd.store.credit import Balance, TopUp
from smsd.values import money
from smsd.values.errors import InvalidValue

MOST = 1000
"""Lines of a statement that one question gives."""


@implementer(ICredit)
class Credit:
    """`tariffs` gives the price lists that hold now, `find_group` an account group by its id."""

    def __init__(
        self,
        store: Any,
        find_account: Callable[[str], Any],
        tariffs: Callable[[], Tariffs],
        find_group: Callable[[str], Any] = lambda name: None,
    ) -> None:
        self._store = store
        self._find = find_account
        self._tariffs = tariffs
        self._find_group = find_group
        self._summed = ("", 0, 0, 0)  # whose, before which line, what they add up to

    def shown(self, account: str) -> Deferred[str]:
        """See `ICredit`."""
        found = self._find(account)
        if found is None or not found.prepaid:
            return succeed("")
        asked: Deferred[Any] = self._store.ask(books.balance, found.payer or found.name)
        return asked.addCallback(lambda balance: money.shown(balance.available, self._tariffs().currency))

    async def payer(self, name: str) -> str:
        """Whose balance a name means: an account's (its group's, when that pays), also of one that was removed and has had money,
        or `group:ID` itself. InvalidValue for nobody's."""
        group = name.removeprefix("group:")
        if group != name:
            if self._find_group(group) is None and name not in await self.all():
                raise InvalidValue(
                    f"there is no account group {group!r}: smsd account list --group shows those there are"
                )
            return name
        found = self._find(name)
        if found is None:
            if name in await self.all():
                return name
            raise InvalidValue(f"there is no account {name!r}: smsd account list shows those there are")
        return str(found.payer or found.name)

    async def all(self) -> dict[str, Balance]:
        """Every balance there is, by payer."""
        found: dict[str, Balance] = await self._store.ask(books.balances)
        return found

    async def balance(self, name: str) -> Balance:
        """Of an account, or of the group that pays for it."""
        payer = await self.payer(name)
        found: Balance = await self._store.ask(books.balance, payer)
        return found

    async def top_up(self, name: str, amount: int, reference: str, note: str = "") -> Balance:
        """Add (below zero: take away) an amount; the same reference changes nothing a second time."""
        if not reference.strip():
            raise InvalidValue(
                "a reference is needed (the number of an invoice or a payment): a repeat is harmless by it"
            )
        if not amount:
            raise InvalidValue("an amount is needed: 12.50")
        payer = await self.payer(name)
        group = payer.removeprefix("group:")
        found = self._find(name) if group == payer else self._find_group(group)
        if amount > 0 and (found is None or not found.prepaid):
            raise InvalidValue(f"{books.named(payer)} is not prepaid: set prepaid for it first")
        item = TopUp(payer, amount, reference.strip(), self._store.now(), note.strip())
        done: Balance = await self._store.top_up(item)
        return done

    async def statement(
        self, name: str, after: int = 0, since: int = 0, until: int = 1 << 62, limit: int = MOST
    ) -> list[dict[str, Any]]:
        """Lines of the ledger, oldest first, each with the balance (`available`) and what was reserved (`set_aside`) after it."""
        payer = await self.payer(name)
        lines: list[dict[str, Any]] = await self._store.ask(
            books.statement, payer, after, since, until, min(limit, MOST)
        )
        if lines:
            available, set_aside = await self._before(payer, lines[0]["id"])
            for line in lines:
                available, set_aside = available + line["amount"], set_aside + line["reserved"]
                line |= {"available": available, "set_aside": set_aside}
        return lines

    async def _before(self, payer: str, line: int) -> tuple[int, int]:
        """What all lines before this one add up to. They never change, so the next page goes on where the last one began."""
        known, since, available, set_aside = self._summed
        if known != payer or since > line:
            since = available = set_aside = 0
        more = await self._store.ask(books.before, payer, line, since)
        available, set_aside = available + more[0], set_aside + more[1]
        self._summed = (payer, line, available, set_aside)
        return available, set_aside

    async def wrong(self) -> list[str]:
        """Where the books do not add up."""
        found: list[str] = await self._store.ask(books.wrong)
        return found
