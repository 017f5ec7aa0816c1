"""Timers that do not mind when somebody sets the clock: with a reactor of Twisted's own and clocks that are turned by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

from twisted.internet.selectreactor import SelectReactor
from twisted.internet.task import LoopingCall
from twisted.trial.unittest import SynchronousTestCase

from smsd.house import House as House_
from smsd.steady import LOOK, Steady
from smsd.values.message import Pause
from tests.house import House, submission

NOW = 1_800_000_000.0
HOUR = 3600.0


class Steps(SynchronousTestCase):
    def setUp(self) -> None:
        self.wall, self.since = NOW, 50.0
        self.reactor = SelectReactor()
        self.addCleanup(self.end)
        self.steps: list[float] = []
        self.steady = Steady(self.reactor, self.steps.append, lambda: self.wall, lambda: self.since)
        self.steady.start()
        self.called: list[tuple[str, float]] = []

    def end(self) -> None:
        self.steady.stop()
        self.reactor.removeAll()
        for end in (self.reactor.waker.i, self.reactor.waker.o):  # type: ignore[attr-defined]
            getattr(end, "close", lambda: None)()

    def later(self, name: str, seconds: float) -> None:
        self.reactor.callLater(seconds, lambda: self.called.append((name, self.since - 50.0)))

    def passes(self, seconds: float) -> None:
        """Time passes, in turns of the reactor of a quarter of a second."""
        for _ in range(int(seconds * 4)):
            self.wall += 0.25
            self.since += 0.25
            self.reactor.runUntilCurrent()

    def test_without_a_step_it_is_the_time_of_day(self) -> None:
        self.later("a", 3)
        self.passes(10)
        self.assertEqual(self.called, [("a", 3.0)])
        self.assertEqual((self.reactor.seconds(), self.steps), (NOW + 10, []))

    def test_set_back_and_forward(self) -> None:
        for step in (-HOUR, HOUR, -0.5, 30 * 365 * 24 * HOUR):
            self.steps.clear()
            self.called.clear()
            began = self.since - 50.0
            for name, seconds in (("far", 20), ("near", 2), ("middle", 9)):
                self.later(name, seconds)
            self.passes(0.5)
            self.wall += step
            self.passes(25)
            self.assertEqual(
                self.called, [("near", began + 2), ("middle", began + 9), ("far", began + 20)], step
            )
            self.assertEqual(self.reactor.seconds(), self.wall)
            (told,) = self.steps
            self.assertAlmostEqual(told, step)

    def test_many_timers_of_which_some_are_moved_and_cancelled(self) -> None:
        calls = [
            self.reactor.callLater(n % 17 + 1, lambda n=n: self.called.append((str(n), self.since - 50.0)))
            for n in range(200)
        ]
        for n in range(0, 200, 3):
            calls[n].cancel()
        for n in range(1, 200, 3):
            calls[n].reset(30)
        self.passes(LOOK)
        for step in (-HOUR, 2 * HOUR, -5.0):
            self.wall += step
            self.passes(2)
        self.passes(40)
        for name, at in self.called:
            n = int(name)
            self.assertEqual(at, 30.0 if n % 3 == 1 else n % 17 + 1.0)
        self.assertEqual(len(self.called), 200 - 67)

    def test_what_goes_round_goes_on(self) -> None:
        rounds: list[float] = []
        loop = LoopingCall(lambda: rounds.append(self.since))
        loop.clock = self.reactor
        loop.start(5, now=False)
        self.passes(12)
        self.wall -= HOUR
        self.passes(30)
        self.wall += 3 * HOUR
        self.passes(30)
        loop.stop()
        gaps = [after - before for before, after in pairwise(rounds)]
        self.assertTrue(all(0 < gap <= 10 for gap in gaps), gaps)
        self.assertGreaterEqual(len(rounds), 12)

    def test_what_waits_for_a_time_of_day_looks_again(self) -> None:
        house = House()
        self.addCleanup(house.close)
        house.open()
        given = submission()
        pause = Pause("night", house.store.now() + 3_600_000)
        held = replace(given, recipients=tuple(replace(one, gather=(pause,)) for one in given.recipients))
        house.wait(house.dispatcher.submit(held))
        house.settle()
        self.assertEqual(house.gsm.pieces, [])
        house.clock.rightNow += HOUR  # no timer has gone off
        House_.clock_was_set(SimpleNamespace(queue=house.queue), HOUR)  # type: ignore[arg-type]
        house.settle()
        self.assertEqual(len(house.gsm.pieces), 1)

    def test_a_gateway_that_rests_rests_no_longer(self) -> None:
        house = House()
        self.addCleanup(house.close)
        house.open()
        outlet = house.outlet("gsm1")
        outlet.not_before = house.queue.now() + 5000
        house.clock.rightNow -= HOUR
        House_.clock_was_set(SimpleNamespace(queue=house.queue), -HOUR)  # type: ignore[arg-type]
        house.send()
        self.assertEqual(house.gsm.pieces, [])
        house.advance(5.1)
        self.assertEqual(len(house.gsm.pieces), 1)

    def test_a_little_is_no_step(self) -> None:
        self.wall += 0.05
        self.passes(5)
        self.assertEqual(self.steps, [])
