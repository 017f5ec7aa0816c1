"""Logins: ten thousand accounts in the store, how long the server takes to know them, what they weigh, and a thousand logins a
second while the reactor goes on.

Run as a program it measures in a process of its own: `python -m tests.bench.logins FOLDER SECONDS`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import LoopingCall, deferLater

from smsd.core.accounts import Accounts, hash_password
from smsd.core.accounts.book import Book
from smsd.core.credentials import Login
from smsd.interfaces import IAccount
from smsd.store.accounts import Change
from smsd.store.sqlite import SqliteStore
from tests.bench.measure import Results

MANY = 10_000
RATE = 1_000
COLD = 40
TICK = 0.002


def logins(folder: Path, results: Results) -> None:
    """Accounts and logins."""
    command = [sys.executable, "-m", "tests.bench.logins", str(folder), "2" if results.quick else "10"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    found = json.loads(done.stdout)
    results.keep("logins", found)
    results.add(f"{MANY} accounts: read from the store", f"{found['read'] * 1000:.0f} ms")
    results.add(
        "memory of them, before and after each has logged in",
        f"{found['kept']:.1f} MB, {found['made']:.1f} MB",
    )
    results.add(
        f"logins that are remembered, {RATE}/s asked for",
        f"{found['rate']:.0f}/s, {found['each'] * 1e6:.1f} us each, the reactor waited {found['gap'] * 1000:.1f} ms at most",
    )
    results.add(
        f"{COLD} logins at once that nobody remembers",
        f"{found['cold'] * 1000:.0f} ms, the reactor waited {found['cold_gap'] * 1000:.1f} ms at most",
    )


class Pulse:
    """How long the reactor kept a timer waiting, at most."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._last = 0.0
        self._call = LoopingCall(self._beat)
        self.gap = 0.0

    def start(self) -> None:
        self.gap, self._last = 0.0, time.perf_counter()
        self._call.start(TICK, now=False)

    def _beat(self) -> None:
        now = time.perf_counter()
        self.gap = max(self.gap, now - self._last - TICK)
        self._last = now

    def stop(self) -> float:
        self._call.stop()
        return self.gap


def memory() -> float:
    """Megabytes that this process holds."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096 / 1e6


async def measure(reactor: Any, folder: Path, seconds: float) -> dict[str, float]:
    """All figures."""
    store = SqliteStore(str(folder / "accounts.db"), reactor)
    store.open()
    hashed = hash_password("secret")
    text = json.dumps(
        {"password": hashed, "gateway": "gsm1", "monthly_limit": 500, "email": "somebody@example.org"}
    )
    await store.change_accounts(tuple(Change("account", f"user{n}", text, 0, True) for n in range(MANY)))
    found: dict[str, float] = {}
    accounts = Accounts((), reactor)
    before = memory()
    began = time.perf_counter()
    await Book(store, accounts.directory, lambda now: "2027-01").load()
    found["read"] = time.perf_counter() - began
    found["kept"] = memory() - before
    pulse = Pulse(reactor)

    def login(name: str, peer: str = "192.0.2.1") -> Deferred[Any]:
        done: Deferred[Any] = accounts.portal.login(Login(name, "secret", peer), None, IAccount)
        return done

    await login("user0")
    pulse.start()
    began = time.perf_counter()
    await DeferredList([login(f"user{n}", f"192.0.2.{n}") for n in range(1, COLD)], fireOnOneErrback=True)
    found["cold"] = time.perf_counter() - began
    found["cold_gap"] = pulse.stop()
    before = memory()  # with what argon2 takes for each thread

    for n in range(MANY):  # as if each had logged in lately: to verify them all takes minutes
        name = f"user{n}"
        accounts._verifier.remember(accounts._verifier.mark(name, "secret", hashed), True)
        await login(name)
    found["made"] = memory() - before + found["kept"]
    pulse.start()
    count, spent = 0, 0.0
    began = time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        due = int(passed * RATE)
        started = time.perf_counter()
        while count < due:
            count += 1
            await login(f"user{count * 7919 % MANY}")
        spent += time.perf_counter() - started
        await deferLater(reactor, TICK)
    found["gap"] = pulse.stop()
    found["rate"], found["each"] = count / (time.perf_counter() - began), spent / max(count, 1)
    accounts.stop()
    await store.close()
    return found


def main() -> None:
    """Measure, print JSON."""
    from twisted.internet import reactor

    folder, seconds = Path(sys.argv[1]), float(sys.argv[2])

    def go() -> None:
        done = Deferred.fromCoroutine(measure(reactor, folder, seconds))
        done.addCallbacks(lambda found: print(json.dumps(found)), lambda failure: failure.printTraceback())
        done.addBoth(lambda _: reactor.stop())  # type: ignore[attr-defined]

    reactor.callWhenRunning(go)  # type: ignore[attr-defined]
    reactor.run()  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
