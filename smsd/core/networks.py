"""Which peers belong to which networks: lists like `["127.0.0.0/8", "2001:db8::/32", "192.0.2.7"]` against
peer addresses.

The one place where an address of a peer is compared. An IPv4 address inside IPv6 (`::ffff:192.0.2.7`) counts
as IPv4; a peer without an address (a unix socket) belongs to no network.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_REMEMBERED = 1024


def read_network(text: str) -> _Network:
    """One network or address; ValueError says what is wrong and what is allowed."""
    try:
        return ipaddress.ip_network(text.strip())
    except ValueError:
        pass
    try:
        meant = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is no network: write 192.0.2.0/24, 2001:db8::/32 or an address") from None
    raise ValueError(f"{text!r} has bits set behind its prefix: write {meant}")


class Networks:
    """A list of networks that can be asked `peer in networks`. Answers are remembered, boundedly."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks = tuple(read_network(text) for text in networks)
        self._known: dict[str, bool] = {}

    def __bool__(self) -> bool:
        return bool(self._networks)

    def __contains__(self, peer: str) -> bool:
        if not self._networks:
            return False
        known = self._known.get(peer)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[peer] = self._look_up(peer)
        return known

    def _look_up(self, peer: str) -> bool:
        address = read_address(peer)
        return address is not None and any(address in network for network in self._networks)


def read_address(peer: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """A peer's address without zone, IPv4 taken out of IPv6; None when it has none."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


@lru_cache(maxsize=_REMEMBERED)
def is_loopback(peer: str) -> bool:
    """Whether a peer is on this machine, reached by a loopback address."""
    address = read_address(peer)
    return address is not None and address.is_loopback
