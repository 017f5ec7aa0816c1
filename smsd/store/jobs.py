"""Jobs as rows: the rows of a file in chunks, one row with the position, and the commit that makes messages of the next ones.

A job is a flow of its own (`flow(job)`); its lanes have ids below zero. That the position moves in the same commit as the messages
are written makes each of them happen once, through every crash.
"""

from __future__ import annotations

import enum
import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Union

from smsd.store import requests
from smsd.store.accepting import Accepting, Committed
from smsd.values.delivery import State
from smsd.values.errors import Refused
from smsd.values.frozen import frozen
from smsd.values.message import IdempotencyKey
from smsd.values.plan import Acceptance

CHUNK = 100
"""Rows of a chunk."""
MOST_REFUSED = 1000
"""Refused rows of a job that are kept with the reason."""
_SHIFT = 24
LARGEST = 1 << 31
"""Above every number of a job, and below those of messages."""
_LANES = "lane < 0 and lane in (select id from lane where flow=?)"


class JobState(enum.IntEnum):
    """CHECKING: it is being read. READY: it may be started. PAUSED and CANCELLED send nothing that is not on the wire."""

    CHECKING = 0
    READY = 1
    RUNNING = 2
    PAUSED = 3
    CANCELLED = 4
    DONE = 5


OPEN = (State.READY, State.SENDING, State.SCHEDULED, State.HELD, State.GATHERED)
"""Deliveries that are still to be sent."""


def flow(job: int) -> str:
    """Whose the deliveries of a job are."""
    return f"job:{job}"


@frozen
class Turned:
    """A row that is not sent, and why."""

    line: int
    number: str
    reason: str


@frozen
class Expansion:
    """The next rows of a job, from `position` on: each as it is to be written, or why it is not."""

    job: int
    position: int
    rows: tuple[Union[Acceptance, Turned], ...]
    now: int


@frozen
class Expanded:
    """What became of them. `stale`: the job was elsewhere, or not running: nothing was written. `stopped`: why it was paused."""

    committed: tuple[tuple[Acceptance, Committed], ...] = ()
    position: int = 0
    stale: bool = False
    stopped: str = ""


@frozen
class Change:
    """The job's new state, if it is in one of `before`. `held`: its deliveries wait from now on, or no longer (None: as it is)."""

    job: int
    before: tuple[JobState, ...]
    state: JobState
    now: int
    reason: str = ""
    held: bool | None = None


@frozen
class Begun:
    """A job that is going to be checked: whose, what it is called, what holds for its messages (JSON). `key` is that of the request
    that brought its file, and `key_expires` its end."""

    account: str | None
    name: str
    settings: str
    now: int
    key: IdempotencyKey | None = None
    key_expires: int = 0


@frozen
class Opened:
    """The job; `again`: an earlier request with this key has made it."""

    job: int
    again: bool = False


@frozen
class Read:
    """Rows that were read (JSON, `CHUNK` to a chunk) and, with the last ones, what the check has found (JSON)."""

    job: int
    first: int
    chunks: tuple[str, ...]
    total: int = 0
    checked: str | None = None
    settings: str = ""


