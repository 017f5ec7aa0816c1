"""What Twisted's ESMTP server does wrong, each shown repaired: raw dialogues, as a client or an attacker would send them."""

from __future__ import annotations

from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from smsd.values.errors import Reason, Refused
from smsd.values.message import Text
from tests.frontends.smtp.dialogue import PLAIN, Dialogue, Wire, codes


class SlowVetting(SynchronousTestCase):
    """1: lines wait for the reply that is owed, recipients are not lost."""

    def slow(self) -> tuple[Dialogue, list[Deferred[None]]]:
        talk = Dialogue()
        talk.log_in()
        waiting: list[Deferred[None]] = []
        vet = talk.dispatcher.vet

        def slow(session, recipient):  # type: ignore[no-untyped-def]
            if recipient.address.target != "+1":
                return vet(session, recipient)
            answer: Deferred[None] = Deferred()
            waiting.append(answer)
            return answer

        talk.dispatcher.vet = slow
        return talk, waiting

    PACKET = (
        "MAIL FROM:<ann@example.org>",
        "RCPT TO:<+1@sms.example>",
        "RCPT TO:<+2@sms.example>",
        "DATA",
        "",
        "Hello",
        "MAIL FROM:<not@a.command>",
        ".",
        "QUIT",
    )

    def test_both_recipients_get_the_message(self) -> None:
        talk, waiting = self.slow()
        self.assertEqual(codes(talk.send(*self.PACKET)), ["250"])
        waiting.pop().callback(None)
        self.assertEqual(codes(talk.output()), ["250", "250", "354", "250", "221"])
        (submission,) = talk.dispatcher.submissions
        self.assertEqual([recipient.typed for recipient in submission.recipients], ["+1", "+2"])
        self.assertEqual(submission.content, Text("Hello\nMAIL FROM:<not@a.command>"))

    def test_a_slow_refusal_keeps_the_order(self) -> None:
        talk, waiting = self.slow()
        talk.send(*self.PACKET)
        waiting.pop().errback(Refused(Reason.BAD_NUMBER, "no"))
        self.assertEqual(codes(talk.output()), ["550", "250", "354", "250", "221"])

    def test_slow_login_keeps_the_order(self) -> None:
        talk = Dialogue()
        talk.accounts.holding = True
        self.assertEqual(codes(talk.send("EHLO x", b"AUTH PLAIN " + PLAIN, *self.PACKET)), ["250"])
        talk.accounts.release()
        self.assertEqual(codes(talk.output()), ["235", "250", "250", "250", "354", "250", "221"])

    def test_a_client_that_does_not_wait_is_stopped(self) -> None:
        talk, waiting = self.slow()
        talk.send(*self.PACKET[:2])
        talk.raw(b"NOOP\r\n" * 20_000)
        self.assertEqual(talk.wire.producerState, "paused")
        waiting.pop().callback(None)
        self.assertEqual(talk.wire.producerState, "producing")
        self.assertEqual(len(codes(talk.output())), 20_001)

    def test_a_client_that_does_not_read_is_stopped(self) -> None:
        talk = Dialogue()
        talk.protocol.pauseProducing()
        self.assertEqual(talk.send("NOOP", "NOOP"), "")
        self.assertEqual(talk.wire.producerState, "producing")  # TLS may have to read before it can write
        self.assertEqual(talk.raw(b"NOOP\r\n" * 11_000), "")
        self.assertEqual(talk.wire.producerState, "paused")
        talk.protocol.resumeProducing()
        self.assertEqual(len(codes(talk.output())), 11_002)
        self.assertEqual(talk.wire.producerState, "producing")

    def test_connection_lost_while_waiting(self) -> None:
        talk, waiting = self.slow()
        talk.send(*self.PACKET)
        talk.protocol.connectionLost()
        waiting.pop().callback(None)
        self.assertEqual(talk.dispatcher.submissions, [])
        self.assertEqual(talk.clock.getDelayedCalls(), [])


