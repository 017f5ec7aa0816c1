"""From where who has logged in, as rows, so that it is known again after a restart."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

Pair = tuple[tuple[str, str], float]


def learn(cursor: sqlite3.Cursor, items: Sequence[Pair]) -> list[None]:
    """Handler: ((origin, name), until when it is known, in seconds)."""
    cursor.executemany(
        "insert or replace into known(origin, name, until) values(?,?,?)",
        [(*pair, int(until * 1000)) for pair, until in items],
    )
    return [None] * len(items)


def forget(cursor: sqlite3.Cursor, items: Sequence[int]) -> list[None]:
    """Handler: drop those that nobody has used until this time (ms)."""
    cursor.execute("delete from known where until<=?", (max(items),))
    return [None] * len(items)


def every(connection: sqlite3.Connection, now: int, most: int, of_one: int) -> list[Pair]:
    """Those that are still known, the oldest first: at most so many, and so many of one name."""
    rows = connection.execute(
        "select origin, name, until from (select origin, name, until, row_number() over (partition by name order by until desc)"
        " as place from known where until>?) where place<=? order by until desc limit ?",
        (now, of_one, most),
    ).fetchall()
    return [((origin, name), until / 1000) for origin, name, until in reversed(rows)]
