"""Prices: what prepaid accounts pay for an SMS, by the number it goes to (feature U7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from smsd.config.settings import ID, Section
from smsd.policy.charge import Price, PriceList, Tariffs
from smsd.values import money
from smsd.values.errors import InvalidValue


def _amount(text: str) -> str:
    try:
        money.read(text)
    except InvalidValue as error:
        raise ValueError(str(error)) from None
    return text


class PriceSettings(Section):
    """One destination: the numbers that begin so, and the price of one SMS there."""

    prefix: str = Field(pattern=r"^\+[1-9][0-9]{0,14}$", description="how the numbers begin: +39")
    price: str = Field(description="of one SMS: 0.045")
    name: str = Field(default="", max_length=100, description="of the destination, for statements")

    @field_validator("price")
    @classmethod
    def _price(cls, value: str) -> str:
        return _amount(value)


class ListSettings(Section):
    """Prices; the longest prefix decides. `default` is for all other numbers, which have no price without it."""

    default: str | None = Field(default=None, description="of one SMS to any other number: 0.12")
    list: tuple[PriceSettings, ...] = ()

    @field_validator("default")
    @classmethod
    def _default(cls, value: str | None) -> str | None:
        return None if value is None else _amount(value)

    @model_validator(mode="after")
    def _once(self) -> ListSettings:
        twice = next(_twice(one.prefix for one in self.list), None)
        if twice is not None:
            raise ValueError(f"{twice} has two prices: remove one")
        return self

    def made(self) -> PriceList:
        """As policy knows it."""
        prices = {one.prefix[1:]: Price(money.read(one.price), one.name) for one in self.list}
        return PriceList(prices, None if self.default is None else money.read(self.default))


class OwnListSettings(ListSettings):
    """A list of its own for some accounts, and for the members of some account groups."""

    name: str = Field(pattern=ID, description="1 to 64 letters, digits, _ . - (no . or - first)")
    accounts: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


class PricesSettings(ListSettings):
    """The section `prices`: the list of everybody, and lists of their own for others."""

    currency: str = Field(default="", pattern=r"^[^\s\d]{0,8}$", description="as it is shown: EUR")
    charge_when: Literal["sent", "delivered"] = "sent"
    lists: tuple[OwnListSettings, ...] = ()

    @model_validator(mode="after")
    def _one_list_each(self) -> PricesSettings:
        for kind in ("accounts", "groups"):
            twice = next(_twice(who for one in self.lists for who in getattr(one, kind)), None)
            if twice is not None:
                raise ValueError(f"{kind}: {twice} stands in two price lists: leave it in one")
        return self

    def tariffs(self) -> Tariffs:
        """As policy knows them."""
        own = [(one, one.made()) for one in self.lists]
        return Tariffs(
            self.made(),
            {name: made for one, made in own for name in one.accounts},
            {name: made for one, made in own for name in one.groups},
            self.currency,
            self.charge_when == "delivered",
        )


def doubts(paid: PricesSettings, found: Mapping[str, list[tuple[Any, Any]]]) -> list[str]:
    """Warnings: price lists of accounts and groups that are not in the file, and who is to pay where nothing has a price."""
    users = {account.user for _, account in found["accounts"]}
    groups = {group.id for _, group in found["account_groups"]}
    warnings = []
    for one in paid.lists:
        strange = [
            f"account {name!r}" for name in one.accounts if name not in users and not _by_policy(name, found)
        ]
        strange += [f"account group {name!r}" for name in one.groups if name not in groups]
        warnings += [
            f"price list {one.name}: {who} is not in this file: it counts only if the store has it"
            for who in strange
        ]
    if not paid.list and paid.default is None and not any(one.list or one.default for one in paid.lists):
        kinds = ("accounts", "account_groups", "policies")
        if any(entry.prepaid for kind in kinds for _, entry in found[kind]):
            warnings.append("prices: nothing has a price, so nobody who is prepaid can send")
    return warnings


def _by_policy(name: str, found: Mapping[str, list[tuple[Any, Any]]]) -> bool:
    return "@" in name and bool(found["policies"])


def _twice(names: Iterator[str]) -> Iterator[str]:
    seen = set()
    for name in names:
        if name in seen:
            yield name
        seen.add(name)