class StartTLS(SynchronousTestCase):
    """2 and RFC 3207."""

    def test_lines_sent_in_clear_are_dropped(self) -> None:
        talk = Dialogue(tls=True, require_auth=False)
        talk.send("EHLO x")
        self.assertEqual(
            codes(talk.send("STARTTLS", "EHLO x", "MAIL FROM:<injected@x>", "RCPT TO:")), ["220"]
        )
        self.assertEqual(talk.wire.tls, "context")
        self.assertEqual(codes(talk.send("RCPT TO:<+1@sms.example>", "MAIL FROM:<a@x>")), ["503", "503"])
        self.assertEqual(codes(talk.send("EHLO x")), ["250"])

    def test_half_a_line_sent_in_clear_is_dropped(self) -> None:
        talk = Dialogue(tls=True)
        talk.send("EHLO x")
        talk.raw(b"STARTTLS\r\nMAIL FR")
        self.assertEqual(codes(talk.send("NOOP")), ["250"])

    def test_everything_is_forgotten(self) -> None:
        talk = Dialogue(tls=True)
        talk.begin()
        self.assertEqual(codes(talk.send("STARTTLS")), ["220"])
        self.assertEqual(codes(talk.send("DATA", "MAIL FROM:<a@x>")), ["503", "503"])
        talk.send("EHLO x", "MAIL FROM:<a@x>")
        self.assertEqual(codes(talk.send("RCPT TO:<+1@sms.example>")), ["530"])

    def test_announced_once(self) -> None:
        talk = Dialogue(tls=True)
        self.assertIn("STARTTLS", talk.send("EHLO x"))
        talk.send("STARTTLS")
        self.assertNotIn("STARTTLS", talk.send("EHLO x"))
        self.assertEqual(talk.send("STARTTLS"), "503 5.5.1 TLS is on already\r\n")

    def test_not_available_or_with_an_argument(self) -> None:
        talk = Dialogue()
        self.assertNotIn("STARTTLS", talk.send("EHLO x"))
        self.assertEqual(codes(talk.send("STARTTLS", "STARTTLS now")), ["454", "501"])
        self.assertNotIn("STARTTLS", Dialogue(tls=True, secure=True).send("EHLO x"))


class LongLines(SynchronousTestCase):
    """3 and RFC 5321 4.5.3.1."""

    def test_body_after_a_long_line_is_never_commands(self) -> None:
        for length in (16385, 17_000, 70_000):
            talk = Dialogue()
            talk.begin()
            talk.send("DATA")
            self.assertEqual(talk.raw(b"a" * length), "")
            self.assertEqual(talk.raw(b"b\r\nMAIL FROM:<x@x>\r\nRCPT TO:<+1@sms.example>\r\nDATA\r\n"), "")
            self.assertEqual(codes(talk.raw(b".\r\n")), ["500"])
            self.assertEqual(talk.dispatcher.submissions, [])
            self.assertEqual(codes(talk.send("MAIL FROM:<a@x>")), ["250"])

    def test_long_lines_below_the_limit_pass(self) -> None:
        talk = Dialogue()
        talk.begin()
        self.assertEqual(codes(talk.deliver(b"\r\n" + b"a" * 16384 + b"\r\n")), ["250"])

    def test_long_commands(self) -> None:
        for length in (2049, 13_000, 200_000):
            talk = Dialogue()
            self.assertTrue(
                talk.raw(b"NOOP " + b"a" * (length - 5) + b"\r\n").startswith("500 5.5.2 line too long")
            )
            self.assertEqual(codes(talk.send("NOOP")), ["250"])

    def test_long_auth_response(self) -> None:
        talk = Dialogue()
        talk.send("EHLO x", "AUTH PLAIN")
        self.assertEqual(codes(talk.send("A" * 12_289)), ["500"])
        self.assertEqual(codes(talk.send("NOOP")), ["250"])


