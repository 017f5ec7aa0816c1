"""Keys of requests that bring many messages: a row of the table of keys. Of a list it is written before the first message is
accepted, of a file by the commit that makes its job.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Union

from smsd.values.errors import Reason, Refused
from smsd.values.frozen import frozen
from smsd.values.message import IdempotencyKey


def begin(cursor: sqlite3.Cursor, items: Sequence[tuple[IdempotencyKey, int, int]]) -> list[Refused | None]:
    """Handler: (key, now, when it expires): the request goes on, for the first time or again; Refused when the key stands for
    another one."""
    return [_begin(cursor, *item) for item in items]


def _begin(cursor: sqlite3.Cursor, key: IdempotencyKey, now: int, expires: int) -> Refused | None:
    before = known(cursor, key, now)
    if before is None:
        keep(cursor, key, 0, expires)
        return None
    return None if before.same else conflict()


@frozen
class Before:
    """An earlier request with this key: the number of what it has made, and whether it was the same request."""

    made: int
    same: bool


def known(source: Union[sqlite3.Cursor, sqlite3.Connection], key: IdempotencyKey, now: int) -> Before | None:
    """The earlier request, if there was one."""
    row = source.execute(
        "select fingerprint, message from idempotency where scope=? and key=? and expires>?",
        (key.scope, key.key, now),
    ).fetchone()
    return None if row is None else Before(int(row[1]), bytes(row[0]) == key.fingerprint)


def keep(cursor: sqlite3.Cursor, key: IdempotencyKey, made: int, expires: int) -> None:
    """The request with this key has made that."""
    cursor.execute(
        "insert or replace into idempotency(scope, key, fingerprint, message, answer, expires) values(?,?,?,?,'[0,[]]',?)",
        (key.scope, key.key, key.fingerprint, made, expires),
    )


def conflict() -> Refused:
    """The key stands for another request."""
    return Refused(Reason.CONFLICT, "this key was used for another request: use a new key for a new request")
