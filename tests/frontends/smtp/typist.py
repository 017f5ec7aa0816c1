"""Somebody at a terminal: types a line into a real socket, reads the answer, types the next."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from smsd.frontends.smtp import MailDoor


class Typist(Protocol):
    """`greeting` fires with the first answer; `gone` when the server has closed."""

    def __init__(self) -> None:
        self._buffer = ""
        self._waiting: Deferred[list[str]] | None = None
        self.gone: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data.decode("ascii")
        self._look()

    def _look(self) -> None:
        lines = self._buffer.split("\r\n")
        for number, line in enumerate(lines[:-1]):
            if line[3:4] != "-" and self._waiting is not None:
                self._buffer = "\r\n".join(lines[number + 1 :])
                waiting, self._waiting = self._waiting, None
                waiting.callback(lines[: number + 1])
                return

    def answer(self) -> Deferred[list[str]]:
        """The lines of the next reply."""
        self._waiting = answer = Deferred()
        self._look()
        return answer

    def type(self, line: str) -> Deferred[list[str]]:
        """Type a line and Enter; its answer."""
        answer = self.answer()
        self.enter(line)
        return answer

    def enter(self, line: str) -> None:
        """Type a line and Enter where no answer comes."""
        transport: Any = self.transport
        transport.write(line.encode() + b"\r\n")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.gone.callback(None)


def connect(door: MailDoor) -> Deferred[Typist]:
    """Call this door."""
    port = door.ports[0].getHost().port
    return connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port), Typist())
