"""One conversation with a mail relay, from our side (RFC 5321, 3207, 4954, 2920, 1870, 3461, 6531; LMTP is RFC 2033).

The connection knows what the relay said and whether the final dot is out; it decides nothing about retries. Every answer
has a time limit that a slow drip does not extend. Whatever was received before TLS began is never believed afterwards.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure as TwistedFailure

from smsd.gateways.smtp.replies import Lost, Reply, Unusable, refusal, why
from smsd.values.delivery import Failure, Kind

if TYPE_CHECKING:
    from smsd.gateways.smtp.letters import Letter

LINE_LIMIT = 4096
LINES_LIMIT = 100
LEAVING = 5.0
"""Seconds that a relay gets to end a connection that was taken leave of."""
_REPLY = re.compile(rb"([2-5]\d\d)(?:([ -])(.*))?")


class Connection(Protocol):
    """A connection to the relay. `lost` is its reason once it is gone; `ended(connection)` is called then.

    LMTP differs in two things: the first word, and one answer to the mail for every recipient that was taken. A letter has
    one recipient, so that is one answer or none.
    """

    log = Logger()
    transport: Any = None

    def __init__(
        self, clock: Any, timeout: float, name: str, ended: Callable[[Connection], None], lmtp: bool = False
    ) -> None:
        self.clock = clock
        self.timeout = timeout
        self.name = name
        self.ended = ended
        self.lmtp = lmtp
        self.lost: str | None = None
        self.delivered = 0
        self.in_doubt = False  # the final dot is written and not answered
        self.extensions: dict[str, str] = {}
        self._buffer = b""
        self._lines: list[str] = []
        self._replies: list[Reply] = []
        self._waiting: Deferred[Reply] | None = None
        self._timer: Any = None
        self._tls_starting = False
        self._dirty = False
        self._secret = False

    # -- what comes in

    def dataReceived(self, data: bytes) -> None:
        """Cut lines, gather multi-line answers, hand them over in order."""
        self._tls_starting = False
        self._buffer += data
        while self.lost is None and (end := self._buffer.find(b"\n")) >= 0:
            source, self._buffer = self._buffer[:end].rstrip(b"\r"), self._buffer[end + 1 :]
            self._line_received(source)
        if len(self._buffer) > LINE_LIMIT:
            self.give_up("the mail relay sends endless lines")

    def _line_received(self, source: bytes) -> None:
        match = _REPLY.fullmatch(source)
        if match is None or len(self._lines) >= LINES_LIMIT or len(source) > LINE_LIMIT:
            self.give_up("the mail relay does not speak SMTP")
            return
        self._lines.append((match[3] or b"").decode("utf-8", "replace"))
        if match[2] == b"-":
            return
        reply = Reply(int(match[1]), tuple(self._lines))
        self._lines = []
        self.log.debug("{gateway}: < {reply}", gateway=self.name, reply=str(reply))
        if self._waiting is None:
            self._replies.append(reply)
            if len(self._replies) > LINES_LIMIT:
                self.give_up("the mail relay answers without being asked")
            return
        waiting, self._waiting = self._waiting, None
        self._cancel_timer()
        waiting.callback(reply)

    def connectionLost(self, reason: TwistedFailure = connectionDone) -> None:
        """Whoever waits is told; the owner is told."""
        self._fail(why(reason))

    def give_up(self, reason: str) -> None:
        """Break the connection off now; whoever waits gets Lost(reason)."""
        if self.lost is None:
            self._fail(reason)
            if self.transport is not None:
                self.transport.abortConnection()

    def _fail(self, reason: str) -> None:
        if self.lost is not None:
            return
        self.lost = reason
        self._cancel_timer()
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.errback(Lost(reason, self._tls_starting))
        self.ended(self)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- what goes out

    def _write(self, *lines: bytes) -> None:
        for line in lines:
            shown = "(login)" if self._secret else line.decode("utf-8", "replace")
            self.log.debug("{gateway}: > {line}", gateway=self.name, line=shown)
        if self.lost is None and self.transport is not None:
            self.transport.write(b"".join(line + b"\r\n" for line in lines))

    def reply(self, timeout: float | None = None) -> Deferred[Reply]:
        """The next answer; fails with Lost. At most one is waited for at a time."""
        waiting: Deferred[Reply] = Deferred()
        if self._replies:
            waiting.callback(self._replies.pop(0))
        elif self.lost is not None:
            waiting.errback(Lost(self.lost, self._tls_starting))
        else:
            self._waiting = waiting
            self._timer = self.clock.callLater(timeout or self.timeout, self._silent)
        return waiting

    def _silent(self) -> None:
        self._timer = None
        self.give_up("the mail relay does not answer")

    def ask(self, line: str) -> Deferred[Reply]:
        """Send one command and wait for its answer."""
        self._write(line.encode("utf-8"))
        return self.reply()

    async def begin(self, hello: str, security: str, tls_options: Any, login: tuple[str, str] | None) -> None:
        """Greeting, EHLO (or LHLO), TLS, login: afterwards mails can be sent. Fails with Lost or Unusable.

        `security` as in the settings; with `none` an offered STARTTLS is not used.
        """
        if security == "tls":
            self._start_tls(tls_options)
        greeting = await self.reply()
        if greeting.code != 220:
            raise Unusable(f"the mail relay does not serve us: {greeting}")
        await self._hello(hello)
        if security.startswith("starttls"):
            await self._upgrade(hello, security == "starttls-required", tls_options)
        if login is not None:
            await self._login(*login)

    async def _hello(self, hello: str) -> None:
        reply = await self.ask(f"{'LHLO' if self.lmtp else 'EHLO'} {hello}")
        self.extensions = {}
        if reply.good:
            for text in reply.lines[1:]:
                word, _, rest = text.strip().replace("AUTH=", "AUTH ", 1).partition(" ")
                self.extensions[word.upper()] = f"{self.extensions.get(word.upper(), '')} {rest}".strip()
        elif reply.code >= 500:
            if self.lmtp:
                raise Unusable(f"the mail relay does not speak LMTP: {reply}")
            reply = await self.ask(f"HELO {hello}")
        if not reply.good:
            raise Unusable(f"the mail relay does not accept our name: {reply}")

    async def _upgrade(self, hello: str, required: bool, tls_options: Any) -> None:
        if "STARTTLS" not in self.extensions:
            if required:
                raise Unusable("the mail relay offers no STARTTLS, which is required here")
            return
        reply = await self.ask("STARTTLS")
        if reply.code != 220:
            if required:
                raise Unusable(f"the mail relay refuses STARTTLS: {reply}")
            return
        if self._buffer or self._replies or self._lines:  # RFC 3207 section 5: somebody put words before TLS
            self.give_up("the mail relay sent more than its answer before TLS")
            raise Lost("the mail relay sent more than its answer before TLS")
        self._start_tls(tls_options)
        await self._hello(hello)

    def _start_tls(self, tls_options: Any) -> None:
        self.transport.startTLS(tls_options)
        self._tls_starting = True

    async def _login(self, user: str, password: str) -> None:
        offered = self.extensions.get("AUTH", "").upper().split()
        self._secret = True
        try:
            if "PLAIN" in offered:
                reply = await self.ask("AUTH PLAIN " + _base64(f"\0{user}\0{password}"))
            elif "LOGIN" in offered:
                reply = await self.ask("AUTH LOGIN")
                for answer in (user, password):
                    if reply.code == 334:
                        reply = await self.ask(_base64(answer))
            else:
                raise Unusable("the mail relay offers no login by PLAIN or LOGIN", 60)
        finally:
            self._secret = False
        if reply.code != 235:
            raise Unusable(f"the mail relay refuses our login: {reply}", 60 if reply.code >= 500 else 0)

    async def deliver(self, letter: Letter, last_timeout: float) -> Reply:
        """Hand over one letter: the relay's yes, or Failure with its refusal, or Lost (see `in_doubt`)."""
        letter = self._fitting(letter)
        if self._replies:  # 421 to an idle connection, or an answer too many: no answer here could be trusted
            self.give_up("the mail relay answered without being asked")
        if self._dirty:
            await self.ask("RSET")
        self._dirty = True
        commands = self._envelope(letter)
        refused: Reply | None = None
        if "PIPELINING" in self.extensions:
            self._write(*commands)
            replies = [await self.reply() for _ in commands]
            refused = next((reply for reply in replies[:-1] if not reply.good), None)
            answer = replies[-1]
            if refused is not None and answer.code == 354:  # RFC 2920 section 3.1: an empty mail for nobody
                self._write(b".")
                if (
                    self.lmtp
                ):  # RFC 2033 section 4.2 forbids this 354, so nobody knows how many answers follow
                    self.give_up("the mail relay wants a mail for nobody")
                else:
                    await self.reply()
        else:
            for command in commands:
                self._write(command)
                answer = await self.reply()
                if not answer.good and answer.code != 354:
                    break
        if refused is not None:
            raise refusal(refused)
        if answer.code != 354:
            raise refusal(answer)
        return await self._body(letter.data, last_timeout)

    async def _body(self, data: bytes, last_timeout: float) -> Reply:
        """The content with dots stuffed (RFC 5321 section 4.5.2) and the answer to it."""
        stuffed = data.replace(b"\r\n.", b"\r\n..")
        if stuffed.startswith(b"."):
            stuffed = b"." + stuffed
        if not stuffed.endswith(b"\r\n"):
            stuffed += b"\r\n"
        if self.lost is not None:
            raise Lost(self.lost)
        self.in_doubt = True
        self.transport.write(stuffed + b".\r\n")
        self.log.debug("{gateway}: > ({size} octets)", gateway=self.name, size=len(data))
        reply = await self.reply(last_timeout)
        self.in_doubt = False
        self._dirty = False
        self.delivered += 1
        if not reply.good:
            raise refusal(reply)
        return reply

    def _fitting(self, letter: Letter) -> Letter:
        """The letter as this relay can take it; Failure for what it could only refuse."""
        size = self.extensions.get("SIZE", "")
        if size.isdecimal() and len(size) < 15 and 0 < int(size) < len(letter.data):
            raise Failure(
                Kind.PERMANENT, f"the mail is too large: the relay takes {size} octets", status="5.3.4"
            )
        if letter.international and letter.inbox and "SMTPUTF8" not in self.extensions:
            return replace(letter, recipient=letter.inbox, international=False)
        if letter.international and "SMTPUTF8" not in self.extensions:
            raise Failure(
                Kind.PERMANENT,
                "the mail relay cannot take addresses with letters beyond ASCII",
                status="5.6.7",
            )
        return letter

    def _envelope(self, letter: Letter) -> list[bytes]:
        mail = f"MAIL FROM:<{letter.sender}>"
        rcpt = f"RCPT TO:<{letter.recipient}>"
        if "SIZE" in self.extensions:
            mail += f" SIZE={len(letter.data)}"
        if letter.international:
            mail += " BODY=8BITMIME SMTPUTF8" if "8BITMIME" in self.extensions else " SMTPUTF8"
        if not letter.sender and "DSN" in self.extensions:
            rcpt += " NOTIFY=NEVER"  # nobody wants a report of a report, RFC 3461 section 4.1
        return [mail.encode("utf-8"), rcpt.encode("utf-8"), b"DATA"]

    def quit(self) -> None:
        """Take leave; the connection ends soon, whatever the relay answers."""
        if self.lost is None:
            self._write(b"QUIT")
            self._cancel_timer()
            self._timer = self.clock.callLater(LEAVING, self._silent)
            self.transport.loseConnection()


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8")).decode("ascii")
