"""The control door: a Unix socket on which the `smsd` command calls the operator's verbs (`smsd.core.control`).

One JSON object per line: `{"verb": "status", "args": {}}` is answered `{"ok": true, "result": …}` or `{"ok": false, "error":
"…"}`, in the order of the questions. Whoever may open the socket may do everything, so it is made with mode 0600. Not a
type of listener: there is exactly one, from the section `control`.
"""

from __future__ import annotations

import json
import os
import pwd
import socket
import struct
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.protocols.basic import LineOnlyReceiver

from smsd.core.auditing import OPERATOR, WHO
from smsd.values.errors import InvalidValue, Refused

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid
LONGEST = 1 << 23
"""Octets of a question: an import of some ten thousand accounts."""


class ControlProtocol(LineOnlyReceiver):
    """One client. Questions wait for the answer to the one before."""

    log = Logger()
    delimiter = b"\n"
    MAX_LENGTH = LONGEST

    def __init__(self, control: Any) -> None:
        self._control = control
        self._who = OPERATOR
        self._waiting: list[bytes] = []
        self._busy = False

    def connectionMade(self) -> None:
        """Ask the system whose process it is: that is who changes things."""
        self._who = user_of(self.transport)

    def lineReceived(self, line: bytes) -> None:
        """A question."""
        self._waiting.append(line)
        if not self._busy:
            self._busy = True
            Deferred.fromCoroutine(self._answer()).addErrback(self._broken)

    async def _answer(self) -> None:
        WHO.set(self._who)  # in the context of this coroutine
        while self._waiting:
            reply = await self._reply(self._waiting.pop(0))
            self.sendLine(json.dumps(reply, default=str).encode())
        self._busy = False

    async def _reply(self, line: bytes) -> dict[str, Any]:
        try:
            question = json.loads(line)
        except (ValueError, RecursionError):
            return {"ok": False, "error": 'one JSON object per line is expected: {"verb": …, "args": {…}}'}
        verb = question.get("verb") if isinstance(question, dict) else None
        arguments = question.get("args", {}) if isinstance(question, dict) else None
        if not isinstance(verb, str) or not isinstance(arguments, dict):
            return {"ok": False, "error": '"verb" (a text) and "args" (an object) are expected'}
        try:
            return {"ok": True, "result": await self._control.call(verb, arguments)}
        except (InvalidValue, Refused) as error:
            return {"ok": False, "error": str(error)}
        except Exception as error:  # a door's edge
            self.log.failure("control verb {verb!r} failed", verb=verb)
            return {
                "ok": False,
                "error": f"the server made a mistake ({type(error).__name__}): its log tells more",
            }

    def _broken(self, failure: Any) -> None:
        self.log.failure("control connection failed", failure)
        assert self.transport is not None
        self.transport.loseConnection()

    def lineLengthExceeded(self, line: bytes) -> None:
        """No question is that long."""
        assert self.transport is not None
        self.transport.loseConnection()


def user_of(transport: Any) -> str:
    """The user at the other end of a Unix socket (SO_PEERCRED), by name; the operator where that cannot be known."""
    try:
        given = transport.getHandle().getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        _, uid, _ = _CREDENTIALS.unpack(given)
    except (AttributeError, OSError, struct.error):
        return OPERATOR
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


class ControlDoor(Service):
    """Listens at `path`. A socket that a dead server left there is replaced; one that answers is respected."""

    def __init__(self, path: str, control: Any, reactor: Any) -> None:
        self._path = path
        self._control = control
        self._reactor = reactor
        self._port: Any = None

    def startService(self) -> None:
        """CannotListenError when another server answers there."""
        self._remove_stale()
        factory = Factory.forProtocol(lambda: ControlProtocol(self._control))
        factory.noisy = False
        before = os.umask(0o177)
        try:
            self._port = self._reactor.listenUNIX(self._path, factory, mode=0o600)
        finally:
            os.umask(before)
        super().startService()

    def stopService(self) -> Deferred[None]:
        """Stop listening; Twisted removes the socket."""
        super().stopService()
        port, self._port = self._port, None
        return port.stopListening()

    def _remove_stale(self) -> None:
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(self._path)
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            os.unlink(self._path)
            return
        except OSError as error:
            raise CannotListenError("unix", self._path, error) from error
        raise CannotListenError("unix", self._path, OSError("another smsd answers there; stop it first"))
