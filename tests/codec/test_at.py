"""The AT session: answers, news, prompts and echoes, in every cut of the stream."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec import at
from smsd.codec.at import lines

PDU = "07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07"
OK = at.Outcome("ok", text="OK")


def talk(session: at.Session, data: bytes, single: bool = False) -> list[at.Event]:
    """Everything but Intermediate, fed at once or octet by octet."""
    events: list[at.Event] = []
    for chunk in [data[n : n + 1] for n in range(len(data))] if single else [data]:
        events += session.receive(chunk)
    return [event for event in events if not isinstance(event, at.Intermediate)]


class Both(SynchronousTestCase):
    """Each exchange at once and octet by octet."""

    def check(self, command: at.Command | None, data: bytes, *expected: at.Event, echo: bool = False) -> None:
        for single in (False, True):
            session = at.Session()
            if command is not None:
                sent = session.send(command)
                data = sent + data if echo and not single else data
            self.assertEqual(talk(session, data, single), list(expected), f"octet by octet: {single}")

    def test_line_ends(self) -> None:
        command = at.Command("AT+CSQ")
        answer = at.Answer(command, ("+CSQ: 17,99",), OK)
        for end in (b"\r\n", b"\r", b"\n", b"\r\r\n", b"\r\n\r\n\r\n", b"\r\r\r\n"):
            self.check(command, end + b"+CSQ: 17,99" + end + end + b"OK" + end, answer)

    def test_echo(self) -> None:
        command = at.Command("AT+CSQ")
        self.check(
            command, b"AT+CSQ\r\r\n+CSQ: 17,99\r\n\r\nOK\r\n", at.Answer(command, ("+CSQ: 17,99",), OK)
        )

    def test_errors(self) -> None:
        command = at.Command("AT+CMGF=0")
        for text, outcome in (
            ("ERROR", at.Outcome("error", None, "ERROR")),
            ("+CMS ERROR: 304", at.Outcome("cms", 304, "+CMS ERROR: 304")),
            ("+CME ERROR:16", at.Outcome("cme", 16, "+CME ERROR:16")),
            ("+CME ERROR: SIM PUK required", at.Outcome("cme", 12, "+CME ERROR: SIM PUK required")),
            ("+CMS ERROR: whatever", at.Outcome("cms", None, "+CMS ERROR: whatever")),
            ("COMMAND NOT SUPPORT", at.Outcome("unsupported", None, "COMMAND NOT SUPPORT")),
        ):
            self.check(command, f"\r\n{text}\r\n".encode(), at.Answer(command, (), outcome))

    def test_news_between_command_and_answer(self) -> None:
        command = at.Command("AT+CPMS?")
        self.check(
            command,
            b'^RSSI:19\r\n+CMTI: "ME",0\r\n+CREG: 5\r\n+CPMS: "SM",1,20\r\n^DSFLOWRPT:0,0\r\r\n\r\nRING\r\nOK\r\n',
            at.Notice("^RSSI:19"),
            at.Stored("CMTI", "ME", 0),
            at.Registration("CREG", 5),
            at.Notice("^DSFLOWRPT:0,0"),
            at.Notice("RING"),
            at.Answer(command, ('+CPMS: "SM",1,20',), OK),
        )

    def test_direct_message(self) -> None:
        self.check(None, f"\r\n+CMT: ,29\r\n{PDU}\r\n".encode(), at.Incoming("CMT", 29, PDU))

    def test_news_between_header_and_pdu(self) -> None:
        command = at.Command("AT+CSQ")
        self.check(
            command,
            f"\r\n+CMT: ,29\r\n\r\n^RSSI:3\r\n+CSQ: 3,99\r\n\r\nOK\r\n{PDU}\r\n".encode(),
            at.Notice("^RSSI:3"),
            at.Answer(command, ("+CSQ: 3,99",), OK),
            at.Incoming("CMT", 29, PDU),
        )

    def test_identity_is_not_taken_for_the_pdu(self) -> None:
        command = at.Command("AT+CIMI")
        self.check(
            command,
            f"+CMT: 29\r\n262011234567890\r\nOK\r\n{PDU}\r\n".encode(),
            at.Answer(command, ("262011234567890",), OK),
            at.Incoming("CMT", 29, PDU),
        )

    def test_header_without_pdu_is_forgotten(self) -> None:
        session = at.Session()
        talk(session, b"+CMT: ,29\r\n" + b"RING\r\n" * 16)
        self.assertEqual(talk(session, PDU.encode() + b"\r\n"), [at.Notice(PDU)])

    def test_registration_is_answer_or_news(self) -> None:
        asked = at.Command("AT+CREG?")
        self.check(asked, b"+CREG: 0,1\r\nOK\r\n", at.Answer(asked, ("+CREG: 0,1",), OK))
        told = at.Command("AT+CREG=1")
        self.check(told, b"+CREG: 2\r\nOK\r\n", at.Registration("CREG", 2), at.Answer(told, (), OK))


class Prompting(SynchronousTestCase):
    """`AT+CMGS`."""

    command = at.Command("AT+CMGS=29", payload=PDU)

    def test_prompts(self) -> None:
        for prompt in (b"\r\n> ", b">", b"\r\n>\r\n", b"\r\n> \r\n", b"AT+CMGS=29\r\r\n> "):
            session = at.Session()
            self.assertEqual(session.send(self.command), b"AT+CMGS=29\r")
            self.assertEqual(talk(session, prompt, single=True), [at.Prompt()], prompt)
            self.assertEqual(session.payload(), PDU.encode() + b"\x1a")
            events = talk(session, b"\r\n\r\n+CMGS: 17\r\n\r\nOK\r\n")
            self.assertEqual(events, [at.Answer(self.command, ("+CMGS: 17",), OK, written=True)])

    def test_echoed_payload(self) -> None:
        session = self.prompted()
        session.payload()
        events = talk(session, PDU.encode() + b"\x1a\r\n+CMGS: 1\r\nOK\r\n", single=True)
        self.assertEqual(events, [at.Answer(self.command, ("+CMGS: 1",), OK, True)])

    def test_message_arrives_while_one_is_sent(self) -> None:
        session = self.prompted()
        session.payload()
        other = PDU.replace("CC8F", "CC9F")
        events = talk(session, f"\r\n+CMT: ,29\r\n{other}\r\n\r\n+CMGS: 1\r\nOK\r\n".encode(), single=True)
        self.assertEqual(
            events, [at.Incoming("CMT", 29, other), at.Answer(self.command, ("+CMGS: 1",), OK, True)]
        )

    def test_late_ok_is_no_answer(self) -> None:
        session = at.Session()
        session.send(self.command)
        self.assertEqual(talk(session, b"OK\r\n> "), [at.OutOfStep("OK"), at.Prompt()])

    def test_answer_to_another_question(self) -> None:
        session = at.Session()
        session.send(at.Command("AT+CSQ"))
        self.assertEqual(talk(session, b"+CMGF: 0\r\n"), [at.OutOfStep("+CMGF: 0")])

    def test_refused_before_the_prompt(self) -> None:
        session = at.Session()
        session.send(self.command)
        (answer,) = talk(session, b"+CMS ERROR: 302\r\n")
        self.assertFalse(answer.written)
        self.assertTrue(session.idle)

    def test_silence_before_and_after(self) -> None:
        session = at.Session()
        session.send(self.command)
        self.assertEqual(session.timeout(), [at.Silence(self.command, (), False)])
        self.assertEqual(session.escape(), b"\x1b")
        self.assertEqual(talk(session, b"\r\n> "), [at.StrayPrompt()])
        self.assertEqual(session.escape(), b"\x1b")
        self.assertEqual(talk(session, b"\r\nOK\r\n"), [])
        self.assertTrue(session.idle)
        session = self.prompted()
        session.payload()
        self.assertEqual(session.timeout(), [at.Silence(self.command, (), True)])

    def test_reference_then_error(self) -> None:
        session = self.prompted()
        session.payload()
        (answer,) = talk(session, b"+CMGS: 59\r\nERROR\r\n")
        self.assertEqual((answer.lines, answer.ok, answer.written), (("+CMGS: 59",), False, True))

    def test_one_command_at_a_time(self) -> None:
        session = at.Session()
        session.send(at.Command("AT"))
        with self.assertRaises(at.SessionBusy):
            session.send(at.Command("AT"))
        with self.assertRaises(at.SessionBusy):
            session.payload()
        with self.assertRaises(at.SessionBusy):
            session.escape()

    def prompted(self) -> at.Session:
        session = at.Session()
        session.send(self.command)
        talk(session, b"\r\n> ")
        return session


class Ends(SynchronousTestCase):
    """Silence, late answers, secrets, bounds."""

    def test_lone_answer(self) -> None:
        session = at.Session()
        command = at.Command("AT+CPIN?", lone=True)
        session.send(command)
        talk(session, b"+CPIN: READY\r\n")
        self.assertEqual(session.timeout(), [at.Answer(command, ("+CPIN: READY",), at.Outcome("ok"))])

    def test_late_answers_are_news(self) -> None:
        session = at.Session()
        self.assertEqual(
            talk(session, b"OK\r\nERROR\r\n+CSQ: 1,1\r\n> "),
            [at.Notice("OK"), at.Notice("ERROR"), at.Notice("+CSQ: 1,1"), at.StrayPrompt()],
        )
        self.assertEqual(session.timeout(), [])

    def test_pin_echo_never_leaves(self) -> None:
        self.assertEqual(talk(at.Session(), b'AT+CPIN="1234"\r\r\n'), [])

    def test_endless_line(self) -> None:
        session = at.Session()
        events = []
        for _ in range(2000):
            events += session.receive(b"x" * 1000)
        self.assertEqual(events, [at.Overlong()])
        self.assertLess(len(session._reader._buffer), lines.MAX_LINE + 1001)
        self.assertEqual(talk(session, b"\r\nRING\r\n"), [at.Notice("RING")])

    def test_endless_answer(self) -> None:
        session = at.Session()
        session.send(at.Command("AT+CMGL=4"))
        for _ in range(400):
            session.receive(b"ABCDEF" * 500 + b"\r\n")
        (answer,) = talk(session, b"OK\r\n")
        self.assertLessEqual(sum(map(len, answer.lines)), 1 << 20)

    def test_own_lines(self) -> None:
        session = at.Session()
        session.send(at.Command("AT+CMGL=4"))
        lines = session.receive(b"+CMGL: 1,1,,9\r\n0011AABB\r\nbla bla\r\n")
        self.assertEqual(
            [line.own for line in lines if isinstance(line, at.Intermediate)], [True, True, False]
        )

    def test_learned_news(self) -> None:
        session = at.Session((r"OVERHEATED$",))
        command = at.Command("ATI")
        session.send(command)
        self.assertEqual(
            talk(session, b"OVERHEATED\r\nModel 1\r\n+GCAP: +CGSM\r\nOK\r\n"),
            [at.Notice("OVERHEATED"), at.Answer(command, ("Model 1", "+GCAP: +CGSM"), OK)],
        )


VOCABULARY = [
    b"\r\n", b"\r", b">", b"> ", b"OK\r\n", b"ERROR\r", b"+CMS ERROR: 9", b"+CMT: ,29\r\n", b"+CDS: 2\r\n", b"+CMTI: \"SM\",", b"1",
    b"+CMGS: 1\r\n", PDU.encode(), b"+CREG: 1,\"", b"\0", b"\xff", b"\x1a", b"\x1b", b"AT+CSQ\r", b"^BOOT:1\r\n",
]  # fmt: skip


class Properties(SynchronousTestCase):
    """Any octets, any cut."""

    octets = st.one_of(
        st.binary(max_size=300), st.lists(st.sampled_from(VOCABULARY), max_size=40).map(b"".join)
    )

    @settings(max_examples=300, deadline=None)
    @given(
        octets, st.lists(st.integers(1, 40), max_size=30), st.sampled_from(["AT+CSQ", "AT+CMGS=1", "ATI", ""])
    )
    def test_every_cut_says_the_same(self, data: bytes, cuts: list[int], text: str) -> None:
        whole, parts = at.Session(), at.Session()
        for session in (whole, parts):
            if text:
                session.send(at.Command(text, payload="AB" if "CMGS" in text else None))
        expected = whole.receive(data)
        events, position = [], 0
        for size in [*cuts, len(data)]:
            events += parts.receive(data[position : position + size])
            position += size
        self.assertEqual(events, expected)
        self.assertIs(parts.state, whole.state)

    @settings(max_examples=300, deadline=None)
    @given(st.lists(octets, max_size=4))
    def test_any_dialogue_ends(self, chunks: list[bytes]) -> None:
        session = at.Session()
        for chunk in chunks:
            if session.idle:
                session.send(at.Command("AT+CMGS=1", payload="AB"))
            if at.Prompt() in session.receive(chunk):
                with_prompt = session.state.value == "prompted"
                self.assertEqual(session.payload() if with_prompt else b"AB\x1a", b"AB\x1a")
            session.timeout()
            self.assertTrue(session.idle)
