"""All transactions of a SIP element (RFC 3261 section 17, RFC 3581, RFC 4320): who is told the time and what arrived, and says what to do.

Owns matching, retransmissions, timers, the routing of answers (18.2.2) and ACK and CANCEL. No octets make it raise; every transaction ends,
and there are never more than `most`. Every method that does something returns outputs, to be done in their order. `now` is in seconds
of a clock that only goes forward.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Union

from smsd.codec.sip.errors import Malformed
from smsd.codec.sip.messages import Limits, Request, Response
from smsd.codec.sip.timers import Timers
from smsd.values.frozen import frozen

Key = Hashable
"""Names a transaction."""


@frozen
class Peer:
    """The other end: transport ("UDP", "TCP", "TLS"), its address and port as the socket says, and for streams what the caller calls
    the connection (None: a new one, for requests of our own)."""

    transport: str
    host: str
    port: int
    flow: Hashable = None


@frozen
class Send:
    """Send octets. When that fails, say `failed(key, now)`. Answers go by `to.flow` or, if it has gone, nowhere."""

    octets: bytes
    to: Peer
    key: Key | None


@frozen
class Asked:
    """A new request (never ACK or CANCEL, never a retransmission): `answer(key, response, now)` it within 32 seconds. The top Via has
    `received` and `rport` already."""

    key: Key
    request: Request
    source: Peer


@frozen
class Answered:
    """A response to our request `key`; with a final one (status >= 200) the transaction is over for us."""

    key: Key
    response: Response


@frozen
class Unanswered:
    """Our request `key` got no final answer: `status` 408 (time is over) or 503 (could not be sent). It is over."""

    key: Key
    status: int


@frozen
class Cancelled:
    """An INVITE that was Asked was cancelled (487 was answered): whoever works on it can stop."""

    key: Key


Output = Union[Send, Asked, Answered, Unanswered, Cancelled]


class Transactions:
    """`secret`: any random octets; they make the tags of our answers. `most` transactions live at a time; above that the oldest
    completed ones are forgotten, and if there are none, new requests are answered 503."""

    def __init__(
        self,
        secret: bytes,
        timers: Timers = Timers(),
        limits: Limits = Limits(),
        most: int = 40_000,
        server: str = "",
    ) -> None:
        raise NotImplementedError

    def heard(self, octets: bytes, source: Peer, now: float) -> list[Output]:
        """A datagram, or a message that the framer cut out."""
        raise NotImplementedError

    def broken(self, error: Malformed, source: Peer, now: float) -> list[Output]:
        """What the framer could not follow: its answer, if it can have one."""
        raise NotImplementedError

    def ask(self, request: Request, to: Peer, now: float) -> tuple[Key, list[Output]]:
        """Send a request of our own (not INVITE, ACK, CANCEL; built by `requests.ask`). Malformed when it cannot be written."""
        raise NotImplementedError

    def answer(self, key: Key, response: Response, now: float) -> list[Output]:
        """The answer to an Asked request. Nothing happens when it is too late or was answered already. Malformed when it cannot be
        written (another may be given then)."""
        raise NotImplementedError

    def failed(self, key: Key | None, now: float) -> list[Output]:
        """Octets of this transaction could not be sent."""
        raise NotImplementedError

    def tick(self, now: float) -> list[Output]:
        """What is due by now."""
        raise NotImplementedError

    def wake(self) -> float | None:
        """When `tick` should be called next (in `now`'s time); None: nothing is waiting."""
        raise NotImplementedError

    def tag(self, request: Request) -> str:
        """Our To tag for this request: the same for its retransmissions."""
        raise NotImplementedError

    def __len__(self) -> int:
        """Live transactions."""
        raise NotImplementedError
