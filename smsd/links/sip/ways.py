"""Where a text for an address goes: to the phones that have registered for it, through the proxy, or straight to a trusted host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from smsd.codec.sip import Malformed, Peer, Uri, read_uri
from smsd.core.networks import Networks
from smsd.links.sip.places import Places
from smsd.links.sip.registrar import QUIET, Binding, Registrar
from smsd.links.sip.settings import Settings
from smsd.links.sip.wires import PORTS, Wires
from smsd.values.delivery import Failure, Kind, Scope

MOST_HOSTS = 1000
"""Hosts that are remembered because they have not answered, and as many because their certificates are for another name."""


@dataclass(frozen=True, slots=True)
class Way:
    """One of them: what stands on the request's first line, the next hop, and proxies on the way. `binding`: a phone's."""

    uri: str
    peer: Peer
    routes: tuple[str, ...] = ()
    binding: Binding | None = None


class Ways:
    """`find` tells them, the best first."""

    def __init__(
        self, settings: Settings, registrar: Registrar, wires: Wires, reactor: Any, places: Places
    ) -> None:
        self._settings = settings
        self._registrar = registrar
        self._wires = wires
        self._reactor = reactor
        self._places = places
        self._trusted = Networks(settings.trusted_networks)
        self._silent: dict[Peer, float] = {}  # until when others are asked first

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
            peers = await self._peers(proxy)
            if not peers:
                raise Failure(
                    Kind.TEMPORARY,
                    f"the proxy {proxy.host} has no address that can be reached from here",
                    scope=self.proxy_scope,
                    status="4.4.3",
                )
            loose = proxy if proxy.parameter("lr") is not None else _loose(proxy)
            self._vouch(proxy, peers)
            return [Way(str(uri), peer, (str(loose),)) for peer in peers]
        unknown = f"nobody knows the way to {host}: set proxy, or put its address among trusted_networks"
        if not self._settings.trusted_networks:
            raise Failure(Kind.PERMANENT, unknown, status="5.4.4")
        peers = await self._peers(uri)
        if not peers:
            raise Failure(
                Kind.TEMPORARY, f"{host} has no address that can be reached from here", status="4.4.3"
            )
        peers = [peer for peer in peers if peer.host in self._trusted]
        if not peers:
            raise Failure(Kind.PERMANENT, unknown, status="5.4.4")
        self._vouch(uri, peers)
        return [Way(str(uri), peer) for peer in peers]

    def silent(self, peer: Peer) -> None:
        """A host that is no phone has not answered, or cannot be reached: for a while others of its name are asked first."""
        self._silent.pop(peer, None)
        while len(self._silent) >= MOST_HOSTS:
            del self._silent[next(iter(self._silent))]
        self._silent[peer] = self._reactor.seconds() + QUIET

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

    async def _peers(self, uri: Uri) -> list[Peer]:
        found = []
        for place in await self._places.find(uri):
            if place.transport == "UDP" and not self._wires.can_reach(place.address):
                continue
            found.append(Peer(place.transport, place.address, place.port))
        now = self._reactor.seconds()
        return sorted(found, key=lambda peer: 0 < self._silent.get(peer, 0.0) - now <= QUIET)

    def _vouch(self, uri: Uri, peers: list[Peer]) -> None:
        """By TLS certificates are for the domain that was meant, not for what DNS makes of it (RFC 5922)."""
        names = self._wires.names
        for peer in peers:
            if peer.transport == "TLS":
                names.pop(peer.host, None)
                while len(names) >= MOST_HOSTS:
                    del names[next(iter(names))]
                names[peer.host] = uri.parameter("maddr") or uri.host


def _loose(proxy: Uri) -> Uri:
    return Uri(proxy.scheme, proxy.user, proxy.host, proxy.port, (*proxy.parameters, ("lr", "")))
