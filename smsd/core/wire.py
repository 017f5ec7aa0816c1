"""The wire: a piece goes to its gateway, what becomes of it is committed, and the next part leaves after that.

What an answer says of the gateway (it is well, in trouble, too fast) is told to its breaker here; what it means for the message is
decided in `policy.step`. Claims, lanes and turns are the queue's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure as TwistedFailure

from smsd.core.outlet import Outlet
from smsd.core.outputs import Answers
from smsd.policy.limits import Charge
from smsd.policy.step import about_the_route
from smsd.store.carrying import Settled
from smsd.store.sqlite import SqliteStore
from smsd.values.delivery import Accepted, Failure, Kind, Piece, Scope, State
from smsd.values.message import Call
from smsd.values.plan import Settlement

if TYPE_CHECKING:
    from smsd.core.queue import Queue


class Wire:
    """The queue's way to gateways and back."""

    log = Logger()

    def __init__(self, queue: Queue, store: SqliteStore) -> None:
        self._queue = queue
        self._store = store
        self._given = 0
        # What comes of a program, a URL or a statement, for the settlement that says it is done.
        self.answers: Callable[[Piece, Accepted | Failure], Answers | Deferred[Answers]] = (
            lambda piece, outcome: ()
        )

    def turn(self) -> int:
        """Counts what is given to gateways, so that those with equal slots take turns."""
        self._given += 1
        return self._given

    def carry(self, outlet: Outlet, piece: Piece) -> None:
        """Send this piece, and whatever follows it."""
        outlet.on_wire[piece.delivery] = piece
        outlet.given = self.turn()
        outlet.breaker.sent(piece.delivery)
        started = self._queue.now()
        gateway = outlet.gateway
        assert gateway is not None
        sending = maybeDeferred(gateway.send, piece)
        sending.addErrback(self._understood, outlet)
        sending.addCallback(self._came_back, outlet, piece, started)

    def _understood(self, failure: TwistedFailure, outlet: Outlet) -> Failure:
        """What a gateway failed with; an exception nobody foresaw is temporary, and logged with its traceback."""
        if isinstance(failure.value, Failure):
            return failure.value
        self.log.failure("gateway {name} failed unexpectedly", failure, name=outlet.name)
        return Failure(
            Kind.UNKNOWN, f"gateway {outlet.name} failed: {type(failure.value).__name__}", maybe_sent=True
        )

    def _came_back(self, outcome: Accepted | Failure, outlet: Outlet, piece: Piece, started: int) -> None:
        now = self._queue.now()
        route = self._queue.lanes[piece.lane].route
        others, blamed, tripped = "", False, outlet.breaker.tripped
        if isinstance(outcome, Failure):
            self.log.info(
                "gateway {name}: delivery {delivery} part {seq}/{total}: {kind} ({scope}): {reason}",
                name=outlet.name, delivery=piece.delivery, seq=piece.seq, total=piece.total,
                kind=outcome.kind.value, scope=outcome.scope.value, reason=outcome.reason,
            )  # fmt: skip
            blamed = outlet.breaker.blames(piece.delivery, outcome)
            self._troubled(outlet, piece, outcome, now)
            if piece.seq == 1:  # what was begun stays
                others = self._queue.serving.others(route, outlet, now)
        else:
            outlet.breaker.passed(piece.delivery)
        settlement = Settlement(
            piece, outcome, now, now - started, outlet.in_doubt, route=route, others=others, blamed=blamed
        )
        if piece.report and outlet.abilities.reports and isinstance(outcome, Accepted):
            settlement = self._queue.reports.awaited(settlement, outcome)
        said = self.answers(piece, outcome) if isinstance(piece.content, Call) else ()
        if isinstance(said, Deferred):
            said.addCallback(lambda said: self._settle(settlement._replace(answers=said), outlet, tripped))
        else:
            self._settle(settlement._replace(answers=said) if said else settlement, outlet, tripped)

    def _settle(self, settlement: Settlement, outlet: Outlet, tripped: bool) -> None:
        piece, outcome = settlement.piece, settlement.outcome
        more = isinstance(outcome, Accepted) and piece.seq < piece.total
        patient = isinstance(outcome, Accepted) and not more
        self._queue.insist(
            lambda: self._store.settle(settlement, patient),
            lambda done: self._settled(done, outlet, piece, more),
        )
        if not more:
            self._off_wire(outlet, piece)
        elif tripped:  # and is well: its other slots are free
            self._queue.pump(outlet)

    def _troubled(self, outlet: Outlet, piece: Piece, failure: Failure, now: int) -> None:
        """What a failure says of its gateway: it goes too fast, it is in trouble, or it has answered."""
        if failure.scope is Scope.SPEED:
            outlet.breaker.passed(piece.delivery)
            until = now + int((failure.retry_after or 1.0) * 1000)
            outlet.hasty = (failure.reason, until)
            self._queue.rest(outlet, until)
        elif failure.maybe_sent and failure.scope is Scope.MESSAGE and outlet.abilities.apart:
            outlet.breaker.passed(piece.delivery)
        elif failure.maybe_sent or (failure.scope is Scope.GATEWAY and not about_the_route(failure)):
            if outlet.breaker.failed(piece.delivery, failure, now):
                self._queue.rest(outlet, outlet.breaker.until)
                self.log.warn("gateway {name}: {how}", name=outlet.name, how=outlet.breaker.told(now))
        else:
            outlet.breaker.passed(piece.delivery)

    def _off_wire(self, outlet: Outlet, piece: Piece) -> None:
        outlet.on_wire.pop(piece.delivery, None)
        outlet.drop_parts(piece)
        lane = self._queue.lanes[piece.lane]
        self._queue.free_target(lane.route, lane.flow, str(piece.target))
        self._queue.pump(outlet)

    def _settled(self, settled: Settled, outlet: Outlet, piece: Piece, more: bool) -> None:
        step = settled.step
        if step is not None and step.state is State.SENDING:
            following = replace(piece, seq=piece.seq + 1)
            if self._queue.stopping or not outlet.admits(self._queue.now()):
                outlet.on_wire.pop(piece.delivery, None)
                outlet.drop_parts(piece)
                self._queue.give_back(following)
            else:
                if outlet.meter is not None:
                    outlet.meter.part(Charge(self._queue.now(), 1, str(piece.target)))
                self.carry(outlet, following)
        elif more:
            self._off_wire(outlet, piece)
        if step is not None and step.state is State.READY:
            self._queue.wake(settled.lane, step.due, piece.parameters.priority)
        for lane in settled.woken:
            self._queue.wake(lane)
        self._queue.check_drained()
