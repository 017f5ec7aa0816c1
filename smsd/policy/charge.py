"""What a delivery costs, and what becomes of the money when its state changes: pure, and the only place that knows.

A price is looked up by the longest prefix of the number. Money is reserved when a message is accepted, charged part by part as
parts are sent (or all at once when it is delivered), and what is left is released when nothing more can be sent. What is charged
once is never charged again, and what is released is only reserved again by an operator who sends it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from smsd.values.delivery import State
from smsd.values.plan import Cost, Planned

RESERVED, CHARGED, RELEASED = "reserved", "charged", "released"
_GIVEN_UP = frozenset({State.FAILED, State.EXPIRED, State.CANCELLED, State.REJECTED, State.MERGED})


class Price(NamedTuple):
    """Of one SMS; `name` is the destination's."""

    amount: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class PriceList:
    """Prices by the digits that international numbers begin with; `default` for all others, None: they have no price."""

    prices: Mapping[str, Price] = field(default_factory=dict)
    default: int | None = None

    def price(self, number: str) -> Price | None:
        """Of an SMS to this number (`+39…`): that of the longest prefix."""
        digits = number.removeprefix("+")
        if number.startswith("+"):
            for length in range(min(len(digits), 15), 0, -1):
                found = self.prices.get(digits[:length])
                if found is not None:
                    return found
        return None if self.default is None else Price(self.default)


class Payer(Protocol):
    """What prices go by."""

    @property
    def name(self) -> str: ...
    @property
    def group(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Tariffs:
    """All price lists: `accounts` and `groups` have lists of their own, everybody else `common`. `late`: messages are paid when
    they are delivered."""

    common: PriceList = PriceList()
    accounts: Mapping[str, PriceList] = field(default_factory=dict)
    groups: Mapping[str, PriceList] = field(default_factory=dict)
    currency: str = ""
    late: bool = False

    def of(self, account: Payer | None) -> PriceList:
        """The list that an account pays by."""
        if account is None:
            return self.common
        own = self.accounts.get(account.name)
        return own or self.groups.get(account.group or "", self.common)


def costs(prices: PriceList, planned: Iterable[Planned]) -> tuple[Cost, ...]:
    """What those deliveries cost that are SMS and are going to leave; those without a price cost nothing."""
    found = []
    for one in planned:
        if one.state < State.DELIVERED and one.target.scheme == "sms":
            price = prices.price(one.target.target)
            if price is not None and price.amount:
                found.append(Cost(one.delivery, price.amount, one.parts, price.name))
    return tuple(found)


class Book(NamedTuple):
    """How the charge of a delivery stands: `paid` parts are charged, for `open` ones money is reserved. `turn` counts how often it
    was reserved."""

    delivery: int
    price: int
    parts: int
    paid: int = 0
    open: int = 0
    turn: int = 0
    late: bool = False


class Entry(NamedTuple):
    """One line of the ledger: what it changes of what may be spent (`amount`) and of what is reserved. `seq` is the part."""

    delivery: int
    kind: str
    amount: int
    reserved: int
    seq: int = 0
    turn: int = 0


def reserve(book: Book) -> tuple[Book, Entry]:
    """For all parts that are neither paid nor reserved yet."""
    more = book.parts - book.paid - book.open
    book = book._replace(open=book.open + more, turn=book.turn + 1)
    amount = more * book.price
    return book, Entry(book.delivery, RESERVED, -amount, amount, turn=book.turn)


def after(book: Book, state: State, sent: int, *, unheard: bool = False) -> tuple[Book, list[Entry]]:
    """What a delivery's new state makes of its charge. `sent` counts parts that have left; `unheard`: it is final, and of a report
    that was awaited nothing came."""
    whole = state in (State.SENT, State.DELIVERED)
    if book.late:
        due = book.open if state is State.DELIVERED else 0
    else:
        due = (book.parts if whole else min(sent, book.parts)) - book.paid
    entries = []
    for _ in range(min(due, book.open)):
        book = book._replace(paid=book.paid + 1, open=book.open - 1)
        entries.append(Entry(book.delivery, CHARGED, 0, -book.price, book.paid))
    if book.open and (state in _GIVEN_UP or unheard):
        amount = book.open * book.price
        entries.append(Entry(book.delivery, RELEASED, amount, -amount, turn=book.turn))
        book = book._replace(open=0)
    return book, entries
