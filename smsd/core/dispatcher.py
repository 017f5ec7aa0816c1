"""The one way in: a submission is planned, committed, answered, and handed to the queue, in this order.

Holds no protocol and no policy of its own: `planning` decides, the store writes, the queue carries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, fail, gatherResults, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from smsd.core.alerted import Alerted
from smsd.core.effects import DOOR as RULES
from smsd.core.judgement import Ruled
from smsd.core.judging import Judge
from smsd.core.outputs import Outputs
from smsd.core.pingpong import PingPong
from smsd.core.planning import Planner, held
from smsd.core.protecting import DOOR as PROTECTION
from smsd.core.queue import Queue
from smsd.core.sameway import SameWay
from smsd.interfaces import IDispatcher, Session
from smsd.policy.alert import DOOR as ALERT
from smsd.policy.notice import Told, notice
from smsd.store.accepting import Committed
from smsd.store.digests import DOOR as DIGEST
from smsd.store.sqlite import SqliteStore
from smsd.values.address import Address
from smsd.values.delivery import Piece, State
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.message import Declined, IdempotencyKey, Receipt, Recipient, Submission, Text, Wants
from smsd.values.plan import Acceptance, Planned, Step

_ANY_TEXT = Text("x")


@implementer(IDispatcher)
class Dispatcher:
    """See `IDispatcher`."""

    log = Logger()

    def __init__(self, store: SqliteStore, planner: Planner, queue: Queue, judge: Judge) -> None:
        self._store = store
        self._planner = planner
        self._queue = queue
        self._judge = judge
        self._same_way = SameWay(store, planner, queue)
        self.ping_pong = PingPong(store.now)
        self._alerted = Alerted(store, queue.wake, self._answer)
        self.schemes: frozenset[str] = frozenset()  # what the configured gateways carry, running or not
        store.carrying.plan = self._plan_notice
        queue.wire.answers = Outputs(judge).of

    def vet(self, session: Session, recipient: Recipient) -> Deferred[None]:
        """Checks what can be known before the content is there: number, gateway."""
        try:
            self._planner.check(recipient, _ANY_TEXT, session.account)
        except Refused as refusal:
            return fail(refusal)
        return succeed(None)

    def submit(self, submission: Submission) -> Deferred[Receipt]:
        """Judge, plan, commit, answer; then hand over."""
        if submission.hops > self._judge.most_hops:
            return fail(
                Refused(
                    Reason.LOOP,
                    f"the message has been handed on {submission.hops} times, in a circle: the administrators of the servers it"
                    " went through can correct their gateways and rules",
                )
            )
        if self._alerted.may_answer(submission):
            return self._alerted.submitted(submission, lambda: self._submit(submission))
        found = self._same_way.find(submission)
        return found.addCallback(self._submit) if found is not None else self._submit(submission)

    def _submit(self, submission: Submission) -> Deferred[Receipt]:
        try:
            if not self._judge.at_work:
                return self.commit(self._planner.plan(submission))
            ruled = self._judge.outgoing(submission)
            return ruled.addCallback(self._ruled) if isinstance(ruled, Deferred) else self._ruled(ruled)
        except Refused as refusal:
            return fail(refusal)

    def prepare(self, submission: Submission) -> Deferred[Acceptance]:
        """Judge and plan, for a handler of the store that commits it together with something else (a job's position): no slot is
        reserved. Then `handed` gets what it has written."""
        try:
            if not self._judge.at_work:
                return succeed(self._planner.plan(submission, reserve=False))
            ruled = self._judge.outgoing(submission)
            if isinstance(ruled, Deferred):
                return ruled.addCallback(self._planned, False)
            return succeed(self._planned(ruled, False))
        except Refused as refusal:
            return fail(refusal)

    def handed(self, committed: Committed, acceptance: Acceptance) -> None:
        """What was prepared is committed: it may leave."""
        self._committed(committed, acceptance)

    def _ruled(self, ruled: Ruled) -> Deferred[Receipt]:
        """Plan and commit what the rules made of a submission, with what they send besides."""
        return self.commit(self._planned(ruled))

    def _planned(self, ruled: Ruled, reserve: bool = True) -> Acceptance:
        acceptance = self._planner.plan(ruled.submission, reserve=reserve, trace=ruled.trace)
        if not any(ruled.besides):
            return acceptance
        try:
            children = tuple(self._besides(ruled, acceptance))
        except BaseException:
            self._give_back(acceptance)
            raise
        return acceptance._replace(children=children) if children else acceptance

    def _besides(self, ruled: Ruled, acceptance: Acceptance) -> Iterator[Acceptance]:
        """What rules send because of each recipient that is taken, once for a number that is named twice. What no gateway
        carries just now waits for one; what cannot be sent at all is on record with the reason."""
        done = set()
        for entry, children in zip(acceptance.order, ruled.besides, strict=True):
            if isinstance(entry, Declined) or entry.delivery in done or entry.state is State.REJECTED:
                continue
            done.add(entry.delivery)
            for child in children:
                plan = self._child(child.submission, acceptance.message)
                yield plan
                yield from self._besides(child, plan)

    def _child(self, child: Submission, parent: int) -> Acceptance:
        try:
            plan = self._planner.plan(child, parent, reserve=False)
            if not plan.planned:
                plan = self._not_planned(child, plan)
        except Refused as refusal:
            plan = held(self._planner.unrouted(child), refusal.text, State.REJECTED)
        return plan._replace(parent=parent)

    def _not_planned(self, child: Submission, plan: Acceptance) -> Acceptance:
        """Everybody was declined: for a lack of gateways it waits, else it is rejected."""
        refusals = [entry.refusal for entry in plan.order if isinstance(entry, Declined)]
        unrouted = self._planner.unrouted(child)
        if all(refusal.reason is Reason.NO_GATEWAY for refusal in refusals):
            return unrouted
        return held(unrouted, refusals[0].text, State.REJECTED)

    def record(self, submission: Submission, reason: str) -> Deferred[Receipt]:
        """See `IDispatcher`."""
        return self.commit(held(self._planner.unrouted(submission), reason, State.CANCELLED))

    def _answer(self, submission: Submission, reason: str) -> Deferred[Receipt]:
        """Keep on record what goes no further because it has arrived."""
        return self.commit(held(self._planner.unrouted(submission), reason, State.DELIVERED))

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
        try:
            self.ping_pong.check(acceptance)
        except Refused as refusal:
            self._give_back(acceptance)
            return fail(refusal)
        done = self._store.accept(acceptance)
        return done.addCallbacks(self._committed, self._failed, (acceptance,), {}, (acceptance,), {})

    def _plan_notice(self, submission: Submission, parent: int) -> Acceptance | None:
        """The plan of a report, for the transaction of its cause; None (and a line in the log) when nothing can carry it. That
        transaction must not fail over it: what happened on the wire would not be known."""
        scheme = submission.recipients[0].address.scheme
        try:
            if submission.door == RULES and submission.account and scheme == "sms":
                self._planner.check_open(
                    submission.account
                )  # a program answers a phone, which its account pays
            acceptance = self._planner.plan(submission, parent, reserve=False)
        except (Refused, InvalidValue) as error:
            self.log.warn("nobody is told what became of message {parent}: {e}", parent=parent, e=error)
            return None
        if acceptance.planned:
            return acceptance
        if scheme in ("hook", "dlr", "spool") or (
            submission.door in ("notice", PROTECTION) and scheme in self.schemes
        ):
            # Its gateway is being made anew by a reload, or is not active: it waits.
            return self._planner.unrouted(submission)._replace(parent=parent)
        if submission.door in (ALERT, RULES) and self._may_come(submission, acceptance):
            return self._planner.unrouted(submission)._replace(parent=parent)
        if submission.door == DIGEST:
            self.log.warn(
                "what waits with message {parent} goes on waiting: no gateway carries it", parent=parent
            )
            return None
        self.log.warn(
            "nobody is told what became of message {parent}: no gateway carries {scheme}",
            parent=parent,
            scheme=scheme,
        )
        return None

    def _may_come(self, submission: Submission, acceptance: Acceptance) -> bool:
        """Whether the gateway for it is only missing just now: while one is made anew by a reload, an alert must not pass over
        everybody who could be asked, and what a program answered is said once."""
        carried = self.schemes | {"sms", "mailto"}
        if not all(recipient.address.scheme in carried for recipient in submission.recipients):
            return False  # nothing has ever carried it
        refusals = [entry.refusal.reason for entry in acceptance.order if isinstance(entry, Declined)]
        named = {recipient.parameters.gateway for recipient in submission.recipients}
        return all(
            reason is Reason.NO_GATEWAY
            or (reason is Reason.UNKNOWN_GATEWAY and named <= self._judge.gateways)
            for reason in refusals
        )

    def _committed(self, committed: Committed, acceptance: Acceptance) -> Receipt:
        if not committed.lanes:  # a repeat: what was planned for it is not needed
            self._give_back(acceptance)
            return committed.receipt
        for one in (acceptance, *acceptance.children) if acceptance.children else (acceptance,):
            for planned in one.planned:
                lane = committed.lanes[planned.delivery]
                self._queue.know(lane, planned.route, planned.flow)
                if planned.delivery in committed.held:
                    self._unreserve(planned)
                elif planned.gateway is not None:
                    # Its sender is answered first, while there is still nothing else to do for him.
                    self._store.after(partial(self._hand_over, one, planned, lane))
                elif planned.state is State.READY:
                    self._queue.wake(lane, planned.due, planned.parameters.priority, str(planned.target))
        for lane in committed.woken:
            self._queue.wake(lane)
        return committed.receipt

    def _hand_over(self, acceptance: Acceptance, planned: Planned, lane: int) -> None:
        self._queue.short.hand_over(_piece(acceptance, planned, lane))

    def _failed(self, failure: Failure, acceptance: Acceptance) -> Any:
        self._give_back(acceptance)
        if failure.check(Refused):
            return failure
        self.log.error("a message was not accepted because the store failed: {e!r}", e=failure.value)
        raise Refused(Reason.UNAVAILABLE, "the message could not be stored: please try again later")

    def _give_back(self, acceptance: Acceptance) -> None:
        for planned in acceptance.planned:
            self._unreserve(planned)

    def _unreserve(self, planned: Planned) -> None:
        if planned.gateway is not None:
            self._queue.short.unreserve(planned.gateway, planned.route, planned.flow, str(planned.target))


def _piece(acceptance: Acceptance, planned: Planned, lane: int) -> Piece:
    submission = acceptance.submission
    content = submission.content if planned.content is None else planned.content
    headers = submission.headers if planned.headers is None else planned.headers
    return Piece(
        delivery=planned.delivery, message=acceptance.message, lane=lane, gateway=planned.gateway or "",
        target=planned.target, content=content, origin=submission.origin, total=planned.parts,
        code=planned.code, reference=planned.reference, parameters=planned.parameters, headers=headers,
        ticket=submission.ticket, account=submission.account, arrived=acceptance.now, expires=planned.expires,
        report=planned.report, wants=planned.wants, hops=submission.hops,
    )  # fmt: skip
