"""Whatever happens between them, nothing that rules let wait is lost: random messages, times, troubles, operators and kills.

At the end every accepted message was sent, is in exactly one digest (which counts it, and itself came to an end), was cancelled,
or has expired; and what is in a digest never left by itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.store import digests, gathering, operating
from smsd.values.delivery import Accepted, Failure, Kind, Piece, Scope
from smsd.values.errors import InvalidValue
from smsd.values.message import Parameters, Priority
from tests.house import House, submission
from tests.store.caring import ANN, BOB, EVE, cap, digest, escalation, pause

COUNTED = "%count%|%first%|%last%"
NO = {
    "busy": Failure(Kind.TEMPORARY, "network busy"),
    "never": Failure(Kind.PERMANENT, "no such number"),
    "silent": Failure(Kind.TEMPORARY, "modem silent", scope=Scope.GATEWAY),
}
CARES = ("none", "cap", "digest", "pause", "pause and digest", "two", "escalate", "cap and escalate")


class Story:
    """One life after the other over one store."""

    def __init__(self) -> None:
        self.house = House()
        self.accepted: set[int] = set()
        self.left: set[int] = set()
        self.how = "yes"
        self.begin()

    def begin(self) -> None:
        self.house.backlog.minutes = 30
        self.house.gsm.answer = self.answer
        self.house.open()
        self.house.sweeper.start()
        self.house.settle()

    def answer(self, piece: Piece) -> Accepted | Failure:
        if self.how in NO:
            return NO[self.how]
        self.left.add(piece.delivery)
        return Accepted("1")

    def cares(self, which: str) -> tuple[Any, ...]:
        night = pause(self.house, 1800)
        return {
            "none": (), "cap": (cap(2, 5, COUNTED),), "digest": (digest(3, COUNTED),), "pause": (night,),
            "pause and digest": (night, digest(3, COUNTED)), "two": (cap(1, 1, COUNTED), cap(3, 60, COUNTED, "hour")),
            "escalate": (escalation(EVE),), "cap and escalate": (cap(1, 5, COUNTED), escalation(EVE)),
        }[which]  # fmt: skip

    def send(self, to: str, which: str, priority: Priority, minutes: int | None, settled: bool) -> None:
        text = f"text {len(self.accepted)}"
        given = submission(to, text, parameters=Parameters(priority=priority, expire_minutes=minutes))
        given = replace(given, recipients=(replace(given.recipients[0], gather=self.cares(which)),))
        receipt = self.house.wait(self.house.dispatcher.submit(given))
        self.accepted.add(receipt.recipients[0].delivery)
        if settled:
            self.house.settle()

    def time(self, seconds: int) -> None:
        self.house.advance(seconds)
        self.house.advance(1)

    def gateway(self, how: str) -> None:
        self.how = how
        if how == "closed":
            self.house.outlet("gsm1").closed("pulled out")
        else:
            self.house.outlet("gsm1").opened(1)
        self.house.settle()

    def operate(self, verb: str, which: int) -> None:
        rows = self.house.rows()
        if not rows:
            return
        now = self.house.store.now()
        done = self.house.store.control(
            operating.Verb(verb, rows[which % len(rows)]["id"], now, now + 600_000)
        )
        try:
            for lane in self.house.wait(done):
                self.house.queue.wake(lane, now)
        except InvalidValue:
            return
        self.house.settle()

    def crash(self) -> None:
        self.house.sweeper.stop()
        self.house = self.house.crash()
        self.begin()

    def end(self) -> None:
        self.gateway("yes")
        for _ in range(12):
            self.time(3600)
        rows = {row["id"]: row for row in self.house.rows(limit=10_000)}
        members: dict[int, list[int]] = {}
        for row in rows.values():
            told = self.house.wait(self.house.store.ask(operating.explain, row["id"]))
            assert row["state"] in ("sent", "failed", "expired", "cancelled", "merged"), row
            assert (told["merged"] is not None) == (row["state"] == "merged"), told
            if row["state"] == "merged":
                members.setdefault(told["merged"], []).append(row["id"])
                assert row["id"] not in self.left or row["maybe_twice"], row
            if row["state"] == "sent" and row["target"].startswith("sms:"):
                assert row["id"] in self.left, row
        assert self.accepted <= rows.keys()
        for row in rows.values():
            if row["door"] == "digest":
                inside = [rows[one]["text"] for one in sorted(members.pop(row["id"]))]
                count, first, last = (
                    row["text"].split("|")
                    if "|" in row["text"]
                    else (
                        row["text"].split()[0],
                        "text" + row["text"].split("text")[1].split(" Last")[0],
                        inside[-1],
                    )
                )
                assert (int(count), first, last) == (len(inside), inside[0], inside[-1]), (row, inside)
                assert len(inside) > 1, row
        assert not members
        assert self.house.wait(self.house.store.ask(waiting)) == [0, 0, 0]
        self.house.close()


def waiting(connection: Any) -> list[int]:
    """What no sweep has left behind: gathered messages, windows in which something waits, open alerts."""
    questions = (
        "select count(*) from delivery where state=6",
        "select count(*) from gathering where waiting>0",
        "select count(*) from alert where state=0",
    )
    return [connection.execute(question).fetchone()[0] for question in questions]


def step(method: Callable[..., None], **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(st.just(method), st.fixed_dictionaries(arguments))


SEND = step(
    Story.send, to=st.sampled_from([ANN, ANN, BOB]), which=st.sampled_from(CARES), priority=st.sampled_from(Priority),
    minutes=st.none() | st.integers(1, 60), settled=st.booleans(),
)  # fmt: skip
STEP = st.one_of(
    SEND, SEND, SEND, SEND,
    step(Story.time, seconds=st.sampled_from([1, 30, 61, 181, 301, 2000])),
    step(Story.gateway, how=st.sampled_from(["yes", "yes", "closed", *NO])),
    step(Story.operate, verb=st.sampled_from(["retry", "cancel"]), which=st.integers(0, 100)),
    step(Story.crash),
)  # fmt: skip


class Nothing(SynchronousTestCase):
    @settings(
        max_examples=int(os.environ.get("SMSD_EXAMPLES", "25")),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(STEP, min_size=15, max_size=35), st.booleans())
    def test_is_lost(self, steps: list[tuple[Callable[..., None], dict[str, Any]]], small: bool) -> None:
        most = 3 if small else 5000
        patches = [self.patch(module, "MOST", most) for module in (digests, gathering)]
        try:
            story = Story()
            for method, arguments in steps:
                method(story, **arguments)
            story.end()
        finally:
            for patch in patches:
                patch.restore()
