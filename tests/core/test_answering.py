"""Mails that answer an SMS at an address without its number."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from smsd.core.answering import AnswerOffice
from smsd.interfaces import IPostbox, IPostOffice, MailIn, Session
from smsd.values.account import Account
from smsd.values.errors import Reason, Refused
from tests.core.arriving import PHONE, ArrivingCase


class Nothing:
    """A post office without addresses."""

    def find(self, local: str, domain: str, ours: bool) -> Any:
        return "the other's" if local == "list" else None


class Addresses(SynchronousTestCase):
    """Which addresses are such."""

    def found(self, *patterns: str) -> Any:
        office = AnswerOffice(Nothing(), None, None)
        verifyObject(IPostOffice, office)
        office.use(patterns, "mail.example.org")
        return lambda local, domain, ours=False: office.find(local, domain, ours)

    def test_one_for_all_phones(self) -> None:
        find = self.found("SMS gateway <gate@example.org>")
        box = find("Gate", "Example.ORG", ours=True)
        verifyObject(IPostbox, box)
        self.assertEqual(box.address, "Gate@Example.ORG")
        self.assertIsNone(find("gate", "other.example", ours=True))
        self.assertIsNone(find("gateway", "example.org", ours=True))

    def test_only_the_number(self) -> None:
        for pattern, local in (("%s", "+15551234567"), ("sms:%s", "sms:+15551234567"), ("%s", "4888")):
            find = self.found(pattern)
            self.assertIsNotNone(find(local, "mail.example.org"), pattern)
            self.assertIsNone(find(local, "elsewhere.example"), pattern)
            self.assertIsNone(find("bob", "mail.example.org"), pattern)

    def test_what_the_door_reads_itself_is_left_to_it(self) -> None:
        find = self.found("%s@sms.example.org", "sms:%s@example.org")
        self.assertIsNone(find("+15551234567", "sms.example.org", ours=True))
        self.assertIsNone(find("sms:+15551234567", "example.org", ours=True))

    def test_other_addresses_are_the_others(self) -> None:
        self.assertEqual(self.found("list@example.org")("list", "example.org", ours=True), "the other's")
        self.assertIsNone(self.found()("gate", "example.org"))
        self.assertIsNone(self.found("%s@not a domain")("gate", "example.org"))
        self.assertIsNone(self.found("%s")("1" * 700, "mail.example.org"))


class Mails(ArrivingCase):
    def setUp(self) -> None:
        super().setUp()
        self.sms("question?")
        (piece,) = self.house.mail.pieces
        self.ours = f"<{piece.delivery}.{piece.message}@mail.example.org>"
        office = AnswerOffice(Nothing(), self.house.inbound, self.house.dispatcher)
        office.use(["gate@example.org"], "mail.example.org")
        self.box = office.find("gate", "example.org", True)

    def answer(self, head: str, **changes: Any) -> Any:
        values: dict[str, Any] = {
            "session": Session("smtp", "demo", "127.0.0.1"),
            "sender": "ann@example.org",
            "text": "answer",
            "sms": "answer",
            "message_id": "<a1@example.org>",
            "subject": "Re: SMS",
            "head": head.encode(),
            "scope": "smtp:127.0.0.1",
        }
        self.house.accounts["demo"] = Account("demo")
        posted = self.house.wait(self.box.deliver(MailIn(**{**values, **changes})))
        self.house.settle()
        return posted

    def refused(self, head: str, **changes: Any) -> Refused:
        return self.assertRaises(Refused, self.answer, head, **changes)

    def test_the_phone_gets_the_answer(self) -> None:
        for head in (
            f"In-Reply-To: {self.ours}",
            f"Subject: x\r\nin-reply-to:\r\n {self.ours} ",
            f"References: <x@y>\r\n {self.ours}\r\n <z@y>",
            f"In-Reply-To: <unknown@y>\r\nReferences: {self.ours}",
        ):
            self.house.gsm.pieces.clear()
            self.answer(head, scope="")
            self.assertEqual(self.texts(), [(PHONE, "answer")], head)

    def test_and_the_next_answer_comes_back_into_the_thread(self) -> None:
        self.answer(f"In-Reply-To: {self.ours}\r\nReferences: {self.ours}")
        self.house.mail.pieces.clear()
        self.sms("again")
        (piece,) = self.house.mail.pieces
        about = dict(piece.headers)
        self.assertEqual((about["in_reply_to"], about["references"]), ("<a1@example.org>", self.ours))

    def test_the_same_mail_again_is_one_sms(self) -> None:
        first, again = (self.answer(f"In-Reply-To: {self.ours}") for _ in range(2))
        self.assertEqual(first, again)
        self.assertEqual(len(self.texts()), 1)

    def test_an_answer_to_nothing_known_is_refused(self) -> None:
        for head in ("Subject: hello", "In-Reply-To: <1.2@mail.example.org>", "References: nonsense"):
            refusal = self.refused(head)
            self.assertEqual(refusal.reason, Reason.BAD_NUMBER)
            self.assertIn("gate@example.org", refusal.text)
        self.assertEqual(self.texts(), [])

    def test_only_for_who_may_send(self) -> None:
        stranger = Session("smtp", None, "192.0.2.1")
        head = f"In-Reply-To: {self.ours}"
        self.assertEqual(self.refused(head, session=stranger).reason, Reason.NOT_AUTHENTICATED)
        self.failureResultOf(self.box.admit(stranger, "x@y.org", False), Refused)
        self.assertIsNone(self.successResultOf(self.box.admit(stranger, "x@y.org", True)))
        self.answer(head, session=stranger, anonymous=True)
        self.assertEqual(len(self.texts()), 1)

    def test_no_report_and_nothing_empty(self) -> None:
        head = f"In-Reply-To: {self.ours}"
        self.assertEqual(self.refused(head, sender="").reason, Reason.NOT_ALLOWED)
        self.assertEqual(self.refused(head, sms="").reason, Reason.EMPTY)
