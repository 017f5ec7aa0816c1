"""What accounts usually send, kept with what is accepted, and the hold on those that suddenly send far more.

The counter of the month, which the accept writes anyway, is the count: a row of its own (`habit`) is only written with an account's
first message of an hour, when it is held and released, and with what is paid for. In memory is what the rows and counters say
together; after a rollback it is read again. `policy.unusual` decides.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from smsd.policy import unusual
from smsd.policy.unusual import HOUR, Bounds, Habit
from smsd.values.delivery import State
from smsd.values.message import Pause
from smsd.values.plan import Acceptance, Planned

MOST = 20_000
"""Habits in memory."""
PREFIX = "held with its account: "
"""How the reason of a delivery begins that is held with its account."""
NOTE = "held: the account sends far more than usual, and the administrator has to release it"


class Watching:
    """Part of the accept handler. `started(cursor, account, why, message)` is told when an account begins to be held."""

    def __init__(self) -> None:
        self.bounds = Bounds()
        self.started: Callable[[sqlite3.Cursor, str, str, int], None] = lambda *_: None
        self._habits: dict[str, Habit] = {}

    def forget(self) -> None:
        """After a rollback."""
        self._habits.clear()

    def look(self, cursor: sqlite3.Cursor, accepted: Acceptance, messages: int) -> tuple[str, bool]:
        """Why the account of an acceptance of so many messages is held ("": it is not), and whether that begins with this one.
        Counts it."""
        assert accepted.limit is not None
        account, now = accepted.limit.account, accepted.now
        cost = _cost(accepted)
        habit = self._now(cursor, account, accepted.limit.period, now)
        begins = False
        if not habit.held and (why := unusual.judged(habit, messages, cost, self.bounds)):
            habit, begins = unusual.held(habit, now, why), True
            cursor.execute("update habit set held=?, why=? where account=?", (now, why, account))
        if cost and not habit.held:
            cursor.execute("update habit set spent=spent+? where account=?", (cost, account))
        self._habits[account] = unusual.counted(habit, messages, 0 if habit.held else cost)
        return habit.why, begins

    def release(self, cursor: sqlite3.Cursor, account: str, period: str, now: int) -> bool:
        """The account is not held any more; whether it was."""
        if account not in self._habits and self._read(cursor, account, period) is None:
            return False
        habit = self._now(cursor, account, period, now)
        if not habit.held:
            return False
        habit = self._habits[account] = unusual.released(habit)
        cursor.execute(
            "update habit set held=0, why=null, hour_peak=?, day_peak=?, spent_peak=? where account=?",
            (habit.hour_peak, habit.day_peak, habit.spent_peak, account),
        )
        return True

    def _now(self, cursor: sqlite3.Cursor, account: str, period: str, now: int) -> Habit:
        """The habit in this hour; its row is there afterwards."""
        hour = now // HOUR
        habit = self._habits.get(account) or self._read(cursor, account, period)
        if habit is None or hour > habit.hour:
            habit = unusual.turned(habit or Habit(account, hour), hour, self.bounds)
            cursor.execute(
                "insert into habit(account, hour, period, base, today, spent, hour_peak, day_peak, spent_peak, seen)"
                " values(?,?,?,?,?,0,?,?,?,?) on conflict(account) do update set hour=excluded.hour, period=excluded.period,"
                " base=excluded.base, today=excluded.today, spent=0, hour_peak=excluded.hour_peak,"
                " day_peak=excluded.day_peak, spent_peak=excluded.spent_peak, seen=excluded.seen",
                (account, hour, period, _counter(cursor, account, period), habit.today, habit.hour_peak, habit.day_peak,
                 habit.spent_peak, habit.seen),
            )  # fmt: skip
            while len(self._habits) >= MOST:
                del self._habits[next(iter(self._habits))]
            self._habits[account] = habit
        return habit

    def _read(self, cursor: sqlite3.Cursor, account: str, period: str) -> Habit | None:
        row = cursor.execute("select * from habit where account=?", (account,)).fetchone()
        if row is None:
            return None
        taken = _counter(cursor, account, row["period"]) - row["base"]
        if period != row["period"]:
            taken += _counter(cursor, account, period)
        habit = self._habits[account] = Habit(
            account, row["hour"], max(taken, 0), row["today"], row["spent"], row["hour_peak"], row["day_peak"],
            row["spent_peak"], row["seen"], row["held"], row["why"] or "",
        )  # fmt: skip
        return habit


def held(accepted: Acceptance, why: str) -> Acceptance:
    """The same acceptance with its SMS, and those that rules send in the account's name, not on their way."""
    account = accepted.submission.account
    children = tuple(
        child._replace(order=_held(child.order, why, accepted.now))
        if child.submission.account == account
        else child
        for child in accepted.children
    )
    return accepted._replace(order=_held(accepted.order, why, accepted.now), children=children)


