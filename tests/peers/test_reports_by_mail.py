"""Delivery reports end to end: a mail with RFC 3461's wishes goes in, an SMS out through the simulated modem, and what comes back
lies in a mailbox, where mutt opens it."""

from __future__ import annotations

import contextlib
import email
import email.message
import email.policy
import json
import shutil
import smtplib
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.rig.processes import Folder, ask, until
from tests.rig.server import PASSWORD, USER, Server

ARRIVED, FAILING, AWAY, DUMB, NEVER = (f"+155512345{n}0" for n in range(1, 6))
OCCASION = {ARRIVED: "0.2:0", FAILING: "0.2:0x20,2:0x41", AWAY: "0.2:0x46"}


class ByMail(SynchronousTestCase):
    def setUp(self) -> None:
        self.place = Folder()
        self.addCleanup(self.place.close)
        self.server = Server(
            self.place.path / "s",
            [
                {"id": "modem1", "type": "gsm", "device": "modem"},
                {"id": "dumb", "type": "loopback"},
                {"id": "box", "type": "folder", "folder": "mail"},
            ],
            extra={
                "simulators": [{"id": "demo", "link": "modem", "control": "modem.sock", "latency": "0.01"}],
            },
        )
        self.addCleanup(lambda: self.server.process and self.server.process.kill())
        self.server.start()
        self.server.ready()
        self.server.in_service("modem1")

    def send(self, number: str, notify: str, text: str, gateway: str = "modem1") -> None:
        with contextlib.closing(smtplib.SMTP("127.0.0.1", self.server.smtp, timeout=120)) as session:
            session.ehlo()
            session.login(USER, PASSWORD)
            session.mail("ann@example.org", ["RET=FULL", "ENVID=QQ+3D314159"])
            session.rcpt(
                f"{number}@{gateway}",
                [f"NOTIFY={notify}", f"ORCPT=rfc822;{number.replace('+', '+2B')}@x.example"],
            )
            code, _ = session.data(
                f"From: Ann <ann@example.org>\r\nTo: {number}@{gateway}\r\nSubject: the door\r\n"
                f"Message-ID: <m{number}@example.org>\r\n\r\n{text}\r\n"
            )
            self.assertEqual(code, 250)

    def mailbox(self) -> Path:
        return self.server.folder / "var" / "mail"

    def mails(self) -> dict[str, email.message.EmailMessage]:
        """What lies in the mailbox, by the number it is about."""
        found = {}
        for path in (self.mailbox() / "new").glob("*"):
            mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            assert isinstance(mail, email.message.EmailMessage)
            found[str(fields(mail)["Final-Recipient"]).partition("; ")[2].partition("@")[0]] = mail
        return found

    def test_every_wish(self) -> None:
        control = self.server.folder / "var" / "modem.sock"
        for number, plan in OCCASION.items():
            ask(control, json.dumps({"do": "reports", "plan": plan, "number": number}))
        self.send(ARRIVED, "SUCCESS,FAILURE", "hello")
        self.send(FAILING, "SUCCESS,FAILURE,DELAY", "long text " * 20)
        self.send(AWAY, "SUCCESS,FAILURE", "hello")
        self.send(DUMB, "SUCCESS", "hello", gateway="dumb")
        self.send(NEVER, "NEVER", "hello")
        until(lambda: len(self.mails()) >= 4, 60, "four reports", self.server.process)
        mails = self.mails()
        self.assertEqual(sorted(mails), sorted([ARRIVED, FAILING, AWAY, DUMB]))
        for number, action, status, words in (
            (ARRIVED, "delivered", "2.1.5", "was delivered on"),
            (FAILING, "failed", "5.0.0", "Reason: the network reports: 0x41 incompatible destination"),
            (AWAY, "failed", "4.4.7", "could not be delivered in time"),
            (DUMB, "relayed", "2.0.0", "was sent to the mobile network"),
        ):
            mail = mails[number]
            said = fields(mail)
            self.assertEqual((said["Action"], said["Status"]), (action, status))
            self.assertEqual(said["Original-Recipient"], f"rfc822; {number}@x.example")
            self.assertEqual(said["Original-Envelope-Id"], "QQ=314159")
            self.assertEqual(said["Diagnostic-Code"] is not None, action == "failed")
            self.assertIn(words, text(mail))
            self.assertEqual((mail["In-Reply-To"], mail["Return-Path"]), (f"<m{number}@example.org>", "<>"))
        self.assertIn("The message has 2 parts; 2 of them were sent.", text(mails[FAILING]))
        (delivery,) = self.server.rows("select id from delivery where target=?", f"sms:{FAILING}")[0]
        every = [(1, "failed"), (1, "pending"), (2, "failed"), (2, "pending")]

        def told() -> bool:
            network = self.server.ask("explain", delivery=delivery)["network"]
            return sorted((one["part"], one["status"]) for one in network) == every

        until(told, 20, "what is told of each part", self.server.process)
        if shutil.which("mutt") and shutil.which("script"):
            self.in_mutt(len(mails))

    def in_mutt(self, number: int) -> None:
        """A mail program shows each of them: the words, the machine's fields, the original."""
        folder = self.place.path
        (self.mailbox() / "cur").mkdir(exist_ok=True)
        (folder / "muttrc").write_text(
            "set mbox_type=Maildir\nset pipe_decode\nset wait_key=no\nunset mark_old\n"
        )
        shown = ""
        for at in range(1, number + 1):
            keys = f"<jump>{at}<enter><pipe-message>cat > {folder}/{at}.txt<enter>q"
            subprocess.run(
                ["script", "-qc", f"mutt -F {folder}/muttrc -R -f {self.mailbox()} -e 'push \"{keys}\"'", "/dev/null"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=120, check=False,
                env={"TERM": "xterm", "HOME": str(folder), "PATH": "/usr/bin:/bin"},
            )  # fmt: skip
            shown += (folder / f"{at}.txt").read_text("utf-8")
        for word in ("Delivered: SMS to", "Undelivered: SMS to", "Sent: SMS to"):
            self.assertIn(f"Subject: {word} +1555", shown)
        self.assertEqual(shown.count("This is a report by the SMS gateway."), number)
        self.assertEqual(shown.count("\nAction: "), number)
        self.assertIn("long text long text", shown, "what could not be delivered goes back")


def fields(mail: email.message.EmailMessage) -> email.message.Message:
    """The machine's fields, of the message and of its recipient."""
    status = mail.get_payload(1)
    assert isinstance(status, email.message.Message)
    told = email.message.Message()
    for block in status.get_payload():
        assert isinstance(block, email.message.Message)
        for name, value in block.items():
            told[name] = str(value)
    return told


def text(mail: email.message.EmailMessage) -> str:
    """The words for people."""
    body = mail.get_body()
    assert isinstance(body, email.message.EmailMessage)
    return str(body.get_content())
