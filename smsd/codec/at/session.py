"""The dialogue with a modem as a table: at most one command outstanding, unsolicited lines at any moment.

Rules: all changes of state are in `_TABLE`; a state knows nothing of models. The session never raises on what a modem
says and holds at most `MAX_ANSWER` characters of it.

    IDLE       nothing asked            WAITING    a command without payload is out
    PROMPTING  `>` is awaited           PROMPTED   `>` came, the payload was not taken yet
    ANSWERING  the payload is out: from here on the network may have the message
    LEAVING    ESC is out; its OK, ERROR or nothing ends it
"""

from __future__ import annotations

import enum
import re

from smsd.codec.at import answers
from smsd.codec.at.errors import outcome
from smsd.codec.at.events import (
    Answer,
    Command,
    Event,
    Incoming,
    Intermediate,
    Notice,
    Outcome,
    OutOfStep,
    Overlong,
    Prompt,
    Registration,
    Silence,
    Stored,
    StrayPrompt,
)
from smsd.codec.at.lines import LineReader, Mark

ESCAPE = b"\x1b"
SUBMIT = b"\x1a"
MAX_ANSWER = 1 << 20  # +CMGL of a full 2,000 message memory stays below
PATIENCE = 16  # lines that may stand between a `+CMT:` header and its PDU

_NAME = re.compile(r"AT([+^*#%$&!_][A-Z0-9]+)", re.IGNORECASE)
_FOREIGN = re.compile(r"[+^*#%$!_][A-Z][A-Z0-9]*( ?:|$)")
_SOLICITED = re.compile(r"\+(CMGF|CMGL|CMGR|CMGS|CNMI|CPMS|CSCA|CSMS) ?:")  # no modem says these unasked
_PLAIN = re.compile(
    r"(RING|NO CARRIER|RDY|Call Ready|SMS Ready|SMS DONE|PB DONE|NORMAL POWER DOWN|POWERED DOWN|UNDER-VOLTAGE.*"
    r"|OVER-VOLTAGE.*|\.\.\..*|START)$",
    re.IGNORECASE,
)
_FLOOD = re.compile(r"\^[A-Z]+ ?:")
_PIN = re.compile(r"\+CPIN ?=", re.IGNORECASE)
_HEX = re.compile(r"[0-9A-Fa-f]+$")
_DIRECT = re.compile(r"\+(CMT|CDS) ?:(.*)", re.DOTALL)
_STORED = re.compile(r"\+(CMTI|CDSI) ?:(.*)", re.DOTALL)
_REGISTERED = re.compile(r"\+(CREG|CGREG|CEREG) ?:(.*)", re.DOTALL)
SHORTEST_PDU = 28  # hexadecimal digits of the shortest DELIVER with its SC octet; an IMSI or ICCID is shorter


class SessionBusy(RuntimeError):
    """A command was given while another is outstanding: an error of the caller, never of the modem."""


class State(enum.Enum):
    """See the module's docstring."""

    IDLE = "idle"
    WAITING = "waiting"
    PROMPTING = "prompting"
    PROMPTED = "prompted"
    ANSWERING = "answering"
    LEAVING = "leaving"


class Token(enum.Enum):
    """What a modem says, as far as the state depends on it."""

    PROMPT = "prompt"
    DONE = "ok"
    REFUSED = "error"
    INFO = "info"
    SILENCE = "silence"


