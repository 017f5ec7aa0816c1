"""Alerts that want an answer: who is asked next and when, and whose answer ends it.

An alert belongs to a rule and the recipient of its first message; further messages join it while it is open, so that a storm
asks nobody twice. Each step is one transaction: the next message and the timer, or the answer and the notes to the others.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from smsd.policy import alert as policy
from smsd.store.accepting import Accepting
from smsd.store.digests import Plan
from smsd.store.rows import LOAD, content_of, headers_of, parameters_json, parameters_of, ticket_of
from smsd.values.address import Address
from smsd.values.delivery import State
from smsd.values.errors import InvalidValue, Refused
from smsd.values.message import (
    DEFAULT_PARAMETERS,
    Content,
    Escalation,
    Parameters,
    Recipient,
    Submission,
    Text,
    Wants,
)
from smsd.values.plan import Acceptance, Planned

OPEN, ANSWERED, UNANSWERED, CALLED_OFF = 0, 1, 2, 3
ALERTS_AT_ONCE = 50


class Answered(NamedTuple):
    """The alerts that an answer has closed, and lanes to wake."""

    alerts: tuple[int, ...] = ()
    woken: tuple[int, ...] = ()


NOT_ANSWERED = Answered()


class Alerts:
    """Part of the accept handler (`open`, `answered`), of the receive handler (`answered`) and of the sweep (`sweep`).
    `postmaster` hears of alerts that nobody has answered when who sent them cannot be told."""

    def __init__(self, accepting: Accepting, plan: Plan) -> None:
        self._accepting = accepting
        self._plan = plan
        self.postmaster = ""

    def open(
        self, cursor: sqlite3.Cursor, accepted: Acceptance, planned: Planned, care: Escalation, due: int
    ) -> None:
        """A message that wants an answer, which leaves at `due`."""
        key = f"{planned.target}|{care.rule}" + (care.user and f"|{care.user}")
        cursor.execute("update alert set more=more+1 where key=? and state=0", (key,))
        if cursor.rowcount:
            _hasten(cursor, key, due, due + care.wait)
            return
        numbers = [[str(address), parameters_json(parameters)] for address, parameters in care.to]
        cursor.execute(
            "insert into alert(key, message, delivery, rule, state, due, wait, step, numbers, answers, asked)"
            " values(?,?,?,?,0,?,?,0,?,?,?)",
            (key, accepted.message, planned.delivery, care.rule, due + care.wait, care.wait, json.dumps(numbers),
             json.dumps(care.answers), json.dumps([[str(planned.target), planned.delivery, due]])),
        )  # fmt: skip
        _await(cursor, planned.target, cursor.lastrowid)

    # -- time

    def sweep(self, cursor: sqlite3.Cursor, now: int, until: int) -> tuple[list[int], bool]:
        """Ask whoever is next where nobody has answered in time; forget what was closed before `until`. Gives the lanes to wake,
        and whether there is more."""
        cursor.execute(
            "delete from alert where id in (select id from alert where state<>0 and closed<=? order by closed limit ?)",
            (until, ALERTS_AT_ONCE),
        )
        rows = cursor.execute(
            "select * from alert where state=0 and due<=? order by due limit ?", (now, ALERTS_AT_ONCE)
        ).fetchall()
        woken = [lane for row in rows for lane in self._next(cursor, row, now)]
        return woken, len(rows) == ALERTS_AT_ONCE

    def _next(self, cursor: sqlite3.Cursor, row: sqlite3.Row, now: int) -> list[int]:
        first = cursor.execute(LOAD + "where d.id=?", (row["delivery"],)).fetchone()
        asked = json.loads(row["asked"])
        state = cursor.execute("select state from delivery where id=?", (asked[-1][1],)).fetchone()
        if first is None or (state is not None and state[0] == State.CANCELLED):
            _close(cursor, row, CALLED_OFF, now)
            return []
        numbers = json.loads(row["numbers"])
        if row["step"] == len(numbers):
            _close(cursor, row, UNANSWERED, now)
            told = policy.unanswered(
                ticket_of(first["ticket"]),
                Wants(first["wants"]),
                _content(first),
                _names(asked),
                first["account"],
                self.postmaster,
            )
            return self._write(cursor, told, row["message"])[1]
        address, parameters = numbers[row["step"]]
        following = _submission(
            first,
            Address.parse(address),
            policy.asked(_content(first), row["more"]),
            parameters_of(parameters),
        )
        planned, woken = self._write(cursor, following, row["message"])
        if planned is not None:
            asked.append([str(planned.target), planned.delivery, now])
            _await(cursor, planned.target, row["id"])
        # Whom nothing can reach costs no time: the next one is asked at once.
        due = now + row["wait"] if planned is not None else now
        cursor.execute(
            "update alert set step=step+1, due=?, asked=? where id=?", (due, json.dumps(asked), row["id"])
        )
        return woken

    # -- answers

    def answered(self, cursor: sqlite3.Cursor, who: Address, text: str, now: int) -> Answered:
        """Close the alerts that `who` (a number in its normal form, a chat address) was asked for, if `text` is an answer to them.
        Call it in the transaction that accepts the message, and wake the lanes that it gives."""
        asked = policy.answers_as(who)
        names = [policy.awaited_as(one) for one in asked]
        if not names:
            return NOT_ANSWERED
        rows = cursor.execute(
            "select a.* from alert_waiting w join alert a on a.id = w.alert"
            f" where w.number in ({','.join('?' * len(names))}) and a.state=0",
            names,
        ).fetchall()
        closed, woken = [], []
        for row in rows:
            if row["id"] in closed or not policy.accepts(text, json.loads(row["answers"])):
                continue
            if any(_reached(cursor, row, str(one), now) for one in asked):
                closed.append(row["id"])
                woken += self._taken(cursor, row, who.target, {str(one) for one in asked}, now)
        return Answered(tuple(closed), tuple(woken))

    def answers(self, cursor: sqlite3.Cursor, items: Sequence[tuple[Address, str, int]]) -> list[Answered]:
        """Handler: the same for texts that are nothing else: who wrote, what, now."""
        return [self.answered(cursor, *item) for item in items]

    def _taken(
        self, cursor: sqlite3.Cursor, row: sqlite3.Row, by: str, own: Collection[str], now: int
    ) -> list[int]:
        """Everybody asked before hears who has it, but for that one's `own` addresses; who has not been reached yet need not."""
        _close(cursor, row, ANSWERED, now, by)
        first = cursor.execute(LOAD + "where d.id=?", (row["delivery"],)).fetchone()
        asked = json.loads(row["asked"])
        kept_back = {
            target for target, delivery, _ in asked[1:] if self._call_back(cursor, delivery, by, now)
        } - {asked[0][0]}  # fmt: skip
        woken: list[int] = []
        for target in dict.fromkeys(target for target, _, _ in asked):
            if first is not None and target not in kept_back and target not in own:
                note = _submission(first, Address.parse(target), policy.taken(_content(first), by))
                woken += self._write(cursor, note, row["message"])[1]
        return woken

    def _call_back(self, cursor: sqlite3.Cursor, delivery: int, by: str, now: int) -> bool:
        """Cancel a message that has not begun to leave; whether it was so."""
        cursor.execute(
            "update delivery set state=?, deadline=0, finished=?, reason=? where id=? and state=0 and sent=0 and maybe_twice=0",
            (int(State.CANCELLED), now, f"{by} has answered", delivery),
        )
        done = cursor.rowcount > 0
        if done:
            self._accepting.credit.given_up(cursor, [delivery], now)
        return done

    def _write(
        self, cursor: sqlite3.Cursor, submission: Submission | None, parent: int
    ) -> tuple[Planned | None, list[int]]:
        """Accept what follows from an alert: the delivery, and the lane to wake."""
        if submission is None:
            return None, []
        try:
            accepted = self._plan(submission, parent)
        except (InvalidValue, Refused):
            accepted = None
        if accepted is None:
            return None, []
        (committed,) = self._accepting.write(cursor, [accepted])
        return accepted.planned[0], list(committed.lanes.values())


