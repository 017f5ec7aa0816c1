"""Questions about what is an account's own: what it has sent, and what phones wrote to it. Everybody's for "" (an administrator).

No index has accounts, because each would cost every message that is accepted: a question looks at so many rows (`STRETCH`) and
then says where to go on. Times are ranges of ids, and cost nothing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from smsd.store import aftermath
from smsd.store.rows import CALL, DELIVERIES_OF, OCTETS, REPORT
from smsd.values.delivery import State
from smsd.values.frozen import frozen

STRETCH = 20_000
"""Rows that one question looks at."""
LAST = (1 << 63) - 1
MOST = 500
_NAMED = "substr(headers, 1, 8) = '[[\"msgid'"
"""As the index message_msgid has it."""

_DELIVERIES = (
    "select d.id, d.message, d.target, d.state, d.tries, d.due, d.expires, d.reason, d.gateway, d.pieces, d.sent, d.maybe_twice,"
    " d.finished, d.network_reference, m.account, m.door, m.arrived, m.headers, m.ticket,"
    " coalesce(c.kind, m.kind) as kind, coalesce(c.body, m.body) as body"
    " from delivery d join message m on m.id=d.message left join content c on c.id=d.content"
    f" where substr(d.target, 1, 4)='sms:' and m.kind not in ({REPORT}, {CALL})"
)


@frozen
class Wanted:
    """Which deliveries: `states` (none: all), `to` exactly this number, made between `since` and `until` (ids, 0: any time),
    before the delivery `before` (0: the newest first)."""

    account: str
    states: tuple[State, ...] = ()
    to: str = ""
    msgid: str = ""
    since: int = 0
    until: int = 0
    before: int = 0
    limit: int = 50


def find(connection: sqlite3.Connection, wanted: Wanted) -> tuple[list[dict[str, Any]], int]:
    """Deliveries, newest first, and before which one to go on (0: there are no more)."""
    top = min(wanted.before or LAST, wanted.until or LAST)
    values: list[Any] = [top, wanted.since]
    where = " and d.id < ? and d.id >= ?"
    if wanted.account:
        where += " and m.account=?"
        values.append(wanted.account)
    if wanted.states:
        where += f" and d.state in ({','.join(str(int(state)) for state in wanted.states)})"
    if wanted.to:
        where += " and d.target=?"
        values.append(f"sms:{wanted.to}")
    floor = 0
    if wanted.msgid:
        where += f" and d.id in ({','.join(map(str, _named(connection, wanted.account, wanted.msgid)))})"
    else:
        floor = _stretch(connection, top)
        where += " and d.id >= ?"
        values.append(floor)
    rows = connection.execute(
        f"{_DELIVERIES}{where} order by d.id desc limit ?", (*values, wanted.limit)
    ).fetchall()
    if len(rows) == wanted.limit:
        floor = int(rows[-1]["id"])
    return [dict(row) for row in rows], floor if floor > wanted.since else 0


def _stretch(connection: sqlite3.Connection, top: int) -> int:
    """The delivery at the end of the stretch that begins before `top`, 0 when it reaches to the first."""
    row = connection.execute(
        "select id from delivery where id < ? order by id desc limit 1 offset ?", (top, STRETCH - 1)
    ).fetchone()
    return 0 if row is None else int(row[0])


def _named(connection: sqlite3.Connection, account: str, msgid: str) -> list[int]:
    """The deliveries of messages that an account calls so: at the API as long as they are known, at other doors for a day."""
    rows = connection.execute(
        f"select id from message where account=? and json_extract(headers, '$[0][1]')=? and {_NAMED} order by id desc limit ?",
        (account, msgid, MOST),
    ).fetchall()
    key = connection.execute(
        "select message from idempotency where scope=? and key=?", (f"account:{account}", msgid)
    ).fetchone()
    messages = {int(row[0]) for row in rows} | ({int(key[0])} if key and key[0] else set())
    return [
        int(row[0])
        for one in messages
        for row in connection.execute(f"select id from ({DELIVERIES_OF})", {"message": one})
    ]


def message(connection: sqlite3.Connection, number: int, account: str) -> dict[str, Any] | None:
    """A message with its deliveries, or, by the number of a delivery, with that one alone; None when there is none of this
    account. Each delivery with its parts, what networks said, and the tries that did not work."""
    rows = connection.execute(f"{_DELIVERIES} and d.id=?", (number,)).fetchall()
    if not rows:
        rows = connection.execute(
            f"{_DELIVERIES} and d.id in (select id from ({DELIVERIES_OF})) order by d.id limit :most",
            {"message": number, "most": MOST},
        ).fetchall()
    if not rows or (account and rows[0]["account"] != account):
        return None
    about = connection.execute(
        "select id, account, door, kind, body, headers, ticket, arrived from message where id=?",
        (rows[0]["message"],),
    ).fetchone()
    return {**dict(about), "deliveries": [_followed(connection, dict(row)) for row in rows]}


def _followed(connection: sqlite3.Connection, delivery: dict[str, Any]) -> dict[str, Any]:
    delivery["parts"] = aftermath.parts(connection, delivery)
    delivery["network"] = aftermath.heard(connection, delivery["id"])
    delivery["attempts"] = [
        dict(row)
        for row in connection.execute(
            "select at, gateway, seq as part, outcome, reason from attempt where delivery=? order by id limit ?",
            (delivery["id"], MOST),
        )
    ]
    return delivery


_ANSWERS = "(select json_extract(h.value, '$[1]') from json_each(m.headers) h where json_extract(h.value, '$[0]')='answers')"


def incoming(
    connection: sqlite3.Connection,
    account: str,
    addresses: Sequence[str],
    after: int,
    seen: Sequence[int],
    limit: int,
) -> tuple[list[dict[str, Any]], int]:
    """What phones wrote after the message `after`, oldest first, but for those `seen`; and up to which message was looked. An
    account's are those that came to one of its `addresses`, and those that answer a message of its own."""
    last = connection.execute(
        "select id from message where id > ? order by id limit 1 offset ?", (after, STRETCH - 1)
    ).fetchone()
    end = LAST if last is None else int(last[0])
    where, values = "", list[Any]()
    if account:
        marks = ",".join("?" * len(addresses))
        where = (
            f" and (exists(select 1 from delivery d where d.id=m.id-1 and d.message=m.id and d.target in ({marks}))"
            f" or exists(select 1 from delivery d where d.message=m.id and d.message<>d.id+1 and d.target in ({marks}))"
            " or (instr(m.headers, '\"answers\"') and exists(select 1 from delivery d join message s on s.id=d.message"
            f" where d.id=cast({_ANSWERS} as integer) and s.account=?)))"
        )
        values = [*addresses, *addresses, account]
    rows = connection.execute(
        "select m.id, m.door, m.origin, m.kind, m.body, m.headers, m.arrived from message m"
        f" where m.id > ? and m.id <= ? and m.parent is null and m.account is null and substr(m.origin, 1, 4)='sms:'"
        f" and m.kind not in ({REPORT}, {CALL}) and instr(m.headers, '\"gateway\"')"
        f" and m.id not in ({','.join(map(str, seen))}){where} order by m.id limit ?",
        (after, end, *values, limit),
    ).fetchall()
    found = [dict(row) for row in rows]
    if len(found) == limit:
        return found, int(found[-1]["id"])
    newest = connection.execute("select max(id) from message").fetchone()[0] or 0
    return found, newest if last is None else end


def headers(text: str | None) -> dict[str, str]:
    """Headers as a mapping."""
    return dict(json.loads(text)) if text else {}


def octets(kind: int) -> bool:
    """Whether a message of this kind is no text."""
    return kind == OCTETS
