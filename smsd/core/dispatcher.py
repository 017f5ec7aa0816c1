"""The one way in: a submission is planned, committed, answered, and handed to the queue, in this order.

Holds no protocol and no policy of its own: `planning` decides, the store writes, the queue carries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, fail, gatherResults, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from smsd.core.planning import Planner, held
from smsd.core.queue import Queue
from smsd.interfaces import IDispatcher, Session
from smsd.policy.notice import Told, notice
from smsd.store.accepting import Committed
from smsd.store.sqlite import SqliteStore
from smsd.values.address import Address
from smsd.values.delivery import Piece, State
from smsd.values.errors import Reason, Refused
from smsd.values.message import Declined, IdempotencyKey, Receipt, Recipient, Submission, Text, Wants
from smsd.values.plan import Acceptance, Planned, Step

_ANY_TEXT = Text("x")


@implementer(IDispatcher)
class Dispatcher:
    """See `IDispatcher`."""

    log = Logger()

    def __init__(self, store: SqliteStore, planner: Planner, queue: Queue) -> None:
        self._store = store
        self._planner = planner
        self._queue = queue
        store.carrying.plan = self._plan_notice

    def vet(self, session: Session, recipient: Recipient) -> Deferred[None]:
        """Checks what can be known before the content is there: number, gateway."""
        try:
            self._planner.check(recipient, _ANY_TEXT, session.account)
        except Refused as refusal:
            return fail(refusal)
        return succeed(None)

    def submit(self, submission: Submission) -> Deferred[Receipt]:
        """Plan, commit, answer; then hand over."""
        try:
            acceptance = self._planner.plan(submission)
        except Refused as refusal:
            return fail(refusal)
        return self.commit(acceptance)

    def record(self, submission: Submission, reason: str) -> Deferred[Receipt]:
        """See `IDispatcher`."""
        return self.commit(held(self._planner.unrouted(submission), reason, State.CANCELLED))

    def bounce(self, submission: Submission, message: int, declined: Sequence[Declined]) -> Deferred[None]:
        """See `IDispatcher`."""
        now = self._store.now()
        telling = []
        for one in declined:
            told = Told(
                message, 0, Address("sms", one.typed), one.typed, "", submission.content, submission.ticket, Wants.FAILURE,
                now, now, 1, submission.account,
            )  # fmt: skip
            status = "5" + one.refusal.reason.enhanced[1:]
            report = notice(
                told, Step(State.REJECTED, reason=one.refusal.text, notice="failed", status=status), now
            )
            acceptance = report and self._plan_notice(
                replace(report, key=IdempotencyKey("bounce", f"{message}|{one.typed}")), message
            )
            if acceptance:
                telling.append(self.commit(acceptance))
        return gatherResults(telling, consumeErrors=True).addCallback(lambda _: None)

    def commit(self, acceptance: Acceptance) -> Deferred[Receipt]:
        """Write a planned submission; fires with the receipt after the commit."""
        if not acceptance.planned:
            return succeed(
                Receipt(0, tuple(entry for entry in acceptance.order if not isinstance(entry, Planned)))
            )
        done = self._store.accept(acceptance)
        return done.addCallbacks(self._committed, self._failed, (acceptance,), {}, (acceptance,), {})

    def _plan_notice(self, submission: Submission, parent: int) -> Acceptance | None:
        """The plan of a report, for the transaction of its cause; None (and a line in the log) when nothing can carry it."""
        acceptance = self._planner.plan(submission, parent, reserve=False)
        if acceptance.planned:
            return acceptance
        self.log.warn(
            "nobody is told what became of message {parent}: no gateway carries {scheme}",
            parent=parent,
            scheme=submission.recipients[0].address.scheme,
        )
        return None

    def _committed(self, committed: Committed, acceptance: Acceptance) -> Receipt:
        if not committed.lanes:  # a repeat: what was planned for it is not needed
            self._give_back(acceptance)
            return committed.receipt
        for one in (acceptance, *acceptance.children) if acceptance.children else (acceptance,):
            for planned in one.planned:
                lane = committed.lanes[planned.delivery]
                self._queue.know(lane, planned.route, planned.flow)
                if planned.gateway is not None:
                    self._queue.hand_over(_piece(one, planned, lane))
                elif planned.state is State.READY:
                    self._queue.wake(lane, planned.due, planned.parameters.priority, str(planned.target))
        return committed.receipt

    def _failed(self, failure: Failure, acceptance: Acceptance) -> Any:
        self._give_back(acceptance)
        if failure.check(Refused):
            return failure
        self.log.error("a message was not accepted because the store failed: {e!r}", e=failure.value)
        raise Refused(Reason.UNAVAILABLE, "the message could not be stored: please try again later")

    def _give_back(self, acceptance: Acceptance) -> None:
        for planned in acceptance.planned:
            if planned.gateway is not None:
                self._queue.unreserve(planned.gateway, planned.route, planned.flow, str(planned.target))


def _piece(acceptance: Acceptance, planned: Planned, lane: int) -> Piece:
    submission = acceptance.submission
    content = submission.content if planned.content is None else planned.content
    headers = submission.headers if planned.headers is None else planned.headers
    return Piece(
        delivery=planned.delivery, message=acceptance.message, lane=lane, gateway=planned.gateway or "",
        target=planned.target, content=content, origin=submission.origin, total=planned.parts,
        code=planned.code, reference=planned.reference, parameters=planned.parameters, headers=headers,
        ticket=submission.ticket, account=submission.account, arrived=acceptance.now, expires=planned.expires,
        report=planned.report,
    )  # fmt: skip
