"""LMTP (RFC 2033) and the folders of mails: what goes over the wire, by TCP and by a socket."""

from __future__ import annotations

import email
import os
import tempfile
from typing import Any

from pydantic import ValidationError
from twisted.internet import reactor
from twisted.trial.unittest import SynchronousTestCase

from smsd.gateways.smtp import Settings
from smsd.gateways.smtp.gateway import MailRelay
from smsd.gateways.smtp.letters import Letter, filed
from smsd.values.address import Address
from smsd.values.delivery import Accepted, Kind, Scope
from tests.gateways.helpers import piece
from tests.gateways.relays import CLOSE, SILENT, Relay
from tests.gateways.test_smtp import RelayCase

FOLDER = (("folder", "SMS/Alarms"),)


class LmtpCase(RelayCase):
    """A scripted LMTP server on TCP."""

    def lmtp(self, **script: list[str]) -> Relay:
        self.server = Relay(lmtp=True, **script)
        self.port = self.server.listen(reactor)
        self.addCleanup(self.port.stopListening)
        return self.server

    def gateway(self, **settings: Any) -> MailRelay:
        return super().gateway(**{"protocol": "lmtp", **settings})


class LmtpTests(LmtpCase):
    """The protocol."""

    async def test_a_mail_arrives(self) -> None:
        server = self.lmtp()
        gateway = self.gateway()
        self.assertEqual(await gateway.send(piece()), Accepted())
        self.assertEqual(await gateway.send(piece(delivery=78)), Accepted())
        self.assertEqual(server.commands[0], "LHLO sms.example.org")
        self.assertEqual((len(server.connections), len(server.mails)), (1, 2))
        commands, octets = server.mails[0]
        self.assertEqual(commands, ("MAIL FROM:<admin@example.org>", "RCPT TO:<ann@example.org>"))
        self.assertEqual(email.message_from_bytes(octets)["To"], "ann@example.org")

    async def test_an_unknown_recipient_costs_no_connection(self) -> None:
        server = self.lmtp(RCPT=["550 5.1.1 unknown user", "250 ok"])
        gateway = self.gateway()
        failure = await self.failure(gateway)
        self.assertEqual(
            (failure.kind, failure.scope, failure.status), (Kind.PERMANENT, Scope.MESSAGE, "5.1.1")
        )
        self.assertEqual(await gateway.send(piece(delivery=78)), Accepted())
        self.assertEqual((len(server.connections), len(server.mails)), (1, 1))

    async def test_the_answer_for_the_recipient_counts(self) -> None:
        """A full mailbox is known only after the mail."""
        self.lmtp(
            END=["452 4.2.2 <ann@example.org> over quota", "552 5.2.2 <ann@example.org> over quota", "250 ok"]
        )
        gateway = self.gateway()
        for kind, status in ((Kind.TEMPORARY, "4.2.2"), (Kind.PERMANENT, "5.2.2")):
            failure = await self.failure(gateway)
            self.assertEqual((failure.kind, failure.scope, failure.status), (kind, Scope.MESSAGE, status))
        self.assertEqual(await gateway.send(piece(delivery=78)), Accepted())

    async def test_a_mail_for_nobody_is_not_waited_for(self) -> None:
        """354 without a recipient is forbidden; whoever says it all the same gives no answer to the mail."""
        server = self.lmtp(**{"RCPT": ["550 5.1.1 unknown", "250 ok"], "DATA for nobody": ["354 go on"]})
        gateway = self.gateway()
        failure = await self.failure(gateway)
        self.assertEqual((failure.kind, failure.status), (Kind.PERMANENT, "5.1.1"))
        self.assertEqual(await gateway.send(piece(delivery=78)), Accepted())
        self.assertEqual((len(server.connections), len(server.mails)), (2, 1))

    async def test_silence_after_the_dot_is_in_doubt(self) -> None:
        for word in (SILENT, CLOSE):
            self.lmtp(END=[word])
            failure = await self.failure(self.gateway(deadline=0.05))
            self.assertEqual((failure.kind, failure.maybe_sent), (Kind.UNKNOWN, True))

    async def test_a_server_of_smtp_is_named(self) -> None:
        self.relay()
        failure = await self.failure(self.gateway())
        self.assertEqual(failure.scope, Scope.GATEWAY)
        self.assertIn("does not speak LMTP: 500", failure.reason)
        self.assertNotIn("HELO sms.example.org", self.server.commands)

    async def test_smtp_to_a_server_of_lmtp(self) -> None:
        self.lmtp()
        failure = await self.failure(self.gateway(protocol="smtp"))
        self.assertIn("does not accept our name", failure.reason)


class SocketTests(LmtpCase):
    """A server on a socket of this machine."""

    def socket(self, **script: list[str]) -> str:
        folder = tempfile.mkdtemp(prefix="smsd-lmtp-")
        path = os.path.join(folder, "lmtp")
        self.server = Relay(lmtp=True, **script)
        port = reactor.listenUNIX(path, self.server)  # type: ignore[attr-defined]
        self.addCleanup(os.rmdir, folder)
        self.addCleanup(port.stopListening)
        return path

    async def test_a_mail_arrives(self) -> None:
        path = self.socket()
        gateway = self.gateway(socket=path)
        self.assertEqual(await gateway.send(piece()), Accepted())
        self.assertEqual(len(self.server.mails), 1)
        self.assertEqual(gateway.status, f"{path}: ready, 1 connections open")

    async def test_nobody_there(self) -> None:
        self.socket()
        failure = await self.failure(self.gateway(socket="/nonexistent/lmtp"))
        self.assertEqual((failure.kind, failure.scope), (Kind.TEMPORARY, Scope.GATEWAY))
        self.assertIn("/nonexistent/lmtp cannot be reached", failure.reason)


