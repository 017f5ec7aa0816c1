"""Messages out of a stream (RFC 3261 section 18.3, RFC 5626 section 4.4.1): octets in, messages' octets and pings out. Bounded."""

from __future__ import annotations

from smsd.codec.sip.errors import Malformed
from smsd.codec.sip.messages import USUAL, Limits, content_length, salvage

PING = b"\r\n\r\n"
PONG = b"\r\n"


class Framer:
    """One connection. What it gives is one message's octets each, or PING (answer PONG; pings that come together are given once).
    Single empty lines, such as the PONG to our own ping, are swallowed: any octets are a sign of life."""

    def __init__(self, limits: Limits = USUAL) -> None:
        self.limits = limits
        self._buffer = bytearray()
        self._searched = 0  # no empty line begins before
        self._ends = 0  # line ends since the last message
        self._total = 0  # octets of the message that has begun, once its headers are whole
        self._dead = False

    def feed(self, octets: bytes) -> list[bytes | Malformed]:
        """What is complete now. A Malformed can only be the last item: the stream cannot be followed any more, answer it if it
        can be answered (`Transactions.broken`), and close; feeding on gives nothing."""
        found: list[bytes | Malformed] = []
        if self._dead:
            return found
        self._buffer += octets
        try:
            while self._step(found):
                pass
        except Malformed as error:
            self._dead = True
            self._buffer.clear()
            found.append(error)
        return found

    @property
    def waiting(self) -> int:
        """Octets of a message that has begun and is not complete: a connection that stays so for long should be closed."""
        return len(self._buffer)

    def _step(self, found: list[bytes | Malformed]) -> bool:
        """Take one thing from the buffer; False when there is nothing whole."""
        buffer = self._buffer
        if self._total:
            if len(buffer) < self._total:
                return False
            found.append(bytes(buffer[: self._total]))
            del buffer[: self._total]
            self._total = self._searched = self._ends = 0
            return True
        if not self._searched:
            while buffer[:2] == PONG:
                del buffer[:2]
                self._ends += 1
                if self._ends == 2:
                    self._ends = 0
                    if found[-1:] != [PING]:
                        found.append(PING)
            if not buffer or buffer == b"\r":
                return False
        end = buffer.find(PING, self._searched, self.limits.header + 4)
        if end < 0:
            if len(buffer) >= self.limits.header + 4:
                raise Malformed(
                    f"the headers are longer than {self.limits.header} octets",
                    513,
                    salvage(bytes(buffer), self.limits),
                )
            self._searched = max(1, len(buffer) - 3)
            return False
        self._total = end + 4 + content_length(bytes(buffer[:end]), self.limits)
        return True
