"""Keys of requests that bring many messages: one row of the table of keys, written before the first message is accepted."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from smsd.values.errors import Reason, Refused
from smsd.values.message import IdempotencyKey


def begin(cursor: sqlite3.Cursor, items: Sequence[tuple[IdempotencyKey, int, int]]) -> list[Refused | None]:
    """Handler: (key, now, when it expires): the request goes on, for the first time or again; Refused when the key stands for
    another one."""
    return [_begin(cursor, *item) for item in items]


def _begin(cursor: sqlite3.Cursor, key: IdempotencyKey, now: int, expires: int) -> Refused | None:
    row = cursor.execute(
        "select fingerprint from idempotency where scope=? and key=? and expires>?", (key.scope, key.key, now)
    ).fetchone()
    if row is not None and bytes(row[0]) != key.fingerprint:
        return Refused(
            Reason.CONFLICT, "this key was used for another request: use a new key for a new request"
        )
    if row is None:
        cursor.execute(
            "insert or replace into idempotency(scope, key, fingerprint, message, answer, expires) values(?,?,?,0,'[0,[]]',?)",
            (key.scope, key.key, key.fingerprint, expires),
        )
    return None
