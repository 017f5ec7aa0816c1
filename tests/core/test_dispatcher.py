"""The dispatcher: receipts after commits, what is only recorded, who is told of declined recipients, a store that fails."""

from __future__ import annotations

import sqlite3

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from smsd.interfaces import IDispatcher, IInbound, IOutlet, Session
from smsd.values.address import Address
from smsd.values.errors import Reason, Refused
from smsd.values.message import Declined, Recipient
from tests.house import House, submission


class DispatcherCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(lambda: self.house.close())

    def test_interfaces(self) -> None:
        verifyObject(IDispatcher, self.house.dispatcher)
        verifyObject(IInbound, self.house.inbound)
        verifyObject(IOutlet, self.house.outlet("gsm1"))

    def test_vet(self) -> None:
        session = Session("smtp")
        self.house.wait(self.house.dispatcher.vet(session, Recipient(Address("sms", "+15550000001"))))
        bad = self.house.dispatcher.vet(session, Recipient(Address("sms", "+1")))
        self.assertIs(self.failureResultOf(bad, Refused).value.reason, Reason.BAD_NUMBER)

    def test_a_robots_answer_is_on_record_and_goes_nowhere(self) -> None:
        self.house.open()
        self.house.wait(self.house.dispatcher.record(submission(), "an automatic answer"))
        (row,) = self.house.rows()
        self.assertEqual(
            (row["state"], row["reason"], self.house.gsm.pieces), ("cancelled", "an automatic answer", [])
        )

    def test_declined_recipients_are_told_once(self) -> None:
        self.house.open()
        mail = submission(numbers=["+15550000001", "nobody"])
        receipt = self.house.wait(self.house.dispatcher.submit(mail))
        declined = [fate for fate in receipt.recipients if isinstance(fate, Declined)]
        for _ in range(2):
            self.house.wait(self.house.dispatcher.bounce(mail, receipt.message, declined))
        self.house.settle()
        (piece,) = self.house.mail.pieces
        self.assertEqual(
            (piece.content.event, piece.content.recipient, piece.content.status),
            ("failed", "nobody", "5.1.3"),
        )

    def test_a_store_that_fails_refuses_for_now_and_gives_the_slot_back(self) -> None:
        self.house.open()
        group = self.house.store._group

        def broken() -> None:
            raise sqlite3.OperationalError("disk I/O error")

        works, group._commit = group._commit, broken
        refusal = self.assertRaises(Refused, self.house.send)
        self.assertIs(refusal.reason, Reason.UNAVAILABLE)
        group._commit = works
        self.assertEqual(self.house.outlet("gsm1").free, 1)
        self.house.send()
        self.assertEqual(self.house.states(), ["sent"])
        self.assertEqual(len(self.house.gsm.pieces), 1)
