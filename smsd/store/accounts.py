"""Accounts, account groups and policies as rows, and what they have sent each month.

What the settings mean is known to `smsd.core.accounts`; here they are JSON under a kind and a name. Several changes that are made
together are one transaction. The counters are counted up by whoever accepts (`store.accepting`); here they are set by hand.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from smsd.values.errors import InvalidValue

MOST = 1000


@dataclass(frozen=True, slots=True)
class Change:
    """New settings for one; None removes it. `new`: there must not be one yet; else there must be one."""

    kind: str
    name: str
    settings: str | None
    now: int
    new: bool = False


@dataclass(frozen=True, slots=True)
class Tally:
    """What a counter shall say: messages in the month `period`, in the month `before` it, when the last one was sent (ms, 0:
    never). None leaves it as it is."""

    counter: str
    period: str
    before: str
    sent: int | None = None
    sent_before: int | None = None
    last: int | None = None


def change(cursor: sqlite3.Cursor, items: Sequence[tuple[Change | Tally, ...]]) -> list[InvalidValue | None]:
    """Handler: all changes of an item, or none of them and why."""
    return [_change(cursor, changes) for changes in items]


def _change(cursor: sqlite3.Cursor, item: tuple[Change | Tally, ...]) -> InvalidValue | None:
    changes = [one for one in item if isinstance(one, Change)]
    seen: dict[tuple[str, str], bool] = {}
    for one in changes:
        key = (one.kind, one.name)
        there = seen.get(key)
        if there is None:
            row = cursor.execute("select 1 from account where kind=? and name=?", key).fetchone()
            there = row is not None
        if there == one.new:
            return InvalidValue(
                f"there is {'already a' if there else 'no'} {one.kind} {one.name!r} in the store"
            )
        seen[key] = one.settings is not None
    for one in changes:
        if one.settings is None:
            cursor.execute("delete from account where kind=? and name=?", (one.kind, one.name))
        else:
            cursor.execute(
                "insert into account(kind, name, settings, made, changed) values(?,?,?,?,?)"
                " on conflict(kind, name) do update set settings=excluded.settings, changed=excluded.changed",
                (one.kind, one.name, one.settings, one.now, one.now),
            )
    tally(cursor, [one for one in item if isinstance(one, Tally)])
    return None


def tally(cursor: sqlite3.Cursor, items: Sequence[Tally]) -> list[None]:
    """Handler: set counters."""
    for one in items:
        if one.last is not None:  # the latest of all months counts
            cursor.execute("update counter set last=null where account=?", (one.counter,))
        for period, n in ((one.before, one.sent_before), (one.period, one.sent)):
            if n is not None:
                # What it has sent in this hour (store.watching) is what the counter says more than at its beginning.
                cursor.execute(
                    "update habit set base = base + ? - coalesce((select n from counter where account=? and period=?), 0)"
                    " where account=? and period=?",
                    (n, one.counter, period, one.counter, period),
                )
                cursor.execute(
                    "insert into counter(account, period, n) values(?,?,?)"
                    " on conflict(account, period) do update set n=excluded.n",
                    (one.counter, period, n),
                )
        if one.last:
            cursor.execute(
                "insert into counter(account, period, n, last) values(?,?,0,?)"
                " on conflict(account, period) do update set last=excluded.last",
                (one.counter, one.period, one.last),
            )
    return [None] * len(items)


# -- questions, asked of a connection that only reads


def kept(connection: sqlite3.Connection) -> dict[str, dict[str, str]]:
    """The settings of all, by kind and name."""
    found: dict[str, dict[str, str]] = {}
    for kind, name, settings in connection.execute("select kind, name, settings from account"):
        found.setdefault(kind, {})[name] = settings
    return found


def counted(
    connection: sqlite3.Connection, counters: Sequence[str], period: str, before: str
) -> dict[str, dict[str, Any]]:
    """By counter: messages in the month `period`, in the month `before` it, and when the last one was sent (ms; None: never)."""
    found: dict[str, dict[str, Any]] = {
        counter: {"sent_this_month": 0, "sent_last_month": 0, "last_sent": None} for counter in counters
    }
    words = {period: "sent_this_month", before: "sent_last_month"}
    for first in range(0, len(counters), MOST):
        some = counters[first : first + MOST]
        rows = connection.execute(
            f"select account, period, n, last from counter where account in ({','.join('?' * len(some))})",
            some,
        )
        for counter, month, n, last in rows:
            if month in words:
                found[counter][words[month]] = n
            if last is not None:
                found[counter]["last_sent"] = max(last, found[counter]["last_sent"] or 0)
    return found
