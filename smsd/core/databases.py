"""The databases that rules may use, by the names of the configuration: statements that are a rule's action (`run`) and
questions that are a rule's condition (`ask`).

Each statement is one transaction, runs in a thread of its database, and has a time limit. What happened is always known but in
one case: a COMMIT that was not answered. One database that hangs keeps no other waiting, and its writers not its readers.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, fail
from twisted.logger import Logger
from twisted.python.failure import Failure as TwistedFailure
from twisted.python.threadpool import ThreadPool

from smsd.codec.sqltext import Statement, read
from smsd.core.asking import Outages
from smsd.core.engines import MOST_ROWS, Connection, Engine, Rows, permanent, temporary
from smsd.core.engines.postgresql import Postgres
from smsd.core.engines.sqlite import Sqlite
from smsd.policy.rules.letter import Answer, Question
from smsd.values.delivery import Failure, Kind
from smsd.values.errors import InvalidValue

THREADS = 4
"""Statements at once on one database, and as many questions."""
MOST_WAITING = 1000
"""Statements, and questions, that wait for a thread."""
ABORT = 1.0
GIVE_UP = 5.0
"""Seconds after the time limit: the connection is ended; nobody waits for the thread any more."""

_read = lru_cache(maxsize=1000)(read)


class Databases:
    """`own` is the file of smsd's store, which rules may only read; relative paths of SQLite files start at `folder`."""

    log = Logger()

    def __init__(self, reactor: Any, own: str = "", folder: str = "") -> None:
        self._reactor = reactor
        self._own = own
        self._folder = folder
        self._urls: dict[str, str] = {}
        self._databases: dict[str, tuple[_Lane, _Lane]] = {}
        self._outages = Outages()

    @property
    def names(self) -> list[str]:
        """Those that there are."""
        return sorted(self._databases)

    def use(self, urls: Mapping[str, str]) -> None:
        """Take these databases by name, `sqlite:PATH` or `postgresql://…`; ValueError (without a password in it) for a URL
        that is neither, with nothing changed. Unchanged ones keep their connections; what runs on the others ends first."""
        engines = {}
        for name, url in urls.items():
            try:
                engines[name] = self._engine(url)
            except ValueError as error:
                raise ValueError(f"database {name}: {error}") from None
        for name in [name for name in self._databases if urls.get(name) != self._urls[name]]:
            for lane in self._databases.pop(name):
                lane.stop()
        for name, its in engines.items():
            if name not in self._databases:
                self._databases[name] = (_Lane(self._reactor, its, False), _Lane(self._reactor, its, True))
        self._urls = dict(urls)
        self._outages.clear()

    def _engine(self, url: str) -> Engine:
        scheme, _, rest = url.partition(":")
        if scheme == "sqlite" and rest and "\0" not in rest:
            return Sqlite(os.path.join(self._folder, rest), self._own)
        if scheme in ("postgresql", "postgres") and rest.startswith("//"):
            return Postgres(url)
        raise ValueError("this is no database: write sqlite:PATH or postgresql://USER:PASSWORD@HOST/NAME")

    def stop(self) -> Deferred[None]:
        """Take no more; fires when nothing runs any more, at the latest some seconds after the last time limit."""
        lanes = [lane for pair in self._databases.values() for lane in pair]
        self._databases.clear()
        self._urls.clear()
        return DeferredList([lane.stop() for lane in lanes]).addCallback(lambda _: None)

    def run(self, database: str, statement: str, values: tuple[str, ...], seconds: float) -> Deferred[Rows]:
        """Run a statement with these values bound and commit it; fails with `Failure`."""
        return self._do(database, statement, values, seconds, readonly=False, most=MOST_ROWS)

    def ask(self, question: Question) -> Deferred[Answer]:
        """The first column of the first row, as text; None when it is NULL or there is none. Nothing is changed. Fails with
        `Failure`, at the latest when the question's time is over."""
        asking = self._do(
            question.database, question.statement, question.values, question.seconds, readonly=True, most=1
        )
        asking.addCallbacks(self._answered, self._missing, (question,), {}, (question,), {})
        return asking.addCallback(lambda rows: rows.first)

    def _answered(self, rows: Rows, question: Question) -> Rows:
        self._outages.answered(question)
        return rows

    def _missing(self, failure: Any, question: Question) -> Any:
        self._outages.failed(question, failure)
        return failure

    def _do(
        self, database: str, text: str, values: tuple[str, ...], seconds: float, *, readonly: bool, most: int
    ) -> Deferred[Rows]:
        lanes = self._databases.get(database)
        if lanes is None:
            return fail(temporary(f"the configuration has no database {database!r}"))
        lane = lanes[readonly]
        try:
            statement = _read(text, lane.engine.dialect)
        except InvalidValue as error:
            return fail(permanent(str(error)))
        if statement.count != len(values):
            return fail(permanent(f"the statement has {statement.count} ? and the rule {len(values)} values"))
        return lane.do(_Job(statement, values, seconds, most))


