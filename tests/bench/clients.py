"""Requests per second of the two HTTP clients against the same provider, at 1, 10 and 50 connections; each in a process of
its own: `python -m tests.bench.clients treq|lean PORT CONNECTIONS SECONDS`."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.bench.measure import Results
from tests.bench.provider import Provider
from tests.rig.processes import RigError, environment, free_port, python

CONNECTIONS = (1, 10, 50)
_HEADERS = {
    "User-Agent": "smsd/bench",
    "Accept": "*/*",
    "Idempotency-Key": "sms.example.org-77-1704103201000",
}


def compare(folder: Path, results: Results) -> None:
    """In turns, medians."""
    rounds, seconds = (1, 0.5) if results.quick else (5, 2.0)
    provider = Provider(folder, free_port())
    try:
        for connections in CONNECTIONS:
            rates: dict[str, list[float]] = {"treq": [], "lean": []}
            costs: dict[str, list[float]] = {"treq": [], "lean": []}
            for _ in range(rounds):
                for name in rates:
                    said = _one(name, provider.port, connections, seconds)
                    rates[name].append(said["rate"])
                    costs[name].append(said["cost"])
            treq, lean = (statistics.median(rates[name]) for name in ("treq", "lean"))
            cost = {name: statistics.median(found) for name, found in costs.items()}
            results.keep(f"clients, {connections} connections", {"rates": rates, "costs": costs})
            results.add(
                f"lean HTTP client, {connections} connection{'s' if connections > 1 else ''}",
                f"{lean:.0f}/s, {cost['lean'] * 1e6:.0f} µs each",
                f"treq {treq:.0f}/s, {cost['treq'] * 1e6:.0f} µs each", lean / treq,
                ">= 2.4" if connections == 50 else "", lean / treq >= 2.4 if connections == 50 else None,
            )  # fmt: skip
    finally:
        provider.stop()


def _one(name: str, port: int, connections: int, seconds: float) -> dict[str, float]:
    command = python("tests.bench.clients", name, str(port), str(connections), str(seconds))
    done = subprocess.run(
        command, env=environment(), capture_output=True, text=True, timeout=seconds + 60, check=False
    )
    if done.returncode:
        raise RigError(f"client {name}: {done.stderr.strip()[-500:]}")
    said: dict[str, float] = json.loads(done.stdout)
    return said


def main() -> None:
    """One client, as many requests at once as it has connections; requests per second, and processor time of each."""
    from twisted.internet import reactor as real

    from smsd.codec.weburl import read_url
    from smsd.gateways.fetching import Client
    from smsd.gateways.lean import LeanClient
    from smsd.gateways.trust import policy

    reactor: Any = real
    name, port, connections, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    client: Any = {"treq": Client, "lean": LeanClient}[name](reactor, policy(), connections)
    target = read_url(
        f"http://127.0.0.1:{port}/send?to=%2B15551000001&text=message+1+of+the+load%3A+the+quick+brown+fox"
    )
    done = 0
    begin = end = used = 0.0

    def one(_: object = None) -> None:
        nonlocal done
        done += 1
        if time.monotonic() < end:
            client.fetch("GET", target, _HEADERS, None, 65_536, 30.0).addCallbacks(one, failed)
        elif reactor.running:
            reactor.stop()

    def failed(why: Any) -> None:
        sys.stderr.write(str(why))
        reactor.stop()

    def start() -> None:
        nonlocal done, begin, end, used
        begin, used = time.monotonic(), time.process_time()
        done = -connections
        end = begin + seconds
        for _ in range(connections):
            one()

    reactor.callWhenRunning(start)
    reactor.run()
    lasted, cost = time.monotonic() - begin, time.process_time() - used
    print(json.dumps({"rate": done / lasted, "cost": cost / max(done, 1)}))


if __name__ == "__main__":
    main()
