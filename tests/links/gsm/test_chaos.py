"""Everything that can go wrong with a modem, at random and from a seed: nothing is lost, nothing goes out twice, nothing hangs.

A little queue stands in for the core: it sends again what was given back, and leaves alone what is in doubt.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure as TwistedFailure

from smsd.codec import tpdu
from smsd.simulator.faults import Rule
from smsd.simulator.profiles import PROFILES
from smsd.values.delivery import Accepted, Failure, Kind, Scope
from smsd.values.errors import DecodeError
from tests.links.gsm.fake import GsmCase
from tests.links.gsm.simulated import SimulatedRig

MESSAGES = 30
LOST = [("prompt", "drop"), ("message", "drop"), ("accepted", "drop"), ("command", "drop")]
GONE = [(at, "vanish") for at in ("command", "prompt", "message", "accepted")]
MUTE = [(at, "silence") for at in ("command", "prompt", "message", "accepted")]
SAID = [
    ("message", "answer", value)
    for value in (
        "+CMS ERROR: 500",
        "+CMS ERROR: 302",
        "+CMS ERROR: 42",
        "+CMS ERROR: 331",
        "+CMS ERROR: 322",
        "ERROR",
    )
]
NOISE = [("command", "garbage", value) for value in ("FFFE00", "0D0A5E525353493A330D0A", "3E20", "4F4B0D0A")]


class DiskFull(Exception):
    """The store's commit failed."""


class Queue:
    """Two at a time while the lane is open."""

    def __init__(self, rig: SimulatedRig, count: int) -> None:
        self.rig = rig
        self.waiting = [f"message {n}" for n in range(count)]
        self.flying: set[str] = set()
        self.accepted: list[str] = []
        self.doubted: list[str] = []

    def pull(self) -> None:
        while self.rig.outlet.is_open and self.waiting and len(self.flying) < 2:
            text = self.waiting.pop(0)
            self.flying.add(text)
            piece = self.rig.piece(text, report=True, delivery=int(text.split()[1]))
            self.rig.gateway.send(piece).addBoth(self.settle, text)

    def settle(self, outcome: Any, text: str) -> None:
        self.flying.remove(text)
        if isinstance(outcome, Accepted):
            self.accepted.append(text)
        elif isinstance(outcome, TwistedFailure) and isinstance(outcome.value, Failure):
            failure = outcome.value
            if failure.maybe_sent:
                self.doubted.append(text)
            else:
                assert failure.kind is Kind.TEMPORARY, failure
                if failure.scope is Scope.GATEWAY:
                    self.waiting.insert(0, text)
                else:
                    self.rig.clock.callLater(5, self.waiting.append, text)
                    self.flying.add(text)
                    self.rig.clock.callLater(5, self.flying.discard, text)
        else:
            raise AssertionError(outcome)


class Chaos(GsmCase):
    """Seeds."""

    def one(self, seed: int, profile: str) -> None:
        dice = random.Random(seed)
        rig = SimulatedRig(
            self.folder(), profile, poll="20", send_timeout="20", read_timeout="4", check_interval="5"
        )
        self.addCleanup(rig.sim.stop)
        kept: Counter[str] = Counter()

        def part(incoming: Any) -> Deferred[int | None]:
            if dice.random() < 0.1:
                return fail(DiskFull())
            try:
                kept[tpdu.decode_mt(incoming.octets).user_data.text] += 1
            except DecodeError:  # a report that the noise cut, from a modem that had acknowledged it itself
                return succeed(None)
            return succeed(1)

        rig.inbound.part = part
        rig.start()
        queue = Queue(rig, MESSAGES)
        expected = set()
        for n in range(400):
            queue.pull()
            if dice.random() < 0.05:
                at, action, *value = dice.choice(LOST + GONE + MUTE + SAID + NOISE)
                value = value or [str(dice.choice((1, 7, 25))) if action != "drop" else ""]
                rig.sim.faults.rules.append(Rule(at, action, nth=dice.randint(1, 3), value=value[0]))
            if dice.random() < 0.02:
                rig.sim.restart()
            if dice.random() < 0.02:
                rig.sim.faults.chunk, rig.sim.faults.pause = dice.choice(((0, 0), (1, 0.0), (3, 0.001)))
            if dice.random() < 0.05 and PROFILES[profile].receives and rig.sim.line.is_open:
                text = f"in {n}"
                rig.sim.receive("+15551230001", text)
                expected.add(text)
            rig.turn(dice.choice((0.1, 0.5, 2)))
        rig.sim.faults.mend()
        if not rig.sim.line.is_open:
            rig.sim.come_back()
        for _ in range(300):
            queue.pull()
            rig.turn(2)
            if not queue.waiting and not queue.flying and expected <= set(kept):
                break
        self.flushLoggedErrors(DiskFull)
        self.check(rig, queue, expected, kept, f"{profile}, seed {seed}")
        stopped: list[Any] = []
        rig.gateway.stopService().addCallback(stopped.append)
        rig.turn(1)
        self.assertEqual(stopped, [None])

    def check(
        self, rig: SimulatedRig, queue: Queue, expected: set[str], kept: Counter[str], case: str
    ) -> None:
        tail = rig.conversation[-3000:]
        self.assertEqual(
            (queue.waiting, queue.flying), ([], set()), f"{case}: {rig.outlet.calls[-5:]}\n{tail}"
        )
        sent = Counter(item.text for item in rig.sim.sent)
        self.assertEqual([text for text in queue.accepted if sent[text] != 1], [], case)
        self.assertEqual([text for text in queue.doubted if sent[text] > 1], [], case)
        self.assertEqual(
            sorted(queue.accepted + queue.doubted), sorted(f"message {n}" for n in range(MESSAGES)), case
        )
        self.assertEqual(sorted(expected - set(kept)), [], f"{case}\n{tail}")


def _case(profile: str, seed: int) -> Any:
    def test(self: Chaos) -> None:
        self.one(seed, profile)

    return test


for _number, _name in enumerate(PROFILES):
    for _seed in (_number, _number + 100):
        setattr(Chaos, f"test_{_name.replace('-', '_')}_{_seed}", _case(_name, _seed))
