"""The operator's verbs on money: credit, top_up, statement, books, price. Amounts travel as people write them ("12.50")."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from smsd.core.credit import MOST, Credit
from smsd.core.pricing import Pricing, told
from smsd.policy.charge import Tariffs
from smsd.store.credit import Balance
from smsd.values import money
from smsd.values.errors import InvalidValue
from smsd.values.message import Parameters, storable

Verb = Callable[[Mapping[str, Any]], Awaitable[Any]]
LONGEST = 200


class Billing:
    """See `verbs`."""

    def __init__(self, credit: Credit, pricing: Pricing, tariffs: Callable[[], Tariffs]) -> None:
        self._credit = credit
        self._pricing = pricing
        self._tariffs = tariffs

    def verbs(self) -> dict[str, Verb]:
        """What `smsd.core.control` offers."""
        return {
            "credit": self.credit,
            "top_up": self.top_up,
            "statement": self.statement,
            "books": self.books,
            "price": self.price,
        }

    async def credit(self, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
        """account (or "group:ID"): its balance; nothing: every balance there is."""
        name = _text(arguments, "account")
        if not name:
            return [self._balance(payer, one) for payer, one in (await self._credit.all()).items()]
        return [self._balance(await self._credit.payer(name), await self._credit.balance(name))]

    async def top_up(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """account, amount, reference; note, take (yes: take it away) → the balance afterwards, and whether it was done before."""
        name = _needed(arguments, "account")
        amount = money.read(_needed(arguments, "amount"))
        reference, note = _needed(arguments, "reference"), _text(arguments, "note") or ""
        if len(reference) > LONGEST or len(note) > LONGEST:
            raise InvalidValue(f"reference and note: at most {LONGEST} characters each")
        done = await self._credit.top_up(name, -amount if arguments.get("take") else amount, reference, note)
        return {**self._balance(await self._credit.payer(name), done), "repeated": done.repeated}

    async def statement(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """account; after (the last line that is known), since, until (ms) → lines, oldest first, and whether there are more."""
        lines = await self._credit.statement(
            _needed(arguments, "account"),
            _number(arguments, "after", 0),
            _number(arguments, "since", 0),
            _number(arguments, "until", 1 << 62),
        )
        shown = []
        for line in lines:
            amounts = ("amount", "reserved", "available", "set_aside")
            to = (line.pop("target") or "").partition(":")[2]
            shown.append({**line, **{name: money.shown(line[name]) for name in amounts}, "to": to})
        return {"lines": shown, "more": len(lines) == MOST, "currency": self._tariffs().currency}

    async def books(self, arguments: Mapping[str, Any]) -> list[str]:
        """Where the books do not add up; nothing when all is well."""
        return await self._credit.wrong()

    async def price(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """to, text; account, gateway, sender, max_parts → what it would become, and cost."""
        most = arguments.get("max_parts")
        if most is not None and (not isinstance(most, int) or not 1 <= most <= 128):
            raise InvalidValue("max_parts: 1 to 128")
        parameters = Parameters(
            gateway=_text(arguments, "gateway"), sender=_text(arguments, "sender"), max_parts=most
        )
        account, text = _text(arguments, "account") or "", _text(arguments, "text")
        if not text:
            raise InvalidValue("text: it is needed")
        quote = told(self._pricing.quote(_needed(arguments, "to"), text, account, parameters))
        if account:
            quote["credit"] = await self._credit.shown(account)
        return quote

    def _balance(self, payer: str, balance: Balance) -> dict[str, Any]:
        return {
            "payer": payer,
            "available": money.shown(balance.available),
            "reserved": money.shown(balance.reserved),
            "currency": self._tariffs().currency,
        }


def _text(arguments: Mapping[str, Any], name: str) -> str | None:
    value = arguments.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidValue(f"{name}: a text is needed")
    return None if value is None else storable(value)


def _needed(arguments: Mapping[str, Any], name: str) -> str:
    value = _text(arguments, name)
    if not value:
        raise InvalidValue(f"{name}: it is needed")
    return value


def _number(arguments: Mapping[str, Any], name: str, otherwise: int) -> int:
    value = arguments.get(name)
    if value is None:
        return otherwise
    if not isinstance(value, int) or not 0 <= value <= 1 << 62:
        raise InvalidValue(f"{name}: a whole number is needed")
    return value
