"""Texts without a mail header are told from mails."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec import mail
from smsd.codec.mail.mime import HEADER_LIMIT

LINES = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0\x85"), max_size=40)


class Headers(SynchronousTestCase):
    """What is one."""

    def test_mails(self) -> None:
        for head in (
            b"Subject: hi",
            b"From: ann@example.org\r\nTo: <+39333@x>",
            b"Feedback-ID: 1\r\nFrom: ann@example.org\r\nDate: now",
            b"X-Mailer: Outlook\r\n\tExpress",
            b"Received: from a\r\n by b\r\nList-Id: x",
            b"MIME-Version : 1.0",
        ):
            for end in (b"\r\n", b"\n"):
                raw = head.replace(b"\r\n", end) + end + end
                self.assertTrue(mail.has_header(raw), raw)
                self.assertTrue(mail.has_header(raw + b"text"), raw)

    def test_texts(self) -> None:
        for text in (
            b"",
            b"\r\nSubject: hi\r\n\r\ntext",
            b"Ciao: come stai\r\n",
            b"Ciao: come stai\r\n\r\nbene\r\n",
            b"Note: call me\r\nFrom: Ann\r\n\r\nthanks",
            b"Subject: hi\r\n",  # no blank line
            b"Subject: hi\r\ntext\r\n\r\n",
            b"Subject hi\r\n\r\ntext",
            b"From ann\r\nSubject: hi\r\n\r\n",
            b" Subject: hi\r\n\r\ntext",
        ):
            self.assertFalse(mail.has_header(text), text)

    def test_a_header_beyond_the_limit_is_none(self) -> None:
        self.assertFalse(mail.has_header(b"X-A: b\r\n" * (HEADER_LIMIT // 8 + 1) + b"\r\ntext"))

    @given(st.binary(max_size=300))
    def test_any_octets(self, raw: bytes) -> None:
        self.assertIn(mail.has_header(raw), (True, False))

    @given(st.lists(LINES, max_size=5))
    def test_a_text_that_is_none_is_read_whole(self, lines: list[str]) -> None:
        raw = "\r\n".join(lines).encode()
        text = mail.to_text(b"\r\n" + raw).text
        if not mail.has_header(raw):
            self.assertEqual(text.split(), "\n".join(lines).split())
