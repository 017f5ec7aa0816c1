"""A mail server in memory: it says a greeting, and then to each line what a script says, as wrongly as a test wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

Script = Callable[[bytes], "bytes | None"]


class _Wire:
    """The transport of the client."""

    def __init__(self, server: Scripted, protocol: Any) -> None:
        self._server = server
        self._protocol = protocol
        self._buffer = b""
        self.open = True
        self.tls = False

    def write(self, data: bytes) -> None:
        self._server.octets += data
        self._buffer += data
        while self.open and b"\n" in self._buffer:
            line, _, self._buffer = self._buffer.partition(b"\n")
            line = line.rstrip(b"\r")
            self._server.heard.append(line)
            self.say(self._server.script(line))

    def say(self, octets: bytes | None) -> None:
        """What the server says; None ends the connection."""
        if octets is None:
            self.close()
            return
        bite = self._server.bite or max(len(octets), 1)
        for at in range(0, len(octets), bite):
            if self.open:
                self._protocol.dataReceived(octets[at : at + bite])

    def startTLS(self, options: Any) -> None:
        self.tls = True
        if self._server.in_tls is not None:
            self.say(self._server.in_tls)

    def close(self) -> None:
        if self.open:
            self.open = False
            self._protocol.connectionLost(Failure(ConnectionDone()))

    loseConnection = abortConnection = close


class Scripted:
    """An endpoint. `heard`: the lines of the client; `octets`: all that it said. `in_tls`: what is said once TLS begins.
    `bite`: octets at a time."""

    def __init__(self, greeting: bytes, script: Script, bite: int = 0, in_tls: bytes | None = None) -> None:
        self.greeting = greeting
        self.script = script
        self.bite = bite
        self.in_tls = in_tls
        self.heard: list[bytes] = []
        self.octets = b""
        self.wires: list[_Wire] = []

    def connect(self, factory: Any) -> Deferred[Any]:
        """See IStreamClientEndpoint."""
        protocol = factory.buildProtocol(None)
        wire = _Wire(self, protocol)
        self.wires.append(wire)
        protocol.makeConnection(wire)
        wire.say(self.greeting)
        return succeed(protocol)

    @property
    def open(self) -> int:
        """Connections that are not over."""
        return sum(wire.open for wire in self.wires)


def dialogue(*pairs: tuple[bytes, bytes]) -> Script:
    """To a line that begins with the first of a pair the second is said, else nothing."""

    def script(line: bytes) -> bytes:
        return next((answer for word, answer in pairs if line.startswith(word)), b"")

    return script
