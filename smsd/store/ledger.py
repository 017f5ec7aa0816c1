"""What networks call our pieces, and what they report of them: one table, keyed by (account at the provider, reference), written by
the answer to a submission and by the report alike, so that whoever comes second finds the other.

Which entry a report means, `policy.reference` says; what becomes of the delivery, `policy.step`. Every report is kept with the
delivery it is about, as long as that is; one that nobody is found for waits under its reference for a while.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from smsd.policy import reference
from smsd.policy.reference import Known
from smsd.policy.step import REPORT_PATIENCE, after_report
from smsd.store.rows import LOAD, view_of
from smsd.values.delivery import Accepted, NetworkReport
from smsd.values.frozen import frozen
from smsd.values.message import Wants
from smsd.values.plan import Settlement, Step

BRIEF = 10 * 60_000
"""How long a report under a modem's one octet waits for its message: that reference comes again soon."""
KEEP = 24 * 60 * 60_000
"""How long others wait, unless it is said."""
LATE = 4 * 24 * 60 * 60_000
"""How much longer than anybody waits for it a report finds its message."""
MOST_EARLY = 20
MOST_REPORTS = 100
_compact = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode

Write = Callable[[sqlite3.Cursor, Any, Step, int], None]
Tell = Callable[[sqlite3.Cursor, int, Step, int], "list[int]"]


@frozen
class Reported:
    """A network's report; its number in the normal form, if it is one. `space` is the account at the provider, `way` how that
    one writes references (`policy.reference.WAYS`); one that is for nobody (yet) is kept for `keep` ms."""

    space: str
    report: NetworkReport
    now: int
    keep: int = KEEP
    way: str = ""


class Ledger:
    """`write` writes a step over a loaded row, `tell` submits what its sender is told and gives the lanes to wake."""

    def __init__(self, write: Write, tell: Tell) -> None:
        self._write = write
        self._tell = tell

    # -- the answer

    def remember(self, cursor: sqlite3.Cursor, item: Settlement) -> list[int]:
        """Note what the network calls this piece; apply what it reported before it answered. Gives the lanes to wake."""
        piece, space, now = item.piece, item.space, item.now
        names = names_of(item.outcome)
        if not space or not names:
            return []
        expires = max(piece.expires, now) + REPORT_PATIENCE + LATE
        parts = max(piece.total, len(names))
        entries = [
            Known(
                name, piece.target.target, piece.delivery, piece.seq, piece.seq if piece.total > 1 else place, parts, now
            )
            for place, name in enumerate(names, 1)
        ]  # fmt: skip
        cursor.executemany(
            "insert or replace into reference(space, ref, delivery, number, name, seq, part, parts, at, expires)"
            " values(?,?,?,?,?,?,?,?,?,?)",
            [
                (space, reference.folded(one.name), one.delivery, one.number, one.name, one.seq, one.part, parts, now, expires)
                for one in entries
            ],
        )  # fmt: skip
        early = [(report, one) for one in entries for report in _early(cursor, one, item)]
        woken: list[int] = []
        for report, one in sorted(early, key=lambda each: each[0][1]):
            woken += self._apply(cursor, one, report[0], now)
        return woken

    # -- the report

    def reported(self, cursor: sqlite3.Cursor, items: Sequence[Reported]) -> list[tuple[int, ...] | None]:
        """Handler: the lanes to wake; None for a reference nobody knows (kept for a while)."""
        return [self._reported(cursor, item) for item in items]

    def _reported(self, cursor: sqlite3.Cursor, item: Reported) -> tuple[int, ...] | None:
        report = _bounded(item.report)
        if not report.reference:
            return None
        if report.delivery:
            return self._returned(cursor, item, report)
        found = _meant(cursor, item.space, report.reference, report.number, item.way)
        if not found:
            self._keep(cursor, item, report)
            return None
        one = reference.of_its_time(found, report.submitted, report.at)
        return tuple(self._apply(cursor, one, report, item.now))

    def _returned(
        self, cursor: sqlite3.Cursor, item: Reported, report: NetworkReport
    ) -> tuple[int, ...] | None:
        """What nobody waited for, said of a delivery by its id: only he to whom it went, under the name that it has, says so."""
        row = cursor.execute(
            "select target, network_reference from delivery where id=?", (report.delivery,)
        ).fetchone()
        if row is None or _name(row["network_reference"]) != report.reference:
            return None
        if row["target"].lower().partition("/")[0] != report.number:
            return None
        one = Known(report.reference, report.number, report.delivery)
        return tuple(self._apply(cursor, one, report, item.now))

    def _keep(self, cursor: sqlite3.Cursor, item: Reported, report: NetworkReport) -> None:
        """Let a report wait for the message it is about."""
        ref = reference.folded(report.reference)
        row = cursor.execute(
            "select early from reference where space=? and ref=? and delivery=0 and number=? and name=? and expires>?",
            (item.space, ref, report.number, report.reference, item.now),
        ).fetchone()
        early = json.loads(row[0]) if row and row[0] else []
        if any(one[:2] == [report.status, report.detail] for one in early) or len(early) >= MOST_EARLY:
            return
        early.append([report.status, report.detail, report.at, item.now, report.submitted])
        keep = BRIEF if reference.octet(ref) else item.keep
        cursor.execute(
            "insert or replace into reference(space, ref, delivery, number, name, early, at, expires)"
            " values(?,?,0,?,?,?,?,?)",
            (item.space, ref, report.number, report.reference, _compact(early), item.now, item.now + keep),
        )

    def _apply(self, cursor: sqlite3.Cursor, one: Known, report: NetworkReport, now: int) -> list[int]:
        """Record a report with its delivery, and what it changes there; gives the lanes to wake."""
        row = cursor.execute(LOAD + "where d.id=?", (one.delivery,)).fetchone()
        if row is None or not _recorded(cursor, one, report, now):
            return []  # forgotten, or heard before
        if one.seq > row["sent"]:
            return []  # of an earlier try: the operator has begun anew
        if one.parts > 1:
            whole = _part_reported(cursor, one, report)
            if whole is None:
                return []
        elif _name(row["network_reference"]) == one.name:
            whole = True
        else:
            return []
        awaits_phone = report.status == "pending" and row["wants"] & Wants.BUFFERED
        told = bool(awaits_phone) and _told(cursor, one.delivery)
        step = after_report(view_of(row), report, now, all_delivered=whole, told_buffered=told)
        if step is None:
            return []
        self._write(cursor, row, step, now)
        if step.notice == "buffered":
            cursor.execute(
                "update network_report set told=1 where delivery=? and part=? and name=? and status='pending'",
                (one.delivery, one.part, one.name),
            )
        return self._tell(cursor, one.delivery, step, now) if step.notice else []


