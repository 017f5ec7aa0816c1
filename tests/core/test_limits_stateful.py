"""Limits, breakers and groups under everything at once: random messages, answers, closings, waits and crashes.

Always: no gateway has put more on the wire in any second or minute than it may, nor reached more people in a month; a resting
gateway gets nothing, one that was ill exactly one probe; the spare gets nothing while a gateway before it is open and willing;
nobody gets two messages at a time from one lane. At the end, with all gateways open and willing, everything has been sent.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from smsd.interfaces import Abilities
from smsd.policy.limits import Limits
from smsd.policy.route import Group
from smsd.store import operating
from smsd.values.delivery import Accepted, Failure, Kind, Piece, Scope
from smsd.values.message import Parameters, Priority, Queued
from tests.house import MODEM, FakeGateway, House, submission

LIMITS = {
    "a": Limits(per_second=2, per_minute=4),
    "b": Limits(per_minute=5, recipients_per_month=3),
    "c": Limits(per_second=3),
}
ABILITIES = {"a": MODEM, "b": Abilities(frozenset({"sms"})), "c": MODEM}
GROUPS = {"out": Group("out", (("a", "b"), ("c",)))}
NO = {
    "busy": Failure(Kind.TEMPORARY, "network busy"),
    "ill": Failure(Kind.TEMPORARY, "connection refused", scope=Scope.GATEWAY),
    "no way": Failure(Kind.PERMANENT, "cannot route", scope=Scope.GATEWAY),
    "unknown": Failure(Kind.UNKNOWN, "no answer"),
    "fast": Failure(Kind.TEMPORARY, "too fast", scope=Scope.SPEED),
}
GATEWAY = st.sampled_from("abc")
HOW = st.sampled_from(["yes"] * 5 + ["ill"] * 2 + list(NO))
WISH = st.tuples(
    st.integers(1, 6), st.booleans(), st.sampled_from(["out", "out", "out", None, "a", "b"]), st.sampled_from(Priority)
)  # fmt: skip


class Sent:
    """What all networks saw, over all process lives: (time, SMS, number) for each gateway."""

    def __init__(self) -> None:
        self.wire: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
        self.wrong: list[Any] = []

    def check(self, name: str) -> None:
        limits, wire = LIMITS[name], self.wire[name]
        now = wire[-1][0]
        for most, length in ((limits.per_second, 1000), (limits.per_minute, 60_000)):
            lately = sum(n for at, n, _ in wire if at > now - length)
            if most and lately > most:
                self.wrong.append((name, f"{lately} in {length} ms", wire[-10:]))
        if limits.recipients_per_month:
            month = datetime.fromtimestamp(now / 1000, timezone.utc).strftime("%Y-%m")
            numbers = {
                number
                for at, _, number in wire
                if datetime.fromtimestamp(at / 1000, timezone.utc).strftime("%Y-%m") == month
            }
            if len(numbers) > limits.recipients_per_month:
                self.wrong.append((name, numbers))


class Carrier(FakeGateway):
    """Answers when told to."""

    def __init__(self, name: str, story: Story) -> None:
        super().__init__(name, ABILITIES[name])
        self.story = story
        self.manual = True

    def send(self, piece: Piece) -> Deferred[Accepted]:
        now, sent, outlet = self.story.house.queue.now(), self.story.sent, self.story.house.outlet(self.name)
        whole = 1 if self.abilities.parts else (2 if len(piece.content.text) > 160 else 1)
        sent.wire[self.name].append((now, whole, piece.target.target))
        sent.check(self.name)
        if now < outlet.breaker.until and outlet.breaker.tripped:
            sent.wrong.append((self.name, "it rests", now, outlet.not_before))
        if outlet.breaker.tripped and outlet.breaker.probe != piece.delivery:
            sent.wrong.append((self.name, "a second probe", piece))
        return super().send(piece)

    def answer_oldest(self, how: str) -> None:
        self.release(NO.get(how))


class Story:
    """One run: a house that lives again after each crash."""

    house: Any

    def __init__(self) -> None:
        self.sent = Sent()
        self.accepted: set[int] = set()
        self.crashed = 0
        self.live(House(), set("abc"))

    def live(self, house: House, opened: set[str]) -> None:
        self.house = house
        house.queue.zone = timezone.utc
        house.queue.group(GROUPS)
        self.carriers = {}
        for name, limits in LIMITS.items():
            outlet = house.queue.outlet(name, ABILITIES[name], limits=limits)
            outlet.gateway = self.carriers[name] = Carrier(name, self)
        take, reserve = house.store.take, house.queue.reserve

        def taken(asked: Any) -> Any:
            for lane, _ in asked.probes:
                self.claims(asked.gateway, house.queue.lanes[lane].route)
            return take(asked)

        def reserved(route: str, *said: Any) -> Any:
            name = reserve(route, *said)
            if name:
                self.claims(name, route)
            return name

        house.store.take, house.queue.reserve = taken, reserved  # type: ignore[method-assign]
        house.wait(house.store.recover({}))
        house.wait(house.queue.start())
        for name in sorted(opened):
            house.outlet(name).opened(2)
        self.quiet()

    def claims(self, name: str, route: str) -> None:
        """The spare is given something: nobody before it may be there."""
        if name == "c" and route == "group:out":
            for other in "ab":
                if self.willing(other):
                    self.sent.wrong.append(("the spare", other))

    def willing(self, name: str) -> bool:
        """Open, not resting, and may write to anybody."""
        outlet, now = self.house.outlet(name), self.house.queue.now()
        if now < self.crashed + 62_000:
            return False  # a crash may leave counted what did not leave any more
        if not outlet.slots or outlet.breaker.tripped or outlet.not_before > now or outlet.taking:
            return False
        # What is about to leave counts already.
        limits, coming = LIMITS[name], [charge for charge, _ in outlet.charged.values()]
        wire = [*self.sent.wire[name], *((one.at, one.n, one.number[4:]) for one in coming)]
        if limits.recipients_per_month and len({n for _, _, n in wire}) >= limits.recipients_per_month:
            return False
        held = outlet.meter.held
        # The grain of windows delays by so much at most.
        for most, length in ((limits.per_second, 1050), (limits.per_minute, 61_000)):
            if most and sum(n for at, n, _ in wire if at > now - length) + held >= most:
                return False
        return True

    # -- what can happen

    def submit(self, wishes: list[tuple[int, bool, str | None, Priority]]) -> None:
        for number, long, gateway, priority in wishes:
            made = submission(
                f"+1555000000{number}", "x" * (200 if long else 10),
                parameters=Parameters(gateway=gateway, priority=priority),
            )  # fmt: skip
            self.house.dispatcher.submit(made).addCallback(self.committed, self.house)
        self.quiet()

    def committed(self, receipt: Any, house: House) -> None:
        if self.house is house:
            self.accepted |= {one.delivery for one in receipt.recipients if isinstance(one, Queued)}

    def answer(self, which: list[tuple[str, str]], settled: bool) -> None:
        for name, how in which:
            if self.carriers[name].pending:
                self.carriers[name].answer_oldest(how)
            if settled:
                self.quiet()
        self.quiet()

    def opened(self, name: str) -> None:
        self.house.outlet(name).opened(2)
        self.quiet()

    def closed(self, name: str) -> None:
        self.house.outlet(name).closed("gone")
        self.quiet()

    def time(self, seconds: float) -> None:
        self.house.clock.advance(seconds)
        self.quiet()

    def crash(self, opened: set[str]) -> None:
        before, self.house = self.house, None
        self.crashed = before.queue.now() + 1000
        self.live(before.crash(), opened)

    # -- what has to hold

    def quiet(self) -> None:
        group = self.house.store._group
        self.house.wait(self.house.store.ask(lambda connection: None))
        while group._busy or group._waiting or group._alone:
            self.house.wait(self.house.store.remember("test", "nothing", None))
            self.house.wait(self.house.store.ask(lambda connection: None))
        self.check()

    def check(self) -> None:
        assert not self.sent.wrong, self.sent.wrong
        queue = self.house.queue
        pending = [piece for carrier in self.carriers.values() for piece, _ in carrier.pending]
        wire = [(piece.lane, str(piece.target)) for piece in pending]
        assert len(wire) == len(set(wire)), "two at a time to one recipient from one lane"
        assert sum(len(targets) for targets in queue.lanes.busy.values()) == len(wire)
        for name in LIMITS:
            outlet = self.house.outlet(name)
            parts = sum(piece.total - piece.seq for piece, _ in self.carriers[name].pending)
            assert outlet.meter.held == parts, (name, outlet.meter.held, parts)
            assert (outlet.taking, outlet.reserved, outlet.charged) == (False, 0, {}), name

    def row(self, delivery: int) -> dict[str, Any]:
        row: dict[str, Any] = self.house.wait(self.house.store.ask(operating.explain, delivery))
        return row

    def end(self) -> None:
        try:
            for name in LIMITS:
                self.house.outlet(name).opened(2)
            self.house.sweeper.start()
            for turn in range(60):
                self.quiet()
                for carrier in self.carriers.values():
                    while carrier.pending:
                        carrier.answer_oldest("yes")
                        self.quiet()
                states = [self.row(delivery)["state"] for delivery in self.accepted]
                if all(state in ("sent", "failed", "expired") for state in states):
                    break
                # Those for b alone who are too many for this month wait for the next, or expire.
                self.house.clock.advance(400 if turn < 30 else 86_400)
            for delivery in self.accepted:
                row = self.row(delivery)
                refused = any(attempt["outcome"] == "permanent" for attempt in row["attempts"])
                late = row["state"] == "expired" and row["route"] in ("gw:a", "gw:b")
                assert row["state"] == "sent" or late or (row["state"] == "failed" and refused), row
        finally:
            self.house.sweeper.stop()
            self.house.queue.stop()
            self.house.wait(self.house.store.close())


def step(method: Callable[..., None], **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(st.just(method), st.fixed_dictionaries(arguments))


STEPS = {
    6: step(Story.submit, wishes=st.lists(WISH, min_size=1, max_size=5)),
    8: step(Story.answer, which=st.lists(st.tuples(GATEWAY, HOW), min_size=1, max_size=6), settled=st.booleans()),
    2: step(Story.opened, name=GATEWAY),
    1: step(Story.closed, name=GATEWAY),
    3: step(Story.crash, opened=st.sets(GATEWAY, min_size=2)),
    5: step(Story.time, seconds=st.sampled_from([0.3, 0.9, 1.1, 6, 16, 61, 70, 400])),
}  # fmt: skip
STEP = st.sampled_from([one for weight, one in STEPS.items() for _ in range(weight)]).flatmap(lambda one: one)


class Stateful(SynchronousTestCase):
    @settings(
        max_examples=int(os.environ.get("SMSD_EXAMPLES", "20")),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(STEP, min_size=20, max_size=40))
    def test_everything_at_once(self, steps: list[tuple[Callable[..., None], dict[str, Any]]]) -> None:
        story = Story()
        for method, arguments in steps:
            method(story, **arguments)
        story.end()


# -- one message through any group


NAMES = "pqrst"
TREE = st.recursive(
    st.sampled_from(NAMES),
    lambda inner: st.lists(st.lists(inner, min_size=1, max_size=3), min_size=1, max_size=3).map(
        lambda tiers: Group("inner", tuple(map(tuple, tiers)))
    ),
    max_leaves=8,
).map(lambda tree: tree if isinstance(tree, Group) else Group("inner", ((tree,),)))
STATE = st.sampled_from(["yes", "busy", "busy", "no way", "unknown", "closed", "ill"])


class OneMessage(SynchronousTestCase):
    @settings(max_examples=int(os.environ.get("SMSD_EXAMPLES", "40")), deadline=None)
    @given(TREE, st.fixed_dictionaries(dict.fromkeys(NAMES, STATE)))
    def test_goes_through_all_that_are_open_in_their_order(self, tree: Group, states: dict[str, str]) -> None:
        house = House()
        try:
            house.queue.group({"out": tree})
            asked: list[str] = []
            for name in NAMES:
                gateway = house.gateway(name, MODEM)
                how = states[name]

                def answer(piece: Piece, name: str = name, how: str = how) -> Any:
                    asked.append(name)
                    return NO.get(how) or Accepted("1")

                gateway.answer = answer
                outlet = house.outlet(name)
                outlet.closed("gone") if how == "closed" else outlet.opened(1)
            house.wait(house.queue.start())
            house.send(parameters=Parameters(gateway="out"))
            house.settle()
            house.settle()
            (row,) = house.rows(door="http")
            there = [name for name in NAMES if name in set(tree.members()) and states[name] != "closed"]
            self.assertEqual(len(asked), len(set(asked)), "nobody is asked twice before it waits")
            if row["state"] == "sent":
                self.assertEqual(states[asked[-1]], "yes")
                self.assertNotIn("yes", [states[name] for name in asked[:-1]])
            else:
                self.assertEqual(sorted(asked), there, "all who are there were asked")
            self.assertLessEqual(set(asked), set(tree.members()))
            for place, name in enumerate(asked):
                before = allowed(tree, [each for each in there if each not in asked[:place]])
                self.assertIn(name, before, (tree, asked))
        finally:
            house.close()


def allowed(tree: Group, there: list[str]) -> set[str]:
    """Who may carry, when these are there: written once more, as the manual says it."""
    for tier in tree.tiers:
        found: set[str] = set()
        for member in tier:
            found |= allowed(member, there) if isinstance(member, Group) else {member} & set(there)
        if found:
            return found
    return set()
