"""The timers of RFC 3261 section 17 (table 4), in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timers:
    """T1 is the estimated round trip, T2 the longest between retransmissions, T4 the longest a datagram lives in the network."""

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0

    @property
    def most(self) -> float:
        """64*T1: how long a transaction is tried (B, F, H) and remembered (J)."""
        return 64 * self.t1
