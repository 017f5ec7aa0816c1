"""The octets between DATA and the lone dot: found, unstuffed, counted and spooled once for all recipients.

Sans-I/O but for the spool (memory up to `SPOOL_IN_MEMORY` octets, then an unnamed temporary file). Only CRLF ends a line
(RFC 5321 2.3.8): `LF.LF` and its relatives are data. What is too big, or has an over-long line, is swallowed up to the
lone dot and kept nowhere, so that no line of a body is ever taken for a command.
"""

from __future__ import annotations

import tempfile

SPOOL_IN_MEMORY = 256 * 1024
LONGEST_LINE = 16384
"""Octets of one body line without its CRLF; RFC 5321 asks for 998."""

_END = b"\r\n.\r\n"


class Body:
    """Reads one message. `size` counts its octets without dot stuffing (RFC 1870); `too_big` and `too_long` (a line)
    say why nothing was kept; `swallowed` counts what came in, kept or not."""

    def __init__(self, size_limit: int) -> None:
        self.size_limit = size_limit
        self.size = 0
        self.swallowed = 0
        self.too_big = False
        self.too_long = False
        self._tail = b"\r\n"  # a line end before the first line, so that a lone dot is found there as well
        self._first = True
        self._spool: tempfile.SpooledTemporaryFile[bytes] | None = None
        self._only = b""

    def feed(self, data: bytes) -> bytes | None:
        """Take octets. None while the end is not reached, then what follows the lone dot's CRLF."""
        self.swallowed += len(data)
        octets = self._tail + data
        end = octets.find(_END)
        if end >= 0:
            self._tail = b""
            self._keep(octets[: end + 2], last=True)
            return octets[end + len(_END) :]
        cut = octets.rfind(b"\r\n")
        if cut > 0:
            self._keep(octets[:cut])
            octets = octets[cut:]
        if len(octets) > LONGEST_LINE + 3:  # the line end before it, and a CR that may belong to its own
            self._refuse_line()
        if self.too_long and cut <= 0:
            octets = octets[-4:]
        self._tail = octets
        return None

    def _refuse_line(self) -> None:
        self.too_long = True
        self._drop()

    def _keep(self, chunk: bytes, last: bool = False) -> None:
        """`chunk` begins with the line end before it; the first of all was never sent."""
        if len(chunk) > LONGEST_LINE and max(map(len, chunk.split(b"\r\n"))) > LONGEST_LINE:
            self._refuse_line()
        if b"\r\n." in chunk:
            chunk = chunk.replace(b"\r\n.", b"\r\n")
        if self._first:
            self._first = False
            chunk = chunk[2:]
        self.size += len(chunk)
        if self.too_big or self.too_long:
            return
        if self.size > self.size_limit:
            self.too_big = True
            self._drop()
        elif last and self._spool is None:
            self._only = chunk
        else:
            if self._spool is None:
                self._spool = tempfile.SpooledTemporaryFile(SPOOL_IN_MEMORY)  # noqa: SIM115 (closed by read and close)
            self._spool.write(chunk)

    def _drop(self) -> None:
        self._only = b""
        if self._spool is not None:
            self._spool.close()
            self._spool = None

    def read(self) -> bytes:
        """The whole message, once; the spool is gone afterwards."""
        if self._spool is None:
            return self._only
        self._spool.seek(0)
        octets = self._spool.read()
        self._drop()
        return octets

    def close(self) -> None:
        """Forget everything: the connection is gone."""
        self._drop()
