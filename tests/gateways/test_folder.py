"""The Maildir gateway: whole mails, durable, once each; a disk that says no is the gateway's trouble."""

from __future__ import annotations

import os

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from smsd.gateways import folder
from smsd.interfaces import IGateway
from smsd.values.address import Address
from smsd.values.delivery import Accepted, Failure, Scope
from smsd.values.message import Report, Ticket
from tests.gateways.helpers import context, piece


class Maildir(TestCase):
    def setUp(self) -> None:
        self.path = os.path.abspath(self.mktemp())
        self.context = context(reactor)
        self.gateway = folder.make(folder.Settings(id="mail", folder=self.path), self.context)
        self.gateway.startService()
        self.addCleanup(self.gateway.stopService)

    def mails(self) -> list[str]:
        """What a mail program would find."""
        found = []
        for name in sorted(os.listdir(os.path.join(self.path, "new"))):
            with open(os.path.join(self.path, "new", name)) as stream:
                found.append(stream.read())
        return found

    async def test_an_sms_becomes_a_mail(self) -> None:
        verifyObject(IGateway, self.gateway)
        self.assertEqual(self.context.outlet.told, [("opened", 1)])
        self.assertEqual(await self.gateway.send(piece()), Accepted())
        [mail] = self.mails()
        self.assertIn("Return-Path: <admin@example.org>\nDelivered-To: ann@example.org\n", mail)
        self.assertIn('<"sms:+15551234567"@sms.example.org>\n', mail)
        self.assertIn("\n\nHello from the phone\n", mail)
        self.assertNotIn("\r", mail)
        self.assertEqual(os.listdir(os.path.join(self.path, "tmp")), [])

    async def test_a_report(self) -> None:
        report = Report(
            "failed", 42, 77, "+15551234567", "no such number", 1704103200000, 1704103201000, "Hello"
        )
        await self.gateway.send(piece(content=report, ticket=Ticket(Address("mailto", "ann@example.org"))))
        [mail] = self.mails()
        self.assertIn("Return-Path: <>\n", mail)
        self.assertIn("message/delivery-status", mail)

    async def test_written_twice_is_one_mail(self) -> None:
        await self.gateway.send(piece())
        await self.gateway.send(piece())
        self.assertEqual(len(self.mails()), 1)

    async def test_synced_before_the_answer(self) -> None:
        """Of the file, before it is renamed into new/; then of the folder."""
        order: list[str] = []
        sync, rename = os.fsync, os.rename
        self.patch(
            os, "fsync", lambda number: (order.append(os.readlink(f"/proc/self/fd/{number}")), sync(number))
        )
        self.patch(os, "rename", lambda old, new: (order.append("rename"), rename(old, new)))
        await self.gateway.send(piece())
        self.assertEqual(
            [os.path.basename(os.path.dirname(path)) for path in order],
            ["tmp", "", os.path.basename(self.path)],
        )
        self.assertEqual(order[1:], ["rename", os.path.join(self.path, "new")])

    async def test_a_folder_that_is_gone(self) -> None:
        os.rename(self.path, self.path + ".moved")
        failure = await self.assertFailure(self.gateway.send(piece()), Failure)
        self.assertEqual((failure.scope, failure.maybe_sent), (Scope.GATEWAY, False))
        self.assertIn("No such file or directory", failure.reason)

    async def test_stopping_waits_for_the_mail_at_hand(self) -> None:
        sending: Deferred[Accepted] = self.gateway.send(piece())
        await self.gateway.stopService()
        self.assertEqual(len(self.mails()), 1)
        await sending
