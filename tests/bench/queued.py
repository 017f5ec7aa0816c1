"""A long queue: memory with 0, 100,000 and 1,000,000 messages waiting, the start with them, and the first message out."""

from __future__ import annotations

import json
import time
from pathlib import Path

from tests.bench.accepts import CLOSED
from tests.bench.fill import fill
from tests.bench.measure import Contender, Results, put_load
from tests.rig.modems import Modems
from tests.rig.processes import until
from tests.rig.server import Server, modem_gateway


def long_queue(folder: Path, results: Results) -> None:
    """All of it."""
    sizes = (0, 20_000, 100_000) if results.quick else (0, 100_000, 1_000_000)
    rates = {}
    for size in sizes:
        server = Server(folder / f"queue{size}", [CLOSED])
        server.database.parent.mkdir(parents=True)
        if size:
            took = fill(str(server.database), size)
            print(f"  ({size} messages written straight into the store in {took:.1f} s)")
        server.start()
        assert server.process is not None
        start = server.ready()
        time.sleep(2)
        idle = server.process.memory()["VmRSS"] / 1024
        rates[size] = put_load(Contender("smsd", ("http", str(server.http))), 10, 3.0)["rate"]
        loaded = server.process.memory()["VmHWM"] / 1024
        server.process.kill()
        promised = size == 1_000_000
        results.keep(
            f"queue of {size}",
            {"start": start, "idle MiB": idle, "at most MiB": loaded, "accepts": rates[size]},
        )
        results.add(
            f"memory with {size} queued", f"{idle:.0f} MiB idle, {loaded:.0f} MiB under load", "", None,
            "<= 150 MiB" if promised else "", loaded <= 150 if promised else None,
        )  # fmt: skip
        results.add(f"start with {size} queued, until the doors are open", f"{start:.2f} s")
    results.add(
        f"HTTP accepts with {sizes[-1]} queued", f"{rates[sizes[-1]]:.0f}/s", f"with an empty queue {rates[0]:.0f}/s",
        rates[sizes[-1]] / rates[0],
    )  # fmt: skip
    first_out(folder, results, sizes[-1])


def first_out(folder: Path, results: Results, size: int) -> None:
    """From starting the process to the first message at the modem."""
    modem = Modems(folder / "first", trace=True)
    try:
        took = []
        for number in range(3):
            server = Server(folder / f"first{number}", [modem_gateway("gsm1", modem.link())])
            server.database.parent.mkdir(parents=True)
            fill(str(server.database), size)
            seen = modem.trace.stat().st_size
            process = server.start()
            until(lambda seen=seen: modem.trace.stat().st_size > seen, 120, "the first message", process)
            process.kill()
            line = modem.trace.read_bytes()[seen:].splitlines()[0]
            took.append(json.loads(line)["t"] - process.started)
        middle = sorted(took)[1]
        promised = size == 1_000_000
        results.keep("first message out", {"seconds": took, "queued": size})
        results.add(
            f"first AT+CMGS after a start with {size} queued", f"median of 3: {middle:.2f} s", "", None,
            "<= 2 s" if promised else "", middle <= 2 if promised else None,
        )  # fmt: skip
    finally:
        modem.stop()
