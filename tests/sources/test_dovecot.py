"""Dovecot's socket for logins."""

from __future__ import annotations

import base64

from smsd.sources.dovecot import Settings, talk
from tests.sources.case import PASSWORD, SourceCase
from tests.sources.scripted import Scripted

HELLO = (
    b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t12\nCUID\t1\nCOOKIE\tabc\nDONE\n"
)
PLAIN = base64.b64encode(f"\0ann@example.org\0{PASSWORD}".encode())


class Talks(SourceCase):
    def ask(self, answer: bytes | None, hello: bytes = HELLO, peer: str = "") -> str:
        self.server = Scripted(hello, lambda line: answer if line.startswith(b"AUTH") else b"")
        settings = Settings.model_validate({"id": "mail", "socket": "/run/dovecot/auth-client"})
        asked = self.asking(settings, self.server, talk).check("ann@example.org", PASSWORD, peer)
        if not asked.called:
            self.clock.advance(10)
        found = self.verdict(asked)
        self.over(self.server)
        return found

    def test_verdicts(self) -> None:
        for answer, expected in (
            (b"OK\t1\tuser=ann@example.org\n", "right"),
            (b"MECH\tX\nOK\t1\n", "right"),
            (b"FAIL\t1\tuser=ann@example.org\n", "wrong"),
            (b"FAIL\t1\tuser=ann@example.org\tcode=user_disabled\tuser_disabled\n", "wrong"),
            (b"FAIL\t1\tuser=ann@example.org\tcode=temp_fail\ttemp\n", "unknown"),
            (b"FAIL\t1\ttemp\n", "unknown"),
            (b"CONT\t1\tabc\n", "unknown"),
            (b"OK\t2\tuser=ann@example.org\n", "unknown"),
            (b"OK\n", "unknown"),
            (b"OK\t1", "unknown"),
            (b"\n", "unknown"),
            (b"x" * 100_000, "unknown"),
            (None, "unknown"),
            (b"", "unknown"),
        ):
            self.assertEqual(self.ask(answer), expected, answer)

    def test_what_is_asked(self) -> None:
        self.ask(b"OK\t1\n", peer="192.0.2.7")
        self.assertEqual(
            self.server.heard[-1], b"AUTH\t1\tPLAIN\tservice=smsd\tsecured\trip=192.0.2.7\tresp=" + PLAIN
        )
        self.ask(b"OK\t1\n")
        self.assertIn(b"\tno-penalty\t", self.server.heard[-1])

    def test_who_is_no_dovecot(self) -> None:
        for hello in (
            b"VERSION\t2\t0\nDONE\n",
            b"VERSION\t1\t1\nMECH\tGSSAPI\nDONE\n",
            b"220 smtp\n",
            b"",
            b"VERSION\n",
            b"MECH\nDONE\n",
        ):
            self.assertEqual(self.ask(b"OK\t1\n", hello), "unknown", hello)
            self.assertNotIn(PLAIN, self.server.octets)
