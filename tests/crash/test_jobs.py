"""A job in a server that is killed again and again: each line of the file becomes one message, whatever happens."""

from __future__ import annotations

import base64
import random
import shutil
import tempfile
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.rig.processes import until
from tests.rig.server import Server

LINES = 6000


class KilledJobCase(SynchronousTestCase):
    def test_each_line_is_one_message(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="smsd-job-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        server = Server(folder, [{"id": "null", "type": "loopback", "delay": "0.001", "slots": "20"}])
        self.addCleanup(lambda: server.process is not None and server.process.kill_group())
        server.start()
        server.ready()
        job = server.ask("job open", name="list.csv", text="Dear {name}", account="demo")

        table = "number,name\n" + "".join(f"+1555{n:07},N{n}\n" for n in range(LINES))
        for at in range(0, len(table), 100_000):
            server.ask("job feed", job=job, data=base64.b64encode(table[at : at + 100_000].encode()).decode())
        self.assertEqual(server.ask("job close", job=job)["total"], LINES)
        server.ask("job start", job=job)
        rng = random.Random(5)
        for _ in range(5):
            time.sleep(rng.uniform(0.05, 0.6))  # the moment of the kill, not a wait for something
            assert server.process is not None
            server.process.kill()
            server.start()
            server.ready()
        until(
            lambda: server.ask("job show", job=job)["state"] == "done",
            120,
            "the end of the job",
            server.process,
        )
        told = server.ask("job show", job=job)
        self.assertEqual((told["accepted"], told["refused"]), (LINES, 0))
        server.stop()
        targets = [target for (target,) in server.rows("select target from delivery")]
        self.assertEqual(len(targets), LINES)
        self.assertEqual(len(set(targets)), LINES)
        self.assertEqual(server.rows("select n from counter where account='demo'"), [(LINES,)])
        self.assertEqual(server.rows("select count(*) from delivery where state<>2"), [(0,)])
