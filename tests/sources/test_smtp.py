"""Mail servers for submission, asked for a password."""

from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.sources.smtp import Settings, Smtp
from tests.sources.case import PASSWORD, SourceCase
from tests.sources.scripted import Scripted, dialogue

GREETING = b"220 mx.example.org ESMTP\r\n"
OFFER = b"250-mx.example.org\r\n250-SIZE 100\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME\r\n"
PLAIN = base64.b64encode(f"\0ann@example.org\0{PASSWORD}".encode())


class SmtpCase(SourceCase):
    def ask(self, server: Scripted, password: str = PASSWORD, peer: str = "", tls: object = None) -> str:
        settings = Settings.model_validate({"id": "mail", "host": "mx.example.org", "security": "none"})
        source = self.asking(settings, server, Smtp("sms.example.org", tls).talk)
        asked = source.check("ann@example.org", password, peer)
        if not asked.called:
            self.clock.advance(10)
        found = self.verdict(asked)
        self.over(server)
        return found

    def server(self, *pairs: tuple[bytes, bytes], offer: bytes = OFFER) -> Scripted:
        return Scripted(GREETING, dialogue((b"EHLO", offer), *pairs))


class Talks(SmtpCase):
    def test_verdicts(self) -> None:
        for answer, expected in (
            (b"235 2.7.0 ok\r\n", "right"),
            (b"235-2.7.0 well\r\n235 done\r\n", "right"),
            (b"235\r\n", "right"),
            (b"535 5.7.8 Error: authentication failed\r\n", "wrong"),
            (b"535 5.7.3 Authentication unsuccessful\r\n", "wrong"),
            (b"525 5.7.13 account disabled\r\n", "wrong"),
            (b"454 4.7.0 Temporary authentication failure\r\n", "unknown"),
            (b"421 4.3.2 shutting down\r\n", "unknown"),
            (b"534 5.7.9 too weak\r\n", "unknown"),
            (b"538 5.7.11 encrypt\r\n", "unknown"),
            (b"503 5.5.1 already\r\n", "unknown"),
            (b"504 5.5.4 no such mechanism\r\n", "unknown"),
            (b"334 \r\n", "unknown"),
            (b"250 ok\r\n", "unknown"),
            (b"235", "unknown"),
            (b"235-\r\n", "unknown"),
            (b"2355 ok\r\n", "unknown"),
            (b"garbage\r\n", "unknown"),
            (b"\0\0\0\r\n", "unknown"),
            (b"x" * 100_000, "unknown"),
            (b"", "unknown"),
        ):
            self.assertEqual(self.ask(self.server((b"AUTH", answer))), expected, answer[:40])

    def test_plain(self) -> None:
        server = self.server((b"AUTH", b"235 ok\r\n"))
        self.assertEqual(self.ask(server), "right")
        self.assertEqual(server.heard, [b"EHLO sms.example.org", b"AUTH PLAIN " + PLAIN, b"QUIT"])

    def test_a_long_password_comes_in_a_line_of_its_own(self) -> None:
        long = "ö" * 1000
        response = base64.b64encode(f"\0ann@example.org\0{long}".encode())
        server = self.server((b"AUTH", b"334 \r\n"), (response, b"535 no\r\n"))
        self.assertEqual(self.ask(server, long), "wrong")
        self.assertEqual(server.heard[1:3], [b"AUTH PLAIN", response])

    def test_login(self) -> None:
        for last, expected in ((b"235 ok\r\n", "right"), (b"535 no\r\n", "wrong")):
            server = self.server(
                (b"AUTH LOGIN", b"334 VXNlcm5hbWU6\r\n"),
                (base64.b64encode(b"ann@example.org"), b"334 UGFzc3dvcmQ6\r\n"),
                (base64.b64encode(PASSWORD.encode()), last),
                offer=b"250-x\r\n250 AUTH=LOGIN\r\n",
            )
            self.assertEqual(self.ask(server), expected)

    def test_content_before_it_has_heard_the_password(self) -> None:
        """A server that says yes to everything lets nobody in who has not shown it one."""
        name, offer = base64.b64encode(b"ann@example.org"), b"250-x\r\n250 AUTH LOGIN\r\n"
        for early, expected in (
            (b"235 ok\r\n", "unknown"), (b"250 ok\r\n", "unknown"), (b"504 no\r\n", "unknown"),
            (b"535 nobody\r\n", "wrong"),
        ):  # fmt: skip
            server = self.server((b"AUTH LOGIN", b"334 \r\n"), (name, early), offer=offer)
            self.assertEqual(self.ask(server), expected, early)
            self.assertEqual(server.heard[2:3], [name])
        for early in (b"235 ok\r\n", b"535 no\r\n"):
            for server, password in (
                (self.server((b"AUTH", early), offer=offer), PASSWORD),
                (self.server((b"AUTH", early)), "x" * 1000),
            ):
                self.assertEqual(self.ask(server, password), "unknown")
                self.assertEqual(len(server.heard), 2)

    def test_an_answer_that_repeats_the_password(self) -> None:
        for answer in (
            b"500 5.5.1 unrecognized: AUTH PLAIN " + PLAIN,
            b"500 what is auth plain " + PLAIN.lower()[:34],
            b"550-no\r\n550 " + PASSWORD.encode(),
            b"454 " + base64.b64encode(PASSWORD.encode()),
            b"no reply: AUTH PLAIN " + PLAIN,
            b"554 " + b"-" * 190 + PLAIN,
        ):
            self.assertEqual(self.ask(self.server((b"AUTH", answer + b"\r\n"))), "unknown")
            logged = self.logged()
            self.assertIn("(it repeats the password)", logged)
            for secret in (PASSWORD, PLAIN.decode()[:34]):
                self.assertNotIn(secret.lower(), logged.lower())
        self.ask(self.server((b"AUTH", b"454 4.7.0 Temporary authentication failure\r\n")))
        self.assertIn("a password is right: 454 4.7.0 Temporary authentication failure", self.logged())

    def test_no_login_without_an_offer(self) -> None:
        for offer in (
            b"250 mx\r\n",
            b"250-mx\r\n250 AUTH CRAM-MD5 GSSAPI\r\n",
            b"500 what\r\n",
            b"250-mx\r\n",
        ):
            server = self.server(offer=offer)
            self.assertEqual(self.ask(server), "unknown")
            self.assertNotIn(b"AUTH", server.octets)

    def test_who_does_not_serve(self) -> None:
        for greeting in (b"554 no\r\n", b"* OK IMAP\r\n", b"", b"22", b"220 x" * 100_000):
            server = Scripted(greeting, dialogue())
            self.assertEqual(self.ask(server), "unknown")
            self.assertEqual(server.octets, b"")

    def test_for_whom_it_is(self) -> None:
        offer = OFFER.replace(b"250 8", b"250-XCLIENT NAME ADDR PROTO\r\n250 8")
        for peer, shown in (("192.0.2.7", b"192.0.2.7"), ("2001:db8::1", b"IPV6:2001:db8::1")):
            server = self.server((b"XCLIENT", b"220 hello\r\n"), (b"AUTH", b"235 ok\r\n"), offer=offer)
            self.assertEqual(self.ask(server, peer=peer), "right")
            self.assertEqual(
                server.heard[:3], [b"EHLO sms.example.org", b"XCLIENT ADDR=" + shown, b"EHLO sms.example.org"]
            )
        server = self.server((b"XCLIENT", b"550 no\r\n"), offer=offer)
        self.assertEqual(self.ask(server, peer="192.0.2.7"), "unknown")

    def test_starttls(self) -> None:
        offer = b"250-mx\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n"
        server = self.server((b"STARTTLS", b"220 go\r\n"), (b"AUTH", b"235 ok\r\n"), offer=offer)
        self.assertEqual(self.ask(server, tls=object()), "right")
        self.assertEqual(server.heard[:3], [b"EHLO sms.example.org", b"STARTTLS", b"EHLO sms.example.org"])
        for server in (
            self.server(),  # offers none
            self.server((b"STARTTLS", b"454 not now\r\n"), offer=offer),
            self.server((b"STARTTLS", b"220 go\r\n250-mx\r\n250 AUTH PLAIN\r\n235 ok\r\n"), offer=offer),
        ):
            self.assertEqual(self.ask(server, tls=object()), "unknown")
            self.assertNotIn(b"AUTH", server.octets)


class Anything(SynchronousTestCase):
    @given(
        st.lists(
            st.one_of(st.binary(max_size=60), st.sampled_from([b"235", b"535 ", b"334 ", b"-", b"\r\n"])),
            max_size=12,
        )
    )
    def test_octets(self, pieces: list[bytes]) -> None:
        case = SmtpCase("server")
        case.setUp()
        said = b"".join(pieces)
        found = case.ask(case.server((b"", said)))
        if b"235" not in said:
            self.assertNotEqual(found, "right")
