"""The store on SQLite: opens the file, owns the group commit, and offers each handler as a call that fires after its commit.

WAL with synchronous=FULL: a commit returns after fdatasync. One process writes at a time (a lock file says who); questions go to
a second connection that only reads, in a thread of its own.
"""

from __future__ import annotations

import fcntl
import os
import socket
import sqlite3
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from smsd.policy.rules.letter import Facts
from smsd.store import accounts, credit, events, operating
from smsd.store.accepting import Accepting, Committed
from smsd.store.alerts import Alerts, Answered
from smsd.store.carrying import Carrying, Settled, Take, Taken
from smsd.store.digests import Digests
from smsd.store.gathering import Gathering
from smsd.store.group import GroupCommit, Handler
from smsd.store.ids import Ids
from smsd.store.jobs import Begun, Change, Expanded, Expansion, Jobs, Opened, Read
from smsd.store.lanes import Lanes
from smsd.store.ledger import Reported
from smsd.store.limiting import Limiting
from smsd.store.receiving import Arrival, Received, Receiving
from smsd.store.replies import Replies
from smsd.store.schema import migrate
from smsd.store.sweeping import Sweeping, Swept, Tick
from smsd.values.address import Address
from smsd.values.delivery import Piece
from smsd.values.errors import InvalidValue
from smsd.values.message import Submission
from smsd.values.plan import Acceptance, Incoming, Settlement

# The interpreter gives a thread that waits for it a turn after this long; the default of 5 ms would stand between
# every COMMIT and the reactor (measured: an accept beside a busy reactor 46 ms, with this 2.4 ms).
SWITCH_INTERVAL = 0.0005
# Pages of 4 KiB in the write-ahead log before they move to the database file: a commit that moves them takes 20 ms, and
# pages that changed often meanwhile move once (measured against 4000: accepts by SMTP a seventh faster). 64 MB on disk.
CHECKPOINT = 16000
# Milliseconds that a group waits for somebody else's transaction on the file (an administrator's tool).
BUSY_TIMEOUT = 250


