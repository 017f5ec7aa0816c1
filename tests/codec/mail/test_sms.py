"""SMS as mails, read back by the standard library and by `to_text`."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.mail import from_sms, reply_address, to_text
from smsd.values.errors import InvalidValue
from smsd.values.message import Binary, Content, Text


def raw(content: Content | str, **changes: Any) -> bytes:
    values: dict[str, Any] = {
        "number": "+15551234567",
        "recipient": "ann@example.org",
        "pattern": "sms:%s@sms.example.org",
        "server_name": "mail.example.org",
        "message_id": "<1.2@mail.example.org>",
        "date": 1704103200000,
        "gateway": "modem1",
        **changes,
    }
    return from_sms(Text(content) if isinstance(content, str) else content, **values)  # type: ignore[arg-type]


def parsed(content: Content | str, **changes: Any) -> EmailMessage:
    return email.message_from_bytes(raw(content, **changes), policy=email.policy.default)  # type: ignore[return-value]


class AddressTests(SynchronousTestCase):
    """From: by the gateway's pattern (I1)."""

    def test_patterns(self) -> None:
        for pattern, number, header, envelope in (
            ("sms:%s@d.org", "+1555", '+1555 <"sms:+1555"@d.org>', '"sms:+1555"@d.org'),
            ('"sms:%s"@d.org', "+1555", '+1555 <"sms:+1555"@d.org>', '"sms:+1555"@d.org'),
            ("%s@d.org", "+1555", "+1555@d.org", "+1555@d.org"),
            ("%s", "+1555", "+1555@server.org", "+1555@server.org"),
            ("sms:%s", "+1555", '+1555 <"sms:+1555"@server.org>', '"sms:+1555"@server.org'),
            ("gate@d.org", "+1555", "gate@d.org", "gate@d.org"),
            ("sms:%s@[127.0.0.1]", "+1555", '+1555 <"sms:+1555"@[127.0.0.1]>', '"sms:+1555"@[127.0.0.1]'),
            ("%s@127.0.0.1", "4888", "4888@127.0.0.1", "4888@127.0.0.1"),
            ("SMS %s <sms:%s@d.org>", "+1555", 'SMS +1555 <"sms:+1555"@d.org>', '"sms:+1555"@d.org'),
            ("%s@d.org", "Poste 7", 'Poste 7 <"Poste 7"@d.org>', '"Poste 7"@d.org'),
            ("%s@d.org", 'a"b\\c', '"a\\"b\\\\c" <"a\\"b\\\\c"@d.org>', '"a\\"b\\\\c"@d.org'),
            ("%s@d.org", "Café", "=?utf-8?B?Q2Fmw6k=?= <Caf%C3%A9@d.org>", "Caf%C3%A9@d.org"),
            ("%s@bücher.example", "+1", "+1@xn--bcher-kva.example", "+1@xn--bcher-kva.example"),
            (
                "%s@d.org",
                "a\r\nBcc: x@y.org",
                '"a Bcc: x@y.org" <"a Bcc: x@y.org"@d.org>',
                '"a Bcc: x@y.org"@d.org',
            ),
            ("%s@d.org", "", "unknown@d.org", "unknown@d.org"),
        ):
            made = reply_address(pattern, number, "server.org")
            self.assertEqual((made.header, made.envelope), (header, envelope))

    def test_domains_that_are_none(self) -> None:
        for pattern in ("%s@", "%s@a b", "%s@a\r\nb", "%s@-a", "%s@a>b", "%s@" + "ü" * 70):
            self.assertRaises(InvalidValue, reply_address, pattern, "+1555", "server.org")


