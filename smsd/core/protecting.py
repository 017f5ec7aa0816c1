"""Protection: accounts that are held because they send far more than usual, who is told, and how they go on; what is old goes.

Nothing is lost by a hold: messages are accepted and wait, with the reason, until somebody has looked and says `smsd account
release`. The account's owner and the postmaster hear of it once. `smsd.store.watching` holds, in the transaction that accepts.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from smsd.config.settings import ProtectionSettings
from smsd.core.auditing import WHO
from smsd.core.planning import Planner
from smsd.core.queue import Queue
from smsd.policy.unusual import Bounds
from smsd.store import audit, known, watching
from smsd.store.audit import Entry
from smsd.store.operating import Release
from smsd.store.sqlite import SqliteStore
from smsd.values import money
from smsd.values.address import Address
from smsd.values.errors import InvalidValue
from smsd.values.message import Recipient, Submission, Text

INTERVAL = 3600.0
"""Seconds between two looks for what is old."""
MINUTE, DAY = 60_000, 86_400_000
DOOR = "protection"


class Protection:
    """`postmaster` hears of every hold, `find_account` knows its owner."""

    log = Logger()

    def __init__(
        self, store: SqliteStore, planner: Planner, queue: Queue, reactor: Any, find_account: Callable[[str], Any]
    ) -> None:  # fmt: skip
        self._store = store
        self._planner = planner
        self._queue = queue
        self._reactor = reactor
        self._find_account = find_account
        self.postmaster = ""
        self.audit_days = ProtectionSettings().audit_days
        self._loop = LoopingCall(self._tidy)
        self._loop.clock = reactor
        store.accepting.watching.started = self._started

    def use(self, settings: ProtectionSettings, postmaster: str) -> None:
        """From now on."""
        self.postmaster = postmaster
        self.audit_days = settings.audit_days
        self._store.accepting.watching.bounds = Bounds(
            settings.hold,
            settings.factor,
            settings.spending_factor,
            settings.from_messages,
            round(settings.from_spending * money.UNIT),
            settings.learn_messages,
            self._planner.tariffs.currency,
        )

    def start(self) -> None:
        """Begin to look for what is old; the first time is at once."""
        self._loop.start(INTERVAL)

    def stop(self) -> None:
        """Look no more."""
        if self._loop.running:
            self._loop.stop()

    def _tidy(self) -> Any:
        return Deferred.fromCoroutine(self._forget()).addErrback(self._failed)

    async def _forget(self) -> None:
        now = self._store.now()
        await self._store.call(known.forget, now)
        while await self._store.call(audit.forget, now - self.audit_days * DAY):
            pass

    def _failed(self, failure: Any) -> None:
        self.log.error("what is old could not be dropped: {why}", why=failure.getErrorMessage())

    # -- a hold begins; in the transaction of the message with which it does

    def _started(self, cursor: sqlite3.Cursor, account: str, why: str, message: int) -> None:
        self.log.warn(
            "account {account} is held: {why}; `smsd account release {account}` lets it go on",
            account=account,
            why=why,
        )
        audit.write(cursor, [Entry(self._store.now(), "smsd", "account_hold", account, after=why)])
        owner = getattr(self._find_account(account), "email", None)
        for address in dict.fromkeys((owner, self.postmaster)):
            if address:
                self._tell(cursor, address, account, why, message)

    def _tell(self, cursor: sqlite3.Cursor, address: str, account: str, why: str, message: int) -> None:
        to = Address("mailto", address)
        submission = Submission(
            door=DOOR,
            origin=Address("account", "smsd"),
            recipients=(Recipient(to, address),),
            content=Text(_LETTER.format(account=account, why=why)),
            headers=(("subject", f"The SMS account {account} is held"),),
        )
        plan = None if self._store.carrying.plan is None else self._store.carrying.plan(submission, message)
        if plan is None:
            return  # the log has the reason
        (committed,) = self._store.accepting.write(cursor, [plan])
        for planned in plan.planned:
            lane = committed.lanes[planned.delivery]
            # By then this transaction is over: the queue's next question comes after it.
            self._reactor.callLater(0, self._wake, lane, planned.route, planned.flow)

    def _wake(self, lane: int, route: str, flow: str) -> None:
        self._queue.know(lane, route, flow)
        self._queue.wake(lane, self._store.now())

    # -- the operator's verbs

    def verbs(self) -> dict[str, Callable[[Mapping[str, Any]], Any]]:
        """They take and give JSON values."""
        return {"holds": self.holds, "account_release": self.release}

    async def holds(self, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The accounts that are held: name, since (ms), why, and how many messages wait for that."""
        found = await self._store.ask(watching.holds)
        return [
            {"name": name, "since": since, "why": why, "waiting": waiting}
            for name, (since, why, waiting) in sorted(found.items())
        ]

    async def release(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """name: the account is not held any more, and what has waited for that goes out (cancel: is cancelled) → `was` (it was
        held), how many messages that were (`done`), and how many have to wait on, for the reason that they name (`left`)."""
        name = arguments.get("name")
        if not isinstance(name, str) or not name:
            raise InvalidValue("name: whose?")
        if not await self._store.ask(watching.to_release, name):
            raise InvalidValue(f"account {name} is not held")
        verb = "cancel" if arguments.get("cancel") else "retry"
        told = {"was": False, "done": 0, "left": 0}
        while True:
            now = self._store.now()
            released = await self._store.release_account(
                Release(
                    name, verb, self._planner.period(now), now,
                    now + self._planner.policies.expire_minutes * MINUTE, WHO.get(),
                )
            )  # fmt: skip
            told["was"] |= released.was
            told["done"] += released.done
            told["left"] += released.left
            for lane in released.lanes:
                self._queue.wake(lane, now)
            if not released.more:
                break
        return told


_LETTER = """\
The SMS account {account} is held: it has sent {why}.

Its messages are accepted, and wait until the administrator has looked at it:

  smsd account release {account}            they go out, and as much is usual from now on
  smsd account release {account} --cancel   they are cancelled

If nobody knows why the account sends so much, its password has been stolen: change it first (smsd account password {account}).
"""
