"""A delivery on its way out: its states, what a gateway gets to carry, and what can come of it.

An outcome is yes (`Accepted`), no for now, no for ever, or unknown (`Failure`); and it is about this message, this
gateway, or its speed. Trouble with a gateway never costs the message a try.
"""

from __future__ import annotations

import enum

from smsd.values.address import Address
from smsd.values.frozen import frozen
from smsd.values.message import DEFAULT_PARAMETERS, Content, Parameters, Ticket, Wants


class State(enum.IntEnum):
    """States of a delivery. Up to GATHERED it can still change; SENT is final when no report is awaited. GATHERED waits to leave
    with others as one digest, MERGED has left in one."""

    READY = 0
    SENDING = 1
    SENT = 2
    SCHEDULED = 4
    HELD = 5
    GATHERED = 6
    DELIVERED = 10
    FAILED = 11
    EXPIRED = 12
    CANCELLED = 13
    REJECTED = 14
    MERGED = 15


class Kind(enum.Enum):
    """No for now, no for ever, or nobody knows."""

    TEMPORARY = "temporary"
    PERMANENT = "permanent"
    UNKNOWN = "unknown"


class Scope(enum.Enum):
    """What a failure is about: this message, the gateway that was asked, or how fast it was asked. A permanent one about the
    gateway, without `retry_after`, says that this gateway cannot carry this message, and another may (no route)."""

    MESSAGE = "message"
    GATEWAY = "gateway"
    SPEED = "speed"


class Failure(Exception):
    """A piece that a gateway could not carry.

    `maybe_sent`: the network may have taken it all the same. `retry_after`: seconds, when the gateway knows.
    `status`: an RFC 3463 code for the bounce, `reason`: one line for people. `keeps_place`: what waits behind it must not
    overtake it (a gateway whose receiver counts on the order).
    """

    def __init__(
        self,
        kind: Kind,
        reason: str,
        *,
        scope: Scope = Scope.MESSAGE,
        maybe_sent: bool = False,
        retry_after: float | None = None,
        status: str = "",
        keeps_place: bool = False,
    ) -> None:
        # Wherever it came from: a store that could not hold the reason would lose the outcome.
        reason = reason.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
        super().__init__(reason)
        self.kind = kind
        self.scope = scope
        self.maybe_sent = maybe_sent or kind is Kind.UNKNOWN
        self.retry_after = retry_after
        self.reason = reason
        self.status = status
        self.keeps_place = keeps_place


@frozen
class Accepted:
    """The next hop took the piece. `reference` is what its reports will name (modem: the TP-MR as text), `more` are further ones
    where a provider names every part of a message that it took whole; `output` is what a program, a URL or a statement
    answered."""

    reference: str | None = None
    output: str = ""
    more: tuple[str, ...] = ()


@frozen
class Piece:
    """What goes on the wire at once: a whole message, or part `seq` of `total` where the gateway carries parts.

    `code` and `reference` fix the segmentation (see `smsd.codec.segment.replan`), so that a retry sends the same parts.
    `expires` is milliseconds UTC; `report` says whether somebody waits for a delivery report, `wants` what the sender wants to
    hear; `hops` how often the message was handed on, by rules or from server to server; `again` how often an operator sent it
    once more after it was over.
    """

    delivery: int
    message: int
    lane: int
    gateway: str
    target: Address
    content: Content
    origin: Address
    seq: int = 1
    total: int = 1
    code: int = 0
    reference: int = 0
    parameters: Parameters = DEFAULT_PARAMETERS
    headers: tuple[tuple[str, str], ...] = ()
    ticket: Ticket | None = None
    account: str | None = None
    arrived: int = 0
    expires: int = 0
    report: bool = False
    tries: int = 0
    maybe_twice: bool = False
    hops: int = 0
    wants: Wants = Wants.NOTHING
    again: int = 0


@frozen
class NetworkReport:
    """What a network says of a message it took: `status` is `delivered`, `pending` (it still tries), `failed` or `expired`.

    `reference` is what `Accepted` named; `number` is the phone it is about (reports match on both); `detail` is the
    network's own word or code, `at` when it happened, `submitted` when the network had taken the message, as far as it says so.
    `delivery`: which one of ours it is about, where nobody waited for a report and the network names that; `number` is its whole
    address then (small letters, without a chat's device).
    """

    reference: str
    number: str
    status: str
    detail: str = ""
    at: int | None = None
    submitted: int | None = None
    delivery: int = 0
