"""What a text would become and cost before it is sent: alphabet, parts, the characters that make it dear, price.

By the plan that sending makes, of which nothing is kept or sent. Rules are not asked (`smsd explain` does that).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from smsd.codec import segment, tidy
from smsd.core.planning import Planner
from smsd.values import money
from smsd.values.account import Account
from smsd.values.address import Address
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.frozen import frozen
from smsd.values.message import Declined, Parameters, Recipient, Submission, Text
from smsd.values.plan import Planned


@frozen
class Quote:
    """`text` is what would be sent; `left` are units free in its last part. `amount` is for all parts, None where the destination
    has no price; `plain_parts`: how many it would be if the `offenders` were written plainly, None where they cannot be. `refused`:
    why it would not be taken (then only that and the offenders are known)."""

    text: str
    number: str = ""
    encoding: str = ""
    parts: int = 0
    units: int = 0
    left: int = 0
    notes: tuple[str, ...] = ()
    offenders: tuple[tidy.Offender, ...] = ()
    plain_parts: int | None = None
    price: int | None = None
    amount: int | None = None
    destination: str = ""
    currency: str = ""
    refused: str = ""
    reason: Reason | None = None


class Pricing:
    """Quotes, by the accounts, gateways and prices that hold now. What it finds out of a text it keeps for the next number."""

    def __init__(self, planner: Planner) -> None:
        self._planner = planner
        self._offenders = lru_cache(1)(lambda text: tuple(tidy.offenders(text)))
        self._plain_parts = lru_cache(1)(_plain_parts)
        self._replan = lru_cache(8)(segment.replan)

    def quote(self, to: str, text: str, account: str = "", parameters: Parameters | None = None) -> Quote:
        """InvalidValue when there is no such account, or the text can be no message."""
        payer = self._planner.account(account) if account else None
        if account and payer is None:
            raise InvalidValue(f"there is no account {account!r}: smsd account list shows those there are")
        recipient = Recipient(Address("sms", to), to, parameters or Parameters())
        submission = Submission(
            "trial",
            Address("account", account or "operator"),
            (recipient,),
            Text(text),
            account=account or None,
        )
        offenders = self._offenders(text)
        try:
            (entry,) = self._planner.plan(submission, reserve=False).order
        except Refused as refusal:
            return Quote(text, offenders=offenders, refused=refusal.text, reason=refusal.reason)
        if isinstance(entry, Declined):
            return Quote(text, offenders=offenders, refused=entry.refusal.text, reason=entry.refusal.reason)
        return self._quote(entry, text, offenders, payer)

    def _quote(
        self, entry: Planned, text: str, offenders: tuple[tidy.Offender, ...], payer: Account | None
    ) -> Quote:
        sent = entry.content.text if isinstance(entry.content, Text) else text
        made = self._replan(sent, entry.code, max_parts=entry.parts)
        price = self._planner.tariffs.of(payer).price(entry.target.target)
        return Quote(
            text=sent,
            number=entry.target.target,
            encoding=entry.encoding,
            parts=entry.parts,
            units=made.units,
            left=made.left,
            notes=entry.notes,
            offenders=offenders,
            plain_parts=self._plain_parts(text) if offenders else None,
            price=None if price is None else price.amount,
            amount=None if price is None else price.amount * entry.parts,
            destination="" if price is None else price.name,
            currency=self._planner.tariffs.currency,
        )


def told(quote: Quote) -> dict[str, Any]:
    """A quote in JSON values; money as people write it."""
    return {
        "text": quote.text,
        "number": quote.number,
        "encoding": quote.encoding,
        "parts": quote.parts,
        "units": quote.units,
        "left": quote.left,
        "notes": list(quote.notes),
        "offenders": [one._asdict() for one in quote.offenders],
        "plain_parts": quote.plain_parts,
        "price": None if quote.price is None else money.shown(quote.price),
        "amount": None if quote.amount is None else money.shown(quote.amount),
        "destination": quote.destination,
        "currency": quote.currency,
        "refused": quote.refused,
    }


def _plain_parts(text: str) -> int | None:
    plain, _ = tidy.fitted(text, "tidy")
    return None if plain == text else segment.plan_text(plain).total
