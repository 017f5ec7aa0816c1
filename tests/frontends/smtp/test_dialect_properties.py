"""Whatever arrives at the doors of SMSPortal and COP: an answer each time, in whatever pieces; who was told 250 is committed."""

from __future__ import annotations

import itertools
import re
from base64 import b64encode
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.frontends.smtp.dialogue import Dialogue
from tests.house import House

FEW = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
LOGIN = [b"EHLO x", b"AUTH LOGIN", b64encode(b"john"), b64encode(b"johnpw")]
DIALECTS: dict[str, dict[str, Any]] = {
    "smsportal": {"dialect": "smsportal"},
    "cop": {"dialect": "cop", "networks": ["127.0.0.0/8"]},
}
VERBS = [
    b"EHLO x",
    b"HELO x",
    b"MAIL FROM:",
    b"RCPT TO:",
    b"DATA",
    b"RSET",
    b"AUTH LOGIN",
    b"NOOP",
    b"BDAT 3",
    b".",
]
WHOLE = [
    *LOGIN, b"MAIL FROM:+39333", b"MAIL FROM:<a@x>", b"RCPT TO:+391234567890", b"RCPT TO:<0039333123456@x>",
    b"RCPT TO:<+15551234567>", b"DATA", b"Ciao: come stai", b"From: me", b"", b".",
]  # fmt: skip
LINES = st.lists(
    st.one_of(
        st.sampled_from(WHOLE),
        st.sampled_from(WHOLE),
        st.binary(max_size=30),
        st.builds(lambda verb, rest: verb + rest, st.sampled_from(VERBS), st.binary(max_size=30)),
        st.builds(lambda text: b"RCPT TO:" + text.encode(), st.text("+0139<>@,;x. \"", max_size=20)),
        st.builds(lambda text: b"MAIL FROM:" + text.encode(), st.text("+0139<>@,;xA. \"=", max_size=20)),
    ),
    max_size=30,
)  # fmt: skip


def session(dialect: str, **changes: Any) -> Dialogue:
    """Somebody who may send."""
    talk = Dialogue(error_limit=1000, auth_limit=100, **{**DIALECTS[dialect], **changes})
    talk.send(*(LOGIN if dialect == "smsportal" else [b"HELO x"]))
    return talk


class Garbage(SynchronousTestCase):
    """Anything is answered; nothing breaks (an exception would be logged, and fail the test)."""

    @settings(FEW, max_examples=250)
    @given(st.sampled_from(sorted(DIALECTS)), LINES)
    def test_lines(self, dialect: str, lines: list[bytes]) -> None:
        talk = session(dialect)
        for line in lines:
            for reply in talk.raw(line + b"\r\n").splitlines():
                self.assertRegex(reply, r"^[2345][0-9][0-9][ -]")
                self.assertLessEqual(len(reply), 510)
                self.assertNotRegex(reply, r"^451|^... [245]\.[0-9]\.[0-9] ")
        self.assertEqual(self.flushLoggedErrors(), [])

    @settings(FEW, max_examples=150)
    @given(st.sampled_from(sorted(DIALECTS)), st.binary(max_size=600))
    def test_octets(self, dialect: str, octets: bytes) -> None:
        session(dialect).raw(octets)
        self.assertEqual(self.flushLoggedErrors(), [])

    @FEW
    @given(st.sampled_from(sorted(DIALECTS)), st.lists(st.integers(0, 400), max_size=30))
    @example("cop", list(range(400)))
    @example("smsportal", list(range(400)))
    def test_any_split_gives_the_same_replies(self, dialect: str, cuts: list[int]) -> None:
        octets = b"\r\n".join([*WHOLE, b"\n.\nMAIL FROM:<smuggled@x>\r\n..\r\n.", b"QUIT", b""])
        whole, pieces = session(dialect), session(dialect)
        expected = whole.raw(octets)
        places = sorted({0, len(octets), *(min(cut, len(octets)) for cut in cuts)})
        said = "".join(pieces.raw(octets[start:end]) for start, end in itertools.pairwise(places))
        self.assertEqual(said, expected)
        self.assertEqual(pieces.dispatcher.submissions, whole.dispatcher.submissions)

    @FEW
    @given(st.sampled_from(sorted(DIALECTS)), st.binary(max_size=300))
    def test_any_message(self, dialect: str, octets: bytes) -> None:
        talk = session(dialect)
        talk.send(b"MAIL FROM:<a@x>", b"RCPT TO:<+391234567890>", b"DATA")
        answer = talk.raw(octets.replace(b"\r\n.", b"\r\n..").removeprefix(b".") + b"\r\n.\r\n")
        self.assertRegex(answer, r"^(250|55[24]) ")
        self.assertTrue(talk.raw(b"NOOP\r\n").startswith("250 "))
        self.assertEqual(self.flushLoggedErrors(), [])


