"""SMSTools3 itself: its scripts at our spool folder, and the files that its program writes beside those that we write."""

from __future__ import annotations

import re
import shutil
import tempfile
from datetime import datetime, timezone
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.spool import smstools as ours
from smsd.codec.spool.smstools import Fate
from smsd.codec.spool.values import Came
from smsd.values.message import Binary, Text
from tests.peers import smstools
from tests.peers.smstools import SmsTools
from tests.peers.test_spool import Served
from tests.rig.modems import Modems
from tests.rig.processes import until

PHONE = "+491729876543"
WITHHELD = ("IMSI", "IMEI", "PDU", "Sending_time", "UDH-Type")
"""Headers about its modem that we do not write."""


def moment(text: str) -> int:
    """The milliseconds of a time in a file."""
    return int(datetime.strptime(text, "%y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc).timestamp() * 1000)


def told(octets: bytes) -> tuple[dict[str, str], list[str], bytes]:
    """Headers of a file, those of them that we write too as they stand there, and its body."""
    head, _, body = octets.partition(b"\n\n")
    lines = head.decode("utf-8").split("\n")
    headers = dict(line.split(": ", 1) if ": " in line else (line.rstrip(":"), "") for line in lines)
    kept = [re.sub(r"^From_SMSC: .*", "From_SMSC: ", line) for line in lines]
    return headers, [line for line in kept if line.partition(":")[0] not in WITHHELD], body


class Scripts(Served):
    """`sendsms`, and what reads incoming files."""

    skip = smstools.missing()

    def test_sendsms(self) -> None:
        server = self.serve("smstools")
        spool = self.folder / "sms"
        sendsms = smstools.script("sendsms", spool, self.folder)
        smstools.run(sendsms, "491721234567", "hello from a script")
        smstools.run(sendsms, "491721234567", "491721234568", "s1234", "für alle: Ж €")
        until(
            lambda: len(list((spool / "sent").glob("send_*"))) == 4, 30, "the files in sent", server.process
        )
        expected = [("sms:+491721234567", "hello from a script")]
        expected += [(f"sms:{n}", "für alle: Ж €") for n in ("+491721234567", "+491721234568", "1234")]
        self.assertEqual(sorted(self.texts(server)), sorted(expected))
        for sent in (spool / "sent").glob("send_*"):
            self.assertRegex(sent.name, r"^send_\w{6}$")
            headers, _, _ = told(sent.read_bytes())
            self.assertEqual(headers["Modem"], "null")
            self.assertLessEqual({"To", "Sent"}, headers.keys())
        server.stop()

    def test_sms2html(self) -> None:
        """It knows ISO and UCS2, as texts are written unless the configuration says otherwise."""
        file = self.folder / "GSM1.1"
        file.write_bytes(ours.came(Came(PHONE, Text("Ж"), "GSM1", 0, 0, 1)))
        html = smstools.run(smstools.SCRIPTS / "sms2html", str(file))
        self.assertIn("From: 491729876543<br>", html)
        self.assertIn("&#x0416;", html)


class Beside(SynchronousTestCase):
    """The same messages through its program and through our codec: the same headers in the same order, the same octets behind."""

    skip = smstools.missing_program()

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="smsd-smstools-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.modems = Modems(self.folder / "modems")
        self.addCleanup(self.modems.stop)
        self.theirs = SmsTools(self.folder, self.modems)
        self.addCleanup(self.theirs.stop)

    def test_what_phones_write(self) -> None:
        long = "long " * 60
        texts = ["hello there", "Grüße €uro [x]", "Ж unicode 😀", long]
        for text in texts:
            self.modems.ask(f"receive {PHONE} '{text}'")
        self.modems.ask("receive ACME 'from a name'")
        self.modems.ask("receive 4433 'from a short code'")
        self.modems.ask(f"receive {PHONE} hex=00FF10")
        self.modems.ask(f"receive {PHONE} hex=0102 udh=0504158A0000")
        contents = [
            *((PHONE, Text(text)) for text in texts),
            ("ACME", Text("from a name")),
            ("4433", Text("from a short code")),
            (PHONE, Binary(b"\x00\xff\x10")),
            (PHONE, Binary(b"\x01\x02", b"\x05\x04\x15\x8a\x00\x00")),
        ]
        seen = []
        for file in self.theirs.wait("incoming", len(contents)):
            self.assertRegex(file.name, r"^GSM1\.\w{6}$")
            headers, lines, body = told(file.read_bytes())
            sent, received = moment(headers["Sent"]), moment(headers["Received"])
            made = [
                ours.came(Came(number, content, "GSM1", received, sent, 1)) for number, content in contents
            ]
            same = [n for n, octets in enumerate(made) if told(octets)[1:] == (lines, body)]
            self.assertEqual(len(same), 1, file.read_bytes())
            seen += same
        self.assertEqual(sorted(seen), list(range(len(contents))))

    def test_what_becomes_of_files(self) -> None:
        outgoing = self.theirs.spool / "outgoing"
        self.modems.ask("reports 1:0x30,2:0x46,3:0x00")
        files = {
            "sent1": b"To: 491721234567\nReport: yes\nX-Own: kept\n\nhello",
            "sent2": b"To: 491721234567\nAlphabet: UCS\n\n" + "Ж\n".encode("utf-16-be"),
        }
        for name, octets in files.items():
            (outgoing / name).write_bytes(octets)
        for file in self.theirs.wait("sent", 2):
            headers, lines, body = told(file.read_bytes())
            fate = Fate("", moment(headers["Sent"]), "GSM1", headers["Message_id"])
            self.assertEqual(told(ours.told(files[file.name], fate))[1:], (lines, body))

        expected = {"delivered", "expired", "48,Temporary error, SC specific, unknown"}
        until(lambda: self.reports() >= expected, 60, "all reports", self.theirs.process)

        self.modems.ask("fail message 1 value='+CMS ERROR: 500' times=0")
        octets = b"To: 491721234567\n\nfails"
        (outgoing / "failed1").write_bytes(octets)
        (outgoing / "failed2").write_bytes(b"no header at all\n")
        (outgoing / "failed3").write_bytes(b"To: \n\nx\n")
        found_files = {file.name: told(file.read_bytes()) for file in self.theirs.wait("failed", 3)}
        for name, source in (
            ("failed1", octets),
            ("failed2", b"no header at all\n"),
            ("failed3", b"To: \n\nx\n"),
        ):
            headers, lines, body = found_files[name]
            fate = Fate(headers["Fail_reason"], moment(headers["Failed"]), headers.get("Modem", ""), "")
            self.assertEqual(told(ours.told(source, fate))[1:], (lines, body))

    def reports(self) -> set[str]:
        """What they say, by our word for it where we have one; all are as ours."""
        found = set()
        for file in self.theirs.files("report"):
            self.assertRegex(file.name, r"^GSM1\.\w{6}$")
            _, lines, body = told(file.read_bytes())
            said = re.fullmatch(
                rb"SMS STATUS REPORT\nMessage_id: (\d+)\nDischarge_timestamp: (.*)\nStatus: (.*)", body
            )
            if said is None:
                continue  # it is just being written
            number, at, status = (each.decode() for each in said.groups())
            event = next((word for word, meant in ours.STATUSES.items() if meant == status), "")
            found.add(event or status)
            if event:
                _, made, written = told(ours.report("+491721234567", "GSM1", event, moment(at), number))
                self.assertEqual((timeless(made), written), (timeless(lines), body))
        return found


def timeless(lines: list[str]) -> list[str]:
    """Without the times when it was sent and received: we know when it was told."""
    return [line for line in lines if not line.startswith(("Sent:", "Received:"))]
