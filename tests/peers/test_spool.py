"""Programs of SMSTools3 and gammu-smsd against a spool folder: a script as SMSTools3's sendsms, and gammu-smsd-inject itself."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.rig.processes import until
from tests.rig.server import Server

SENDSMS = r"""
set -e
file=$(mktemp "$1/send_XXXXXX")
written=$(mktemp)
printf 'To: %s\nAlphabet: UCS\n\n' "$2" >> "$written"
printf '%s' "$3" | iconv -f UTF-8 -t UTF-16BE >> "$written"
mv "$written" "$file"
"""
"""What that script does: the file is there, and empty, before what was written is moved over it."""


class Served(SynchronousTestCase):
    """An smsd with a spool folder."""

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="smsd-spool-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def serve(self, dialect: str) -> Server:
        server = Server(self.folder, [{"id": "null", "type": "loopback", "delay": "0.005"}])
        listener = f'{{"id": "files", "type": "spool", "folder": "../sms", "dialect": "{dialect}", "settle": "0.5"}},'
        server.file.write_text(
            server.file.read_text().replace('"listeners": [', f'"listeners": [{listener}', 1)
        )
        self.addCleanup(lambda: server.process is not None and server.process.kill_group())
        server.start()
        server.ready()
        return server

    def texts(self, server: Server) -> list[tuple[str, str]]:
        found = server.rows(
            "select d.target, m.body from delivery d join message m on m.id=d.message where d.target like 'sms:%'"
        )
        return [(str(target), str(body)) for target, body in found]


class SpoolCase(Served):
    def test_sendsms(self) -> None:
        if shutil.which("iconv") is None:
            raise SkipTest("iconv is not installed")
        server = self.serve("smstools")
        spool = self.folder / "sms"
        subprocess.run(
            ["sh", "-c", SENDSMS, "sendsms", spool / "outgoing", "491721234567", "grüße €"],
            check=True,
            timeout=120,
        )
        until(lambda: any((spool / "sent").iterdir()), 30, "the file in sent", server.process)
        self.assertEqual(self.texts(server), [("sms:+491721234567", "grüße €")])
        (sent,) = (spool / "sent").iterdir()
        self.assertIn(b"\nModem: null\nSent: ", sent.read_bytes())
        server.stop()

    def test_gammu_smsd_inject(self) -> None:
        if shutil.which("gammu-smsd-inject") is None:
            raise SkipTest("gammu-smsd is not installed")
        server = self.serve("gammu")
        spool = self.folder / "sms"
        rc = self.folder / "smsdrc"
        rc.write_text(
            f"[gammu]\ndevice=/dev/null\nconnection=at\n[smsd]\nservice=files\noutboxpath={spool}/outbox/\n"
        )
        long = "abc " * 80
        for words in (
            ["-text", "hello"],
            ["-unicode", "-text", "grüße €"],
            ["-len", "400", "-report", "-text", long],
        ):
            subprocess.run(
                ["gammu-smsd-inject", "-c", rc, "TEXT", "+15551234567", *words], check=True, timeout=120,
                env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}, capture_output=True,
            )  # fmt: skip
        until(lambda: len(list((spool / "sent").iterdir())) == 3, 30, "the files in sent", server.process)
        self.assertEqual(sorted(text for _, text in self.texts(server)), sorted(["hello", "grüße €", long]))
        self.assertEqual({number for number, _ in self.texts(server)}, {"sms:+15551234567"})
        server.stop()
