"""The short way: a message that finds a free gateway is committed as already on the wire, and handed over right after its commit.
One transaction less; only where nothing waits for that gateway.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from smsd.core.outlet import Outlet
from smsd.policy.limits import Charge
from smsd.values.delivery import Piece
from smsd.values.message import Text

if TYPE_CHECKING:
    from smsd.core.queue import Queue


class ShortWay:
    """The queue's, with its outlets by name."""

    def __init__(self, queue: Queue, outlets: Mapping[str, Outlet]) -> None:
        self._queue = queue
        self._outlets = outlets

    def reserve(self, route: str, flow: str, target: str, parts: int = 1) -> str | None:
        """A slot of an open gateway without a backlog that may carry so many SMS, if the target is not on the wire already."""
        if self._queue.stopping or self._queue.lanes.is_busy(route, flow, target):
            return None
        now = self._queue.now()
        best: Outlet | None = None
        for outlet in self._queue.serving.servers(route, now):
            if outlet.free > 0 and outlet.not_before <= now and (best is None or outlet.before(best)):
                best = outlet
        if best is None or best.taking or (self._queue.lanes.ready and any(self._queue.work(best, now))):
            return None
        if best.meter is not None:
            if not best.meter.fits(target, parts, now):
                return None
            charge = Charge(now, parts, target)
            best.charged[route, flow, target] = charge, best.meter.charge(charge)
        best.reserved += 1
        best.given = self._queue.wire.turn()
        self._queue.lanes.occupy(route, flow, target)
        return best.name

    def unreserve(self, name: str, route: str, flow: str, target: str) -> None:
        """The commit did not happen: the slot is free again."""
        outlet = self._reserved(name)
        if outlet is not None:
            outlet.reserved -= 1
            if outlet.charged:
                outlet.refund(route, flow, target)
        self._queue.free_target(route, flow, target)
        if outlet is not None:
            self._queue.pump(outlet)
        self._queue.check_drained()

    def hand_over(self, piece: Piece) -> None:
        """Carry a piece whose slot was reserved; its commit is done."""
        outlet = self._reserved(piece.gateway)
        if outlet is None:
            self._queue.give_back(piece)
            return
        outlet.reserved -= 1
        lane = self._queue.lanes[piece.lane]
        if self._queue.stopping or outlet.gateway is None or not outlet.admits(self._queue.now()):
            outlet.refund(lane.route, lane.flow, str(piece.target))
            self._queue.give_back(piece)
            return
        able = outlet.abilities
        in_parts = able.parts and not (able.whole_text and isinstance(piece.content, Text))
        if outlet.meter is not None:
            charge, _ = outlet.charged.pop((lane.route, lane.flow, str(piece.target)))
            outlet.meter.moved(charge, self._queue.now(), piece.total - 1 if in_parts else 0)
        self._queue.wire.carry(outlet, piece if in_parts else replace(piece, total=1))

    def _reserved(self, name: str) -> Outlet | None:
        """The outlet of which a slot was reserved. Where the commit took so long that a reload did not wait, that is none any more,
        and another of this name knows nothing of it."""
        outlet = self._outlets.get(name)
        return outlet if outlet is not None and outlet.reserved else None
