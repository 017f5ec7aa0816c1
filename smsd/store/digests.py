"""Several messages to one recipient as one: the digest is made and its messages are marked in one transaction; what becomes of it
is told to the sender of each, as each of them wanted.

A digest is a message of its own, the child of the first one in it, and goes the same lane. Its reports are made in bites by
the sweep, because a digest may have thousands of messages in it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from smsd.policy.gather import DOOR as DOOR
from smsd.policy.gather import render
from smsd.policy.notice import NEEDS, REASONS, notice
from smsd.store.accepting import Accepting
from smsd.store.rows import LOAD, TEXT, headers_of, parameters_of, ticket_of, told_of
from smsd.values.address import Address
from smsd.values.delivery import State
from smsd.values.errors import InvalidValue, Refused
from smsd.values.message import Priority, Recipient, Submission, Text, Wants
from smsd.values.plan import Acceptance, Planned, Step

MOST = 5000
"""Messages in one digest; of what waits beyond that the next one is made at once."""
TOLD_AT_ONCE = 100
MEMBERS = "select id, lane, target, expires, wants, priority from delivery "
"""Begins every question for the members of a digest to be."""

Plan = Callable[[Submission, int], "Acceptance | None"]


class Digests:
    """Makes digests, and the reports about them. `plan` turns a submission that follows from a message into an acceptance."""

    def __init__(self, accepting: Accepting, plan: Plan) -> None:
        self._accepting = accepting
        self._plan = plan

    def merge(
        self, cursor: sqlite3.Cursor, members: Sequence[sqlite3.Row], template: str, now: int
    ) -> list[int] | None:
        """Make one digest of these (rows of `MEMBERS`, oldest first, of one lane); one alone leaves as it is. Gives the lanes to
        wake, or None when no digest can be sent just now, and then nothing has changed."""
        if len(members) == 1:
            ((delivery, lane),) = [(one["id"], one["lane"]) for one in members]
            cursor.execute(
                "update delivery set state=0, due=?, reason=null, gathering=null where id=?", (now, delivery)
            )
            return [lane]
        accepted = self._planned(cursor, members, template)
        if accepted is None:
            return None
        (committed,) = self._accepting.write(cursor, [accepted])
        (digest,) = committed.lanes
        self._accepting.credit.merged(cursor, [one["id"] for one in members], accepted)
        cursor.executemany(
            "update delivery set state=?, merged=?, gathering=null, deadline=0, finished=?, reason=? where id=?",
            [(int(State.MERGED), digest, now, f"in the digest {digest}", one["id"]) for one in members],
        )
        return list(committed.lanes.values())

    def _planned(
        self, cursor: sqlite3.Cursor, members: Sequence[sqlite3.Row], template: str
    ) -> Acceptance | None:
        first, last = (_load(cursor, members[at]["id"]) for at in (0, -1))
        parameters = replace(
            parameters_of(first["parameters"]), priority=Priority(min(one["priority"] for one in members))
        )
        # The first one's coding is a wish: what others wrote, or the template, may not fit into it.
        any_coding = replace(parameters, coding=None)
        wants = Wants.NOTHING
        for one in members:
            wants |= one["wants"]
        address = Address.parse(first["target"])
        text = render(template, len(members), _text(first), _text(last))
        try:
            accepted = self._plan(
                Submission(
                    door=DOOR,
                    origin=Address.parse(first["origin"]),
                    recipients=(Recipient(address, first["typed"] or address.target, any_coding, wants),),
                    content=Text(text),
                    account=first["account"],
                    ticket=ticket_of(first["ticket"]) or ticket_of(last["ticket"]),
                    headers=headers_of(first["headers"]),
                ),
                first["message"],
            )
        except (InvalidValue, Refused):
            return None
        if accepted is None:
            return None
        (entry,) = accepted.order
        assert isinstance(entry, Planned)
        # It has the place of its first message in its lane, and is worth sending for as long as one of them is.
        route, flow = cursor.execute("select route, flow from lane where id=?", (first["lane"],)).fetchone()
        expires = max(one["expires"] for one in members)
        due, deadline = min(first["due"], entry.due), min(entry.deadline, expires)
        entry = entry._replace(
            route=route, flow=flow, due=due, expires=expires, deadline=deadline, parameters=parameters
        )
        return accepted._replace(order=(entry,))

    def tell(self, cursor: sqlite3.Cursor, now: int) -> tuple[list[int], bool]:
        """Make the next reports about digests: the lanes to wake, and whether there are more."""
        row = cursor.execute("select * from telling limit 1").fetchone()
        if row is None:
            return [], False
        members = cursor.execute(
            LOAD + "where d.merged=? and d.id>? and d.wants & ? order by d.id limit ?",
            (row["digest"], row["last"], int(NEEDS[row["event"]]), TOLD_AT_ONCE),
        ).fetchall()
        step = Step(State.MERGED, reason=row["reason"], notice=row["event"], status=row["status"])
        digest = _load(cursor, row["digest"])
        reports = [
            report for member in members if (report := self._report(member, digest, step, now)) is not None
        ]
        woken = [lane for one in self._accepting.write(cursor, reports) for lane in one.lanes.values()]
        if len(members) == TOLD_AT_ONCE:
            cursor.execute(
                "update telling set last=? where digest=? and event=?",
                (members[-1]["id"], row["digest"], row["event"]),
            )
        else:
            cursor.execute("delete from telling where digest=? and event=?", (row["digest"], row["event"]))
        return woken, True

    def _report(self, member: Any, digest: Any, step: Step, now: int) -> Acceptance | None:
        told = replace(
            told_of(member),
            gateway=digest["gateway"] or "",
            reference=digest["network_reference"] or "",
            sent=digest["sent"],
            total=digest["pieces"],
        )
        submission = notice(told, step, now)
        return None if submission is None else self._plan(submission, member["message"])


def tell_later(cursor: sqlite3.Cursor, row: Any, step: Step) -> None:
    """Note what became of a digest (a loaded row), for the senders of the messages in it."""
    reason = f"{step.reason or REASONS[step.notice]} (it was part of the digest {row['id']})"
    cursor.execute(
        "insert or replace into telling(digest, event, status, reason) values(?,?,?,?)",
        (row["id"], step.notice, step.status, reason),
    )


def _load(cursor: sqlite3.Cursor, delivery: int) -> sqlite3.Row:
    row: sqlite3.Row = cursor.execute(LOAD + "where d.id=?", (delivery,)).fetchone()
    return row


def _text(row: sqlite3.Row) -> str:
    return str(row["body"]) if row["kind"] == TEXT else ""