_TABLE: dict[tuple[State, Token], tuple[State, str]] = {
    (State.IDLE, Token.PROMPT): (State.IDLE, "stray"),
    (State.IDLE, Token.DONE): (State.IDLE, "late"),
    (State.IDLE, Token.REFUSED): (State.IDLE, "late"),
    (State.IDLE, Token.INFO): (State.IDLE, "late"),
    (State.IDLE, Token.SILENCE): (State.IDLE, "nothing"),
    (State.WAITING, Token.PROMPT): (State.WAITING, "stray"),
    (State.WAITING, Token.DONE): (State.IDLE, "answer"),
    (State.WAITING, Token.REFUSED): (State.IDLE, "answer"),
    (State.WAITING, Token.INFO): (State.WAITING, "keep"),
    (State.WAITING, Token.SILENCE): (State.IDLE, "silence"),
    (State.PROMPTING, Token.PROMPT): (State.PROMPTED, "prompt"),
    # No command that prompts is done before its payload: this belongs to an earlier one.
    (State.PROMPTING, Token.DONE): (State.PROMPTING, "astray"),
    (State.PROMPTING, Token.REFUSED): (State.IDLE, "answer"),
    (State.PROMPTING, Token.INFO): (State.PROMPTING, "astray"),
    (State.PROMPTING, Token.SILENCE): (State.IDLE, "silence"),
    (State.PROMPTED, Token.PROMPT): (State.PROMPTED, "nothing"),
    (State.PROMPTED, Token.DONE): (State.PROMPTED, "late"),
    (State.PROMPTED, Token.REFUSED): (State.IDLE, "answer"),
    (State.PROMPTED, Token.INFO): (State.PROMPTED, "late"),
    (State.PROMPTED, Token.SILENCE): (State.IDLE, "silence"),
    (State.ANSWERING, Token.PROMPT): (State.ANSWERING, "nothing"),  # an echo that prompts again on each line
    (State.ANSWERING, Token.DONE): (State.IDLE, "answer"),
    (State.ANSWERING, Token.REFUSED): (State.IDLE, "answer"),
    (State.ANSWERING, Token.INFO): (State.ANSWERING, "keep"),
    (State.ANSWERING, Token.SILENCE): (State.IDLE, "silence"),
    (State.LEAVING, Token.PROMPT): (State.LEAVING, "stray"),
    (State.LEAVING, Token.DONE): (State.IDLE, "nothing"),
    (State.LEAVING, Token.REFUSED): (State.IDLE, "nothing"),
    (State.LEAVING, Token.INFO): (State.LEAVING, "late"),
    (State.LEAVING, Token.SILENCE): (State.IDLE, "nothing"),
}


