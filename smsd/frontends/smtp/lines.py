"""The ground floor of the mail door: Twisted's ESMTP with its line discipline and replies repaired.

Owns order (lines wait while a reply is pending), the limits of command lines, time-outs, write back-pressure, and the
spelling of replies; what a command means is `protocol`'s. Repairs Twisted's server class, which loses pipelined
recipients when a validation is asynchronous, executes body lines after an over-long one, and drops the connection on
octets above 127 (RFC 5321 4.5.3, RFC 2920, RFC 2034).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.mail import smtp
from twisted.python.failure import Failure
from zope.interface import implementer

from smsd.frontends.sending import send
from smsd.frontends.smtp.auth import LONGEST_RESPONSE
from smsd.frontends.smtp.body import Body
from smsd.frontends.smtp.commands import CommandError
from smsd.values.errors import Refused

COMMAND, DATA, AUTH = smtp.COMMAND, smtp.DATA, smtp.AUTH
LONGEST_COMMAND = 2048
"""Octets of a command line without CRLF: 512 of RFC 5321 and what its extensions add."""
READ_AHEAD = 65536
"""Octets taken from a client that does not wait for its replies, before we stop reading."""
LINGER = 20
"""Seconds that a client has to close after we did."""

_NOT_PRINTABLE = re.compile(rb"[^\x20-\x7e]")
_UTF8_COMMANDS = (b"MAIL", b"RCPT", b"VRFY")


@implementer(IPushProducer)
class LineServer(smtp.ESMTP):
    """One connection, up to whole command lines and whole bodies. Subclasses give the commands as `do_NAME(text)`.

    A command that needs time calls `wait`; nothing further is read from the client's lines until it is answered.
    """

    log = Logger()
    transport: Any
    command_timeout = 300.0
    data_timeout = 180.0
    session_timeout = 3600.0
    error_limit = 10
    codes = True  # replies have the enhanced codes of RFC 2034

    def __init__(self, clock: Any) -> None:
        super().__init__()
        self.clock = clock
        self.errors = 0
        self.body: Body | None = None
        self._at = 0
        self._busy = self._waiting = self._closing = self._blocked = self._paused = self._skipping = False
        self._stopping = ""
        self._skip_octets = 0
        self._deadline = 0.0

    # --- the transport's side

    def callLater(self, period: float, func: Callable[[], None]) -> Any:
        """TimeoutMixin's clock."""
        return self.clock.callLater(period, func)

    def connectionMade(self) -> None:
        """Greet. Nothing here may depend on the peer's address: behind a proxy it is not known yet."""
        self.transport.registerProducer(self, True)
        self._deadline = self.clock.seconds() + self.session_timeout
        self.greet()
        self.setTimeout(self.command_timeout)

    def greet(self) -> None:
        """The first reply."""
        self.write_lines(220, [self.greeting()])

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Forget an unfinished body; what waits for its commit goes on without us."""
        self._closing = True
        if self.body is not None:
            self.body.close()
            self.body = None
        super().connectionLost(reason)

    def dataReceived(self, data: bytes) -> None:
        """Octets from the client, in any pieces."""
        if self._closing:
            return
        self._buffer = self._buffer + data if self._buffer else data
        self.resetTimeout()
        if self._waiting or self._blocked or self._busy:
            self._throttle()
        elif self.clock.seconds() > self._deadline:
            self.goodbye(421, "4.4.2", "this session has lasted too long")
        else:
            self._pump()

    def pauseProducing(self) -> None:
        """The client does not read its replies, or a handshake is under way: make no further ones.

        Reading goes on up to READ_AHEAD, because TLS may have to read before it can write.
        """
        self._blocked = True

    def resumeProducing(self) -> None:
        """The client reads again."""
        self._blocked = False
        self._pump()

    def stopProducing(self) -> None:
        """The connection is going away."""

    def _throttle(self) -> None:
        if not self._paused and len(self._buffer) - self._at > READ_AHEAD:
            self._paused = True
            self.transport.pauseProducing()

    # --- lines

    def _pump(self) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            while not (self._waiting or self._closing or self._blocked) and self._step():
                pass
        finally:
            self._busy = False
        if self._at:
            self._buffer = self._buffer[self._at :]
            self._at = 0
        if self._paused and not (self._waiting or self._closing or self._blocked):
            self._paused = False
            self.transport.resumeProducing()

    def _step(self) -> bool:
        """Take one line, or what there is of a body; False when more octets are needed."""
        if self._stopping:
            self.goodbye(421, "4.3.2", self._stopping)
            return False
        if self._at >= len(self._buffer):
            return False
        if self._skip_octets:
            taken = min(self._skip_octets, len(self._buffer) - self._at)
            self._skip_octets -= taken
            self._at += taken
            return True
        if self.mode is DATA:
            return self._take_body()
        end = self._buffer.find(b"\r\n", self._at)
        if end < 0:
            self._hold_partial_line()
            return False
        line, self._at = self._buffer[self._at : end], end + 2
        if self._skipping or len(line) > (LONGEST_RESPONSE if self.mode is AUTH else LONGEST_COMMAND):
            self._skipping = False
            line = b""
            self.mode = COMMAND
            self._handle(self._too_long, line)
        else:
            self._handle(self.state_AUTH if self.mode is AUTH else self.state_COMMAND, line)
        return True

    def _hold_partial_line(self) -> None:
        if len(self._buffer) - self._at > LONGEST_RESPONSE + 1:
            self._skipping = True
        if self._skipping:
            self._buffer = b"\r" if self._buffer.endswith(b"\r") else b""
            self._at = 0

    def _too_long(self, line: bytes) -> None:
        raise CommandError(500, "5.5.2", f"line too long: {LONGEST_COMMAND} octets are the limit")

    def _handle(self, handler: Callable[[bytes], None], line: bytes) -> None:
        try:
            handler(line)
        except CommandError as error:
            self.complain(error)
        except Refused as refused:
            self.refuse(refused)
        except Exception:  # the door's edge: the client gets an answer whatever went wrong here
            self._broken(Failure())

    def _take_body(self) -> bool:
        body = self.body
        assert body is not None
        rest = body.feed(self._buffer[self._at :] if self._at else self._buffer)
        self._at = 0
        if rest is None:
            self._buffer = b""
            if body.swallowed > 8 * body.size_limit + READ_AHEAD:
                self.goodbye(552, "5.3.4", "the message is much too big")
            return False
        self._buffer = rest
        self.body = None
        self.mode = COMMAND
        self.setTimeout(self.command_timeout)
        self._handle(lambda _: self.message_received(body), b"")
        return True

    def message_received(self, body: Body) -> None:
        """The lone dot has come; `body` says whether there is a message to read."""
        raise NotImplementedError

    def state_COMMAND(self, line: bytes) -> None:
        """One command line without its CRLF."""
        verb, _, rest = line.partition(b" ")
        verb = verb.upper()
        if not line.isascii():
            if verb not in _UTF8_COMMANDS:
                raise CommandError(500, "5.5.2", "octets above 127 are not allowed in this command")
            try:
                text = rest.decode("utf-8").strip()
            except UnicodeDecodeError:
                raise CommandError(500, "5.5.2", "the command is not UTF-8") from None
        else:
            text = rest.decode("ascii").strip()
        method = self.lookupMethod(verb)
        if method is None:
            raise CommandError(500, "5.5.2", "command not recognized")
        method(text)

    def lookupMethod(self, command: bytes) -> Callable[[str], None] | None:
        """The handler of a verb in upper case, or None."""
        if not (command.isalpha() and command.isascii()):
            return None
        return getattr(self, "do_" + command.decode("ascii"), None)

    def skip(self, octets: int) -> None:
        """Do not read the next `octets` as lines."""
        self._skip_octets = octets

    def drop_input(self) -> None:
        """Forget what has arrived and was not read: it was not protected by the TLS that comes next."""
        self._buffer = b""
        self._at = 0

    def start_body(self, body: Body) -> None:
        """From now on octets are a message, up to the lone dot."""
        self.body = body
        self.mode = DATA
        self.setTimeout(self.data_timeout)

    # --- waiting and answering

    def wait(self, result: Any, done: Callable[[Any], None]) -> None:
        """Call `done` with `result`, when it is a Deferred after it has fired; failures become replies."""
        if not isinstance(result, Deferred):
            done(result)
        elif result.called and not result.paused and not isinstance(result.result, Failure):
            done(result.result)  # most answers of a quiet server are there already
        else:
            self._waiting = True
            result.addCallback(done)
            result.addErrback(self._failed)
            result.addBoth(self._resume)

    def _failed(self, failure: Failure) -> None:
        error = failure.value
        if isinstance(error, CommandError):
            self.complain(error)
        elif isinstance(error, Refused):
            self.refuse(error)
        else:
            self._broken(failure)

    def _resume(self, _: object) -> None:
        self._waiting = False
        self.resetTimeout()
        self._pump()

    def _broken(self, failure: Failure) -> None:
        self.log.failure("a command could not be handled", failure)
        self.mode = COMMAND
        self.reply(451, "4.3.0", "local error, try again later")

    def reply(self, code: int, enhanced: str, text: str) -> None:
        """One reply; each line of `text` becomes a line with the enhanced code (RFC 2034)."""
        prefix = f"{enhanced} ".encode("ascii") if self.codes else b""
        if text.isascii() and text.isprintable() and len(text) < 400:
            if not self._closing:
                send(self.transport, b"%d %b%b\r\n" % (code, prefix, text.encode("ascii")))
            return
        lines = []
        for line in text.encode("ascii", "replace").splitlines() or [b""]:
            line = _NOT_PRINTABLE.sub(b"?", line)
            lines += [prefix + line[at : at + 400] for at in range(0, len(line) or 1, 400)]
        self.write_lines(code, lines)

    def sendCode(self, code: int, message: bytes | str = b"") -> None:
        """Twisted's way to reply; takes bytes and str alike."""
        octets = message.encode("ascii", "replace") if isinstance(message, str) else message
        self.write_lines(code, octets.splitlines() or [b""])

    def write_lines(self, code: int, lines: list[bytes]) -> None:
        """A reply of finished lines, without CRLF and code."""
        if self._closing:
            return
        octets = b"".join(b"%d-%b\r\n" % (code, line) for line in lines[:-1])
        send(self.transport, octets + b"%d %b\r\n" % (code, lines[-1]))

    def complain(self, error: CommandError) -> None:
        """Answer a command that was wrong, and count it."""
        if error.code in (500, 501, 502, 503, 504, 538, 555):
            self.errors += 1
            if self.errors >= self.error_limit:
                self.goodbye(421, "4.7.0", "too many errors")
                return
        self.reply(error.code, error.enhanced, error.text)

    def refuse(self, refused: Refused) -> None:
        """Answer in the words of a refusal."""
        self.reply(refused.reason.smtp, refused.reason.enhanced, refused.text)

    def goodbye(self, code: int, enhanced: str, text: str) -> None:
        """A last reply, and the end of the connection."""
        if self._closing:
            return
        self.reply(code, enhanced, text)
        self._closing = True
        self.drop_input()
        self.transport.unregisterProducer()
        if self._paused:  # the transport notices the other side's close only while it reads
            self.transport.resumeProducing()
        self.setTimeout(LINGER)
        self.transport.loseConnection()

    def shut_down(self, text: str) -> None:
        """Say 421 as soon as no reply is owed."""
        self._stopping = text
        if not self._waiting:
            self.goodbye(421, "4.3.2", text)

    def timeoutConnection(self) -> None:
        """Nothing was heard in time."""
        if self._closing:
            self.transport.abortConnection()
        elif self._waiting:  # it is we who are slow
            self.setTimeout(self.command_timeout)
        else:
            self.goodbye(421, "4.4.2", "nothing heard for too long")
