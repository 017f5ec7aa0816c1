"""From octets to lines and prompts, with a bounded buffer.

Lines end with CR, LF or any number of both; blank lines do not exist; the prompt of 27.005 3.5.1 is not a line: a `>`
at the start of one is complete by itself, whatever follows. Must never grow beyond `MAX_LINE` octets.
"""

from __future__ import annotations

import enum
import re

MAX_LINE = 4096  # a PDU line of 27.005 has at most 352 characters; USSD and model texts some hundred

_END = re.compile(rb"[\r\n]")
_BLANK = b" \t\r\n\0\x1a\x1b"  # Ctrl-Z and ESC: echoes of what ends or leaves a text
_LEAD = re.compile(rb"[ \t\r\n\0\x1a\x1b]+")


class Mark(enum.Enum):
    """What is not a line."""

    PROMPT = "prompt"
    OVERLONG = "overlong"


class LineReader:
    """Feed octets, take tokens: a `str` line, `Mark.PROMPT`, `Mark.OVERLONG`, or None when more octets are needed."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._skipping = False

    def feed(self, data: bytes) -> None:
        """Add octets. Call `next` until None before the next feed, or the bound does not hold."""
        self._buffer += data

    def clear(self) -> None:
        """Forget an unfinished line."""
        self._buffer.clear()
        self._scanned = 0
        self._skipping = False

    def next(self) -> str | Mark | None:
        """The next token, or None."""
        if self._skipping and not self._skip():
            return None
        if not self._scanned:
            if lead := _LEAD.match(self._buffer):
                del self._buffer[: lead.end()]
            if self._buffer.startswith(b">"):
                del self._buffer[:1]
                return Mark.PROMPT
        end = _END.search(self._buffer, self._scanned)
        if end is None:
            if len(self._buffer) > MAX_LINE:
                self.clear()
                self._skipping = True
                return Mark.OVERLONG
            self._scanned = len(self._buffer)
            return None
        if end.start() > MAX_LINE:
            del self._buffer[: end.end()]
            self._scanned = 0
            return Mark.OVERLONG
        line = bytes(self._buffer[: end.start()])
        del self._buffer[: end.end()]
        self._scanned = 0
        return line.strip(_BLANK).decode("latin-1").replace("\0", "")

    def _skip(self) -> bool:
        """Drop the rest of an overlong line; True when its end was found."""
        end = _END.search(self._buffer)
        if end is None:
            self._buffer.clear()
            return False
        del self._buffer[: end.end()]
        self._skipping = False
        return True