class Lengths(SynchronousTestCase):
    """6 and 7: numbers in pieces, long addresses, parameters."""

    def rcpt(self, argument: str) -> str:
        talk = Dialogue()
        talk.log_in()
        talk.send("MAIL FROM:<a@x>")
        return talk.send("RCPT TO:" + argument)

    def mail(self, argument: str, **changes: int) -> str:
        talk = Dialogue(**changes)
        talk.send("EHLO x")
        return talk.send("MAIL FROM:" + argument)

    def test_number_with_blanks(self) -> None:
        self.assertEqual(
            self.rcpt("+39 333 444"),
            "501 5.1.3 text after the address: write it in angle brackets, a number without blanks in it\r\n",
        )
        self.assertEqual(codes(self.rcpt("<+39 333 444@sms.example>")), ["501"])
        self.assertEqual(codes(self.rcpt('<"+39 333 444"@sms.example>')), ["250"])

    def test_without_brackets(self) -> None:
        self.assertEqual(codes(self.rcpt("+39333444")), ["250"])
        self.assertEqual(codes(self.rcpt(" +39333444 NOTIFY=NEVER")), ["250"])
        self.assertEqual(codes(self.mail(" ann@example.org SIZE=10")), ["250"])

    def test_long_addresses(self) -> None:
        self.assertEqual(codes(self.mail("<" + "a" * 9000 + "@x>")), ["500"])
        self.assertEqual(codes(self.mail("<" + "a" * 300 + "@x>")), ["501"])
        self.assertEqual(codes(self.mail("<" + "a" * 252 + "@x>")), ["250"])
        self.assertEqual(codes(self.mail("<" + "a" * 253 + "@x>")), ["501"])
        self.assertEqual(codes(self.rcpt('<"sms:+1?id=' + "a" * 502 + '"@sms.example>')), ["250"])
        self.assertEqual(codes(self.rcpt('<"sms:+1?id=' + "a" * 503 + '"@sms.example>')), ["501"])
        self.assertEqual(codes(self.rcpt("<+1@" + "a." * 127 + "aa>")), ["501"])

    def test_size(self) -> None:
        self.assertEqual(codes(self.mail("<a@x> SIZE=99999999999")), ["552"])
        self.assertEqual(codes(self.mail("<a@x> SIZE=10000000")), ["250"])
        self.assertEqual(codes(self.mail("<a@x> SIZE=-1")), ["501"])
        self.assertEqual(codes(self.mail("<a@x> SIZE=" + "9" * 21)), ["501"])

    def test_too_big_a_message_is_swallowed(self) -> None:
        talk = Dialogue(size_limit=65_536)
        talk.begin()
        talk.send("DATA")
        for _ in range(100):
            self.assertEqual(talk.raw(b"MAIL FROM:<x@x>\r\n" * 60), "")
        self.assertEqual(
            talk.raw(b".\r\n"), "552 5.3.4 the message is too big: 65536 octets are the limit\r\n"
        )
        self.assertEqual(talk.dispatcher.submissions, [])
        self.assertEqual(codes(talk.send("MAIL FROM:<x@x>")), ["250"])

    def test_a_flood_is_cut_off(self) -> None:
        talk = Dialogue(size_limit=65_536)
        talk.begin()
        talk.send("DATA")
        output = ""
        for _ in range(60):
            output += talk.raw(b"a" * 900 * 12)
        self.assertEqual(codes(output), ["552"])
        self.assertTrue(talk.closed)

    def test_size_counts_without_stuffing(self) -> None:
        body = b"\r\n" + b"..\r\n" * 21844  # 65534 octets when unstuffed
        talk = Dialogue(size_limit=65_536)
        talk.begin()
        self.assertEqual(codes(talk.deliver(body)), ["250"])
        talk = Dialogue(size_limit=65_536)
        talk.begin()
        self.assertEqual(codes(talk.deliver(body + b"a\r\n")), ["552"])

    def test_parameters(self) -> None:
        for argument, code in {
            "<a@x> BODY=8BITMIME": "250",
            "<a@x> body=7bit": "250",
            "<a@x> BODY=BINARYMIME": "501",
            "<a@x> SMTPUTF8": "250",
            "<a@x> SMTPUTF8=1": "501",
            "<a@x> SIZE=1 SIZE=1": "501",
            "<a@x> SIZE": "501",
            "<a@x> SIZE=": "501",
            "<a@x> FOO=1": "555",
            "<a@x> FOO": "555",
            "<a@x> NOTIFY=NEVER": "555",
            "<a@x> =": "501",
            "<a@x>SIZE=1": "501",
            "<a@x> AUTH=<>": "250",
            "<a@x> AUTH=a+40x": "250",
            "<a@x> AUTH=a+4": "501",
            "<a@x> RET=ALL": "501",
            "<a@x> ENVID=" + "a" * 101: "501",
            "<a@x> ENVID=a=b": "501",
        }.items():
            self.assertEqual(codes(self.mail(argument)), [code], argument)
        for argument, code in {
            "<+1@sms.example> NOTIFY=SUCCESS,NEVER": "501",
            "<+1@sms.example> NOTIFY=": "501",
            "<+1@sms.example> NOTIFY=NEVER NOTIFY=NEVER": "501",
            "<+1@sms.example> ORCPT=ann@x": "501",
            "<+1@sms.example> ORCPT=rfc822;" + "a" * 500: "501",
            "<+1@sms.example> RET=FULL": "555",
        }.items():
            self.assertEqual(codes(self.rcpt(argument)), [code], argument)

    def test_no_parameters_after_helo(self) -> None:
        talk = Dialogue(require_auth=False)
        talk.send("HELO x")
        self.assertEqual(codes(talk.send("MAIL FROM:<a@x> SIZE=1", "MAIL FROM:<a@x>")), ["555", "250"])
        self.assertEqual(
            codes(talk.send("RCPT TO:<+1@sms.example> NOTIFY=NEVER", "RCPT TO:<+1@sms.example>")),
            ["555", "250"],
        )

    def test_utf8_addresses(self) -> None:
        self.assertEqual(codes(self.mail("<änn@example.org>")), ["553"])
        self.assertEqual(codes(self.mail("<änn@exämple.org> SMTPUTF8")), ["250"])
        self.assertEqual(codes(self.rcpt("<ä@sms.example>")), ["553"])
        talk = Dialogue()
        talk.log_in()
        talk.send("MAIL FROM:<änn@example.org> SMTPUTF8", "RCPT TO:<+1@sms.example> ORCPT=utf-8;ä@x")
        talk.deliver("Subject: ü\r\n\r\nGrüße\r\n".encode())
        (submission,) = talk.dispatcher.submissions
        self.assertEqual(submission.origin.target, "änn@example.org")
        self.assertEqual(submission.content, Text("Grüße"))
        self.assertEqual(submission.recipients[0].original, "utf-8;ä@x")


