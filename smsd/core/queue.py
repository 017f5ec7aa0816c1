"""The queue: gateways pull from lanes; order, fairness, pauses and back-pressure live here and nowhere else.

A lane is (route, flow): where to and whose. In memory there is, per lane, only *when* it next has something (never the
messages), so a million queued messages cost nothing here; what is on the wire is bounded by the gateways' slots. A
message that finds a free gateway takes the short way: it is committed as already on the wire.

A gateway's way through this module: `outlet()` makes its Outlet; `opened(slots)` lets `pump` claim work from the store;
`Wire` sends a piece and commits what became of it; then `pump` again. Who may pull from which lane is told by
`Serving`; when a gateway rests because it failed, by its `Breaker`; because its limits are used up, by its `Meter`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure as TwistedFailure

from smsd.core.lanes import Lane, Lanes
from smsd.core.outlet import Outlet
from smsd.core.reports import Reports
from smsd.core.serving import Serving
from smsd.core.shortway import ShortWay
from smsd.core.wire import Wire
from smsd.core.zone import LocalZone
from smsd.interfaces import Abilities
from smsd.policy import route as routes
from smsd.policy.limits import Charge, Limits
from smsd.store.carrying import Probe, Take, Taken
from smsd.store.operating import Hurry
from smsd.store.sqlite import SqliteStore
from smsd.values.delivery import Piece
from smsd.values.message import Priority

# After a store that failed, and until a lane is asked again that had nothing to give just now, in seconds.
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
        self.serving = Serving(self._outlets)
        self.zone: Any = LocalZone()
        self.wire = Wire(self, store)
        self.short = ShortWay(self, self._outlets)
        self._timer: Any = None
        # Asked before a gateway opens; what it gives is waited for.
        self.tidy: Callable[[Outlet], Deferred[None] | None] = lambda outlet: None
        self.stopping = False
        self._drained: list[tuple[Callable[[], bool], Deferred[None]]] = []

    def now(self) -> int:
        """Unix milliseconds."""
        return int(self._reactor.seconds() * 1000)

    # -- gateways come and go

    def outlet(
        self,
        name: str,
        abilities: Abilities,
        in_doubt: str = "resend",
        country: str | None = None,
        limits: Limits | None = None,
    ) -> Outlet:
        """An outlet for a new gateway, which is set as its `gateway`."""
        meter = self._store.limiting.use(name, limits, self.zone, self.now())
        if meter is not None:
            meter.parts = abilities.parts
            meter.text_parts = abilities.parts and not abilities.whole_text
        outlet = Outlet(self, name, abilities, in_doubt, country, meter)
        self._outlets[name] = outlet
        self.serving.changed()
        if self.groups:
            self._wait_until(outlet.starts_until)
        return outlet

    def group(self, groups: Mapping[str, routes.Group]) -> None:
        """These are the groups of the configuration."""
        self.serving.groups = groups
        self.serving.changed()
        self._look()

    def remove(self, name: str) -> Deferred[None]:
        """A gateway leaves: it gets nothing more; fires when nothing of its is on the wire. Who cancels does not wait for that.
        When everything stops it stays known: what others still bring in is stored for it."""
        outlet = self._outlets.get(name)
        if outlet is None:
            return succeed(None)

        def idle() -> bool:
            return not outlet.on_wire and not outlet.reserved and not outlet.taking

        if self.stopping:
            return self._when(idle)
        outlet.leaving = True
        outlet.closed("leaving")
        self.serving.changed()

        def gone(result: Any) -> Any:
            if self._outlets.get(name) is outlet:
                del self._outlets[name]
            self.serving.changed()
            return result

        return self._when(idle).addBoth(gone)

    def ways(self) -> list[routes.Way]:
        """All gateways, open or not; the same list until one comes or goes."""
        return self.serving.ways()

    @property
    def groups(self) -> Mapping[str, routes.Group]:
        """Groups of gateways, by id."""
        return self.serving.groups

    def carriers(self, group: str) -> list[str]:
        """For the operator: the gateways of a group that get its messages now."""
        return [outlet.name for outlet in self.serving.carriers(group, self.now()) if outlet.slots]

    def release(self, name: str | None = None) -> None:
        """An operator says that this gateway (None: every one) is well: it rests no longer."""
        for outlet in self.outlets():
            if name in (None, outlet.name):
                outlet.breaker.release()
                outlet.not_before = 0
                outlet.hasty = ("", 0)
        self._look()

    def stand_in(self, outlet: Outlet) -> None:
        """This gateway does not carry any more, or not now: perhaps others have to."""
        if self.serving.tiered and not self.stopping:
            for other in self.outlets():
                if other is not outlet:
                    self.pump(other)

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
        self.stopping = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        return self._when(
            lambda: not any(o.on_wire or o.taking or o.reserved for o in self._outlets.values())
        )

    def _when(self, condition: Callable[[], bool]) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        self._drained.append((condition, done))
        self.check_drained()
        return done

    def check_drained(self) -> None:
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

            self.insist(lambda: self._store.lane(lane_id), found)
            return
        if lane.held_up and target in self.lanes.on_wire(lane_id):
            return  # it is looked at when this target is back
        self.lanes.expect(lane, due, priority)
        for outlet in self.serving.servers(lane.route, self.now()):
            if outlet.passed and target and outlet.meter is not None and outlet.meter.knows(target):
                outlet.passed.clear()
            self.pump(outlet)

    def hurry(self, outlet: Outlet, target: str) -> Deferred[None]:
        """A target of this outlet was away and is back: what waits for it to be tried again is tried now."""
        lanes = tuple(lane.id for lane in self.lanes.every() if outlet in self.serving.everybody(lane.route))
        if not lanes:
            return succeed(None)

        def hurried(woken: tuple[int, ...]) -> None:
            for lane in woken:
                self.wake(lane)

        return self._store.hurry(Hurry(lanes, target, self.now())).addCallback(hurried)

    def pause(self, flow: str) -> None:
        """What this flow has is not claimed any more until `resume`; what is on the wire goes on."""
        self.lanes.paused.add(flow)

    def resume(self, flow: str) -> None:
        """It is again."""
        self.lanes.paused.discard(flow)
        self._look()

    def waiting_for(self, outlet: Outlet) -> set[str]:
        """The routes that have work and that nobody serves until this outlet opens."""
        return {
            route
            for route in self.lanes.routes()
            if outlet in (servers := self.serving.everybody(route)) and not any(o.slots for o in servers)
        }

    def work(self, outlet: Outlet, now: int) -> Iterator[tuple[Lane, int]]:
        """What is due for this outlet: lanes, the one served longest ago first, and priorities."""
        return self.lanes.work(lambda route: outlet in self.serving.servers(route, now), now)

    def reserve(self, route: str, flow: str, target: str, parts: int = 1) -> str | None:
        """A slot for a message that is about to be committed, if one is free (see `ShortWay`)."""
        return self.short.reserve(route, flow, target, parts)

    def give_back(self, piece: Piece) -> None:
        """The gateway closed between the plan and the commit: back into the lane, untried."""
        lane = self.lanes[piece.lane]

        def returned(now_in: int) -> None:
            self.free_target(lane.route, lane.flow, str(piece.target))
            self.wake(now_in)
            self.check_drained()

        self.insist(lambda: self._store.release(piece), returned)

    # -- the pull

    def pump(self, outlet: Outlet) -> None:
        """Claim work for this outlet, if it has room and there is some."""
        if not self.lanes.ready:
            return
        now = self.now()
        if self.stopping or outlet.taking or outlet.free <= 0 or outlet.gateway is None:
            return
        ready = outlet.not_before
        if outlet.meter is not None:
            ready = max(ready, outlet.meter.ready_at(1, now))
        if ready > now:
            self._wait_until(ready)
            return
        work = [(lane.id, priority) for lane, priority in self.work(outlet, now)]
        if outlet.passed:
            outlet.passed = {probe: until for probe, until in outlet.passed.items() if until > now}
            self._wait_until(min(outlet.passed.values(), default=now + 1000))
            work = [probe for probe in work if probe not in outlet.passed]
        probes = _probes(outlet, work)
        if not probes:
            self._wait_for_lanes()
            return
        outlet.taking = True
        freed = {lane: self.lanes[lane].freed for lane, _ in probes}
        able = outlet.abilities
        shun = outlet.breaker.suspects if outlet.breaker.tripped else frozenset()
        take = Take(
            outlet.name, probes, outlet.free, self.lanes.on_wire, able.parts, now, able.whole_text, outlet.meter, shun,
            able.abreast,
        )  # fmt: skip
        self._store.take(take).addCallbacks(self._taken, self._not_taken, (outlet, freed), {}, (outlet,), {})

    def _taken(self, taken: Taken, outlet: Outlet, freed: dict[int, int]) -> None:
        outlet.taking = False
        now = self.now()
        self.lanes.learn(taken, freed, now + int(BREATH * 1000))
        for piece in taken.pieces:
            lane = self.lanes[piece.lane]
            self.lanes.occupy(lane.route, lane.flow, str(piece.target))
        if outlet.meter is not None:
            for piece, cost in zip(taken.pieces, taken.costs, strict=True):
                outlet.meter.charge(Charge(now, cost, str(piece.target)), piece.total - piece.seq)
        for piece in taken.pieces:
            if self.stopping or not outlet.admits(now):
                outlet.drop_parts(piece)
                self.give_back(piece)
            else:
                self.wire.carry(outlet, piece)
        if outlet.meter is not None:
            outlet.passed.update(dict.fromkeys(taken.passed, now + int(BREATH * 1000)))
            if taken.short:
                self.rest(outlet, outlet.meter.ready_at(taken.short, now))
            elif not outlet.meter.willing(now):
                self.stand_in(outlet)
        self.check_drained()
        self.pump(outlet)

    def _not_taken(self, failure: TwistedFailure, outlet: Outlet) -> None:
        outlet.taking = False
        self.log.error("gateway {name}: the store gave no work: {e!r}", name=outlet.name, e=failure.value)
        self.rest(outlet, self.now() + int(BREATH * 1000))
        self.check_drained()

    def rest(self, outlet: Outlet, until: int) -> None:
        outlet.not_before = max(outlet.not_before, until)
        self._wait_until(outlet.not_before)
        self.stand_in(outlet)

    def _wait_for_lanes(self) -> None:
        later = self.lanes.next_after(self.now())
        if later is not None:
            self._wait_until(later)

    def _wait_until(self, at: int) -> None:
        if self.stopping:
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

    # -- for the wire

    def free_target(self, route: str, flow: str, target: str) -> None:
        """A target of this lane is not on the wire any more, nor about to be."""
        lane = self.lanes.free(route, flow, target)
        if lane is not None:
            self.wake(lane.id)

    def insist(self, call: Callable[[], Deferred[Any]], done: Callable[[Any], None]) -> None:
        """An outcome must reach the store: try until it does. Until then the delivery stays *sending*, so that a crash
        leaves it in doubt and not unknown."""

        def failed(failure: TwistedFailure) -> None:
            self.log.error("the store failed, it is asked again in {s} s: {e!r}", s=BREATH, e=failure.value)
            self._reactor.callLater(BREATH, self.insist, call, done)

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
