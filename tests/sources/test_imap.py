"""IMAP servers as they are, and as they should not be, asked for a password."""

from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.sources.imap import Imap, Settings
from tests.sources.case import PASSWORD, SourceCase
from tests.sources.scripted import Scripted, dialogue

GREETING = b"* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID AUTH=PLAIN AUTH=LOGIN] Dovecot ready.\r\n"
OLD = b"* OK IMAP4 server\r\n"
PLAIN = base64.b64encode(f"\0ann@example.org\0{PASSWORD}".encode())


def capabilities(words: bytes) -> tuple[bytes, bytes]:
    return (b"s2 ", b"* CAPABILITY IMAP4rev1 " + words + b"\r\ns2 OK done\r\n")


class ImapCase(SourceCase):
    def settings(self, **given: object) -> Settings:
        return Settings.model_validate(
            {"id": "mail", "host": "imap.example.org", "security": "none", **given}
        )

    def ask(self, server: Scripted, password: str = PASSWORD, peer: str = "", tls: object = None) -> str:
        source = self.asking(self.settings(), server, Imap(tls).talk)
        asked = source.check("ann@example.org", password, peer)
        if not asked.called:
            self.clock.advance(10)
        found = self.verdict(asked)
        self.over(server)
        return found


class Verdicts(ImapCase):
    """What the answer to a login means."""

    def said(self, answer: bytes, **more: object) -> str:
        return self.ask(Scripted(GREETING, dialogue((b"s3 ", answer)), **more))  # type: ignore[arg-type]

    def test_right_and_wrong(self) -> None:
        for answer, expected in (
            (b"s3 OK Logged in\r\n", "right"),
            (b"s3 ok\r\n", "right"),
            (b"s3 OK [CAPABILITY IMAP4rev1] Logged in\r\n", "right"),
            (b"* CAPABILITY IMAP4rev1 IDLE\r\ns3 OK done\n", "right"),
            (b"s3 NO [AUTHENTICATIONFAILED] Authentication failed.\r\n", "wrong"),
            (b"s3 NO [authorizationfailed] not you\r\n", "wrong"),
            (b"s3 NO [EXPIRED] Password expired.\r\n", "wrong"),
            (b"s3 NO LOGIN failed.\r\n", "wrong"),
        ):
            self.assertEqual(self.said(answer), expected, answer)

    def test_what_is_neither(self) -> None:
        for answer in (
            b"s3 NO [UNAVAILABLE] Temporary authentication failure.\r\n",
            b"s3 NO [SERVERBUG] oops\r\n",
            b"s3 NO [PRIVACYREQUIRED] use TLS\r\n",
            b"s3 NO [CONTACTADMIN] ask him\r\n",
            b"s3 NO [LIMIT] too many connections\r\n",
            b"s3 BAD User is authenticated but not connected.\r\n",
            b"s3 OKAY\r\n",
            b"s3 \r\n",
            b"* BYE too many connections\r\n",
            b"s4 OK Logged in\r\n",
            b"OK Logged in\r\n",
            b"s3 OK Logged in",
            b"* OK Logged in\r\n",
            b"\0\xff\xfe\r\n",
            b"\r\n",
            b"",
        ):
            self.assertEqual(self.said(answer), "unknown", answer)

    def test_in_any_bites(self) -> None:
        for bite in (1, 2, 7):
            self.assertEqual(self.said(b"* x\r\ns3 OK done\r\n", bite=bite), "right")

    def test_an_end_in_the_middle(self) -> None:
        for script in (lambda line: None, lambda line: b"s3 N"):
            self.assertEqual(self.ask(Scripted(GREETING, script)), "unknown")

    def test_endless_talk(self) -> None:
        for flood in (b"x" * 100_000, b"* OK again\r\n" * 10_000):
            self.assertEqual(self.said(flood), "unknown")


