"""Taking work out of lanes and settling it: claims, outcomes, recovery after a crash."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from smsd.policy import route as routes
from smsd.policy.limits import Charge
from smsd.policy.notice import notice
from smsd.policy.step import after_crash, after_outcome
from smsd.store.accepting import Accepting
from smsd.store.claiming import Probe as Probe
from smsd.store.claiming import Take as Take
from smsd.store.claiming import Taken as Taken
from smsd.store.claiming import claim, due_next
from smsd.store.digests import DOOR as DIGEST
from smsd.store.digests import tell_later
from smsd.store.lanes import Lanes
from smsd.store.ledger import Ledger, names_of
from smsd.store.limiting import Limiting
from smsd.store.replies import Replies
from smsd.store.rows import LOAD, piece_of, told_of, view_of
from smsd.values.delivery import Accepted, Failure, Piece, Scope, State
from smsd.values.frozen import frozen
from smsd.values.message import Submission
from smsd.values.plan import Acceptance, Settlement, Step, View

UPDATE = (
    # What is SENT is sent whole, also by a gateway that knows no parts.
    "update delivery set state=?1, sent=iif(?1=2, pieces, ?2), tries=?3, due=?4, deadline=coalesce(?5, deadline),"
    " maybe_twice=?6, reason=coalesce(?7, reason), network_reference=coalesce(?8, network_reference), lane=?9,"
    " session=?10, finished=?11 where id=?12"
)


# Answers of programs, URLs and statements to one phone within an hour: two machines that answer each other come to rest.
MOST_ANSWERS = 20


@frozen
class Settled:
    """The step that was written (None: the delivery was no longer ours), its lane, and lanes that got something new."""

    step: Step | None
    lane: int
    woken: tuple[int, ...] = ()


class Carrying:
    """Handlers around the wire. `plan` turns a report's Submission into an Acceptance (set by the dispatcher)."""

    def __init__(
        self, lanes: Lanes, session: int, accepting: Accepting, replies: Replies, limiting: Limiting
    ) -> None:
        self._limiting = limiting
        self._lanes = lanes
        self._session = session
        self._accepting = accepting
        self._credit = accepting.credit
        self._replies = replies
        self.ledger = Ledger(self.write_step, self._tell)
        self.plan: Callable[[Submission, int], Acceptance | None] | None = None

    # -- taking

    def take(self, cursor: sqlite3.Cursor, items: Sequence[Take]) -> list[Taken]:
        """Handler: claim up to `slots` due deliveries per gateway; never two to one target of a lane that needs order."""
        targets: set[tuple[int, str]] = set()
        return [self._take(cursor, item, targets) for item in items]

    def _take(self, cursor: sqlite3.Cursor, item: Take, targets: set[tuple[int, str]]) -> Taken:
        claimed: list[int] = []
        probed: dict[Probe, bool] = {}  # and whether it could have given more slots work
        budget = None if item.meter is None else item.meter.budget(item.now)
        passed: set[Probe] = set()
        shunned: set[Probe] = set()
        for probe in item.probes:
            room = item.slots - len(claimed)
            if not room:
                break
            found = claim(cursor, probe, room, item, targets, budget, shunned)
            probed[probe] = len(found) < room
            claimed += found
            if budget is not None:
                if budget.passed:
                    passed.add(probe)
                    budget.passed = False
                if budget.short:
                    probed[probe] = False
                    break
        if not claimed and item.shun:
            return self._take(cursor, replace(item, shun=frozenset()), targets)
        pieces = self._begin(cursor, claimed, item)
        next_due = {probe: due_next(cursor, probe) for probe in probed}
        held_up = {
            probe: due_next(cursor, probe, item.now)
            for probe, due in next_due.items()
            if probed[probe] and due is not None and due <= item.now and probe not in shunned | passed
        }
        if budget is None:
            return Taken(pieces, next_due, held_up)
        costs = tuple(budget.costs)
        charges = [
            Charge(item.now, n - (piece.total - piece.seq), str(piece.target))
            for piece, n in zip(pieces, costs, strict=True)
        ]
        self._limiting.write(cursor, item.gateway, charges)
        return Taken(pieces, next_due, held_up, costs, frozenset(passed), budget.short)

    def _begin(self, cursor: sqlite3.Cursor, claimed: list[int], item: Take) -> list[Piece]:
        """The pieces of what is claimed, each on the wire."""
        if not claimed:
            return []
        marks = ",".join("?" * len(claimed))
        rows = {row["id"]: row for row in cursor.execute(f"{LOAD} where d.id in ({marks})", claimed)}
        cursor.executemany(
            "update delivery set state=1, session=?, gateway=? where id=?",
            [(self._session, item.gateway, delivery) for delivery in claimed],
        )
        return [
            piece_of(rows[delivery], item.gateway, parts=item.parts, whole_text=item.whole_text)
            for delivery in claimed
        ]

    def release(self, cursor: sqlite3.Cursor, items: Sequence[Piece]) -> list[int]:
        """Handler: give claimed deliveries back that were not handed to a gateway (again, after their first parts);
        gives the lane each now waits in."""
        lanes = [self._stick(cursor, p.lane, p.gateway) if p.seq > 1 else p.lane for p in items]
        cursor.executemany(
            "update delivery set state=0, session=null, lane=? where id=? and session=?",
            [(lane, piece.delivery, self._session) for lane, piece in zip(lanes, items, strict=True)],
        )
        return lanes

    # -- settling

    def settle(self, cursor: sqlite3.Cursor, items: Sequence[Settlement]) -> list[Settled]:
        """Handler: write what became of pieces. The fence: only of those that are still on the wire, and ours."""
        mine = {
            row[0]
            for row in cursor.execute("select id from delivery where state=1 and session=?", (self._session,))
        }
        steps = [(item, after_outcome(_view(item), item.outcome, item.now)) for item in items]
        lanes = {item.piece.delivery: self._lane_after(cursor, item, step) for item, step in steps}
        ours = [(item, step) for item, step in steps if item.piece.delivery in mine]
        cursor.executemany(
            UPDATE, [self._updated(item, step, lanes[item.piece.delivery]) for item, step in ours]
        )
        self._record(cursor, ours)
        if self._limiting.meters:
            self._limiting.settled(cursor, ours)
        if self._credit.posted:
            self._credit.settled(cursor, ours)
        results = []
        for item, step in steps:
            delivery = item.piece.delivery
            if delivery not in mine:
                woken = self._taken_all_the_same(cursor, item, step)
                results.append(Settled(None, lanes[delivery], tuple(woken)))
                continue
            woken = self._tell(cursor, delivery, step, item.now)
            if item.space:
                woken += self.ledger.remember(cursor, item)
            if item.answers:
                woken += self._answer(cursor, item)
            results.append(Settled(step, lanes[delivery], tuple(woken)))
        return results

    def _taken_all_the_same(self, cursor: sqlite3.Cursor, item: Settlement, step: Step) -> list[int]:
        """A part was on the wire while the network reported that another one had failed: what it is called is noted too, because
        reports that all of them are delivered correct that. Gives the lanes to wake."""
        piece = item.piece
        if not item.space or not isinstance(item.outcome, Accepted):
            return []
        cursor.execute(
            "update delivery set sent=? where id=? and state in (?,?) and session is null and sent=? and gateway=?",
            (piece.seq, piece.delivery, int(State.FAILED), int(State.EXPIRED), piece.seq - 1, piece.gateway),
        )
        if not cursor.rowcount:
            return []
        self._record(cursor, [(item, step)])
        return self.ledger.remember(cursor, item)

    def _updated(self, item: Settlement, step: Step, lane: int) -> tuple[Any, ...]:
        """The columns of UPDATE."""
        reference = item.outcome.reference if isinstance(item.outcome, Accepted) else None
        return (
            int(step.state), step.sent, step.tries, step.due, 0 if step.final else step.deadline,
            int(step.maybe_twice), step.reason, reference, lane,
            self._session if step.state is State.SENDING else None,
            item.now if step.final else None, item.piece.delivery,
        )  # fmt: skip

    def _lane_after(self, cursor: sqlite3.Cursor, item: Settlement, step: Step) -> int:
        """Where a delivery waits after this step; what others have been asked for is noted beside it."""
        lane, delivery = item.piece.lane, item.piece.delivery
        if step.stick:
            return self._stick(cursor, lane, item.piece.gateway)
        base, asked = routes.split(item.route)
        if step.elsewhere:
            tried = (*asked, item.piece.gateway)
            lane = self._beside(cursor, lane, routes.without(item.route, item.piece.gateway))
        elif asked and step.state is State.READY and not _too_fast(item):
            tried, lane = (), self._beside(cursor, lane, base)
        else:
            return lane
        cursor.execute(
            "update delivery set tried=? where id=? and state=1 and session=?",
            (",".join(tried) or None, delivery, self._session),
        )
        return lane

    def _stick(self, cursor: sqlite3.Cursor, lane: int, gateway: str) -> int:
        """The lane of the same flow that only this gateway serves."""
        return self._beside(cursor, lane, f"gw:{gateway}")

    def _beside(self, cursor: sqlite3.Cursor, lane: int, route: str) -> int:
        """The lane of the same flow with another route."""
        (flow,) = cursor.execute("select flow from lane where id=?", (lane,)).fetchone()
        return self._lanes.of(cursor, route, flow)

    def _record(self, cursor: sqlite3.Cursor, settled: list[tuple[Settlement, Step]]) -> None:
        pieces, attempts = [], []
        for item, step in settled:
            piece = item.piece
            if isinstance(item.outcome, Accepted):
                if piece.total > 1:
                    pieces.append(
                        (piece.delivery, piece.seq, piece.gateway, item.outcome.reference, item.now)
                    )
                elif item.outcome.more:  # taken whole, and named part by part
                    pieces += [
                        (piece.delivery, part, piece.gateway, name, item.now)
                        for part, name in enumerate(names_of(item.outcome), 1)
                    ]
            elif step.attempt:
                attempts.append(
                    (piece.delivery, piece.seq, piece.gateway, item.now, item.took, item.outcome.kind.value,
                     item.outcome.reason)
                )  # fmt: skip
        if pieces:
            cursor.executemany(
                "insert or replace into piece(delivery, seq, gateway, reference, at) values(?,?,?,?,?)",
                pieces,
            )
        if attempts:
            cursor.executemany(
                "insert into attempt(delivery, seq, gateway, at, took, outcome, reason) values(?,?,?,?,?,?,?)",
                attempts,
            )

    # -- shared with the sweeper and the operator's verbs

    def write_step(self, cursor: sqlite3.Cursor, row: Any, step: Step, now: int) -> None:
        """Write a step over a loaded row that is not on the wire (or no longer matters there)."""
        lane = self._stick(cursor, row["lane"], row["gateway"]) if step.stick else row["lane"]
        cursor.execute(
            "update delivery set state=?, sent=?, tries=?, due=?, deadline=coalesce(?, deadline), maybe_twice=?,"
            " reason=coalesce(?, reason), lane=?, session=null, finished=? where id=?",
            (int(step.state), step.sent, step.tries, step.due or row["due"], 0 if step.final else step.deadline,
             int(step.maybe_twice), step.reason, lane, now if step.final else None, row["id"]),
        )  # fmt: skip
        if self._credit.posted:
            self._credit.stepped(cursor, row, step, now)

    def _tell(self, cursor: sqlite3.Cursor, delivery: int, step: Step, now: int) -> list[int]:
        if not step.notice:
            return []
        row = cursor.execute(LOAD + "where d.id=?", (delivery,)).fetchone()
        return self.tell(cursor, row, step, now)

    def tell(self, cursor: sqlite3.Cursor, row: Any, step: Step, now: int) -> list[int]:
        """Submit the report of this step, if somebody wants it, in this transaction; gives the lanes to wake."""
        if row["door"] == DIGEST:
            tell_later(cursor, row, step)
            return []
        submission = notice(told_of(row), step, now)
        if submission is None or self.plan is None:
            return []
        accepted = self.plan(submission, row["message"])
        if accepted is None:
            return []
        (committed,) = self._accepting.write(cursor, [accepted])
        return list(committed.lanes.values())

    def _answer(self, cursor: sqlite3.Cursor, item: Settlement) -> list[int]:
        """Submit what a rule's program, URL or statement answered to whoever is to hear it; gives the lanes to wake."""
        piece, (submission, *further) = item.piece, item.answers
        (recipient,) = submission.recipients
        if self.plan is None:
            return []
        if recipient.refused is not None:
            return _unsaid(cursor, piece, recipient.refused.text)
        to = recipient.address
        if to.scheme == "sms" and not self._replies.hush(cursor, to.target, "answer", item.now, MOST_ANSWERS):
            return _unsaid(cursor, piece, f"this phone has had {MOST_ANSWERS} within an hour")
        accepted = self.plan(submission, piece.message)
        if accepted is None:
            return []
        planned = (self.plan(one, accepted.message) for one in further)
        accepted = accepted._replace(children=tuple(one for one in planned if one is not None))
        if to.scheme == "sms" and piece.account is not None:  # whose rule it was, or whose message, pays
            over = self._accepting.charge(cursor, accepted)
            if over is not None:
                return _unsaid(cursor, piece, over.text)
        (committed,) = self._accepting.write(cursor, [accepted])
        return list(committed.lanes.values())

    def recover(self, cursor: sqlite3.Cursor, items: Sequence[tuple[dict[str, str], int]]) -> list[int]:
        """Handler: everything a dead session had on the wire is in doubt; gives how many there were."""
        counts = []
        for in_doubt, now in items:
            rows = cursor.execute(LOAD + "where d.state=1 and d.session<>?", (self._session,)).fetchall()
            for row in rows:
                step = after_crash(view_of(row, in_doubt.get(row["gateway"] or "", "resend")))
                self.write_step(cursor, row, step, now)
                cursor.execute(
                    "insert into attempt(delivery, seq, gateway, at, outcome, reason) values(?,?,?,?,?,?)",
                    (row["id"], row["sent"] + 1, row["gateway"], now, "unknown", step.reason),
                )
            counts.append(len(rows))
        return counts


def _view(item: Settlement) -> View:
    piece = item.piece
    return View(
        state=State.SENDING, tries=piece.tries, sent=piece.seq - 1, total=piece.total, expires=piece.expires,
        wants=piece.wants, report=piece.report and item.space != "", maybe_twice=piece.maybe_twice,
        in_doubt=item.in_doubt, seq=piece.seq, others=item.others, asked="!" in item.route, blamed=item.blamed,
    )  # fmt: skip


def _unsaid(cursor: sqlite3.Cursor, piece: Piece, why: str) -> list[int]:
    """The answer of a program, URL or statement goes nowhere; wakes nobody."""
    reason = f"its answer was not sent: {why}"
    cursor.execute("update delivery set reason=? where id=?", (reason, piece.delivery))
    return []


def _too_fast(item: Settlement) -> bool:
    return isinstance(item.outcome, Failure) and item.outcome.scope is Scope.SPEED