class Session:
    """One dialogue over one open line. `unsolicited` are further patterns of lines that belong to no answer.

    `echoed` tells whether the modem repeated the last command.
    """

    def __init__(self, unsolicited: tuple[str, ...] = ()) -> None:
        self._reader = LineReader()
        self.state = State.IDLE
        self._command: Command | None = None
        self._own = ""
        self.echoed = False
        self._lines: list[str] = []
        self._size = 0
        self._direct: tuple[str, int, int] | None = None  # kind, length, lines it may still wait for
        self._events: list[Event] = []
        self._unsolicited: tuple[re.Pattern[str], ...] = ()
        self.learn(unsolicited)

    def learn(self, unsolicited: tuple[str, ...]) -> None:
        """Replace the further patterns of unsolicited lines, once the model is known."""
        self._unsolicited = tuple(re.compile(pattern) for pattern in unsolicited)

    @property
    def idle(self) -> bool:
        """Whether a command may be sent now."""
        return self.state is State.IDLE

    @property
    def command(self) -> Command | None:
        """The outstanding command."""
        return self._command

    def send(self, command: Command) -> bytes:
        """The octets of a command line; SessionBusy while another is outstanding."""
        if self.state is not State.IDLE:
            raise SessionBusy(f"cannot send {command.text!r}: an answer is awaited ({self.state.value})")
        self._command = command
        name = _NAME.match(command.text)
        self._own = command.expects or (name[1].upper() if name else "")
        self._lines = []
        self._size = 0
        self.echoed = False
        self.state = State.WAITING if command.payload is None else State.PROMPTING
        return command.text.encode("latin-1", "replace") + b"\r"

    def payload(self) -> bytes:
        """The payload with its Ctrl-Z, once, after `Prompt`. From now on the network may have taken the message."""
        if self.state is not State.PROMPTED or self._command is None:
            raise SessionBusy("there is no prompt to answer")
        self.state = State.ANSWERING
        return (self._command.payload or "").encode("ascii", "replace") + SUBMIT

    def escape(self) -> bytes:
        """The octet that leaves a half-finished text. Only in IDLE, PROMPTED or LEAVING; the next OK or ERROR ends it."""
        if self.state not in (State.IDLE, State.PROMPTED, State.LEAVING):
            raise SessionBusy(f"cannot leave: an answer is awaited ({self.state.value})")
        self._command = None
        self.state = State.LEAVING
        return ESCAPE

    def timeout(self) -> list[Event]:
        """The outstanding command has waited long enough: `Silence`, or the answer it has, where that may stand alone."""
        if self._command is not None and self._command.lone and self._lines:
            self._step(Token.DONE, Outcome("ok"))
        else:
            self._step(Token.SILENCE, None)
        return self._take()

    def receive(self, data: bytes) -> list[Event]:
        """What these octets say."""
        self._reader.feed(data)
        while (token := self._reader.next()) is not None:
            if token is Mark.PROMPT:
                self._step(Token.PROMPT, None)
            elif isinstance(token, str):
                self._line(token)
            else:
                self._events.append(Overlong())
        return self._take()

    def _take(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _line(self, line: str) -> None:
        if self._is_echo(line):
            return
        if self._direct is not None and self._is_direct_pdu(line):
            kind, length, _ = self._direct
            self._direct = None
            self._events.append(Incoming(kind, length, line))
            return
        result = outcome(line)
        if result is not None:
            self._step(Token.DONE if result.ok else Token.REFUSED, result)
        elif not self._is_unsolicited(line):
            self._step(Token.INFO, Outcome("ok", text=line))

    def _is_echo(self, line: str) -> bool:
        """Whether the modem repeats what it was told. A PIN's echo is one at any time: it must not travel on."""
        if _PIN.search(line):
            return True
        if self._command is None:
            return False
        if line in (self._command.text, self._command.payload):
            self.echoed = True
            return True
        torn = self.state is State.ANSWERING and self._direct is None and len(line) >= SHORTEST_PDU // 2
        return torn and _HEX.match(line) is not None

    def _is_direct_pdu(self, line: str) -> bool:
        """Whether this is the PDU that was announced. Lines of an answer or other news may come first."""
        assert self._direct is not None
        kind, length, patience = self._direct
        if _HEX.match(line):
            octets = len(line) // 2 - 1 - (int(line[:2], 16) if len(line) > 1 else 0)
            if length == octets or len(line) >= SHORTEST_PDU:
                return True
        self._direct = (kind, length, patience - 1) if patience > 1 else None
        return False

    def _is_unsolicited(self, line: str) -> bool:
        """Handle news; False when the line belongs to the outstanding command."""
        if match := _DIRECT.match(line):
            self._direct = (match[1], answers.length_of(match[2]), PATIENCE)
            return True
        if match := _STORED.match(line):
            place = answers.place_of(match[2])
            self._events.append(Stored(match[1], *place) if place else Notice(line))
            return True
        if (match := _REGISTERED.match(line)) and not self._asks("+" + match[1] + "?"):
            state = answers.registration((line,))
            self._events.append(Notice(line) if state is None else Registration(match[1], state))
            return True
        if self._owns(line):
            return False
        if self._is_foreign(line):
            astray = self._command is not None and _SOLICITED.match(line)
            self._events.append(OutOfStep(line) if astray else Notice(line))
            return True
        return False

    def _owns(self, line: str) -> bool:
        return bool(self._own) and line[: len(self._own)].upper() == self._own

    def _asks(self, tail: str) -> bool:
        return self._command is not None and self._command.text.upper().endswith(tail)

    def _is_foreign(self, line: str) -> bool:
        if _PLAIN.match(line) or any(pattern.match(line) for pattern in self._unsolicited):
            return True
        free = self._command is not None and self._command.text.upper().startswith("ATI")
        return (_FLOOD if free else _FOREIGN).match(line) is not None

    def _step(self, token: Token, result: Outcome | None) -> None:
        state, action = _TABLE[self.state, token]
        written = self.state is State.ANSWERING
        self.state = state
        if action == "keep":
            self._keep(result)
        elif action == "prompt":
            self._events.append(Prompt())
        elif action == "stray":
            self._events.append(StrayPrompt())
        elif action == "astray" and result is not None:
            self._events.append(OutOfStep(result.text))
        elif action == "late" and result is not None:
            self._events.append(Notice(result.text))
        elif action in ("answer", "silence") and self._command is not None:
            command, self._command = self._command, None
            lines, self._lines = tuple(self._lines), []
            self._own = ""
            if action == "answer" and result is not None:
                self._events.append(Answer(command, lines, result, written))
            else:
                self._events.append(Silence(command, lines, written))

    def _keep(self, result: Outcome | None) -> None:
        if result is None:
            return
        self._size += len(result.text)
        if self._size <= MAX_ANSWER:
            self._lines.append(result.text)
            self._events.append(
                Intermediate(result.text, self._owns(result.text) or _HEX.match(result.text) is not None)
            )
