"""The queue: gateways pull from lanes; order, fairness, pauses and back-pressure live here and nowhere else.

A lane is (route, flow): where to and whose. In memory there is, per lane, only *when* it next has something (never the
messages), so a million queued messages cost nothing here; what is on the wire is bounded by the gateways' slots. The loop
over the parts of a message is here too: the next part leaves after the previous one is committed.

A gateway's way through this module: `outlet()` makes its Outlet; `opened(slots)` lets `_pump` claim work from the store;
`_carry` sends a piece; `_settle` commits what became of it; then `_pump` again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure as TwistedFailure

from smsd.core.lanes import Lane, Lanes
from smsd.core.outlet import Outlet
from smsd.core.reports import Reports
from smsd.interfaces import Abilities
from smsd.policy import route as routes
from smsd.store.carrying import Probe, Settled, Take, Taken
from smsd.store.sqlite import SqliteStore
from smsd.values.delivery import Accepted, Failure, Kind, Piece, Scope, State
from smsd.values.message import Priority, Text
from smsd.values.plan import Settlement

# After trouble with a gateway that did not close its outlet itself, and after a store that failed, in seconds.
BREATH = 5.0
# How many turns of a lane's normal messages there are for one of the bulk messages.
BULK_EVERY = 9
# How many lanes beside its free slots an outlet asks in one claim; what gives nothing is not asked again at once.
MORE_PROBES = 50


class Queue:
    """`reactor` needs callLater and seconds."""

    log = Logger()

    def __init__(self, store: SqliteStore, reactor: Any) -> None:
        self._store = store
        self._reactor = reactor
        self.lanes = Lanes()
        self.reports = Reports(store, self.wake)
        self._outlets: dict[str, Outlet] = {}
        self._serving: dict[str, list[Outlet]] = {}
        self._ways: list[routes.Way] | None = None
        self._timer: Any = None
        # Asked before a gateway opens; what it gives is waited for.
        self.tidy: Callable[[Outlet], Deferred[None] | None] = lambda outlet: None
        self._stopping = False
        self._drained: list[tuple[Callable[[], bool], Deferred[None]]] = []

    def now(self) -> int:
        """Unix milliseconds."""
        return int(self._reactor.seconds() * 1000)

    # -- gateways come and go

    def outlet(
        self, name: str, abilities: Abilities, in_doubt: str = "resend", country: str | None = None
    ) -> Outlet:
        """An outlet for a new gateway; `bind` gives it its gateway."""
        outlet = Outlet(self, name, abilities, in_doubt, country)
        self._outlets[name] = outlet
        self._changed()
        return outlet

    def remove(self, name: str) -> Deferred[None]:
        """A gateway leaves: it gets nothing more; fires when nothing of its is on the wire."""
        outlet = self._outlets.get(name)
        if outlet is None:
            return succeed(None)
        outlet.leaving = True
        outlet.closed("leaving")
        self._changed()

        def idle() -> bool:
            return not outlet.on_wire and not outlet.reserved and not outlet.taking

        def gone(_: None) -> None:
            if self._outlets.get(name) is outlet:
                del self._outlets[name]
            self._changed()

        return self._when(idle).addCallback(gone)

    def ways(self) -> list[routes.Way]:
        """All gateways, open or not; the same list until one comes or goes."""
        if self._ways is None:
            self._ways = [outlet.way for outlet in self._outlets.values() if not outlet.leaving]
        return self._ways

    def _changed(self) -> None:
        """A gateway came or goes: who serves what is worked out anew."""
        self._serving.clear()
        self._ways = None

    def outlets(self) -> list[Outlet]:
        """For the operator: who carries, and what is on the wire."""
        return list(self._outlets.values())

    def start(self) -> Deferred[None]:
        """Learn which lanes have work; gateways may open before or after."""

        def learn(rows: list[tuple[int, str, str]]) -> None:
            for lane, route, flow in rows:
                self.know(lane, route, flow)
                self.wake(lane)

        return self._store.lanes_with_work().addCallback(learn)

    def stop(self) -> Deferred[None]:
        """Claim nothing more; fires when nothing is on the wire. The caller sets the time limit."""
        self._stopping = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        return self._when(
            lambda: not any(o.on_wire or o.taking or o.reserved for o in self._outlets.values())
        )

    def _when(self, condition: Callable[[], bool]) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        self._drained.append((condition, done))
        self._check_drained()
        return done

    def _check_drained(self) -> None:
        if self._drained:
            ready = [done for condition, done in self._drained if condition()]
            self._drained = [entry for entry in self._drained if entry[1] not in ready]
            for done in ready:
                done.callback(None)

    # -- lanes

    def know(self, lane: int, route: str, flow: str) -> None:
        """This lane exists."""
        self.lanes.know(lane, route, flow)

    def wake(self, lane_id: int, due: int = 0, priority: int | None = None, target: str = "") -> None:
        """This lane has something of this priority (None: perhaps of any) due at `due` (ms; 0: perhaps already), perhaps for
        one `target` only."""
        lane = self.lanes.get(lane_id)
        if lane is None:

            def found(key: tuple[str, str]) -> None:
                self.know(lane_id, *key)
                self.wake(lane_id, due, priority, target)

            self._insist(lambda: self._store.lane(lane_id), found)
            return
        if lane.held_up and target in self.lanes.on_wire(lane_id):
            return  # it is looked at when this target is back
        self.lanes.expect(lane, due, priority)
        for outlet in self._servers(lane.route):
            self.pump(outlet)

    def _servers(self, route: str) -> list[Outlet]:
        servers = self._serving.get(route)
        if servers is None:
            servers = [o for o in self._outlets.values() if not o.leaving and routes.serves(o.way, route)]
            self._serving[route] = servers
        return servers

    def waiting_for(self, outlet: Outlet) -> set[str]:
        """The routes that have work and that nobody serves until this outlet opens."""
        return {
            route
            for route in self.lanes.routes()
            if outlet in (servers := self._servers(route)) and not any(server.slots for server in servers)
        }

    def _work(self, outlet: Outlet, now: int) -> Iterator[tuple[Lane, int]]:
        """What is due for this outlet: lanes, the one served longest ago first, and priorities."""
        return self.lanes.work(lambda route: outlet in self._servers(route), now)

    # -- the short way: a message that finds a free gateway is committed as already on the wire

    def reserve(self, route: str, flow: str, target: str) -> str | None:
        """A slot of an open gateway without a backlog, if the target is not on the wire already."""
        if self._stopping or self.lanes.is_busy(route, flow, target):
            return None
        now = self.now()
        best: Outlet | None = None
        for outlet in self._servers(route):
            if outlet.free > 0 and outlet.not_before <= now and (best is None or outlet.free > best.free):
                best = outlet
        if best is None or best.taking or any(self._work(best, now)):
            return None
        best.reserved += 1
        self.lanes.occupy(route, flow, target)
        return best.name

    def unreserve(self, name: str, route: str, flow: str, target: str) -> None:
        """The commit did not happen: the slot is free again."""
        outlet = self._outlets.get(name)
        if outlet is not None:
            outlet.reserved -= 1
        self._free_target(route, flow, target)
        if outlet is not None:
            self.pump(outlet)
        self._check_drained()

    def hand_over(self, piece: Piece) -> None:
        """Carry a piece whose slot was reserved; its commit is done."""
        outlet = self._outlets.get(piece.gateway)
        if outlet is None or outlet.gateway is None:
            self._return(piece)
            return
        outlet.reserved -= 1
        if outlet.slots == 0 or self._stopping:
            self._return(piece)
            return
        able = outlet.abilities
        in_parts = able.parts and not (able.whole_text and isinstance(piece.content, Text))
        self._carry(outlet, piece if in_parts else replace(piece, total=1))

    def _return(self, piece: Piece) -> None:
        """The gateway closed between the plan and the commit: back into the lane, untried."""
        lane = self.lanes[piece.lane]

        def returned(now_in: int) -> None:
            self._free_target(lane.route, lane.flow, str(piece.target))
            self.wake(now_in)
            self._check_drained()

        self._insist(lambda: self._store.release(piece), returned)

    # -- the pull

    def pump(self, outlet: Outlet) -> None:
        """Claim work for this outlet, if it has room and there is some."""
        now = self.now()
        if self._stopping or outlet.taking or outlet.free <= 0 or outlet.gateway is None:
            return
        if outlet.not_before > now:
            self._wait_until(outlet.not_before)
            return
        probes = _probes(outlet, [(lane.id, priority) for lane, priority in self._work(outlet, now)])
        if not probes:
            self._wait_for_lanes()
            return
        outlet.taking = True
        freed = {lane: self.lanes[lane].freed for lane, _ in probes}
        able = outlet.abilities
        take = Take(outlet.name, probes, outlet.free, self.lanes.on_wire, able.parts, now, able.whole_text)
        self._store.take(take).addCallbacks(self._taken, self._not_taken, (outlet, freed), {}, (outlet,), {})

    def _taken(self, taken: Taken, outlet: Outlet, freed: dict[int, int]) -> None:
        outlet.taking = False
        self.lanes.learn(taken, freed, self.now() + int(BREATH * 1000))
        for piece in taken.pieces:
            lane = self.lanes[piece.lane]
            self.lanes.occupy(lane.route, lane.flow, str(piece.target))
        for piece in taken.pieces:
            if outlet.slots == 0 or self._stopping:
                self._return(piece)
            else:
                self._carry(outlet, piece)
        self._check_drained()
        self.pump(outlet)

    def _not_taken(self, failure: TwistedFailure, outlet: Outlet) -> None:
        outlet.taking = False
        self.log.error("gateway {name}: the store gave no work: {e!r}", name=outlet.name, e=failure.value)
        self._rest(outlet, BREATH)
        self._check_drained()

    def _rest(self, outlet: Outlet, seconds: float) -> None:
        outlet.not_before = max(outlet.not_before, self.now() + int(seconds * 1000))
        self._wait_until(outlet.not_before)

    def _wait_for_lanes(self) -> None:
        later = self.lanes.next_after(self.now())
        if later is not None:
            self._wait_until(later)

    def _wait_until(self, at: int) -> None:
        if self._stopping:
            return
        seconds = max(at / 1000 - self._reactor.seconds(), 0.001)
        if self._timer is not None and self._timer.active():
            if self._timer.getTime() <= self._reactor.seconds() + seconds:
                return
            self._timer.cancel()
        self._timer = self._reactor.callLater(seconds, self._look)

    def _look(self) -> None:
        for outlet in list(self._outlets.values()):
            self.pump(outlet)
        self._wait_for_lanes()

    # -- the wire

    def _carry(self, outlet: Outlet, piece: Piece) -> None:
        outlet.on_wire[piece.delivery] = piece
        started = self.now()
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
        now = self.now()
        more = isinstance(outcome, Accepted) and piece.seq < piece.total
        if isinstance(outcome, Failure):
            self.log.info(
                "gateway {name}: delivery {delivery} part {seq}/{total}: {kind} ({scope}): {reason}",
                name=outlet.name, delivery=piece.delivery, seq=piece.seq, total=piece.total,
                kind=outcome.kind.value, scope=outcome.scope.value, reason=outcome.reason,
            )  # fmt: skip
            if outcome.scope is Scope.SPEED:
                self._rest(outlet, outcome.retry_after or 1.0)
            elif outcome.scope is Scope.GATEWAY and outlet.slots:
                self._rest(outlet, outcome.retry_after or BREATH)
        settlement = Settlement(piece, outcome, now, now - started, outlet.in_doubt)
        if piece.report and outlet.abilities.reports and isinstance(outcome, Accepted):
            settlement = self.reports.awaited(settlement, outcome)
        self._insist(
            lambda: self._store.settle(settlement), lambda done: self._settled(done, outlet, piece, more)
        )
        if not more:
            self._off_wire(outlet, piece)

    def _off_wire(self, outlet: Outlet, piece: Piece) -> None:
        outlet.on_wire.pop(piece.delivery, None)
        lane = self.lanes[piece.lane]
        self._free_target(lane.route, lane.flow, str(piece.target))
        self.pump(outlet)

    def _free_target(self, route: str, flow: str, target: str) -> None:
        """A target of this lane is not on the wire any more, nor about to be."""
        lane = self.lanes.free(route, flow, target)
        if lane is not None:
            self.wake(lane.id)

    def _settled(self, settled: Settled, outlet: Outlet, piece: Piece, more: bool) -> None:
        step = settled.step
        if step is not None and step.state is State.SENDING:
            following = replace(piece, seq=piece.seq + 1)
            if self._stopping or outlet.slots == 0:
                outlet.on_wire.pop(piece.delivery, None)
                self._return(following)
            else:
                self._carry(outlet, following)
        elif more:
            self._off_wire(outlet, piece)
        if step is not None and step.state is State.READY:
            self.wake(settled.lane, step.due, piece.parameters.priority)
        for lane in settled.woken:
            self.wake(lane)
        self._check_drained()

    def _insist(self, call: Callable[[], Deferred[Any]], done: Callable[[Any], None]) -> None:
        """An outcome must reach the store: try until it does. Until then the delivery stays *sending*, so that a crash
        leaves it in doubt and not unknown."""

        def failed(failure: TwistedFailure) -> None:
            self.log.error("the store failed, it is asked again in {s} s: {e!r}", s=BREATH, e=failure.value)
            self._reactor.callLater(BREATH, self._insist, call, done)

        call().addCallbacks(done, failed)


def _probes(outlet: Outlet, work: list[Probe]) -> tuple[Probe, ...]:
    """Which lanes and priorities to ask, in the order of fairness: urgent everywhere first, then the lanes in turn; bulk
    comes before normal once in `BULK_EVERY` turns."""
    outlet.turn += 1
    order = [Priority.URGENT, Priority.NORMAL, Priority.BULK]
    if outlet.turn % BULK_EVERY == 0:
        order[1:] = Priority.BULK, Priority.NORMAL
    probes = [probe for priority in order for probe in work if probe[1] == priority]
    return tuple(probes[: outlet.free + MORE_PROBES])
