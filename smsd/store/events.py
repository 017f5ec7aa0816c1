"""Events for programs as rows: what waits to be fetched, what was fetched, what is dead.

An event is a delivery to a `hook:` or `dlr:` address; its lane says through which gateway it goes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from smsd.codec.webhooks import name_of, shown
from smsd.store.rows import LOAD, piece_of
from smsd.values.delivery import Piece, State
from smsd.values.errors import InvalidValue
from smsd.values.frozen import frozen

DEAD = (State.FAILED, State.EXPIRED)
WAITING = (State.READY, State.SENDING, State.HELD)
_EVENTS = "(d.target like 'hook:%' or d.target like 'dlr:%')"


@frozen
class Confirmed:
    """A program has got these events, which were handed out to it through the gateway's lanes."""

    gateway: str
    deliveries: tuple[int, ...]
    now: int


def confirm(cursor: sqlite3.Cursor, items: Sequence[Confirmed]) -> list[int]:
    """Handler: those that waited are delivered; how many they were. What expired after it was handed out is delivered too."""
    counts = []
    for item in items:
        marks = ",".join("?" * len(item.deliveries))
        cursor.execute(
            f"update delivery set state=?, gateway=?, sent=pieces, deadline=0, finished=? where id in ({marks})"
            " and state in (?, ?) and lane in (select id from lane where route=?)",
            (int(State.DELIVERED), item.gateway, item.now, *item.deliveries, int(State.READY), int(State.EXPIRED),
             f"gw:{item.gateway}"),
        )  # fmt: skip
        counts.append(cursor.rowcount)
    return counts


# -- questions, asked of a connection that only reads


def waiting(connection: sqlite3.Connection, gateway: str, limit: int) -> list[Piece]:
    """What waits for a gateway, in the order in which it would leave."""
    found: list[Piece] = []
    for (lane,) in connection.execute("select id from lane where route=?", (f"gw:{gateway}",)).fetchall():
        for priority in (0, 1, 2):  # as the index has it
            rows = connection.execute(
                f"{LOAD} where d.lane=? and d.state=0 and d.priority=? order by d.due, d.id limit ?",
                (lane, priority, limit - len(found)),
            )
            found += [piece_of(row, gateway, parts=False) for row in rows]
    return found


def find(
    connection: sqlite3.Connection, *, gateway: str = "", dead: bool = False, before: int = 0, limit: int = 50
) -> list[dict[str, Any]]:
    """Events that wait, or are dead, newest first."""
    states = DEAD if dead else WAITING
    where, values = [_EVENTS, f"d.state in ({','.join('?' for _ in states)})"], [int(one) for one in states]
    more: list[Any] = []
    if gateway:
        where.append("d.lane in (select id from lane where route=?)")
        more.append(f"gw:{gateway}")
    if before:
        where.append("d.id<?")
        more.append(before)
    rows = connection.execute(
        f"{LOAD} where {' and '.join(where)} order by d.id desc limit ?", (*values, *more, limit)
    ).fetchall()
    return [_shown(connection, row) for row in rows]


def dead(connection: sqlite3.Connection, gateway: str, after: int, limit: int) -> list[int]:
    """The ids of dead events, oldest first; those of one gateway, or of all ("")."""
    lanes = "" if not gateway else " and d.lane in (select id from lane where route=?)"
    rows = connection.execute(
        f"select d.id from delivery d where {_EVENTS} and d.state in (?, ?) and d.id > ?{lanes} order by d.id limit ?",
        (*map(int, DEAD), after, *([f"gw:{gateway}"] if gateway else []), limit),
    )
    return [row[0] for row in rows]


def gateway_of(connection: sqlite3.Connection, delivery: int) -> str:
    """The gateway of an event; InvalidValue when there is none with this number."""
    row = connection.execute(
        f"select l.route from delivery d join lane l on l.id=d.lane where d.id=? and {_EVENTS}", (delivery,)
    ).fetchone()
    if row is None:
        raise InvalidValue(f"there is no event {delivery}: smsd callbacks list shows those there are")
    return str(row[0]).removeprefix("gw:")


def _shown(connection: sqlite3.Connection, row: Any) -> dict[str, Any]:
    (attempts,) = connection.execute("select count(*) from attempt where delivery=?", (row["id"],)).fetchone()
    return {
        "id": row["id"],
        "event": name_of(piece_of(row, "", parts=False)),
        "to": shown(row["target"]).partition(":")[2],
        "state": State(row["state"]).name.lower(),
        "attempts": attempts,
        "arrived": row["arrived"],
        "expires": row["expires"],
        "reason": row["reason"] or "",
    }
