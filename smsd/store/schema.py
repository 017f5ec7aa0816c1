"""Schema versions: numbered SQL files, applied forward, each in one transaction, after a copy of the old file.

`PRAGMA user_version` says which were applied. A store that is newer than this smsd is refused: going back could lose.
"""

from __future__ import annotations

import sqlite3
from importlib import resources

from smsd.values.errors import InvalidValue


def migrations() -> list[tuple[int, str]]:
    """(version, SQL) in order, from `migrations/NNNN_name.sql`."""
    files = [
        f for f in resources.files("smsd.store").joinpath("migrations").iterdir() if f.name.endswith(".sql")
    ]
    return sorted((int(f.name[:4]), f.read_text("utf-8")) for f in files)


def migrate(connection: sqlite3.Connection, path: str, steps: list[tuple[int, str]] | None = None) -> int:
    """Bring the store to the newest version; returns it. `connection` is in autocommit mode."""
    steps = migrations() if steps is None else steps
    (have,) = connection.execute("pragma user_version").fetchone()
    newest = steps[-1][0]
    if have > newest:
        raise InvalidValue(
            f"{path} has schema version {have}, this smsd knows versions up to {newest}: install a newer smsd"
        )
    missing = [(version, sql) for version, sql in steps if version > have]
    if missing and have:
        with sqlite3.connect(f"{path}.before-v{missing[-1][0]}") as copy:
            connection.backup(copy)
        copy.close()
    for version, sql in missing:
        connection.executescript(f"begin exclusive;\n{sql}\npragma user_version = {version};\ncommit;")
    return newest
