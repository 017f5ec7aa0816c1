"""What tests of password sources have in common: a source on a scripted server, and a clock that stands still."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from smsd.core.accounts import Denied
from smsd.sources.asking import LATER, Asking
from smsd.sources.server import Connecting
from smsd.values.errors import Reason
from tests.sources.scripted import Scripted

PASSWORD = 'pa"ss\\wörd €'


class SourceCase(SynchronousTestCase):
    """`ask` asks a server; right, wrong or unknown."""

    def setUp(self) -> None:
        self.clock = Clock()
        self._events: list[Any] = []
        globalLogPublisher.addObserver(self._events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self._events.append)

    def asking(self, settings: Any, server: Scripted, talk: Any, tls: Any = None) -> Asking:
        connecting = Connecting(server, talk, self.clock, settings.seconds, tls)
        return Asking(settings, self.clock, connecting.ask)

    def logged(self) -> str:
        """What has been logged since, in words; then it is forgotten."""
        lines = [formatEvent(event) for event in self._events]
        self._events.clear()
        return "\n".join(lines)

    def verdict(self, asked: Deferred[bool]) -> str:
        """right, wrong, or unknown; what is unknown is told without a reason, and nothing goes on."""
        found: list[Any] = []
        asked.addCallbacks(found.append, lambda failure: found.append(failure.value))
        self.assertEqual(len(found), 1, "no answer")
        if isinstance(found[0], Denied):
            self.assertEqual((found[0].reason, found[0].text), (Reason.SLOW_DOWN, LATER))
            return "unknown"
        return "right" if found[0] else "wrong"

    def over(self, server: Scripted) -> None:
        """Nothing is left open."""
        self.clock.advance(0)
        self.assertEqual(server.open, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