def names_of(outcome: Any) -> tuple[str, ...]:
    """What the network calls a piece it took: one name, or one for each part."""
    if not isinstance(outcome, Accepted):
        return ()
    every = (outcome.reference or "", *outcome.more)
    return tuple(dict.fromkeys(name for given in every if (name := _name(given))))


def _name(given: str | None) -> str:
    """What the network calls it, as it stands in the ledger."""
    return (given or "").strip()[:255]


def _meant(cursor: sqlite3.Cursor, space: str, name: str, number: str, way: str) -> list[Known]:
    """The entries that a report with this reference and number means: of one message, or nobody's."""
    forms = reference.forms(name, way)
    rows = cursor.execute(
        "select name, number, delivery, seq, part, parts, at from reference"
        f" where space=? and ref in ({_marks(forms)}) and delivery>0",
        (space, *forms),
    )
    return reference.matching([Known(*row) for row in rows], name, number, way)


def _early(cursor: sqlite3.Cursor, one: Known, item: Settlement) -> list[tuple[NetworkReport, int]]:
    """What was reported of it before, with the times it was heard at; it waits no longer."""
    forms = reference.forms(one.name, reference.backwards(item.way))
    rows = cursor.execute(
        f"select ref, name, number, early from reference where space=? and ref in ({_marks(forms)}) and delivery=0"
        " and early is not null and expires>?",
        (item.space, *forms, item.now),
    ).fetchall()
    found = []
    for row in rows:
        if one not in _meant(cursor, item.space, row["name"], row["number"], item.way):
            continue
        cursor.execute(
            "delete from reference where space=? and ref=? and delivery=0 and number=? and name=?",
            (item.space, row["ref"], row["number"], row["name"]),
        )
        for status, detail, at, heard, submitted in json.loads(row["early"]):
            found.append((NetworkReport(row["name"], row["number"], status, detail, at, submitted), heard))
    return found


def _recorded(cursor: sqlite3.Cursor, one: Known, report: NetworkReport, now: int) -> bool:
    """Put a report on record; False when the same was there before."""
    (had,) = cursor.execute(
        "select count(*) from network_report where delivery=?", (one.delivery,)
    ).fetchone()
    if had >= MOST_REPORTS:
        return True  # a network that does not stop: what it says counts, and is not kept
    cursor.execute(
        "insert or ignore into network_report(delivery, part, name, status, detail, at, heard) values(?,?,?,?,?,?,?)",
        (one.delivery, one.part, one.name, report.status, report.detail, report.at, now),
    )
    return cursor.rowcount > 0


def _part_reported(cursor: sqlite3.Cursor, one: Known, report: NetworkReport) -> bool | None:
    """Note what was reported of a part, delivered over all else; gives whether all of them are delivered now. None when the
    report is about an earlier try."""
    row = cursor.execute(
        "select reference, reported from piece where delivery=? and seq=?", (one.delivery, one.part)
    ).fetchone()
    if row is None or _name(row["reference"]) != one.name:
        return None
    if row["reported"] in (None, "pending") or report.status == "delivered":
        cursor.execute(
            "update piece set reported=? where delivery=? and seq=?", (report.status, one.delivery, one.part)
        )
    (delivered,) = cursor.execute(
        "select count(*) from piece where delivery=? and seq<=? and reported='delivered'",
        (one.delivery, one.parts),
    ).fetchone()
    return bool(delivered == one.parts)


def _told(cursor: sqlite3.Cursor, delivery: int) -> bool:
    """Whether the sender has heard that the network waits for the phone."""
    return (
        cursor.execute("select 1 from network_report where delivery=? and told=1", (delivery,)).fetchone()
        is not None
    )


def _bounded(report: NetworkReport) -> NetworkReport:
    """A report as it can be kept, whoever brings it."""
    return replace(
        report,
        reference=_storable(report.reference.strip()[:255]),
        # A chat address has up to 3071 characters.
        number=_storable(report.number.strip()[: 3100 if report.delivery else 40]),
        detail=_storable(report.detail.strip()[:300]),
    )


def _storable(text: str) -> str:
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _marks(values: Sequence[str]) -> str:
    return ",".join("?" * len(values))
