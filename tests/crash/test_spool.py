"""A spool folder of a server that is killed again and again while programs put files into it: each file is one message, and lies in
`sent` in the end."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.rig.processes import until
from tests.rig.server import Server

FILES = 400


class KilledSpoolCase(SynchronousTestCase):
    def test_each_file_is_one_message(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="smsd-spool-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        spool = folder / "sms"
        server = Server(folder, [{"id": "null", "type": "loopback", "delay": "0.005", "slots": "4"}])
        text = server.file.read_text().replace(
            '"listeners": [',
            '"listeners": [{"id": "files", "type": "spool", "folder": "../sms", "settle": "0.2"},',
            1,
        )
        server.file.write_text(text)
        self.addCleanup(lambda: server.process is not None and server.process.kill_group())
        server.start()
        server.ready()
        rng = random.Random(7)
        for number in range(FILES):
            self.put(spool, number)
            if number % 80 == 79:
                time.sleep(rng.uniform(0.02, 0.3))  # the moment of the kill, not a wait for something
                assert server.process is not None
                server.process.kill()
                server.start()
                if number % 160 == 79:
                    server.ready()
        server.ready()
        until(lambda: len(os.listdir(spool / "sent")) == FILES, 60, "every file in sent", server.process)
        server.stop()  # when the last file, which is in `sent` first, has left `checked`
        for name in ("outgoing", "checked", "failed"):
            self.assertEqual([one for one in os.listdir(spool / name) if one[0] != "."], [])
        targets = [
            target for (target,) in server.rows("select target from delivery where target like 'sms:%'")
        ]
        self.assertEqual(sorted(targets), sorted(f"sms:+1555{number:07}" for number in range(FILES)))

    def put(self, spool: Path, number: int) -> None:
        """As programs do: written elsewhere, then moved."""
        written = spool / f"new{number}"
        written.write_text(f"To: 1555{number:07}\n\nhello {number}")
        written.rename(spool / "outgoing" / f"send_{number}")
