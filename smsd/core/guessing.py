"""How fast somebody may guess passwords: locks that double with each failure, per address and per account.

Pure bookkeeping in bounded tables; time is an argument (seconds). An address is one IPv4 address or one IPv6
/64. Whoever has logged in as an account from an address before is counted on that pair alone, so that
strangers who guess from elsewhere, or from the same address at other accounts, never keep the owner out.
Knows no passwords and refuses nobody by itself.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from smsd.core.networks import read_address

FREE = 10
"""Failures without consequence: people mistype."""
LONGEST_ADDRESS = 900.0
"""Seconds: the longest lock of an address, or of a pair."""
LONGEST_ACCOUNT = 60.0
"""Seconds: the longest lock of an account against strangers, who are many addresses by then."""
FORGET = 3600.0
"""Seconds after the last failure."""
KNOWN = 30 * 86400.0
"""Seconds that a pair of address and account stays known after its last login."""
REFRESH = 86400.0
"""Seconds after which a login of a known pair is worth writing again."""
MOST = 10_000
"""Entries per table; the oldest go first."""
MOST_KNOWN = 50_000
"""Pairs of address and account that are known, the same."""
MOST_OF_ONE = 50
"""Of them with one account, so that somebody with an account and many addresses does not push out everybody else's."""

Key = tuple[str, str]
_Value = TypeVar("_Value")


@dataclass(slots=True)
class _Count:
    failures: int
    last: float
    until: float


@lru_cache(maxsize=1024)
def origin(peer: str) -> str:
    """What counts as one address."""
    address = read_address(peer)
    if isinstance(address, ipaddress.IPv6Address) and not address.is_loopback:
        return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
    return peer if address is None else str(address)


class Guessing:
    """The tables. `learned(pair, until)` is told of pairs that are worth keeping over a restart; `remember` gives them back."""

    def __init__(self, learned: Callable[[Key, float], None] = lambda pair, until: None) -> None:
        self.learned = learned
        self._counts: dict[Key, _Count] = {}
        self._known: dict[Key, float] = {}
        self._of: dict[str, dict[str, None]] = {}

    def remember(self, pairs: Iterable[tuple[Key, float]]) -> None:
        """Pairs that were known before, the oldest first."""
        for pair, until in pairs:
            self._know(pair, until)

    def wait(self, peer: str, name: str, now: float) -> float:
        """Seconds until this peer may try this account again; 0 is now."""
        longest = 0.0
        for key in self._keys(peer, name, now):
            count = self._counts.get(key)
            if count is not None:
                longest = max(longest, count.until - now)
        return longest

    def failed(self, peer: str, name: str, now: float, hopeless: bool = False) -> None:
        """A wrong password, or no such account. `hopeless`: not even the right one would have opened it from there, so its owner
        has nothing to do with it."""
        for key in self._keys(peer, name, now):
            if hopeless and key[0] == "":
                continue
            count = self._counts.pop(key, None)
            if count is None or now - count.last > FORGET:
                count = _Count(0, now, now)
            count.failures += 1
            count.last = now
            cap = LONGEST_ACCOUNT if key[0] == "" else LONGEST_ADDRESS
            if count.failures >= FREE:
                count.until = now + min(cap, 2.0 ** min(count.failures - FREE, 16))
            _put(self._counts, key, count)

    def succeeded(self, peer: str, name: str, now: float) -> None:
        """A login. The address keeps its failures: a guesser may well have an account of his own."""
        pair = (origin(peer), name)
        before = self._known.get(pair, 0.0)
        self._counts.pop(pair, None)
        if before - now > KNOWN - REFRESH:
            self._know(pair, before)
            return
        self._know(pair, now + KNOWN)
        self.learned(pair, now + KNOWN)

    def _know(self, pair: Key, until: float) -> None:
        """Known from now on, and the latest of all, and of its account."""
        address, name = pair
        if self._known.pop(pair, None) is None and len(self._known) >= MOST_KNOWN:
            self._drop(next(iter(self._known)))
        self._known[pair] = until
        own = self._of.setdefault(name, {})
        own.pop(address, None)
        own[address] = None
        if len(own) > MOST_OF_ONE:
            self._drop((next(iter(own)), name))

    def _drop(self, pair: Key) -> None:
        address, name = pair
        del self._known[pair]
        own = self._of[name]
        del own[address]
        if not own:
            del self._of[name]

    def _keys(self, peer: str, name: str, now: float) -> tuple[Key, ...]:
        address = origin(peer)
        pair = (address, name)
        if self._known.get(pair, 0.0) > now:
            return (pair,)
        return (address, ""), ("", name)


def _put(table: dict[Key, _Value], key: Key, value: _Value) -> None:
    while len(table) >= MOST:
        del table[next(iter(table))]
    table[key] = value
