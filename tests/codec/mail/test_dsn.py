"""Reports as RFC 3464 wants them, each field read back by the standard library."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from email.message import EmailMessage, Message
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.mail import report, to_text
from smsd.codec.mail.dsn import bare, without_credentials
from smsd.values.errors import InvalidValue
from smsd.values.message import Report

FAILED = Report(
    event="failed",
    message=42,
    delivery=77,
    recipient="+4917012345678",
    reason="the network does not know this number (+CMS ERROR: 1)",
    arrived=1704103200000,
    at=1704106800000,
    text="Grüße aus Köln",
    status="5.1.1",
    original_recipient='rfc822;"sms:+4917012345678?user=ann&pass=secret"@example.org',
    envelope_id="QQ314159",
    subject="Hallo",
    message_id="<orig@example.org>",
    parts_sent=2,
    parts=4,
)


def raw(notice: Report = FAILED, **changes: Any) -> bytes:
    values: dict[str, Any] = {
        "recipient": "ann@example.org",
        "server_name": "sms.example.org",
        "postmaster": "postmaster@example.org",
        "message_id": "<77.42@sms.example.org>",
        **changes,
    }
    return report(notice, **values)


class ReportTests(SynchronousTestCase):
    """One report, its three parts."""

    def parts(
        self, notice: Report = FAILED, **changes: Any
    ) -> tuple[EmailMessage, str, Message, Message, Message]:
        made = raw(notice, **changes)
        mail: Any = email.message_from_bytes(made, policy=email.policy.default)
        self.assertEqual(mail.get_content_type(), "multipart/report")
        self.assertEqual(mail.get_param("report-type"), "delivery-status")
        self.assertTrue(made.isascii())
        words, status, original = mail.get_payload()
        self.assertEqual(status.get_content_type(), "message/delivery-status")
        per_message, per_recipient = [block for block in status.get_payload() if block.keys()]
        return mail, words.get_content().replace("\r\n", "\n"), per_message, per_recipient, original

    def test_failure(self) -> None:
        mail, words, per_message, per_recipient, original = self.parts()
        self.assertEqual(mail["To"], "ann@example.org")
        self.assertEqual(mail["From"].addresses[0].addr_spec, "postmaster@example.org")
        self.assertEqual(mail["Subject"], "Undelivered: SMS to +4917012345678 (Hallo)")
        self.assertEqual(mail["Date"], "Mon, 01 Jan 2024 11:00:00 +0000")
        self.assertEqual(mail["Auto-Submitted"], "auto-replied")
        self.assertEqual(
            (mail["In-Reply-To"], mail["References"]), ("<orig@example.org>", "<orig@example.org>")
        )
        self.assertEqual(
            dict(per_message.items()),
            {
                "Reporting-MTA": "dns; sms.example.org",
                "Original-Envelope-Id": "QQ314159",
                "Arrival-Date": "Mon, 01 Jan 2024 10:00:00 +0000",
            },
        )
        self.assertEqual(
            dict(per_recipient.items()),
            {
                "Original-Recipient": "rfc822; +4917012345678",
                "Final-Recipient": "rfc822; +4917012345678@sms.example.org",
                "Action": "failed",
                "Status": "5.1.1",
                "Diagnostic-Code": "x-sms; the network does not know this number (+CMS ERROR: 1)",
                "Last-Attempt-Date": "Mon, 01 Jan 2024 11:00:00 +0000",
            },
        )
        for phrase in (
            "+4917012345678",
            "could not be delivered",
            "the network does not know",
            "2 of them were sent",
        ):
            self.assertIn(phrase, words)
        self.assertEqual(original.get_content_type(), "message/rfc822")
        inner: Any = original.get_payload(0)
        self.assertEqual(inner["Subject"], "Hallo")
        self.assertEqual(inner["Message-ID"], "<orig@example.org>")
        self.assertEqual(inner["To"], "+4917012345678@sms.example.org")
        self.assertEqual(inner.get_content().replace("\r\n", "\n"), "Grüße aus Köln\n")

    def test_headers_only(self) -> None:
        original = self.parts(full=False)[4]
        self.assertEqual(original.get_content_type(), "text/rfc822-headers")
        self.assertIn("Subject: Hallo", original.get_payload())
        self.assertNotIn("Gr", original.get_payload())

    def test_delay(self) -> None:
        notice = replace(FAILED, event="delayed", status="", retry_until=1704535200000, parts_sent=0, parts=1)
        mail, words, _, per_recipient, _ = self.parts(notice)
        self.assertTrue(mail["Subject"].startswith("Delayed: SMS to"))
        self.assertEqual((per_recipient["Action"], per_recipient["Status"]), ("delayed", "4.0.0"))
        self.assertEqual(per_recipient["Will-Retry-Until"], "Sat, 06 Jan 2024 10:00:00 +0000")
        self.assertIsNone(per_recipient["Last-Attempt-Date"])
        self.assertIn("until Sat, 06 Jan 2024 10:00:00", words)
        self.assertIn("need not send it again", words)

    def test_expired(self) -> None:
        _, words, _, per_recipient, _ = self.parts(replace(FAILED, event="expired", status=""))
        self.assertEqual((per_recipient["Action"], per_recipient["Status"]), ("failed", "4.4.7"))
        self.assertIn("in time", words)

    def test_delivered_carries_headers_only(self) -> None:
        _, words, _, per_recipient, original = self.parts(
            replace(FAILED, event="delivered", status="", reason="")
        )
        self.assertEqual((per_recipient["Action"], per_recipient["Status"]), ("delivered", "2.0.0"))
        self.assertIsNone(per_recipient["Diagnostic-Code"])
        self.assertIn("was delivered on Mon, 01 Jan 2024 11:00:00", words)
        self.assertEqual(original.get_content_type(), "text/rfc822-headers")

    def test_other_events(self) -> None:
        self.assertEqual(self.parts(replace(FAILED, event="relayed", status=""))[3]["Action"], "relayed")
        self.assertEqual(self.parts(replace(FAILED, event="cancelled", status=""))[3]["Action"], "failed")
        self.assertRaises(InvalidValue, raw, replace(FAILED, event="odd"))

    def test_a_status_of_the_wrong_class_is_replaced(self) -> None:
        for event, status, expected in (
            ("failed", "2.0.0", "5.0.0"),
            ("failed", "4.2.1", "4.2.1"),
            ("delayed", "5.1.1", "4.0.0"),
            ("delivered", "5.1.1", "2.0.0"),
            ("failed", "five", "5.0.0"),
        ):
            self.assertEqual(self.parts(replace(FAILED, event=event, status=status))[3]["Status"], expected)

    def test_without_anything_optional(self) -> None:
        notice = Report("failed", 1, 2, "+1555", "", 0, 0, "x")
        mail, words, per_message, per_recipient, _ = self.parts(notice)
        self.assertIsNone(mail["In-Reply-To"])
        self.assertEqual(per_message.keys(), ["Reporting-MTA", "Arrival-Date"])
        self.assertEqual(per_recipient.keys(), ["Final-Recipient", "Action", "Status", "Last-Attempt-Date"])
        self.assertNotIn("parts", words)

    def test_is_recognised_as_a_report(self) -> None:
        read = to_text(raw())
        self.assertTrue(read.automatic)
        self.assertEqual(read.in_reply_to, "<orig@example.org>")

    def test_no_credentials_anywhere(self) -> None:
        secret = '"sms:+1555?user=ann&pass=se cr@et"@example.org'
        for shape in (
            secret,
            "sms:+1555?user=ann&pass=cr@et@example.org",
            "sms:+1555?pass=cr@et",
            "+1555?pass=cr@et",
        ):
            made = raw(
                replace(
                    FAILED, recipient=shape, original_recipient=f"rfc822;{shape}", reason=f"no {shape} here"
                )
            )
            if not shape.startswith("+"):
                self.assertNotIn(b"cr@et", made)
            self.assertNotIn(b"user=", made)
            self.assertIn(b"Final-Recipient: rfc822; +1555@sms.example.org\r\n", made)

    def test_bare(self) -> None:
        for shape, shown in (
            ("sms:+1555", "+1555"),
            ("+1555@example.org", "+1555@example.org"),
            ('"sms:+1555"@example.org', "+1555@example.org"),
            ("<sms:+1555>", "+1555"),
            ("mailto:ann@example.org", "ann@example.org"),
            ("4888", "4888"),
        ):
            self.assertEqual(bare(shape), shown)
        self.assertEqual(without_credentials('a "sms:+1?x=y z"@d b sms:+2?p=q, c'), "a sms:+1 b sms:+2 c")

    def test_nothing_can_add_a_field(self) -> None:
        evil = "x\r\nBcc: y@z\r\n\r\nbody"
        notice = replace(
            FAILED,
            recipient=evil,
            reason=evil,
            subject=evil,
            envelope_id=evil,
            message_id=evil,
            original_recipient=evil,
        )
        mail, *_, original = self.parts(notice, recipient="a@b\r\nBcc: c@d")
        self.assertNotIn("Bcc", mail)
        self.assertNotIn("Bcc", original.get_payload(0))  # type: ignore[arg-type]

    @settings(max_examples=150, deadline=None)
    @given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
    def test_any_words_make_a_readable_report(self, who: str, reason: str, subject: str) -> None:
        _, _, _, per_recipient, _ = self.parts(replace(FAILED, recipient=who, reason=reason, subject=subject))
        self.assertEqual(per_recipient["Action"], "failed")
        self.assertEqual(per_recipient["Status"], "5.1.1")