class Jobs:
    """The handlers."""

    def __init__(self, accepting: Accepting) -> None:
        self._accepting = accepting

    def begin(self, cursor: sqlite3.Cursor, items: Sequence[Begun]) -> list[Opened | Refused]:
        """Handler: new jobs; Refused when the key stands for another request."""
        return [self._begin(cursor, item) for item in items]

    def _begin(self, cursor: sqlite3.Cursor, item: Begun) -> Opened | Refused:
        before = None if item.key is None else keyed(cursor, item.key, item.now)
        if before is not None:
            return before if isinstance(before, Refused) else Opened(before, again=True)
        cursor.execute(
            "insert into job(account, name, state, made, settings) values(?,?,?,?,?)",
            (item.account, item.name, int(JobState.CHECKING), item.now, item.settings),
        )
        made = int(cursor.lastrowid or 0)
        if item.key is not None:
            requests.keep(cursor, item.key, made, item.key_expires)
        return Opened(made)

    def read(self, cursor: sqlite3.Cursor, items: Sequence[Read]) -> list[bool]:
        """Handler: keep rows; False when the job is not being checked any more."""
        return [self._read(cursor, item) for item in items]

    def _read(self, cursor: sqlite3.Cursor, item: Read) -> bool:
        if _state(cursor, item.job) is not JobState.CHECKING:
            return False
        base = item.job << _SHIFT
        cursor.executemany(
            "insert into job_chunk(id, data) values(?,?)",
            [(base + number, data) for number, data in enumerate(item.chunks, item.first)],
        )
        if item.checked is not None:
            cursor.execute(
                "update job set state=?, total=?, checked=?, settings=? where id=?",
                (int(JobState.READY), item.total, item.checked, item.settings, item.job),
            )
        return True

    def expand(self, cursor: sqlite3.Cursor, items: Sequence[Expansion]) -> list[Expanded]:
        """Handler: make messages of rows, and move on."""
        return [self._expand(cursor, item) for item in items]

    def _expand(self, cursor: sqlite3.Cursor, item: Expansion) -> Expanded:
        row = cursor.execute("select state, position from job where id=?", (item.job,)).fetchone()
        if row is None or row["state"] != JobState.RUNNING or row["position"] != item.position:
            return Expanded(stale=True)
        taken: list[Acceptance] = []
        turned: list[Turned] = []
        stopped = ""
        for entry in item.rows:
            if isinstance(entry, Turned):
                turned.append(entry)
                continue
            over = self._accepting.charge(cursor, entry)
            if over is not None:
                stopped = over.text
                break
            taken.append(entry)
        committed = self._accepting.write(cursor, taken)
        position = item.position + len(taken) + len(turned)
        cursor.execute(
            "update job set position=?, accepted=accepted+?, refused=refused+? where id=?",
            (position, len(taken), len(turned), item.job),
        )
        _turn_down(cursor, item.job, turned)
        if stopped:
            cursor.execute(
                "update job set state=?, reason=?, asked=? where id=?",
                (int(JobState.PAUSED), stopped, item.now, item.job),
            )
        return Expanded(tuple(zip(taken, committed, strict=True)), position, stopped=stopped)

    def change(self, cursor: sqlite3.Cursor, items: Sequence[Change]) -> list[bool]:
        """Handler: whether the job was in a state in which this can be done; then it is."""
        return [self._change(cursor, item) for item in items]

    def _change(self, cursor: sqlite3.Cursor, item: Change) -> bool:
        row = cursor.execute("select state, held, asked from job where id=?", (item.job,)).fetchone()
        if row is None or row["state"] not in item.before:
            return False
        held = bool(row["held"]) if item.held is None else item.held
        cleared = item.state is JobState.CANCELLED and item.held is False
        ended = item.now if cleared or item.state is JobState.DONE else 0
        cursor.execute(
            "update job set state=?, reason=?, held=?, asked=?, ended=?, started=iif(started=0 and ?=2, ?, started) where id=?",
            (int(item.state), item.reason, held, item.now, ended, int(item.state), item.now, item.job),
        )
        if held and not row["held"]:  # what waits does not expire meanwhile
            cursor.execute(f"update delivery set deadline=0 where state=0 and {_LANES}", (flow(item.job),))
        elif row["held"] and not held:
            longer = max(item.now - row["asked"], 0)
            cursor.execute(
                f"update delivery set expires=expires+?, deadline=expires+? where state=0 and {_LANES}",
                (longer, longer, flow(item.job)),
            )
        if item.state in (JobState.CANCELLED, JobState.DONE):
            _drop_rows(cursor, item.job)
        return True

    def forget(self, cursor: sqlite3.Cursor, items: Sequence[int]) -> list[None]:
        """Handler: drop jobs and what is kept of them; their messages stay."""
        for job in items:
            _drop_rows(cursor, job)
            cursor.execute("delete from job_refused where job=?", (job,))
            cursor.execute("delete from job where id=?", (job,))
            cursor.execute(
                "delete from lane where id < 0 and flow=?"
                " and not exists(select 1 from delivery d where d.lane < 0 and d.lane=lane.id)",
                (flow(job),),
            )
        self._accepting.forget_lanes()
        return [None] * len(items)


def _state(cursor: Union[sqlite3.Cursor, sqlite3.Connection], job: int) -> JobState | None:
    row = cursor.execute("select state from job where id=?", (job,)).fetchone()
    return None if row is None else JobState(row["state"])


