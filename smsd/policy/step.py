"""What becomes of a delivery: the one retry policy of the house.

`next_step(view, event, now)` answers every event (an outcome, a report, a deadline) with the delivery's next state. Trouble
with a gateway costs the message no try: its lane is closed, the message stays ready. Unknown outcomes follow the
gateway's `in_doubt` policy, and every resend after one is marked.
"""

from __future__ import annotations

from smsd.values.delivery import Accepted, Failure, Kind, NetworkReport, Scope, State
from smsd.values.message import Wants
from smsd.values.plan import Step, View

MINUTE = 60_000
# Waits between tries of a message that its network refused for now; the last one repeats until expiry.
BACK_OFF = tuple(minutes * MINUTE for minutes in (1, 2, 5, 10, 20, 30, 60))
# A gateway that fell silent may be back at once; its lane is closed, so this only keeps a broken pair from spinning.
IN_DOUBT_WAIT = 15_000
# How long a sent message waits for its delivery report before nobody expects one any more.
REPORT_PATIENCE = 3 * 24 * 60 * MINUTE


def back_off(tries: int) -> int:
    """Milliseconds to wait after the `tries`-th failed try (1-based)."""
    return BACK_OFF[min(tries, len(BACK_OFF)) - 1]


def after_outcome(view: View, outcome: Accepted | Failure, now: int) -> Step:
    """A piece came back: `view.seq` of `view.total` was on the wire."""
    if isinstance(outcome, Accepted):
        return _after_yes(view, now)
    if outcome.kind is Kind.PERMANENT and outcome.scope is Scope.MESSAGE:
        return Step(
            State.FAILED, tries=view.tries + 1, sent=view.sent, maybe_twice=view.maybe_twice,
            reason=outcome.reason, notice="failed", status=outcome.status or "5.0.0",
            attempt=True, final=True,
        )  # fmt: skip
    if outcome.maybe_sent:
        return _after_doubt(view, outcome, now)
    if outcome.scope is not Scope.MESSAGE:
        return Step(
            State.READY, due=now, tries=view.tries, sent=view.sent,
            maybe_twice=view.maybe_twice, reason=outcome.reason, attempt=True, stick=view.sent > 0,
        )  # fmt: skip
    tries = view.tries + 1
    wait = int(outcome.retry_after * 1000) if outcome.retry_after is not None else back_off(tries)
    return Step(
        State.READY, due=now + wait, tries=tries, sent=view.sent,
        maybe_twice=view.maybe_twice, reason=outcome.reason, attempt=True, stick=view.sent > 0,
    )  # fmt: skip


def _after_yes(view: View, now: int) -> Step:
    if view.seq < view.total:
        return Step(State.SENDING, tries=view.tries, sent=view.seq, maybe_twice=view.maybe_twice)
    return Step(
        State.SENT, tries=view.tries, sent=view.total, maybe_twice=view.maybe_twice,
        deadline=max(view.expires, now) + REPORT_PATIENCE if view.report else 0,
        final=not view.report,
    )  # fmt: skip


def _after_doubt(view: View, outcome: Failure, now: int) -> Step:
    if view.in_doubt == "hold":
        return Step(
            State.HELD, tries=view.tries, sent=view.sent, maybe_twice=view.maybe_twice,
            reason=f"in doubt: {outcome.reason}", attempt=True, stick=True,
        )  # fmt: skip
    return Step(
        State.READY, due=now + IN_DOUBT_WAIT * min(view.tries + 1, 20), tries=view.tries + 1, sent=view.sent, maybe_twice=True, reason=f"in doubt, sent again: {outcome.reason}",
        attempt=True, stick=view.sent > 0,
    )  # fmt: skip


def after_crash(view: View, now: int) -> Step:
    """The process that had it on the wire is gone: nobody knows whether the network took it."""
    unknown = Failure(Kind.UNKNOWN, "smsd stopped while it was on the wire", maybe_sent=True)
    step = _after_doubt(view, unknown, now)
    if step.state is State.READY:
        return Step(
            State.READY, due=now, tries=view.tries, sent=view.sent, maybe_twice=True,
            reason=step.reason, attempt=True, stick=view.sent > 0,
        )  # fmt: skip
    return step


def after_report(view: View, report: NetworkReport, now: int, *, all_delivered: bool) -> Step | None:
    """The network tells what became of a piece; None when nothing changes (still trying, or other parts awaited)."""
    if view.state not in (State.SENT, State.SENDING, State.READY, State.HELD):
        return None
    if report.status == "failed":
        return Step(
            State.FAILED, tries=view.tries, sent=view.sent, maybe_twice=view.maybe_twice,
            reason=f"the network reports: {report.detail or 'not delivered'}", notice="failed", status="5.1.1",
            final=True,
        )  # fmt: skip
    if report.status == "delivered" and all_delivered and view.state is State.SENT:
        return Step(
            State.DELIVERED, tries=view.tries, sent=view.sent, maybe_twice=view.maybe_twice,
            notice="delivered" if view.wants & Wants.SUCCESS else "", status="2.1.5", final=True,
        )  # fmt: skip
    return None


def after_deadline(view: View, now: int) -> Step | None:
    """A deadline passed: the warning, the expiry, or a report that never came. None when it is on the wire."""
    if view.state is State.SENDING:
        return None
    if view.state is State.SENT:
        return Step(
            State.SENT, tries=view.tries, sent=view.sent, maybe_twice=view.maybe_twice,
            reason="no delivery report came", final=True,
        )  # fmt: skip
    if now >= view.expires:
        return Step(
            State.EXPIRED, tries=view.tries, sent=view.sent, maybe_twice=view.maybe_twice,
            notice="expired", status="4.4.7", final=True,
        )  # fmt: skip
    return Step(
        view.state, deadline=view.expires, tries=view.tries, sent=view.sent, maybe_twice=view.maybe_twice,
        notice="delayed" if view.wants & Wants.DELAY else "", status="4.4.1",
    )  # fmt: skip
