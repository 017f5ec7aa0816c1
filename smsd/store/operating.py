"""The operator's verbs on rows, and the questions anybody may ask: retry, cancel, find, explain, count."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from smsd.codec import webhooks
from smsd.policy.rules.called import called
from smsd.policy.step import after_operator
from smsd.store import aftermath, alerts, watching
from smsd.store.carrying import Carrying
from smsd.store.credit import Credit
from smsd.store.rows import CALL, DELIVERIES_OF, LOAD, OCTETS, REPORT, TEXT, content_of, view_of
from smsd.store.watching import Watching
from smsd.values.delivery import State
from smsd.values.errors import InvalidValue
from smsd.values.message import Call


@dataclass(frozen=True, slots=True)
class Verb:
    """`retry` or `cancel` one delivery; `expires` is the new expiry of a delivery that is retried after it expired."""

    verb: str
    delivery: int
    now: int
    expires: int
    who: str = "the operator"


# What is still to be sent is only sent sooner: a server that had it already should know it again.
_WAITING = frozenset({State.READY, State.SCHEDULED, State.GATHERED})


@dataclass(frozen=True, slots=True)
class Hurry:
    """What waits in these lanes for one target, and was tried before, is due now."""

    lanes: tuple[int, ...]
    target: str
    now: int


@dataclass(frozen=True, slots=True)
class Release:
    """An account is not held any more; `verb` (`retry`, `cancel`) is done to its messages that are held with it, `most` at once."""

    account: str
    verb: str
    period: str
    now: int
    expires: int
    who: str = "the operator"
    most: int = 100


@dataclass(frozen=True, slots=True)
class Released:
    """`was`: it was held until then. `done` messages, `left` ones that have to wait for another reason, lanes to wake, whether
    there is more."""

    was: bool
    done: int
    left: int
    lanes: tuple[int, ...]
    more: bool


class Operating:
    """The handlers of verbs."""

    def __init__(self, carrying: Carrying, credit: Credit, held: Watching) -> None:
        self._watching = held
        self._carrying = carrying
        self._credit = credit

    def control(self, cursor: sqlite3.Cursor, items: Sequence[Verb]) -> list[tuple[int, ...] | InvalidValue]:
        """Handler: the lanes to wake per verb, or why it cannot be done."""
        return [self._control(cursor, item) for item in items]

    def release(self, cursor: sqlite3.Cursor, items: Sequence[Release]) -> list[Released]:
        """Handler: call it until there is no more."""
        return [self._release(cursor, item) for item in items]

    def _release(self, cursor: sqlite3.Cursor, item: Release) -> Released:
        was = self._watching.release(cursor, item.account, item.period, item.now)
        found = watching.some(cursor, item.account, item.most)
        lanes: set[int] = set()
        left = 0
        for delivery in found:
            (due,) = cursor.execute("select due from delivery where id=?", (delivery,)).fetchone()
            told = self._control(cursor, Verb(item.verb, delivery, item.now, item.expires, item.who))
            if isinstance(told, InvalidValue):  # no credit any more
                left += 1
                cursor.execute("update delivery set reason=? where id=?", (str(told), delivery))
            else:
                lanes.update(told)
                if due > item.now and item.verb == "retry":  # its sender wants it sent later
                    _postpone(cursor, delivery, due, item.expires + due - item.now)
        return Released(was, len(found) - left, left, tuple(sorted(lanes)), len(found) == item.most)

    def _control(self, cursor: sqlite3.Cursor, item: Verb) -> tuple[int, ...] | InvalidValue:
        row = cursor.execute(LOAD + "where d.id=?", (item.delivery,)).fetchone()
        if row is None:
            return InvalidValue(
                f"there is no delivery {item.delivery}: smsd queue list shows those there are"
            )
        view = view_of(row)
        if _failed_part(cursor, item.delivery):
            view = view._replace(sent=view.total)  # those that follow would be of no use without it
        step = after_operator(view, item.verb, item.who, item.now)
        if step is None:
            state = State(row["state"]).name.lower()
            return InvalidValue(f"delivery {item.delivery} is {state}: too late to {item.verb} it")
        if item.verb == "retry" and (why := self._credit.again(cursor, row, item.now)):
            return InvalidValue(f"delivery {item.delivery} cannot be sent again: {why}")
        self._carrying.write_step(cursor, row, step, item.now)
        if step.state is State.READY:
            if (
                not step.sent
            ):  # it begins anew: what networks say of its parts as they were changes nothing any more
                cursor.execute("delete from piece where delivery=?", (item.delivery,))
            once_more = int(row["state"] not in _WAITING)
            cursor.execute(
                "update delivery set expires=max(expires, ?), deadline=max(expires, ?), again=again+? where id=?",
                (item.expires, item.expires, once_more, item.delivery),
            )
            return (row["lane"],)
        return tuple(self._carrying.tell(cursor, row, step, item.now))


def hurry(cursor: sqlite3.Cursor, items: Sequence[Hurry]) -> list[tuple[int, ...]]:
    """Handler: the lanes in which something is due now."""
    return [tuple(lane for lane in item.lanes if _hurried(cursor, lane, item)) for item in items]


def _hurried(cursor: sqlite3.Cursor, lane: int, item: Hurry) -> bool:
    cursor.execute(
        "update delivery set due=? where lane=? and state=0 and due>? and target=? and tries>0",
        (item.now, lane, item.now, item.target),
    )
    return cursor.rowcount > 0


def _postpone(cursor: sqlite3.Cursor, delivery: int, due: int, expires: int) -> None:
    cursor.execute(
        "update delivery set due=?, expires=max(expires, ?), deadline=max(expires, ?) where id=?",
        (due, expires, expires, delivery),
    )


def _failed_part(cursor: sqlite3.Cursor, delivery: int) -> bool:
    """Whether the network has lost a part that it had taken."""
    query = "select 1 from piece where delivery=? and reported in ('failed', 'expired')"
    return cursor.execute(query, (delivery,)).fetchone() is not None


def remember(cursor: sqlite3.Cursor, items: Sequence[tuple[str, str, str | None, int]]) -> list[None]:
    """Handler: (scope, key, value, now); None forgets."""
    for scope, key, value, now in items:
        if value is None:
            cursor.execute("delete from setting where scope=? and key=?", (scope, key))
        else:
            cursor.execute(
                "insert or replace into setting(scope, key, value, at) values(?,?,?,?)",
                (scope, key, value, now),
            )
    return [None] * len(items)


def keep_ruleset(cursor: sqlite3.Cursor, items: Sequence[tuple[int, str, str, int]]) -> list[None]:
    """Handler: (id, hash, text, now); one that is known stays as it is."""
    cursor.executemany("insert or ignore into ruleset(id, hash, text, at) values(?,?,?,?)", items)
    return [None] * len(items)


# -- questions, asked of a connection that only reads


def state(connection: sqlite3.Connection, delivery: int) -> State | None:
    """The state of a delivery, None when there is none."""
    row = connection.execute("select state from delivery where id=?", (delivery,)).fetchone()
    return None if row is None else State(row[0])


def ruleset(connection: sqlite3.Connection, version: int) -> str | None:
    """The text of the rules that had this id, as XML."""
    row = connection.execute("select text from ruleset where id=?", (version,)).fetchone()
    return None if row is None else str(row[0])


def find(
    connection: sqlite3.Connection, *, states: Sequence[State] = (), target: str = "", account: str = "", door: str = "",
    before: int = 0, limit: int = 50,
) -> list[dict[str, Any]]:  # fmt: skip
    """Deliveries, newest first, as dicts: id, message, target, state, tries, due, expires, reason, gateway, text (as sent) …"""
    where = ["1"]
    values: list[int | str] = []
    if states:
        where.append(f"d.state in ({','.join('?' for _ in states)})")
        values += [int(state) for state in states]
    for column, value in (("m.account", account), ("m.door", door)):
        if value:
            where.append(f"{column}=?")
            values.append(value)
    if target:
        where.append("d.target like ?")
        values.append(f"%{target}")
    if before:
        where.append("d.id<?")
        values.append(before)
    rows = connection.execute(
        "select d.id, d.message, d.target, d.state, d.tries, d.due, d.expires, d.reason, d.gateway, d.pieces, d.sent,"
        " d.maybe_twice, d.network_reference, d.finished, m.door, m.account, m.origin, m.arrived,"
        " coalesce(c.kind, m.kind) as kind, coalesce(c.body, m.body) as body, l.route"
        " from delivery d join message m on m.id=d.message join lane l on l.id=d.lane left join content c on c.id=d.content"
        f" where {' and '.join(where)} order by d.id desc limit ?",
        (*values, limit),
    ).fetchall()
    return [_shown(row) for row in rows]


_WORDS = {OCTETS: "(binary)", REPORT: "(report)"}


def _words(kind: int, body: Any) -> str:
    """What a message says, for people: of what a rule does outside no password."""
    if kind == CALL:
        call = content_of(kind, body, ())
        assert isinstance(call, Call)
        return called(call)
    return str(body) if kind == TEXT else _WORDS[kind]


def _shown(row: sqlite3.Row) -> dict[str, Any]:
    shown = {key: row[key] for key in row.keys() if key not in ("body", "kind")}  # noqa: SIM118 (a Row iterates values)
    shown["state"] = State(row["state"]).name.lower()
    shown["text"] = _words(row["kind"], row["body"])
    shown["target"] = webhooks.shown(row["target"])
    return shown


def explain(connection: sqlite3.Connection, number: int) -> dict[str, Any] | None:
    """Everything known of one delivery, or of the first one of a message: its message, `made` (what rules made of its text), its
    `parts` and what networks said of them (`network`), attempts, `siblings` (the message's other deliveries), what followed from
    it (`aftermath.FOLLOWED`), what it gathers if it is a digest, the alerts it belongs to."""
    delivery = _delivery(connection, number)
    row = connection.execute(
        "select d.*, l.route, l.flow from delivery d join lane l on l.id=d.lane where d.id=?", (delivery,)
    ).fetchone()
    if row is None:
        return None
    told = dict(row)
    told["state"] = State(row["state"]).name.lower()
    told["target"] = webhooks.shown(row["target"])
    message = dict(connection.execute("select * from message where id=?", (row["message"],)).fetchone())
    told.update(aftermath.followed(connection, message))
    if message["kind"] == OCTETS:
        message["body"] = bytes(message["body"]).hex()
    elif message["kind"] == CALL:
        message["body"] = _words(CALL, message["body"])
    message["headers"] = json.loads(message["headers"]) if message["headers"] else []
    if message["ticket"]:
        address, *more = json.loads(message["ticket"])
        message["ticket"] = json.dumps([webhooks.shown(address), *more])
    told["about"] = message
    made = connection.execute("select kind, body from content where id=?", (row["content"],)).fetchone()
    told["made"] = None if made is None else _words(made["kind"], made["body"])
    told["parts"] = aftermath.parts(connection, row)
    told["network"] = aftermath.heard(connection, delivery)
    for name, query in (
        ("attempts", "select * from attempt where delivery=? order by id"),
        (
            "gathered",
            "select d.id, m.account, m.origin, m.arrived, substr(coalesce(c.body, m.body), 1, 200) as text from delivery d"
            " join message m on m.id=d.message left join content c on c.id=d.content where d.merged=? order by d.id limit 100",
        ),
    ):
        told[name] = [dict(r) for r in connection.execute(query, (delivery,))]
    siblings = connection.execute(
        f"select d.id, d.target, d.state from delivery d where d.id in ({_OF_MESSAGE}) and d.id<>:delivery limit 500",
        {"message": row["message"], "delivery": delivery},
    )
    told["siblings"] = [{**dict(r), "state": State(r["state"]).name.lower()} for r in siblings]
    told["alerts"] = [
        one
        for opened in (row["message"], message["parent"])
        if opened
        for one in alerts.shown(connection, opened)
    ]
    return told


_OF_MESSAGE = f"select id from ({DELIVERIES_OF})"


def _delivery(connection: sqlite3.Connection, number: int) -> int:
    """The number itself, or that of the first delivery of the message with this number, which doors tell too."""
    if connection.execute("select 1 from delivery where id=?", (number,)).fetchone() is None:
        (first,) = connection.execute(
            f"select min(id) from ({DELIVERIES_OF})", {"message": number}
        ).fetchone()
        return number if first is None else int(first)
    return number


def counts(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """Unfinished deliveries by route and state."""
    return [
        {"route": route, "state": State(state).name.lower(), "deliveries": n}
        for route, state, n in connection.execute(
            "select l.route, d.state, count(*) from delivery d join lane l on l.id=d.lane"
            " where d.state in (0,1,4,5,6) group by l.route, d.state"
        )
    ]


def taken(connection: sqlite3.Connection) -> dict[str, dict[str, int]]:
    """By door that counts: the messages it has taken, and when the last one came."""
    rows = connection.execute(
        "select account, n, last from counter where period='' and account like 'door:%'"
    )
    return {str(name).partition(":")[2]: {"messages": n, "last": last or 0} for name, n, last in rows}


def accounts(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """Messages per account and month."""
    return [
        dict(row)
        for row in connection.execute(
            "select * from counter where period<>'' order by period desc, account limit 1000"
        )
    ]