class MailTests(SynchronousTestCase):
    """The mail itself."""

    def test_fields(self) -> None:
        mail = parsed("Hello")
        self.assertEqual(mail["From"], '+15551234567 <"sms:+15551234567"@sms.example.org>')
        self.assertEqual(mail["From"].addresses[0].username, "sms:+15551234567")
        self.assertEqual(mail["To"], "ann@example.org")
        self.assertEqual(mail["Subject"], "SMS from +15551234567")
        self.assertEqual(mail["Date"], "Mon, 01 Jan 2024 10:00:00 +0000")
        self.assertEqual(mail["Message-ID"], "<1.2@mail.example.org>")
        self.assertEqual(mail["X-SMS-Gateway"], "modem1")
        self.assertEqual(mail["X-SMS-Sender"], "+15551234567")
        self.assertIsNone(mail["Auto-Submitted"])
        self.assertEqual(mail.get_content().replace("\r\n", "\n"), "Hello\n")
        self.assertFalse(mail.defects)

    def test_one_thread_per_number_and_mailbox(self) -> None:
        one, two = parsed("a"), parsed("b", message_id="<3@x>", recipient="ANN@example.org")
        self.assertEqual(one["References"], two["References"])
        self.assertEqual(one["References"], one["In-Reply-To"])
        self.assertNotEqual(one["References"], parsed("a", number="+1555")["References"])
        self.assertNotEqual(one["References"], parsed("a", recipient="bob@example.org")["References"])

    def test_an_answer_joins_the_thread_of_the_mail(self) -> None:
        mail = parsed("yes", in_reply_to="<orig@example.org>", subject="Lunch?")
        self.assertEqual(mail["In-Reply-To"], "<orig@example.org>")
        self.assertEqual(mail["References"], "<orig@example.org>")
        self.assertEqual(mail["Subject"], "Re: Lunch?")
        self.assertEqual(parsed("yes", subject="AW: Lunch?")["Subject"], "AW: Lunch?")

    def test_encodings(self) -> None:
        for text, charset, encoding in (
            ("Hello\nyou", "us-ascii", "7bit"),
            ("x" * 160, "us-ascii", "7bit"),
            ("x" * 1600, "us-ascii", "quoted-printable"),
            ("From here", "us-ascii", "quoted-printable"),
            ("blank at the end ", "us-ascii", "quoted-printable"),
            ("a\x1bb\x0c", "us-ascii", "quoted-printable"),
            ("Città, perché no", "utf-8", "quoted-printable"),
            ("Привет, как дела?", "utf-8", "base64"),
            ("😀", "utf-8", "base64"),
            ("", "us-ascii", "7bit"),
        ):
            mail = parsed(text)
            self.assertEqual(
                (mail.get_content_charset(), mail["Content-Transfer-Encoding"]), (charset, encoding)
            )
            self.assertEqual(mail.get_content().replace("\r\n", "\n").rstrip("\n"), text)
            self.assertEqual(to_text(raw(text)).text, text)

    def test_lines_of_a_mail(self) -> None:
        for text in ("x" * 5000, "é" * 3000, ".\n.\n", "From x\n" * 3, "日本\n" * 500):
            lines = raw(text).split(b"\r\n")
            self.assertLess(max(map(len, lines)), 999)
            self.assertFalse(
                [line for line in lines if b"\n" in line or b"\r" in line or line.startswith(b"From ")]
            )

    def test_nothing_can_add_a_field(self) -> None:
        evil = "+1555\r\nBcc: x@y.org\r\n\r\nbody"
        mail = parsed(
            "text", number=evil, recipient="a@b\r\nBcc: x@y.org", gateway=evil, subject=evil, in_reply_to=evil
        )
        self.assertEqual(mail.get_content().replace("\r\n", "\n"), "text\n")
        self.assertNotIn("Bcc", mail)
        self.assertNotIn("Bcc", parsed("x", number="\u2028Bcc: x\x85Bcc: y"))

    def test_binary(self) -> None:
        mail = parsed(Binary(bytes(range(256)), b"\x05\x04\x0b\x84\x23\xf0"))
        words, attachment = mail.iter_parts()
        self.assertIn("256 octets", words.get_content().replace("\r\n", "\n"))
        self.assertIn("05 04 0b 84 23 f0", words.get_content().replace("\r\n", "\n"))
        self.assertEqual(attachment.get_content(), bytes(range(256)))
        self.assertEqual(attachment.get_filename(), "sms.bin")
        self.assertEqual(mail["X-SMS-UDH"], "05040b8423f0")

    def test_missing_parts_are_told(self) -> None:
        mail = parsed("the end", missing="1,3", own="+4917099")
        self.assertEqual((mail["X-SMS-Missing-Parts"], mail["X-SMS-Recipient"]), ("1,3", "+4917099"))
        self.assertIn("missing part 1,3", mail.get_content())

    def test_impossible_dates(self) -> None:
        self.assertEqual(parsed("x", date=-5)["Date"], "Thu, 01 Jan 1970 00:00:00 +0000")
        self.assertEqual(parsed("x", date=10**20)["Date"], "Fri, 31 Dec 9999 23:59:59 +0000")

    def test_long_names(self) -> None:
        mail = parsed("x", number="é" * 300)
        self.assertFalse(mail.defects)
        self.assertLess(max(map(len, raw("x", number="é" * 300).split(b"\r\n"))), 999)

    @settings(max_examples=200, deadline=None)
    @given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r"), max_size=300))
    def test_every_text_survives(self, text: str) -> None:
        made = raw(text)
        self.assertEqual(to_text(made).text.strip(), text.strip())
        self.assertTrue(made.isascii())

    @settings(max_examples=200, deadline=None)
    @given(st.text(max_size=60), st.text(max_size=40))
    def test_every_sender_is_harmless(self, number: str, subject: str) -> None:
        made = raw("text", number=number, subject=subject)
        head, _, body = made.partition(b"\r\n\r\n")
        self.assertEqual(body, b"text\r\n")
        self.assertTrue(head.isascii())
        names = [line.split(b":")[0] for line in head.split(b"\r\n") if not line.startswith(b" ")]
        self.assertEqual(len(names), 13)
        self.assertFalse([line for line in head.split(b"\r\n") if not line.strip()])
