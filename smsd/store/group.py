"""Group commit: many calls, one transaction, one fsync.

Statements run on the reactor in groups of at most `MOST` rows. COMMIT, where the disk is waited for, runs in a thread of its
own, so that the reactor does not wait with it; but where commits are over sooner than a thread can be told of them and tell
back (`Pace`), on the reactor too. A call's Deferred fires after the commit that holds it. A group that fails is rolled back,
and each of its calls becomes a group of its own, so one bad call harms no other. When no transaction can be begun at all, it
is nobody's fault and everybody's answer.

A *patient* call (what became of a piece: nobody waits for it) does not begin a group of its own at once. It rides with the next
call that is in a hurry, or leaves when its patience ends; where messages come one after the other, that is one commit each
instead of two.

Theory of operation: `call()` appends to `_waiting`; when no group is under way one starts at the end of the current reactor
turn. A handler gets all items of its kind in the group at once (`handler(cursor, items) -> results`), so that a group costs a
constant number of statements; a result that is an Exception fails its own call only.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from math import inf
from queue import SimpleQueue
from time import perf_counter
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from smsd.store.audit import NOTE

Handler = Callable[[sqlite3.Cursor, Sequence[Any]], Sequence[Any]]

MOST = 100
STALL, REST, LONGEST_REST = 50, 100, 600.0
"""See `Pace`; the last one in seconds."""


class StoreClosed(Exception):
    """The store is closed, or closing: nothing more is taken."""


class Call(NamedTuple):
    """What waits for a group. `rows`: about how many it writes. `ahead`: the next group's statements may run before its
    answer is given, because nothing that they ask for depends on it. `patient`: it may wait for company."""

    handler: Handler
    item: Any
    rows: int
    ahead: bool
    patient: bool
    done: Deferred[Any]


class Pace:
    """How long commits take lately, the last ones counting most. A thread costs each commit two wake-ups, 0.15 ms and more: what
    takes less than `quick` seconds is done sooner without one, and with less work. The price is that the reactor waits once for a
    disk that is slow all of a sudden; the commits after that run in the thread until it is quick again. 0: all do.

    A disk that is quick mostly and hangs now and then would stop the reactor each time. So after a commit of `STALL` times `quick`
    or more all run in the thread for `REST` times as long as it took: no more than a hundredth of the time is lost like that."""

    def __init__(self, quick: float, now: Callable[[], float] = perf_counter) -> None:
        self._quick = quick
        self._now = now
        self._lately = 2 * quick  # not known yet
        self._rests_until = -inf
        self._rests = False

    @property
    def quick(self) -> bool:
        """Whether the next one is likely to be over at once. The same until there was one: who begins a group ahead of answers must
        not find that it is over before them."""
        return self._lately < self._quick and not self._rests

    def took(self, seconds: float) -> None:
        """One more."""
        self._lately += (seconds - self._lately) / 8
        now = self._now()
        if seconds >= STALL * self._quick:
            self._rests_until = max(self._rests_until, now + min(REST * seconds, LONGEST_REST))
        self._rests = now < self._rests_until


class GroupCommit:
    """Runs handlers in groups over one connection (isolation_level None, check_same_thread False). `patience` is how long patient
    calls wait at most, in seconds; 0: none is patient. `quick`: see `Pace`."""

    log = Logger()

    def __init__(
        self,
        connection: sqlite3.Connection,
        reactor: Any,
        *,
        commit: Callable[[], None] | None = None,
        undone: Callable[[], None] = lambda: None,
        patience: float = 0.0,
        quick: float = 0.0,
    ) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._reactor = reactor
        self._commit = commit or connection.commit
        self._undone = undone  # told after a rollback, so that caches can forget
        self._waiting: deque[Call] = deque()
        self._pace = Pace(quick)
        self._patience = patience
        self._patient = 0  # how many of those that wait are
        self._company: Any = None
        # From a group that failed: each is a group of its own, before all others.
        self._alone: deque[Call] = deque()
        self._busy = False
        self._scheduled = False
        self._closed = False
        self._idle: list[Deferred[None]] = []
        self._answering = False
        self._later: list[Callable[[], object]] = []
        self._jobs: SimpleQueue[list[tuple[Call, Any]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._committer, name="smsd-commit", daemon=True)
        self._thread.start()

    def call(
        self, handler: Handler, item: Any, rows: int = 1, *, ahead: bool = False, patient: bool = False
    ) -> Deferred[Any]:
        """Run `handler` for `item` in the next group; fires with its result after the commit."""
        deferred: Deferred[Any] = Deferred()
        if self._closed:
            deferred.errback(StoreClosed("the store is closed"))
            return deferred
        note = NOTE.get()
        if note is not None and not note.taken:
            handler = note.join(handler)  # who changes something is on record in the same transaction
        patient = patient and self._patience > 0
        self._waiting.append(Call(handler, item, rows, ahead, patient, deferred))
        if patient:
            self._patient += 1
            self._wait()
        else:
            self._schedule()
        return deferred

    def _wait(self) -> None:
        """For company; a group that is under way looks at what waits when it ends."""
        if not self._busy and not self._scheduled and self._company is None:
            self._company = self._reactor.callLater(self._patience, self._waited)

    def _waited(self) -> None:
        self._company = None
        if self._patient:
            self._schedule()

    @property
    def _hurried(self) -> bool:
        """Whether something waits that is not patient."""
        return len(self._waiting) > self._patient or bool(self._alone)

    def after(self, do: Callable[[], object]) -> None:
        """Do this when everybody whose commit it was has his answer; at once when nobody is being answered."""
        if self._answering:
            self._later.append(do)
        else:
            do()

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
        group = self._next()
        if not group:
            idle, self._idle = self._idle, []
            for deferred in idle:
                deferred.callback(None)
            return
        self._busy = True
        try:
            self._begin()
        except sqlite3.Error as error:
            self._finish([(call, error) for call in group])
            return
        try:
            done = self._run(group)
        except Exception as error:  # whatever it was, no call of the group may stay unanswered
            self._failed(group, error)
            return
        if self._pace.quick:
            self._over(done, self._write())
        else:
            self._jobs.put(done)

    def _next(self) -> list[Call]:
        """The calls of the next group."""
        if self._alone:
            return [self._alone.popleft()]
        group: list[Call] = []
        rows = 0
        while self._waiting and (not group or rows + self._waiting[0].rows <= MOST):
            call = self._waiting.popleft()
            group.append(call)
            rows += call.rows
            self._patient -= call.patient
        return group

    def _begin(self) -> None:
        if self._connection.in_transaction:  # a rollback that failed
            self._connection.rollback()
        self._cursor.execute("BEGIN IMMEDIATE")

    def _run(self, group: list[Call]) -> list[tuple[Call, Any]]:
        """All statements of the group, inside the transaction, which is left open for the committer."""
        kinds: dict[Handler, list[Call]] = {}
        for call in group:
            kinds.setdefault(call.handler, []).append(call)
        done: list[tuple[Call, Any]] = []
        for handler, calls in kinds.items():
            results = handler(self._cursor, [call.item for call in calls])
            done.extend(zip(calls, results, strict=True))
        return done

    def _failed(self, group: list[Call], error: Exception) -> None:
        """Roll back; a call that was alone is answered, others get a group each."""
        try:
            if self._connection.in_transaction:
                self._connection.rollback()
        except sqlite3.Error as trouble:
            self.log.error("a rollback failed: {e!r}; it is tried again before the next group", e=trouble)
        self._undone()
        if len(group) == 1:
            self._finish([(group[0], error)])
            return
        self.log.warn(
            "a group of {n} calls failed ({error!r}); running them one by one", n=len(group), error=error
        )
        self._alone.extend(group)
        self._finish([])

    def _committer(self) -> None:
        """The thread: waits for the disk, and nothing else."""
        while (done := self._jobs.get()) is not None:
            self._reactor.callFromThread(self._committed, done, self._write())

    def _write(self) -> Exception | None:
        """COMMIT, here or in the thread, never in both; what it failed with is for the reactor."""
        began = perf_counter()
        try:
            self._commit()
        except Exception as failure:
            return failure
        finally:
            self._pace.took(perf_counter() - began)
        return None

    def _committed(self, done: list[tuple[Call, Any]], error: Exception | None) -> None:
        """In the thread."""
        ahead = self._hurried and not self._pace.quick and all(call.ahead for call, _ in done)
        if ahead and error is None:
            self._busy = False
            self._start()  # the disk is busy with the next group while the answers of this one are written
            self._answer(done)
        else:
            self._over(done, error)

    def _over(self, done: list[tuple[Call, Any]], error: Exception | None) -> None:
        if error is None:
            self._finish(done)
        else:
            self._failed([call for call, _ in done], error)

    def _finish(self, done: list[tuple[Call, Any]]) -> None:
        self._busy = False
        self._answer(done)

    def _answer(self, done: list[tuple[Call, Any]]) -> None:
        if self._hurried or self._idle:
            self._schedule()
        elif self._patient:
            self._wait()
        self._answering = True
        for call, result in done:
            if isinstance(result, Exception):
                call.done.errback(result)
            else:
                call.done.callback(result)
        self._answering = False
        later, self._later = self._later, []
        for do in later:
            try:
                do()
            except Exception:  # of one; it must not stop the others
                self.log.failure("what was to follow a commit failed")