class Smuggling(SynchronousTestCase):
    """Only CRLF . CRLF ends a message, also where people type by hand."""

    def test_other_ends_are_text(self) -> None:
        for dialect in DIALECTS:
            for end in (b"\n.\n", b"\n.\r\n", b"\r.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r\n\0.\r\n"):
                talk = session(dialect)
                talk.send(b"MAIL FROM:<a@x>", b"RCPT TO:<+391234567890>", b"DATA")
                smuggled = end + b"MAIL FROM:<b@x>\r\nRCPT TO:<+391234567891>\r\nDATA\r\nsmuggled"
                answers = talk.raw(b"Ciao" + smuggled + b"\r\n.\r\n").splitlines()
                self.assertEqual(len(answers), 1, (dialect, end, answers))
                self.assertLessEqual(len(talk.dispatcher.submissions), 1)

    def test_a_bare_line_feed_ends_no_command(self) -> None:
        for dialect in DIALECTS:
            talk = session(dialect)
            self.assertEqual(talk.raw(b"NOOP\n"), "")
            self.assertEqual(len(talk.raw(b"NOOP\r\n").splitlines()), 1)


class Committed(SynchronousTestCase):
    """Accepted means committed: who reads 250 finds the message in the store, and who does not reads why, whatever the disk and
    the clock do meanwhile."""

    @settings(FEW, max_examples=25)
    @given(
        st.sampled_from(sorted(DIALECTS)),
        st.lists(
            st.tuples(
                st.lists(st.integers(390000000000, 390000000009), min_size=1, max_size=3),
                st.sampled_from(["Ciao", "Ciao: come stai", "a" * 161, "", "From: ann@x\r\n\r\nCiao"]),
                st.booleans(),
            ),
            min_size=1,
            max_size=4,
        ),
    )
    def test_the_store_has_what_was_accepted(
        self, dialect: str, mails: list[tuple[list[int], str, bool]]
    ) -> None:
        house = House()
        try:
            house.open()
            talk = session(dialect, dispatcher=house.dispatcher, reactor=house.clock)
            accepted = 0
            for numbers, text, broken in mails:
                talk.send(b"MAIL FROM:<a@x>", *(f"RCPT TO:<+{number}>" for number in numbers), b"DATA")
                answer = talk.raw(f"{text}\r\n.\r\n".encode())
                if broken:  # the client is gone before it reads the answer: the message is committed all the same, or not at all
                    house.settle()
                    answer += talk.output()
                    talk.protocol.connectionLost()
                    talk = session(dialect, dispatcher=house.dispatcher, reactor=house.clock)
                else:
                    self.assertFalse(answer.startswith("250"), "an answer before the commit")
                    house.settle()
                    answer += talk.output()
                self.assertTrue(re.match(r"(250|55[0-9])[ -]", answer), answer)
                if answer.startswith("250"):
                    accepted += len(set(numbers))
                self.assertEqual(len(house.rows(limit=1000)), accepted)
            after = house = house.crash()
            self.assertEqual(len(after.rows(limit=1000)), accepted)
        finally:
            house.close()