def shown(connection: sqlite3.Connection, message: int) -> list[dict[str, Any]]:
    """The alerts that a message has opened, for people: rule, state, who was asked, who answered, when the next is asked."""
    states = ("open", "answered", "nobody answered", "called off")
    return [
        {
            "rule": row["rule"],
            "state": states[row["state"]],
            "asked": _names(json.loads(row["asked"])),
            "left": len(json.loads(row["numbers"])) - row["step"],
            "next": row["due"] if row["state"] == OPEN else None,
            "answered_by": row["answered_by"],
            "more": row["more"],
        }
        for row in connection.execute("select * from alert where message=? order by id", (message,))
    ]


def _submission(
    first: sqlite3.Row, address: Address, content: Content, parameters: Parameters = DEFAULT_PARAMETERS
) -> Submission:
    """A message that follows from the first of an alert: answers to it go where answers to that one go."""
    headers = headers_of(first["headers"]) if not isinstance(content, Text) or address.scheme != "sms" else ()
    return Submission(
        door=policy.DOOR, origin=Address.parse(first["origin"]), recipients=(Recipient(address, address.target, parameters),),
        content=content, account=first["account"], ticket=ticket_of(first["ticket"]), headers=headers,
    )  # fmt: skip


def _content(row: sqlite3.Row) -> Content:
    return content_of(row["kind"], row["body"], headers_of(row["headers"]))


