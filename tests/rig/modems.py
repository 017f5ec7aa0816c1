"""Simulated modems in a process of their own: `python -m tests.rig.modems FOLDER [--count N] [--latency S] …`

Modem i is FOLDER/modem<i> with the control socket FOLDER/modem<i>.ctl. All share one journal: a JSON line per accepted
SUBMIT, in the file before the modem answers. `--trace FILE` adds one line per AT+CMGS that arrives and +CMT that leaves,
with CLOCK_MONOTONIC, by which latencies are measured. Prints "ready" when all can be opened.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.rig.processes import Process, ask, python, until, whole_lines

if TYPE_CHECKING:
    from smsd.simulator.answers import Result


class Modems:
    """The process, for whoever starts it."""

    def __init__(
        self,
        folder: Path,
        count: int = 1,
        latency: float = 0.0,
        latency_to: float | None = None,
        trace: bool = False,
        profile: str = "generic",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.count = count
        self.journal = folder / "journal"
        self.trace = folder / "trace"
        self.journal.touch()
        self.trace.touch()
        arguments = [str(folder), f"--count={count}", f"--latency={latency}", f"--profile={profile}"]
        if latency_to is not None:
            arguments.append(f"--latency-to={latency_to}")
        if trace:
            arguments.append("--trace")
        self.process = Process("modems", python("tests.rig.modems", *arguments), folder / "modems.log")
        until(lambda: (folder / "ready").exists(), 60, "the simulated modems", self.process)

    def link(self, number: int = 1) -> str:
        """What a gateway opens."""
        return str(self.folder / f"modem{number}")

    def ask(self, line: str, number: int = 1) -> dict[str, Any]:
        """A command to one modem."""
        return ask(self.folder / f"modem{number}.ctl", line)

    def sent(self) -> int:
        """How many SUBMITs all modems accepted."""
        return whole_lines(self.journal).count(b"\n")

    def stop(self) -> None:
        """End the process."""
        self.process.kill()


def main() -> None:
    """The process itself."""
    from twisted.internet import reactor

    from smsd.simulator import control
    from smsd.simulator.modem import SimulatedModem

    read = argparse.ArgumentParser(description=__doc__)
    read.add_argument("folder", type=Path)
    read.add_argument("--count", type=int, default=1)
    read.add_argument("--latency", type=float, default=0.0)
    read.add_argument("--latency-to", type=float, default=None)
    read.add_argument("--profile", default="generic")
    read.add_argument("--trace", action="store_true")
    options = read.parse_args()
    trace = os.open(options.folder / "trace", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def note(what: str, name: str) -> None:
        os.write(
            trace,
            b'{"t": %.6f, "what": "%b", "modem": "%b"}\n' % (time.monotonic(), what.encode(), name.encode()),
        )

    class Traced(SimulatedModem):
        """Notes when AT+CMGS arrives and when +CMT leaves."""

        def _run(self, command: str) -> Result:
            if command.startswith("+CMGS="):
                note("cmgs", self.name)
            return super()._run(command)

        def tell(self, line: str) -> None:
            if line.startswith("+CMT:"):
                note("cmt", self.name)
            super().tell(line)

        def come_back(self) -> None:
            super().come_back()
            note("back", self.name)

    kind = Traced if options.trace else SimulatedModem
    for number in range(1, options.count + 1):
        link = options.folder / f"modem{number}"
        modem = kind(
            reactor, str(link), options.profile, name=link.name, latency=options.latency,
            latency_to=options.latency_to, journal=str(options.folder / "journal"),
            number=f"+1555000{number:04d}", boot=0.0, kept=100, seed=number,
        )  # fmt: skip
        modem.start()
        control.listen(reactor, f"{link}.ctl", modem)
    reactor.callWhenRunning((options.folder / "ready").touch)
    reactor.run()


if __name__ == "__main__":
    main()