def _turn_down(cursor: sqlite3.Cursor, job: int, turned: list[Turned]) -> None:
    if not turned:
        return
    (known,) = cursor.execute("select count(*) from job_refused where job=?", (job,)).fetchone()
    cursor.executemany(
        "insert or replace into job_refused(job, line, number, reason) values(?,?,?,?)",
        [(job, one.line, one.number, one.reason) for one in turned[: max(MOST_REFUSED - known, 0)]],
    )


def _drop_rows(cursor: sqlite3.Cursor, job: int) -> None:
    cursor.execute("delete from job_chunk where id >= ? and id < ?", (job << _SHIFT, (job + 1) << _SHIFT))


# -- questions


def jobs(
    connection: sqlite3.Connection, account: str | None = None, states: Sequence[JobState] = (), limit: int = 50
) -> list[dict[str, Any]]:  # fmt: skip
    """Jobs, newest first, with their settings and what the check has found."""
    where, values = ["1"], list[Any]()
    if account is not None:
        where.append("account=?")
        values.append(account)
    if states:
        where.append(f"state in ({','.join('?' * len(states))})")
        values += [int(state) for state in states]
    rows = connection.execute(
        f"select * from job where {' and '.join(where)} order by id desc limit ?", (*values, limit)
    )
    return [_shown(row) for row in rows]


def job(connection: sqlite3.Connection, number: int) -> dict[str, Any] | None:
    """One job."""
    row = connection.execute("select * from job where id=?", (number,)).fetchone()
    return None if row is None else _shown(row)


def keyed(
    source: Union[sqlite3.Cursor, sqlite3.Connection], key: IdempotencyKey, now: int
) -> int | Refused | None:
    """The job of an earlier request with this key; None when there was none, or nothing came of it (a file that was broken, a crash
    while it was read); Refused when the key stands for another request."""
    before = requests.known(source, key, now)
    if before is None or (0 < before.made < LARGEST and _state(source, before.made) is None):
        return None
    return before.made if before.same else requests.conflict()


def _shown(row: sqlite3.Row) -> dict[str, Any]:
    shown = dict(row)
    shown["state"] = JobState(row["state"])
    shown["settings"] = json.loads(row["settings"])
    shown["checked"] = json.loads(row["checked"])
    return shown


def counts(connection: sqlite3.Connection, number: int) -> dict[State, int]:
    """How many deliveries of a job are in which state."""
    rows = connection.execute(
        f"select state, count(*) from delivery where {_LANES} group by state", (flow(number),)
    )
    return {State(state): n for state, n in rows}


def refused(connection: sqlite3.Connection, number: int, limit: int) -> list[list[Any]]:
    """The first rows that were refused when their turn came: line, number, reason."""
    rows = connection.execute(
        "select line, number, reason from job_refused where job=? order by line limit ?", (number, limit)
    )
    return [list(row) for row in rows]


def waiting(connection: sqlite3.Connection, number: int, now: int, most: int) -> int:
    """How many deliveries of a job could be sent now, counted to `most`."""
    (n,) = connection.execute(
        "select count(*) from (select 1 from lane l cross join delivery d on d.lane=l.id"
        " where l.flow=? and d.state=0 and d.priority in (0,1,2) and d.due<=? limit ?)",
        (flow(number), now, most),
    ).fetchone()
    return int(n)


def unfinished(connection: sqlite3.Connection, number: int, states: Sequence[State], limit: int) -> list[int]:
    """Deliveries of a job in these states."""
    marks = ",".join("?" * len(states))
    rows = connection.execute(
        f"select id from delivery where {_LANES} and state in ({marks}) limit ?",
        (flow(number), *map(int, states), limit),
    )
    return [int(row[0]) for row in rows]


def chunk(connection: sqlite3.Connection, number: int, at: int) -> list[tuple[int, str, str | None]]:
    """The rows of a job from position `at` to the end of their chunk: line, number, text."""
    row = connection.execute(
        "select data from job_chunk where id=?", ((number << _SHIFT) + at // CHUNK,)
    ).fetchone()
    return [] if row is None else [tuple(one) for one in json.loads(row[0])[at % CHUNK :]]
