"""Digest authentication (RFC 7616, RFC 8760, RFC 3261 section 22): what a server asks for and how it judges what it gets.

Nothing is remembered: a nonce is its time and a seal over it. Only HA1 is needed, never a password.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence

from smsd.codec.sip.messages import Request
from smsd.values.frozen import frozen

ALGORITHMS = ("SHA-256", "MD5")
"""The strongest first."""


def ha1(algorithm: str, user: str, realm: str, password: str) -> str:
    """H(user:realm:password), in hexadecimal: what is stored instead of a password."""
    raise NotImplementedError


class Outcome(enum.Enum):
    """What credentials are worth."""

    NONE = "none"  # there are none for this realm: challenge
    STALE = "stale"  # right, but by a nonce that is too old: challenge with stale
    WRONG = "wrong"  # refuse (403) or challenge again
    REPLAYED = "replayed"  # the nonce count was used before: challenge with stale
    RIGHT = "right"


@frozen
class Verdict:
    """`user` as it was claimed ("" when nobody claimed anything)."""

    outcome: Outcome
    user: str = ""


Secrets = Callable[[str, str], "str | None"]
"""(user, algorithm) -> its HA1, None when there is none."""


class NonceCounts:
    """Which nonce counts were used: at most `most` nonces are remembered, the oldest go first."""

    def __init__(self, most: int = 10_000) -> None:
        raise NotImplementedError

    def fresh(self, nonce: str, count: int) -> bool:
        """Whether this count was not used before; it is now."""
        raise NotImplementedError


class Challenger:
    """Asks for credentials of one realm. `key`: random octets that seal nonces; `life`: seconds a nonce is good for. `proxy`: 407 with
    Proxy-Authenticate instead of 401 with WWW-Authenticate."""

    def __init__(
        self, realm: str, key: bytes, algorithms: Sequence[str] = ALGORITHMS, life: float = 300.0, proxy: bool = False,
        counts: NonceCounts | None = None,
    ) -> None:  # fmt: skip
        raise NotImplementedError

    status: int = 401

    def challenge(self, now: float, stale: bool = False) -> tuple[tuple[str, str], ...]:
        """The headers, one per algorithm, for an answer with `status`. `now` in seconds since 1970."""
        raise NotImplementedError

    def claimed(self, request: Request) -> str:
        """The user named by the credentials for this realm, "" without any (so that secrets can be fetched before `judge`)."""
        raise NotImplementedError

    def judge(self, request: Request, now: float, secrets: Secrets) -> Verdict:
        """What the request's credentials are worth. Malformed (400) when they cannot be read."""
        raise NotImplementedError
