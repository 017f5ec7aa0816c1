"""Durable messages per second from chats, by XMPP and by SIP, beside HTTP at the same server in the same minutes, in turns.

XMPP has no answer that says "taken": a round ends when the store has all of its messages. So it does for HTTP, there.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.accepts import CLOSED
from tests.bench.carrying import running
from tests.bench.load import phone
from tests.bench.measure import Contender, Results, put_load
from tests.peers import chat, prosody
from tests.peers.chat import Chat
from tests.peers.component import DOMAIN, SECRET, ComponentServer
from tests.peers.prosody import Prosody
from tests.rig.processes import free_port, until
from tests.rig.server import Server

CONNECTIONS = 50
ACCOUNTS = [{"user": "demo", "password": "demo", "demo": True, "jids": ["ann@example.org"]}]
_serial = 0


def _texts(count: int) -> list[tuple[str, str, str]]:
    """Number, id and text of messages that nobody has had before."""
    global _serial
    _serial += count
    return [
        (phone(n), f"bench-{n:08d}", f"message {n} of the load: the quick brown fox")
        for n in range(_serial - count, _serial)
    ]


class Rounds:
    """Ways to hand `count` messages to one server, in turns. A way returns when it has handed in what it will, or what the load
    said; then the store is asked."""

    def __init__(self, server: Server, count: int) -> None:
        self.server, self.count = server, count
        self.rates: dict[str, list[float]] = {}
        self.costs: dict[str, list[float]] = {}

    def round(self, name: str, way: Callable[[], Any]) -> None:
        """One: messages per second until all are in the store, and processor time of smsd for each."""
        process = self.server.process
        assert process is not None
        before, used = self._stored(), process.processor()
        began = time.monotonic()
        said = way()
        if isinstance(said, dict):  # without the start of the load's process
            began = max(began, said["first"] - said["p50"] / 1000)
        until(
            lambda: self._stored() >= before + self.count, 600, f"{self.count} by {name}", process, every=0.01
        )
        self.rates.setdefault(name, []).append(self.count / (time.monotonic() - began))
        self.costs.setdefault(name, []).append((process.processor() - used) / self.count * 1e6)

    def _stored(self) -> int:
        return int(self.server.rows("select count(*) from message")[0][0])

    def say(self, results: Results, reference: str) -> None:
        """Medians, each beside the reference."""
        rates = {name: statistics.median(found) for name, found in self.rates.items()}
        costs = {name: statistics.median(found) for name, found in self.costs.items()}
        results.keep(f"{', '.join(rates)}: {self.count} each", {"rates": self.rates, "costs": self.costs})
        for name, rate in rates.items():
            if name != reference:
                results.add(
                    name,
                    f"{rate:.0f}/s durable",
                    f"{reference} {rates[reference]:.0f}/s",
                    rate / rates[reference],
                )
                results.add(
                    f"{name}, processor time of smsd", f"{costs[name]:.0f} µs a message",
                    f"{reference} {costs[reference]:.0f} µs", costs[name] / costs[reference],
                )  # fmt: skip


def _by_http(server: Server, count: int) -> Callable[[], Any]:
    return lambda: put_load(Contender("smsd", ("http", str(server.http))), CONNECTIONS, 600, count=count)


def by_xmpp(folder: Path, results: Results) -> None:
    """A component's stream, written to as fast as it is read; and chat messages through Prosody."""
    rounds, count = (1, 1_000) if results.quick else (5, 10_000)
    chats = ComponentServer(kept=False)
    link = {
        "id": "chat", "type": "xmpp", "server": f"tcp:127.0.0.1:{chats.port}",
        "components": [{"domain": DOMAIN, "secret": SECRET}],
    }  # fmt: skip
    server = Server(folder / "smsd", [CLOSED, link], extra={"accounts": ACCOUNTS})
    try:
        with running(server, "null"):
            line = chats.line()
            ours = Rounds(server, count)
            for _ in range(rounds):
                ours.round("HTTP", _by_http(server, count))
                octets = b"".join(_stanza(*text) for text in _texts(count))
                ours.round("XMPP, a component's stream", lambda octets=octets: _write(line.link, octets))
            ours.say(results, "HTTP")
    finally:
        chats.stop()
    if why := prosody.missing() or chat.missing():
        print(f"  skipped: {why}")
        return
    through_prosody(folder, results, 1 if results.quick else 3, count)


def _stanza(number: str, name: str, text: str) -> bytes:
    return (
        f"<message from='ann@example.org/phone' to='{number}@{DOMAIN}' type='chat' id='{name}'><body>{text}</body></message>"
    ).encode()


def _write(link: Any, octets: bytes) -> None:
    threading.Thread(target=link.sendall, args=(octets,), daemon=True).start()


def through_prosody(folder: Path, results: Results, rounds: int, count: int) -> None:
    """slixmpp and Prosody take their share of the processors."""
    peer = Prosody({DOMAIN: SECRET}, archive=False)
    peer.start()
    ann = None
    try:
        link = {
            "id": "chat", "type": "xmpp", "server": f"tcp:127.0.0.1:{peer.component}",
            "components": [{"domain": DOMAIN, "secret": SECRET}],
        }  # fmt: skip
        server = Server(folder / "prosody", [CLOSED, link], extra={"accounts": ACCOUNTS})
        with running(server, "null", "chat"):
            program = ann = Chat(peer.c2s, "ann@example.org", folder)
            ours = Rounds(server, count)
            for _ in range(rounds):
                ours.round("HTTP", _by_http(server, count))
                texts = [[f"{number}@{DOMAIN}", name, text] for number, name, text in _texts(count)]
                ours.round(
                    "XMPP, a chat program through Prosody",
                    lambda texts=texts: program.begin("burst", texts=texts),
                )
            ours.say(results, "HTTP")
    finally:
        if ann is not None:
            ann.stop()
        peer.stop()


def by_sip(folder: Path, results: Results) -> None:
    """MESSAGE by UDP, so many outstanding at once, answered with 202 after the commit; from a network that needs no password."""
    rounds, count = (1, 1_000) if results.quick else (5, 10_000)
    port = free_port()
    link = {
        "id": "sip", "type": "sip", "domains": [DOMAIN], "listen": [f"udp:{port}:interface=127.0.0.1"],
        "trusted_networks": ["127.0.0.0/8"], "account": "demo",
    }  # fmt: skip
    server = Server(folder / "smsd", [CLOSED, link], extra={"accounts": ACCOUNTS})
    with running(server, "null"):
        for connections in (10, CONNECTIONS):
            ours = Rounds(server, count)
            for _ in range(rounds):
                for name, load in (("HTTP", ("http", str(server.http))), ("SIP", ("sip", str(port)))):
                    contender = Contender(name, load)
                    ours.round(
                        f"{name}, {connections} outstanding",
                        lambda contender=contender: put_load(contender, connections, 600, count=count),  # noqa: B023
                    )
            ours.say(results, f"HTTP, {connections} outstanding")
