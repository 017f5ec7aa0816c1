"""Writing what was accepted: idempotency, limits, lanes, message and delivery rows, for a whole group at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from smsd.policy.alert import CHATS
from smsd.store.credit import Credit
from smsd.store.lanes import Lanes
from smsd.store.limiting import Limiting
from smsd.store.replies import Replies
from smsd.store.rows import (
    CONTENT,
    DELIVERY,
    MESSAGE,
    answer_json,
    answer_of,
    content_row,
    delivery_row,
    message_row,
    receipt_of,
)
from smsd.store.watching import Watching, held
from smsd.values.address import Address
from smsd.values.delivery import State
from smsd.values.errors import Reason, Refused
from smsd.values.frozen import frozen
from smsd.values.message import Receipt, Text
from smsd.values.plan import Acceptance, Limit, Planned

Answers = Callable[[sqlite3.Cursor, Address, str, int], "tuple[tuple[int, ...], tuple[int, ...]]"]
Care = Callable[[sqlite3.Cursor, Acceptance, Planned], "tuple[Planned, int | None]"]


@frozen
class Committed:
    """What an accept wrote: the receipt for the door, and per delivery its lane (empty for a replay). `held`: those that stay
    because their account is held, whatever their plan says; `woken`: lanes that have something besides."""

    receipt: Receipt
    lanes: dict[int, int]
    held: frozenset[int] = frozenset()
    woken: tuple[int, ...] = ()


class Accepting:
    """The accept handler; `write` is also what follow-ups (reports, incoming messages) go through. `care` says how a delivery
    leaves for which rules have wishes, and which window it waits in (`store.gathering`); `answers` whether a text is the answer
    that an alert waits for (`store.alerts`)."""

    def __init__(self, lanes: Lanes, session: int, replies: Replies, limiting: Limiting) -> None:
        self._limiting = limiting
        self._lanes = lanes
        self._session = session
        self._replies = replies
        self.care: Care | None = None
        self.answers: Answers | None = None
        self.credit = Credit()
        self.watching = Watching()
        self.doors: frozenset[str] = frozenset()  # those whose messages are counted for good

    def forget_lanes(self) -> None:
        """Lanes that were made since the transaction (or a part of it) began are gone again."""
        self._lanes.forget()
        self.watching.forget()

    def accept(self, cursor: sqlite3.Cursor, items: Sequence[Acceptance]) -> list[Committed | Exception]:
        """Handler: one Committed or Refused per acceptance."""
        results: list[Committed | Exception | None] = [None] * len(items)
        known = self._known(cursor, items)
        counted = self._counts(cursor, items)
        credit = self.credit.available(cursor, items)
        writing: list[tuple[int, Acceptance]] = []
        stopped: dict[int, str] = {}
        for index, accepted in enumerate(items):
            key = accepted.submission.key
            if key is not None and (key.scope, key.key) in known:
                results[index] = _repeat(known[key.scope, key.key], key.fingerprint)
                continue
            over = self.credit.refuse(accepted, credit) if credit else None
            over = over or _over_limit(accepted, counted)
            if over is not None:
                results[index] = over
                continue
            if accepted.limit is not None and accepted.limit.watched and self.watching.bounds.hold:
                why, begins = self.watching.look(cursor, accepted, _counted(accepted))
                if why:
                    accepted = held(accepted, why)
                    stopped[index] = why if begins else ""
            writing.append((index, accepted))
            if credit:
                self.credit.spend(accepted, credit)
            if key is not None:
                known[key.scope, key.key] = (key.fingerprint, accepted)
        if credit:
            self.credit.reserve(cursor, [accepted for _, accepted in writing])
        for (index, _), committed in zip(writing, self.write(cursor, [a for _, a in writing]), strict=True):
            results[index] = committed
        for index, accepted in writing:
            if accepted.submission.origin.scheme in CHATS and self.answers is not None:
                results[index] = self._answering(cursor, accepted, results[index], self.answers)
        if stopped:
            self._stopped(cursor, stopped, dict(writing), results)
        _count(cursor, [accepted for _, accepted in writing], self.doors)
        return [result for result in results if result is not None]

    def _answering(
        self, cursor: sqlite3.Cursor, accepted: Acceptance, committed: Any, answers: Answers
    ) -> Any:
        """What somebody writes in a chat goes its way, and may be the answer to an alert as well."""
        content, who = accepted.submission.content, accepted.submission.origin
        if not isinstance(content, Text):
            return committed
        _, woken = answers(cursor, who, content.text, accepted.now)
        return replace(committed, woken=woken) if woken else committed

    def charge(self, cursor: sqlite3.Cursor, accepted: Acceptance) -> Refused | None:
        """Count what an account pays for that another handler is going to `write`; Refused when its month or its credit does not
        cover it, and then nothing is counted."""
        credit = self.credit.available(cursor, [accepted])
        over = self.credit.refuse(accepted, credit) or _over_limit(accepted, self._counts(cursor, [accepted]))
        if over is None and accepted.limit and accepted.limit.watched and self.watching.bounds.hold:
            over = self._stays(cursor, accepted)
        if over is None:
            _count(cursor, [accepted], self.doors)
            if credit:
                self.credit.reserve(cursor, [accepted])
        return over

    def _stopped(
        self, cursor: sqlite3.Cursor, stopped: dict[int, str], writing: dict[int, Acceptance],
        results: list[Committed | Exception | None],
    ) -> None:  # fmt: skip
        """Say of acceptances of held accounts which deliveries stay; where that begins (with a reason), tell people."""
        for index, why in stopped.items():
            accepted, committed = writing[index], results[index]
            assert isinstance(committed, Committed)
            assert accepted.limit is not None
            staying = frozenset(
                planned.delivery
                for one in (accepted, *accepted.children)
                for planned in one.planned
                if planned.state is State.HELD
            )
            results[index] = replace(committed, held=staying)
            if why:
                self.watching.started(cursor, accepted.limit.account, why, accepted.message)

    def _stays(self, cursor: sqlite3.Cursor, accepted: Acceptance) -> Refused | None:
        """Why nothing goes out because the account is held, where it cannot wait itself: a job, which pauses; what a phone has
        set off."""
        assert accepted.limit is not None
        account = accepted.limit.account
        why, begins = self.watching.look(cursor, accepted, _counted(accepted))
        if not why:
            return None
        if begins:
            self.watching.started(cursor, account, why, accepted.message)
        return Refused(
            Reason.OVER_LIMIT,
            f"account {account} is held ({why}): smsd account release {account} lets it go on",
        )

    def write(self, cursor: sqlite3.Cursor, items: Sequence[Acceptance]) -> list[Committed]:
        """Insert the rows of these acceptances, without asking anything."""
        messages: list[tuple[Any, ...]] = []
        deliveries: list[tuple[Any, ...]] = []
        contents: list[tuple[Any, ...]] = []
        waiting: list[tuple[int, int]] = []
        keys = []
        results = []
        for accepted in items:
            lanes: dict[int, int] = {}
            for one in (accepted, *accepted.children) if accepted.children else (accepted,):
                messages.append(message_row(one))
                for planned in one.planned:
                    lane = self._lanes.of(cursor, planned.route, planned.flow)
                    lanes[planned.delivery] = lane
                    if planned.gather and self.care is not None:
                        planned, window = self.care(cursor, one, planned)
                        if planned.state is State.CANCELLED:
                            self.credit.given_up(cursor, [planned.delivery], one.now)
                        if window is not None:
                            waiting.append((window, planned.delivery))
                    deliveries.append(delivery_row(one, planned, lane, self._session))
                    if planned.content is not None:
                        contents.append(content_row(planned, one.submission))
            receipt = receipt_of(accepted)
            key = accepted.submission.key
            if key is not None:
                keys.append(
                    (
                        key.scope,
                        key.key,
                        key.fingerprint,
                        accepted.message,
                        answer_json(receipt),
                        accepted.key_expires,
                    )
                )
            results.append(Committed(receipt, lanes))
        if messages:
            cursor.executemany(MESSAGE, messages)
            cursor.executemany(DELIVERY, deliveries)
            self._replies.record(cursor, items)
            if self._limiting.meters:
                self._limiting.accepted(cursor, items)
        if contents:
            cursor.executemany(CONTENT, contents)
        if waiting:
            cursor.executemany("update delivery set gathering=? where id=?", waiting)
        if keys:
            cursor.executemany(
                "insert into idempotency(scope,key,fingerprint,message,answer,expires) values(?,?,?,?,?,?)"
                " on conflict(scope,key) do update set fingerprint=excluded.fingerprint,"
                " message=excluded.message, answer=excluded.answer, expires=excluded.expires",
                keys,
            )
        return results

    def _known(
        self, cursor: sqlite3.Cursor, items: Sequence[Acceptance]
    ) -> dict[tuple[str, str], tuple[bytes, str | Acceptance]]:
        wanted = {(a.submission.key.scope, a.submission.key.key): a.now for a in items if a.submission.key}
        if not wanted:
            return {}
        marks = ",".join("(?,?)" for _ in wanted)
        rows = cursor.execute(
            # As a join: `(scope,key) in (values …)` would read the whole table.
            "select i.scope, i.key, i.fingerprint, i.answer, i.expires"
            f" from (values {marks}) v cross join idempotency i on i.scope=v.column1 and i.key=v.column2",
            [text for pair in wanted for text in pair],
        )
        return {
            (scope, key): (bytes(fingerprint), answer)
            for scope, key, fingerprint, answer, expires in rows
            if expires > wanted[scope, key]
        }

    def _counts(self, cursor: sqlite3.Cursor, items: Sequence[Acceptance]) -> dict[tuple[str, str], int]:
        counts: dict[tuple[str, str], int] = {}
        for accepted in items:
            limit = accepted.limit
            if limit is None or not (limit.most or limit.group_most):
                continue
            if limit.most:
                counts[limit.account, limit.period] = 0
            if limit.group_most:
                counts[group_counter(limit.group), limit.period] = 0
        for account, period in counts:
            row = cursor.execute(
                "select n from counter where account=? and period=?", (account, period)
            ).fetchone()
            if row:
                counts[account, period] = row[0]
        return counts


def _repeat(before: tuple[bytes, str | Acceptance], fingerprint: bytes) -> Committed | Refused:
    """The answer of the first request, kept as JSON, or to be made from what the same group accepts."""
    if before[0] != fingerprint:
        return Refused(
            Reason.CONFLICT, "this key was used for another message: use a new key for a new message"
        )
    first = before[1]
    return Committed(
        answer_of(first) if isinstance(first, str) else replace(receipt_of(first), replayed=True), {}
    )


def _over_limit(accepted: Acceptance, counts: dict[tuple[str, str], int]) -> Refused | None:
    limit = accepted.limit
    if limit is None or not (limit.most or limit.group_most):
        return None
    more = _counted(accepted)
    covered = []
    for counter, who, most in (
        (limit.account, f"account {limit.account}", limit.most),
        (group_counter(limit.group), f"the group {limit.group}", limit.group_most),
    ):
        if not most:
            continue
        sent = counts[counter, limit.period]
        if sent + more > most:
            return Refused(
                Reason.OVER_LIMIT,
                f"{who} may send {most} messages a month and has sent {sent}: {more} more are not covered",
            )
        covered.append((counter, sent + more))
    for counter, sent in covered:
        counts[counter, limit.period] = sent
    return None


def group_counter(group: str) -> str:
    """Under which name what a group sends is counted; no account has a colon in its name."""
    return f"group:{group}"


def door_counter(door: str) -> str:
    """The same for what comes in by a door; its period is "", for ever."""
    return f"door:{door}"


def _counted(accepted: Acceptance) -> int:
    """What the account pays for: its messages, but for those that rules have deleted, and the SMS that rules send because of
    them. Else a rule would be a way around the limit."""
    more = sum(planned.state < State.DELIVERED for planned in accepted.planned)
    for child in accepted.children:
        more += sum(
            planned.state < State.DELIVERED and planned.target.scheme == "sms" for planned in child.planned
        )
    return more


def _count(cursor: sqlite3.Cursor, items: Sequence[Acceptance], doors: frozenset[str]) -> None:
    totals: dict[tuple[str, str], tuple[int, int]] = {}
    for accepted in items:
        if accepted.submission.door in doors:
            counter = door_counter(accepted.submission.door)
            n, _ = totals.get((counter, ""), (0, 0))
            n += sum(planned.state < State.DELIVERED for planned in accepted.planned)
            totals[counter, ""] = (n, accepted.now)
        limit: Limit | None = accepted.limit
        if limit is not None:
            more, period = _counted(accepted), limit.period
            n, _ = totals.get((limit.account, period), (0, 0))
            totals[limit.account, period] = (n + more, accepted.now)
            if limit.group:
                counter = group_counter(limit.group)
                n, _ = totals.get((counter, period), (0, 0))
                totals[counter, period] = (n + more, accepted.now)
    if totals:
        cursor.executemany(
            "insert into counter(account, period, n, last) values(?,?,?,?) on conflict(account, period)"
            " do update set n = n + excluded.n, last = excluded.last",
            [(account, period, n, last) for (account, period), (n, last) in totals.items()],
        )
