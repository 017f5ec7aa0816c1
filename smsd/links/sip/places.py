"""Where a URI of a proxy or domain leads (RFC 3263): ways and hosts by NAPTR and SRV, the best first, then their addresses."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, TimeoutError
from twisted.names import dns

from smsd.codec.sip import Uri
from smsd.codec.sip.grammar import HOST
from smsd.links.sip.records import Records
from smsd.links.sip.wires import PORTS

RESOLVE = 5.0
"""Seconds for all questions of services, and as many again for addresses."""
KEEP = 30.0
"""Seconds that an answer is used."""
MOST_KEPT = 1000
MOST = 10
"""Places of one name."""
SERVICES = {"UDP": "_sip._udp", "TCP": "_sip._tcp", "TLS": "_sips._tcp"}
_KINDS = {b"SIP+D2U": "UDP", b"SIP+D2T": "TCP", b"SIPS+D2T": "TLS"}
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Place:
    """One of them: TCP 192.0.2.7:5060."""

    transport: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class _Host:
    transport: str
    name: str
    port: int


class Places:
    """`find` tells them. `lot` draws among hosts of the same priority."""

    def __init__(
        self, records: Records, clock: Any, lot: Callable[[float], float] = random.expovariate
    ) -> None:
        self._records = records
        self._clock = clock
        self._lot = lot
        self._kept: dict[tuple[str, int | None, tuple[str, ...], bool], tuple[float, tuple[Place, ...]]] = {}

    async def find(self, uri: Uri) -> tuple[Place, ...]:
        """In the order in which they are to be tried; none when the name leads nowhere."""
        host = (uri.parameter("maddr") or uri.host).rstrip(".")
        transports = _transports(uri)
        if not transports:
            return ()
        free = uri.parameter("transport") is None
        key, now = (host, uri.port, transports, free), self._clock.seconds()
        until, places = self._kept.get(key, (0.0, ()))
        if 0 < until - now <= KEEP:
            return places
        places = await self._places(host, uri.port, transports, free)
        self._kept.pop(key, None)
        if places:
            while len(self._kept) >= MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = now + KEEP, places
        return places

    async def _places(
        self, host: str, port: int | None, transports: tuple[str, ...], free: bool
    ) -> tuple[Place, ...]:
        hosts: list[_Host] | None = None
        if _is_address(host):
            return (Place(transports[0], str(ipaddress.ip_address(host)), port or PORTS[transports[0]]),)
        if port is None and "." in host:
            hosts = await self._within(self._services(host, transports, free), None)
        if hosts is None:
            hosts = [_Host(transports[0], host, port or PORTS[transports[0]])]
        return tuple(await self._within(self._located(hosts), []))

    async def _within(self, work: Awaitable[_Value], otherwise: _Value) -> _Value:
        try:
            return await Deferred.fromCoroutine(work).addTimeout(RESOLVE, self._clock)  # type: ignore[arg-type]
        except TimeoutError:
            return otherwise

    async def _services(self, domain: str, transports: tuple[str, ...], free: bool) -> list[_Host] | None:
        """What its owner has said; None when he has said nothing. `free`: he may say which transport."""
        said = await self._records.naptr(domain) if free else []
        hosts: list[_Host] = []
        for transport, name in _preferred(said, transports):
            if len(hosts) < MOST:  # an answer may have 2,000 records, and each of them lead to as many
                hosts += self._drawn(transport, await self._records.srv(name))
        if hosts:
            return hosts
        denied = False
        for transport in transports:
            records = await self._records.srv(f"{SERVICES[transport]}.{domain}")
            hosts = self._drawn(transport, records)
            if hosts:
                return hosts
            denied = denied or bool(records)
        return [] if denied else None

    def _drawn(self, transport: str, records: list[dns.Record_SRV]) -> list[_Host]:
        """By priority; among those of the same one the heavier are likely to be the first (RFC 2782). A lone dot: there is none."""
        drawn = sorted(records, key=lambda one: (one.priority, self._lot(one.weight + 0.01)))
        return [_Host(transport, name, one.port) for one in drawn if (name := _name(one.target)) and one.port]

    async def _located(self, hosts: list[_Host]) -> list[Place]:
        found: list[Place] = []
        for host in hosts[:MOST]:
            addresses = [host.name] if _is_address(host.name) else await self._records.addresses(host.name)
            found += [Place(host.transport, address, host.port) for address in addresses]
        return list(dict.fromkeys(found))[:MOST]


def _transports(uri: Uri) -> tuple[str, ...]:
    """What may be used, the usual one first. `sips:` is TLS, whatever it is said to go over (RFC 3261 section 26.2.2)."""
    said = (uri.parameter("transport") or "").upper()
    if uri.scheme == "sips":
        return ("TLS",)
    if said:
        return (said,) if said in PORTS else ()
    host = (uri.parameter("maddr") or uri.host).rstrip(".")
    return ("UDP",) if uri.port is not None or _is_address(host) else ("UDP", "TCP", "TLS")


def _preferred(said: list[dns.Record_NAPTR], transports: tuple[str, ...]) -> list[tuple[str, str]]:
    """The ways that a domain names and that may be used, each with its service, the best first."""
    found = []
    for record in sorted(said, key=lambda one: (one.order, one.preference)):
        transport = _KINDS.get(record.service.string.upper(), "")
        if transport in transports and record.flags.string.lower() == b"s":
            found.append((transport, _name(record.replacement)))
    return found[:MOST]


def _name(name: dns.Name) -> str:
    """A name out of DNS, which may have any octets in it; "" when no host is called so."""
    text = name.name.decode("latin-1").rstrip(".")
    return text if HOST.fullmatch(text) else ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
