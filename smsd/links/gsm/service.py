"""A modem in service: when its lane is open, and what is done about each sort of trouble.

Joins `sending`, `receiving` and `watch` over one open line until `end(reason, wait)`, which the gateway's life waits for.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twisted.internet.task import LoopingCall

from smsd.codec import at
from smsd.links.gsm.receiving import Receiver
from smsd.links.gsm.sending import SLOTS, Sender
from smsd.links.gsm.startup import registered
from smsd.links.gsm.watch import Watch

if TYPE_CHECKING:
    from smsd.interfaces import GatewayContext
    from smsd.links.gsm.lane import Lane
    from smsd.links.gsm.session import Dialogue
    from smsd.links.gsm.settings import Settings
    from smsd.links.gsm.startup import Modem

CLOSED = 1.0  # a device needs this long after it was closed
REOPEN = 0.5  # between two looks for the device
PERSON = 60.0  # what needs a person is looked at again
LONGEST = 60.0  # between two starts of a modem that keeps refusing
GRACE = 10.0  # a network may be away for so long without closing the lane
UNANNOUNCED = 20.0  # poll of a modem that announces nothing
_STATES = {
    0: "not registered, and not searching for a network",
    2: "searching for a network",
    3: "the network denied registration",
}


@dataclass(slots=True)
class Troubles:
    """How often in a row the modem refused for its own reasons, and the delivery that it was last initialised for;
    outlives the line."""

    count: int = 0
    suspect: int | None = None

    def wait(self) -> float:
        """One more; how long to wait: 1, 2, 4 … 60 s."""
        self.count += 1
        return min(LONGEST, 2.0 ** (self.count - 1))


class InService:
    """One started modem. `end` is called once or more; `exists` tells whether the device node is there."""

    def __init__(
        self,
        context: GatewayContext,
        settings: Settings,
        dialogue: Dialogue,
        modem: Modem,
        lane: Lane,
        troubles: Troubles,
        end: Callable[[str, float], None],
        exists: Callable[[str], bool],
    ) -> None:
        self._clock = context.reactor
        self._settings = settings
        self._modem = modem
        self._lane = lane
        self._troubles = troubles
        self._finish = end
        self._exists = exists
        self._state = modem.state
        self._unregistered_since: float | None = None if registered(modem.state) else float("-inf")
        self._held: str | None = None
        self._sent = 0
        self._release_call: Any = None
        self._calls: list[Any] = []
        self.sender = Sender(
            self._clock,
            settings.id,
            dialogue,
            modem,
            settings.reports,
            self._trouble,
            lambda why: self.end(why),
        )
        self.receiver = Receiver(context, settings.id, dialogue, modem)
        self.watch = Watch(
            self._clock,
            settings.id,
            dialogue,
            settings.check_interval,
            modem.state,
            self.end,
            self.begin_again,
            self._registration,
        )
        self._loops: list[LoopingCall] = []
        self._starts = [re.compile(pattern) for pattern in modem.profile.restarted]

    def start(self, early: list[at.Event]) -> None:
        """Open the lane, read what was stored meanwhile; `early` are the news that came during the start."""
        self._reconsider()
        self.watch.start()
        self.watch.look()
        self._every(REOPEN, self._look_for_node)
        for event in early:
            self.news(event)
        if self._modem.receives:
            self.receiver.sweep()
            self._every(self._settings.check_interval, self.receiver.upkeep)
            interval = self._poll_interval()
            if interval:
                self._every(interval, self._poll)

    def stop(self) -> None:
        """Nothing of this may run any more."""
        self.watch.stop()
        self.receiver.stop()
        for loop in self._loops:
            if loop.running:
                loop.stop()
        for call in self._calls:
            if call.active():
                call.cancel()

    def end(self, reason: str, wait: float = CLOSED) -> None:
        """Close the lane, then give back what is not on the wire."""
        self._lane.close(reason)
        self.sender.stop(reason)
        self._finish(reason, wait)

    def news(self, event: at.Event) -> None:
        """An event that answers no command."""
        self.watch.news(event)
        if self._modem.receives:
            self.receiver.news(event)

    def restarted(self, event: at.Event) -> None:
        """A modem that starts again has forgotten PDU mode, and would send a PDU's digits as a text."""
        if isinstance(event, at.Notice) and any(pattern.match(event.line) for pattern in self._starts):
            self.begin_again(f"the modem has restarted ({event.line[:40]})")

    def begin_again(self, reason: str) -> None:
        """The modem lost its settings; later each time it does so without a message in between."""
        self._forgive()
        self.end(reason, self._troubles.wait())

    def _forgive(self) -> None:
        """A message went out since the last trouble: waits begin anew."""
        if self.sender.sent > self._sent:
            self._sent = self.sender.sent
            self._troubles.count = 0

    @property
    def status(self) -> str:
        """What people want to know of a modem at work."""
        signal = self.watch.signal
        strength = "" if signal is None else f", signal {signal} dBm"
        return (
            f"{self._modem.words or 'modem'} (profile {self._modem.name}){strength}, {self.sender.sent} sent"
        )

    def _every(self, seconds: float, work: Callable[[], Any]) -> None:
        loop = LoopingCall(work)
        loop.clock = self._clock
        loop.start(seconds, now=False)
        self._loops.append(loop)

    def _look_for_node(self) -> None:
        if not self._exists(self._settings.device):
            self.end(f"{self._settings.device} vanished", REOPEN)

    def _poll_interval(self) -> float:
        if self._settings.poll is not None:
            return self._settings.poll
        interval = self._modem.profile.poll
        return interval if self._modem.announces else min(interval or UNANNOUNCED, UNANNOUNCED)

    def _poll(self) -> None:
        if active(self._settings.hours, self._clock.seconds()):
            self.receiver.sweep()

    def _registration(self, state: int | None) -> None:
        self._state = state
        if registered(state):
            self._unregistered_since = None
        elif self._unregistered_since is None:
            self._unregistered_since = self._clock.seconds()
            self._later(GRACE)
        self._reconsider()

    def _reconsider(self) -> None:
        """Open or close the lane by what is known now."""
        since = self._unregistered_since
        if self._held is not None:
            self._lane.close(self._held)
        elif since is None:
            self._lane.open(SLOTS)
        elif not self._lane.is_open or self._clock.seconds() - since >= GRACE:
            self._lane.close(_STATES.get(self._state or 0, f"not registered (state {self._state})"))

    def _later(self, seconds: float) -> None:
        self._calls = [call for call in self._calls if call.active()]
        self._calls.append(self._clock.callLater(seconds, self._reconsider))

    def _trouble(self, verdict: at.Verdict, delivery: int) -> bool:
        """A refusal that is about this gateway. False when it is the delivery's after all: the modem was initialised for it
        before, and it must not hold up all others."""
        self._forgive()
        remedy = verdict.remedy
        if remedy is at.Remedy.REGISTER:
            self._hold(verdict.reason)
            self.watch.look()
        elif remedy is at.Remedy.STORAGE and self._modem.receives:
            self._hold(verdict.reason)
            self.receiver.sweep()
        elif remedy in (at.Remedy.SIM, at.Remedy.CENTRE):
            self.end(verdict.reason, PERSON)
        elif delivery == self._troubles.suspect:
            return False
        else:
            self._troubles.suspect = delivery
            self.end(verdict.reason, self._troubles.wait())
        return True

    def _hold(self, reason: str) -> None:
        """Keep the lane closed for a while, longer each time."""
        self._held = reason
        self._lane.close(reason)
        if self._release_call is None:
            self._release_call = self._clock.callLater(self._troubles.wait(), self._release)
            self._calls.append(self._release_call)

    def _release(self) -> None:
        self._held = self._release_call = None
        self._reconsider()


def active(hours: tuple[int, int] | None, now: float) -> bool:
    """Whether `now` (seconds) lies in the active hours of the local day; they may pass midnight."""
    if hours is None:
        return True
    local = time.localtime(now)
    minute = local.tm_hour * 60 + local.tm_min
    first, last = hours
    return first <= minute < last if first <= last else minute >= first or minute < last
