"""Programs that rules run (`type: program`): no shell, an environment of their own, limits for time and output.

A program begins in a session of its own, so that all it starts can be ended with it: TERM at the time limit, KILL some
seconds later. `smsd.gateways.launch` does what has to be done between fork and exec. What a program leaves running in the
background when it ends by itself is left alone, and its output is not read.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure as TwistedFailure

from smsd.gateways.errands import Errands, Limits, clean, out_of_order, permanent, temporary, without_secrets
from smsd.gateways.hooks import environment, event_file
from smsd.interfaces import GatewayContext
from smsd.values.delivery import Accepted, Failure, Piece
from smsd.values.message import Call

EVENT_FILE = "{eventfile}"
"""An argument that stands for the path of a file as SMSTools' eventhandler gets it."""
TRY_AGAIN = 75
"""EX_TEMPFAIL of sysexits.h."""
KILL_AFTER = 5.0
GIVE_UP_AFTER = 5.0
"""Seconds from TERM to KILL, and from KILL to the end of our patience."""
LINGER = 1.0
"""Seconds that output is still read after the end of a program whose children hold its ends open."""
_ERRORS = 4096
_LINES = 5
_LAUNCH = os.path.join(os.path.dirname(__file__), "launch.py")


class Settings(Limits):
    """`type: program`."""

    schemes = frozenset({"program"})

    type: Literal["program"] = "program"


@dataclass(slots=True)
class Ended:
    """How a program ended. `unable`: the errno with which it could not be started; `late`: it had to be ended."""

    output: bytes
    more: bool
    errors: str
    code: int | None = None
    signal: int | None = None
    unable: int | None = None
    late: bool = False


class Programs(Errands):
    """Runs programs."""

    log = Logger()
    kind = "program"

    def startService(self) -> None:
        """Files that an earlier life left behind are removed."""
        folder = self.context.spool("events")
        if os.path.isabs(folder):
            shutil.rmtree(folder, ignore_errors=True)
        super().startService()

    async def _run(self, piece: Piece, call: Call) -> Accepted:
        if not os.path.isabs(call.what):
            raise permanent(
                f"{call.what} is no absolute path: write the whole path of the program in the rule"
            )
        file = None
        try:
            if EVENT_FILE in call.arguments:
                file = self._event_file(piece, call)
            arguments = [call.what, *(file if one == EVENT_FILE and file else one for one in call.arguments)]
            running = self._begin(arguments, piece, call)
            ended = await running.ended
        finally:
            if file is not None:
                with suppress(OSError):
                    os.unlink(file)
        return self._judge(call, ended)

    def _begin(self, arguments: list[str], piece: Piece, call: Call) -> Running:
        limits = self._limits
        running = Running(
            self.context.reactor, call.text.encode("utf-8", "replace"), limits.seconds, limits.output
        )
        command = [os.fsencode(one) for one in (sys.executable, "-I", "-S", _LAUNCH)]
        # File 3 tells why it could not be started.
        ends: dict[int, Literal["r", "w"]] = {0: "w", 1: "r", 2: "r", 3: "r"}
        try:
            self.context.reactor.spawnProcess(
                running,
                command[0],
                command + [one.encode("utf-8", "replace") for one in arguments],
                {
                    name.encode(): value.encode("utf-8", "replace")
                    for name, value in environment(call, piece).items()
                },
                childFDs=ends,
            )
        except OSError as error:
            raise self._unable(call, error.errno or 0) from None
        except ValueError as error:
            raise permanent(f"{call.what} cannot be run: {error}") from None
        return running

    def _event_file(self, piece: Piece, call: Call) -> str:
        try:
            folder = self.context.spool("events")
            os.makedirs(folder, mode=0o700, exist_ok=True)
            path = os.path.join(folder, f"{self.name}.{piece.delivery}")
            with suppress(FileNotFoundError):
                os.unlink(path)
            number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with open(number, "wb") as stream:
                stream.write(event_file(call, piece))
        except OSError as error:
            raise out_of_order(f"the file for {call.what} cannot be written: {error.strerror}") from None
        return path

    def _unable(self, call: Call, number: int) -> Failure:
        """It did not begin: whose fault it is."""
        words = f"{call.what} cannot be run: {os.strerror(number)}"
        if number == errno.E2BIG:
            return permanent(words)
        if number in (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE):
            return out_of_order(words)
        # A missing program may be back after its upgrade; the message waits, and no other.
        return temporary(words)

    def _judge(self, call: Call, ended: Ended) -> Accepted:
        """What the end of a program means for the message."""
        if ended.unable is not None:
            raise self._unable(call, ended.unable)
        what = f"{call.what} (rule {call.rule!r})" if call.rule else call.what
        lines = [without_secrets(line) for line in ended.errors.splitlines() if line.strip()][-_LINES:]
        level = self.log.info if ended.code == 0 else self.log.warn
        for line in lines:
            level("{gateway}: {what} says: {line}", gateway=self.name, what=what, line=line)
        if ended.more:
            self.log.info(
                "{gateway}: {what} wrote more than {limit} octets, the rest is dropped",
                gateway=self.name, what=what, limit=self._limits.output,
            )  # fmt: skip
        last = f": {lines[-1]}" if lines else ""
        if ended.late:
            raise temporary(
                f"{call.what} took longer than {self._limits.seconds:g} s and was ended{last}",
                maybe_sent=True,
            )
        if ended.signal is not None:
            raise temporary(f"{call.what} was ended by signal {ended.signal}{last}", maybe_sent=True)
        if ended.code == 0:
            self.log.info("{gateway}: {what} is done", gateway=self.name, what=what)
            return Accepted(output=clean(ended.output, self._limits.output))
        if ended.code == TRY_AGAIN:
            raise temporary(f"{call.what} asks to try again (exit {TRY_AGAIN}){last}")
        raise permanent(f"{call.what} failed (exit {ended.code}){last}")


