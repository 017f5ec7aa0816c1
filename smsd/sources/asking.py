"""One password source: how long it is asked, how often at once, and how it is left in peace when it is away.

What cannot be known is neither a right nor a wrong password: whoever logs in is asked to come again, and nobody's guesses are
counted. The administrator reads why in the log, once; the user is not told what stands behind this server.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore
from twisted.logger import Logger

from smsd.core.accounts import Denied
from smsd.core.guessing import origin
from smsd.sources.conversation import Unknown
from smsd.sources.settings import SourceSettings
from smsd.values.errors import Reason

MOST_WAITING = 500
"""Questions that wait for their turn; `core.accounts` lets fewer of one address come."""
REST = 3.0
"""Seconds in which one that cannot be reached is not asked again."""
QUIET = 60.0
"""Seconds in which the same trouble is not logged again, nor…"""
MOST_TROUBLES = 5
"""… more different ones than this: two may take turns, and a server may say something else each time."""
LONGEST_REST = 60.0
"""Seconds in which nothing is asked for an address whose question stayed without an answer; at first as long as that took, then
twice as long each time."""
MOST_ADDRESSES = 10_000
"""Such addresses that are remembered; the oldest go first."""
BUSY = "is asked more than it can answer"
LATER = "passwords of mail users cannot be checked just now: try again in a minute"


class Away(Unknown):
    """It cannot be asked at all, whoever logs in."""


class Asking:
    """A `smsd.core.accounts.Source`. `ask(login, password, peer)` gives whether that is right, or raises Unknown or Away; it may be
    cancelled, and then leaves nothing open."""

    log = Logger()

    def __init__(
        self, settings: SourceSettings, clock: Any, ask: Callable[[str, str, str], Awaitable[bool]]
    ) -> None:
        self.name = settings.id
        self._settings = settings
        self._clock = clock
        self._ask = ask
        self._turns = DeferredSemaphore(settings.connections)
        self._trouble = ""
        self._noted: dict[str, float] = {}
        self._away = False
        self._answered = False
        self._rest_until = float("-inf")
        self._unanswered: dict[str, tuple[int, float]] = {}
        self._stopped = False
        self._under_way: set[Deferred[bool]] = set()

    @property
    def status(self) -> str:
        """One line for people."""
        if self._away:
            return self._trouble
        told = "answers" if self._answered else "not asked yet"
        return f"{told}; last trouble: {self._trouble}" if self._trouble else told

    def check(self, name: str, password: str, peer: str = "") -> Deferred[bool]:
        """Whether this is the password of the mail user `name`; fails with Denied when that cannot be known now."""
        found: Deferred[bool] = Deferred.fromCoroutine(self._check(name, password, peer))
        if not found.called:
            self._under_way.add(found)
            found.addBoth(self._done, found)
        return found

    def _done(self, result: Any, found: Deferred[bool]) -> Any:
        self._under_way.discard(found)
        return result

    def serves(self, name: str) -> bool:
        """Whether the user is of one of its domains."""
        return not self._settings.domains or name.rpartition("@")[2] in self._settings.domains

    def stop(self) -> None:
        """Give up what is under way, and ask nobody any more."""
        self._stopped = True
        for found in list(self._under_way):
            found.cancel()

    async def _check(self, name: str, password: str, peer: str) -> bool:
        # Some servers take no password for the wish to stay unknown, and say yes.
        if not password or "\0" in password:
            return False
        if (
            self._stopped
            or self._clock.seconds() < self._rest_until
            or len(self._turns.waiting) >= MOST_WAITING
        ):
            raise Denied(Reason.SLOW_DOWN, LATER)
        address = origin(peer)
        if self._clock.seconds() < self._unanswered.get(address, (0, 0.0))[1]:
            raise Denied(Reason.SLOW_DOWN, LATER)
        login = name.rpartition("@")[0] if self._settings.login == "local" else name
        asked = Deferred.fromCoroutine(self._in_turn(login, password, peer))
        limit = self._clock.callLater(self._settings.seconds, asked.cancel)
        try:
            right = await asked
        except Unknown as unknown:
            self._note(str(unknown))
            if isinstance(unknown, Away):
                self._away = True
                self._rest_until = self._clock.seconds() + REST
            raise Denied(Reason.SLOW_DOWN, LATER) from None
        except CancelledError:
            self._note(f"has not answered within {self._settings.seconds:g} s")
            self._leave_out(address)
            raise Denied(Reason.SLOW_DOWN, LATER) from None
        except Exception:
            if self._is_news("is broken"):
                self.log.failure("password source {source} is broken", source=self.name)
            raise Denied(Reason.SLOW_DOWN, LATER) from None
        finally:
            if limit.active():
                limit.cancel()
        self._answered = True
        self._unanswered.pop(address, None)
        if self._away:
            self._away, self._trouble = False, ""
            self.log.info("password source {source} answers again", source=self.name)
        return right

    async def _in_turn(self, login: str, password: str, peer: str) -> bool:
        since = self._clock.seconds()
        try:
            await self._turns.acquire()
        except CancelledError:
            raise Unknown(BUSY) from None
        try:
            if self._clock.seconds() - since > self._settings.seconds / 2:
                raise Unknown(BUSY)
            return await self._ask(login, password, peer)
        finally:
            self._clock.callLater(0, self._turns.release)  # the next one may be done at once: no end of calls

    def _leave_out(self, address: str) -> None:
        """A server makes who guesses wait, and he waits in a place that others need: a few addresses would take them all."""
        if not address or self._stopped:
            return
        times = self._unanswered.pop(address, (0, 0.0))[0]
        while len(self._unanswered) >= MOST_ADDRESSES:
            del self._unanswered[next(iter(self._unanswered))]
        rest = min(self._settings.seconds * 2 ** min(times, 10), LONGEST_REST)
        self._unanswered[address] = (times + 1, self._clock.seconds() + rest)

    def _note(self, why: str) -> None:
        if self._is_news(why):
            self.log.warn("password source {source} {why}", source=self.name, why=why)

    def _is_news(self, why: str) -> bool:
        """Whether that trouble is to be logged: not for each login, and not when it was us who gave up."""
        if self._stopped:
            return False
        now = self._clock.seconds()
        if not (self._away and why == BUSY):  # which is but what comes of it
            self._trouble = why
        self._noted = {said: at for said, at in self._noted.items() if now - at <= QUIET}
        if why in self._noted or len(self._noted) >= MOST_TROUBLES:
            return False
        self._noted[why] = now
        return True
