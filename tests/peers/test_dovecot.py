"""smsd's mail gateways and a real Dovecot: folders by plus-addressing, by Sieve, by Postfix, and straight on disk."""

from __future__ import annotations

import email
import email.policy
from pathlib import Path
from textwrap import indent
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from smsd.gateways import folder
from smsd.gateways.smtp import Settings, make
from smsd.gateways.smtp.gateway import MailRelay
from smsd.values.address import Address
from smsd.values.delivery import Failure, Kind, Piece, Scope
from smsd.values.message import Text
from tests.gateways.helpers import context, piece
from tests.peers import postfix
from tests.peers.dovecot import Dovecot, missing, missing_sieve

MANUAL = Path(__file__).parents[2] / "docs" / "mail.rst"
SIEVE = """\
require ["fileinto", "mailbox", "variables"];
if header :matches "X-SMSD-Folder" "*" { fileinto :create "${1}"; }
"""


def filed(delivery: int, name: str, target: str = "ann@example.org") -> Piece:
    """A mail that a rule puts into a folder; its text is the folder's name."""
    headers = (("folder", name), ("date", "1704103200000")) if name else ()
    return piece(
        delivery=delivery,
        headers=headers,
        target=Address("mailto", target),
        content=Text(f"for {name or 'me'}"),
    )


class DovecotCase(TestCase):
    timeout = 300

    def dovecot(self, **settings: str) -> Dovecot:
        server = Dovecot(**settings)
        self.addCleanup(server.stop)
        server.start()
        return server

    def gateway(self, **settings: Any) -> MailRelay:
        values = {"id": "mail", "protocol": "lmtp", "folders": "plus", **settings}
        gateway = make(Settings.model_validate(values), context(reactor))
        gateway.startService()
        self.addCleanup(gateway.stopService)
        return gateway

    def check(self, server: Dovecot, expected: dict[str, list[str]]) -> None:
        """Every folder that there is, and the texts of the mails in it."""
        found = {
            name: sorted(mail.get_content().strip() for mail in self.mails(server, name))
            for name in server.folders()
        }
        self.assertEqual({name: texts for name, texts in found.items() if texts}, expected)

    def mails(self, server: Dovecot, name: str) -> list[Any]:
        return [email.message_from_string(mail, policy=email.policy.default) for mail in server.mails(name)]


class LmtpTests(DovecotCase):
    """Its LMTP server, with `recipient_delimiter = +` and `lmtp_save_to_detail_mailbox = yes`."""

    skip = missing()

    async def test_folders(self) -> None:
        server = self.dovecot()
        gateway = self.gateway(socket=server.socket)
        for number, name in enumerate(("", "SMS", "SMS", "SMS/Alarms", "My texts", "R&D")):
            await gateway.send(filed(number, name))
        self.check(
            server,
            {
                "INBOX": ["for me"],
                "SMS": ["for SMS", "for SMS"],
                "SMS/Alarms": ["for SMS/Alarms"],
                "My texts": ["for My texts"],
                "R&D": ["for R&D"],
            },
        )

    async def test_by_tcp_with_dots_between_folders(self) -> None:
        """Dovecot's default for Maildir."""
        server = self.dovecot(separator=".")
        await self.gateway(host="127.0.0.1", port=server.port, folder_separator=".").send(
            filed(1, "SMS/Alarms")
        )
        self.check(server, {"SMS.Alarms": ["for SMS/Alarms"]})

    async def test_letters_beyond_ascii_come_into_the_inbox(self) -> None:
        """Dovecot 2.3 takes no such address: the header says the folder."""
        server = self.dovecot()
        await self.gateway(socket=server.socket).send(filed(1, "Entwürfe"))
        (mail,) = self.mails(server, "INBOX")
        self.assertEqual(mail["X-SMSD-Folder"], "Entwürfe")

    async def test_refusals(self) -> None:
        """An unknown mailbox, and after it a mail on the same connection."""
        server = self.dovecot()
        gateway = self.gateway(socket=server.socket)
        failure = await self.assertFailure(gateway.send(filed(1, "SMS", "bob@example.org")), Failure)
        self.assertEqual(
            (failure.kind, failure.scope, failure.status), (Kind.PERMANENT, Scope.MESSAGE, "5.1.1")
        )
        await gateway.send(filed(2, "SMS"))
        self.check(server, {"SMS": ["for SMS"]})
        self.assertIn("1 connections open", gateway.status)


class SieveTests(DovecotCase):
    """`folders: header` and the script of the manual."""

    skip = missing_sieve()

    async def test_folders(self) -> None:
        self.assertIn(indent(SIEVE, " " * 8), MANUAL.read_text("utf-8"))
        server = self.dovecot(sieve=SIEVE)
        gateway = self.gateway(socket=server.socket, folders="header")
        for number, name in enumerate(("", "SMS/Alarms", "Entwürfe")):
            await gateway.send(filed(number, name))
        self.check(
            server, {"INBOX": ["for me"], "SMS/Alarms": ["for SMS/Alarms"], "Entwürfe": ["for Entwürfe"]}
        )


class MaildirTests(DovecotCase):
    """`type: folder` writes what Dovecot reads."""

    skip = missing()

    async def test_folders(self) -> None:
        server = self.dovecot()
        settings = folder.Settings(id="mail", folder=str(server.mail), per_user=True)
        gateway = folder.make(settings, context(reactor))
        gateway.startService()
        self.addCleanup(gateway.stopService)
        for number, name in enumerate(("", "SMS", "SMS/Alarms", "Entwürfe", "R&D", "v1.2")):
            await gateway.send(filed(number, name))
        server.own()
        self.check(
            server,
            {
                "INBOX": ["for me"],
                "SMS": ["for SMS"],
                "SMS/Alarms": ["for SMS/Alarms"],
                "Entwürfe": ["for Entwürfe"],
                "R&D": ["for R&D"],
                "v1_2": ["for v1.2"],
            },
        )


class PostfixTests(DovecotCase):
    """smsd to Postfix by SMTP, Postfix to Dovecot by LMTP: the folder in the address comes through."""

    skip = missing() or postfix.missing()

    async def test_folders(self) -> None:
        server = self.dovecot()
        relay = postfix.Postfix(f"virtual_transport = lmtp:unix:{server.socket}\nrecipient_delimiter = +\n")
        self.addCleanup(relay.stop)
        relay.start()
        gateway = self.gateway(protocol="smtp", host="127.0.0.1", port=relay.port, security="none")
        for number, name in enumerate(("", "SMS/Alarms")):
            await gateway.send(filed(number, name))
        while sum(len(server.mails(name)) for name in server.folders()) < 2:
            await deferLater(reactor, 0.05, lambda: None)
        self.check(server, {"INBOX": ["for me"], "SMS/Alarms": ["for SMS/Alarms"]})
