"""Messages that their sender wants sent later: they wait, urgent or not, survive a crash, can be cancelled, and do
not expire meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsd.store import operating
from smsd.values.message import Parameters, Pause, Priority
from tests.house import START, House, submission

HOUR = 3_600


class DeferredTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(lambda: self.house.close())

    def submit(self, seconds: float, parameters: Parameters | None = None, rule: str = "") -> None:
        until = int((START + seconds) * 1000)
        plain = submission(parameters=parameters)
        [recipient] = plain.recipients
        later = replace(plain, recipients=(replace(recipient, gather=(Pause(rule, until),)),))
        self.house.wait(self.house.dispatcher.submit(later))

    def row(self) -> dict[str, Any]:
        [row] = self.house.rows()
        return row

    def test_it_waits(self) -> None:
        self.house.open()
        self.submit(HOUR)
        self.house.advance(HOUR - 1)
        self.assertEqual(self.house.gsm.pieces, [])
        self.assertEqual(self.row()["reason"], "its sender wants it sent later")
        self.house.advance(2)
        self.assertEqual(len(self.house.gsm.pieces), 1)

    def test_urgent_or_not(self) -> None:
        self.house.open()
        self.submit(HOUR, Parameters(priority=Priority.URGENT))
        self.house.settle()
        self.assertEqual(self.house.gsm.pieces, [])

    def test_a_rule_does_not_keep_what_is_urgent(self) -> None:
        self.house.open()
        self.submit(HOUR, Parameters(priority=Priority.URGENT), rule="night")
        self.house.settle()
        self.assertEqual(len(self.house.gsm.pieces), 1)

    def test_a_crash(self) -> None:
        self.submit(HOUR)
        self.house = self.house.crash()
        self.house.open()
        self.assertEqual(self.house.gsm.pieces, [])
        self.house.advance(HOUR)
        self.assertEqual(len(self.house.gsm.pieces), 1)

    def test_longer_than_messages_live(self) -> None:
        days = 10 * 24 * HOUR
        self.house.open()
        self.submit(days)
        self.house.advance(days - 1)
        self.assertEqual(self.house.states(), ["ready"])
        self.house.advance(2)
        self.assertEqual(len(self.house.gsm.pieces), 1)

    def test_cancelled(self) -> None:
        self.house.open()
        self.submit(HOUR)
        self.assertEqual(self.house.states(), ["ready"])
        [row] = self.house.wait(self.house.store.ask(operating.find))
        now = self.house.store.now()
        self.house.wait(self.house.store.control(operating.Verb("cancel", int(row["id"]), now, now)))
        self.house.advance(2 * HOUR)
        self.assertEqual(self.house.gsm.pieces, [])
