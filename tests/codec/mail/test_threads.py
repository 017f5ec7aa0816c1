"""Threads: what an answer refers to, read from mails and written into mails made from SMS; and what rules may write there."""

from __future__ import annotations

import email
import email.policy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.mail import from_sms, headers, to_text
from smsd.values.message import Text


def made(**changes: Any) -> Any:
    values: dict[str, Any] = {
        "number": "+15551234567", "recipient": "ann@example.org", "pattern": "%s@sms.example.org",
        "server_name": "mail.example.org", "message_id": "<1.2@mail.example.org>", "date": 0, **changes,
    }  # fmt: skip
    return email.message_from_bytes(from_sms(Text("yes"), **values), policy=email.policy.default)


class Reading(SynchronousTestCase):
    def references(self, head: bytes) -> str:
        return to_text(head + b"\r\n\r\nhi").references

    def test_what_a_mail_continues(self) -> None:
        for head, expected in (
            (b"Subject: new", ""),
            (b"References: <a@x>\r\n\t<b@x>", "<a@x> <b@x>"),
            (b"In-Reply-To: <b@x>", "<b@x>"),
            (b"In-Reply-To: <b@x>\r\nReferences: <a@x>", "<a@x>"),
            (b"References: nonsense <a@x> and more", "<a@x>"),
            (b"References: <\xc3\xa4@x> <a@x>", "<a@x>"),
        ):
            self.assertEqual(self.references(head), expected, head)

    @given(st.binary(max_size=300))
    def test_any_field_is_read(self, octets: bytes) -> None:
        found = self.references(
            b"References: " + octets.replace(b"\n", b"").replace(b"\r", b"").replace(b"\0", b"")
        )
        self.assertTrue(found.isascii())
        self.assertNotIn("\n", found)

    def test_a_thread_without_end_is_cut_in_its_middle(self) -> None:
        ids = [f"<{number}@x>" for number in range(40)]
        kept = headers.references(" ".join(ids), "<new@x>").split()
        self.assertEqual(
            (kept[0], kept[-2:], len(kept)), ("<0@x>", ["<39@x>", "<new@x>"], headers.MOST_REFERENCES)
        )


class Writing(SynchronousTestCase):
    def test_an_answer_stands_behind_what_it_answers(self) -> None:
        mail = made(in_reply_to="<b@x>", references="<a@x> <b@x> <a@x>", subject="Lunch")
        self.assertEqual(
            (mail["In-Reply-To"], mail["References"], mail["Subject"]), ("<b@x>", "<a@x> <b@x>", "Re: Lunch")
        )

    def test_long_threads_are_folded(self) -> None:
        ids = " ".join(f"<{'x' * 200}{number}@example.org>" for number in range(12))
        mail = made(in_reply_to="<b@x>", references=ids)
        self.assertEqual(len(mail["References"].split()), 12)

    def test_without_a_mail_to_answer_the_number_is_the_thread(self) -> None:
        mail = made(references="<a@x>")
        self.assertEqual(mail["References"], mail["In-Reply-To"])
        self.assertTrue(mail["References"].startswith("<sms."))

    def test_a_subject_that_answers_nothing_is_shown_as_it_is(self) -> None:
        self.assertEqual(made(subject="Alarm")["Subject"], "Alarm")


class Rewritten(SynchronousTestCase):
    """To: and further fields, as rules write them."""

    def test_to(self) -> None:
        for to, expected in (
            ("bob@example.org", "bob@example.org"),
            ("Bob <bob@example.org>", "Bob <bob@example.org>"),
            ('"Bob, the" <bob@example.org>', '"Bob, the" <bob@example.org>'),
            ("Böb <bob@example.org>", "Böb <bob@example.org>"),
            ("böb@example.org", "ann@example.org"),
            ("", "ann@example.org"),
            ("x" * 1000 + "@example.org", "ann@example.org"),
        ):
            self.assertEqual(str(made(to=to)["To"]), expected)
        self.assertNotIn("Bcc", made(to="a@b\r\nBcc: x@y"))

    def test_fields(self) -> None:
        mail = made(
            extra=[
                ("X-Team", "ops"),
                ("X-Team", "again"),
                ("Reply-To", "desk@example.org"),
                ("X-Größe", "x"),
                ("X-Town", "Zürich"),
                ("X-Evil", "a\r\nBcc: x@y.org"),
            ]
        )
        self.assertEqual(mail.get_all("X-Team"), ["ops", "again"])
        self.assertEqual((mail["Reply-To"], mail["X-Town"]), ("desk@example.org", "Zürich"))
        self.assertEqual(mail["X-Evil"], "a Bcc: x@y.org")
        self.assertNotIn("Bcc", mail)

    def test_none_of_those_that_make_the_mail_what_it_is(self) -> None:
        plain = made()
        for name in (
            "From", "To", "subject", "DATE", "Message-ID", "In-Reply-To", "References", "MIME-Version", "Content-Type",
            "Content-Transfer-Encoding", "Bcc", "Received", "Return-Path", "Auto-Submitted", "X-SMS-Sender", "a b", "",
        ):  # fmt: skip
            mail = made(extra=[(name, "<evil@example.org>")])
            self.assertEqual(mail.items(), plain.items(), name)
