"""Passwords against their argon2id hashes (RFC 9106), without ever blocking the reactor.

Verification runs in a small thread pool of its own. What was verified is remembered for minutes under an HMAC
with a key of this process, so neither a password nor anything one could test guesses against offline outlives
it in memory; equal questions at the same time are answered once. Knows no accounts and counts no failures.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError
from twisted.internet.defer import Deferred, succeed
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

REMEMBER = 300.0
"""Seconds that an answer is remembered."""
MOST = 16384
"""Answers remembered; the oldest go first."""
MOST_PENDING = 100
"""Verifications waiting for a thread; each takes some 50 ms of a core."""
MOST_ASKED = 500
"""Questions to somebody outside that wait for an answer."""
LONGEST = 1024
"""Characters of a password."""
_THREADS = 2
_MOST_MEMORY = 1 << 20
"""KiB that a hash may need, and…"""
_MOST_WORK = 1 << 22
"""… that times its rounds, and"""
_MOST_LANES = 64
"""its lanes: a login is no way to stop a machine."""

_Pending = dict[bytes, list[Deferred[bool]]]

_HASHER = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1, type=Type.ID)
NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$Ie1Pce7C3l96PsbrhN3CyQ$k0maEWm7tsYh/1C9I9HHzlyFsNu08tYe1LRr4KYf3bI"
"""A hash that belongs to nobody: verifying against it takes as long as against one of `hash_password`."""


class TooBusy(Exception):
    """Too many verifications are waiting."""


def _normal(password: str) -> str:
    return password if password.isascii() else unicodedata.normalize("NFC", password)


def hash_password(password: str) -> str:
    """The hash to put into the configuration, `$argon2id$…`; ValueError for what can be no password."""
    if not password or "\0" in password or len(password) > LONGEST:
        raise ValueError(f"a password has 1 to {LONGEST} characters and no NUL")
    return _HASHER.hash(_normal(password))


def is_hash(text: str) -> bool:
    """Whether `text` is an argon2id hash that can be verified against, within memory and time that a server has."""
    if not text.startswith("$argon2id$"):
        return False
    try:
        cost = extract_parameters(text)
    except InvalidHashError:
        return False
    return (
        cost.memory_cost <= _MOST_MEMORY
        and cost.memory_cost * cost.time_cost <= _MOST_WORK
        and cost.parallelism <= _MOST_LANES
    )


def matches(hashed: str, password: str) -> bool:
    """Whether the password belongs to the hash. Takes tens of milliseconds."""
    try:
        return _HASHER.verify(hashed, _normal(password))
    except (VerificationError, InvalidHashError):
        return False


class Verifier:
    """Asks `matches` in threads, and remembers. `run(matches, hash, password)` may replace the pool
    (tests)."""

    def __init__(self, reactor: Any, run: Callable[..., Deferred[bool]] | None = None) -> None:
        self._reactor = reactor
        self._run = run or self._in_thread
        self._pool: ThreadPool | None = None
        self._key = os.urandom(32)
        self._known: dict[bytes, tuple[bool, float]] = {}
        self._pending: _Pending = {}
        self._asked: _Pending = {}

    def mark(self, name: str, password: str, hashed: str = "") -> bytes:
        """What the pair is remembered under, as long as the account has this hash. UnicodeEncodeError for what is no text."""
        text = f"{len(name)}:{name}{len(hashed)}:{hashed}{password}"
        return blake2b(text.encode(), key=self._key, digest_size=32).digest()

    def known(self, mark: bytes) -> bool | None:
        """What was found out about this pair within the last minutes, or None."""
        found = self._known.get(mark)
        if found is None:
            return None
        if found[1] < self._reactor.seconds():
            del self._known[mark]
            return None
        return found[0]

    def verify(self, mark: bytes, hashed: str, password: str) -> Deferred[bool]:
        """Fires with whether they match; fails with TooBusy."""
        return self._once(self._pending, MOST_PENDING, mark, lambda: self._run(matches, hashed, password))

    def ask(self, mark: bytes, find_out: Callable[[], Deferred[bool]]) -> Deferred[bool]:
        """The same for what somebody outside knows: `find_out` asks him, and may fail."""
        return self._once(self._asked, MOST_ASKED, mark, find_out)

    def _once(
        self, pending: _Pending, most: int, mark: bytes, find_out: Callable[[], Deferred[bool]]
    ) -> Deferred[bool]:
        known = self.known(mark)
        if known is not None:
            return succeed(known)
        waiting = pending.get(mark)
        answer: Deferred[bool] = Deferred()
        if waiting is not None:
            waiting.append(answer)
            return answer
        if len(pending) >= most:
            answer.errback(TooBusy())
            return answer
        waiting = pending[mark] = [answer]
        find_out().addBoth(self._found, mark, waiting, pending)
        return answer

    def _found(self, result: Any, mark: bytes, waiting: list[Deferred[bool]], pending: _Pending) -> None:
        current = pending.get(mark) is waiting
        if current:
            del pending[mark]
        if current and isinstance(result, bool):
            self.remember(mark, result)
        for answer in waiting:
            answer.callback(result)  # a Failure becomes an errback

    def remember(self, mark: bytes, right: bool) -> None:
        """Keep what was found out about a pair, here or elsewhere."""
        while len(self._known) >= MOST:
            del self._known[next(iter(self._known))]
        self._known[mark] = (right, self._reactor.seconds() + REMEMBER)

    def forget(self) -> None:
        """Nothing that was found out, or is just being found out, is remembered any more."""
        self._known.clear()
        self._pending.clear()
        self._asked.clear()

    def stop(self) -> None:
        """End the threads; waits for those at work."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop()

    def _in_thread(self, function: Callable[..., bool], *arguments: str) -> Deferred[bool]:
        if self._pool is None:
            self._pool = ThreadPool(0, _THREADS, name="passwords")
            self._pool.start()
            # A pool that runs at the end of the process would keep it from ending.
            self._reactor.addSystemEventTrigger("during", "shutdown", self.stop)
        return deferToThreadPool(self._reactor, self._pool, function, *arguments)
