"""Group commit: many calls, one transaction, one fsync.

Statements run on the reactor in groups of at most `MOST` calls; only COMMIT (where the disk is waited for) runs in a thread of
its own, so a busy interpreter cannot starve it and the reactor never waits for a disk. A call's Deferred fires after the
commit that holds it. A group that fails is rolled back and run again call by call, so one bad call harms no other.

Theory of operation: `call()` appends to `_waiting`; when no group is under way one starts at the end of the current reactor
turn. A handler gets all items of its kind in the group at once (`handler(cursor, items) -> results`), so that a group costs a
constant number of statements; a result that is an Exception fails its own call only.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

Handler = Callable[[sqlite3.Cursor, Sequence[Any]], Sequence[Any]]
Call = tuple[Handler, Any, "Deferred[Any]"]

MOST = 100


class StoreClosed(Exception):
    """The store is closed, or closing: nothing more is taken."""


class GroupCommit:
    """Runs handlers in groups over one connection (isolation_level None, check_same_thread False)."""

    log = Logger()

    def __init__(
        self,
        connection: sqlite3.Connection,
        reactor: Any,
        *,
        commit: Callable[[], None] | None = None,
        undone: Callable[[], None] = lambda: None,
    ) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._reactor = reactor
        self._commit = commit or connection.commit
        self._undone = undone  # told after a rollback, so that caches can forget
        self._waiting: list[Call] = []
        self._busy = False
        self._scheduled = False
        self._closed = False
        self._idle: list[Deferred[None]] = []
        self._jobs: SimpleQueue[list[tuple[Call, Any]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._committer, name="smsd-commit", daemon=True)
        self._thread.start()

    def call(self, handler: Handler, item: Any) -> Deferred[Any]:
        """Run `handler` for `item` in the next group; fires with its result after the commit."""
        deferred: Deferred[Any] = Deferred()
        if self._closed:
            deferred.errback(StoreClosed("the store is closed"))
            return deferred
        self._waiting.append((handler, item, deferred))
        self._schedule()
        return deferred

    def close(self) -> Deferred[None]:
        """Take no more calls, finish those that wait, end the thread; fires when the last commit is done."""
        self._closed = True
        done: Deferred[None] = Deferred()
        self._idle.append(done)
        self._schedule()
        done.addCallback(lambda _: self._jobs.put(None))
        return done

    def _schedule(self) -> None:
        if not self._busy and not self._scheduled:
            self._scheduled = True
            self._reactor.callLater(0, self._start)

    def _start(self) -> None:
        self._scheduled = False
        if self._busy:
            return
        if not self._waiting:
            idle, self._idle = self._idle, []
            for deferred in idle:
                deferred.callback(None)
            return
        self._busy = True
        group, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        try:
            done = self._run(group)
        except Exception as error:  # whatever it was, no call of the group may stay unanswered
            self._undo()
            self._one_by_one(group, error)
            return
        self._jobs.put(done)

    def _run(self, group: list[Call]) -> list[tuple[Call, Any]]:
        """All statements of the group, inside one transaction that is left open for the committer."""
        kinds: dict[Handler, list[Call]] = {}
        for call in group:
            kinds.setdefault(call[0], []).append(call)
        self._cursor.execute("BEGIN IMMEDIATE")
        done: list[tuple[Call, Any]] = []
        for handler, calls in kinds.items():
            results = handler(self._cursor, [item for _, item, _ in calls])
            done.extend(zip(calls, results, strict=True))
        return done

    def _undo(self) -> None:
        if self._connection.in_transaction:
            self._connection.rollback()
        self._undone()

    def _one_by_one(self, group: list[Call], error: Exception) -> None:
        """The group failed: each call in a transaction of its own, in order, and the failing ones answer for themselves."""
        if len(group) > 1:
            self.log.warn(
                "a group of {n} calls failed ({error!r}); running them one by one", n=len(group), error=error
            )
        answers: list[tuple[Call, Any]] = []
        for call in group:
            try:
                answers.extend(self._run([call]))
                self._commit()
            except Exception as failure:  # answered to the caller, who knows what it means
                self._undo()
                answers = [answer for answer in answers if answer[0] is not call]
                answers.append((call, failure))
        self._finish(answers)

    def _committer(self) -> None:
        """The thread: waits for the disk, and nothing else."""
        while (done := self._jobs.get()) is not None:
            error: Exception | None = None
            try:
                self._commit()
            except Exception as failure:  # handed to the reactor
                error = failure
            self._reactor.callFromThread(self._committed, done, error)

    def _committed(self, done: list[tuple[Call, Any]], error: Exception | None) -> None:
        if error is not None:
            self._undo()
            self._one_by_one([call for call, _ in done], error)
            return
        self._finish(done)

    def _finish(self, done: list[tuple[Call, Any]]) -> None:
        self._busy = False
        if self._waiting or self._idle:
            self._schedule()
        for (_, _, deferred), result in done:
            if isinstance(result, Exception):
                deferred.errback(result)
            else:
                deferred.callback(result)