def _held(order: Sequence[object], why: str, now: int) -> tuple[Planned, ...]:
    return tuple(_one(entry, why, now) if isinstance(entry, Planned) else entry for entry in order)  # type: ignore[misc]


def _one(planned: Planned, why: str, now: int) -> Planned:
    if planned.target.scheme != "sms" or planned.state >= State.DELIVERED:
        return planned
    # Rules wish nothing of it any more, but when its sender wants it sent is still so after the release.
    due = max((care.until for care in planned.gather if isinstance(care, Pause) and not care.rule), default=0)
    wait, expires = max(due - now, 0), planned.expires
    if wait and planned.parameters.expire_minutes is None:
        expires += wait
    return planned._replace(
        state=State.HELD, gateway=None, gather=(), reason=PREFIX + why, notes=(*planned.notes, NOTE),
        due=max(planned.due, due), deadline=min(planned.deadline + wait, expires), expires=expires,
    )  # fmt: skip


def _cost(accepted: Acceptance) -> int:
    if accepted.charge is None and not accepted.children:
        return 0
    return sum(
        cost.price * cost.parts
        for one in (accepted, *accepted.children)
        if one.charge is not None
        for cost in one.charge.costs
    )


def _counter(cursor: sqlite3.Cursor, account: str, period: str) -> int:
    row = cursor.execute("select n from counter where account=? and period=?", (account, period)).fetchone()
    return row[0] if row else 0


# -- questions, asked of a connection that only reads


def holds(connection: sqlite3.Connection) -> dict[str, tuple[int, str, int]]:
    """The accounts that are held: since when, why, and how many messages wait for that."""
    rows = connection.execute("select account, held, why from habit where held<>0").fetchall()
    return {account: (held, why or "", waiting(connection, account)) for account, held, why in rows}


def hold(connection: sqlite3.Connection, account: str) -> tuple[str, int]:
    """Why an account is held ("": it is not), and how many messages wait for that."""
    row = connection.execute("select why from habit where account=? and held<>0", (account,)).fetchone()
    return ("", 0) if row is None else (row[0] or "", waiting(connection, account))


def to_release(connection: sqlite3.Connection, account: str) -> bool:
    """Whether an account is held, or something of it still is that was."""
    return bool(hold(connection, account)[0]) or waiting(connection, account) > 0


def waiting(connection: sqlite3.Connection | sqlite3.Cursor, account: str) -> int:
    """How many messages of an account are held with it."""
    (n,) = connection.execute(f"select count(*) {_WITH_IT}", (account, PREFIX + "%")).fetchone()
    return int(n)


def some(cursor: sqlite3.Cursor, account: str, most: int) -> list[int]:
    """Deliveries that are held with their account, the oldest first."""
    rows = cursor.execute(
        f"select d.id {_WITH_IT} order by d.id limit ?", (account, PREFIX + "%", most)
    ).fetchall()
    return [row[0] for row in rows]


_WITH_IT = (
    "from delivery d join message m on m.id=d.message where d.state=5 and m.account=? and d.reason like ?"
)
