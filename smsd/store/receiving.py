"""Incoming messages: parts kept until they are whole, and the message accepted by the same commit that consumes them.

Who gets it is decided in this transaction too (`decide`, pure but for what it asks the desk). When the rules have to ask
something outside first, nothing of the message is written, and the call is made again with the answers.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import TypeVar

from smsd.policy.reply import Link
from smsd.policy.rules.letter import Ask, Facts, Question
from smsd.store.accepting import Accepting, Committed
from smsd.store.alerts import Alerts
from smsd.store.replies import Replies
from smsd.values.address import Address
from smsd.values.errors import Refused
from smsd.values.frozen import frozen
from smsd.values.message import Content, IdempotencyKey
from smsd.values.plan import Acceptance, Incoming

WEEK = 7 * 86_400_000
# How long a long message waits for its missing parts.
PATIENCE = 86_400_000
Item = TypeVar("Item", Incoming, "Arrival")


@frozen
class Arrival:
    """A whole message from a phone. `sender` and `own` (the number it was written to, "" when unknown) are as they came;
    `headers` is what is known of it; `key` makes a repeat harmless."""

    gateway: str
    sender: str
    content: Content
    now: int
    headers: tuple[tuple[str, str], ...] = ()
    own: str = ""
    key: IdempotencyKey | None = None
    hops: int = 0


@frozen
class Decided:
    """What is to be written of an arrival. `trash`: it is kept for some days only."""

    acceptance: Acceptance
    trash: bool = False


@frozen
class Received:
    """What an incoming SMS led to: a message id (None while parts are missing or for a repeat of a part) and lanes to wake.
    With `questions` it led to nothing yet: they have to be answered first."""

    message: int | None
    woken: tuple[int, ...] = ()
    repeated: bool = False
    questions: tuple[Question, ...] = ()


class Desk:
    """What a decision about one incoming message may ask and note, in its transaction."""

    def __init__(
        self, cursor: sqlite3.Cursor, replies: Replies, alerts: Alerts, accepting: Accepting
    ) -> None:
        self._cursor = cursor
        self._replies = replies
        self._alerts = alerts
        self._accepting = accepting
        self.woken: tuple[int, ...] = ()

    def links(self, peer: str, now: int) -> list[Link]:
        """See `Replies.links`."""
        return self._replies.links(self._cursor, peer, now)

    def hush(self, peer: str, what: str, now: int, most: int = 1) -> bool:
        """See `Replies.hush`."""
        return self._replies.hush(self._cursor, peer, what, now, most)

    def charge(self, accepted: Acceptance) -> Refused | None:
        """See `Accepting.charge`."""
        return self._accepting.charge(self._cursor, accepted)

    def answers_alert(self, peer: str, text: str, now: int) -> bool:
        """Whether it is the answer that an alert waits for; then that one is closed."""
        answered = self._alerts.answered(self._cursor, Address("sms", peer), text, now)
        self.woken += answered.woken
        return bool(answered.alerts)


Decide = Callable[[Arrival, Desk, "Facts | None"], "Decided | Ask"]


class Receiving:
    """The handlers of what comes in. `whole(first, octets)` joins the parts of a message (TPDUs, or what `core.partly` made);
    `decide(arrival, desk, facts)` says what is written, or what it has to know first (without facts it must do with defaults).
    Both are set by `core.inbound`."""

    def __init__(self, accepting: Accepting, replies: Replies, alerts: Alerts) -> None:
        self._accepting = accepting
        self._replies = replies
        self._alerts = alerts
        self.whole: Callable[[Incoming, list[bytes]], Arrival] | None = None
        self.decide: Decide | None = None

    def receive(
        self, cursor: sqlite3.Cursor, items: Sequence[tuple[Incoming, Facts | None]]
    ) -> list[Received]:
        """Handler: keep each SMS once; complete messages leave as acceptances."""
        return [self._tried(cursor, self._receive, item, facts) for item, facts in items]

    def arrive(self, cursor: sqlite3.Cursor, items: Sequence[tuple[Arrival, Facts | None]]) -> list[Received]:
        """Handler: the same for messages that came whole."""
        return [self._tried(cursor, self._arrive, item, facts) for item, facts in items]

    def _tried(
        self,
        cursor: sqlite3.Cursor,
        handle: Callable[[sqlite3.Cursor, Item, Facts | None], Received],
        item: Item,
        facts: Facts | None,
    ) -> Received:
        """One item; when it leads to a question, everything is as if it had not come yet."""
        if facts is None:
            return handle(cursor, item, facts)
        cursor.execute("savepoint arrival")
        received = handle(cursor, item, facts)
        if received.questions:
            cursor.execute("rollback to arrival")
            self._accepting.forget_lanes()  # those made meanwhile are gone
        cursor.execute("release arrival")
        return received

    def _arrive(self, cursor: sqlite3.Cursor, item: Arrival, facts: Facts | None) -> Received:
        if item.key is not None:
            row = cursor.execute(
                "select message from idempotency where scope=? and key=? and expires>?",
                (item.key.scope, item.key.key, item.now),
            ).fetchone()
            if row is not None:
                return Received(row[0], repeated=True)
        return self._decide(cursor, item, facts)

    def _receive(self, cursor: sqlite3.Cursor, item: Incoming, facts: Facts | None) -> Received:
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
            return self._accept(cursor, item, [item.octets], facts)
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
        whole = self._accept(cursor, item, [bytes(row[0]) for row in rows], facts)
        return Received(whole.message, whole.woken + woken, questions=whole.questions)

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

    def _accept(
        self, cursor: sqlite3.Cursor, item: Incoming, octets: list[bytes], facts: Facts | None
    ) -> Received:
        return Received(None) if self.whole is None else self._decide(cursor, self.whole(item, octets), facts)

    def _decide(self, cursor: sqlite3.Cursor, arrival: Arrival, facts: Facts | None) -> Received:
        if self.decide is None:
            return Received(None)
        desk = Desk(cursor, self._replies, self._alerts, self._accepting)
        decided = self.decide(arrival, desk, facts)
        if isinstance(decided, Ask):
            return Received(None, questions=decided.questions)
        committed: Committed
        (committed,) = self._accepting.write(cursor, [decided.acceptance])
        message = decided.acceptance.message
        if decided.trash:
            cursor.execute("insert into trash(message) values(?)", (message,))
        return Received(message, (*committed.lanes.values(), *desk.woken))

    def stale(self, cursor: sqlite3.Cursor, now: int) -> list[Received]:
        """Messages whose missing parts did not come within `PATIENCE` leave as far as they came, marked by `whole`. Nobody
        waits for them, and nothing is asked for them: conditions that would have to ask take their defaults."""
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
        return self._accept(cursor, first, octets, None)