class SqliteStore:
    """`reactor` needs callLater, callFromThread; `open` before anything else, `close` last."""

    log = Logger()

    def __init__(
        self, path: str, reactor: Any, *, synchronous: str = "FULL", patience: float = 0.0, quick: float = 0.0
    ) -> None:
        self.path = path
        self._patience, self._quick = patience, quick
        self._reactor = reactor
        self._synchronous = synchronous
        self._lock: Any = None
        self.session = 0

    def now(self) -> int:
        """Unix milliseconds."""
        return int(self._reactor.seconds() * 1000)

    # -- life

    def open(self) -> None:
        """Lock, migrate, begin a session. InvalidValue says what to do when that cannot be."""
        sys.setswitchinterval(SWITCH_INTERVAL)
        folder = os.path.dirname(os.path.abspath(self.path))
        os.makedirs(folder, mode=0o750, exist_ok=True)
        self._lock = open(self.path + ".lock", "a+")  # noqa: SIM115 (held for the life of the process)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise InvalidValue(
                f"{self.path} is in use: another smsd runs on this store; stop it first"
            ) from None
        # Texts, hashes and secrets: not for everybody, wherever the folder is. What SQLite puts beside it gets its rights.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o640))
        self._writer = self._connect()
        self._writer.execute("pragma journal_mode=wal")
        self._writer.execute(f"pragma synchronous={self._synchronous}")
        self._writer.execute(f"pragma wal_autocheckpoint={CHECKPOINT}")
        migrate(self._writer, self.path)
        cursor = self._writer.execute(
            "insert into session(node, started) values(?, ?)",
            (f"{socket.gethostname()}:{os.getpid()}", self.now()),
        )
        self.session = int(cursor.lastrowid or 0)
        (newest,) = self._writer.execute("select max(coalesce((select max(id) from delivery), 0),"
                                         " coalesce((select max(id) from message), 0))").fetchone()  # fmt: skip
        self.ids = Ids(self.session, self.now, newest)
        self._reader = self._connect(uri="?mode=ro")
        self._questions = ThreadPool(1, 1, "smsd-read")
        # A question that nobody waits for any more must not keep the process from ending.
        self._questions.threadFactory = partial(threading.Thread, daemon=True)  # type: ignore[assignment]
        self._questions.start()
        # From here on statements run on the reactor: a stranger who holds the file must not stop everything for long.
        self._writer.execute(f"pragma busy_timeout={BUSY_TIMEOUT}")
        lanes = Lanes()
        self.replies = Replies()
        self.limiting = Limiting()
        self.limiting.read(self._writer, self.now())
        self.accepting = Accepting(lanes, self.session, self.replies, self.limiting)
        self.accepting.credit.read(self._writer)
        self.carrying = Carrying(lanes, self.session, self.accepting, self.replies, self.limiting)
        self.alerts = alerts = Alerts(self.accepting, self._follow)
        self.gathering = Gathering(Digests(self.accepting, self._follow), alerts, self.replies)
        self.accepting.care = self.gathering.care
        self.accepting.answers = alerts.answered
        self.receiving = Receiving(self.accepting, self.replies, alerts)
        self._operating = operating.Operating(self.carrying, self.accepting.credit, self.accepting.watching)
        self._jobs = Jobs(self.accepting)
        self._sweeping = Sweeping(
            self.carrying, self.receiving, self.replies, self.gathering, self.accepting.credit
        )
        self._group = GroupCommit(
            self._writer,
            self._reactor,
            undone=self.accepting.forget_lanes,
            patience=self._patience,
            quick=self._quick,
        )

    def close(self) -> Deferred[None]:
        """Fires when the last commit is on disk and the lock is given back."""
        done = self._group.close()

        def closed(_: None) -> None:
            self._questions.stop()
            self._writer.execute("update session set ended=? where id=?", (self.now(), self.session))
            self._reader.close()
            self._writer.close()
            self._lock.close()

        return done.addCallback(closed)

    def _connect(self, uri: str = "") -> sqlite3.Connection:
        name = "file:" + self.path.replace("%", "%25").replace("?", "%3f").replace("#", "%23") + uri
        connection = sqlite3.connect(
            name, uri=True, isolation_level=None, check_same_thread=False, timeout=10
        )
        connection.row_factory = sqlite3.Row
        return connection

    def _follow(self, submission: Submission, parent: int) -> Acceptance | None:
        return None if self.carrying.plan is None else self.carrying.plan(submission, parent)

    # -- calls: each fires after its commit

    def accept(self, accepted: Acceptance) -> Deferred[Committed]:
        """Write a submission; fails with Refused (limit, conflicting key)."""
        rows = len(accepted.order) + sum(len(child.order) for child in accepted.children)
        return self._group.call(self.accepting.accept, accepted, max(rows, 1), ahead=True)

    def take(self, take: Take) -> Deferred[Taken]:
        """Claim deliveries for a gateway."""
        return self._group.call(self.carrying.take, take)

    def release(self, piece: Piece) -> Deferred[int]:
        """Give back a claimed delivery whose piece never reached its gateway; fires with the lane it waits in."""
        return self._group.call(self.carrying.release, piece)

    def settle(self, settlement: Settlement, patient: bool = False) -> Deferred[Settled]:
        """Write what became of a piece; `patient` when nothing waits for it (see `smsd.store.group`)."""
        return self._group.call(self.carrying.settle, settlement, patient=patient)

    def reported(self, reported: Reported) -> Deferred[tuple[int, ...] | None]:
        """Write a network's report; fires with the lanes to wake, None when nobody knows what it is about (yet)."""
        return self._group.call(self.carrying.ledger.reported, reported)

    def receive(self, incoming: Incoming, facts: Facts | None = None) -> Deferred[Received]:
        """Keep an incoming SMS; with facts it may fire with questions instead, and has to be called again."""
        return self._group.call(self.receiving.receive, (incoming, facts))

    def arrive(self, arrival: Arrival, facts: Facts | None = None) -> Deferred[Received]:
        """The same for a message that came whole."""
        return self._group.call(self.receiving.arrive, (arrival, facts))

    def answer(self, who: Address, text: str) -> Deferred[Answered]:
        """Close the alerts that wait for this text of somebody; fires with them, and the lanes to wake."""
        return self._group.call(self.alerts.answers, (who, text, self.now()))

    def tick(self, tick: Tick) -> Deferred[Swept]:
        """One bounded sweep over deadlines and old rows."""
        return self._group.call(self._sweeping.tick, tick)

    def recover(self, in_doubt: dict[str, str]) -> Deferred[int]:
        """Put what dead sessions had on the wire in doubt, by gateway id: resend or hold. Fires with the number."""
        return self._group.call(self.carrying.recover, (in_doubt, self.now()))

    def control(self, verb: operating.Verb) -> Deferred[tuple[int, ...]]:
        """retry or cancel; fires with the lanes to wake, fails with InvalidValue."""
        return self._group.call(self._operating.control, verb)

    def hurry(self, item: operating.Hurry) -> Deferred[tuple[int, ...]]:
        """A target that was away is back; fires with the lanes to wake."""
        return self._group.call(operating.hurry, item)

    def release_account(self, item: operating.Release) -> Deferred[operating.Released]:
        """Let an account that is held, and some of its messages, go on."""
        return self._group.call(self._operating.release, item, item.most)

    def top_up(self, item: credit.TopUp) -> Deferred[credit.Balance]:
        """Change a balance by hand; fires with it afterwards, fails with InvalidValue."""
        return self._group.call(credit.top_up, item)

    def confirm(self, confirmed: events.Confirmed) -> Deferred[int]:
        """Write that a program has fetched events; fires with how many waited until then."""
        return self._group.call(events.confirm, confirmed)

    def change_accounts(self, changes: tuple[accounts.Change | accounts.Tally, ...]) -> Deferred[None]:
        """Write accounts, account groups and policies, and what they have sent, all or none; fails with InvalidValue."""
        return self._group.call(accounts.change, changes, len(changes))

    def tally(self, tally: accounts.Tally) -> Deferred[None]:
        """Set what an account or a group is said to have sent."""
        return self._group.call(accounts.tally, tally)

    def gather_backlog(self, groups: list[list[int]]) -> Deferred[list[int]]:
        """Make digests of old deliveries that `gathering.old` has found; fires with the lanes to wake."""
        return self._group.call(self.gathering.backlog, (groups, self.now()), sum(map(len, groups)))

    def remember(self, scope: str, key: str, value: str | None) -> Deferred[None]:
        """Keep (or, with None, forget) a small fact."""
        return self._group.call(operating.remember, (scope, key, value, self.now()))

    def begin_job(self, begun: Begun) -> Deferred[Opened]:
        """A new job, or that of the same request before; fails with Refused (conflicting key)."""
        return self._group.call(self._jobs.begin, begun)

    def read_job(self, read: Read) -> Deferred[bool]:
        """Keep rows of a job that is being checked; fires with False when it is not any more."""
        return self._group.call(self._jobs.read, read)

    def expand_job(self, expansion: Expansion) -> Deferred[Expanded]:
        """Make messages of the next rows of a job."""
        return self._group.call(self._jobs.expand, expansion, max(len(expansion.rows), 1))

    def change_job(self, change: Change) -> Deferred[bool]:
        """Put a job into another state; fires with False when it is in none from which that can be done."""
        return self._group.call(self._jobs.change, change)

    def forget_job(self, job: int) -> Deferred[None]:
        """Drop a job."""
        return self._group.call(self._jobs.forget, job)

    def keep_ruleset(self, version: int, digest: str, text: str) -> Deferred[None]:
        """Put a text of the rules on record."""
        return self._group.call(operating.keep_ruleset, (version, digest, text, self.now()))

    def call(self, handler: Handler, item: Any, rows: int = 1) -> Deferred[Any]:
        """Run a handler that keeps nothing in memory; fires with its result."""
        return self._group.call(handler, item, rows)

    def after(self, do: Callable[[], object]) -> None:
        """In the callback of one of these calls: do this when everybody who waited for its commit has his answer."""
        self._group.after(do)

    # -- questions: they only read, in a thread

    def ask(self, question: Callable[..., Any], *args: Any, **options: Any) -> Deferred[Any]:
        """Run `question(connection, …)` (see `operating`) on the reading connection."""
        return deferToThreadPool(self._reactor, self._questions, question, self._reader, *args, **options)

    def settings(self, scope: str) -> Deferred[dict[str, str]]:
        """All that is remembered under a scope."""

        def read(connection: sqlite3.Connection) -> dict[str, str]:
            return dict(
                connection.execute("select key, value from setting where scope=?", (scope,)).fetchall()
            )

        return self.ask(read)

    def lanes_with_work(self) -> Deferred[list[tuple[int, str, str]]]:
        """(id, route, flow) of every lane that has something ready, now or later."""

        def read(connection: sqlite3.Connection) -> list[tuple[int, str, str]]:
            rows = connection.execute(
                "select id, route, flow from lane where exists"
                " (select 1 from delivery where lane=lane.id and state=0 and priority in (0,1,2))"
            )
            return [tuple(row) for row in rows.fetchall()]

        return self.ask(read)

    def lane(self, lane: int) -> Deferred[tuple[str, str]]:
        """Route and flow of a lane."""

        def read(connection: sqlite3.Connection) -> tuple[str, str]:
            row = connection.execute("select route, flow from lane where id=?", (lane,)).fetchone()
            return (row[0], row[1])

        return self.ask(read)
