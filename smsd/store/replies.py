"""The reply log (feature I3): who wrote to which phone, kept by the commit that accepts the message; and what phones were
told by themselves, so that no phone is told it again and again.

One row per phone and origin, renewed by each message: its key is all that an accept writes, in one statement per group.
Where those messages left, and what they answered, is read from their deliveries when an answer comes.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from smsd.policy.gather import DOOR as DIGEST
from smsd.policy.reply import Link, Sent, origin, spellings
from smsd.store.ids import first_at
from smsd.store.rows import headers_of, parameters_of
from smsd.values.address import Address
from smsd.values.delivery import State
from smsd.values.plan import Acceptance

HOUR = 3_600_000
REMEMBERED = 8
"""Messages of a link that are known by their ids."""
MOST_LINKS = 200
LINKS_AT_ONCE = 1000
MOST_NAMED = 12
"""Message-IDs of a mail that are looked up."""
_DIGITS = 16

_LINK = (
    "insert into link(peer, origin, deliveries, expires) values(?1, ?2, ?3, ?4) on conflict(peer, origin) do update set"
    f" deliveries = excluded.deliveries || iif(expires > ?5, substr(deliveries, 1, {(REMEMBERED - 1) * _DIGITS}), ''),"
    " expires = max(expires, excluded.expires)"
)
_UNDONE = (State.FAILED, State.EXPIRED, State.CANCELLED, State.REJECTED)
_ID = re.compile(r"<([0-9]{1,19})\.([0-9]{1,19})@[^<>@]*>")


class Replies:
    """Handlers' helper; `keep` is how long a link lives (ms), 0 switches the log off: nothing is written then, nor read."""

    def __init__(self) -> None:
        self.keep = 0
        self._last: tuple[str, str] = ("", "")

    def record(self, cursor: sqlite3.Cursor, items: Iterable[Acceptance]) -> None:
        """Make or renew the links of what is being accepted."""
        if not self.keep:
            return
        rows = []
        for accepted in items:
            for one in (accepted, *accepted.children) if accepted.children else (accepted,):
                rows += _links(one, self.keep)
        if rows:
            cursor.executemany(_LINK, rows)

    def links(self, cursor: sqlite3.Cursor, peer: str, now: int) -> list[Link]:
        """The live links to a phone, however its number was written to, with what is known of their messages."""
        if not self.keep:
            return []
        numbers = spellings(peer)
        rows = cursor.execute(
            f"select origin, deliveries from link where peer in ({','.join('?' * len(numbers))}) and expires>?"
            " order by expires desc limit ?",
            (*numbers, now, MOST_LINKS),
        ).fetchall()
        # Of a link that was renewed for weeks only the messages within its time are awaited an answer to.
        since = first_at(now - self.keep)
        written: dict[str, list[int]] = {}
        for row in rows:
            written.setdefault(row[0], []).extend(_ids(row[1]))
        ids = {
            who: [
                one
                for at, one in enumerate(sorted(known, reverse=True)[:REMEMBERED])
                if at == 0 or one >= since
            ]  # the newest in any case: the time may have been made shorter since
            for who, known in written.items()
        }
        known = _sent(cursor, [one for each in ids.values() for one in each])
        return [
            Link(
                origin=who,
                sent=tuple(known.get(one) or Sent(one) for one in each),
                more=len(each) == REMEMBERED,
            )
            for who, each in ids.items()
        ]

    def hush(self, cursor: sqlite3.Cursor, peer: str, what: str, now: int, most: int = 1) -> bool:
        """Whether a phone may be told `what` now, at most so often an hour; if so, it counts as told."""
        row = cursor.execute("select n, until from quiet where peer=? and what=?", (peer, what)).fetchone()
        if row is None or row[1] <= now:
            cursor.execute(
                "insert or replace into quiet(peer, what, n, until) values(?,?,1,?)", (peer, what, now + HOUR)
            )
            return True
        if row[0] >= most:
            return False
        cursor.execute("update quiet set n=n+1 where peer=? and what=?", (peer, what))
        return True

    def forget(self, cursor: sqlite3.Cursor, now: int) -> None:
        """Delete what has expired: of links the next stretch, round and round, of the rest the oldest."""
        stretch = cursor.execute(
            "select peer, origin, expires from link where (peer, origin) > (?, ?) order by peer, origin limit ?",
            (*self._last, LINKS_AT_ONCE),
        ).fetchall()
        cursor.executemany(
            "delete from link where peer=? and origin=?", [row[:2] for row in stretch if row[2] <= now]
        )
        self._last = tuple(stretch[-1][:2]) if len(stretch) == LINKS_AT_ONCE else ("", "")
        cursor.execute(
            "delete from quiet where (peer, what) in (select peer, what from quiet where until<=? order by until limit ?)",
            (now, LINKS_AT_ONCE),
        )


