"""Where a text for an address goes: to the phones that have registered for it, through the proxy, or straight to a trusted host."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IResolutionReceiver
from zope.interface import implementer

from smsd.codec.sip import Malformed, Peer, Uri, read_uri
from smsd.core.networks import Networks
from smsd.links.sip.registrar import Binding, Registrar
from smsd.links.sip.settings import Settings
from smsd.links.sip.wires import PORTS, Wires
from smsd.values.delivery import Failure, Kind, Scope

RESOLVE = 5.0
"""Seconds for a name."""


@dataclass(frozen=True, slots=True)
class Way:
    """One of them: what stands on the request's first line, the next hop, and proxies on the way. `binding`: a phone's."""

    uri: str
    peer: Peer
    routes: tuple[str, ...] = ()
    binding: Binding | None = None


class Ways:
    """`find` tells them, the best first."""

    def __init__(self, settings: Settings, registrar: Registrar, wires: Wires, reactor: Any) -> None:
        self._settings = settings
        self._registrar = registrar
        self._wires = wires
        self._reactor = reactor
        self._trusted = Networks(settings.trusted_networks)

    async def find(self, target: str) -> list[Way]:
        """The ways to `user@host`; Failure when there is none (yet)."""
        host = target.rpartition("@")[2].lower()
        if self._settings.registrar and host in self._settings.domains:
            return self._phones(target)
        try:
            uri = read_uri(f"sip:{target}")
        except Malformed as error:
            raise Failure(
                Kind.PERMANENT, f"{target!r} is no SIP address: {error.text}", status="5.1.3"
            ) from None
        proxy = self._settings.next_hop
        if proxy is not None:
            peer = await self._peer(proxy)
            if peer is None:
                raise Failure(
                    Kind.TEMPORARY,
                    f"the proxy {proxy.host} has no address that can be reached from here",
                    scope=self.proxy_scope,
                    status="4.4.3",
                )
            loose = proxy if proxy.parameter("lr") is not None else _loose(proxy)
            return [Way(str(uri), peer, (str(loose),))]
        peer = await self._peer(uri)
        if peer is None or peer.host not in self._trusted:
            raise Failure(
                Kind.PERMANENT,
                f"nobody knows the way to {host}: set proxy, or put its address among trusted_networks",
                status="5.4.4",
            )
        return [Way(str(uri), peer)]

    @property
    def proxy_scope(self) -> Scope:
        """What trouble with the proxy is about: everything, where all goes there."""
        return Scope.MESSAGE if self._settings.registrar else Scope.GATEWAY

    def _phones(self, target: str) -> list[Way]:
        contacts = self._registrar.contacts(target.lower())
        if not contacts:
            raise Failure(
                Kind.TEMPORARY, f"no phone of {target} has registered here; it waits for one", status="4.2.1"
            )
        now = self._reactor.seconds()
        found = []
        for binding in contacts:
            peer = self._where(binding) if binding.quiet_until <= now else None
            if peer is not None:
                found.append(Way(binding.uri, peer, (), binding))
        if not found:
            raise Failure(
                Kind.TEMPORARY, f"no phone of {target} can be reached; it waits until one registers again", status="4.4.1"
            )  # fmt: skip
        return found

    def _where(self, binding: Binding) -> Peer | None:
        """Whence it registered, as long as that can be (most phones are behind something), else the port that it names there."""
        peer = binding.peer
        if peer.transport != "UDP":
            if self._wires.alive(peer):
                return peer
        elif binding.symmetric:
            return peer if self._wires.alive(peer) else Peer("UDP", peer.host, peer.port)
        uri = read_uri(binding.uri)
        if peer.transport == "TLS" or uri.host != peer.host:
            return None  # a phone has no certificate, and nobody is sent to where he has not been
        return Peer(peer.transport, uri.host, uri.port or PORTS[peer.transport])

    async def _peer(self, uri: Uri) -> Peer | None:
        transport = (uri.parameter("transport") or ("tls" if uri.scheme == "sips" else "udp")).upper()
        if transport not in PORTS:
            return None
        host = uri.parameter("maddr") or uri.host
        for address in await self._addresses(host):
            if transport != "UDP" or self._wires.can_reach(address):
                if transport == "TLS":
                    self._wires.names[address] = host
                return Peer(transport, address, uri.port or PORTS[transport])
        return None

    async def _addresses(self, host: str) -> list[str]:
        """IPv4 and IPv6 addresses of a name, as the system knows them; NAPTR and SRV are not asked for."""
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            pass
        receiver = _Receiver()
        self._reactor.nameResolver.resolveHostName(receiver, host)
        try:
            return await receiver.done.addTimeout(RESOLVE, self._reactor)
        except TimeoutError:
            return []


def _loose(proxy: Uri) -> Uri:
    return Uri(proxy.scheme, proxy.user, proxy.host, proxy.port, (*proxy.parameters, ("lr", "")))


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
