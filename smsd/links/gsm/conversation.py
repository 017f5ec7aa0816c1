r"""The log of the dialogue with one modem: a file of its own, rotated and bounded, one line for each chunk.

    <ISO time> <gateway> >>> [<n>] "<escaped octets>"        to the modem
    <ISO time> <gateway> <<< [<n>] "<escaped octets>"        from the modem
    <ISO time> <gateway> --- <a remark>                      opened, closed, recovered

Times are UTC with milliseconds; `n` counts the octets that travelled, before any masking. Escapes are \r \n \t \\ \" and
\xHH; all else is printable ASCII. At level debug the octets are whole and can be replayed; at level info hexadecimal
and digits of messages and numbers are replaced by `<n hex>` and `…`, and received octets are kept back until their line
is whole. The PIN is masked as `****` at every level, also in its echo, however the echo is cut.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import datetime, timezone

from twisted.logger import Logger
from twisted.python.logfile import LogFile

from smsd.codec.at.lines import MAX_LINE

ROTATE = 5_000_000
KEPT = 5

_PIN = re.compile(rb'(\+CPIN ?= ?"?)[^"\r\n]*', re.IGNORECASE)
_HEX = re.compile(rb"(?<![0-9A-Za-z])[0-9A-Fa-f]{16,}")
_PIECE = re.compile(
    rb"(?:(?<![^\r\n])|(?<=> ))[0-9A-Fa-f]{2,15}(?![^\x1a\r\n])"
)  # of a PDU, whole between line ends
_QUOTED = re.compile(rb'"(\+?[0-9*#]{3})[0-9*#]{3,}"')
_DIGITS = re.compile(rb"(?<![0-9A-Za-z])(\+?[0-9]{3})[0-9]{4,}")
_SPECIAL = {13: "\\r", 10: "\\n", 9: "\\t", 92: "\\\\", 34: '\\"'}
_ESCAPES = [_SPECIAL.get(n, chr(n) if 32 <= n < 127 else f"\\x{n:02x}") for n in range(256)]


def escaped(data: bytes) -> str:
    """Octets as the log shows them, without the quotation marks."""
    return "".join(map(_ESCAPES.__getitem__, data))


class Conversation:
    """One gateway's log. `level` is `off`, `info` or `debug`; `seconds` tells the time. A file that cannot be written is told
    once and tried again with each line; it disturbs nothing else."""

    log = Logger()

    def __init__(self, gateway: str, path: str, level: str, seconds: Callable[[], float]) -> None:
        self._gateway = gateway
        self._level = level
        self._seconds = seconds
        self._held = bytearray()
        self._secret = b""
        self._path = os.path.abspath(path)
        self._file: LogFile | None = None
        self._on = level != "off"
        self._failing = False

    def sent(self, data: bytes) -> None:
        """Octets were given to the line."""
        if self._on:
            self._flush()
            self._entry(">>>", data)

    def received(self, data: bytes) -> None:
        """Octets came from the line."""
        if not self._on:
            return
        if self._level == "debug" and not self._secret:
            self._entry("<<<", data)
            return
        self._held += data
        end = max(self._held.rfind(b"\n"), self._held.rfind(b"\r"), self._held.rfind(b"> ") + 1)
        if len(self._held) > MAX_LINE:
            end = len(self._held) - 1
        if end > 0 or bytes(self._held[:1]) in (b"\r", b"\n"):
            self._flush(end + 1)

    def secret(self, pin: str) -> None:
        """From now on whatever looks like `pin` is masked, and lines are kept whole; "" ends that."""
        self._flush()
        self._secret = pin.encode()

    def remark(self, text: str) -> None:
        """Note what happened to the line itself."""
        if self._on:
            self._flush()
            self._write(f"--- {escaped(text.encode('ascii', 'replace'))}")

    def close(self) -> None:
        """Write what was kept back, and close the file."""
        self._flush()
        self._on = False
        if self._file is not None:
            self._file.close()
            self._file = None

    def _flush(self, size: int | None = None) -> None:
        if self._held:
            data = bytes(self._held[:size])
            del self._held[:size]
            self._entry("<<<", data)

    def _entry(self, direction: str, data: bytes) -> None:
        shown = _PIN.sub(rb"\1****", data)
        if self._secret:
            shown = shown.replace(self._secret, b"****")
        if self._level == "info":
            for pattern in (_HEX, _PIECE):
                shown = pattern.sub(lambda match: b"<%d hex>" % len(match[0]), shown)
            shown = _QUOTED.sub(rb'"\1..."', shown)
            shown = _DIGITS.sub(rb"\1...", shown)
        self._write(f'{direction} [{len(data)}] "{escaped(shown)}"')

    def _write(self, text: str) -> None:
        moment = datetime.fromtimestamp(self._seconds(), timezone.utc)
        stamp = moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
        try:
            if self._file is None:
                folder, name = os.path.split(self._path)
                self._file = LogFile(name, folder, ROTATE, 0o600, KEPT)
            self._file.write(f"{stamp} {self._gateway} {text}\n")
            self._failing = False
        except OSError as error:
            self._file = None
            if not self._failing:
                self._failing = True
                self.log.error(
                    "{gateway}: the conversation cannot be logged: {error}",
                    gateway=self._gateway,
                    error=str(error),
                )
