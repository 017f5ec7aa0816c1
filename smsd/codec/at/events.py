"""What goes into an AT session (`Command`) and what comes out of it (events). Frozen values, no behaviour.

Text is the modem's own line, decoded as latin-1 and stripped of blanks; PDUs stay hexadecimal text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union


@dataclass(frozen=True, slots=True)
class Command:
    """One command line without its CR, e.g. `Command("AT+CSQ")`.

    `payload` (hexadecimal, without Ctrl-Z) is for commands that prompt; `expects` is the prefix of its own answer lines
    where it differs from the command's name (`AT+CICCID` answers `+ICCID:`); `lone` means that an own answer line may
    stand without a final OK (`+CPIN: READY`); `secret` means the text must not be shown.
    """

    text: str
    payload: str | None = None
    expects: str = ""
    lone: bool = False
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """A final result: `kind` is `ok`, `error`, `cms`, `cme` or `unsupported`; `code` the number if there was one, `text`
    the modem's words."""

    kind: str
    code: int | None = None
    text: str = ""

    @property
    def ok(self) -> bool:
        """Whether the command was carried out."""
        return self.kind == "ok"


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of the outstanding command. `written` tells whether its payload had been handed out."""

    command: Command
    lines: tuple[str, ...]
    outcome: Outcome
    written: bool = False

    @property
    def ok(self) -> bool:
        """Whether the command was carried out."""
        return self.outcome.ok


@dataclass(frozen=True, slots=True)
class Silence:
    """`timeout()` ended the outstanding command: no answer. `written` as in `Answer`."""

    command: Command
    lines: tuple[str, ...]
    written: bool = False


@dataclass(frozen=True, slots=True)
class Intermediate:
    """A line that belongs to the outstanding command's answer. `own` tells that it surely does, by its name or as the PDU
    below it: the modem is alive and talking about it."""

    line: str
    own: bool = True


@dataclass(frozen=True, slots=True)
class Prompt:
    """The modem waits for the payload: take it with `Session.payload()` or leave with `Session.escape()`."""


@dataclass(frozen=True, slots=True)
class StrayPrompt:
    """The modem waits for a text nobody asked it to take; it must be left with `Session.escape()`."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A PDU handed over directly: `kind` is `CMT` (message) or `CDS` (status report); `length` as stated, -1 if unreadable."""

    kind: str
    length: int
    pdu: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A message was put into a memory: `kind` is `CMTI` or `CDSI`."""

    kind: str
    memory: str
    index: int


@dataclass(frozen=True, slots=True)
class Registration:
    """An unsolicited registration state of 27.007 (1 home, 5 roaming, …); `domain` is `CREG`, `CGREG` or `CEREG`."""

    domain: str
    state: int


@dataclass(frozen=True, slots=True)
class Notice:
    """Any other unsolicited line, and answers that came too late."""

    line: str


@dataclass(frozen=True, slots=True)
class OutOfStep:
    """An answer that the outstanding command cannot have: a late one came, and the next may be late as well."""

    line: str


@dataclass(frozen=True, slots=True)
class Overlong:
    """A line longer than any modem's; it was dropped up to its end."""


Event = Union[
    Answer,
    Silence,
    Intermediate,
    Prompt,
    StrayPrompt,
    Incoming,
    Stored,
    Registration,
    Notice,
    OutOfStep,
    Overlong,
]
