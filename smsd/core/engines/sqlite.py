"""SQLite files: they must exist, and their journal stays as it is."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import threading
from urllib.parse import quote

from smsd.codec.sqltext import Dialect, Statement
from smsd.core.engines import Connection, Kept, Rows, permanent, temporary, without_values
from smsd.values.delivery import Failure

LONGEST_VALUE = 10_000_000
"""Octets of a value that SQLite may make (Python 3.11 and later)."""
COMMIT_WAIT = 3000
"""Milliseconds that it waits for others before a commit fails."""

_PASSING = (
    "locked",
    "busy",
    "disk i/o",
    "unable to open",
    "is full",
    "interrupted",
    "readonly",
    "malformed",
    "not a database",
)
"""Words of SQLite's errors that may be different next time. (Python 3.10 has no error codes.)"""


class Sqlite:
    """An SQLite file; it must exist."""

    dialect: Dialect = "sqlite"
    errors = (sqlite3.Error, sqlite3.Warning, OSError)

    def __init__(self, path: str, own: str) -> None:
        self.path = path
        self._own = own

    @property
    def _is_own(self) -> bool:
        try:
            return bool(self._own) and os.path.samefile(self.path, self._own)
        except OSError:
            return False

    def connect(self, readonly: bool, seconds: float) -> Connection:
        """Open it; our own store only to read."""
        return SqliteConnection(self.path, readonly or self._is_own)

    def trouble(self, error: Exception, values: tuple[str, ...]) -> Failure:
        """By its class and words."""
        said, words = str(error).lower(), without_values(str(error), values)
        if "readonly" in said and self._is_own:
            return permanent("this database is smsd's own store: rules may only read it")
        if isinstance(error, OSError):
            return temporary(f"the database cannot be opened: {error.strerror}")
        general = isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError
        passing = general and any(word in said for word in _PASSING)
        return (temporary if passing else permanent)(f"the database says: {words}")

    def refuses_to_write(self, error: Exception) -> bool:
        """By its words."""
        return "readonly" in str(error).lower()


class SqliteConnection:
    """An open SQLite file."""

    def __init__(self, path: str, readonly: bool) -> None:
        mode = "ro" if readonly else "rw"
        self._path = path
        self._lock = threading.Lock()
        self._open = True
        self._stopped = False
        self._connection = sqlite3.connect(
            f"file:{quote(os.path.abspath(path))}?mode={mode}",
            uri=True, isolation_level=None, check_same_thread=False, cached_statements=0,
        )  # fmt: skip
        self._connection.text_factory = lambda octets: octets.decode("utf-8", "replace")
        try:
            self._file = os.stat(path)
            self._limit()
        except BaseException:
            self._connection.close()
            raise

    def _limit(self) -> None:
        # For what does not notice an interrupt: a statement that came after it.
        self._connection.set_progress_handler(lambda: self._stopped, 10_000)
        if sys.version_info >= (3, 11):
            self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
            self._connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)

    @property
    def usable(self) -> bool:
        """Not stopped, and the path still names this file."""
        try:
            return not self._stopped and os.path.samestat(os.stat(self._path), self._file)
        except OSError:
            return False

    @property
    def lost(self) -> bool:
        """Never: what SQLite refuses to commit is not committed."""
        return False

    def execute(self, statement: Statement, values: tuple[str, ...], seconds: float, most: int) -> Rows:
        """See `Connection`."""
        self._connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
        self._connection.execute("BEGIN")
        cursor = self._connection.execute(statement.text, values)
        kept = Kept(most)
        for row in cursor:
            kept.add(row, cursor)
            if kept.more:  # all that it writes it has written before the first row
                break
        cursor.close()
        return kept.rows()

    def commit(self) -> None:
        """See `Connection`; readers may be in the way for a while."""
        self._connection.execute(f"PRAGMA busy_timeout = {COMMIT_WAIT}")
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        """See `Connection`."""
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def interrupt(self) -> None:
        """See `Connection`."""
        self._stopped = True
        with self._lock:
            if self._open:
                self._connection.interrupt()

    abort = interrupt

    def close(self) -> None:
        """See `Connection`."""
        with self._lock, contextlib.suppress(sqlite3.Error):
            self._open = False
            self._connection.close()
