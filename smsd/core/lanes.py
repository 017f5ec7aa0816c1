"""What the queue remembers of lanes: when each next has something, and which of its targets are on the wire. Never the messages.

Decides nothing: who serves which lane, and what is claimed, is the queue's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from smsd.store.carrying import Taken
from smsd.values.message import Priority


@dataclass(slots=True)
class Lane:
    """`dues` is, per priority, when it has something for a gateway (ms), None when it has nothing; `held_up`: what was due
    went to targets that are on the wire, so look again when one of them is back; `freed` counts those that came back."""

    id: int
    route: str
    flow: str
    dues: list[int | None] = field(default_factory=lambda: [None] * len(Priority))
    held_up: bool = False
    freed: int = 0

    @property
    def next_due(self) -> int | None:
        """The earliest of all, None when it is empty."""
        return min((due for due in self.dues if due is not None), default=None)


class Lanes:
    """All lanes that have, or had, something."""

    def __init__(self) -> None:
        self._lanes: dict[int, Lane] = {}
        self._by_key: dict[tuple[str, str], Lane] = {}
        self.ready: dict[int, Lane] = {}  # those with something due, now or later; last served last
        self.busy: dict[tuple[str, str], set[str]] = {}
        self.paused: set[str] = set()  # flows that send nothing for now

    def know(self, lane: int, route: str, flow: str) -> None:
        """This lane exists."""
        if lane not in self._lanes:
            self._lanes[lane] = self._by_key[route, flow] = Lane(lane, route, flow)

    def get(self, lane: int) -> Lane | None:
        """The lane with this id, None when it is not known yet."""
        return self._lanes.get(lane)

    def every(self) -> Iterator[Lane]:
        """All of them, also those that have nothing."""
        return iter(self._lanes.values())

    def __getitem__(self, lane: int) -> Lane:
        return self._lanes[lane]

    # -- when

    def expect(self, lane: Lane, due: int, priority: int | None = None) -> None:
        """It has something of this priority (None: perhaps of any) at `due`."""
        for each in Priority if priority is None else (priority,):
            before = lane.dues[each]
            if before is None or due < before:
                lane.dues[each] = due
        self.ready[lane.id] = lane

    def routes(self) -> set[str]:
        """The routes that have something, now or later."""
        return {lane.route for lane in self.ready.values() if lane.flow not in self.paused}

    def work(self, serves: Callable[[str], bool], now: int) -> Iterator[tuple[Lane, int]]:
        """What is due in the routes that are served: lanes, the one served longest ago first, and priorities."""
        for lane in self.ready.values():
            if lane.flow in self.paused:
                continue
            for priority, due in enumerate(lane.dues):
                if due is not None and due <= now and serves(lane.route):
                    yield lane, priority

    def learn(self, taken: Taken, freed: dict[int, int], later: int) -> None:
        """What a claim has seen of its lanes, which now stand behind those that it did not ask. A lane that is held up is
        asked again when one of its targets comes back, when it has something for others, or `later`; at once when one did
        during the claim (`freed` is what they counted before it)."""
        for (lane_id, priority), due in taken.next_due.items():
            lane = self._lanes[lane_id]
            probe = (lane_id, priority)
            if probe in taken.held_up and lane.freed == freed[lane_id]:
                lane.held_up = True
                other = taken.held_up[probe]
                due = later if other is None else min(other, later)
            lane.dues[priority] = due
            self.ready.pop(lane_id, None)
            if lane.next_due is not None:
                self.ready[lane_id] = lane

    def next_after(self, now: int) -> int | None:
        """When something is due next that is not due yet."""
        return min(
            (due for lane in self.ready.values() for due in lane.dues if due is not None and due > now),
            default=None,
        )

    # -- targets on the wire

    def is_busy(self, route: str, flow: str, target: str) -> bool:
        """Whether this target is on the wire, or about to be, from this lane."""
        return target in self.busy.get((route, flow), ())

    def on_wire(self, lane_id: int) -> Collection[str]:
        """The targets that get nothing from this lane now."""
        lane = self._lanes[lane_id]
        return self.busy.get((lane.route, lane.flow), ())

    def occupy(self, route: str, flow: str, target: str) -> None:
        """A target of this lane is on the wire, or about to be."""
        self.busy.setdefault((route, flow), set()).add(target)

    def free(self, route: str, flow: str, target: str) -> Lane | None:
        """It is not any more; gives the lane if it was held up, and has to be looked at."""
        busy = self.busy.get((route, flow))
        if busy is not None:
            busy.discard(target)
            if not busy:
                del self.busy[route, flow]
        lane = self._by_key.get((route, flow))
        if lane is None:
            return None
        lane.freed += 1
        if not lane.held_up:
            return None
        lane.held_up = False
        return lane
