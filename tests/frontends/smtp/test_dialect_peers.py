"""Mail programs at the doors of SMSPortal and COP, over loopback: Python's smtplib, swaks, msmtp, curl."""

from __future__ import annotations

import os
import shutil
import smtplib
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from smsd.frontends.smtp import Settings, make
from smsd.values.address import Address
from smsd.values.message import Text
from tests.frontends import fakes

ENVIRON = {**os.environ, "LC_ALL": "C.UTF-8"}
SWAKS, MSMTP, CURL = (shutil.which(name) for name in ("swaks", "msmtp", "curl"))
BODY = "Il server è giù: città"


class Ran(ProcessProtocol):
    """A program that gets `said` on its standard input; `done` fires with what it printed and how it ended."""

    def __init__(self, said: bytes) -> None:
        self.said = said
        self.printed = b""
        self.done: Deferred[tuple[str, int]] = Deferred()

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.write(self.said)
        transport.closeStdin()

    def outReceived(self, data: bytes) -> None:
        self.printed += data

    errReceived = outReceived

    def processEnded(self, reason: Failure) -> None:
        self.done.callback((self.printed.decode("utf-8", "replace"), reason.value.exitCode))


def run(program: str | None, *arguments: str, said: bytes = b"") -> Deferred[tuple[str, int]]:
    """What it printed, and its exit code."""
    assert program is not None
    ran = Ran(said)
    reactor.spawnProcess(ran, program, [program, *arguments], ENVIRON)
    return ran.done


def letter(to: str) -> EmailMessage:
    """What a mail program sends."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Ann <ann@example.org>", to, "Allarme"
    mail["Message-ID"] = "<1@example.org>"
    mail.set_content(BODY, cte="quoted-printable")
    return mail


class Peers(TestCase):
    """A door of a dialect. `port` is where it listens."""

    timeout = 300

    async def start(self, dialect: str, **changes: Any) -> None:
        here = ["127.0.0.0/8"]
        settings: dict[str, Any] = {"networks": here} if dialect == "cop" else {"clear_auth_networks": here}
        self.context = fakes.context(reactor=reactor)
        self.dispatcher: Any = self.context.dispatcher
        self.door = make(
            Settings(
                id="door", type="smtp", dialect=dialect, listen=["tcp:0:interface=127.0.0.1"],
                **{**settings, **changes},
            ),
            self.context,
        )  # fmt: skip
        await self.door.startService()
        self.addCleanup(self.door.stopService)
        self.port = self.door.ports[0].getHost().port

    def took(self, *numbers: str, text: str = BODY) -> None:
        """One message for these numbers, from ann."""
        (submission,) = self.dispatcher.submissions
        self.assertEqual([one.address.target for one in submission.recipients], list(numbers))
        self.assertEqual(submission.content, Text(text))
        self.assertEqual(submission.ticket.address, Address("mailto", "ann@example.org"))
        self.dispatcher.submissions.clear()


class Portal(Peers):
    """SMSPortal's: a login, the number in the format of its document."""

    async def test_smtplib(self) -> None:
        await self.start("smsportal")
        to = ["003933312345678@212.131.251.13", "+393331234567@sms.example"]

        def send() -> Any:
            with smtplib.SMTP("127.0.0.1", self.port, timeout=120) as client:
                client.login("john", "johnpw")
                return client.send_message(letter(", ".join(to)), to_addrs=to)

        self.assertEqual(await deferToThread(send), {})
        self.took("+3933312345678", "+393331234567")

    async def test_smtplib_is_told_what_is_wrong(self) -> None:
        await self.start("smsportal")

        def send(to: str, text: str = "x") -> Any:
            with smtplib.SMTP("127.0.0.1", self.port, timeout=120) as client:
                client.login("john", "johnpw")
                try:
                    client.sendmail("ann@example.org", to, f"Subject: x\r\n\r\n{text}")
                except smtplib.SMTPRecipientsRefused as error:
                    return next(iter(error.recipients.values()))
                except smtplib.SMTPDataError as error:
                    return error.smtp_code, error.smtp_error
                return None

        code, text = await deferToThread(send, "3331234567@x")
        self.assertEqual(code, 550)
        self.assertIn(b"international prefix", text)
        code, text = await deferToThread(send, "+393331234567@x", "a" * 200)
        self.assertEqual(code, 552)
        self.assertEqual(self.dispatcher.submissions, [])

    async def test_swaks(self) -> None:
        await self.start("smsportal")
        printed, code = await run(
            SWAKS, f"--server=127.0.0.1:{self.port}", "--from=ann@example.org", "--to=003933312345678@212.131.251.13",
            "--auth=LOGIN", "--auth-user=john", "--auth-password=johnpw", f"--body={BODY}",
        )  # fmt: skip
        self.assertEqual(code, 0, printed)
        self.assertIn("235 [not prepaid] ID ACCOUNT: [john] STATUS: [active]", printed)
        self.assertIn("250 Message accepted for delivery to: 003933312345678", printed)
        self.took("+3933312345678")

    async def test_a_wrong_password(self) -> None:
        await self.start("smsportal")
        printed, code = await run(
            SWAKS, f"--server=127.0.0.1:{self.port}", "--to=003933312345678@x", "--auth=LOGIN", "--auth-user=john",
            "--auth-password=wrong",
        )  # fmt: skip
        self.assertEqual(code, 28, printed)

    async def test_msmtp(self) -> None:
        await self.start("smsportal")
        printed, code = await run(
            MSMTP, "--file=/dev/null", "--host=127.0.0.1", f"--port={self.port}", "--from=ann@example.org",
            "--auth=login", "--user=john", "--passwordeval=printf johnpw", "--tls=off", "--timeout=120",
            "--", "003933312345678@212.131.251.13", said=letter("003933312345678@212.131.251.13").as_bytes(),
        )  # fmt: skip
        self.assertEqual(code, 0, printed)
        self.took("+3933312345678")

    if SWAKS is None:
        test_swaks.skip = test_a_wrong_password.skip = "swaks is not installed"  # type: ignore[attr-defined]
    if MSMTP is None:
        test_msmtp.skip = "msmtp is not installed"  # type: ignore[attr-defined]


