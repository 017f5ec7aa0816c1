"""What DNS says of a name: NAPTR and SRV, which the system's own look-up does not know, and addresses."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.error import CannotListenError, ConnectError, ConnectionClosed
from twisted.internet.interfaces import IResolutionReceiver
from twisted.names import dns
from twisted.names.client import Resolver
from twisted.names.error import DomainError, ResolverError
from twisted.python.failure import Failure
from zope.interface import implementer

TRIES = (1, 2)
"""Seconds for the first and the second question to a server."""
SYSTEM = "/etc/resolv.conf"
_FAILURES = (
    DomainError, ResolverError, TimeoutError, CannotListenError, ConnectError, ConnectionClosed, OSError, ValueError,
)  # fmt: skip


class Records:
    """`servers`: whom to ask instead of the system. Gives nothing where there is nothing, or nobody answers."""

    def __init__(self, reactor: Any, servers: Sequence[str] = ()) -> None:
        self._reactor = reactor
        self._servers = [read_server(text) for text in servers]

    async def naptr(self, name: str) -> list[dns.Record_NAPTR]:
        """Services of a domain."""
        return await self._ask(name, dns.NAPTR)

    async def srv(self, name: str) -> list[dns.Record_SRV]:
        """Hosts of a service."""
        return await self._ask(name, dns.SRV)

    async def addresses(self, host: str) -> list[str]:
        """Of a host, as the system knows them, which has files for that too; IPv4 first where servers are asked."""
        if self._servers:
            four, six = await self._ask(host, dns.A), await self._ask(host, dns.AAAA)
            return [record.dottedQuad() for record in four] + [
                str(ipaddress.ip_address(record.address)) for record in six
            ]
        if not _is_name(host):  # the system's own look-up stumbles over such
            return []
        receiver = _Receiver()
        self._reactor.nameResolver.resolveHostName(receiver, host)
        return await receiver.done

    async def _ask(self, name: str, kind: int) -> list[Any]:
        servers = self._servers or _of_the_system()
        if not servers or not _is_name(name):
            return []
        resolver = _Resolver(servers=servers, timeout=TRIES, reactor=self._reactor)
        try:
            answers, _, _ = await resolver.query(dns.Query(name, kind))
        except _FAILURES:
            return []
        finally:
            for connection in resolver.connections:  # a long answer comes by TCP
                connection.transport.loseConnection()
        return [answer.payload for answer in answers if answer.type == kind]


def _is_name(text: str) -> bool:
    """Whether DNS can be asked for it."""
    return len(text) <= 253 and all(0 < len(label) < 64 for label in text.rstrip(".").split("."))


def read_server(text: str) -> tuple[str, int]:
    """`192.0.2.53`, `192.0.2.53:5353` or `[2001:db8::53]:5353`; ValueError when it is none."""
    host, colon, port = text.rpartition(":") if text.count(":") == 1 or "]:" in text else (text, "", "")
    if colon and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65_536):
        raise ValueError(f"{text!r}: {port!r} is no port")
    try:
        return str(ipaddress.ip_address(host.strip("[]"))), int(port) if colon else dns.PORT
    except ValueError:
        raise ValueError(f"{text!r} is no address of a DNS server: write 192.0.2.53") from None


def _of_the_system() -> list[tuple[str, int]]:
    """Read each time: it changes with the network."""
    try:
        with open(SYSTEM, encoding="ascii", errors="replace") as stream:
            words = [line.split() for line in stream.read(65_536).splitlines()]
    except OSError:
        return []
    found = []
    for line in words:
        if len(line) > 1 and line[0] == "nameserver":
            try:
                found.append(read_server(line[1]))
            except ValueError:  # fe80::1%eth0: the others will do
                continue
    return found[:3]


class _Resolver(Resolver):
    """For one question."""

    def filterAnswers(self, message: Any) -> Any:
        """A datagram that was too short is asked for by TCP. What is cut short there too would be asked for without end."""
        if message.trunc and self.connections:
            return Failure(ResolverError("cut short"))
        return super().filterAnswers(message)


@implementer(IResolutionReceiver)
class _Receiver:
    """Collects addresses."""

    def __init__(self) -> None:
        self.done: Deferred[list[str]] = Deferred()
        self._found: list[str] = []

    def resolutionBegan(self, resolutionInProgress: Any) -> None:
        """See IResolutionReceiver."""

    def addressResolved(self, address: Any) -> None:
        """See IResolutionReceiver."""
        if isinstance(address, (IPv4Address, IPv6Address)) and address.host not in self._found:
            self._found.append(address.host)

    def resolutionComplete(self) -> None:
        """See IResolutionReceiver."""
        if not self.done.called:
            self.done.callback(self._found)
