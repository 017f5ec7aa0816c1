"""Balances of prepaid accounts, and the ledger of everything that changes them: written by the commit that is the cause.

Whatever changes the state of a delivery comes by here (`settled`, `stepped`, `given_up`); `policy.charge` decides what that does to
its charge. Deliveries of accounts that have never paid before are not looked for, and cost nothing. (The store's other ledger, of
networks' reports, is `store.ledger`.)
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from smsd.policy.charge import Book, Entry, after, reserve
from smsd.values import money
from smsd.values.delivery import State
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.frozen import frozen
from smsd.values.plan import Acceptance, Charge, Settlement, Step

AT_ONCE = 500
TOP_UP, TAKEN = "top_up", "taken"

Changes = list[tuple["sqlite3.Row", Book, list[Entry]]]


@frozen
class TopUp:
    """Money that comes in (or, below zero, is taken out) by hand. `reference` makes a repeat harmless."""

    payer: str
    amount: int
    reference: str
    now: int
    note: str = ""


@frozen
class Balance:
    """Of one payer. `repeated`: what was asked for had been done before."""

    available: int
    reserved: int
    repeated: bool = False


class Credit:
    """`posted` has the accounts (None: messages of nobody's) among whose messages there are charges; it only grows."""

    def __init__(self) -> None:
        self.posted: set[str | None] = set()

    def read(self, connection: sqlite3.Connection) -> None:
        """When the store opens."""
        self.posted.update(row[0] for row in connection.execute("select distinct posted from charge"))

    # -- when it is accepted

    def available(self, cursor: sqlite3.Cursor, items: Iterable[Acceptance]) -> dict[str, int]:
        """What may be spent by those who pay for these; empty when nobody does."""
        payers = {charge.payer for accepted in items for charge in _charges(accepted)}
        return {payer: _balance(cursor, payer).available for payer in payers}

    def refuse(self, accepted: Acceptance, available: dict[str, int]) -> Refused | None:
        """Why it cannot be taken, None when the balance covers all of it."""
        for payer, (amount, charge) in _totals(accepted).items():
            left = available[payer]
            if amount > left:
                return Refused(
                    Reason.NO_CREDIT,
                    f"this costs {money.shown(amount, charge.currency)}, and the credit of {named(payer)} is"
                    f" {money.shown(left, charge.currency)}: ask for more credit, or send less",
                )
        return None

    def spend(self, accepted: Acceptance, available: dict[str, int]) -> None:
        """It is taken: what the others of its group may spend is less."""
        for payer, (amount, _) in _totals(accepted).items():
            available[payer] -= amount

    def reserve(self, cursor: sqlite3.Cursor, items: Sequence[Acceptance]) -> None:
        """Put money aside for what is accepted, which `refuse` has let pass."""
        charged: list[tuple[Any, ...]] = []
        lines: list[tuple[Any, ...]] = []
        moved: dict[str, int] = defaultdict(int)
        for accepted in items:
            for one in (accepted, *accepted.children):
                charge = one.charge
                if charge is None or not charge.costs:
                    continue
                posted = one.submission.account
                self.posted.add(posted)
                for cost in charge.costs:
                    book, entry = reserve(
                        Book(cost.delivery, cost.price, cost.parts, turn=-1, late=charge.late)
                    )
                    moved[charge.payer] += entry.reserved
                    charged.append(
                        (cost.delivery, charge.payer, charge.account, posted, cost.price, cost.parts, book.open, book.late)
                    )  # fmt: skip
                    lines.append(
                        _line(
                            entry, accepted.now, charge.payer, charge.account, _words(cost.parts, cost.name)
                        )
                    )
        if not charged:
            return
        cursor.executemany(
            "insert into charge(delivery,payer,account,posted,price,parts,open,late) values(?,?,?,?,?,?,?,?)",
            charged,
        )
        cursor.executemany(_LEDGER, lines)
        for payer, amount in moved.items():
            _move(cursor, payer, -amount, amount)

    # -- when its state changes

    def settled(self, cursor: sqlite3.Cursor, steps: Sequence[tuple[Settlement, Step]]) -> None:
        """What came back from gateways, with the steps that were written."""
        found = {
            item.piece.delivery: (item, step) for item, step in steps if item.piece.account in self.posted
        }
        changes: Changes = []
        for row in _rows(cursor, list(found)):
            _, step = found[row["delivery"]]
            # Sent, and nobody will ever say more: that is as good as delivered.
            state = State.DELIVERED if step.final and step.state is State.SENT else step.state
            changes.append((row, *after(_book(row), state, step.sent)))
        if changes:
            _write(cursor, changes, next(iter(found.values()))[0].now)

    def stepped(self, cursor: sqlite3.Cursor, row: Any, step: Step, now: int) -> None:
        """A step that was written over a loaded row."""
        if row["account"] not in self.posted:
            return
        unheard = step.final and step.state is State.SENT
        changes: Changes = [
            (found, *after(_book(found), step.state, step.sent, unheard=unheard))
            for found in _rows(cursor, [row["id"]])
        ]
        _write(cursor, changes, now)

    def given_up(self, cursor: sqlite3.Cursor, deliveries: Sequence[int], now: int) -> dict[str, int]:
        """These are not sent at all (or in a digest); how much money that sets free, by payer."""
        if not self.posted:
            return {}
        changes: Changes = [
            (row, *after(_book(row), State.CANCELLED, 0)) for row in _rows(cursor, deliveries)
        ]
        _write(cursor, changes, now)
        freed: dict[str, int] = defaultdict(int)
        for row, _, entries in changes:
            freed[row["payer"]] += sum(entry.amount for entry in entries)
        return freed

    def merged(self, cursor: sqlite3.Cursor, deliveries: Sequence[int], digest: Acceptance) -> None:
        """A digest takes over the money of the messages in it: it costs what it costs, and never more than they did."""
        freed = self.given_up(cursor, deliveries, digest.now)
        charge = digest.charge
        if charge is None or not charge.costs or not any(freed.values()):
            return
        # Who has paid for them pays, also when the account has another payer (a group) since then.
        payer = charge.payer if freed.get(charge.payer) else max(freed, key=lambda one: freed[one])
        (cost,) = charge.costs
        price = min(cost.price, freed[payer] // cost.parts)
        if price:
            charge = charge._replace(payer=payer, costs=(cost._replace(price=price),))
            self.reserve(cursor, [digest._replace(charge=charge)])

    def again(self, cursor: sqlite3.Cursor, row: Any, now: int) -> str:
        """Put money aside for a delivery (a loaded row) that an operator sends again: why that cannot be, "" when it can."""
        if row["account"] not in self.posted:
            return ""
        for found in _rows(cursor, [row["id"]]):
            book, entry = reserve(_book(found))
            if not entry.reserved:
                continue
            left = _balance(cursor, found["payer"]).available
            if entry.reserved > left:
                return (
                    f"it costs {money.shown(entry.reserved)}, and the credit of {named(found['payer'])} is"
                    f" {money.shown(left)}: smsd credit top-up gives more"
                )
            _write(cursor, [(found, book, [entry])], now)
        return ""

    def forget(self, cursor: sqlite3.Cursor, deliveries: Sequence[tuple[int]]) -> None:
        """Finished deliveries that are purged; their lines stay in the ledger."""
        if self.posted:
            cursor.executemany("delete from charge where delivery=?", deliveries)


# -- by hand


def top_up(cursor: sqlite3.Cursor, items: Sequence[TopUp]) -> list[Balance | InvalidValue]:
    """Handler: the balance afterwards, or why it cannot be."""
    return [_top_up(cursor, item) for item in items]


def _top_up(cursor: sqlite3.Cursor, item: TopUp) -> Balance | InvalidValue:
    known = cursor.execute(
        "select amount from ledger where payer=? and reference=?", (item.payer, item.reference)
    ).fetchone()
    balance = _balance(cursor, item.payer)
    if known is not None:
        if known[0] != item.amount:
            return InvalidValue(
                f"the reference {item.reference!r} was used for {money.shown(known[0])}: use another for {money.shown(item.amount)}"
            )
        return Balance(balance.available, balance.reserved, repeated=True)
    if balance.available + item.amount < 0:
        return InvalidValue(
            f"{named(item.payer)} has only {money.shown(balance.available)}: take that or less"
        )
    if balance.available + balance.reserved + item.amount > money.MOST:
        return InvalidValue(f"a balance is at most {money.shown(money.MOST)}")
    cursor.execute(
        _LEDGER, (item.now, item.payer, TOP_UP if item.amount >= 0 else TAKEN, item.amount, 0, None, None, 0, 0,
                  item.reference, item.note or None),
    )  # fmt: skip
    _move(cursor, item.payer, item.amount, 0)
    return Balance(balance.available + item.amount, balance.reserved)


# -- questions, asked of a connection that only reads


def balance(connection: sqlite3.Connection, payer: str) -> Balance:
    """Of one payer; nothing when it has never had any."""
    return _balance(connection, payer)


def balances(connection: sqlite3.Connection) -> dict[str, Balance]:
    """Of all who have ever had one."""
    rows = connection.execute("select payer, available, reserved from balance order by payer")
    return {row[0]: Balance(row[1], row[2]) for row in rows}


def statement(
    connection: sqlite3.Connection, payer: str, after: int = 0, since: int = 0, until: int = 1 << 62, limit: int = 1000
) -> list[dict[str, Any]]:  # fmt: skip
    """Lines of the ledger behind the one with the number `after`, oldest first; `target` while the message is on record."""
    rows = connection.execute(
        "select l.id, l.at, l.kind, l.amount, l.reserved, l.account, l.delivery, l.seq, l.reference, l.note, d.target"
        " from ledger l left join delivery d on d.id = l.delivery"
        " where l.payer=? and l.id>? and l.at>=? and l.at<? order by l.id limit ?",
        (payer, after, since, until, limit),
    )
    return [dict(row) for row in rows]


def before(connection: sqlite3.Connection, payer: str, line: int, since: int = 0) -> tuple[int, int]:
    """What the lines of a payer before this one, from the line `since` on, add up to: what might be spent, what was reserved."""
    (amount, reserved) = connection.execute(
        "select coalesce(sum(amount), 0), coalesce(sum(reserved), 0) from ledger where payer=? and id>=? and id<?",
        (payer, since, line),
    ).fetchone()
    return int(amount), int(reserved)


def wrong(connection: sqlite3.Connection) -> list[str]:
    """Where the books do not add up: nothing, whenever and however the server was stopped."""
    found = []
    booked = {
        payer: (amount, reserved)
        for payer, amount, reserved in connection.execute(
            "select payer, sum(amount), sum(reserved) from ledger group by payer"
        )
    }
    opened = dict(
        tuple(row) for row in connection.execute("select payer, sum(open*price) from charge group by payer")
    )
    for payer, available, reserved in connection.execute("select payer, available, reserved from balance"):
        lines = booked.pop(payer, (0, 0))
        if lines != (available, reserved):
            found.append(f"{named(payer)}: the ledger says {lines}, the balance {(available, reserved)}")
        if reserved != opened.pop(payer, 0):
            found.append(f"{named(payer)}: {reserved} is reserved, and something else is open")
        if available < 0 or reserved < 0:
            found.append(f"{named(payer)}: {available} or {reserved} is below zero")
    for payer in {*booked, *opened}:
        found.append(f"{named(payer)}: there are lines in the ledger, and no balance")
    for (delivery,) in connection.execute(
        "select c.delivery from charge c left join delivery d on d.id=c.delivery"
        " where c.open>0 and (d.id is null or d.state>=10 or (d.state=2 and c.late=0)) limit 20"
    ):
        found.append(f"delivery {delivery} is finished, and money is still reserved for it")
    for (delivery,) in connection.execute(
        "select c.delivery from charge c join delivery d on d.id=c.delivery where c.late=0"
        " and c.open + c.paid < c.parts and d.state in (0, 1, 2, 4, 5, 6, 10) limit 20"
    ):
        found.append(f"delivery {delivery} is under way or sent, and not all of it is paid or reserved")
    return found


def named(payer: str) -> str:
    """A payer, for people."""
    group = payer.removeprefix("group:")
    return f"account {payer}" if group == payer else f"the group {group}"


# -- rows

_LEDGER = "insert into ledger(at,payer,kind,amount,reserved,account,delivery,seq,turn,reference,note) values(?,?,?,?,?,?,?,?,?,?,?)"


def _charges(accepted: Acceptance) -> list[Charge]:
    """Those of an acceptance and of what rules send because of it."""
    if accepted.charge is None and not accepted.children:
        return []
    return [
        one.charge for one in (accepted, *accepted.children) if one.charge is not None and one.charge.costs
    ]


def _totals(accepted: Acceptance) -> dict[str, tuple[int, Charge]]:
    totals: dict[str, tuple[int, Charge]] = {}
    for charge in _charges(accepted):
        before, _ = totals.get(charge.payer, (0, charge))
        totals[charge.payer] = (before + sum(one.price * one.parts for one in charge.costs), charge)
    return totals


def _balance(cursor: sqlite3.Cursor | sqlite3.Connection, payer: str) -> Balance:
    row = cursor.execute("select available, reserved from balance where payer=?", (payer,)).fetchone()
    return Balance(0, 0) if row is None else Balance(row[0], row[1])


def _move(cursor: sqlite3.Cursor, payer: str, amount: int, reserved: int) -> None:
    cursor.execute(
        "update balance set available=available+?, reserved=reserved+? where payer=?",
        (amount, reserved, payer),
    )
    if not cursor.rowcount:
        cursor.execute(
            "insert into balance(payer, available, reserved) values(?,?,?)", (payer, amount, reserved)
        )


def _rows(cursor: sqlite3.Cursor, deliveries: Sequence[int]) -> list[sqlite3.Row]:
    found: list[sqlite3.Row] = []
    for at in range(0, len(deliveries), AT_ONCE):
        some = deliveries[at : at + AT_ONCE]
        found += cursor.execute(
            f"select * from charge where delivery in ({','.join('?' * len(some))})", some
        ).fetchall()
    return found


def _book(row: sqlite3.Row) -> Book:
    return Book(
        row["delivery"], row["price"], row["parts"], row["paid"], row["open"], row["turn"], bool(row["late"])
    )


def _write(cursor: sqlite3.Cursor, changes: Changes, now: int) -> None:
    changes = [change for change in changes if change[2]]
    if not changes:
        return
    cursor.executemany(
        "update charge set paid=?, open=?, turn=? where delivery=?",
        [(book.paid, book.open, book.turn, book.delivery) for _, book, _ in changes],
    )
    cursor.executemany(
        _LEDGER,
        [_line(entry, now, row["payer"], row["account"]) for row, _, entries in changes for entry in entries],
    )
    moved: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row, _, entries in changes:
        for entry in entries:
            moved[row["payer"]][0] += entry.amount
            moved[row["payer"]][1] += entry.reserved
    for payer, (amount, reserved) in moved.items():
        _move(cursor, payer, amount, reserved)


def _line(entry: Entry, now: int, payer: str, account: str, note: str | None = None) -> tuple[Any, ...]:
    return (
        now, payer, entry.kind, entry.amount, entry.reserved, account, entry.delivery, entry.seq, entry.turn, None, note,
    )  # fmt: skip


def _words(parts: int, name: str) -> str | None:
    words = [name] if name else []
    return " ".join([*words, f"{parts} parts"] if parts > 1 else words) or None
