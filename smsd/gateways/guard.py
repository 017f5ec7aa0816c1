"""Keeps requests that strangers ask for out of our own networks.

A URL that a sender gave (a callback, `dlr-url`) must not make this server talk to itself, to its neighbours or to the metadata
service of its cloud. Names prove nothing, so the decision falls where the connection is made: on each address, after the name
was looked up, and the connection goes to exactly that address, so that a second look at the name cannot change it. URLs of
the administrator's configuration and rules need no guard.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

from twisted.internet.error import ConnectError
from zope.interface import directlyProvides, providedBy

from smsd.core.networks import Networks

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# IANA's special-purpose registries: what is no single public host, and what leads back into a site.
_V4 = [
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4",
    )
]  # fmt: skip
_V6_PUBLIC = ipaddress.IPv6Network("2000::/3")
_V6 = [ipaddress.IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "3fff::/20")]
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_6TO4 = ipaddress.IPv6Network("2002::/16")


class Forbidden(ConnectError):
    """An address that may not be reached."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address

    def __str__(self) -> str:
        return f"{self.address} is in a network that requests of senders may not reach"


class Guard:
    """Lets through public addresses, and those in `allowed` networks."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._allowed = Networks(allowed)

    def admits(self, text: str) -> bool:
        """Whether an address may be reached; what is no address may not."""
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return False
        inner = _inner(address)
        return str(inner) in self._allowed or str(address) in self._allowed or is_public(address)

    def over(self, reactor: Any) -> Any:
        """The reactor, refusing to connect to what is not admitted."""
        return _Guarded(reactor, self)


class _Guarded:
    """A reactor whose `connectTCP`, the one way to other machines that a client's endpoints use, asks the guard first. It is
    given addresses, never names: endpoints have looked those up by then."""

    def __init__(self, reactor: Any, guard: Guard) -> None:
        self._reactor = reactor
        self._guard = guard
        directlyProvides(self, providedBy(reactor))

    def connectTCP(self, host: str, *arguments: Any, **options: Any) -> Any:
        """See `IReactorTCP`; raises Forbidden."""
        if not self._guard.admits(host):
            raise Forbidden(host)
        return self._reactor.connectTCP(host, *arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)


def is_public(address: _Address) -> bool:
    """Whether it is one host's address in the public internet, also behind the gateways that IPv6 knows."""
    inner = _inner(address)
    if isinstance(inner, ipaddress.IPv4Address):
        return not any(inner in network for network in _V4)
    return inner in _V6_PUBLIC and not any(inner in network for network in _V6)


def _inner(address: _Address) -> _Address:
    """The IPv4 address that an IPv6 address leads to (mapped, NAT64, 6to4), or the address itself."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _MAPPED or address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if address in _6TO4:
            return ipaddress.IPv4Address(int(address) >> 80 & 0xFFFFFFFF)
    return address
