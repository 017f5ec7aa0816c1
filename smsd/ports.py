"""Listening sockets that outlive the doors behind them.

A door gets a `View` in place of the reactor. When a reload replaces a door, the old one stops listening and the new one
listens on the same address: the socket itself stays open in between, so connections wait in its backlog instead of being
refused, and a port below 1024 needs no root again. A door that is replaced can be retired:
it accepts nothing more, and its connections live on.
"""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Callable
from typing import Any

from OpenSSL import SSL, crypto
from twisted.internet.defer import succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.protocols.tls import TLSMemoryBIOFactory

BACKLOG = 1024
"""Connections that may wait to be accepted, at least: with Twisted's 50 a burst of 200 clients waits a second for the
kernel to try again. The system's own limit (net.core.somaxconn) holds all the same."""

Key = tuple[str, int]
"""(interface, port), or (INHERITED, descriptor)."""

INHERITED = "systemd"


class Ports:
    """The sockets. `view` is the reactor for one door; `sweep` closes the sockets that no view uses any more."""

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor
        self._kept: dict[Key, socket.socket] = {}
        self._used: Counter[Key] = Counter()
        self._descriptors: set[int] = set()

    def view(self) -> View:
        """A reactor whose listening ports can be stopped without the door's help."""
        return View(self)

    def sweep(self) -> None:
        """Close the sockets of doors that are gone. Inherited ones stay: systemd gives them only once."""
        for key in [key for key in self._kept if not self._used[key] and key[0] != INHERITED]:
            self._kept.pop(key).close()

    def close(self) -> None:
        """Close every socket."""
        for kept in self._kept.values():
            kept.close()
        self._kept.clear()

    def listen(self, port: int, factory: Any, backlog: int, interface: str) -> Any:
        """Listen with the socket that is kept for this address, or a new one."""
        if port == 0:
            return self.reactor.listenTCP(port, factory, backlog, interface)
        key = (interface, port)
        if key not in self._kept:
            self._kept[key] = _bind(port, backlog, interface)
        return self._adopt(key, factory)

    def inherit(self, descriptor: int, family: int, factory: Any) -> Any:
        """Listen with an inherited socket. The endpoint closes `descriptor` afterwards, so a copy is kept."""
        key = (INHERITED, descriptor)
        if key not in self._kept:
            self._kept[key] = socket.socket(family, socket.SOCK_STREAM, fileno=os.dup(descriptor))
            self._descriptors.add(descriptor)
        elif descriptor not in self._descriptors:
            raise CannotListenError("systemd", descriptor, OSError("this listener needs a restart to change"))
        return self._adopt(key, factory)

    def hold(self) -> None:
        """Occupy inherited descriptors again that an endpoint has closed: the next one will close them once more."""
        for descriptor in list(self._descriptors):
            try:
                os.fstat(descriptor)
            except OSError:
                os.dup2(self._kept[INHERITED, descriptor].fileno(), descriptor, inheritable=False)

    def _adopt(self, key: Key, factory: Any) -> Watched:
        kept = self._kept[key]
        port = self.reactor.adoptStreamPort(kept.fileno(), kept.family, factory)
        self._used[key] += 1
        return Watched(port, lambda: self._used.subtract([key]))


class View:
    """The reactor as one door gets it."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._listening: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ports.reactor, name)

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
        """As IReactorTCP.listenTCP."""
        return self._noted(self._ports.listen(int(port), factory, backlog, interface))

    def listenSSL(
        self, port: int, factory: Any, contextFactory: Any, backlog: int = 50, interface: str = ""
    ) -> Any:
        """As IReactorSSL.listenSSL."""
        return self.listenTCP(port, TLSMemoryBIOFactory(contextFactory, False, factory), backlog, interface)

    def adoptStreamPort(self, fileDescriptor: int, addressFamily: int, factory: Any) -> Any:
        """As IReactorSocket.adoptStreamPort."""
        return self._noted(self._ports.inherit(fileDescriptor, addressFamily, factory))

    def listenUNIX(self, *args: Any, **options: Any) -> Any:
        """As IReactorUNIX.listenUNIX."""
        return self._noted(self._ports.reactor.listenUNIX(*args, **options))

    def retire(self) -> None:
        """Accept nothing more for this door; its connections go on."""
        for port in self._listening:
            port.stopListening()

    def _noted(self, port: Any) -> Any:
        self._listening.append(port)
        return port


class Watched:
    """A port that tells once that it stops listening."""

    def __init__(self, port: Any, stopped: Callable[[], object]) -> None:
        self._port = port
        self._stopped: Callable[[], object] | None = stopped

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)

    def stopListening(self) -> Any:
        """As IListeningPort.stopListening; harmless when repeated."""
        stopped, self._stopped = self._stopped, None
        if stopped is None:
            return succeed(None)
        stopped()
        return self._port.stopListening()


def check(reactor: Any, listen: list[str]) -> None:
    """ValueError when an endpoint cannot be made: systemd has not handed over its socket, its certificate is none."""
    for text in listen:
        try:
            serverFromString(reactor, text)
        except LookupError:
            raise ValueError(
                f"{text}: systemd has not handed over this socket: is smsd.socket enabled, with a ListenStream "
                "for each listener? (only in the foreground: twistd --nodaemon)"
            ) from None
        except (crypto.Error, SSL.Error) as error:
            raise ValueError(f"{text}: its certificate or key cannot be used ({error})") from None
        except TypeError as error:
            raise ValueError(f"{text}: {error}") from None


def _bind(port: int, backlog: int, interface: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in interface else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((interface, port))
        bound.listen(max(backlog, BACKLOG))
    except OSError as error:
        bound.close()
        raise CannotListenError(interface, port, error) from error
    return bound
