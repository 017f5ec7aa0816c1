"""How many datagrams of a host are heard of which nobody knows that it is there: the address on a datagram may be a third party's,
and what is answered to it would hit that one.

Who logs in has shown that he hears us; from then on all of his are heard. A PBX that is trusted is known by its first text.
"""

from __future__ import annotations

from typing import TypeVar

BURST = 200.0
RATE = 50.0
"""Datagrams a second, after that."""
KNOWN = 3600.0
"""Seconds that a host is known after somebody has logged in there."""
MOST = 20_000
"""Hosts that are remembered of each kind; the oldest go first."""


class Strangers:
    """Hosts, by their addresses."""

    def __init__(self) -> None:
        self._known: dict[str, float] = {}
        self._left: dict[
            str, tuple[float, float]
        ] = {}  # datagrams that a host may still send, and when that was

    def knows(self, host: str, now: float) -> None:
        """Somebody has logged in from there."""
        self._left.pop(host, None)
        _put(self._known, host, now)

    def may(self, host: str, now: float) -> bool:
        """Whether one more datagram from there is heard."""
        since = self._known.get(host)
        if since is not None and abs(now - since) < KNOWN:
            return True
        left, at = self._left.get(host, (BURST, now))
        left = min(left + max(now - at, 0.0) * RATE, BURST)
        if left < 1.0:
            return False
        _put(self._left, host, (left - 1.0, now))
        return True


_Value = TypeVar("_Value")


def _put(hosts: dict[str, _Value], host: str, value: _Value) -> None:
    hosts.pop(host, None)
    while len(hosts) >= MOST:
        del hosts[next(iter(hosts))]
    hosts[host] = value
