"""The clerk: what the operator may ask and do for everybody, done for one account with what is its own.

An account sees its messages, what phones wrote to it and its own book-keeping; nobody's rules, nobody's gateways. Who has the
scope `admin` sees what the operator sees. Doors ask for accounts that have logged in; the clerk never asks who somebody is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from smsd.codec.number import normalise
from smsd.core.callbacks import make_cursor, read_cursor
from smsd.core.planning import KEY_LIFE, Planner
from smsd.core.pricing import Pricing, Quote
from smsd.store import owned, requests
from smsd.store.ids import first_at
from smsd.store.sqlite import SqliteStore
from smsd.values import money
from smsd.values.address import Address
from smsd.values.delivery import State
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.frozen import frozen
from smsd.values.message import (
    Content,
    Declined,
    IdempotencyKey,
    Recipient,
    Submission,
    Text,
)

CALLED = {State.READY: "queued"}
"""What users call a state, where the house has another name for it."""
STATES = tuple(CALLED.get(state, state.name.lower()) for state in State)
_STATE = dict(zip(STATES, State, strict=True))
LATE = 60_000
"""Milliseconds by which a message may appear after one with a later number: numbers are given before the commit."""
MOST_SEEN = 400
MOST_CULPRITS = 50


@frozen
class Wish:
    """Which deliveries somebody looks for; times are milliseconds, 0: not said. `before` is the `next` of the page before."""

    states: tuple[str, ...] = ()
    to: str = ""
    msgid: str = ""
    since: int = 0
    until: int = 0
    before: int = 0
    limit: int = 50


class Clerk:
    """`control` is the operator's (`smsd.core.control`); whoever makes it gives it to the clerk before a door opens. An account
    "" stands for everybody, and is asked for by administrators only."""

    def __init__(
        self, store: SqliteStore, planner: Planner, callbacks: Any, find_account: Callable[[str], Any]
    ) -> None:
        self._store = store
        self._planner = planner
        self._callbacks = callbacks
        self._find_account = find_account
        self.control: Any = None

    # -- messages

    async def find(self, account: str, wish: Wish) -> tuple[list[dict[str, Any]], int]:
        """Deliveries, newest first, and the `before` of the next page (0: there is none)."""
        if wish.msgid and not account:
            raise InvalidValue("msgid: say whose with account")
        country = getattr(self._find_account(account), "country", None) if account else None
        to = normalise(wish.to, country or self._planner.policies.country).value if wish.to else ""
        states = tuple(_STATE[state] for state in wish.states)
        wanted = owned.Wanted(
            account, states, to, wish.msgid, _id(wish.since), _id(wish.until), wish.before, wish.limit
        )
        found, further = await self._store.ask(owned.find, wanted)
        return [_named(row) for row in found], further

    async def message(self, account: str, number: int) -> dict[str, Any] | None:
        """A message of this account with its deliveries (or, by the number of one of them, with that one); None: not its."""
        told: dict[str, Any] | None = await self._store.ask(owned.message, number, account)
        if told is None:
            return None
        return {**told, "deliveries": [_named(row) for row in told["deliveries"]]}

    async def cancel(self, account: str, number: int, who: str) -> dict[str, Any] | None:
        """The same, after what could still be stopped was; Refused when nothing could."""
        told = await self.message(account, number)
        if told is None:
            return None
        stopped = 0
        for delivery in told["deliveries"]:
            try:
                await self.control.alter("cancel", delivery["id"], who)
                stopped += 1
            except InvalidValue:
                pass  # too late, which its state says
        if not stopped:
            states = ", ".join(sorted({delivery["state"] for delivery in told["deliveries"]}))
            raise Refused(
                Reason.CONFLICT, f"nothing of this message can be cancelled any more: it is {states}"
            )
        return await self.message(account, number)

    async def explain(self, account: str, number: int) -> list[dict[str, Any]] | None:
        """How each delivery came to where it is, step by step; for administrators with what the rules said. None: not its."""
        told = await self.message(account, number)
        if told is None:
            return None
        found = []
        for delivery in told["deliveries"]:
            one = {"delivery": delivery["id"], "state": delivery["state"], "why": delivery["reason"] or ""}
            one["steps"] = _steps(told, delivery)
            if not account:
                one["rules"] = (await self.control.explain({"delivery": delivery["id"]}))["rules"]
            found.append(one)
        return found

    async def trial(self, account: str, given: Mapping[str, Any], everything: bool) -> dict[str, Any]:
        """What would become of a message, which is not sent: for administrators (`everything`) with what rules say of it."""
        told: dict[str, Any] = await self.control.trial(
            {**given, "account": account, "brief": not everything}
        )
        if everything:
            return told
        return {
            name: told[name]
            for name in ("fate", "why", "to", "parts", "encoding", "text", "notes")
            if name in told
        }

    async def begin(self, key: IdempotencyKey) -> None:
        """Note the key of a request that brings many messages; Refused when it stands for another one."""
        now = self._store.now()
        await self._store.call(requests.begin, (key, now, now + KEY_LIFE))

    # -- before sending

    def price(self, account: str, to: tuple[Recipient, ...], content: Content) -> dict[str, Any]:
        """How a message would be cut, what makes it so, and what it would cost; for each recipient, or why none."""
        if not isinstance(content, Text):
            return self._octets(account, to, content)
        pricing = Pricing(self._planner)
        quotes = [pricing.quote(one.address.target, content.text, account, one.parameters) for one in to]
        priced = [quote.amount for quote in quotes if quote.amount is not None]
        told: dict[str, Any] = {
            "recipients": [_quoted(one, quote) for one, quote in zip(to, quotes, strict=True)],
            "parts": sum(quote.parts for quote in quotes),
            "price": money.shown(sum(priced)) if priced else None,
            "currency": quotes[0].currency or None,
            "culprits": [one._asdict() for one in quotes[0].offenders[:MOST_CULPRITS]],
        }
        taken = next((quote for quote in quotes if not quote.refused), None)
        if taken is not None:
            names = ("text", "encoding", "units", "left", "plain_parts", "notes")
            told |= {name: getattr(taken, name) for name in names}
        return told

    def _octets(self, account: str, to: tuple[Recipient, ...], content: Content) -> dict[str, Any]:
        """The same without a price, for octets."""
        origin = Address("account", account or "operator")
        submission = Submission("trial", origin, to, content, account=account or None)
        recipients: list[dict[str, Any]] = []
        for entry in self._planner.plan(submission, reserve=False).order:
            if isinstance(entry, Declined):
                recipients.append({"number": entry.typed, "parts": 0, "refusal": entry.refusal})
            else:
                target, encoding = entry.target.target, entry.encoding
                recipients.append({"number": target, "parts": entry.parts, "encoding": encoding})
        return {"recipients": recipients, "parts": sum(one["parts"] for one in recipients)}

    # -- accounts, gateways

    async def account(self, name: str) -> dict[str, Any]:
        """What there is to know of an account: its settings (no password), limits and counters."""
        told: dict[str, Any] = await self.control.call("account", {"name": name})
        return told

    async def accounts(self, after: str, limit: int) -> list[dict[str, Any]]:
        """All of them by name, from behind `after` on."""
        told: list[dict[str, Any]] = await self.control.call("accounts", {"after": after, "limit": limit})
        return told

    async def settings(self, kind: str, name: str) -> dict[str, Any] | None:
        """Those of an account, an account group or a policy; None when there is none."""
        try:
            told: dict[str, Any] = await self.control.call("account", {"kind": kind, "name": name})
        except InvalidValue:
            return None
        return told

    async def add(self, kind: str, name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
        """A new one; Refused when there is one already, InvalidValue for settings that cannot be."""
        if await self.settings(kind, name) is not None:
            raise Refused(Reason.CONFLICT, f"there is already a {kind} {name}: change that one")
        return await self._account("account_add", kind, name, settings)

    async def change(self, kind: str, name: str, settings: Mapping[str, Any]) -> dict[str, Any] | None:
        """Some of its settings; None when there is none."""
        there = await self.settings(kind, name) is not None
        return await self._account("account_set", kind, name, settings) if there else None

    async def remove(self, kind: str, name: str) -> dict[str, Any] | None:
        """What it was; None when there was none. InvalidValue when the configuration has it."""
        told = await self.settings(kind, name)
        if told is not None:
            await self.control.call("account_remove", {"kind": kind, "name": name})
        return told

    async def _account(self, verb: str, kind: str, name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
        told: dict[str, Any] = await self.control.call(
            verb, {"kind": kind, "name": name, "settings": dict(settings)}
        )
        return told

    async def status(self) -> dict[str, Any]:
        """The server and its gateways, as the operator sees them."""
        told: dict[str, Any] = await self.control.status({})
        return told

    # -- what phones wrote

    async def incoming(self, account: str, cursor: str, limit: int) -> tuple[list[dict[str, Any]], str]:
        """What phones wrote to an account since `cursor`, oldest first, and the cursor to go on with. Reading takes nothing
        away. A cursor names what was handed out of the last minute, since a message may appear after a later one."""
        floor, *seen = read_cursor(cursor) or (0,)
        found, looked = await self._store.ask(
            owned.incoming, account, self._addresses(account), floor, seen, limit
        )
        told = sorted({*seen, *(row["id"] for row in found)})
        floor = max(floor, min(looked, first_at(self._store.now() - LATE)))
        told = [one for one in told if one > floor]
        if len(told) > MOST_SEEN:
            floor, told = told[-MOST_SEEN - 1], told[-MOST_SEEN:]
        for row in found:
            row["headers"] = owned.headers(row["headers"])
            row["binary"] = owned.octets(row["kind"])
        return found, make_cursor([floor, *told])

    def _addresses(self, account: str) -> list[str]:
        """Where messages for an account go."""
        if not account:
            return []
        found = [f"account:{account}"]
        email = getattr(self._find_account(account), "email", None)
        if email:
            found += sorted({f"mailto:{email}", f"mailto:{email.lower()}"})
        way = None if self._callbacks is None else self._callbacks.way_back(account)
        if way is not None:
            found.append(str(way[0]))
        return found


def _quoted(recipient: Recipient, quote: Quote) -> dict[str, Any]:
    if quote.refused:
        refusal = Refused(quote.reason or Reason.BAD_REQUEST, quote.refused)
        return {"number": recipient.typed, "parts": 0, "refusal": refusal}
    return {
        "number": quote.number,
        "parts": quote.parts,
        "encoding": quote.encoding,
        "price": None if quote.amount is None else money.shown(quote.amount),
        "destination": quote.destination or None,
    }


def _id(milliseconds: int) -> int:
    """The first id of a time, 0 for none."""
    return min(max(first_at(milliseconds), 1), owned.LAST) if milliseconds else 0


def _named(row: dict[str, Any]) -> dict[str, Any]:
    headers = owned.headers(row.pop("headers"))
    ticket = row.pop("ticket", None)
    return {
        **row, "state": CALLED.get(State(row["state"]), State(row["state"]).name.lower()), "binary": owned.octets(row["kind"]),
        "msgid": headers.get("msgid") or _told(ticket), "to": row["target"].removeprefix("sms:"),
    }  # fmt: skip


def _told(ticket: str | None) -> str | None:
    """The msgid in a ticket, where doors put it that have somebody to tell."""
    if not ticket:
        return None
    address, _, message_id, *_ = json.loads(ticket)
    return (message_id or None) if address.startswith(("hook:", "dlr:")) else None


def _steps(message: Mapping[str, Any], delivery: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What happened to a delivery, in the order of time."""
    steps = [{"at": message["arrived"], "what": f"accepted at the door {message['door']}"}]
    total = delivery["pieces"]
    for one in delivery["attempts"]:
        where = f" by {one['gateway']}" if one["gateway"] else ""
        part = f", part {one['part']} of {total}" if total > 1 and one["part"] else ""
        steps.append(
            {
                "at": one["at"],
                "what": f"not sent{where}{part}: {one['reason'] or one['outcome'] or 'no reason'}",
            }
        )
    for one in delivery["parts"]:
        if one["at"]:
            reference = f", which the network calls {one['reference']}" if one["reference"] else ""
            steps.append(
                {
                    "at": one["at"],
                    "what": f"part {one['part']} of {total} sent by {one['gateway']}{reference}",
                }
            )
    for one in delivery["network"]:
        words = f": {one['words']}" if one["words"] else ""
        steps.append({"at": one["at"] or one["heard"], "what": f"the network reports {one['status']}{words}"})
    if delivery["finished"]:
        why = f": {delivery['reason']}" if delivery["reason"] else ""
        steps.append({"at": delivery["finished"], "what": f"{delivery['state']}{why}"})
    return sorted(steps, key=lambda step: int(step["at"] or 0))
