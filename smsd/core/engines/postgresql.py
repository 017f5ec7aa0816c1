"""PostgreSQL by `psycopg`, an optional package that is imported when it is needed."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from typing import Any
from urllib.parse import unquote, urlsplit

from smsd.codec.sqltext import Dialect, Statement
from smsd.core.engines import Connection, Kept, Rows, permanent, temporary, without_values
from smsd.values.delivery import Failure

_PASSING_STATES = ("08", "25006", "40", "53", "55006", "55P03", "57", "58", "XX")
"""SQLSTATEs, or their first characters, that may be different next time: no connection, a standby, deadlocks, no room, locks,
somebody's shutdown or our time limit, the system, its own mistakes."""


class Postgres:
    """A PostgreSQL database."""

    dialect: Dialect = "postgresql"

    def __init__(self, url: str) -> None:
        self._url = url
        try:
            parts = urlsplit(url)
            secret, _ = parts.password, parts.port
        except ValueError as error:
            raise ValueError(
                f"the URL of the database cannot be read: {without_values(str(error), ())}"
            ) from None
        self._secrets = tuple(filter(None, (url, secret, unquote(secret or ""))))

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """The driver's, once it is imported."""
        try:
            import psycopg
        except ImportError:
            return (OSError,)
        return (psycopg.Error, OSError)

    def connect(self, readonly: bool, seconds: float) -> Connection:
        """Connect; a Failure when the package is not installed."""
        try:
            import psycopg
        except ImportError:
            raise temporary("the Python package psycopg is missing: install smsd[postgres]") from None
        connection = psycopg.connect(
            self._url, connect_timeout=max(2, int(seconds)), application_name="smsd", cursor_factory=psycopg.RawCursor,
            prepare_threshold=None,
        )  # fmt: skip
        connection.read_only = readonly
        return PostgresConnection(connection)

    def trouble(self, error: Exception, values: tuple[str, ...]) -> Failure:
        """By its SQLSTATE."""
        diagnosis = getattr(error, "diag", None)
        state: str = getattr(error, "sqlstate", None) or ""
        primary: str = getattr(diagnosis, "message_primary", None) or str(error)
        words = (
            f"the database says: {without_values(primary, (*values, *self._secrets)) or type(error).__name__}"
        )
        # Without a state it is the driver that complains, of the connection or of what it was given.
        kinds = {kind.__name__ for kind in type(error).__mro__}
        passing = (
            state.startswith(_PASSING_STATES)
            if state
            else kinds & {"OperationalError", "InterfaceError", "OSError"}
        )
        return temporary(words) if passing else permanent(words)

    def refuses_to_write(self, error: Exception) -> bool:
        """By its SQLSTATE, that of a transaction that is read-only."""
        return getattr(error, "sqlstate", None) == "25006"


class PostgresConnection:
    """A connection whose values all come as text, as the database writes them; but booleans as true and false."""

    def __init__(self, connection: Any) -> None:
        from psycopg.postgres import types
        from psycopg.types.string import TextLoader

        self._connection = connection
        for known in types:
            if known.name != "bool":
                connection.adapters.register_loader(known.oid, TextLoader)
            if known.array_oid:
                connection.adapters.register_loader(known.array_oid, TextLoader)
        # Our own name for the socket: shutting it down can never meet another one.
        self._socket = socket.socket(fileno=os.dup(connection.fileno()))
        self._lock = threading.Lock()

        self._aborted = False

    @property
    def usable(self) -> bool:
        """Open."""
        return not self.lost

    @property
    def lost(self) -> bool:
        """Closed by the database, the network, or `abort`."""
        return self._aborted or bool(self._connection.closed)

    def execute(self, statement: Statement, values: tuple[str, ...], seconds: float, most: int) -> Rows:
        """See `Connection`. Rows come one by one, so that a million of them take no room."""
        import psycopg
        from psycopg.pq import TransactionStatus

        self._connection.execute(f"SET LOCAL statement_timeout = {max(1, int(seconds * 1000))}")
        kept = Kept(most)
        cursor = self._connection.cursor()
        try:
            for row in cursor.stream(statement.text, values):
                kept.add(row, cursor)
                if kept.more and self._connection.read_only:
                    break  # else it is read to the end: what is not read is cancelled, with all that it did
        except psycopg.ProgrammingError as error:
            # The driver's own complaint about a statement that gives no rows.
            if error.sqlstate or self._connection.info.transaction_status is not TransactionStatus.INTRANS:
                raise
        return kept.rows()

    def commit(self) -> None:
        """See `Connection`."""
        self._connection.commit()

    def rollback(self) -> None:
        """See `Connection`."""
        with contextlib.suppress(Exception):
            self._connection.rollback()

    def interrupt(self) -> None:
        """The database does it, by its statement_timeout."""

    def abort(self) -> None:
        """See `Connection`: whoever waits for the socket is woken."""
        self._aborted = True
        with self._lock, contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """See `Connection`."""
        with contextlib.suppress(Exception):
            self._connection.close()
        with self._lock:
            self._socket.close()
