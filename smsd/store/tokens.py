"""Tokens of the API as rows. What a token may do is known to `smsd.core.tokens`."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from smsd.values.errors import InvalidValue

MOST = 10_000


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token, which is not the token itself. Times are milliseconds UTC, 0: never."""

    id: int
    account: str
    scopes: tuple[str, ...]
    note: str = ""
    created: int = 0
    expires: int = 0
    used: int = 0


def create(cursor: sqlite3.Cursor, items: Sequence[tuple[bytes, Token]]) -> list[Token | InvalidValue]:
    """Handler: (hash, token without its id) → the token with its id."""
    return [_create(cursor, hashed, token) for hashed, token in items]


def _create(cursor: sqlite3.Cursor, hashed: bytes, token: Token) -> Token | InvalidValue:
    (count,) = cursor.execute("select count(*) from token").fetchone()
    if count >= MOST:
        return InvalidValue(f"there are {count} tokens: revoke those that nobody uses")
    cursor.execute(
        "insert into token(hash, account, scopes, note, created, expires) values(?,?,?,?,?,?)",
        (hashed, token.account, " ".join(token.scopes), token.note, token.created, token.expires),
    )
    return Token(
        int(cursor.lastrowid or 0), token.account, token.scopes, token.note, token.created, token.expires
    )


def revoke(cursor: sqlite3.Cursor, items: Sequence[int]) -> list[InvalidValue | None]:
    """Handler: the token with this id is forgotten."""
    results: list[InvalidValue | None] = []
    for item in items:
        cursor.execute("delete from token where id=?", (item,))
        missing = InvalidValue(f"there is no token {item}: smsd token list shows those there are")
        results.append(None if cursor.rowcount else missing)
    return results


def use(cursor: sqlite3.Cursor, items: Sequence[dict[int, int]]) -> list[None]:
    """Handler: when tokens were last used, by id."""
    for item in items:
        cursor.executemany(
            "update token set used=max(used, ?) where id=?", [(at, id_) for id_, at in item.items()]
        )
    return [None] * len(items)


# -- questions, asked of a connection that only reads


def every(connection: sqlite3.Connection) -> dict[bytes, Token]:
    """All tokens, by their hash."""
    return {
        bytes(row["hash"]): Token(
            row["id"], row["account"], tuple(row["scopes"].split()), row["note"], row["created"], row["expires"], row["used"]
        )
        for row in connection.execute("select * from token order by id")
    }  # fmt: skip
