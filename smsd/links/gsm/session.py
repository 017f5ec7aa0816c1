"""The Deferred face of `smsd.codec.at`: commands queued by urgency, one on the line, each with its own patience.

Owns the line's timers and the writing of payloads (whole, or in pieces with pauses); must never know what a command means.
A command fails with `Silent` (no answer in time) or `Lost` (no line any more); both say whether the network may have what
was written. A refusal is no failure: it is an `Answer` that is not ok.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger

from smsd.codec import at
from smsd.links.gsm.errors import Lost, Silent

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from smsd.links.gsm.conversation import Conversation
    from smsd.links.gsm.profile import Profile

GRACE = 0.5  # for the OK after an answer that may stand alone
LEAVE = 1.0  # for the answer to ESC, which may be none
MAX_STRAYS = 3
SETTLE = 0.3  # of quiet, after which no answer is still under way
MAX_EXTENSIONS = 20  # a modem that floods is never quiet


class Urgency(enum.IntEnum):
    """What goes first when the line becomes free: the network waits for an acknowledgement, people for a message."""

    ACKNOWLEDGE = 0
    SEND = 1
    UPKEEP = 2


class _Job:
    """A command with its Deferred; `committed` once the Ctrl-Z was written."""

    __slots__ = ("answered", "command", "committed", "patience", "timeout")

    def __init__(self, command: at.Command, timeout: float, patience: float) -> None:
        self.command = command
        self.timeout = timeout
        self.patience = patience  # after the payload
        self.answered: Deferred[at.Answer] = Deferred()
        self.committed = False


class Dialogue(Protocol):
    """A Protocol for one open line. `news` gets each event that answers nothing; `lost` is called once, with the reason."""

    log = Logger()

    def __init__(
        self,
        clock: Any,
        gateway: str,
        conversation: Conversation,
        news: Callable[[at.Event], None],
        lost: Callable[[str], None],
        read_timeout: float,
        send_timeout: float,
    ) -> None:
        self._clock = clock
        self._gateway = gateway
        self._conversation = conversation
        self.news = news
        self._lost = lost
        self._read_timeout = read_timeout
        self._send_timeout = send_timeout
        self._session = at.Session()
        self._waiting: tuple[deque[_Job], ...] = tuple(deque() for _ in Urgency)
        self._job: _Job | None = None
        self._timer: Any = None
        self._pause: Any = None
        self._ended: str | None = None
        self.gone = False  # whether the line broke; False too while it is open, and when we closed it
        self._strays = 0
        self._chunk = 0
        self._chunk_pause = self._prompt_delay = self._command_pause = 0.0
        self._guarded = False
        self._out_of_step = False
        self.certain = False  # whether answers are known to belong to their commands
        self._settled: list[Deferred[None]] = []
        self._quiet = 0.0
        self._extensions = 0
        self._restarted: Callable[[str], None] | None = None
        self.silences = 0  # commands in a row that nobody answered
        self.answered_at = 0.0

    def adopt(self, profile: Profile) -> None:
        """Take over what the profile says of writing and of unsolicited lines."""
        self._chunk, self._chunk_pause = profile.chunk, profile.chunk_pause
        self._prompt_delay, self._command_pause = profile.prompt_delay, profile.command_pause
        self._session.learn(profile.unsolicited)

    def guard(self, restarted: Callable[[str], None]) -> None:
        """Call `restarted(reason)` when the modem echoes again although it was told not to: it has forgotten its settings,
        PDU mode among them, and would send a PDU's digits as a text. A modem that never stopped echoing is not guarded."""
        self._guarded = True
        if self._restarted is not None or not self._session.echoed:
            self._restarted = restarted

    @property
    def alive(self) -> bool:
        """Whether the line is open."""
        return self._ended is None

    @property
    def strays(self) -> int:
        """Prompts since the last answer that nobody asked for."""
        return self._strays

    def ask(
        self,
        text: str,
        *,
        timeout: float | None = None,
        urgency: Urgency = Urgency.UPKEEP,
        lone: bool = False,
        secret: bool = False,
        expects: str = "",
    ) -> Deferred[at.Answer]:
        """Send a command without payload."""
        command = at.Command(text, lone=lone, secret=secret, expects=expects)
        return self._add(_Job(command, timeout or self._read_timeout, 0), urgency)

    def submit(self, text: str, payload: str) -> Deferred[at.Answer]:
        """Send a command that prompts, and its payload at the prompt."""
        command = at.Command(text, payload=payload)
        return self._add(_Job(command, self._read_timeout, self._send_timeout), Urgency.SEND)

    def settle(self, seconds: float) -> Deferred[None]:
        """Send nothing until the modem was quiet for so long: answers that come late belong to nobody."""
        settled: Deferred[None] = Deferred()
        if self._ended is not None:
            settled.errback(Lost(self._ended))
            return settled
        self._settled.append(settled)
        self._quiet = seconds
        self._extensions = MAX_EXTENSIONS
        if self._pause is not None and self._pause.active():
            self._pause.reset(seconds)
        else:
            self._pause = self._clock.callLater(seconds, self._resume)
        return settled

    def raw(self, data: bytes) -> None:
        """Write octets outside of any command (ESC, Ctrl-Z at the start)."""
        if self._ended is None:
            self._write(data)

    def hang_up(self, reason: str) -> None:
        """End the line from our side: everything waiting fails with `Lost`."""
        if self._ended is None:
            drop = getattr(self.transport, "drop", None)
            self._end(reason)
            if drop is not None:
                drop()
            elif self.transport is not None:
                self.transport.loseConnection()

    def connectionMade(self) -> None:
        """The device is open."""
        self._out: Callable[[bytes], Any] = self.transport.write  # type: ignore[union-attr]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The device is gone (also: EIO, end of file)."""
        if self._ended is None:
            self._ended = "the line was lost"
            self.gone = True
            self._lost(self._ended)  # first, so that nobody hands over more when what waits here fails
            self._end(self._ended)

    def _end(self, reason: str) -> None:
        self._ended = reason
        for name in ("_timer", "_pause"):
            call = getattr(self, name)
            if call is not None and call.active():
                call.cancel()
        job, self._job = self._job, None
        jobs = [job] if job is not None else []
        for queue in self._waiting:
            jobs += queue
            queue.clear()
        for job in jobs:
            job.answered.errback(Lost(reason, job.committed))
        settled, self._settled = self._settled, []
        for waiting in settled:
            waiting.errback(Lost(reason))

    def dataReceived(self, data: bytes) -> None:
        """Octets of the modem."""
        self._conversation.received(data)
        if self._settled and self._extensions and self._pause is not None:
            self._extensions -= 1
            self._pause.reset(self._quiet)
        events = self._session.receive(data)
        if self._session.echoed and self._restarted is not None:
            restarted, self._restarted = self._restarted, None
            restarted("the modem has restarted: it echoes again")
        for event in events:
            self._handle(event)
        self._pump()

    def _handle(self, event: at.Event) -> None:
        if self._ended is not None:
            return
        if isinstance(event, at.Answer):
            self._finish(event)
        elif isinstance(event, at.Intermediate):
            if event.own and self._job is not None and self._timer is not None:
                lone = self._job.command.lone
                self._restart(
                    min(GRACE, self._job.timeout) if lone else self._job.patience or self._job.timeout
                )
        elif isinstance(event, at.Prompt):
            self._answer_prompt()
        elif isinstance(event, at.StrayPrompt):
            self._leave_stray()
            self.news(event)
        elif isinstance(event, at.OutOfStep):
            self._doubt()
            self.news(event)
        else:
            self.news(event)

    def _add(self, job: _Job, urgency: Urgency) -> Deferred[at.Answer]:
        if self._ended is not None:
            return fail(Lost(self._ended))
        self._waiting[urgency].append(job)
        self._pump()
        return job.answered

    def _pump(self) -> None:
        """Write the next command if the line is free."""
        if (
            self._job is not None
            or self._pause is not None
            or self._ended is not None
            or not self._session.idle
        ):
            return
        if self._out_of_step:
            self._begin(self._step_again())
            return
        for queue in self._waiting:
            if queue:
                self._begin(queue.popleft())
                return

    def _begin(self, job: _Job) -> None:
        self._job = job
        data = self._session.send(job.command)
        self._restart(job.timeout)
        self._write(data)

    def _doubt(self) -> None:
        """What comes next may be the answer to something else. Before anything is sent, AT has to be answered, and then
        nothing more come for a while. (At the start `settle` does the same.)"""
        self.certain = False
        self._out_of_step = self._guarded

    def _step_again(self) -> _Job:
        job = _Job(at.Command("AT"), self._read_timeout, 0)
        answered: Deferred[Any] = job.answered
        answered.addCallback(lambda _: self.settle(SETTLE))
        answered.addCallback(self._in_step)
        answered.addErrback(lambda failure: failure.trap(Silent, Lost) and None)
        return job

    def _in_step(self, _: None) -> None:
        self._out_of_step = False

    def _write(self, data: bytes) -> None:
        self._conversation.sent(data)
        self._out(data)

    def _restart(self, seconds: float) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.reset(seconds)
        else:
            self._timer = self._clock.callLater(seconds, self._timed_out)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            if self._timer.active():
                self._timer.cancel()
            self._timer = None

    def _timed_out(self) -> None:
        self._timer = None
        for event in self._session.timeout():
            if isinstance(event, at.Answer):
                self._finish(event)
            elif isinstance(event, at.Silence):
                self._give_up(event)
        self._pump()

    def _finish(self, answer: at.Answer) -> None:
        """An answer, of whatever sort: the modem lives."""
        self.silences = 0
        self._strays = 0
        name = answer.command.text[2:].partition("=")[0].rstrip("?")
        if len(name) > 1 and any(line.startswith(name) for line in answer.lines):
            self.certain = True
        self.answered_at = self._clock.seconds()
        job = self._free()
        if job is not None and job.command.payload is not None and not answer.ok and not answer.written:
            self._doubt()  # a refusal before the prompt is rare, and may be another command's
        if job is not None:
            if answer.written and not job.committed:  # refused in the middle of its payload
                answer = at.Answer(answer.command, answer.lines, answer.outcome, written=False)
            job.answered.callback(answer)

    def _give_up(self, silence: at.Silence) -> None:
        self.silences += 1
        self._doubt()
        job = self._free(pause=False)
        if job is None:
            return
        self.log.warn(
            "{gateway}: no answer to {command}",
            gateway=self._gateway,
            command="AT+CPIN" if silence.command.secret else silence.command.text,
        )
        if silence.command.payload is not None and not job.committed:
            self._leave()
        job.answered.errback(
            Silent("AT+CPIN" if silence.command.secret else silence.command.text, job.committed)
        )

    def _free(self, pause: bool = True) -> _Job | None:
        self._stop_timer()
        if pause and self._command_pause:
            self._pause = self._clock.callLater(self._command_pause, self._resume)
        job, self._job = self._job, None
        return job

    def _resume(self) -> None:
        self._pause = None
        settled, self._settled = self._settled, []
        for waiting in settled:
            waiting.callback(None)
        self._pump()

    def _answer_prompt(self) -> None:
        if self._prompt_delay:
            self._clock.callLater(self._prompt_delay, self._write_payload, self._job)
        else:
            self._write_payload(self._job)

    def _write_payload(self, job: _Job | None) -> None:
        if job is None or job is not self._job or self._ended is not None:
            return
        self._restart(job.patience)
        self._write_piece(job, self._session.payload())

    def _write_piece(self, job: _Job, rest: bytes) -> None:
        """Write the payload, or its next piece while the job is still the one on the line."""
        if job is not self._job or self._ended is not None:
            return
        size = self._chunk or len(rest)
        if len(rest) <= size:
            job.committed = True
        self._write(rest[:size])
        if len(rest) > size:
            self._clock.callLater(self._chunk_pause, self._write_piece, job, rest[size:])

    def _leave_stray(self) -> None:
        """A prompt that nobody waits for would swallow the next command."""
        self._strays += 1
        self._doubt()
        if self._strays > MAX_STRAYS:
            return
        if self._job is None:
            self._leave()
        elif self._guarded and self._job.command.text == "AT":
            self._write(at.ESCAPE)  # it was typed into a text; what ESC answers is settled away

    def _leave(self) -> None:
        self._restart(LEAVE)
        self._write(self._session.escape())
