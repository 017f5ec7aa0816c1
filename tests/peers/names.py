"""A DNS server for tests, on loopback by UDP and TCP: it knows a zone, and truncates what is longer than a datagram.

python -m tests.peers.names PORT 'NAME KIND FIELDS…' …
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import fail, succeed
from twisted.names import dns
from twisted.names.common import ResolverBase
from twisted.names.error import DomainError
from twisted.names.server import DNSServerFactory

from tests.rig.processes import ROOT, Process, environment, free_port, listening, until

reactor: Any = _reactor


def record(kind: str, fields: list[str]) -> Any:
    """`SRV 10 5 5070 a.example.net`, `NAPTR 10 10 s SIP+D2U _sip._udp.example.net`, `A 127.0.0.1`."""
    if kind == "SRV":
        return dns.Record_SRV(*(int(field) for field in fields[:2]), int(fields[2]), fields[3])
    if kind == "NAPTR":
        order, preference, flags, service, name = fields
        return dns.Record_NAPTR(int(order), int(preference), flags.encode(), service.encode(), b"", name)
    return dns.Record_AAAA(fields[0]) if kind == "AAAA" else dns.Record_A(fields[0])


class _Zone(ResolverBase):
    def __init__(self, lines: list[str]) -> None:
        ResolverBase.__init__(self)
        self._known: dict[tuple[str, int], list[Any]] = {}
        for line in lines:
            name, kind, *fields = line.split()
            made = record(kind, fields)
            self._known.setdefault((name, made.TYPE), []).append(made)

    def query(self, query: Any, timeout: Any = None) -> Any:
        """What is known, or that there is no such name."""
        found = self._known.get((str(query.name).lower(), query.type))
        if found is None:
            return fail(DomainError(query.name))
        return succeed(
            ([dns.RRHeader(str(query.name), one.TYPE, payload=one, auth=True) for one in found], [], [])
        )


class _Factory(DNSServerFactory):
    def sendReply(self, protocol: Any, message: Any, address: Any) -> None:
        if address is not None:
            message.maxSize = 512  # else it would be as long as it likes
        super().sendReply(protocol, message, address)


class Names:
    """Start, use `port`, stop; `zone` has a record in each line."""

    def __init__(self, folder: Path, zone: list[str]) -> None:
        self.port = free_port()
        self._folder = folder
        self._zone = zone
        self._process: Process | None = None

    def start(self) -> None:
        """Returns when it answers."""
        command = [sys.executable, "-m", "tests.peers.names", str(self.port), *self._zone]
        process = self._process = Process(
            "names", command, self._folder / "names.log", cwd=ROOT, env=environment()
        )
        until(lambda: listening(self.port), 30, "a DNS server", process)

    def stop(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.kill()


def main() -> None:
    """Listen until killed."""
    factory = _Factory(clients=[_Zone(sys.argv[2:])])
    factory.noisy = False
    reactor.listenUDP(int(sys.argv[1]), dns.DNSDatagramProtocol(factory), interface="127.0.0.1")
    reactor.listenTCP(int(sys.argv[1]), factory, interface="127.0.0.1")
    reactor.run()


if __name__ == "__main__":
    main()
