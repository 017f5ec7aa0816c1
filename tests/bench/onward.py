"""HTTP in, HTTP out: accepted, committed, handed to a provider, settled; beside Kannel with its spool. And a provider that
takes 200 ms for each answer, where the window is the limit and not the code."""

from __future__ import annotations

import contextlib
import statistics
from pathlib import Path
from typing import Any

from tests.bench.carrying import running
from tests.bench.measure import Contender, Results, put_load
from tests.bench.peers import Kannel
from tests.bench.provider import Provider
from tests.rig.processes import RigError, free_port, until
from tests.rig.server import Server

CONNECTIONS = (1, 10, 50)
WINDOW = 100
LATENCY = 0.2


def gateway(port: int, window: int) -> dict[str, Any]:
    """An HTTP gateway as the manual shows one."""
    url = f"http://127.0.0.1:{port}/send?to=%number%&text=%data%"
    return {"id": "provider", "type": "http", "url": url, "window": str(window)}


def to_a_provider(folder: Path, results: Results) -> None:
    """Messages per second from the first request to the last at the provider."""
    rounds, count = (1, 1_000) if results.quick else (5, 6_000)
    with contextlib.ExitStack() as stack:
        ours, theirs = Provider(folder, free_port()), Provider(folder, free_port())
        stack.callback(ours.stop)
        stack.callback(theirs.stop)
        server = stack.enter_context(running(Server(folder / "smsd", [gateway(ours.port, 50)]), "provider"))
        contenders = [(Contender("smsd", ("http", str(server.http))), ours)]
        if why := Kannel.missing():
            print(f"  skipped: {why}")
        else:
            kannel = Kannel(folder / "kannel", theirs.port)
            stack.callback(kannel.stop)
            contenders.append((kannel.contender, theirs))
        for connections in CONNECTIONS:
            rates: dict[str, list[float]] = {contender.name: [] for contender, _ in contenders}
            for round_ in range(rounds):
                for contender, provider in contenders if round_ % 2 == 0 else contenders[::-1]:
                    try:
                        rates[contender.name].append(_end_to_end(contender, provider, connections, count))
                    except RigError as error:
                        if contender.name == "smsd":
                            raise
                        print(f"  left out, a round of {contender.name}: {error}")
            results.keep(f"HTTP to a provider, {connections} connections", rates)
            _say(
                results,
                connections,
                {name: statistics.median(found) for name, found in rates.items() if found},
            )
        until(lambda: not server.waiting(), 60, "an empty queue", server.process)


def _end_to_end(contender: Contender, provider: Provider, connections: int, count: int) -> float:
    provider.ask("reset")
    said = put_load(contender, connections, 600, count=count, warmup=0.0)
    found = until(
        lambda: (seen := provider.ask("count"))["count"] >= count and seen,
        120,
        f"all messages of {contender.name}",
        every=0.05,
    )
    if found["count"] != count or found["different"] != count:
        raise RigError(
            f"{contender.name}: {found['count']} requests for {found['different']} of {count} messages"
        )
    return count / float(found["last"] - said["first"] + said["p50"] / 1000)


def _say(results: Results, connections: int, rates: dict[str, float]) -> None:
    what = f"HTTP to a provider, {connections} connection{'s' if connections > 1 else ''}"
    mine = rates.pop("smsd")
    if not rates:
        results.add(what, f"{mine:.0f}/s end to end")
    for name, theirs in rates.items():
        results.add(
            what,
            f"{mine:.0f}/s end to end",
            f"{name} {theirs:.0f}/s",
            mine / theirs,
            ">= 1.0",
            mine / theirs >= 1.0,
        )


def slow_provider(folder: Path, results: Results) -> None:
    """A window of 100 against an answer that takes 200 ms."""
    count = WINDOW * (10 if results.quick else 50)
    provider = Provider(folder, free_port(), LATENCY)
    try:
        with running(Server(folder / "slow", [gateway(provider.port, WINDOW)]), "provider") as server:
            put_load(Contender("smsd", ("http", str(server.http))), 10, 600, count=count, warmup=0.0)
            found = until(
                lambda: (seen := provider.ask("count"))["count"] >= count and seen,
                300,
                "all messages",
                server.process,
            )
    finally:
        provider.stop()
    rate = (count - WINDOW) / (found["last"] - found["first"])
    limit = WINDOW / LATENCY
    results.keep("slow provider", {"rate": rate, "limit": limit})
    results.add(
        f"HTTP to a provider that takes {LATENCY * 1000:.0f} ms, window {WINDOW}", f"{rate:.0f}/s",
        f"window / latency {limit:.0f}/s", rate / limit, ">= 0.9", rate / limit >= 0.9,
    )  # fmt: skip


def onward(folder: Path, results: Results) -> None:
    """Both."""
    to_a_provider(folder, results)
    slow_provider(folder, results)
