"""Messages out of a stream (RFC 3261 section 18.3, RFC 5626 section 4.4.1): octets in, messages' octets and pings out. Bounded."""

from __future__ import annotations

from smsd.codec.sip.errors import Malformed
from smsd.codec.sip.messages import Limits

PING = b"\r\n\r\n"
PONG = b"\r\n"


class Framer:
    """One connection. Feed it; what it gives is one message's octets each, or PING (answer PONG), or PONG (an answer to our PING).
    Malformed: the stream cannot be followed any more; answer `error.request` if there is one, then close the connection."""

    def __init__(self, limits: Limits = Limits()) -> None:
        self.limits = limits

    def feed(self, octets: bytes) -> list[bytes | Malformed]:
        """What is complete now. A Malformed as last item (it is not raised): answer it if it can be answered and close; feeding on
        gives nothing."""
        raise NotImplementedError

    @property
    def waiting(self) -> int:
        """Octets of a message that has begun and is not complete: a connection that stays so for long should be closed."""
        raise NotImplementedError


