"""Messages that rules let wait: placed when they are accepted, and sent on when their window ends, in the same transactions as
everything else, so that a kill leaves each of them waiting, or in exactly one digest.

What is decided stands in `smsd.policy.gather`; a window is a row here for as long as it is open.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from smsd.policy.gather import BACKLOG, LEAST_BACKLOG, Stand, after_digest, place
from smsd.store.alerts import Alerts
from smsd.store.digests import MEMBERS, MOST, Digests
from smsd.store.ids import first_at
from smsd.store.replies import Replies
from smsd.values.address import Address
from smsd.values.delivery import State
from smsd.values.message import Escalation, Once, Pause, Priority, Text, Window
from smsd.values.plan import Acceptance, Planned

WINDOWS_AT_ONCE = 20
EMPTY_AT_ONCE = 1000
# When nothing can carry a digest just now, its messages go on waiting for so long.
AGAIN = 60_000
# Deliveries that one look at old backlog gives (each looks through all of them), and how many of them one transaction takes.
PAGE = 100_000
BITE = MOST


class Closed(NamedTuple):
    """How many messages windows that ended have let go, the lanes to wake, and whether there is more to do at once."""

    changed: int
    woken: list[int]
    more: bool


class Gathering:
    """Part of the accept handler (`care`) and of the sweep (`close`)."""

    def __init__(self, digests: Digests, alerts: Alerts, replies: Replies) -> None:
        self._digests = digests
        self._alerts = alerts
        self._replies = replies

    # -- when it is accepted

    def care(
        self, cursor: sqlite3.Cursor, accepted: Acceptance, planned: Planned
    ) -> tuple[Planned, int | None]:
        """The delivery as rules want it to leave, and the window it waits in, if it does."""
        if planned.state is not State.READY:
            return planned, None  # a rule has dropped it
        now = accepted.now
        for care in planned.gather:
            if isinstance(care, Once) and not self._first(cursor, planned.target, care, now):
                why = f"the rule {care.rule!r} has told {planned.target.target} the same within the last hour"
                return planned._replace(state=State.CANCELLED, deadline=0, reason=why), None
        pause = _pause(planned)
        until = pause.until if pause is not None else 0
        awake = _awake(planned, now)
        by_key = {_key(care, planned, awake): care for care in planned.gather if isinstance(care, Window)}
        keys, windows = list(by_key), list(by_key.values())
        known = [_known(cursor, key) for key in keys]
        content = accepted.submission.content if planned.content is None else planned.content
        placed = place(windows, [stand for _, stand in known], now, until, text=isinstance(content, Text))
        ids = [
            known[number][0] if stand is None else _keep(cursor, keys[number], windows[number], planned, known[number][0], stand)
            for number, stand in enumerate(placed.stands)
        ]  # fmt: skip
        waits = None if placed.waits is None else ids[placed.waits]
        if placed.waits is not None:
            reason = f"waits for the digest of the rule {windows[placed.waits].rule!r}"
            planned = planned._replace(state=State.GATHERED, reason=reason)
        elif pause is not None and placed.due > now:
            reason = f"held by the rule {pause.rule!r}" if pause.rule else "its sender wants it sent later"
            planned = planned._replace(reason=reason)
        for care in planned.gather:
            if isinstance(care, Escalation):
                self._alerts.open(cursor, accepted, planned, care, placed.due)
        wait, expires = max(placed.due - now, 0), planned.expires
        if pause is not None and not pause.rule and planned.parameters.expire_minutes is None:
            expires += wait  # what is to be sent in a week is not too old then
        # Who wants to hear of a delay means one that nobody has ordered.
        deadline = min(planned.deadline + wait, expires)
        return planned._replace(due=placed.due, deadline=deadline, expires=expires), waits

    def _first(self, cursor: sqlite3.Cursor, target: Address, care: Once, now: int) -> bool:
        """Whether it may be told; then it counts as told. A phone is remembered by its number alone, as where it writes to us."""
        who = target.target if target.scheme == "sms" else str(target).lower()
        hush = self._replies.hush
        return hush(cursor, who, care.what, now) and (
            not care.most or hush(cursor, who, "respond", now, care.most)
        )

    # -- when its window ends

    def close(self, cursor: sqlite3.Cursor, now: int) -> Closed:
        """Let go what waits in windows that have ended; forget windows in which nothing waits."""
        cursor.execute(
            "delete from gathering where id in (select id from gathering where due<=? and waiting=0 order by due limit ?)",
            (now, EMPTY_AT_ONCE),
        )
        woken: list[int] = []
        changed, more = 0, cursor.rowcount == EMPTY_AT_ONCE
        rows = cursor.execute(
            "select * from gathering where due<=? and waiting>0 order by due limit ?", (now, WINDOWS_AT_ONCE)
        ).fetchall()
        for row in rows:
            let_go, lanes = self._close(cursor, row, now)
            changed += let_go
            woken += lanes
            if changed >= MOST:
                return Closed(changed, woken, True)
        return Closed(changed, woken, more or len(rows) == WINDOWS_AT_ONCE)

    def _close(self, cursor: sqlite3.Cursor, row: sqlite3.Row, now: int) -> tuple[int, list[int]]:
        """One window: a digest for each lane, so that what one sender wrote is never shown to another one's readers. A lane that
        nothing can carry just now keeps no other waiting, however much waits in it."""
        lanes = cursor.execute(
            "select distinct lane from delivery where gathering=? and state=6 order by lane", (row["id"],)
        ).fetchall()
        woken: list[int] = []
        taken, left, waits = 0, 0, False
        for (lane,) in lanes:
            members = cursor.execute(
                MEMBERS + "where gathering=? and lane=? and state=6 order by id limit ?",
                (row["id"], lane, MOST - taken),
            ).fetchall()
            merged = self._digests.merge(cursor, members, row["template"], now)
            if merged is None:
                waits = True
                continue
            woken += merged
            taken += len(members)
            left += 1
            if taken >= MOST:
                return taken, woken  # the rest at once
        if waits:
            cursor.execute("update gathering set due=? where id=?", (now + AGAIN, row["id"]))
            return taken, woken
        stand = after_digest(row["most"], row["length"], now, left)
        if stand is None:
            cursor.execute("delete from gathering where id=?", (row["id"],))
        else:
            _update(cursor, row["id"], row["template"], stand)
        return taken, woken

    def sweep(self, cursor: sqlite3.Cursor, now: int, until: int) -> Closed:
        """What time demands of digests and alerts; what was closed before `until` is forgotten."""
        closed = self.close(cursor, now)
        asking, more_alerts = self._alerts.sweep(cursor, now, until)
        telling, more_reports = self._digests.tell(cursor, now)
        more = closed.more or more_alerts or more_reports
        return Closed(closed.changed, closed.woken + asking + telling, more)

    # -- old backlog

    def backlog(
        self, cursor: sqlite3.Cursor, items: Sequence[tuple[list[list[int]], int]]
    ) -> list[list[int]]:
        """Handler: groups of deliveries that `old` has found, and now; gives the lanes to wake. What has left meanwhile stays
        out."""
        return [self._backlog(cursor, groups, now) for groups, now in items]

    def _backlog(self, cursor: sqlite3.Cursor, groups: list[list[int]], now: int) -> list[int]:
        woken: list[int] = []
        for group in groups:
            members = cursor.execute(
                MEMBERS + f"where id in ({','.join('?' * len(group))}) and state=0 and due<=? order by id",
                (*group, now),
            ).fetchall()
            if len(members) >= LEAST_BACKLOG and len({(one["lane"], one["target"]) for one in members}) == 1:
                woken += self._digests.merge(cursor, members, BACKLOG, now) or ()
        return woken


class Page(NamedTuple):
    """Groups of old deliveries, each to one recipient in one lane. `last` is the last of them, None when there are no more behind
    it; `cut`: there are more of this group."""

    groups: list[list[int]]
    last: tuple[int, str] | None
    cut: bool = False


def old(
    connection: sqlite3.Connection,
    before: int,
    now: int,
    routes: Sequence[str] | None,
    after: tuple[int, str],
) -> Page:
    """Deliveries that were accepted before a time and still wait, where there are several to one recipient: at most `PAGE`, behind
    the group `after`. Asked of a connection that only reads."""
    where = "" if routes is None else f" and l.route in ({','.join('?' * len(routes))})"
    rows = connection.execute(
        "select lane, target, id from (select d.lane, d.target, d.id, count(*) over (partition by d.lane, d.target) as n"
        " from delivery d join lane l on l.id = d.lane join message m on m.id = d.message left join content c on c.id = d.content"
        " where d.state=0 and d.due<=? and d.sent=0 and d.id<? and coalesce(c.kind, m.kind)=1 and (d.lane, d.target) > (?, ?)"
        " and d.target not like 'hook:%'"  # programs count each
        f"{where}) where n>=? order by lane, target, id limit ?",
        (now, first_at(before), *after, *(routes or ()), LEAST_BACKLOG, PAGE),
    ).fetchall()
    found = [
        (key, [row["id"] for row in group])
        for key, group in groupby(rows, key=lambda row: (row["lane"], row["target"]))
    ]
    if len(rows) < PAGE:
        return Page([ids for _, ids in found], None)
    cut = len(found) == 1
    if not cut:
        found.pop()  # perhaps not whole: on the next page it is
    return Page([ids for _, ids in found], found[-1][0], cut)


def bites(groups: Sequence[list[int]]) -> Iterator[list[list[int]]]:
    """These groups in portions of at most `BITE` deliveries; one that is bigger is several."""
    bite: list[list[int]] = []
    room = BITE
    for group in groups:
        for at in range(0, len(group), BITE):
            part = group[at : at + BITE]
            if len(part) > room:
                yield bite
                bite, room = [], BITE
            bite.append(part)
            room -= len(part)
    if bite:
        yield bite


def _pause(planned: Planned) -> Pause | None:
    """The rule that keeps it longest; what is urgent waits for nothing but a window, and for what its sender said."""
    urgent = planned.parameters.priority is Priority.URGENT
    pauses = [care for care in planned.gather if isinstance(care, Pause) and not (urgent and care.rule)]
    return max(pauses, key=lambda pause: pause.until, default=None)


def _awake(planned: Planned, now: int) -> bool:
    """Whether it is urgent while others are held: their windows last until the morning, and it must not wait in one of them."""
    return planned.parameters.priority is Priority.URGENT and any(
        isinstance(care, Pause) and care.rule and care.until > now for care in planned.gather
    )


def _key(window: Window, planned: Planned, awake: bool) -> str:
    key = f"{window.most}/{window.length}|{planned.target}|{window.rule}" + (
        window.user and f"|{window.user}"
    )
    return f"{key}|urgent" if awake else key


def _known(cursor: sqlite3.Cursor, key: str) -> tuple[int | None, Stand | None]:
    row = cursor.execute("select id, due, passed, waiting from gathering where key=?", (key,)).fetchone()
    return (None, None) if row is None else (row["id"], Stand(row["due"], row["passed"], row["waiting"]))


def _keep(
    cursor: sqlite3.Cursor, key: str, window: Window, planned: Planned, known: int | None, stand: Stand
) -> int | None:
    if known is not None:
        _update(cursor, known, window.text, stand)
        return known
    cursor.execute(
        "insert into gathering(key, rule, target, most, length, template, due, passed, waiting) values(?,?,?,?,?,?,?,?,?)",
        (key, window.rule, str(planned.target), window.most, window.length, window.text, *stand),
    )
    return cursor.lastrowid


def _update(cursor: sqlite3.Cursor, window: int, template: str, stand: Stand) -> None:
    cursor.execute(
        "update gathering set template=?, due=?, passed=?, waiting=? where id=?", (template, *stand, window)
    )
