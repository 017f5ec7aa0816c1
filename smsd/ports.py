"""Listening sockets that outlive the doors behind them.

Doors get `Ports` in place of the reactor. When a reload replaces a door, the old one stops listening and the new one
listens on the same address: the socket itself stays open in between, so connections wait in its backlog instead of being
refused, and a port below 1024 needs no root again. `sweep` closes what no door took up again.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.error import CannotListenError
from twisted.internet.tcp import Port
from twisted.protocols.tls import TLSMemoryBIOFactory

Key = tuple[str, int]


class Ports:
    """A reactor whose `listenTCP` and `listenSSL` keep their sockets; everything else is the reactor's own."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._kept: dict[Key, socket.socket] = {}
        self._used: dict[Key, int] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
        """As IReactorTCP.listenTCP. Port 0 is given to the reactor, since nobody can ask for the same one again."""
        if port == 0 or not isinstance(port, int):
            return self._reactor.listenTCP(port, factory, backlog, interface)
        key = (interface, port)
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = self._bind(port, backlog, interface)
        adopted = self._reactor.adoptStreamPort(kept.fileno(), kept.family, factory)
        self._used[key] = self._used.get(key, 0) + 1
        return _Watched(adopted, lambda: self._left(key))

    def listenSSL(
        self, port: int, factory: Any, contextFactory: Any, backlog: int = 50, interface: str = ""
    ) -> Any:
        """As IReactorSSL.listenSSL."""
        return self.listenTCP(port, TLSMemoryBIOFactory(contextFactory, False, factory), backlog, interface)

    def sweep(self) -> None:
        """Close sockets that no door listens on any more."""
        for key in [key for key in self._kept if not self._used.get(key)]:
            self._kept.pop(key).close()

    def _left(self, key: Key) -> None:
        self._used[key] -= 1

    def _bind(self, port: int, backlog: int, interface: str) -> socket.socket:
        family = socket.AF_INET6 if ":" in interface else socket.AF_INET
        kept = socket.socket(family, socket.SOCK_STREAM)
        try:
            kept.setblocking(False)
            kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            kept.bind((interface, port))
            kept.listen(backlog)
        except OSError as error:
            kept.close()
            raise CannotListenError(interface, port, error) from error
        return kept


class _Watched:
    """A port that says when it stops listening."""

    def __init__(self, port: Port, stopped: Any) -> None:
        self._port = port
        self._stopped = stopped

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)

    def stopListening(self) -> Any:
        stopped, self._stopped = self._stopped, lambda: None
        stopped()
        return self._port.stopListening()
