"""Senders that an account may use, where rules choose them: the administrator's may choose any, users' own only theirs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from smsd.core.arriving.deciding import check_sender
from smsd.policy.rules.model import All, Field, Forward, How, Rule, Send, SetHeader, TextTest
from smsd.values.account import Account
from smsd.values.address import Address
from smsd.values.errors import Reason, Refused
from smsd.values.message import Declined, Parameters, Queued, Receipt, Recipient, Submission, Text
from tests.core.test_judging import JudgingCase, rule

ANN = Account("ann", senders=("ACME", "+3933*"), country="IT")


def own(given: Rule) -> Rule:
    return replace(given, title="own", user="ann")


class ChosenByRules(JudgingCase):
    def setUp(self) -> None:
        super().setUp()
        self.house.accounts["ann"] = ANN

    def hand_in(self, sender: str | None = None, text: str = "hello", account: str | None = "ann") -> Receipt:
        recipient = Recipient(Address("sms", "+15550000001"), "+15550000001", Parameters(sender=sender))
        submission = Submission(
            "http", Address("mailto", "ann@example.org"), (recipient,), Text(text), account
        )
        receipt: Receipt = self.house.wait(self.house.dispatcher.submit(submission))
        self.house.settle()
        return receipt

    def senders(self) -> list[Any]:
        pieces = sorted((*self.house.gsm.pieces, *self.second.pieces), key=lambda piece: piece.delivery)
        return [piece.parameters.sender for piece in pieces]

    def refusal(self, receipt: Receipt) -> str:
        (entry,) = receipt.recipients
        assert isinstance(entry, Declined), entry
        self.assertIs(entry.refusal.reason, Reason.NOT_ALLOWED)
        return entry.refusal.text

    def test_without_rules(self) -> None:
        self.assertIn(
            "may not send as 'EVIL': use ACME, +3933*, or no sender", self.refusal(self.hand_in("EVIL"))
        )
        for sender in ("ACME", "3331234567", None):
            self.assertIsInstance(self.hand_in(sender).recipients[0], Queued)
        self.assertIsInstance(self.hand_in("EVIL", account=None).recipients[0], Queued)
        self.assertEqual(self.senders(), ["ACME", "3331234567", None, "EVIL"])

    def test_the_administrators_rule_may_choose_any(self) -> None:
        self.use(rule(All(), SetHeader("To", "%number%&sender=BOSS")))
        self.hand_in()
        self.hand_in("EVIL")
        self.assertEqual(self.senders(), ["BOSS", "BOSS"])

    def test_it_does_not_excuse_what_the_user_chose(self) -> None:
        self.use(rule(All(), SetHeader("To", "%number%@gsm1")))
        self.refusal(self.hand_in("EVIL"))
        self.assertEqual(self.senders(), [])

    def test_a_users_own_rule_may_not(self) -> None:
        self.use(own(rule(All(), SetHeader("To", "%number%&sender=%subject%EVIL"))))
        self.assertIn("'EVIL'", self.refusal(self.hand_in()))
        self.use(own(rule(All(), SetHeader("To", "%number%&sender=ACME"))))
        self.hand_in()
        self.assertEqual(self.senders(), ["ACME"])

    def test_a_users_rule_behind_the_administrators(self) -> None:
        self.use(
            rule(Field("body", TextTest(How.CONTAINS, "x")), SetHeader("To", "%number%&sender=BOSS")),
            own(rule(All(), SetHeader("To", "%number%&sender=EVIL"))),
        )
        self.refusal(self.hand_in(text="x"))
        self.refusal(self.hand_in(text="y"))
        self.assertEqual(self.senders(), [])

    def test_what_rules_send_besides(self) -> None:
        first = Field("number", TextTest(How.EQUALS, "+15550000001"))
        for action in (
            Forward("sms:+15550000009?sender=BOSS", copy=True),
            Send("sms:+15550000009?sender=BOSS", "look"),
        ):
            self.use(rule(first, action))
            before = len(self.senders())
            self.hand_in()
            self.assertEqual(self.senders()[before:].count("BOSS"), 1, action)
            self.use(own(rule(first, action)))
            before = len(self.senders())
            self.hand_in()
            self.assertEqual(self.senders()[before:], [None], action)
        (rejected, *_) = [row for row in self.house.rows() if row["state"] == "rejected"]
        self.assertIn("may not send as 'BOSS'", rejected["reason"])

    def test_of_incoming_rules(self) -> None:
        check_sender("ACME", ANN)
        self.assertRaises(Refused, check_sender, "EVIL", ANN)
        check_sender("EVIL", Account("bob"))
