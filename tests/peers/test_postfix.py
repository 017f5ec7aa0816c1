"""smsd's mail relay gateway against a real Postfix: into a mailbox, over TLS, refused."""

from __future__ import annotations

import email
import email.policy
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from smsd.gateways.smtp import Settings, make
from smsd.gateways.smtp.gateway import MailRelay
from smsd.values.address import Address
from smsd.values.delivery import Failure, Kind, Scope
from smsd.values.message import Binary, Report, Text
from tests.gateways.helpers import context, piece
from tests.gateways.test_smtp_tls import certificate
from tests.peers.postfix import Postfix, missing


class PostfixTests(TestCase):
    """Each test has a Postfix of its own."""

    skip = missing()
    timeout = 300

    def started(self, more: str = "", **settings: Any) -> MailRelay:
        self.postfix = Postfix(more)
        own, pem = certificate()
        self.ca = str(self.postfix.base / "conf" / "cert.pem")
        with open(self.ca, "wb") as target:
            target.write(own.privateKey.dump(1) + pem)
        self.postfix.start()
        self.addCleanup(self.postfix.stop)
        values = {
            "id": "relay",
            "host": "127.0.0.1",
            "port": self.postfix.port,
            "security": "none",
            **settings,
        }
        if "ca" in values:
            values["ca"] = self.ca
        gateway = make(Settings.model_validate(values), context(reactor))
        gateway.startService()
        self.addCleanup(gateway.stopService)
        return gateway

    async def mailbox(self, count: int) -> list[Any]:
        """The mails once there are `count` (within a minute, see timeout)."""
        while len(mails := self.postfix.mails()) < count:
            await deferLater(reactor, 0.05, lambda: None)
        return [email.message_from_bytes(mail, policy=email.policy.default) for mail in mails]

    async def test_texts_binary_and_reports_reach_the_mailbox(self) -> None:
        gateway = self.started()
        await gateway.send(piece())
        await gateway.send(piece(delivery=78, content=Text("Città 😀\n.\nFrom here\n..")))
        await gateway.send(piece(delivery=79, content=Binary(bytes(range(200)), b"\x05\x04\x0b\x84\x23\xf0")))
        notice = Report(
            "failed", 1, 2, "+4917012345678", "no such number", 0, 1704103200000, "Hi", status="5.1.1"
        )
        await gateway.send(piece(delivery=80, content=notice, origin=Address("account", "smsd")))
        text, unusual, binary, bounce = sorted(await self.mailbox(4), key=lambda mail: mail["Message-ID"])
        self.assertEqual(text["Return-Path"], "<admin@example.org>")
        self.assertEqual(text["From"], '+15551234567 <"sms:+15551234567"@sms.example.org>')
        self.assertEqual(text["X-Original-To"], "ann@example.org")
        self.assertEqual(text.get_content(), "Hello from the phone\n")
        # An mbox has an empty line after each mail, which mailbox.mbox takes away only once the next one stands there.
        self.assertEqual(unusual.get_content().rstrip("\n"), "Città 😀\n.\nFrom here\n..")
        self.assertEqual(next(iter(binary.iter_attachments())).get_content(), bytes(range(200)))
        self.assertEqual(bounce["Return-Path"], "<>")
        self.assertEqual(bounce.get_content_type(), "multipart/report")

    async def test_starttls(self) -> None:
        more = "smtpd_tls_security_level = encrypt\nsmtpd_tls_chain_files = {base}/conf/cert.pem\nsmtpd_tls_received_header = yes\n"
        gateway = self.started(more, security="starttls-required", ca="")
        await gateway.send(piece())
        (mail,) = await self.mailbox(1)
        self.assertIn("TLSv1", mail["Received"])

    async def refused(self, gateway: MailRelay, **changes: Any) -> Failure:
        try:
            await gateway.send(piece(**changes))
        except Failure as failure:
            return failure
        raise AssertionError("Postfix took it")

    async def test_refusals(self) -> None:
        gateway = self.started()
        for target, status in (("bob@example.org", "5.1.1"), ("bob@elsewhere.example", "5.7.1")):
            failure = await self.refused(gateway, target=Address("mailto", target))
            self.assertEqual(
                (failure.kind, failure.scope, failure.status), (Kind.PERMANENT, Scope.MESSAGE, status)
            )
        failure = await self.refused(gateway, content=Text("x" * 150_000))
        self.assertEqual((failure.kind, failure.status), (Kind.PERMANENT, "5.3.4"))
        await gateway.send(piece())
        self.assertEqual(len(await self.mailbox(1)), 1)

    async def test_a_burst(self) -> None:
        gateway = self.started()
        for first in range(0, 40, 4):
            for sent in [gateway.send(piece(delivery=100 + first + n)) for n in range(4)]:
                await sent
        self.assertEqual(len({mail["Message-ID"] for mail in await self.mailbox(40)}), 40)
        self.assertIn("4 connections", gateway.status)
