"""Real clients over loopback: swaks and curl, in clear, with STARTTLS, with implicit TLS. Skipped where not installed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import TestCase

from smsd.frontends.smtp import Settings, make
from smsd.values.message import Text, Wants
from tests.frontends import fakes
from tests.frontends.smtp import certificate

SWAKS = shutil.which("swaks")
CURL = shutil.which("curl")
ENVIRON = {**os.environ, "LC_ALL": "C.UTF-8"}


class PeerCase(TestCase):
    """A door on loopback with a certificate: `clear` and `tls` are its ports."""

    timeout = 300

    async def start(self, **changes: Any) -> None:
        cert, key = certificate.write(Path(self.mktemp()).absolute())
        settings: dict[str, Any] = {
            "id": "smtp",
            "type": "smtp",
            "listen": [
                "tcp:0:interface=127.0.0.1",
                f"ssl:0:privateKey={key}:certKey={cert}:interface=127.0.0.1",
            ],
            "tls": {"certificate": cert, "key": key},
            **changes,
        }
        self.certificate = cert
        self.context = fakes.context(reactor=reactor)
        self.dispatcher: Any = self.context.dispatcher
        self.door = make(Settings(**settings), self.context)
        await self.door.startService()
        self.addCleanup(self.door.stopService)
        self.clear, self.tls = (port.getHost().port for port in self.door.ports)

    async def run_peer(self, program: str | None, *arguments: str) -> tuple[str, int]:
        assert program is not None
        out, err, code = await getProcessOutputAndValue(program, arguments, ENVIRON)
        return (out + err).decode("utf-8", "replace"), code


class Swaks(PeerCase):
    """The Swiss army knife. It takes `--to=+39…` for an option, so the numbers are written `sms:+39…`."""

    if SWAKS is None:
        skip = "swaks is not installed"

    async def swaks(self, port: int, *arguments: str) -> tuple[str, int]:
        return await self.run_peer(
            SWAKS, f"--server=127.0.0.1:{port}", "--from=ann@example.org", "--helo=client.example", *arguments
        )

    async def test_starttls_and_auth(self) -> None:
        await self.start()
        for method in ("PLAIN", "LOGIN"):
            text, code = await self.swaks(
                self.clear,
                "--to=sms:+15551234567@sms.example",
                "--tls",
                f"--auth={method}",
                "--auth-user=john",
                "--auth-password=johnpw",
                "--body=Grüße",
                "--header=Subject: hi",
            )
            self.assertEqual(code, 0, text)
            self.assertIn("250 2.0.0 Ok: queued as", text)
        one, two = self.dispatcher.submissions
        self.assertEqual((one.account, two.account), ("john", "john"))
        self.assertEqual(one.recipients[0].typed, "+15551234567")
        self.assertEqual(one.content, Text("Grüße"))

    async def test_implicit_tls(self) -> None:
        await self.start()
        text, code = await self.swaks(
            self.tls, "--to=sms:+15551234567@sms.example", "--tls-on-connect", "--auth=PLAIN", "--auth-user=john",
            "--auth-password=johnpw",
        )  # fmt: skip
        self.assertEqual(code, 0, text)

    async def test_pipelining_many_recipients(self) -> None:
        await self.start(require_auth=False)
        numbers = ",".join(f"sms:+1555{number}@sms.example" for number in range(1000, 1150))
        text, code = await self.swaks(self.clear, f"--to={numbers}", "--pipeline")
        self.assertEqual(code, 0, text)
        self.assertEqual(len(self.dispatcher.submissions[0].recipients), 150)

    async def test_credentials_in_the_address(self) -> None:
        await self.start()
        text, code = await self.swaks(self.clear, '--to="sms:+15551234567?user=john&pass=johnpw"@sms.example')
        self.assertEqual(code, 0, text)
        self.assertEqual(self.dispatcher.submissions[0].account, "john")

    async def test_password_in_clear_is_refused(self) -> None:
        await self.start()
        text, code = await self.swaks(
            self.clear,
            "--to=sms:+1@sms.example",
            "--auth=PLAIN",
            "--auth-user=john",
            "--auth-password=johnpw",
        )
        self.assertNotEqual(code, 0, text)
        self.assertEqual(self.dispatcher.submissions, [])

    async def test_wrong_password(self) -> None:
        await self.start()
        text, code = await self.swaks(
            self.clear,
            "--to=sms:+1@sms.example",
            "--tls",
            "--auth=LOGIN",
            "--auth-user=john",
            "--auth-password=x",
        )
        self.assertEqual(code, 28, text)
        self.assertIn("535 5.7.8", text)

    async def test_relaying(self) -> None:
        await self.start()
        text, code = await self.swaks(self.clear, "--to=bob@elsewhere.example")
        self.assertEqual(code, 24, text)
        self.assertIn("550 5.1.2 relaying denied", text)


class Curl(PeerCase):
    """libcurl speaks SMTP in many programs."""

    if CURL is None:
        skip = "curl is not installed"

    async def curl(self, url: str, *arguments: str) -> tuple[str, int]:
        mail = Path(self.mktemp()).absolute()
        mail.write_bytes(
            b"From: Ann <ann@example.org>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <c1@example.org>\r\n"
            b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
            b"Caff=E8\r\n.\r\n..\r\n"
        )
        return await self.run_peer(
            CURL, "-sv", "--max-time", "20", "--mail-from", "ann@example.org", "--upload-file", str(mail),
            *arguments, "--url", url,
        )  # fmt: skip

    async def test_starttls(self) -> None:
        await self.start()
        text, code = await self.curl(
            f"smtp://127.0.0.1:{self.clear}/client.example", "--ssl-reqd", "--cacert", self.certificate,
            "--mail-rcpt", "+15551234567@sms.example", "--user", "john:johnpw",
        )  # fmt: skip
        self.assertEqual(code, 0, text)
        (submission,) = self.dispatcher.submissions
        self.assertEqual(submission.account, "john")
        self.assertEqual(submission.content, Text("Caffè\n.\n.."))
        self.assertEqual(submission.ticket.subject, "Grüße")
        self.assertEqual(submission.wants, Wants.FAILURE | Wants.DELAY)

    async def test_implicit_tls(self) -> None:
        await self.start()
        text, code = await self.curl(
            f"smtps://127.0.0.1:{self.tls}/client.example", "--cacert", self.certificate,
            "--mail-rcpt", "+1@gw1", "--mail-rcpt", "+2@sms.example", "--user", "john:johnpw",
        )  # fmt: skip
        self.assertEqual(code, 0, text)
        one, two = self.dispatcher.submissions[0].recipients
        self.assertEqual((one.parameters.gateway, two.parameters.gateway), ("gw1", None))
