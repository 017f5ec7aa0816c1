"""Transactions with wires and a clock that somebody sets."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.sip import Asked, Peer, Transactions, Unanswered, respond, write
from smsd.links.sip.stack import Stack
from smsd.steady import LOOK, Steady
from tests.links.sip.rig import FakeWires, request

PEER = Peer("UDP", "192.0.2.9", 5060, 1)
HOUR = 3600.0


class SetClock(Clock):
    """Passes by `smsd.steady`, as in a real smsd: its wall clock can be set."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0
        self.wall = 1_800_000_000.0
        own = SimpleNamespace(
            callLater=self.callLater, getDelayedCalls=self.getDelayedCalls, callFromThread=lambda f: f()
        )
        self.steady = Steady(own, wall=lambda: self.wall + self.passed, steady=lambda: self.passed)
        self.rightNow = self.steady.seconds()
        self.steady.start()

    def set(self, step: float) -> None:
        """Somebody sets it; it is seen within a second."""
        self.wall += step
        self.passed += LOOK
        self.rightNow += LOOK
        self.steady._follow()
        self.rightNow = self.steady.seconds()

    def passes(self, seconds: float) -> None:
        for _ in range(int(seconds * 10)):
            self.passed += 0.1
            self.rightNow = self.steady.seconds()
            self.advance(0)


class Stacks(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = SetClock()
        self.addCleanup(self.clock.steady.stop)
        self.wires = FakeWires()
        self.stack = Stack(self.clock, self.wires, Transactions(b"secret"))
        self.addCleanup(self.stack.close)

    def test_whoever_sets_the_clock_a_request_waits_for_half_a_minute(self) -> None:
        for step in (0.0, -HOUR, HOUR):
            told: list[Any] = []
            self.stack.ask(request(), PEER).addCallback(told.append)
            self.clock.passes(3)
            self.clock.set(step)
            self.wires.take()
            self.clock.passes(20)
            self.assertGreater(len(self.wires.take()), 3, step)  # it is sent again, as ever
            self.assertEqual(told, [], step)
            self.clock.passes(10)
            self.assertEqual([type(one) for one in told], [Unanswered], step)

    def test_nor_is_an_answer_forgotten_or_kept_for_long(self) -> None:
        asked: list[Asked] = []
        self.stack.asked = asked.append
        for number, step in enumerate((0.0, -HOUR, HOUR), 1):
            octets = write(request())
            self.wires.heard(octets, PEER)
            self.stack.answer(asked[-1].key, respond(asked[-1].request, 202))
            self.clock.passes(3)
            self.clock.set(step)
            self.wires.heard(octets, PEER)
            self.assertEqual((len(self.wires.take()), len(asked)), (2, number))
            self.clock.passes(40)
            self.assertEqual(len(self.stack.transactions), 0)

    def test_nothing_is_left_when_it_is_closed(self) -> None:
        self.stack.ask(request(), PEER)
        self.stack.close()
        self.clock.steady.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
