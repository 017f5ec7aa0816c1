"""The house under everything at once: random submissions, answers, closings, crashes, reports, verbs and time.

After every step, when nothing is under way: no slot and no target is lost count of, nobody gets two at a time, and no open
gateway is idle while something that it may carry is due. Every piece that may be on its way twice is marked. At the end,
with all gateways open and willing, everything that was accepted comes to an end that the network's own ledger agrees with.
"""

from __future__ import annotations

import math
import os
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from smsd.store import operating
from smsd.values.delivery import Accepted, Failure, Kind, NetworkReport, Piece, Scope
from smsd.values.errors import InvalidValue
from smsd.values.message import IdempotencyKey, Parameters, Priority, Queued, Wants
from tests.house import MODEM, FakeGateway, House, submission

NAMES = ("gsm1", "gsm2")
NUMBERS = ("+15550000001", "+15550000002", "+15550000003")
WANTED = Wants.SUCCESS | Wants.FAILURE
NO = {
    "busy": Failure(Kind.TEMPORARY, "network busy"),
    "never": Failure(Kind.PERMANENT, "no such number"),
    "silent": Failure(Kind.TEMPORARY, "modem silent", scope=Scope.GATEWAY),
    "fast": Failure(Kind.TEMPORARY, "too fast", scope=Scope.SPEED),
    "unknown": Failure(Kind.UNKNOWN, "gone after Ctrl-Z"),
}
PERHAPS = ("yes", "unknown", "pending")
MAYBE = st.booleans()
GATEWAY = st.sampled_from(NAMES)
HOW = st.sampled_from(["yes"] * 6 + list(NO))

WISH = st.fixed_dictionaries(
    {
        "number": st.sampled_from(NUMBERS),
        "long": MAYBE,
        "pin": st.none() | st.none() | GATEWAY,
        "wants": st.sampled_from([WANTED, Wants.NOTHING]),
        "priority": st.sampled_from(Priority),
        "account": st.sampled_from(["ann", "bob"]),
        "key": st.none() | st.none() | st.none() | st.sampled_from("abcdef"),
    }
)


class Modem(FakeGateway):
    """Answers when told to, and writes down for every part what the network may make of it."""

    def __init__(self, name: str, ledger: Ledger) -> None:
        super().__init__(name, MODEM)
        self.ledger = ledger
        self.manual = True
        self.reference = 0

    def send(self, piece: Piece) -> Deferred[Accepted]:
        self.ledger.sent(piece)
        return super().send(piece)

    def answer_oldest(self, how: str) -> None:
        piece, _ = self.pending[0]
        self.ledger.answered(piece, how)
        if how != "yes":
            self.release(NO[how])
            return
        self.reference = (self.reference + 1) % 256
        self.ledger.references.append((self.name, str(self.reference), piece))
        self.release(Accepted(str(self.reference)))


class Ledger:
    """What networks and operators know, over all process lives."""

    def __init__(self) -> None:
        self.fates: dict[tuple[int, int], list[str]] = defaultdict(
            list
        )  # (delivery, part) → how each try ended
        self.wrong: list[Any] = []
        self.began: dict[int, str] = {}
        self.accepted: set[int] = set()
        self.renewed: set[int] = set()  # sent again because the operator said so
        self.cancelled: set[int] = set()
        self.refused: set[int] = set()  # by an answer or a report
        self.references: list[tuple[str, str, Piece]] = []

    def sent(self, piece: Piece) -> None:
        fates = self.fates[piece.delivery, piece.seq]
        if (
            piece.delivery not in self.renewed
            and not piece.maybe_twice
            and any(fate in PERHAPS for fate in fates)
        ):
            self.wrong.append(("a second time without a mark", piece, list(fates)))
        if piece.seq > 1 and self.began.get(piece.delivery) != piece.gateway:
            self.wrong.append(("parts by two gateways", piece))
        fates.append("pending")

    def answered(self, piece: Piece, how: str) -> None:
        self.fates[piece.delivery, piece.seq][-1] = how
        if how == "yes":
            self.began[piece.delivery] = piece.gateway
        if how == "never":
            self.refused.add(piece.delivery)

    def went(self, delivery: int, parts: int) -> bool:
        """Whether the network has taken every part."""
        return all("yes" in self.fates[delivery, seq] for seq in range(1, parts + 1))


