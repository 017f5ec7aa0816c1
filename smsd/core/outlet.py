"""A gateway as the queue sees it: its slots, its limits, how it is, what it has on the wire, and what it tells the queue.

Decides nothing: whether there is work, and who gets it, is the queue's; when it rests, `policy.breaker`'s and `policy.limits`'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from zope.interface import implementer

from smsd.interfaces import Abilities, IGateway, IOutlet
from smsd.policy import route as routes
from smsd.policy.breaker import Breaker
from smsd.policy.limits import Charge, Meter, length
from smsd.store.carrying import Probe
from smsd.values.address import Address
from smsd.values.delivery import NetworkReport, Piece

if TYPE_CHECKING:
    from smsd.core.queue import Queue


# How long nobody stands in for a gateway that is just starting (ms): a modem takes a while, a provider is there at once.
STARTING = 30_000


@implementer(IOutlet)
class Outlet:
    """A gateway as the queue sees it, and what it tells the queue."""

    def __init__(
        self,
        queue: Queue,
        name: str,
        abilities: Abilities,
        in_doubt: str,
        country: str | None,
        meter: Meter | None = None,
    ) -> None:
        self.name = name
        self.abilities = abilities
        self.in_doubt = in_doubt
        self.country = country
        self.way = routes.Way(name, abilities)
        self.gateway: IGateway | None = None
        self.slots = 0
        self.reason = "not started"
        self.closed_since = queue.now()
        self.starts_until = self.closed_since + STARTING  # 0 when it has said what it can
        self._opening = 0
        self.on_wire: dict[int, Piece] = {}
        self.reserved = 0
        self.taking = False
        self.leaving = False
        self.not_before = 0
        self.hasty = ("", 0)  # what it said when messages came too fast, and until when none comes
        self.turn = 0
        self.given = 0  # when it got something last, as the queue counts
        self.breaker = Breaker()
        self.meter = meter
        # What was charged for messages whose commit is under way, and whether their numbers were new.
        self.charged: dict[tuple[str, str, str], tuple[Charge, bool]] = {}
        # Lanes and priorities that have nothing for it although they have something, and until when it does not ask again.
        self.passed: dict[Probe, int] = {}
        self._queue = queue

    @property
    def free(self) -> int:
        """Slots that nothing has; one that failed has one for its probe."""
        free = self.slots - len(self.on_wire) - self.reserved
        if self.breaker.tripped:
            return min(free, 1) if self.breaker.probe is None and not self.reserved else 0
        return free

    def well(self, now: int) -> bool:
        """Whether it carries, and could carry more than a probe."""
        return (
            self.slots > 0
            and not self.leaving
            and not self.breaker.tripped
            and self.not_before <= now
            and (self.meter is None or self.meter.willing(now))
        )

    def keeps_place(self, now: int) -> bool:
        """Whether nobody has to stand in for it."""
        return self.well(now) or (now < self.starts_until and not self.leaving)

    def before(self, other: Outlet) -> bool:
        """Whether a message goes here rather: where more slots are free, and of equals where nothing went for longest."""
        mine, free = self.free, other.free
        return mine > free or (mine == free and self.given < other.given)

    def admits(self, now: int) -> bool:
        """Whether what was claimed for it may go on the wire."""
        return self.slots > 0 and self.breaker.admits(now)

    def drop_parts(self, piece: Piece) -> None:
        """What follows this part does not leave now."""
        if self.meter is not None:
            self.meter.drop(piece.total - piece.seq)

    def refund(self, route: str, flow: str, target: str) -> None:
        """What was reserved does not leave. On disk it may stay counted: too much is never sent."""
        charge, new = self.charged.pop((route, flow, target), (None, False))
        if charge is not None and self.meter is not None:
            self.meter.undo(charge, new)

    def told(self, now: int) -> str:
        """Why it gets nothing, or not all it could; empty when nothing is wrong."""
        said, until = self.hasty
        hasty = f"too fast, says {said!r}; next in {length(until - now)}" if until > now else ""
        return self.reason or self.breaker.told(now) or hasty

    def waits(self, now: int) -> str:
        """Why what it could carry waits, for people."""
        told = self.told(now)
        if not told and self.meter is not None and not self.meter.willing(now):
            told = "; ".join(self.limits(now))
        return told or ("busy" if self.free <= 0 else "")

    def limits(self, now: int) -> list[str]:
        """What is used of its limits, a line for each."""
        return [] if self.meter is None else self.meter.told(now)

    def opened(self, slots: int) -> None:
        """See `IOutlet`."""
        if self.leaving:
            return
        self._opening += 1
        waiting = None if self.slots else self._queue.tidy(self)
        if waiting is None:
            self._open(None, slots, self._opening)
        else:
            self.reason = "gathering old messages"
            waiting.addBoth(self._open, slots, self._opening)

    def _open(self, _: object, slots: int, turn: int) -> None:
        if turn != self._opening:
            return  # closed meanwhile, or told again
        self.slots = slots
        self.starts_until = 0
        self.reason = ""
        self.breaker.again(self._queue.now())
        self.not_before = self.breaker.until if self.breaker.tripped else 0
        self._queue.pump(self)

    def closed(self, reason: str) -> None:
        """See `IOutlet`."""
        if self.slots:
            self.closed_since = self._queue.now()
        self._opening += 1
        self.starts_until = 0
        self.slots = 0
        self.reason = reason
        self._queue.stand_in(self)

    def back(self, target: Address) -> Deferred[None]:
        """See `IOutlet`."""
        return self._queue.hurry(self, str(target))

    def reported(self, report: NetworkReport) -> Deferred[bool]:
        """See `IOutlet`."""
        return self._queue.reports.reported(self.name, report)
