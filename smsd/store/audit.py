"""Who changed what, as rows: each is written by the commit that makes the change.

Who changes something puts a `Note` into `NOTE`; the first call of the store that is made in its context takes the note's row along
into its transaction. So there is no change without a row, and no row without a change.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

Handler = Callable[[sqlite3.Cursor, Sequence[Any]], Sequence[Any]]

MOST_FORGOTTEN = 1000
"""Rows of one bite."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One change. `at` in milliseconds UTC; `before` and `after` are short, for people, and have no secrets."""

    at: int
    who: str
    verb: str
    subject: str
    before: str = ""
    after: str = ""


class Note:
    """An entry that is to be written with whatever its context writes first."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.taken = False

    def join(self, handler: Handler) -> Handler:
        """The handler, and the row in its transaction; a handler that declines has changed nothing, and takes no row along."""
        self.taken = True

        def joined(cursor: sqlite3.Cursor, items: Sequence[Any]) -> Sequence[Any]:
            results = handler(cursor, items)
            if any(isinstance(result, Exception) or result is False for result in results):
                self.taken = False
            elif not any(getattr(result, "repeated", False) for result in results):  # else it was done before
                write(cursor, [self.entry])
            return results

        return joined


NOTE: ContextVar[Note | None] = ContextVar("note", default=None)


def write(cursor: sqlite3.Cursor, items: Sequence[Entry]) -> list[None]:
    """Handler: entries that nothing else takes along."""
    cursor.executemany(
        "insert into audit(at, who, verb, subject, before, after) values(?,?,?,?,?,?)",
        [(one.at, one.who, one.verb, one.subject, one.before or None, one.after or None) for one in items],
    )
    return [None] * len(items)


def forget(cursor: sqlite3.Cursor, items: Sequence[int]) -> list[bool]:
    """Handler: drop what is older than this time (ms), in one bite; whether there is more."""
    cursor.execute(
        "delete from audit where id in (select id from audit where at<? order by at limit ?)",
        (max(items), MOST_FORGOTTEN),
    )
    return [cursor.rowcount == MOST_FORGOTTEN] * len(items)


def find(
    connection: sqlite3.Connection, *, since: int = 0, until: int = 0, who: str = "", what: str = "", subject: str = "",
    before: int = 0, limit: int = 100,
) -> list[dict[str, Any]]:  # fmt: skip
    """The newest first, as dicts: id, at, who, verb, subject, before, after. `before` is an id."""
    where, values = ["at>=?"], [since]
    wanted: list[Any] = list(values)
    if until:
        where.append("at<?")
        wanted.append(until)
    for column, value in (("who", who), ("verb", what), ("subject", subject)):
        if value:
            where.append(f"{column}=?")
            wanted.append(value)
    if before:
        where.append("id<?")
        wanted.append(before)
    rows = connection.execute(
        f"select * from audit where {' and '.join(where)} order by id desc limit ?", (*wanted, limit)
    )
    return [dict(row) for row in rows]
