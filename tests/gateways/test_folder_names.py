"""Folders of a Maildir, and a Maildir for everybody: made when missing, below the Maildir whatever the name is."""

from __future__ import annotations

import mailbox
import os
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.trial.unittest import TestCase

from smsd.gateways import folder
from smsd.values.address import Address
from smsd.values.delivery import Failure, Kind, Piece, Scope
from tests.gateways.helpers import context, piece


def filed(name: str, recipient: str = "ann@example.org", delivery: int = 77) -> Piece:
    """A mail that a rule puts into a folder."""
    return piece(delivery=delivery, target=Address("mailto", recipient), headers=(("folder", name),))


class FolderCase(TestCase):
    per_user = False

    def setUp(self) -> None:
        self.above = os.path.abspath(self.mktemp())
        self.path = os.path.join(self.above, "mail")
        settings = folder.Settings(id="mail", folder=self.path, per_user=self.per_user)
        self.gateway = folder.make(settings, context(reactor))
        self.gateway.startService()
        self.addCleanup(self.gateway.stopService)

    def new(self, *below: str) -> list[str]:
        return sorted(os.listdir(os.path.join(self.path, *below, "new")))

    async def failure(self, mail: Piece) -> Failure:
        failure: Any = await self.assertFailure(self.gateway.send(mail), Failure)
        return failure  # type: ignore[no-any-return]


class Folders(FolderCase):
    """One Maildir."""

    async def test_a_folder_is_made(self) -> None:
        await self.gateway.send(filed("SMS"))
        await self.gateway.send(filed("SMS/Alarms", delivery=78))
        await self.gateway.send(filed("SMS", delivery=79))
        self.assertEqual(self.new(), [])
        self.assertEqual(self.new(".SMS"), ["77.42.sms.example.org", "79.42.sms.example.org"])
        found = mailbox.Maildir(self.path, create=False)
        self.assertEqual(sorted(found.list_folders()), ["SMS", "SMS.Alarms"])
        (mail,) = found.get_folder("SMS.Alarms")
        self.assertEqual((mail["To"], mail.get_payload()), ("ann@example.org", "Hello from the phone\n"))
        self.assertTrue(os.path.isfile(os.path.join(self.path, ".SMS", "maildirfolder")))
        self.assertEqual(os.stat(os.path.join(self.path, ".SMS", "new")).st_mode & 0o777, 0o700)

    async def test_no_name_leads_out_of_the_maildir(self) -> None:
        names = ("../../x", "/etc/x", "..", ".", "", "a/../../b", "new", "INBOX", "語" * 400, "~/x")
        for number, name in enumerate(names):
            await self.gateway.send(filed(name, delivery=number))
        self.assertEqual(os.listdir(self.above), ["mail"])
        made = {name for name in os.listdir(self.path) if name.startswith(".")}
        self.assertEqual(len(made), 6)
        self.assertLess({".x", ".etc.x", ".a.b", ".new", "._.x"}, made)
        self.assertEqual(len(self.new()), 4)

    async def test_many_at_once(self) -> None:
        """Whoever is first makes the folder."""
        await gatherResults([self.gateway.send(filed("SMS", delivery=number)) for number in range(20)])
        self.assertEqual(len(self.new(".SMS")), 20)

    async def test_a_folder_that_cannot_be_is_one_mails_trouble(self) -> None:
        with open(os.path.join(self.path, ".SMS"), "wb"):
            pass
        failure = await self.failure(filed("SMS"))
        self.assertEqual((failure.kind, failure.scope), (Kind.TEMPORARY, Scope.MESSAGE))
        await self.gateway.send(filed("Other"))
        self.assertEqual(len(self.new(".Other")), 1)

    async def test_a_disk_that_is_gone_is_not_made_anew(self) -> None:
        os.rename(self.path, self.path + ".moved")
        failure = await self.failure(filed("SMS"))
        self.assertEqual(failure.scope, Scope.GATEWAY)
        self.assertFalse(os.path.exists(self.path))

    async def test_new_folders_are_synced(self) -> None:
        """A folder's name is on disk before the mail counts as delivered."""
        synced: list[str] = []
        sync = os.fsync
        self.patch(
            os, "fsync", lambda number: (synced.append(os.readlink(f"/proc/self/fd/{number}")), sync(number))
        )
        await self.gateway.send(filed("SMS"))
        self.assertEqual(synced[0], self.path)
        self.assertEqual(synced[1], os.path.join(self.path, ".SMS"))
        self.assertEqual(synced[-1], os.path.join(self.path, ".SMS", "new"))


class Users(FolderCase):
    """`per_user`."""

    per_user = True

    async def test_everybody_has_a_maildir(self) -> None:
        await self.gateway.send(piece())
        await self.gateway.send(filed("SMS", "Bob@Example.org", 78))
        await self.gateway.send(filed("", '"a/../b"@example.net', 79))
        self.assertEqual(self.new("example.org", "ann"), ["77.42.sms.example.org"])
        self.assertEqual(self.new("example.org", "bob", ".SMS"), ["78.42.sms.example.org"])
        self.assertEqual(self.new("example.org", "bob"), [])
        self.assertEqual(self.new("example.net", "a%2F..%2Fb"), ["79.42.sms.example.org"])
        self.assertEqual(sorted(os.listdir(self.path)), ["example.net", "example.org"])
        self.assertEqual(os.listdir(self.above), ["mail"])

    async def test_a_name_that_no_disk_holds(self) -> None:
        failure = await self.failure(filed("", "ä" * 60 + "@example.org"))
        self.assertEqual((failure.kind, failure.status), (Kind.PERMANENT, "5.1.3"))
        self.assertEqual(os.listdir(self.path), [])
