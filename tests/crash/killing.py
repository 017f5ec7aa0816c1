"""Ways to die, in a seeded order: kill -9 while it runs, while it starts and recovers, at the n-th write or fsync of a commit
(strace delivers the signal inside the system call), and SIGTERM in between, which must lose and doubt nothing."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from functools import cache

from tests.rig.processes import RigError
from tests.rig.server import Server

WAYS = (("running", 55), ("starting", 20), ("commit", 15), ("terminated", 10))


@cache
def tracing() -> bool:
    """Whether strace is here and may trace."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], capture_output=True).returncode == 0


class Reaper:
    """Starts the server and ends it, `kills` times by SIGKILL. `say` prints progress, `look` says what is wrong in the store that
    it leaves."""

    def __init__(
        self,
        server: Server,
        rng: random.Random,
        say: Callable[[str], None],
        look: Callable[[], list[str]] = list,
    ) -> None:
        self._server, self._rng, self._say, self._look = server, rng, say, look
        self.kills: Counter[str] = Counter()
        self.problems: list[str] = []
        self.startups: list[float] = []

    def run(self, kills: int, progress: Callable[[], str]) -> None:
        """All of them; the first is a plain one, so that something has been accepted."""
        while (done := sum(n for way, n in self.kills.items() if way != "terminated")) < kills:
            ways, weights = zip(*WAYS, strict=True)
            way = self._rng.choices(ways, weights)[0] if done else "running"
            if way == "commit" and not tracing():
                way = "running"
            getattr(self, f"_{way}")()
            self.problems += self._look()
            self.kills[way] += 1
            self._say(f"{done + (way != 'terminated'):4}/{kills} killed {way:10} {progress()}")

    def _up(self) -> None:
        self._server.start()
        self.startups.append(self._server.ready())

    def _running(self) -> None:
        self._up()
        time.sleep(self._rng.uniform(0.0, 1.2))
        self._kill()

    def _starting(self) -> None:
        self._server.start()
        # A start takes about as long as the last ones took: anywhere in it, and a little behind.
        usual = self.startups[-1] if self.startups else 1.0
        time.sleep(self._rng.uniform(0.1, 1.2) * usual)
        self._kill()

    def _commit(self) -> None:
        call = self._rng.choice(("fdatasync", "pwrite64"))
        nth = self._rng.randrange(1, 60 if call == "fdatasync" else 400)
        inject = ("-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={nth}")
        process = self._server.start(("strace", "-f", "-qq", "-o", "/dev/null", *inject))
        if process.wait(8.0) is None:
            process.kill_group()

    def _terminated(self) -> None:
        self._up()
        time.sleep(self._rng.uniform(0.1, 1.0))
        began = time.monotonic()
        try:
            code = self._server.stop()
        except RigError as error:
            self.problems.append(str(error))
            return
        if code not in (0, -15):
            self.problems.append(
                f"SIGTERM: exit status {code}\n{self._server.process.tail() if self._server.process else ''}"
            )
        took = time.monotonic() - began
        if took > 30:
            self.problems.append(f"SIGTERM: it took {took:.0f} s")
        (left,) = self._server.rows("select count(*) from delivery where state=1")[0]
        if left:
            self.problems.append(f"SIGTERM: {left} deliveries were left on the wire")

    def _kill(self) -> None:
        process = self._server.process
        assert process is not None
        if process.code is not None:
            raise RigError(f"smsd ended by itself with {process.code}\n{process.tail()}")
        process.kill()