class Commands(SynchronousTestCase):
    """4, 5, 8 and 9: every command is answered, in order, with codes of its class."""

    def test_announced(self) -> None:
        lines = Dialogue(tls=True).send("EHLO x").splitlines()
        self.assertEqual(
            lines,
            [
                "250-sms.example",
                "250-PIPELINING",
                "250-SIZE 10000000",
                "250-8BITMIME",
                "250-SMTPUTF8",
                "250-ENHANCEDSTATUSCODES",
                "250-DSN",
                "250-STARTTLS",
                "250-AUTH PLAIN LOGIN",
                "250-AUTH=PLAIN LOGIN",
                "250 HELP",
            ],
        )

    def test_small_commands(self) -> None:
        talk = Dialogue()
        for line, code in {
            "NOOP": "250",
            "noop hi there": "250",
            "VRFY ann": "252",
            "VRFY": "501",
            "EXPN list": "502",
            "HELP": "214",
            "RSET": "250",
            "HELO": "501",
            "EHLO": "501",
            "EHLO \x01": "501",
            "HELO x": "250",
            "FOO": "500",
            "": "500",
        }.items():
            self.assertEqual(codes(talk.send(line)), [code], line)
            talk.protocol.errors = 0

    def test_order_of_commands(self) -> None:
        talk = Dialogue()
        for line, code in [
            ("MAIL FROM:<a@x>", "503"),
            ("RCPT TO:<+1@sms.example>", "503"),
            ("DATA", "503"),
            ("AUTH PLAIN", "503"),
            ("EHLO x", "250"),
            ("RCPT TO:<+1@sms.example>", "503"),
            ("MAIL FROM:<a@x>", "250"),
            ("MAIL FROM:<b@x>", "503"),
            ("DATA", "554"),
            ("DATA now", "501"),
            ("RCPT TO:<>", "501"),
            ("RSET", "250"),
            ("RCPT TO:<+1@sms.example>", "503"),
            ("MAIL", "501"),
            ("MAIL TO:<a@x>", "501"),
            ("MAIL FROM:<a@x", "501"),
            ("MAIL FROM:<@a,@b:ann@x>", "250"),
            ("EHLO x", "250"),
            ("DATA", "503"),
        ]:
            self.assertEqual(codes(talk.send(line)), [code], line)
            talk.protocol.errors = 0

    def test_octets_above_127(self) -> None:
        talk = Dialogue()
        self.assertEqual(codes(talk.send(b"N\xf6OP", b"\xff\xfe", b"VRFY \xff", "EHLO ä")), ["500"] * 4)
        self.assertEqual(codes(talk.send("NOOP")), ["250"])

    def test_bdat_octets_are_not_commands(self) -> None:
        talk = Dialogue()
        talk.send("EHLO x")
        self.assertEqual(codes(talk.send("BDAT 8 LAST") + talk.raw(b"NOOP\r\n\r\nRSET\r\n")), ["502", "250"])
        self.assertEqual(codes(talk.send("BDAT", "BDAT x")), ["501", "501"])

    def test_error_counter(self) -> None:
        talk = Dialogue(error_limit=4)
        self.assertEqual(
            codes(talk.send("FOO", "BAR", "BAZ", "QUX", "NOOP", "NOOP")), ["500", "500", "500", "421"]
        )
        self.assertTrue(talk.closed)

    def test_recipient_limit(self) -> None:
        talk = Dialogue(recipient_limit=100)
        talk.begin(*[f"<+{number}@sms.example>" for number in range(1000, 1100)])
        self.assertEqual(
            talk.send("RCPT TO:<+9@sms.example>"), "452 4.5.3 too many recipients: 100 are the limit\r\n"
        )
        self.assertEqual(codes(talk.deliver()), ["250"])

    def test_enhanced_codes_have_the_class_of_their_reply(self) -> None:
        talk = Dialogue()
        output = talk.send(
            "NOOP", "FOO", "VRFY x", "HELP", "EHLO x", "MAIL FROM:<a@x>", "RCPT TO:<b@c>", "QUIT"
        )
        for line in output.splitlines():
            if not line.startswith(("250-", "250 HELP")):
                self.assertEqual(line[0], line[4], line)

    def test_a_defect_of_ours_is_451(self) -> None:
        talk = Dialogue()
        talk.protocol.do_NOOP = lambda _: 1 / 0
        self.assertEqual(codes(talk.send("NOOP", "HELP")), ["451", "214"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class Auth(SynchronousTestCase):
    """9, 10, 11, 12 and RFC 4954."""

    def talk(self, **changes: object) -> Dialogue:
        talk = Dialogue(**changes)  # type: ignore[arg-type]
        talk.send("EHLO x")
        return talk

    def test_malformed(self) -> None:
        for line, code in {
            "AUTH": "501",
            "AUTH PLAIN !!!": "501",
            "AUTH PLAIN =": "501",
            "AUTH PLAIN AGpvaG4=": "501",
            "AUTH PLAIN AP8AeA==": "501",
            "AUTH PLAIN YQBqb2huAHg=": "501",
            "AUTH LOGIN =": "501",
            "AUTH CRAM-MD5": "504",
            "AUTH ä": "500",
        }.items():
            talk = self.talk()
            self.assertEqual(codes(talk.send(line)), [code], line)
            self.assertEqual(codes(talk.send("NOOP")), ["250"])

    def test_base64_error_has_its_code(self) -> None:
        self.assertEqual(self.talk().send("AUTH PLAIN !!!"), "501 5.5.2 the response is not base64\r\n")

    def test_plain_with_prompt(self) -> None:
        talk = self.talk()
        self.assertEqual(talk.send("AUTH PLAIN"), "334 \r\n")
        self.assertEqual(codes(talk.send(PLAIN)), ["235"])

    def test_login(self) -> None:
        talk = self.talk()
        self.assertEqual(talk.send("auth login"), "334 VXNlcm5hbWU6\r\n")
        self.assertEqual(talk.send("am9obg=="), "334 UGFzc3dvcmQ6\r\n")
        self.assertEqual(talk.send("am9obnB3"), "235 2.7.0 authenticated\r\n")
        self.assertEqual(talk.accounts.logins, [("john", "johnpw", "127.0.0.1")])

    def test_login_with_initial_response(self) -> None:
        talk = self.talk()
        self.assertEqual(talk.send("AUTH LOGIN am9obg=="), "334 UGFzc3dvcmQ6\r\n")
        self.assertEqual(codes(talk.send("am9obnB3")), ["235"])

    def test_cancelled(self) -> None:
        talk = self.talk()
        self.assertEqual(codes(talk.send("AUTH LOGIN", "*", "NOOP")), ["334", "501", "250"])
        self.assertEqual(talk.accounts.logins, [])

    def test_twice_and_inside_a_transaction(self) -> None:
        talk = self.talk()
        talk.send("MAIL FROM:<a@x>")
        self.assertEqual(codes(talk.send(b"AUTH PLAIN " + PLAIN)), ["503"])
        talk.send("RSET")
        self.assertEqual(codes(talk.send(b"AUTH PLAIN " + PLAIN, b"AUTH PLAIN " + PLAIN)), ["235", "503"])

    def test_wrong_password_and_the_limit(self) -> None:
        talk = self.talk(auth_limit=3)
        wrong = "AUTH PLAIN AGpvaG4AeA=="
        self.assertEqual(talk.send(wrong), "535 5.7.8 user name or password is wrong\r\n")
        self.assertEqual(codes(talk.send(wrong, wrong, "NOOP")), ["535", "421"])
        self.assertTrue(talk.closed)

    def test_not_now(self) -> None:
        """RFC 4954 section 6: a temporary failure is no wrong password, and does not count as one."""
        talk = self.talk(auth_limit=1)
        for reason in (Reason.SLOW_DOWN, Reason.UNAVAILABLE):
            talk.accounts.refusal = Refused(reason, "try again in a minute")
            self.assertEqual(talk.send(b"AUTH PLAIN " + PLAIN), "454 4.7.0 try again in a minute\r\n")
        talk.accounts.refusal = Refused(Reason.NOT_ALLOWED, "this account is switched off")
        self.assertEqual(talk.send(b"AUTH PLAIN " + PLAIN), "550 5.7.1 this account is switched off\r\n")

    def test_never_in_clear(self) -> None:
        talk = self.talk(clear_auth_networks=[], tls=True)
        self.assertNotIn("AUTH", talk.send("EHLO x"))
        self.assertEqual(
            talk.send(b"AUTH PLAIN " + PLAIN),
            "538 5.7.11 encryption is required before a password: use STARTTLS\r\n",
        )
        self.assertEqual(talk.accounts.logins, [])
        talk.send("STARTTLS")
        self.assertIn("250-AUTH PLAIN LOGIN\r\n250-AUTH=PLAIN LOGIN\r\n", talk.send("EHLO x"))
        self.assertEqual(codes(talk.send(b"AUTH PLAIN " + PLAIN)), ["235"])

    def test_over_implicit_tls(self) -> None:
        talk = self.talk(clear_auth_networks=[], secure=True)
        self.assertEqual(codes(talk.send(b"AUTH PLAIN " + PLAIN)), ["235"])

    def test_failed_login_is_not_anonymous(self) -> None:
        talk = self.talk()
        talk.send("AUTH PLAIN AGpvaG4AeA==", "MAIL FROM:<a@x>")
        self.assertEqual(codes(talk.send("RCPT TO:<+1@sms.example>")), ["530"])

    def test_percent_for_at(self) -> None:
        talk = self.talk(percent_logins=True)
        talk.accounts.passwords["john@x.org"] = "pw"
        self.assertEqual(codes(talk.send("AUTH PLAIN AGpvaG4leC5vcmcAcHc=")), ["235"])
        talk = self.talk()
        talk.accounts.passwords["john@x.org"] = "pw"
        self.assertEqual(codes(talk.send("AUTH PLAIN AGpvaG4leC5vcmcAcHc=")), ["535"])

    def test_logged_out_at_the_end(self) -> None:
        talk = self.talk()
        gone: list[bool] = []
        talk.send(b"AUTH PLAIN " + PLAIN)
        talk.protocol._onLogout = lambda: gone.append(True)
        talk.protocol.connectionLost()
        self.assertEqual(gone, [True])


class Peers(SynchronousTestCase):
    """13 and 14: peers without an address, and peers whose address comes late."""

    def test_unix_socket(self) -> None:
        talk = Dialogue(clear_auth_networks=[])
        wire = Wire(UNIXAddress(b"/x"), UNIXAddress(b"/y"))
        talk.protocol.transport = wire
        talk.wire = wire
        self.assertIn("AUTH PLAIN", talk.send("EHLO x"))
        talk.send(b"AUTH PLAIN " + PLAIN)
        self.assertEqual(talk.accounts.logins, [("john", "johnpw", "local")])
        talk.send("MAIL FROM:<a@x>")
        self.assertEqual(codes(talk.send("RCPT TO:<+1@sms.example>")), ["250"])

    def test_address_behind_a_proxy(self) -> None:
        talk = Dialogue()
        talk.wire.peerAddr = IPv4Address("TCP", "192.0.2.7", 1)
        self.assertNotIn("AUTH", talk.send("EHLO x"))
        self.assertEqual(codes(talk.send(b"AUTH PLAIN " + PLAIN)), ["538"])

    def test_ipv4_in_ipv6(self) -> None:
        talk = Dialogue(peer="::ffff:127.0.0.1")
        self.assertIn("AUTH", talk.send("EHLO x"))
        talk.send(b"AUTH PLAIN " + PLAIN)
        self.assertEqual(talk.accounts.logins[0][2], "127.0.0.1")


class Times(SynchronousTestCase):
    """16: nobody stays for ever."""

    def test_silence(self) -> None:
        talk = Dialogue()
        talk.clock.advance(300)
        self.assertEqual(talk.output(), "421 4.4.2 nothing heard for too long\r\n")
        self.assertTrue(talk.closed)
        talk.clock.advance(20)
        self.assertTrue(talk.wire.aborted)

    def test_silence_in_data(self) -> None:
        talk = Dialogue()
        talk.begin()
        talk.send("DATA")
        talk.clock.advance(179)
        talk.raw(b"a")
        talk.clock.advance(179)
        self.assertFalse(talk.closed)
        talk.clock.advance(1)
        self.assertEqual(codes(talk.output()), ["421"])

    def test_a_session_that_drips(self) -> None:
        talk = Dialogue()
        for _ in range(61):
            talk.send("NOOP")
            talk.clock.advance(60)
        self.assertEqual(codes(talk.send("NOOP")), ["421"])

    def test_waiting_for_us_is_no_silence(self) -> None:
        talk = Dialogue()
        talk.begin()
        talk.dispatcher.holding = True
        talk.deliver()
        talk.clock.pump([100] * 10)
        self.assertEqual(talk.output(), "")
        talk.dispatcher.release()
        self.assertEqual(codes(talk.output()), ["250"])

    def test_nothing_is_left_after_the_connection(self) -> None:
        talk = Dialogue()
        talk.begin()
        talk.send("DATA")
        talk.raw(b"half a mail")
        talk.protocol.connectionLost()
        self.assertEqual(talk.clock.getDelayedCalls(), [])
        self.assertEqual(talk.factory.connections, set())


class Memory(SynchronousTestCase):
    """15: one spool for all recipients, on disk when it grows."""

    def test_one_body(self) -> None:
        talk = Dialogue()
        talk.begin(*[f"<+{number}@sms.example>" for number in range(1000, 1050)])
        talk.send("DATA")
        body = talk.protocol.body
        for _ in range(40):
            talk.raw((b"a" * 998 + b"\r\n") * 10)
        self.assertTrue(body._spool._rolled)
        self.assertLess(len(talk.protocol._buffer), 2000)
        talk.protocol.connectionLost()
        self.assertIsNone(body._spool)