class Cop(Peers):
    """COP's: nothing but a number."""

    async def test_smtplib(self) -> None:
        await self.start("cop")

        def send() -> Any:
            with smtplib.SMTP("127.0.0.1", self.port, timeout=120) as client:
                return client.send_message(letter("+15551234567@x.y"))

        self.assertEqual(await deferToThread(send), {})
        self.took("+15551234567")

    async def test_swaks(self) -> None:
        await self.start("cop")
        for protocol in ("SMTP", "ESMTP"):
            printed, code = await run(
                SWAKS, f"--server=127.0.0.1:{self.port}", f"--protocol={protocol}", "--from=ann@example.org",
                "--to=0015551234567@x.y,0015557654321@x.y", f"--body={BODY * 10}",
            )  # fmt: skip
            self.assertEqual(code, 0, printed)
            self.took("0015551234567", "0015557654321", text=BODY * 10)

    async def test_msmtp(self) -> None:
        await self.start("cop")
        mail = letter("+15551234567@x.y").as_bytes()
        for to in ("+15551234567@x.y", "+15551234567"):
            printed, code = await run(
                MSMTP, "--file=/dev/null", "--host=127.0.0.1", f"--port={self.port}", "--from=ann@example.org",
                "--tls=off", "--auth=off", "--timeout=120", "--", to, said=mail,
            )  # fmt: skip
            self.assertEqual(code, 0, printed)
            self.took("+15551234567")

    async def test_curl(self) -> None:
        await self.start("cop")
        mail = Path(self.mktemp()).absolute()
        mail.write_bytes(letter("+15551234567@x.y").as_bytes().replace(b"\n", b"\r\n"))
        printed, code = await run(
            CURL, "-sv", "--max-time", "20", "--mail-from", "ann@example.org", "--mail-rcpt", "+15551234567@x.y",
            "--upload-file", str(mail), "--url", f"smtp://127.0.0.1:{self.port}/monitor",
        )  # fmt: skip
        self.assertEqual(code, 0, printed)
        self.took("+15551234567")

    async def test_strangers(self) -> None:
        await self.start("cop", networks=["192.0.2.0/24"])
        printed, code = await run(SWAKS, f"--server=127.0.0.1:{self.port}", "--to=0015551234567@x.y")
        self.assertNotEqual(code, 0)
        self.assertIn("554 no service for 127.0.0.1", printed)

    if SWAKS is None:
        test_swaks.skip = test_strangers.skip = "swaks is not installed"  # type: ignore[attr-defined]
    if MSMTP is None:
        test_msmtp.skip = "msmtp is not installed"  # type: ignore[attr-defined]
    if CURL is None:
        test_curl.skip = "curl is not installed"  # type: ignore[attr-defined]
