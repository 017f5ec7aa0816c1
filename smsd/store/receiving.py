"""Incoming messages: parts kept until they are whole, and the message accepted by the same commit that consumes them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from smsd.store.accepting import Accepting, Committed
from smsd.values.frozen import frozen
from smsd.values.plan import Acceptance, Incoming

WEEK = 7 * 86_400_000
# How long a long message waits for its missing parts.
PATIENCE = 86_400_000


@frozen
class Received:
    """What an incoming SMS led to: a message id (None while parts are missing or for a repeat) and lanes to wake."""

    message: int | None
    woken: tuple[int, ...] = ()
    repeated: bool = False


class Receiving:
    """The receive handler. `whole(first, octets)` turns the TPDUs of a whole message into an Acceptance (pure; set by
    `core.inbound`)."""

    def __init__(self, accepting: Accepting) -> None:
        self._accepting = accepting
        self.whole: Callable[[Incoming, list[bytes]], Acceptance | None] | None = None

    def receive(self, cursor: sqlite3.Cursor, items: Sequence[Incoming]) -> list[Received]:
        """Handler: keep each SMS once; complete messages leave as acceptances."""
        return [self._receive(cursor, item) for item in items]

    def _receive(self, cursor: sqlite3.Cursor, item: Incoming) -> Received:
        scope = f"mo:{item.gateway}"
        cursor.execute(
            "insert or ignore into idempotency(scope, key, fingerprint, expires) values(?,?,?,?)",
            (scope, item.identity, b"", item.now + WEEK),
        )
        if cursor.rowcount == 0:  # still in its memory: known for as long as it is seen there
            cursor.execute(
                "update idempotency set expires=? where scope=? and key=?",
                (item.now + WEEK, scope, item.identity),
            )
            return Received(None, repeated=True)
        if self._handed_over_before(cursor, scope, item):
            return Received(None, repeated=True)
        if not item.join:
            return self._accept(cursor, item, [item.octets])
        woken = self._make_room(cursor, item)
        # A part that comes twice (another slot, a resend) replaces itself.
        cursor.execute(
            "insert or replace into inbound(gateway, part_of, seq, total, octets, at) values(?,?,?,?,?,?)",
            (item.gateway, item.join, item.seq, item.total, item.octets, item.now),
        )
        rows = cursor.execute(
            "select octets from inbound where gateway=? and part_of=? order by seq", (item.gateway, item.join)
        ).fetchall()
        if len(rows) < item.total:
            return Received(None, woken)
        cursor.execute("delete from inbound where gateway=? and part_of=?", (item.gateway, item.join))
        whole = self._accept(cursor, item, [bytes(row[0]) for row in rows])
        return Received(whole.message, whole.woken + woken)

    def _make_room(self, cursor: sqlite3.Cursor, item: Incoming) -> tuple[int, ...]:
        """References come back after 256 messages: another text under this part's number, or parts that have waited too long,
        belong to an earlier message, which leaves as far as it came."""
        earlier = cursor.execute(
            "select 1 from inbound where gateway=? and part_of=? and (at < ? or (seq=? and octets<>?)) limit 1",
            (item.gateway, item.join, item.now - PATIENCE, item.seq, item.octets),
        ).fetchone()
        return self._leave(cursor, item.gateway, item.join, item.total, item.now).woken if earlier else ()

    def _handed_over_before(self, cursor: sqlite3.Cursor, scope: str, item: Incoming) -> bool:
        """Whether this message from a memory was handed over directly before. When smsd dies between its commit and +CNMA, the
        network sends the message again, and by then the modem puts it into a memory (27.005 3.4.1)."""
        slot, _, octets = item.identity.partition("|")
        if not slot or not octets:
            return False
        cursor.execute("select 1 from idempotency where scope=? and key=?", (scope, f"|{octets}"))
        return cursor.fetchone() is not None

    def _accept(self, cursor: sqlite3.Cursor, item: Incoming, octets: list[bytes]) -> Received:
        accepted = self.whole(item, octets) if self.whole is not None else None
        if accepted is None:
            return Received(None)
        committed: Committed
        (committed,) = self._accepting.write(cursor, [accepted])
        return Received(accepted.message, tuple(committed.lanes.values()))

    def stale(self, cursor: sqlite3.Cursor, now: int) -> list[Received]:
        """Messages whose missing parts did not come within `PATIENCE` leave as far as they came, marked by `whole`."""
        keys = cursor.execute(
            "select gateway, part_of, min(total) from inbound group by gateway, part_of having max(at) < ? limit 50",
            (now - PATIENCE,),
        ).fetchall()
        return [self._leave(cursor, gateway, part_of, total, now) for gateway, part_of, total in keys]

    def _leave(self, cursor: sqlite3.Cursor, gateway: str, part_of: str, total: int, now: int) -> Received:
        rows = cursor.execute(
            "select octets, seq from inbound where gateway=? and part_of=? order by seq", (gateway, part_of)
        ).fetchall()
        cursor.execute("delete from inbound where gateway=? and part_of=?", (gateway, part_of))
        octets = [bytes(row[0]) for row in rows]
        first = Incoming(gateway, octets[0], "", "", now, join=part_of, seq=rows[0][1], total=total)
        return self._accept(cursor, first, octets)
