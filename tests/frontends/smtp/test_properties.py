"""Whatever arrives, in whatever pieces: the same replies, and never an exception."""

from __future__ import annotations

import itertools

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.frontends.smtp.body import LONGEST_LINE, Body
from tests.frontends.smtp.dialogue import MAIL, PLAIN, Dialogue

SESSION = b"".join(
    [
        b"EHLO x\r\nAUTH PLAIN " + PLAIN + b"\r\nMAIL FROM:<ann@example.org> SIZE=5\r\n",
        b"RCPT TO:<+1@sms.example>\r\nRCPT TO:<+39 333>\r\nDATA\r\n" + MAIL + b"..\r\n\r.\r\n\n.\n.\r\n",
        b"NOOP \xff\r\nFOO\r\nBDAT 6\r\nRSET\r\nVRFY x\r\nMAIL FROM:<>\r\nRCPT TO:<+1@gw1>\r\nDATA\r\n.\r\n",
        b"AUTH LOGIN\r\nMAIL FROM:<\xc3\xa4@x> SMTPUTF8\r\nRCPT TO:<+2@sms.example>\r\nDATA\r\n",
        b"a" * (LONGEST_LINE + 1) + b"\r\n.\r\nNOOP " + b"b" * 13_000 + b"\r\nQUIT\r\nNOOP\r\n",
    ]
)
VERBS = (
    "EHLO x",
    "HELO x",
    "MAIL FROM:",
    "RCPT TO:",
    "DATA",
    "RSET",
    "AUTH PLAIN ",
    "AUTH LOGIN",
    "BDAT 3",
    "VRFY ",
    ".",
)
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def talk_in_pieces(cuts: list[int]) -> tuple[str, list[object]]:
    talk = Dialogue()
    output = ""
    places = sorted({0, len(SESSION), *(cut % len(SESSION) for cut in cuts)})
    for start, end in itertools.pairwise(places):
        output += talk.raw(SESSION[start:end])
    return output, list(talk.dispatcher.submissions)


class Splits(SynchronousTestCase):
    """TCP cuts where it likes."""

    WHOLE = talk_in_pieces([])

    def test_the_session_says_something(self) -> None:
        output, submissions = self.WHOLE
        self.assertEqual(len(submissions), 1)
        self.assertTrue(output.endswith("221 2.0.0 bye\r\n"))
        self.assertIn("500 5.5.2 a line of the message", output)

    @FEW
    @given(st.lists(st.integers(0, len(SESSION)), max_size=40))
    @example(list(range(1400)))
    @example(list(range(0, len(SESSION), 7)))
    def test_any_split_gives_the_same_replies(self, cuts: list[int]) -> None:
        self.assertEqual(talk_in_pieces(cuts), self.WHOLE)


LINES = st.lists(
    st.one_of(
        st.binary(max_size=30),
        st.builds(lambda verb, rest: verb.encode() + rest, st.sampled_from(VERBS), st.binary(max_size=30)),
        st.sampled_from(
            [
                b"DATA",
                b"MAIL FROM:<a@x>",
                b"RCPT TO:<+1@sms.example>",
                b"EHLO x",
                b".",
                b"AUTH PLAIN " + PLAIN,
            ]
        ),
        st.builds(lambda text: b"RCPT TO:<" + text.encode() + b"@sms.example>", st.text(max_size=20)),
        st.builds(
            lambda text: b"MAIL FROM:<a@x> " + text.encode(),
            st.text("SIZEBODYRETNVFULMCPAWHGR=;+<>, 019af", max_size=30),
        ),
    ),
    max_size=30,
)


class Garbage(SynchronousTestCase):
    """Anything is answered; nothing breaks (an exception would be logged, and fail the test)."""

    @settings(FEW, max_examples=300)
    @given(LINES)
    def test_lines(self, lines: list[bytes]) -> None:
        talk = Dialogue(error_limit=1000, auth_limit=100)
        for line in lines:
            output = talk.raw(line + b"\r\n")
            for reply in output.splitlines():
                self.assertRegex(reply, r"^[2345][0-9][0-9][ -]")
                self.assertLessEqual(len(reply), 510)
            self.assertNotIn("451", output[:3])
        self.assertEqual(self.flushLoggedErrors(), [])

    @settings(FEW, max_examples=200)
    @given(st.binary(max_size=600))
    def test_octets(self, octets: bytes) -> None:
        talk = Dialogue()
        talk.raw(octets)
        self.assertEqual(self.flushLoggedErrors(), [])

    @settings(FEW, max_examples=100)
    @given(st.binary(max_size=400))
    def test_mails(self, octets: bytes) -> None:
        talk = Dialogue()
        talk.begin()
        talk.send("DATA")
        talk.raw(octets.replace(b"\r\n.", b"\r\n..").removeprefix(b".") + b"\r\n.\r\n")
        self.assertTrue(talk.raw(b"NOOP\r\n").endswith("250 2.0.0 Ok\r\n"))
        self.assertEqual(self.flushLoggedErrors(), [])


class Bodies(SynchronousTestCase):
    """What goes in dot-stuffed comes out."""

    @settings(FEW, max_examples=200)
    @given(
        st.lists(st.sampled_from([b"\r\n", b".", b"\r", b"\n", b"a", b"..", b"\r\n."]), max_size=40),
        st.lists(st.integers(0, 90)),
    )
    def test_any_body_any_split(self, pieces: list[bytes], cuts: list[int]) -> None:
        text = b"".join(pieces) + b"\r\n"
        wire = (b"\r\n" + text).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\nrest"
        body = Body(1000)
        rest: bytes | None = None
        places = sorted({0, len(wire), *(min(cut, len(wire)) for cut in cuts)})
        for start, end in itertools.pairwise(places):
            piece = wire[start:end]
            rest = body.feed(piece) if rest is None else rest + piece
        self.assertEqual(rest, b"rest")
        self.assertEqual(body.size, len(text))
        self.assertEqual(body.read(), text)
