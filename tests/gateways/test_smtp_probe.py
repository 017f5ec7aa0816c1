"""How the relay is tried again while the outlet is closed."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from smsd.gateways.smtp import Settings, make
from smsd.gateways.smtp.client import Connection
from smsd.gateways.smtp.replies import Unusable
from smsd.values.delivery import Failure
from tests.gateways.helpers import context, piece


class ProbeTests(SynchronousTestCase):
    """The gateway on a clock, its connections replaced."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.gateway = make(Settings(id="relay", host="127.0.0.1"), context(self.clock))
        self.attempts: list[float] = []
        self.trouble: Unusable | None = Unusable("no way")
        self.patch(self.gateway, "_connect", self.connect)
        self.gateway.startService()
        self.told = self.gateway.context.outlet.told

    def connect(self) -> Deferred[Any]:
        self.attempts.append(self.clock.seconds())
        if self.trouble is not None:
            return fail(self.trouble)
        connection = Connection(self.clock, 60, "relay", self.gateway._connection_ended)
        connection.makeConnection(StringTransport())
        self.gateway._open.add(connection)
        return succeed(connection)

    def test_waits_longer_and_longer_up_to_five_minutes(self) -> None:
        self.failureResultOf(self.gateway.send(piece()), Failure)
        self.clock.pump([1] * 1300)
        self.assertEqual(self.attempts, [0, 5, 15, 35, 75, 155, 315, 615, 915, 1215])
        self.assertEqual(self.told, [("opened", 4), ("closed", "no way")])

    def test_opens_again_and_starts_over(self) -> None:
        self.failureResultOf(self.gateway.send(piece()), Failure)
        self.clock.advance(5)
        self.trouble = None
        self.clock.advance(10)
        self.assertEqual(self.told, [("opened", 4), ("closed", "no way"), ("opened", 4)])
        self.assertIn("ready, 1 connections", self.gateway.status)
        self.clock.advance(15)  # the probe's connection goes idle and is left
        self.clock.advance(5)
        self.trouble = Unusable("again")
        self.attempts.clear()
        began = self.clock.seconds()
        self.failureResultOf(self.gateway.send(piece()), Failure)
        self.clock.pump([1] * 5)
        self.assertEqual(self.attempts, [began, began + 5])

    def test_a_refused_login_is_not_repeated_soon(self) -> None:
        self.trouble = Unusable("bad login", 60)
        self.failureResultOf(self.gateway.send(piece()), Failure)
        self.clock.pump([1] * 125)
        self.assertEqual(self.attempts, [0, 60, 120])

    def test_several_failures_close_once(self) -> None:
        for _ in range(3):
            self.failureResultOf(self.gateway.send(piece()), Failure)
        self.assertEqual(self.told, [("opened", 4), ("closed", "no way")])
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)

    def test_stopping_ends_the_trying(self) -> None:
        self.failureResultOf(self.gateway.send(piece()), Failure)
        self.assertIsNone(self.successResultOf(self.gateway.stopService()))
        self.assertEqual(self.clock.getDelayedCalls(), [])
