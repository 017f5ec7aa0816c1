"""What time does to rows: warnings, expiry, reports that never came, stale parts, and the purge of what is finished.

What has no body is purged after `TRASH`, and links between phones and those who wrote to them when they have expired."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from smsd.policy.step import MINUTE, after_deadline
from smsd.store.carrying import Carrying
from smsd.store.credit import Credit
from smsd.store.gathering import Gathering
from smsd.store.ids import first_at
from smsd.store.receiving import Receiving
from smsd.store.replies import Replies
from smsd.store.rows import DELIVERIES_OF, LOAD, view_of

AT_ONCE = 200
KEYS_AT_ONCE = 1000
REFERENCES_AT_ONCE = 2000
TRASH = 7 * 86_400_000


@dataclass(frozen=True, slots=True)
class Tick:
    """One sweep: `keep` is how long finished messages stay on record (ms)."""

    now: int
    keep: int


@dataclass(frozen=True, slots=True)
class Swept:
    """How many rows changed, lanes that got something new, and whether more is waiting for the next sweep."""

    changed: int
    woken: tuple[int, ...]
    more: bool


class Sweeping:
    """The tick handler: a bounded number of rows each time, so that a million expiring messages stop nothing."""

    def __init__(
        self,
        carrying: Carrying,
        receiving: Receiving,
        replies: Replies,
        gathering: Gathering,
        credit: Credit,
    ) -> None:
        self._carrying = carrying
        self._receiving = receiving
        self._replies = replies
        self._gathering = gathering
        self._credit = credit
        self._purged = 0  # the last message that the purge has looked at
        self._last_key: tuple[str, str] = ("", "")

    def tick(self, cursor: sqlite3.Cursor, items: Sequence[Tick]) -> list[Swept]:
        """Handler: deadlines first, then stale parts, digests and alerts, then the purge."""
        return [self._tick(cursor, item) for item in items]

    def _tick(self, cursor: sqlite3.Cursor, item: Tick) -> Swept:
        rows = cursor.execute(
            LOAD
            + "where d.state in (0,2,4,5,6) and d.deadline>0 and d.deadline<=? order by d.deadline limit ?",
            (item.now, AT_ONCE),
        ).fetchall()
        woken: list[int] = []
        for row in rows:
            step = after_deadline(view_of(row), item.now)
            if step is not None:
                self._carrying.write_step(cursor, row, step, item.now)
                woken += self._carrying.tell(cursor, row, step, item.now) if step.notice else []
        stale = self._receiving.stale(cursor, item.now)
        for received in stale:
            woken += received.woken
        gathered = self._gathering.sweep(cursor, item.now, item.now - item.keep)
        woken += gathered.woken
        purged, more = self._purge(cursor, item)
        purged += _empty_trash(cursor, item.now, self._credit)
        self._forget_keys(cursor, item.now)
        self._replies.forget(cursor, item.now)
        _forget_references(cursor, item.now)
        changed = len(rows) + len(stale) + gathered.changed + purged
        return Swept(changed, tuple(woken), len(rows) == AT_ONCE or gathered.more or more)

    def _purge(self, cursor: sqlite3.Cursor, item: Tick) -> tuple[int, bool]:
        """Forget messages of which every delivery is finished for longer than `keep`: how many were, and whether more may be.
        Each time the next stretch of those that are old enough is looked at, round and round: what finished late (a report
        that never came) keeps its place, and would else be looked at by every sweep until then."""
        until = item.now - item.keep
        stretch = cursor.execute(
            "select id from message where id > ? and id < ? order by id limit ?",
            (self._purged, first_at(until), AT_ONCE),
        ).fetchall()
        purged = _purged(cursor, [message for (message,) in stretch], until, self._credit)
        whole = len(stretch) == AT_ONCE
        self._purged = stretch[-1][0] if whole else 0
        return purged, whole and bool(purged)

    def _forget_keys(self, cursor: sqlite3.Cursor, now: int) -> None:
        """Delete those of the next stretch of idempotency keys that have expired, round and round: one that is still there
        harms nobody, because whoever asks for it looks at its time."""
        stretch = cursor.execute(
            "select scope, key, expires from idempotency where (scope, key) > (?, ?) order by scope, key limit ?",
            (*self._last_key, KEYS_AT_ONCE),
        ).fetchall()
        expired = [(scope, key) for scope, key, expires in stretch if expires < now]
        cursor.executemany("delete from idempotency where scope=? and key=?", expired)
        self._last_key = stretch[-1][:2] if len(stretch) == KEYS_AT_ONCE else ("", "")


def _forget_references(cursor: sqlite3.Cursor, now: int) -> None:
    """Delete the oldest references that have expired."""
    (until,) = cursor.execute(
        "select max(expires) from (select expires from reference where expires<? order by expires limit ?)",
        (now, REFERENCES_AT_ONCE),
    ).fetchone()
    if until is not None:
        cursor.execute("delete from reference where expires <= ?", (until,))


def _purged(cursor: sqlite3.Cursor, messages: Sequence[int], until: int, credit: Credit) -> int:
    """Forget those of these messages of which every delivery was finished by `until`; how many they were."""
    old, gone = [], []
    for message in messages:
        deliveries = cursor.execute(DELIVERIES_OF, {"message": message}).fetchall()
        if all(finished is not None and finished <= until for _, finished in deliveries):
            old.append((message,))
            gone += [(delivery,) for delivery, _ in deliveries]
    credit.forget(cursor, gone)
    cursor.executemany("delete from piece where delivery=?", gone)
    cursor.executemany("delete from network_report where delivery=?", gone)
    cursor.executemany("delete from attempt where delivery=?", gone)
    cursor.executemany("delete from content where id=?", gone)
    cursor.executemany("delete from delivery where id=?", gone)
    cursor.executemany("delete from message where id=?", old)
    return len(old)


def _empty_trash(cursor: sqlite3.Cursor, now: int, credit: Credit) -> int:
    """Forget what has lain in the trash for long enough; what an operator has taken out of it (a retry) is left alone."""
    until = now - TRASH
    messages = [
        message
        for (message,) in cursor.execute(
            "select message from trash where message < ? order by message limit ?", (first_at(until), AT_ONCE)
        )
    ]
    if not messages:
        return 0
    cursor.executemany("delete from trash where message=?", [(message,) for message in messages])
    return _purged(cursor, messages, until + MINUTE, credit)
