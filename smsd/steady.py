"""Time that passes evenly: timers do not mind when somebody sets the clock.

Twisted's timers follow the wall clock. When that is set back by an hour (a wrong hardware clock that NTP corrects, a machine
that was suspended), nothing happens for an hour; set forward, everything that was waited for is late at once. Here the reactor's
seconds pass by the monotonic clock, beside the wall clock: once a second it is looked whether that has been set, and then the
time of day follows while every timer keeps what is left of its wait. What waits for a time of day is told (`told`), to
look again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

LOOK = 1.0
LEAST = 0.1
"""Seconds: how often it is looked, and the smallest step that is one. (NTP makes both clocks go faster or slower alike.)"""


class Steady:
    """`told` is called after the clock was set, with the seconds by which it went forward."""

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        told: Callable[[float], None] = lambda step: None,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reactor = reactor
        self.told = told
        self._wall = wall
        self._steady = steady
        self._ahead = wall() - steady()
        self._timer: Any = None

    def start(self) -> None:
        """Give the reactor this time; before it runs, or from one of its calls."""
        self._reactor.seconds = self.seconds
        self._timer = self._reactor.callLater(LOOK, self._look)

    def stop(self) -> None:
        """Follow the wall clock no more."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def seconds(self) -> float:
        """The time of day, in Unix seconds; between two steps of the wall clock it passes evenly."""
        return self._steady() + self._ahead

    def _look(self) -> None:
        self._timer = self._reactor.callLater(LOOK, self._look)
        if abs(self._step()) >= LEAST:
            # Not from a timer: those that are due in this turn would be compared with the time before the step.
            self._reactor.callFromThread(self._follow)

    def _step(self) -> float:
        return self._wall() - self._steady() - self._ahead

    def _follow(self) -> None:
        step = self._step()
        if abs(step) < LEAST:
            return
        calls = self._reactor.getDelayedCalls()
        self._ahead += step
        for call in calls:
            call.delay(step)
        self.log.warn(
            "the clock was set {direction} by {seconds:.1f} s: timers go on as they were",
            direction="forward" if step > 0 else "back", seconds=abs(step),
        )  # fmt: skip
        self.told(step)