class _Late(Exception):
    """The time was over before the next step."""


class _Job:
    """One statement on its way; the reactor and the thread agree on how far it may go under `lock`."""

    def __init__(self, statement: Statement, values: tuple[str, ...], seconds: float, most: int) -> None:
        self.statement = statement
        self.values = values
        self.seconds = seconds
        self.most = most
        self.lock = threading.Lock()
        self.phase = "waiting"
        self.late = False
        self.connection: Connection | None = None

    def enter(self, phase: str, connection: Connection | None = None) -> None:
        """The thread goes on to `phase`; _Late when it may not."""
        with self.lock:
            if self.late:
                raise _Late
            self.phase, self.connection = phase, connection

    def leave(self) -> None:
        """The thread is done with its connection, which may be another job's at once."""
        with self.lock:
            self.phase, self.connection = "over", None

    def forbid(self) -> str:
        """The reactor forbids the next phase and interrupts this one; gives it."""
        with self.lock:
            self.late = True
            if self.connection is not None and self.phase == "executing":
                self.connection.interrupt()
            return self.phase

    def abort(self) -> None:
        """The reactor ends the connection."""
        with self.lock:
            if self.connection is not None:
                self.connection.abort()

    @property
    def too_long(self) -> Failure:
        """What becomes of it then: nothing was changed."""
        return temporary(f"the database took longer than {self.seconds:g} s")