class Story:
    """One run: a house that lives again after each crash, and the ledger that outlives it. `quick`: its disk is, so that commits
    need no thread and what became of pieces gathers."""

    house: Any

    def __init__(self, hold: bool, quick: bool) -> None:
        self.quick = quick
        self.commits = 0
        self.ledger = Ledger()
        self.in_doubt = "hold" if hold else "resend"
        self.live(House())
        for name in NAMES:
            self.house.outlet(name).opened(1)
        self.quiet()

    def live(self, house: House) -> None:
        """One more process life."""
        self.house = house
        self.failing: int | None = None
        house.store._group._commit = lambda: self.commit(house.store._writer.commit)
        if self.quick:
            house.store._group._pace._quick = math.inf
            house.store._group._patience = 0.05
        self.modems = {}
        for name in NAMES:
            outlet = house.queue.outlet(name, MODEM, self.in_doubt)
            outlet.gateway = self.modems[name] = Modem(name, self.ledger)
        house.wait(house.store.recover(dict.fromkeys(NAMES, self.in_doubt)))
        house.wait(house.queue.start())
        house.outlet("mail").opened(1)

    # -- what can happen

    def submit(self, wishes: list[dict[str, Any]], times: int, settled: bool) -> None:
        for wish in wishes * times:
            self.submitted(**wish)
        if settled:
            self.quiet()

    def submitted(
        self, number: str, long: bool, pin: str | None, wants: Wants, priority: Priority, account: str, key: str | None
    ) -> None:  # fmt: skip
        parameters = Parameters(gateway=pin, priority=priority)
        made = submission(
            number, "x" * (200 if long else 10), parameters=parameters, account=account, wants=wants,
            key=IdempotencyKey(account, key) if key else None,
        )  # fmt: skip
        self.house.dispatcher.submit(made).addCallbacks(self.committed, lambda _: None, (self.house,))

    def committed(self, receipt: Any, house: House) -> None:
        if self.house is house:
            self.ledger.accepted |= {one.delivery for one in receipt.recipients if isinstance(one, Queued)}

    def answer(self, which: list[tuple[str, str]], settled: bool) -> None:
        for name, how in which:
            if self.modems[name].pending:
                self.modems[name].answer_oldest(how)
            if settled:
                self.quiet()

    def opened(self, name: str, slots: int) -> None:
        self.house.outlet(name).opened(slots)

    def closed(self, name: str, how: str | None, settled: bool) -> None:
        """Perhaps with a last word."""
        if how and self.modems[name].pending:
            self.modems[name].answer_oldest(how)
        self.house.outlet(name).closed("gone")
        if settled:
            self.quiet()

    def time(self, seconds: int) -> None:
        self.house.clock.advance(seconds)
        self.quiet()

    def settle(self) -> None:
        self.quiet()

    def crash(self, opened: set[str]) -> None:
        before, self.house = self.house, None  # nobody hears what it still says
        self.live(before.crash())
        for name in sorted(opened):
            self.house.outlet(name).opened(2)

    def trouble(self, times: int) -> None:
        """The disk is full for a few commits."""
        self.failing = times

    def commit(self, really: Callable[[], None]) -> None:
        self.commits += 1
        if self.failing:
            self.failing -= 1
            raise sqlite3.OperationalError("database or disk is full")
        really()

    def report(self, which: int, status: str) -> None:
        if self.ledger.references:
            name, reference, piece = self.ledger.references[which % len(self.ledger.references)]
            told = self.house.outlet(name).reported(NetworkReport(reference, piece.target.target, status))
            told.addErrback(lambda _: None)  # the network tells it again, or not
            if status == "failed":  # a reference that came again may mean another delivery
                self.ledger.refused |= {
                    p.delivery for n, r, p in self.ledger.references if (n, r) == (name, reference)
                }

    def operate(self, which: int, verb: str) -> None:
        if self.ledger.accepted:
            self.operated(verb, sorted(self.ledger.accepted)[which % len(self.ledger.accepted)])

    def operated(self, verb: str, delivery: int) -> None:
        self.quiet()
        now = self.house.store.now()
        before = self.row(delivery)["state"]
        try:
            lanes = self.house.wait(self.house.store.control(operating.Verb(verb, delivery, now, now)))
        except InvalidValue:
            return
        for lane in lanes:
            self.house.queue.wake(lane, now)
        if verb == "cancel":
            self.ledger.cancelled.add(delivery)
            return
        if before != "held":  # what was in doubt stays so
            self.ledger.renewed.add(delivery)

    # -- what has to hold

    def quiet(self) -> None:
        """Run until nothing is under way, then look."""
        self.idle()
        if self.failing is not None:  # whatever has to reach the store tries again
            self.failing = None
            self.house.clock.advance(6)
            self.idle()
        self.check()

    def idle(self) -> None:
        """Until nothing waits, and two questions lead to no commit: the answer of one may ask the store for a lane first."""
        group, before = self.house.store._group, -1
        while before != self.commits:
            before = self.commits
            for _ in range(2):
                self.house.wait(self.house.store.ask(lambda connection: None))
            if group._busy or group._waiting or group._alone:
                before = -1
                self.house.wait(self.house.store.remember("test", "nothing", None).addErrback(lambda _: None))

    def check(self) -> None:
        assert not self.ledger.wrong, self.ledger.wrong
        now = self.house.store.now()
        pending = [(name, piece) for name in NAMES for piece, _ in self.modems[name].pending]
        wire = [(piece.lane, str(piece.target)) for _, piece in pending]
        assert len(wire) == len(set(wire)), "two at a time to one recipient"
        queue = self.house.queue
        busy = queue.lanes.busy
        assert sum(len(targets) for targets in busy.values()) == len(wire), (busy, wire)
        ready = self.house.wait(self.house.store.ask(due_rows, now))
        for outlet in queue.outlets():
            assert (outlet.taking, outlet.reserved) == (False, 0), outlet.name
            assert len(outlet.on_wire) == sum(name == outlet.name for name, _ in pending), outlet.name
            if outlet.free > 0 and outlet.not_before <= now:
                serves = queue.serving.servers
                missed = [row for row in ready if outlet in serves(row[0], now) and row[1:] not in wire]
                assert not missed, (outlet.name, missed)

    def row(self, delivery: int) -> dict[str, Any]:
        row: dict[str, Any] = self.house.wait(self.house.store.ask(operating.explain, delivery))
        return row

    def end(self) -> None:
        try:
            self.drain()
        finally:
            self.house.queue.stop()
            self.house.wait(self.house.store.close())

    def drain(self) -> None:
        """With open gateways and willing networks, everything comes to its end."""
        for name in NAMES:
            self.house.outlet(name).opened(2)
        for _ in range(40):
            self.quiet()
            for modem in self.modems.values():
                while modem.pending:
                    modem.answer_oldest("yes")
                    self.quiet()
            for delivery in self.ledger.accepted:
                if self.row(delivery)["state"] == "held":
                    self.operated("retry", delivery)
            self.house.clock.advance(1000)
        for delivery in self.ledger.accepted:
            row = self.row(delivery)
            state, parts = row["state"], row["pieces"]
            assert state in ("sent", "delivered", "failed", "cancelled"), row
            if state in ("sent", "delivered"):
                assert self.ledger.went(delivery, parts), (row, dict(self.ledger.fates))
            if state == "failed":
                assert delivery in self.ledger.refused, row
            if state == "cancelled":
                assert delivery in self.ledger.cancelled, row
            for seq in range(1, parts + 1):
                perhaps = [fate for fate in self.ledger.fates[delivery, seq] if fate in PERHAPS]
                assert len(perhaps) < 2 or row["maybe_twice"] or delivery in self.ledger.renewed, (
                    row,
                    perhaps,
                )


