"""Durable accepts per second, by HTTP and by SMTP at 1, 10 and 50 connections, beside Twisted alone and the peers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.bench.measure import Contender, Results, interleaved
from tests.bench.peers import Kannel, Postfix
from tests.bench.provider import Provider
from tests.rig.processes import Process, RigError, free_port, listening, python, until
from tests.rig.server import PASSWORD, USER, Server

CONNECTIONS = (1, 10, 50)
# One message stays on the wire for ever and the others wait behind it: nothing but accepting is measured.
CLOSED = {"id": "null", "type": "loopback", "delay": "3600", "slots": "1"}


@contextlib.contextmanager
def bare(kind: str, folder: Path) -> Iterator[Contender]:
    """Twisted alone, with the same group commit."""
    port = free_port()
    command = python("tests.bench.bare", kind, str(port), str(folder / f"bare-{kind}.db"))
    process = Process(f"bare {kind}", command, folder / f"bare-{kind}.out")
    try:
        until(lambda: listening(port), 30, f"bare {kind}", process)
        yield Contender(f"bare Twisted {kind}", (kind, str(port)))
    finally:
        process.kill()


@contextlib.contextmanager
def accepting(folder: Path) -> Iterator[Server]:
    """smsd with a gateway that takes nothing more."""
    server = Server(folder / "smsd", [CLOSED])
    server.start()
    try:
        server.ready()
        server.in_service("null")
        yield server
    finally:
        if server.process is not None:
            server.process.kill()


def by_http(folder: Path, results: Results) -> None:
    """HTTP."""
    with contextlib.ExitStack() as stack:
        reference = stack.enter_context(bare("http", folder))
        server = stack.enter_context(accepting(folder))
        ours = Contender("smsd", ("http", str(server.http)))
        peers = []
        if why := Kannel.missing():
            print(f"  skipped: {why}")
        else:
            provider = Provider(folder, free_port())
            stack.callback(provider.stop)
            kannel = Kannel(folder / "kannel", provider.port)
            stack.callback(kannel.stop)
            peers.append(kannel.contender)
        _compare("HTTP", ours, reference, peers, results, judged=(10, 50))


def by_smtp(folder: Path, results: Results) -> None:
    """SMTP."""
    with contextlib.ExitStack() as stack:
        reference = stack.enter_context(bare("smtp", folder))
        server = stack.enter_context(accepting(folder))
        ours = Contender("smsd", ("smtp", str(server.smtp), f"--user={USER}", f"--password={PASSWORD}"))
        peers = []
        if why := Postfix.missing():
            print(f"  skipped: {why}")
        else:
            for name, more in (("Postfix", ""), ("Postfix, in_flow_delay 0", "in_flow_delay = 0")):
                try:
                    postfix = Postfix(folder / name.replace(" ", "-").replace(",", ""), name, more)
                except RigError as error:
                    print(f"  skipped: {name}: {error}")
                    continue
                stack.callback(postfix.stop)
                peers.append(postfix.contender)
        _compare("SMTP", ours, reference, peers, results, judged=CONNECTIONS)


def _compare(
    door: str,
    ours: Contender,
    reference: Contender,
    peers: list[Contender],
    results: Results,
    judged: tuple[int, ...],
) -> None:
    rounds, seconds = (2, 1.0) if results.quick else (5, 3.0)
    for connections in CONNECTIONS:
        names = frozenset(peer.name for peer in peers)
        said = interleaved([ours, reference, *peers], connections, rounds, seconds, peers=names)
        results.keep(f"{door} accepts, {connections} connections", said)
        mine, bare_ = said[ours.name], said[reference.name]
        what = f"{door} accepts, {connections} connection{'s' if connections > 1 else ''}"
        ratio = mine["rate"] / bare_["rate"]
        promised = connections in judged
        results.add(
            what, f"{mine['rate']:.0f}/s", f"{reference.name} {bare_['rate']:.0f}/s", ratio,
            ">= 0.6" if promised else "", ratio >= 0.6 if promised else None,
        )  # fmt: skip
        results.add(f"{what}, latency", f"p50 {mine['p50']:.1f} ms, p99 {mine['p99']:.1f} ms",
                    f"p50 {bare_['p50']:.1f} ms, p99 {bare_['p99']:.1f} ms")  # fmt: skip
        for peer in peers:
            if peer.name not in said:
                continue
            theirs = said[peer.name]["rate"]
            ratio = mine["rate"] / theirs
            promised_here = promised and "in_flow_delay" not in peer.name
            results.add(
                what, f"{mine['rate']:.0f}/s", f"{peer.name} {theirs:.0f}/s", ratio,
                ">= 2" if promised_here else "", ratio >= 2 if promised_here else None,
            )  # fmt: skip
