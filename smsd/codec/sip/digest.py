"""Digest authentication, a server's end (RFC 7616, RFC 8760, RFC 3261 section 22): what it asks for, how it judges what it gets.

A nonce is its time, a number and a seal over both and over whom it was given to: nothing is remembered but the counts used. So who
writes a stranger's address on a datagram has no nonce for it: he cannot log in from there, and makes nobody's guesses be counted.
Only HA1 is needed, never a password.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import re
from collections.abc import Callable, Sequence

from smsd.codec.sip.credentials import Digest, fields, line, response_of
from smsd.codec.sip.credentials import ha1 as ha1
from smsd.codec.sip.errors import Malformed
from smsd.codec.sip.messages import Request
from smsd.values.frozen import frozen

ALGORITHMS = ("SHA-256", "MD5")
"""What is asked for, the strongest first (RFC 8760 section 2.3)."""

_NONCE = re.compile(r"([0-9a-f]{1,14})-([0-9a-f]{1,12})-([0-9a-f]{32})")
_COUNT = re.compile(r"[0-9a-fA-F]{8}")
_BARE = frozenset(("algorithm", "stale"))
_WINDOW = 64
_AHEAD = 2.0
"""Seconds by which a nonce may seem to come from the future: the clock was set back a little."""


class Outcome(enum.Enum):
    """What credentials are worth."""

    NONE = "none"  # there are none for this realm: challenge
    STALE = "stale"  # by a nonce that is too old, not ours or somebody else's, right or wrong: challenge with stale
    WRONG = "wrong"  # refuse (403) or challenge again
    REPLAYED = "replayed"  # the nonce count was used before: challenge with stale
    RIGHT = "right"


@frozen
class Verdict:
    """`user` as it was claimed ("" when nobody claimed anything), and by which algorithm, if it is one that was offered."""

    outcome: Outcome
    user: str = ""
    algorithm: str = ""


Secrets = Callable[[str, str], "str | None"]
"""(user, algorithm) -> its HA1, None when there is none."""


class NonceCounts:
    """Which nonce counts were used: at most `most` nonces are remembered, the oldest go first. Requests may overtake each other by
    up to 63 counts. `mark` names a request that does no harm when it comes twice; with the highest count it may."""

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        # The highest count, a bit for each of the 64 up to it, and whose it is.
        self._seen: dict[str, tuple[int, int, str]] = {}

    def fresh(self, nonce: str, count: int, mark: str = "") -> bool:
        """Whether this count was not used before, or for the same request; it is now."""
        highest, bits, last = self._seen.get(nonce, (0, 0, ""))
        if count > highest:
            shift = count - highest
            bits = (bits << shift if shift < _WINDOW else 0) & ((1 << _WINDOW) - 1) | 1
            highest, last = count, mark
        elif mark and count == highest and mark == last:
            return True
        else:
            bit = 1 << highest - count if highest - count < _WINDOW else 0
            if count <= 0 or not bit or bits & bit:
                return False
            bits |= bit
        if nonce not in self._seen and len(self._seen) >= self._most:
            del self._seen[next(iter(self._seen))]
        self._seen[nonce] = highest, bits, last
        return True


class Challenger:
    """Asks for credentials of one realm. `key`: random octets that seal nonces; `life`: seconds a nonce is good for. `proxy`: 407
    with Proxy-Authenticate instead of 401 with WWW-Authenticate."""

    def __init__(
        self, realm: str, key: bytes, algorithms: Sequence[str] = ALGORITHMS, life: float = 300.0, proxy: bool = False,
        counts: NonceCounts | None = None,
    ) -> None:  # fmt: skip
        self.realm = realm
        self.status = 407 if proxy else 401
        self._asks, self._says = (
            ("Proxy-Authenticate", "Proxy-Authorization") if proxy else ("WWW-Authenticate", "Authorization")
        )
        self._key = key
        self._algorithms = tuple(algorithms)
        self._life = life
        self._counts = NonceCounts() if counts is None else counts
        self._number = 0
        self._read: tuple[Request | None, dict[str, str]] = None, {}  # the last one: it is asked for twice

    def challenge(self, now: float, stale: bool = False, whom: str = "") -> tuple[tuple[str, str], ...]:
        """The headers, one per algorithm, for an answer with `status`. `now` in seconds since 1970; `whom` is the address that the
        answer goes to."""
        self._number += 1
        begin = f"{int(now * 1000):x}-{self._number & 0xFFFFFFFFFFFF:x}"
        nonce = f"{begin}-{self._seal(begin, whom)}"
        headers = []
        for algorithm in self._algorithms:
            pairs = {"realm": self.realm, "nonce": nonce, "algorithm": algorithm, "qop": "auth"}
            if stale:
                pairs["stale"] = "true"
            headers.append((self._asks, line(pairs, _BARE)))
        return tuple(headers)

    def claimed(self, request: Request) -> str:
        """The user named by the credentials for this realm, "" without any (so that secrets can be fetched before `judge`)."""
        try:
            return self._said(request).get("username", "")
        except Malformed:
            return ""

    def judge(self, request: Request, now: float, secrets: Secrets, whom: str = "") -> Verdict:
        """What the request's credentials, sent by `whom`, are worth. Malformed (400) when they cannot be read.

        The address in them is not compared with the request's: proxies on the way rewrite that one.
        """
        said = self._said(request)
        if not said:
            return Verdict(Outcome.NONE)
        user, algorithm, qop = (
            said.get("username", ""),
            said.get("algorithm", "MD5"),
            said.get("qop", "").lower(),
        )
        algorithm = next((name for name in self._algorithms if name.upper() == algorithm.upper()), "")
        if not user or not said.get("nonce") or not said.get("uri") or not said.get("response"):
            raise Malformed("credentials lack username, nonce, uri or response")
        count = said.get("nc", "")
        if qop and (_COUNT.fullmatch(count) is None or not said.get("cnonce")):
            raise Malformed("credentials with qop need nc (8 digits) and cnonce")
        # First, and whatever the response is worth: by a nonce that was not given to him nobody learns that, or is blamed for it.
        if not self._is_young(said["nonce"], now, whom):
            return Verdict(Outcome.STALE, user, algorithm)
        if not algorithm or qop not in ("", "auth"):
            return Verdict(Outcome.WRONG, user)
        secret = secrets(user, algorithm)
        # Whoever is not known costs the same time as who is.
        digest = Digest(
            algorithm,
            said["nonce"],
            request.method,
            said["uri"],
            said.get("cnonce", ""),
            count,
            said.get("qop", ""),
        )
        expected = response_of(secret or "", digest).encode()
        given = said["response"].lower().encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(expected, given) or secret is None:
            return Verdict(Outcome.WRONG, user, algorithm)
        # Without qop (RFC 2069) nothing is counted: such a nonce is good once.
        if not self._counts.fresh(f"{said['nonce']} {user}", int(count, 16) if qop else 1, _mark(request)):
            return Verdict(Outcome.REPLAYED, user, algorithm)
        return Verdict(Outcome.RIGHT, user, algorithm)

    def _said(self, request: Request) -> dict[str, str]:
        """The credentials for this realm, empty without."""
        if self._read[0] is not request:
            self._read = request, self._find(request)
        return self._read[1]

    def _find(self, request: Request) -> dict[str, str]:
        for value in request.all(self._says):
            said = fields(value)
            if said is not None and said.get("realm") == self.realm:
                return said
        return {}

    def _seal(self, begin: str, whom: str) -> str:
        named = f"{begin}\0{self.realm}\0{whom}".encode("utf-8", "surrogateescape")
        return hashlib.blake2b(named, key=self._key, digest_size=16).hexdigest()

    def _is_young(self, nonce: str, now: float, whom: str) -> bool:
        found = _NONCE.fullmatch(nonce)
        if found is None or not hmac.compare_digest(found[3], self._seal(f"{found[1]}-{found[2]}", whom)):
            return False
        return -_AHEAD <= now - int(found[1], 16) / 1000 <= self._life


def _mark(request: Request) -> str:
    """What makes it the same text once more, as a proxy sends it that has heard no answer and tries another way: its user knows it
    again by the same. Of other requests each wants a count of its own."""
    if request.method != "MESSAGE":
        return ""
    named = "\0".join(
        (request.uri, request.get("From"), request.get("To"), request.call_id, str(request.cseq))
    )
    return hashlib.sha256(named.encode("utf-8", "surrogateescape") + b"\0" + request.body).hexdigest()[:32]
