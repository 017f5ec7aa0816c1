"""Routes and pools; who is told what."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from smsd.interfaces import Abilities
from smsd.policy.notice import Told, notice
from smsd.policy.route import Way, needs, pool, serves
from smsd.values.address import Address
from smsd.values.delivery import State
from smsd.values.message import Binary, Parameters, Report, Text, Ticket, Wants
from smsd.values.plan import Step


class Routes(SynchronousTestCase):
    def test_needs(self) -> None:
        self.assertEqual(needs("sms", Text("x"), Parameters()), ())
        self.assertEqual(needs("sms", Binary(b"x"), Parameters(sender_required=True)), ("binary", "sender"))
        self.assertEqual(needs("mailto", Binary(b"x"), Parameters()), ())

    def test_who_serves_what(self) -> None:
        plain = Way("a", Abilities(frozenset({"sms"})))
        able = Way("b", Abilities(frozenset({"sms"}), binary=True, sender=True))
        table = [("gw:a", True, False), ("gw:b", False, True), (pool("sms", ()), True, True),
                 (pool("sms", ("binary",)), False, True), (pool("sms", ("binary", "sender")), False, True),
                 (pool("mailto", ()), False, False)]  # fmt: skip
        for route, first, second in table:
            self.assertEqual((serves(plain, route), serves(able, route)), (first, second), route)


class Notices(SynchronousTestCase):
    told = Told(
        message=1, delivery=2, target=Address("sms", "+15550000001"), typed="555 0001", original="", content=Text("hi"),
        ticket=Ticket(Address("mailto", "bob@example.org"), "env", "<m@x>", "Hi"), wants=Wants.FAILURE, arrived=1,
        expires=9, total=1,
    )  # fmt: skip

    def test_failure_goes_to_the_ticket(self) -> None:
        submission = notice(
            self.told, Step(State.FAILED, reason="no such number", notice="failed", status="5.1.1"), 5
        )
        assert submission is not None
        report = submission.content
        assert isinstance(report, Report)
        self.assertEqual(submission.recipients[0].address, Address("mailto", "bob@example.org"))
        self.assertEqual(
            (
                report.event,
                report.recipient,
                report.reason,
                report.text,
                report.envelope_id,
                report.message_id,
            ),
            ("failed", "555 0001", "no such number", "hi", "env", "<m@x>"),
        )
        self.assertIsNone(submission.ticket)

    def test_nobody_is_told_what_nobody_asked_for(self) -> None:
        failed = Step(State.FAILED, notice="failed")
        self.assertIsNone(notice(self.told, Step(State.SENT), 5))
        self.assertIsNone(notice(replace(self.told, ticket=None), failed, 5))
        self.assertIsNone(notice(replace(self.told, wants=Wants.DELAY), failed, 5))
        self.assertIsNone(notice(self.told, Step(State.DELIVERED, notice="delivered"), 5))

    def test_never_a_report_for_a_report(self) -> None:
        report = Report("failed", 1, 2, "x", "y", 1, 2, "z")
        self.assertIsNone(notice(replace(self.told, content=report), Step(State.FAILED, notice="failed"), 5))