class Wrote(NamedTuple):
    """A phone that wrote, and the gateway that it wrote to ("" when that is not known)."""

    number: str
    gateway: str


def peer_of(connection: sqlite3.Connection, message_id: str) -> Wrote | None:
    """Whose SMS became the mail with this Message-ID, for a mail that answers it; None when there is none, or it is no longer on
    record. Asked of a connection that only reads."""
    found = _ID.search(message_id)
    if found is None:
        return None
    delivery, message = int(found[1]), int(found[2])
    if max(delivery, message) >= 1 << 63:
        return None
    row = connection.execute(
        "select m.origin, m.headers from delivery d join message m on m.id = d.message where d.id=? and d.message=?",
        (delivery, message),
    ).fetchone()
    if row is None:
        return None
    address = Address.parse(row[0])
    if address.scheme != "sms":
        return None
    return Wrote(address.target, dict(headers_of(row["headers"])).get("gateway", ""))


def names_ours(references: str) -> bool:
    """Whether these Message-IDs may be of mails that were made here."""
    return _ID.search(references) is not None


def answered(connection: sqlite3.Connection, references: str) -> Wrote | None:
    """Whose SMS the newest of these Message-IDs means that means any."""
    for found in reversed(list(_ID.finditer(references))[-MOST_NAMED:]):
        wrote = peer_of(connection, found[0])
        if wrote is not None:
            return wrote
    return None


def _links(accepted: Acceptance, keep: int) -> list[tuple[str, str, str, int, int]]:
    written_by = origin(accepted.submission)
    if written_by is None:
        return []
    key = str(written_by)
    return [
        (planned.target.target, key, "%016x" % planned.delivery, accepted.now + keep, accepted.now)  # noqa: UP031 (quicker)
        for planned in accepted.planned
        if planned.target.scheme == "sms" and planned.state < State.DELIVERED
    ]


def _ids(text: str) -> Sequence[int]:
    return [int(text[at : at + _DIGITS], 16) for at in range(0, len(text), _DIGITS)]


def _sent(cursor: sqlite3.Cursor, deliveries: list[int]) -> dict[int, Sent]:
    """What is known of these deliveries; nothing of those that are no longer on record."""
    if not deliveries:
        return {}
    marks = ",".join("?" * len(deliveries))
    found = {}
    for row in cursor.execute(
        "select d.id, d.merged, m.door, w.state, w.sent, w.gateway, w.maybe_twice, d.parameters,"
        " d.target, d.typed, m.ticket, m.headers"
        " from delivery d join message m on m.id = d.message"
        f" join delivery w on w.id = coalesce(d.merged, d.id) where d.id in ({marks})",
        deliveries,
    ):
        ticket: list[Any] = json.loads(row["ticket"]) if row["ticket"] else ["", "", "", "", True]
        about = dict(headers_of(row["headers"]))
        found[row["id"]] = Sent(
            row["id"], _left(row), row["gateway"] or "", parameters_of(row["parameters"]).sender or "",
            address=ticket[0], message_id=ticket[2] or about.get("message-id", ""),
            subject=ticket[3] or about.get("subject", ""), references=about.get("references", ""),
            digest=row["merged"] or (row["id"] if row["door"] == DIGEST else 0),
            typed=row["typed"] or row["target"].partition(":")[2], link=ticket[5] if len(ticket) > 5 else "",
        )  # fmt: skip
    return found


def _left(row: sqlite3.Row) -> bool:
    if row["maybe_twice"] or row["state"] in (State.SENDING, State.SENT, State.DELIVERED):
        return True
    return bool(row["sent"]) and row["state"] not in _UNDONE