class Talks(ImapCase):
    """How a password gets there."""

    def test_in_one_line(self) -> None:
        server = Scripted(GREETING, dialogue((b"s3 ", b"s3 OK\r\n")))
        self.assertEqual(self.ask(server), "right")
        self.assertEqual(server.heard, [b"s3 AUTHENTICATE PLAIN " + PLAIN, b"s9 LOGOUT"])

    def test_when_it_is_asked_for(self) -> None:
        script = dialogue(capabilities(b"AUTH=PLAIN"), (b"s3 ", b"+ \r\n"), (PLAIN, b"s3 OK\r\n"))
        server = Scripted(OLD, script)
        self.assertEqual(self.ask(server), "right")
        self.assertEqual(server.heard[1:3], [b"s3 AUTHENTICATE PLAIN", PLAIN])

    def test_offered_and_refused(self) -> None:
        script = dialogue(capabilities(b"AUTH=PLAIN"), (b"s3 ", b"s3 NO no such thing\r\n"))
        self.assertEqual(self.ask(Scripted(OLD, script)), "unknown")

    def test_login_with_what_has_to_be_a_literal(self) -> None:
        script = dialogue(
            capabilities(b""), (b's3 LOGIN "ann@example.org" {', b"+ go on\r\n"), (b"pa", b"s3 OK\r\n")
        )
        server = Scripted(OLD, script)
        self.assertEqual(self.ask(server), "right")
        octets = PASSWORD.encode()
        self.assertIn(b's3 LOGIN "ann@example.org" {%d}\r\n%b\r\n' % (len(octets), octets), server.octets)

    def test_login_in_quotes(self) -> None:
        server = Scripted(OLD, dialogue(capabilities(b""), (b"s3 ", b"s3 NO wrong\r\n")))
        self.assertEqual(self.ask(server, "a b(c){2}%*"), "wrong")
        self.assertEqual(server.heard[1], b's3 LOGIN "ann@example.org" "a b(c){2}%*"')

    def test_line_ends_in_a_password_end_no_line(self) -> None:
        for evil in ("x\r\ns3 OK", "x\ns9 LOGOUT", 'x" y'):
            script = dialogue(capabilities(b""), (b"s3 ", b"s3 NO literals\r\n"))
            self.assertEqual(self.ask(Scripted(OLD, script), evil), "unknown")
            server = Scripted(GREETING, dialogue((b"s3 ", b"s3 NO\r\n")))
            self.assertEqual(self.ask(server, evil), "wrong")
            self.assertEqual(len(server.heard), 2)

    def test_for_whom_it_is(self) -> None:
        for peer, shown in (
            ("192.0.2.7", b"192.0.2.7"),
            ("::ffff:192.0.2.7", b"192.0.2.7"),
            ("2001:DB8::1", b"2001:db8::1"),
        ):
            for answer in (b"* ID NIL\r\ns4 OK\r\n", b"s4 BAD what\r\n"):
                server = Scripted(GREETING, dialogue((b"s4 ", answer), (b"s3 ", b"s3 OK\r\n")))
                self.assertEqual(self.ask(server, peer=peer), "right")
                self.assertEqual(server.heard[0], b's4 ID ("name" "smsd" "x-originating-ip" "%b")' % shown)
        for peer in ("", "a socket", '1" "x'):
            server = Scripted(GREETING, dialogue((b"s3 ", b"s3 OK\r\n")))
            self.assertEqual(self.ask(server, peer=peer), "right")
            self.assertNotIn(b"ID", server.octets)

    def test_who_does_not_serve(self) -> None:
        for greeting in (
            b"* PREAUTH welcome\r\n", b"* BYE full\r\n", b"220 smtp ESMTP\r\n", b"+OK POP3\r\n", b"\r\n", b"* OK\r\n" * 20_000, b"",
        ):  # fmt: skip
            server = Scripted(greeting, dialogue())
            self.assertEqual(self.ask(server), "unknown", greeting)
            self.assertNotIn(PLAIN, server.octets)

    def test_a_password_is_not_wanted_in_clear(self) -> None:
        server = Scripted(OLD, dialogue(capabilities(b"LOGINDISABLED STARTTLS")))
        self.assertEqual(self.ask(server), "unknown")
        self.assertNotIn(b"s3", server.octets)


class StartTls(ImapCase):
    """What was said before TLS is not believed, and no password is said."""

    def test_capabilities_are_asked_for_again(self) -> None:
        later = dialogue(
            (b"s1 ", b"s1 OK begin\r\n"), capabilities(b"AUTH=PLAIN SASL-IR"), (b"s3 ", b"s3 OK\r\n")
        )
        server = Scripted(b"* OK [CAPABILITY IMAP4rev1 LOGINDISABLED STARTTLS] hi\r\n", later)
        self.assertEqual(self.ask(server, tls=object()), "right")
        self.assertEqual(server.heard[:2], [b"s1 STARTTLS", b"s2 CAPABILITY"])
        self.assertTrue(server.wires[0].tls)

    def test_refused(self) -> None:
        for answer in (b"s1 NO\r\n", b"s1 BAD\r\n", b"* BYE\r\n", b"", b"s1 OK\r\ns2 OK\r\ns3 OK\r\n"):
            server = Scripted(GREETING, dialogue((b"s1 ", answer)))
            self.assertEqual(self.ask(server, tls=object()), "unknown", answer)
            self.assertNotIn(PLAIN, server.octets)
            self.assertFalse(server.wires[0].tls)


class Anything(SynchronousTestCase):
    """Whatever a server says, there is an answer, and only OK is a yes."""

    @given(
        st.lists(
            st.one_of(
                st.binary(max_size=60),
                st.sampled_from([b"s3 ", b"s2 ", b"* OK ", b"+ ", b"\r\n", b"NO", b"BYE"]),
            ),
            max_size=12,
        )
    )
    def test_octets(self, pieces: list[bytes]) -> None:
        case = ImapCase("settings")
        case.setUp()
        said = b"".join(pieces)
        server = Scripted(GREETING, lambda line: said)
        found = case.ask(server)
        if not any(line.lower().startswith(b"s3 ok") for line in said.split(b"\n")):
            self.assertNotEqual(found, "right")