def _names(asked: Sequence[Sequence[Any]]) -> list[str]:
    return [target.partition(":")[2] for target, _, _ in asked]


def _hasten(cursor: sqlite3.Cursor, key: str, due: int, next_at: int) -> None:
    """A message that joined an open alert and leaves at `due`: when the first one is held longer, nobody waits for that."""
    row = cursor.execute(
        "select id, asked from alert where key=? and state=0 and step=0 and due>?", (key, next_at)
    ).fetchone()
    if row is not None:
        asked = json.loads(row["asked"])
        asked[0][2] = min(asked[0][2], due)
        cursor.execute("update alert set due=?, asked=? where id=?", (next_at, json.dumps(asked), row["id"]))


def _reached(cursor: sqlite3.Cursor, row: sqlite3.Row, who: str, now: int) -> bool:
    """Whether `who` can have read what it was asked: an OK to something else takes nothing that is still to come."""
    for target, delivery, at in json.loads(row["asked"]):
        if target != who:
            continue
        if row["more"] and at <= now:
            return True  # one of them may have left, if not the first
        (left,) = cursor.execute(_LEFT, (delivery,)).fetchone() or (True,)
        if left:
            return True
    return False


# In a digest it has left when that has.
_LEFT = (
    "select g.state in (1, 2, 10) or g.sent > 0 or g.maybe_twice from delivery d"
    " join delivery g on g.id = coalesce(d.merged, d.id) where d.id=?"
)


def _await(cursor: sqlite3.Cursor, target: Address, alert: int | None) -> None:
    name = policy.awaited_as(target)
    if name is not None:
        cursor.execute("insert or ignore into alert_waiting(number, alert) values(?,?)", (name, alert))


def _close(cursor: sqlite3.Cursor, row: sqlite3.Row, state: int, now: int, by: str | None = None) -> None:
    cursor.execute(
        "update alert set state=?, closed=?, answered_by=? where id=?", (state, now, by, row["id"])
    )
    for target, _, _ in json.loads(row["asked"]):
        name = policy.awaited_as(Address.parse(target))
        cursor.execute("delete from alert_waiting where number=? and alert=?", (name, row["id"]))