class Running(ProcessProtocol):
    """One program from its start to its end; `ended` fires with an `Ended` in any case, and in bounded time."""

    def __init__(self, reactor: Any, text: bytes, seconds: float, limit: int) -> None:
        self.ended: Deferred[Ended] = Deferred()
        self._reactor = reactor
        self._text = text
        self._seconds = seconds
        self._limit = limit
        self._output = b""
        self._dropped = False
        self._errors = b""
        self._unable = b""
        self._late = False
        self._status: Any = None
        self._group = 0
        self._timer: Any = None

    def connectionMade(self) -> None:
        """Give it the text; the clock runs from now on."""
        assert self.transport is not None
        self._group = self.transport.pid or 0
        self._timer = self._reactor.callLater(self._seconds, self._too_long)
        self.transport.write(self._text)
        self.transport.closeStdin()

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Keep the beginning of the output, the end of the errors."""
        if childFD == 1:
            room = self._limit + 1 - len(self._output)
            self._output += data[: max(room, 0)]
            self._dropped |= len(data) > room
        elif childFD == 2:
            self._errors = (self._errors + data)[-_ERRORS:]
        elif childFD == 3:
            self._unable = (self._unable + data)[:10]

    def _too_long(self) -> None:
        self._late = True
        self._signal("TERM", 15)
        self._timer = self._reactor.callLater(KILL_AFTER, self._kill)

    def _kill(self) -> None:
        self._signal("KILL", 9)
        self._timer = self._reactor.callLater(GIVE_UP_AFTER, self._let_go)

    def _signal(self, name: str, number: int) -> None:
        """To the program and all it has started; to itself alone before it has its own session."""
        try:
            os.killpg(self._group, number)
        except ProcessLookupError:
            with suppress(ProcessExitedAlready):
                assert self.transport is not None
                self.transport.signalProcess(name)
        except PermissionError:  # it is another user by now; KILL will not do better
            pass

    def processExited(self, reason: TwistedFailure) -> None:
        """Itself has ended; its output may not."""
        self._status = reason.value
        self._stop_timer()
        if self._late:  # its group is still its own: it was reaped a moment ago, or has others in it
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._group, 9)
        self._timer = self._reactor.callLater(LINGER, self._let_go)

    def _let_go(self) -> None:
        """Close our ends of its pipes, whoever holds the others; this leads to `processEnded` when it has ended."""
        for pipe in list(getattr(self.transport, "pipes", {}).values()):
            pipe.connectionLost(TwistedFailure(ConnectionAborted()))
        self._finish()

    def processEnded(self, reason: TwistedFailure) -> None:
        """Everything was read."""
        self._finish()

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _finish(self) -> None:
        self._stop_timer()
        if self.ended.called:
            return
        status = self._status
        unable = self._unable.decode("ascii", "replace")
        self.ended.callback(
            Ended(
                self._output,
                self._dropped or len(self._output) > self._limit,
                self._errors.decode("utf-8", "replace"),
                getattr(status, "exitCode", None),
                getattr(status, "signal", None),
                int(unable) if unable.isdigit() else None,
                self._late,
            )
        )


def make(settings: Settings, context: GatewayContext) -> Programs:
    """The gateway for one section of the configuration."""
    return Programs(settings, context)
