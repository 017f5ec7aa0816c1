"""Plays a recorded conversation back: what the gateway wrote in the recording is expected, what the modem said is answered.

Reads the log that a GSM gateway writes at debug level, one chunk a line:
`<ISO time> <gateway> >>> [<octets>] "<escaped>"` (`>>>` to the modem, `<<<` from it, escaped as Python writes bytes).
Commands are compared one by one, whatever the chunks; where they differ the difference is told and the dialogue goes on
with the recorded answer to the same command, if there is one. A PIN, which the log masks, is never compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_LINE = re.compile(r'^(?P<at>\S+)\s+(?P<gateway>\S+)\s+(?P<way><<<|>>>)\s+\[\d+\]\s+"(?P<data>.*)"\s*$')
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|.)", re.DOTALL)
_TOKEN = re.compile(rb"[^\r\x1a\x1b]*[\r\x1a\x1b]")
_SHORT = {b"r": b"\r", b"n": b"\n", b"t": b"\t"}
_LINE_FEEDS = b"\n"


class BadRecording(ValueError):
    """The file is no recorded conversation; the text says which line."""


@dataclass(slots=True)
class Exchange:
    """A command as the gateway wrote it, at line `line` of the recording, and all that the modem said after it."""

    command: bytes
    answer: bytes
    line: int


def unescape(text: str) -> bytes:
    """The octets behind an escaped string."""
    return _ESCAPE.sub(
        lambda match: (
            bytes((int(match[1][1:], 16),))
            if match[1][:1] == b"x" and len(match[1]) == 3
            else _SHORT.get(match[1], match[1])
        ),
        text.encode("utf-8"),
    )


def tokens(data: bytes) -> tuple[list[bytes], bytes]:
    """Whole commands (each with its CR, Ctrl-Z or ESC) and what is left."""
    found = _TOKEN.findall(data)
    return found, data[sum(map(len, found)) :]


def read(lines: Iterable[str], gateway: str = "") -> tuple[bytes, list[Exchange]]:
    """What the modem said before any command, and the exchanges; of the first gateway in the file if none is named.

    Raises BadRecording when nothing in it is a conversation.
    """
    before = bytearray()
    exchanges: list[Exchange] = []
    rest = b""
    for number, line in enumerate(lines, 1):
        match = _LINE.match(line)
        if match is None or (gateway and match["gateway"] != gateway):
            continue
        gateway = match["gateway"]
        data = unescape(match["data"])
        if match["way"] == "<<<":
            if exchanges:
                exchanges[-1].answer += data
            else:
                before += data
            continue
        found, rest = tokens(rest + data)
        exchanges += [Exchange(command, b"", number) for command in found]
    if not exchanges:
        raise BadRecording(
            'it holds no conversation: lines look like 2026-01-31T12:00:00 modem1 >>> [3] "AT\\r"'
            + (f", and must be of gateway {gateway}" if gateway else "")
        )
    return bytes(before), exchanges


def same(recorded: bytes, given: bytes) -> bool:
    """Whether two commands are the same; the PIN does not count."""
    if recorded.strip(_LINE_FEEDS) == given.strip(_LINE_FEEDS):
        return True
    return recorded.upper().lstrip().startswith(b"AT+CPIN=") and given.upper().lstrip().startswith(
        b"AT+CPIN="
    )


class Player:
    """Answers from a recording. `write` puts octets on the line, `tell` gets a line of text for each difference.

    `differences` counts them; `finished` is true when the whole recording was played.
    """

    def __init__(
        self,
        before: bytes,
        exchanges: list[Exchange],
        write: Callable[[bytes], None],
        tell: Callable[[str], None],
    ) -> None:
        self._before, self._exchanges, self._write, self._tell = before, exchanges, write, tell
        self._at = 0
        self._rest = b""
        self.differences = 0

    @property
    def finished(self) -> bool:
        """Whether every recorded command was given."""
        return self._at >= len(self._exchanges)

    def start(self) -> None:
        """Say what the modem said first."""
        if self._before:
            self._write(self._before)

    def received(self, data: bytes) -> None:
        """Octets from the gateway."""
        found, self._rest = tokens(self._rest + data)
        for command in found:
            self._played(command)

    def _played(self, command: bytes) -> None:
        if not self.finished and same(self._exchanges[self._at].command, command):
            self._answer(self._at)
            return
        self.differences += 1
        expected = (
            f"line {self._exchanges[self._at].line} has {_shown(self._exchanges[self._at].command)}"
            if (not self.finished)
            else "the recording is at its end"
        )
        ahead = self._find(command)
        if ahead is not None:
            self._tell(
                f"{expected}, given was {_shown(command)}: going on at line {self._exchanges[ahead].line}"
            )
            self._answer(ahead)
        elif (
            command.endswith(b"\x1a")
            and not self.finished
            and self._exchanges[self._at].command.endswith(b"\x1a")
        ):
            self._tell(f"{expected}, given was {_shown(command)}: another PDU gets the recorded answer")
            self._answer(self._at)
        elif command.endswith(b"\r") and command.strip():
            self._tell(f"{expected}, given was {_shown(command)}, which the recording does not have: ERROR")
            self._write(b"\r\nERROR\r\n")
        else:
            self._tell(f"{expected}, given was {_shown(command)}: no answer")

    def _find(self, command: bytes) -> int | None:
        """Where the command is recorded: the nearest place ahead, else the last one behind."""
        places = [at for at, exchange in enumerate(self._exchanges) if same(exchange.command, command)]
        return next((at for at in places if at >= self._at), places[-1] if places else None)

    def _answer(self, at: int) -> None:
        self._at = max(self._at, at + 1)
        answer = self._exchanges[at].answer
        if answer:
            self._write(answer)


def _shown(command: bytes) -> str:
    """A command for people; a PIN is masked and a PDU is cut."""
    if command.upper().lstrip().startswith(b"AT+CPIN="):
        return "AT+CPIN=****"
    text = repr(command)[2:-1]
    return f'"{text}"' if len(text) < 72 else f'"{text[:60]}…" ({len(command)} octets)'
