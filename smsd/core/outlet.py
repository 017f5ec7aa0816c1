"""A gateway as the queue sees it: its slots, what it has on the wire, and what it tells the queue.

Decides nothing: whether there is work, and who gets it, is the queue's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from zope.interface import implementer

from smsd.interfaces import Abilities, IGateway, IOutlet
from smsd.policy import route as routes
from smsd.values.delivery import NetworkReport, Piece

if TYPE_CHECKING:
    from smsd.core.queue import Queue


@implementer(IOutlet)
class Outlet:
    """A gateway as the queue sees it, and what it tells the queue."""

    def __init__(
        self, queue: Queue, name: str, abilities: Abilities, in_doubt: str, country: str | None
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
        self._opening = 0
        self.on_wire: dict[int, Piece] = {}
        self.reserved = 0
        self.taking = False
        self.leaving = False
        self.not_before = 0
        self.turn = 0
        self._queue = queue

    @property
    def free(self) -> int:
        """Slots that nothing has."""
        return self.slots - len(self.on_wire) - self.reserved

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
        self.reason = ""
        self.not_before = 0
        self._queue.pump(self)

    def closed(self, reason: str) -> None:
        """See `IOutlet`."""
        if self.slots:
            self.closed_since = self._queue.now()
        self._opening += 1
        self.slots = 0
        self.reason = reason

    def reported(self, report: NetworkReport) -> Deferred[bool]:
        """See `IOutlet`."""
        return self._queue.reports.reported(self.name, report)
