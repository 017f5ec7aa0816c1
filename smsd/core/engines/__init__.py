"""What the databases that rules may use have in common: a connection, its rows, and its troubles.

One module for each kind: how it connects, runs one statement, is stopped, and what its errors mean. All of it happens in
threads. Every value is bound; no error carries a value or a password.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from smsd.codec.sqltext import Dialect, Statement
from smsd.values.delivery import Failure, Kind
from smsd.values.frozen import frozen

MOST_ROWS = 1000
MOST_TEXT = 1_000_000
"""Rows and characters that are kept of what a statement gives."""


@frozen
class Rows:
    """What a statement gave: values as text, None for NULL. `more`: there were rows that were dropped. `columns`: the names of
    theirs, if there were any."""

    rows: tuple[tuple[str | None, ...], ...] = ()
    more: bool = False
    columns: tuple[str, ...] = ()

    @property
    def first(self) -> str | None:
        """The first column of the first row; None when it is NULL, or there is none."""
        return self.rows[0][0] if self.rows and self.rows[0] else None

    @property
    def text(self) -> str:
        """A line for each row, its values with a blank between them; NULL is empty."""
        return "\n".join(" ".join(value or "" for value in row).strip() for row in self.rows)


class Kept:
    """Collects rows up to the limits; `more` when there were others."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._room = MOST_TEXT
        self._rows: list[tuple[str | None, ...]] = []
        self._columns: tuple[str, ...] = ()
        self.more = False

    def add(self, row: Iterable[Any], cursor: Any) -> None:
        """One more row of this cursor, kept while there is room."""
        if not self._columns:
            self._columns = tuple(str(column[0]) for column in cursor.description or ())
        if len(self._rows) >= self._most or self._room <= 0:
            self.more = True
            return
        values = tuple(map(as_text, row))
        self._room -= sum(len(value) for value in values if value)
        self._rows.append(values)

    def rows(self) -> Rows:
        """What was kept."""
        return Rows(tuple(self._rows), self.more, self._columns)


class Connection(Protocol):
    """One connection. `interrupt` and `abort` may be called from another thread, at any time."""

    @property
    def usable(self) -> bool:
        """Whether another statement may be run on it."""

    @property
    def lost(self) -> bool:
        """Whether it has ended, so that nobody knows what became of a COMMIT."""

    def execute(self, statement: Statement, values: tuple[str, ...], seconds: float, most: int) -> Rows:
        """Begin a transaction and run a statement in it."""

    def commit(self) -> None:
        """Make it last."""

    def rollback(self) -> None:
        """Undo it; never raises."""

    def interrupt(self) -> None:
        """Let the statement fail soon."""

    def abort(self) -> None:
        """End the connection whatever it does."""

    def close(self) -> None:
        """Close it; never raises."""


class Engine(Protocol):
    """One database."""

    dialect: Dialect

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What its driver raises."""

    def connect(self, readonly: bool, seconds: float) -> Connection:
        """A new connection; raises one of `errors`, or a Failure."""

    def trouble(self, error: Exception, values: tuple[str, ...]) -> Failure:
        """What an error of this database means for the message."""

    def refuses_to_write(self, error: Exception) -> bool:
        """Whether a statement wanted to write where it may only read."""


def temporary(reason: str) -> Failure:
    """Trouble that may pass."""
    return Failure(Kind.TEMPORARY, reason, status="4.3.0")


def permanent(reason: str) -> Failure:
    """Trouble that would be the same next time."""
    return Failure(Kind.PERMANENT, reason, status="5.3.0")


def without_values(words: str, values: tuple[str, ...]) -> str:
    """A database's words in one line, with … for each value that was bound."""
    for value in sorted(values, key=len, reverse=True):
        if len(value) > 3:
            words = words.replace(value, "…")
        for quote_ in "\"'":
            words = words.replace(quote_ + value + quote_, quote_ + "…" + quote_)
    return " ".join(words.split())[:200]


def as_text(value: Any) -> str | None:
    """A value as conditions and answers get it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
