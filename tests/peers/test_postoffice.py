"""Notifications, lists and programs in a real smsd, written to by swaks: what leaves, what comes back, what is never shown."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.rig.mailbox import Mailbox
from tests.rig.processes import Folder, environment, until
from tests.rig.server import PASSWORD, USER, Server, mail_gateway

SWAKS = shutil.which("swaks")
SECRET, WRONG = "alertpwd", "misspelt-secret"
EXAMPLE = f"sms:+15551234567?user=smsalerts&pass={SECRET}@sms.example.org"
BIG = 1200


class PostOffice(SynchronousTestCase):
    if SWAKS is None:
        skip = "swaks is not installed"

    def setUp(self) -> None:
        self.place = Folder()
        self.addCleanup(self.place.close)
        self.mailbox = Mailbox(self.place.path / "mailbox")
        self.addCleanup(self.mailbox.stop)
        big = self.place.path / "big.txt"
        big.write_text("# everybody\n" + "".join(f"+1555{n:07}\n" for n in range(2_000_000, 2_000_000 + BIG)))
        self.taken = self.place.path / "taken"
        program = self.place.path / "take"
        program.write_text(
            f'#!/bin/sh\n{{ echo "$1|$SMSD_SUBJECT"; cat; }} > {self.taken}.new\nmv {self.taken}.new {self.taken}\n'
        )
        program.chmod(0o700)
        extra = {
            "accounts": [
                {"user": USER, "password": PASSWORD, "demo": True},
                {"user": "smsalerts", "password": SECRET, "demo": True},
            ],
            "notifications": [
                {"address": "alarm", "to": ["+15550000001", "+15550000002"], "account": "smsalerts",
                 "text": "%from_name%: %first_line%"},
            ],
            "lists": [
                {"address": "ops", "senders": "everybody", "owner": "boss@example.net", "subject_prefix": "[ops]",
                 "members": [EXAMPLE, EXAMPLE.replace("4567", "4568").replace(SECRET, WRONG), "mailto:eve@example.net"]},
                {"address": "all", "file": str(big)},
            ],
            "programs": [{"address": "tickets", "command": [str(program), "%sender%"]}],
        }  # fmt: skip
        self.server = Server(
            self.place.path / "s",
            [{"id": "nowhere", "type": "loopback"}, mail_gateway(self.mailbox.port)],
            extra=extra,
        )
        self.addCleanup(lambda: self.server.process and self.server.process.kill())
        self.server.start()
        self.server.ready()
        self.server.in_service("nowhere")
        self.server.in_service("relay")

    def swaks(self, to: str, *more: str, login: bool = True) -> tuple[int, str]:
        assert SWAKS is not None
        command = [
            SWAKS, "--server", f"127.0.0.1:{self.server.smtp}", "--to", f"{to}@sms.example.org",
            "--from", "ann@example.net", "--header", "From: Ann Smith <ann@example.net>",
            "--header", "Subject: disk full", "--body", "sda1 is full", *more,
        ]  # fmt: skip
        if login:
            command += ["--auth", "PLAIN", "--auth-user", USER, "--auth-password", PASSWORD]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=300, env=environment(), check=False
        )
        return done.returncode, done.stdout

    def settled(self) -> None:
        until(lambda: not self.server.waiting(), 60, "an empty queue", self.server.process)

    def test_everything(self) -> None:
        # A notification: for who has logged in; paid by its own account.
        code, said = self.swaks("alarm", login=False)
        self.assertEqual(code, 24, said)
        self.assertIn("530 5.7.0 authentication required", said)
        code, said = self.swaks("alarm")
        self.assertEqual(code, 0, said)
        rows = self.server.rows(
            "select d.target, m.body, m.account from delivery d join message m on m.id = d.message"
        )
        text = "Ann Smith: sda1 is full"
        self.assertEqual(sorted(rows), [(f"sms:+1555000000{n}", text, "smsalerts") for n in (1, 2)])

        # The list of the document: a stranger's mail, accounted to the member's account; the wrong password goes to the owner.
        code, said = self.swaks("ops", login=False)
        self.assertEqual(code, 0, said)
        self.settled()
        rows = self.server.rows(
            "select d.target, m.account from delivery d join message m on m.id = d.message where m.body='sda1 is full'"
        )
        self.assertEqual(sorted(rows), [("mailto:eve@example.net", None), ("sms:+15551234567", "smsalerts")])
        letters = {letter.to.partition(" ")[0].strip("<>"): letter for letter in self.mailbox.letters()}
        self.assertEqual(letters["eve@example.net"].text.strip(), "sda1 is full")
        self.assertIn("+15551234568", letters["boss@example.net"].text)
        self.assertIn("user or password of this member is wrong", letters["boss@example.net"].text)

        # A big list twice under one Message-ID.
        for _ in range(2):
            code, said = self.swaks("all", "--header", "Message-Id: <once@example.net>")
            self.assertEqual(code, 0, said)
        self.settled()
        counted = "select count(*), count(distinct d.target), count(distinct d.message) from delivery d where d.target > ?"
        [(rows_, numbers, messages)] = self.server.rows(counted, "sms:+15552")
        self.assertEqual((rows_, numbers), (BIG, BIG))
        self.assertGreater(messages, 2)

        # A program.
        code, said = self.swaks("tickets")
        self.assertEqual(code, 0, said)
        until(self.taken.exists, 30, "the program's file", self.server.process)
        self.assertEqual(self.taken.read_text().strip(), "ann@example.net|disk full\nsda1 is full")

        # No password in the queue, the logs or what came out, whatever is asked.
        self.server.stop()
        everything = b"".join(
            path.read_bytes() for path in self.found(self.server.folder / "var", self.mailbox_folder)
        )
        self.assertIn(b"+15551234567", everything)
        for secret in (SECRET, WRONG):
            self.assertNotIn(secret.encode(), everything)

    @property
    def mailbox_folder(self) -> Path:
        return self.place.path / "mailbox"

    def found(self, *folders: Path) -> list[Path]:
        out = [self.server.folder / "smsd.out"]
        return out + [path for folder in folders for path in folder.rglob("*") if path.is_file()]
