"""The watch over a modem in service: is it alive, is it registered, how strong is its signal, is its node still there.

Owns the counts of G6, which are about silence; decides nothing but tells: unresponsive, forgetful (in text mode again),
registration changed. A message overtakes all it asks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from smsd.codec import at
from smsd.links.gsm.errors import Lost, Silent
from smsd.links.gsm.startup import registered, registration

if TYPE_CHECKING:
    from smsd.links.gsm.session import Dialogue

MAX_SILENT = 3  # "more than two failed check calls in a row": at the third
SEARCH = 2.0  # between two looks while the modem is not registered


class Watch:
    """Watches one open line until `stop`."""

    log = Logger()

    def __init__(
        self,
        clock: Any,
        gateway: str,
        dialogue: Dialogue,
        interval: float,
        state: int | None,
        unresponsive: Callable[[str], None],
        forgetful: Callable[[str], None],
        changed: Callable[[int | None], None],
    ) -> None:
        self._clock = clock
        self._gateway = gateway
        self._dialogue = dialogue
        self._interval = interval
        self._state = state
        self._unresponsive = unresponsive
        self._forgetful = forgetful
        self._changed = changed
        self._checking = False
        self._looked = clock.seconds()
        self._loop = LoopingCall(self._tick)
        self._loop.clock = clock
        self.signal: int | None = None

    def start(self) -> None:
        """Begin."""
        self._loop.start(min(SEARCH, self._interval), now=False)

    def stop(self) -> None:
        """End; nothing is told any more."""
        if self._loop.running:
            self._loop.stop()

    def news(self, event: at.Event) -> None:
        """Registration states that the modem tells by itself."""
        if isinstance(event, at.Registration) and event.domain == "CREG":
            self._note(event.state)

    def look(self) -> None:
        """Ask for the registration at the next tick."""
        self._looked = 0.0

    def _note(self, state: int | None) -> None:
        if state != self._state:
            self._state = state
            self._changed(state)

    def _tick(self) -> None:
        if self._dialogue.silences >= MAX_SILENT:
            self._unresponsive(f"no answer to {self._dialogue.silences} commands in a row")
            return
        if self._checking:
            return
        now = self._clock.seconds()
        due = not 0 <= now - self._looked < self._interval  # also when the clock was set back
        if due or not registered(self._state):
            self._checking = True
            self._looked = now
            Deferred.fromCoroutine(self._check()).addBoth(self._checked)

    async def _check(self) -> None:
        """Is it alive, and what does it say of itself and its network."""
        try:
            if not 0 <= self._clock.seconds() - self._dialogue.answered_at < self._interval:
                await self._dialogue.ask("AT")
            mode = await self._dialogue.ask("AT+CMGF?")
            if mode.ok and "+CMGF: 1" in mode.lines:
                self._forgetful("the modem has forgotten its settings")
                return
            self._note(await registration(self._dialogue))
            answer = await self._dialogue.ask("AT+CSQ")
        except Silent:
            return  # the dialogue asks AT until it is answered, and counts
        self.signal = at.signal(answer.lines) if answer.ok else None

    def _checked(self, result: Any) -> None:
        self._checking = False
        if result is not None and result.check(Lost) is None:
            self.log.failure("{gateway}: the check failed", result, gateway=self._gateway)
