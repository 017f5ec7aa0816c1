"""One conversation with a server that knows passwords: lines, and TLS. Bounded in octets; `asking` bounds the time.

What was received before TLS began is never believed afterwards. What is said is never logged: it has passwords in it.
"""

from __future__ import annotations

import base64
import re
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

MOST = 1 << 16
"""Octets that a server may say in one conversation."""
_CODED = re.compile(r"[A-Za-z0-9+/]{6,}")
LEAVING = 2.0
"""Seconds that a server gets to end a connection that was taken leave of."""


class Unknown(Exception):
    """Whether the password is right cannot be known now. The text is for the administrator; it has no password in it."""


class Conversation(Protocol):
    """Ask `line` for one line after the other; it fails with Unknown. `asked`: the password is out, so what
    goes wrong from now on may be about this user and not about the server."""

    transport: Any = None

    def __init__(self, clock: Any) -> None:
        self.asked = False
        self._clock = clock
        self._leaving: Any = None
        self._buffer = b""
        self._heard = 0
        self._waiting: Deferred[str] | None = None
        self._lost = ""
        self._in_tls = False
        self._secrets: tuple[str, ...] = ()
        self._coded = ""

    def hide(self, login: str, password: str) -> None:
        """What nobody may read in a log, also if the server repeats what it was told."""
        coded = [
            base64.b64encode(text.encode()).decode("ascii") for text in (password, f"\0{login}\0{password}")
        ]
        self._secrets = (password.lower(), *(text.lower() for text in coded))
        self._coded = coded[1].lower()

    def shown(self, said: str) -> str:
        """What the server said, for the log."""
        lower = said.lower()
        # Of a long line it may have repeated the beginning, and of any line nothing but pieces.
        if any(secret in lower for secret in self._secrets) or any(
            word in self._coded for word in _CODED.findall(lower)
        ):
            return "(it repeats the password)"
        return "".join(letter if " " <= letter <= "~" else "?" for letter in said[:200])

    def dataReceived(self, data: bytes) -> None:
        """A line for whoever waits."""
        self._heard += len(data)
        if self._heard > MOST:
            self.end("says more than anybody can want to know")
            return
        self._buffer += data
        self._give()

    def _give(self) -> None:
        end = self._buffer.find(b"\n")
        if self._waiting is None or end < 0:
            return
        line, self._buffer = self._buffer[:end].rstrip(b"\r"), self._buffer[end + 1 :]
        waiting, self._waiting = self._waiting, None
        waiting.callback(line.decode("utf-8", "replace"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Whoever waits is told why."""
        if self._leaving is not None and self._leaving.active():
            self._leaving.cancel()
        self._fail(_why(reason, self._in_tls))

    def end(self, why: str) -> None:
        """Break it off, unless that was taken leave of; whoever waits gets Unknown(why)."""
        over = self._leaving is not None
        self._fail(why)
        if self.transport is not None and not over:
            self.transport.abortConnection()

    def leave(self, *words: str) -> None:
        """Take leave; the connection ends soon, whatever the server does."""
        if self._lost:
            return
        for word in words:
            self.say(word)
        self._lost = "is over"
        self._leaving = self._clock.callLater(LEAVING, self.transport.abortConnection)
        self.transport.loseConnection()

    def _fail(self, why: str) -> None:
        self._lost = self._lost or why
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.errback(Unknown(self._lost))

    def line(self) -> Deferred[str]:
        """The next line, without its end."""
        waiting: Deferred[str] = Deferred(self._given_up)
        self._waiting = waiting
        self._give()
        if self._waiting is not None and self._lost:
            self._fail(self._lost)
        return waiting

    def _given_up(self, waiting: Deferred[str]) -> None:
        self._waiting = None
        self.end("was given up")

    def say(self, line: str) -> None:
        """One line. NUL, CR and LF cannot be in it."""
        if any(letter in line for letter in "\0\r\n"):
            raise ValueError("what is no line cannot be said")
        self.raw(line.encode("utf-8") + b"\r\n")

    def raw(self, octets: bytes) -> None:
        """Octets as they are."""
        if not self._lost:
            self.transport.write(octets)

    def start_tls(self, options: Any) -> None:
        """From here on in TLS; Unknown when somebody has put words before it."""
        if self._buffer:
            raise Unknown("sent more than its answer before TLS")
        if self._lost:
            raise Unknown(self._lost)
        self.transport.startTLS(options)
        self._in_tls = True


def _why(reason: Failure, in_tls: bool) -> str:
    """The end of a connection in words for an administrator."""
    error: Any = reason.value
    module = type(error).__module__
    if module.startswith("service_identity"):
        return "has a certificate for another name"
    if module.startswith("OpenSSL"):  # args: [(library, function, reason), …], or nothing
        details = error.args[0] if error.args and isinstance(error.args[0], list) else []
        words = "; ".join(str(entry[-1]) for entry in details if isinstance(entry, tuple))
        return f"cannot be spoken to in TLS: {words or type(error).__name__}"
    return "closed the connection" + (" in TLS" if in_tls else "")