def due_rows(connection: Any, now: int) -> list[tuple[str, int, str]]:
    """(route, lane, target) of what is due."""
    rows = connection.execute(
        "select l.route, d.lane, d.target from delivery d join lane l on l.id=d.lane"
        " where d.state=0 and d.due<=? and d.expires>?",
        (now, now),
    )
    return [tuple(row) for row in rows]


def step(method: Callable[..., None], **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(st.just(method), st.fixed_dictionaries(arguments))


STEPS = {
    6: step(
        Story.submit, wishes=st.lists(WISH, min_size=1, max_size=4), times=st.sampled_from([1, 1, 2]), settled=MAYBE
    ),
    8: step(Story.answer, which=st.lists(st.tuples(GATEWAY, HOW), min_size=1, max_size=5), settled=MAYBE),
    4: step(Story.opened, name=GATEWAY, slots=st.integers(1, 3)),
    2: step(Story.closed, name=GATEWAY, how=st.none() | st.sampled_from(["yes", "silent", "unknown"]), settled=MAYBE),
    3: step(Story.time, seconds=st.sampled_from([1, 6, 16, 70, 400])),
    1: st.one_of(
        step(Story.crash, opened=st.sets(GATEWAY)),
        step(Story.trouble, times=st.integers(1, 6)),
        step(Story.report, which=st.integers(0, 100), status=st.sampled_from(["delivered", "failed", "pending"])),
        step(Story.operate, which=st.integers(0, 100), verb=st.sampled_from(["retry", "cancel"])),
    ),
}  # fmt: skip
STEP = st.sampled_from([one for weight, one in STEPS.items() for _ in range(weight)]).flatmap(lambda one: one)


class Stateful(SynchronousTestCase):
    @settings(
        max_examples=int(os.environ.get("SMSD_EXAMPLES", "25")),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(MAYBE, MAYBE, st.lists(STEP, min_size=30, max_size=50))
    def test_everything_at_once(
        self, hold: bool, quick: bool, steps: list[tuple[Callable[..., None], dict[str, Any]]]
    ) -> None:
        story = Story(hold, quick)
        for method, arguments in steps:
            method(story, **arguments)
        story.end()
