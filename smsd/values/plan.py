"""What the pure rooms decide and the store writes: one value per transaction, complete, so that a commit needs no thought.

An `Acceptance` is a submission with its plan; a `Settlement` is a piece with what became of it; a `Step` is the next state
that `policy.step` gave a delivery. Times are milliseconds UTC; 0 stands for "never" in deadlines. What is made for every
message is a NamedTuple: as immutable as a frozen dataclass, and made in a tenth of its time.
"""

from __future__ import annotations

from typing import NamedTuple

from smsd.values.address import Address
from smsd.values.delivery import Accepted, Failure, Piece, State
from smsd.values.frozen import frozen
from smsd.values.message import DEFAULT_PARAMETERS, Care, Content, Declined, Parameters, Submission, Wants


class Planned(NamedTuple):
    """One delivery, ready to be written. `route` and `flow` name its lane; `gateway` is set only when a slot of that
    gateway is already reserved, and then it is inserted as SENDING. `code`, `parts`, `reference` fix the segmentation.
    `content` and `headers` are what a rule made of the message for this delivery alone; `gather` is how rules want it to leave."""

    delivery: int
    target: Address
    typed: str
    route: str
    flow: str
    state: State
    due: int
    deadline: int
    expires: int
    wants: Wants = Wants.NOTHING
    report: bool = False
    code: int = 0
    parts: int = 1
    reference: int = 0
    encoding: str = ""
    parameters: Parameters = DEFAULT_PARAMETERS
    original: str = ""
    gateway: str | None = None
    notes: tuple[str, ...] = ()
    reason: str | None = None
    content: Content | None = None
    headers: tuple[tuple[str, str], ...] | None = None
    trace: str = ""
    gather: tuple[Care, ...] = ()


class Limit(NamedTuple):
    """What the account may still send: at most `most` messages in `period` ("2026-11"); 0 is no limit, only counted. The same
    for all members of its group together. `watched`: it is held when it suddenly sends far more than usual."""

    account: str
    period: str
    most: int = 0
    group: str = ""
    group_most: int = 0
    watched: bool = True


class Cost(NamedTuple):
    """What a delivery costs its sender: `price` (see `values.money`) for each of its `parts`. `name` is that of the destination."""

    delivery: int
    price: int
    parts: int
    name: str = ""


class Charge(NamedTuple):
    """What a prepaid `account` pays for an acceptance, out of the balance of `payer`. `late`: when it is delivered, not when it
    is sent."""

    payer: str
    account: str
    costs: tuple[Cost, ...]
    late: bool = False
    currency: str = ""


class Acceptance(NamedTuple):
    """A submission and its plan: what one accept writes. `order` holds, per recipient, its Planned or its Declined;
    `children` what rules sent besides, written by the same commit; `charge` is None where nobody pays before."""

    message: int
    submission: Submission
    order: tuple[Planned | Declined, ...]
    now: int
    limit: Limit | None = None
    key_expires: int = 0
    parent: int | None = None
    children: tuple[Acceptance, ...] = ()
    charge: Charge | None = None

    @property
    def planned(self) -> list[Planned]:
        """The deliveries to write; a number that was named twice is one."""
        if len(self.order) == 1:
            (entry,) = self.order
            return [entry] if isinstance(entry, Planned) else []
        return list({entry.delivery: entry for entry in self.order if isinstance(entry, Planned)}.values())


class View(NamedTuple):
    """What a decision about a delivery has to know of it. `others`: gateways of its route that have not been asked: one carries
    `now`, one may `later`, there is none (""); `asked`: some were, before this one. `blamed`: the trouble that its gateway had
    with it is its own."""

    state: State
    tries: int = 0
    sent: int = 0
    total: int = 1
    expires: int = 0
    wants: Wants = Wants.NOTHING
    report: bool = False
    maybe_twice: bool = False
    in_doubt: str = "resend"
    others: str = ""
    asked: bool = False
    blamed: bool = False
    seq: int = 1
    finished: bool = False


class Step(NamedTuple):
    """The next state of a delivery. `due` 0 keeps its place, `deadline` None what was planned. `notice` is the event of the
    report its ticket gets ("" for none); `attempt` says that this try goes on record; `stick` binds a partly sent delivery
    to the gateway that began it, `elsewhere` lets others have it first; `final`: nothing more is awaited. `network` is the
    network's own word or code, where a report of it led here."""

    state: State
    due: int = 0
    deadline: int | None = None
    tries: int = 0
    sent: int = 0
    maybe_twice: bool = False
    reason: str | None = None
    notice: str = ""
    status: str = ""
    attempt: bool = False
    stick: bool = False
    elsewhere: bool = False
    final: bool = False
    network: str = ""


class Settlement(NamedTuple):
    """A piece that came back from its gateway: how, after how many milliseconds. `space` is the account at the provider in which
    the references of the outcome mean something, "" when no report of them is awaited; `way` how that account writes them.
    `route` is its lane's; `others` and `blamed` are as in `View`. `answers`: what a program, URL or statement said, for whoever is
    to hear it, and what rules send because of that."""

    piece: Piece
    outcome: Accepted | Failure
    now: int
    took: int = 0
    in_doubt: str = "resend"
    space: str = ""
    way: str = ""
    route: str = ""
    others: str = ""
    blamed: bool = False
    answers: tuple[Submission, ...] = ()


@frozen
class Incoming:
    """One incoming SMS as the store keeps it: `identity` makes a repeat harmless; a part of a longer message has a
    `join` key (sender, reference, width, total) and a `seq`; `octets` is its TPDU."""

    gateway: str
    octets: bytes
    identity: str
    sender: str
    now: int
    join: str = ""
    seq: int = 1
    total: int = 1
