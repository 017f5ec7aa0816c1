"""Pieces as letters."""

from __future__ import annotations

import email
from email.header import decode_header, make_header
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsd.gateways.smtp.letters import Letter, letter
from smsd.values.address import Address
from smsd.values.message import Report, Text
from tests.gateways.helpers import piece


class LetterTests(SynchronousTestCase):
    """Envelope and mail from what a piece carries."""

    def made(self, **changes: Any) -> tuple[Letter, Any]:
        made = letter(piece(**changes), "sms.example.org", "admin@example.org", "sms:%s@own.example.org")
        return made, email.message_from_bytes(made.data)

    def test_a_text_comes_from_the_administrator(self) -> None:
        made, mail = self.made()
        self.assertEqual(
            (made.sender, made.recipient, made.international), ("admin@example.org", "ann@example.org", False)
        )
        self.assertEqual(mail["From"], '+15551234567 <"sms:+15551234567"@sms.example.org>')

    def test_without_headers_the_gateways_own_pattern_and_the_arrival(self) -> None:
        _, mail = self.made(headers=())
        self.assertEqual(mail["From"], '+15551234567 <"sms:+15551234567"@own.example.org>')
        self.assertEqual(mail["Date"], "Mon, 01 Jan 2024 10:00:01 +0000")
        self.assertIsNone(mail["X-SMS-Gateway"])

    def test_a_wrong_pattern_loses_no_message(self) -> None:
        _, mail = self.made(headers=(("mail_from", "%s@not a domain"),))
        self.assertEqual(mail["From"], "+15551234567@sms.example.org")

    def test_what_the_core_knows_is_told(self) -> None:
        _, mail = self.made(
            headers=(
                ("own", "+4917099"),
                ("missing-parts", "2"),
                ("in_reply_to", "<o@example.org>"),
                ("subject", "Lunch"),
                ("unreadable", "1"),
            )
        )
        self.assertEqual(mail["X-SMS-Recipient"], "+4917099")
        self.assertEqual(mail["X-SMS-Missing-Parts"], "2")
        self.assertEqual((mail["In-Reply-To"], mail["Subject"]), ("<o@example.org>", "Re: Lunch"))

    def test_what_somebody_wrote_in_a_chat(self) -> None:
        chat = Address("xmpp", "ann@chat.example")
        made, mail = self.made(origin=chat, headers=(("chat_from", "ann@example.net"), ("subject", "Grüße")))
        self.assertEqual((made.sender, mail["From"]), ("ann@example.net", "ann@example.net"))
        self.assertEqual((mail["To"], mail["Reply-To"]), ("ann@example.org", None))
        self.assertEqual(str(make_header(decode_header(mail["Subject"]))), "Grüße")

    def test_what_somebody_elsewhere_wrote_in_a_chat(self) -> None:
        chat = Address("xmpp", "ann@chat.example")
        made, mail = self.made(origin=chat, headers=(("chat_from", "-"),))
        self.assertEqual(
            (made.sender, mail["From"]),
            ("admin@example.org", '"ann@chat.example via admin" <admin@example.org>'),
        )
        self.assertEqual(
            (mail["Reply-To"], mail["Subject"]), ("ann@chat.example", "Message from ann@chat.example")
        )

    def test_a_copy_of_a_chat_message_to_a_phone_is_a_copy(self) -> None:
        chat = Address("xmpp", "ann@chat.example")
        _, mail = self.made(
            origin=chat, headers=(("chat_from", "ann@example.net"), ("sms_to", "+393330000001"))
        )
        self.assertEqual(mail["From"], '"ann@chat.example via admin" <admin@example.org>')

    def test_a_copy_of_what_somebody_wrote_to_a_phone(self) -> None:
        headers = (("sms_to", "+393330000001"), ("from", "ann@example.org"))
        _, mail = self.made(origin=Address("mailto", "ann@example.org"), headers=headers)
        self.assertEqual(mail["From"], '"ann@example.org via admin" <admin@example.org>')
        self.assertEqual((mail["Reply-To"], mail["To"]), ("ann@example.org", "ann@example.org"))
        self.assertEqual(
            (mail["Subject"], mail["X-SMS-Recipient"]), ("SMS to +393330000001", "+393330000001")
        )

    def test_what_rules_wrote_is_shown(self) -> None:
        _, mail = self.made(
            headers=(("to", "Team <team@example.org>"), ("subject", "Alarm"), ("header:X-Team", "ops"))
        )
        self.assertEqual(
            (mail["To"], mail["Subject"], mail["X-Team"]), ("Team <team@example.org>", "Alarm", "ops")
        )

    def test_an_answer_continues_the_thread(self) -> None:
        _, mail = self.made(headers=(("in_reply_to", "<o@example.org>"), ("references", "<n@example.org>")))
        self.assertEqual(mail["References"].split(), ["<n@example.org>", "<o@example.org>"])

    def test_what_no_phone_wrote_comes_from_the_administrator(self) -> None:
        _, mail = self.made(origin=Address("account", "smsd"), headers=())
        self.assertEqual(mail["From"], "smsd via admin <admin@example.org>")

    def test_a_report_has_no_sender(self) -> None:
        notice = Report("delayed", 1, 2, "+1555", "busy", 0, 0, "text")
        made, mail = self.made(content=notice)
        self.assertEqual(made.sender, "")
        self.assertEqual(mail.get_payload(2).get_content_type(), "message/rfc822")

    def test_a_report_without_the_text_has_the_headers(self) -> None:
        notice = Report("failed", 1, 2, "+1555", "busy", 0, 0, "", subject="Hi")
        _, mail = self.made(content=notice)
        self.assertEqual(mail.get_payload(2).get_content_type(), "text/rfc822-headers")


class OfLists(SynchronousTestCase):
    def test_from_the_list_with_its_owner_in_the_envelope(self) -> None:
        headers = (
            ("subject", "[ops] disk full"), ("list", "ops@sms.example.org"), ("owner", "boss@example.org"),
            ("writer", "ann@example.org"), ("from_name", "Ann"), ("loop", "a@x.example b@x.example"),
        )  # fmt: skip
        made = letter(
            piece(origin=Address("mailto", "ann@example.org"), headers=headers, content=Text("sda1")),
            "mail.example.org",
            "root@example.org",
        )
        mail = email.message_from_bytes(made.data)
        self.assertEqual(made.sender, "boss@example.org")
        self.assertEqual(mail["From"], "Ann via ops <ops@sms.example.org>")
        self.assertEqual(mail["Subject"], "[ops] disk full")
        self.assertEqual(mail.get_all("X-Loop"), ["a@x.example", "b@x.example", "ops@sms.example.org"])