class _Lane:
    """The threads of one database that write, or those that read, and their connections."""

    def __init__(self, reactor: Any, its: Engine, readonly: bool) -> None:
        self.engine = its
        self._reactor = reactor
        self._readonly = readonly
        self._pool = _Threads(minthreads=0, maxthreads=THREADS, name="database")
        self._pool.start()
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._stopped = False
        self._jobs: set[_Job] = set()
        self._unsettled: set[Deferred[None]] = set()

    # -- on the reactor

    def do(self, job: _Job) -> Deferred[Rows]:
        """Run it in a thread, within its time."""
        if self._stopped or len(self._jobs) >= THREADS + MOST_WAITING:
            return fail(temporary("too many statements wait for the database"))
        done: Deferred[Rows] = Deferred()
        settled: Deferred[None] = Deferred()
        self._jobs.add(job)
        self._unsettled.add(settled)
        timers: list[Any] = []

        def settle(outcome: Rows | Failure) -> None:
            if settled not in self._unsettled:
                return
            self._unsettled.discard(settled)
            _cancel(timers)
            if isinstance(outcome, Failure):
                done.errback(outcome)
            else:
                done.callback(outcome)
            settled.callback(None)

        def over(success: bool, outcome: Any) -> None:
            self._jobs.discard(job)
            settle(outcome if success else _unforeseen(outcome))
            _cancel(timers)

        timers.append(self._reactor.callLater(job.seconds, self._limit, job, timers, settle))
        self._pool.callInThreadWithCallback(
            lambda success, outcome: self._reactor.callFromThread(over, success, outcome), self._work, job
        )
        return done

    def _limit(self, job: _Job, timers: list[Any], settle: Callable[[Rows | Failure], None]) -> None:
        """The time is over. What is not being committed will not be; what is, is waited for."""
        phase = job.forbid()

        def give_up(outcome: Failure) -> None:
            job.abort()
            settle(outcome)

        if self._readonly or phase in ("waiting", "connecting"):
            settle(job.too_long)
        elif phase == "executing":
            timers.append(self._reactor.callLater(GIVE_UP, give_up, job.too_long))
        elif phase == "committing":
            timers.append(self._reactor.callLater(GIVE_UP, give_up, _unknown()))
        if phase == "executing":
            timers.append(self._reactor.callLater(ABORT, job.abort))

    def stop(self) -> Deferred[None]:
        """Take no more and close what is idle; fires when everybody knows what became of his statement."""
        self._stopped = True
        return DeferredList(list(self._unsettled)).addCallback(self._end)

    def _end(self, _: Any) -> None:
        # In a thread of its own: it waits for the others.
        threading.Thread(target=self._shut, daemon=True).start()

    def _shut(self) -> None:
        self._pool.stop()
        while (connection := self._take()) is not None:
            connection.close()

    # -- in a thread

    def _work(self, job: _Job) -> Rows | Failure:
        try:
            job.enter("connecting")
            connection = self._take()
            used = connection is not None
            if connection is None:
                connection = self.engine.connect(self._readonly, job.seconds)
            try:
                return self._on(connection, job)
            except _Lost:
                if not used:
                    raise
            # The database ended a connection that was idle: nothing has happened on it.
            job.enter("connecting")
            return self._on(self.engine.connect(self._readonly, job.seconds), job)
        except _Late:
            return job.too_long
        except _Lost as lost:
            return lost.failure
        except Failure as failure:
            return failure
        except self.engine.errors as error:
            return self._trouble(error, job)

    def _trouble(self, error: Exception, job: _Job) -> Failure:
        """What an error means. A question that writes is a mistake, not a database that others may write to soon."""
        failure = self.engine.trouble(error, job.values)
        if self._readonly and self.engine.refuses_to_write(error):
            return permanent(f"a condition may only read; {failure.reason}")
        return failure

    def _on(self, connection: Connection, job: _Job) -> Rows | Failure:
        """The statement on this connection; _Lost when that ended before anything could happen."""
        try:
            job.enter("executing", connection)
            rows = connection.execute(job.statement, job.values, job.seconds, job.most)
            if not self._readonly:
                job.enter("committing", connection)
                connection.commit()
            return rows
        except _Late:
            return job.too_long
        except self.engine.errors as error:
            failure = self._trouble(error, job)
            if not connection.lost:
                return job.too_long if job.late and job.phase == "executing" else failure
            if job.phase == "committing":
                return _unknown(failure.reason)
            raise _Lost(job.too_long if job.late else failure) from None
        finally:
            self._done(connection, job)

    def _done(self, connection: Connection, job: _Job) -> None:
        """Keep the connection for the next statement, if it can be used."""
        connection.rollback()
        job.leave()
        with self._lock:
            if connection.usable and not self._stopped:
                self._idle.append(connection)
                return
        connection.close()

    def _take(self) -> Connection | None:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if connection.usable:
                return connection
            connection.close()


class _Lost(Exception):
    """The connection ended and the statement is not done."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


class _Threads(ThreadPool):
    """Threads that hold up nobody's exit: one may be stuck in a driver."""

    class threadFactory(threading.Thread):
        """See above."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, daemon=True, **options)


def _cancel(timers: list[Any]) -> None:
    for timer in timers:
        if timer.active():
            timer.cancel()
    timers.clear()


def _unknown(words: str = "") -> Failure:
    reason = "the database did not answer to COMMIT: it may have been done"
    return Failure(Kind.UNKNOWN, f"{reason} ({words})" if words else reason, maybe_sent=True, status="4.4.2")


def _unforeseen(failure: TwistedFailure) -> Failure:
    Databases.log.failure("a statement failed unexpectedly", failure)
    return Failure(Kind.UNKNOWN, f"the statement failed: {type(failure.value).__name__}", maybe_sent=True)