class SettingsTests(SynchronousTestCase):
    """What goes together."""

    def said(self, **settings: Any) -> str:
        return str(self.assertRaises(ValidationError, Settings.model_validate, {"id": "x", **settings}))

    def test_mistakes(self) -> None:
        self.assertIn("host or socket is needed", self.said())
        self.assertIn("host or socket is needed", self.said(host="a", socket="/run/b", protocol="lmtp"))
        self.assertIn("socket goes with protocol: lmtp", self.said(socket="/run/b"))
        self.assertIn("107 octets", self.said(socket="/" + "x" * 107, protocol="lmtp"))
        for more in ({"port": 24}, {"security": "tls"}, {"security": "starttls-required"}):
            self.assertIn("without port and TLS", self.said(socket="/run/b", protocol="lmtp", **more))

    def test_ports_and_places(self) -> None:
        for settings, where in (
            ({"host": "a"}, "a:25"),
            ({"host": "a", "security": "tls"}, "a:465"),
            ({"host": "a", "protocol": "lmtp"}, "a:24"),
            ({"host": "a", "protocol": "lmtp", "port": 2424}, "a:2424"),
            ({"socket": "/run/b", "protocol": "lmtp"}, "/run/b"),
        ):
            self.assertEqual(Settings.model_validate({"id": "x", **settings}).where, where)

    def test_a_socket_needs_no_tls(self) -> None:
        found = Settings(id="x", protocol="lmtp", socket="/run/b", user="me", password="secret")  # type: ignore[arg-type]
        self.assertEqual((found.effective_security, found.needs_tls), ("none", False))


class FolderTests(LmtpCase):
    """Where a rule's folder is said."""

    async def sent(self, settings: dict[str, Any], extensions: str = "", **changes: Any) -> tuple[str, Any]:
        server = self.lmtp(LHLO=[f"250-relay\n{extensions}250 PIPELINING"])
        await self.gateway(**settings).send(piece(**changes))
        ((commands, octets),) = server.mails
        return commands[1], email.message_from_bytes(octets)

    async def test_plus(self) -> None:
        told, mail = await self.sent({"folders": "plus"}, headers=FOLDER)
        self.assertEqual(told, "RCPT TO:<ann+SMS/Alarms@example.org>")
        self.assertEqual((mail["To"], mail["X-SMSD-Folder"]), ("ann@example.org", None))
        told, _ = await self.sent({"folders": "plus", "folder_separator": "."}, headers=FOLDER)
        self.assertEqual(told, "RCPT TO:<ann+SMS.Alarms@example.org>")
        told, _ = await self.sent({"folders": "plus"})
        self.assertEqual(told, "RCPT TO:<ann@example.org>")

    async def test_header(self) -> None:
        for settings in ({}, {"folders": "header"}):
            told, mail = await self.sent(settings, headers=FOLDER)
            self.assertEqual((told, mail["X-SMSD-Folder"]), ("RCPT TO:<ann@example.org>", "SMS/Alarms"))
            self.assertEqual(mail.get_payload(), "Hello from the phone\r\n")

    async def test_ignore(self) -> None:
        told, mail = await self.sent({"folders": "ignore"}, headers=FOLDER)
        self.assertEqual((told, mail["X-SMSD-Folder"]), ("RCPT TO:<ann@example.org>", None))

    async def test_letters_beyond_ascii(self) -> None:
        """In the address where the server takes them, else in the header alone."""
        name = (("folder", "Entwürfe"),)
        told, mail = await self.sent({"folders": "plus"}, "250-SMTPUTF8\n", headers=name)
        self.assertEqual(told, 'RCPT TO:<"ann+Entwürfe"@example.org>')
        told, mail = await self.sent({"folders": "plus"}, headers=name)
        self.assertEqual(told, "RCPT TO:<ann@example.org>")
        ((words, charset),) = email.header.decode_header(mail["X-SMSD-Folder"])
        self.assertEqual(words.decode(charset), "Entwürfe")

    async def test_an_address_beyond_ascii_stays_one(self) -> None:
        """The folder is not what such a server is refused for."""
        self.lmtp()
        target = Address("mailto", "jürgen@example.org")
        failure = await self.failure(self.gateway(folders="plus"), target=target, headers=FOLDER)
        self.assertEqual(failure.status, "5.6.7")


class FiledTests(SynchronousTestCase):
    """`filed` without a server."""

    def filed(self, folder: str, how: str = "plus", recipient: str = "ann@example.org") -> Letter:
        return filed(Letter("", recipient, b"A: b\r\n\r\n"), folder, how, "/")

    def test_an_address_has_an_end(self) -> None:
        """What no server would take is said in the header."""
        self.assertEqual(self.filed("x" * 60).recipient, f"ann+{'x' * 60}@example.org")
        long = self.filed("x" * 61)
        self.assertEqual(long.recipient, "ann@example.org")
        self.assertEqual(long.data, b"X-SMSD-Folder: " + b"x" * 61 + b"\r\nA: b\r\n\r\n")

    def test_no_name_adds_a_recipient_or_a_header(self) -> None:
        for name in ("x>\r\nRCPT TO:<bob@example.org", "a b", 'a"b', "a\\b", "@evil.example", "x\ny: z"):
            for how in ("plus", "header"):
                made = self.filed(name, how)
                self.assertNotRegex(made.recipient, r"[\r\n]")
                self.assertTrue(made.recipient.endswith("@example.org"))
                self.assertEqual(made.data.count(b"\r\n"), 3 if how == "header" else 2)

    def test_no_folder(self) -> None:
        for name in ("", "..", "INBOX", "/"):
            for how in ("plus", "header", "ignore"):
                self.assertEqual(self.filed(name, how), Letter("", "ann@example.org", b"A: b\r\n\r\n"))
