"""What becomes of a delivery: the one retry policy of the house.

`next_step(view, event, now)` answers every event (an outcome, a report, a deadline) with the delivery's next state. Trouble
with a gateway costs the message no try: its lane is closed, the message stays ready. What one gateway did not take goes at
once to the others of its route that can; only when all were asked it waits. Unknown outcomes follow the gateway's `in_doubt`
policy, and every resend after one is marked.
"""

from __future__ import annotations

from typing import Any

from smsd.values.delivery import Accepted, Failure, Kind, NetworkReport, Scope, State
from smsd.values.message import Wants
from smsd.values.plan import Step, View

MINUTE = 60_000
# Waits between tries of a message that its network refused for now; the last one repeats until expiry.
BACK_OFF = tuple(minutes * MINUTE for minutes in (1, 2, 5, 10, 20, 30, 60))
# So many tries come as soon as the network said.
OBEYED = 5
# A gateway that fell silent may be back at once; its lane is closed, so this only keeps a broken pair from spinning.
IN_DOUBT_WAIT = 15_000
# How long a sent message waits for its delivery report before nobody expects one any more.
REPORT_PATIENCE = 3 * 24 * 60 * MINUTE

_SUCCESS, _SENT = int(Wants.SUCCESS), int(Wants.SENT)  # flags of the enum module cost a microsecond each

# What an operator cannot send again.
_GONE = frozenset({State.SENDING, State.SENT, State.DELIVERED, State.REJECTED, State.MERGED})


def back_off(tries: int) -> int:
    """Milliseconds to wait after the `tries`-th failed try (1-based)."""
    return BACK_OFF[min(tries, len(BACK_OFF)) - 1]


def _wait(asked: float | None, tries: int) -> int:
    """What a network asks for counts, for a while also where it is short: one that says "a second" for ever (its clock may be
    wrong) is asked less and less all the same."""
    if asked is None:
        return back_off(tries)
    return max(int(asked * 1000), back_off(tries - OBEYED) if tries > OBEYED else 0)


def _step(view: View, state: State, **said: Any) -> Step:
    """A step that keeps what it does not say."""
    return Step(state, **{"tries": view.tries, "sent": view.sent, "maybe_twice": view.maybe_twice, **said})


def after_outcome(view: View, outcome: Accepted | Failure, now: int) -> Step:
    """A piece came back: `view.seq` of `view.total` was on the wire."""
    if isinstance(outcome, Accepted):
        return _after_yes(view, now)
    tries, reason, begun = view.tries + 1, outcome.reason, view.sent > 0
    no_way = about_the_route(outcome)
    if outcome.kind is Kind.PERMANENT and (outcome.scope is Scope.MESSAGE or (no_way and not view.others)):
        status = outcome.status or "5.0.0"
        return _step(
            view,
            State.FAILED,
            tries=tries,
            maybe_twice=view.maybe_twice or outcome.maybe_sent,
            reason=reason,
            notice="failed",
            status=status,
            attempt=True,
            stick=begun,
            final=True,
        )
    elsewhere = view.others == "now" and outcome.scope is not Scope.SPEED and not begun
    if outcome.maybe_sent:
        if elsewhere:
            return _after_doubt(view, reason, now, view.tries, elsewhere=True)
        return _after_doubt(view, reason, now + IN_DOUBT_WAIT * min(tries, 20), tries)
    if elsewhere:  # before it waits, everybody is asked
        return _step(view, State.READY, due=now, reason=reason, attempt=True, elsewhere=True)
    if outcome.scope is not Scope.MESSAGE and not view.blamed and not no_way:
        due = 0 if outcome.keeps_place else now
        if view.asked and outcome.scope is Scope.GATEWAY:
            due = now + IN_DOUBT_WAIT  # those that refused it before are not asked again at once
        return _step(view, State.READY, due=due, reason=reason, attempt=True, stick=begun)
    wait = _wait(outcome.retry_after, tries)
    return _step(
        view, State.READY, due=now + wait, tries=tries, reason=reason, attempt=True, stick=begun, elsewhere=no_way and not begun
    )  # fmt: skip


def about_the_route(failure: Failure) -> bool:
    """Whether the gateway answered that it cannot carry this message, and does not speak of itself: another may."""
    return failure.kind is Kind.PERMANENT and failure.scope is Scope.GATEWAY and failure.retry_after is None


def _after_yes(view: View, now: int) -> Step:
    """With the last piece whoever wants it hears that it is sent; with `relayed` those too who wait for a report that no network
    gives."""
    if view.seq < view.total:
        return _step(view, State.SENDING, sent=view.seq)
    wants = int(view.wants)
    if view.report:
        told = "sent" if wants & _SENT else ""
        patience = max(view.expires, now) + REPORT_PATIENCE
        return _step(view, State.SENT, sent=view.total, deadline=patience, notice=told, status="2.0.0")
    told = "relayed" if wants & (_SENT | _SUCCESS) else ""
    return _step(view, State.SENT, sent=view.total, final=True, notice=told, status="2.0.0")


def _after_doubt(view: View, why: str, due: int, tries: int, *, elsewhere: bool = False) -> Step:
    if view.in_doubt == "hold":  # marked too: the operator may send it again
        return _step(view, State.HELD, maybe_twice=True, reason=f"in doubt: {why}", attempt=True, stick=True)
    return _step(
        view, State.READY, due=due, tries=tries, maybe_twice=True, reason=f"in doubt, sent again: {why}",
        attempt=True, stick=view.sent > 0, elsewhere=elsewhere,
    )  # fmt: skip


def after_crash(view: View) -> Step:
    """The process that had it on the wire is gone: nobody knows whether the network took it. It keeps its place."""
    return _after_doubt(view, "smsd stopped while it was on the wire", 0, view.tries)


def after_report(
    view: View, report: NetworkReport, now: int, *, all_delivered: bool, told_buffered: bool = False
) -> Step | None:
    """The network tells what became of a piece; None when nothing changes.

    That every part was delivered is certain, whatever was said before: it corrects a failure and an expiry. Everything else
    counts only until something is final, in whatever order it comes. `told_buffered`: the network has said before that it
    waits for the phone."""
    network = report.detail
    if report.status == "delivered":
        mended = view.state in (State.FAILED, State.EXPIRED) and view.sent >= view.total
        if not all_delivered or not (mended or view.state is State.SENT):
            return None
        told = "delivered" if view.wants & Wants.SUCCESS else ""
        return _step(
            view, State.DELIVERED, notice=told, status="2.1.5", final=True, reason="", network=network
        )
    if report.status == "pending":
        if view.state is not State.SENT:
            return None
        told = "buffered" if view.wants & Wants.BUFFERED and not told_buffered else ""
        reason = f"not delivered yet: {network or 'the network still tries'}"
        return _step(view, State.SENT, notice=told, reason=reason, network=network, final=view.finished)
    if view.state not in (State.SENT, State.SENDING, State.READY, State.HELD):
        return None
    stick = 0 < view.sent < view.total
    if report.status == "expired":
        reason = _reported(network or "expired")
        return _step(
            view, State.EXPIRED, reason=reason, notice="expired", status="4.4.7", stick=stick, final=True,
            network=network,
        )  # fmt: skip
    reason = _reported(network or "not delivered")
    return _step(
        view, State.FAILED, reason=reason, notice="failed", status="5.0.0", stick=stick, final=True,
        network=network,
    )  # fmt: skip


def after_deadline(view: View, now: int) -> Step | None:
    """A deadline passed: the warning, the expiry, or a report that never came. None when it is on the wire."""
    if view.state is State.SENDING:
        return None
    if view.state is State.SENT:
        told = "silent" if view.wants & Wants.SUCCESS else ""
        reason = "no delivery report came"
        return _step(view, State.SENT, reason=reason, notice=told, status="2.0.0", final=True)
    if now >= view.expires:
        return _step(view, State.EXPIRED, notice="expired", status="4.4.7", final=True)
    told = "delayed" if view.wants & Wants.DELAY else ""
    return _step(view, view.state, deadline=view.expires, notice=told, status="4.4.1")


def after_operator(view: View, verb: str, who: str, now: int) -> Step | None:
    """`retry`: now, whatever became of it; what was sent whole and failed afterwards begins anew. `cancel`: what waits is not
    sent, and its sender is told. None when it is too late for that."""
    if verb == "retry" and view.state not in _GONE:
        sent = view.sent if view.sent < view.total else 0
        return _step(view, State.READY, due=now, sent=sent, reason=f"retried by {who}")
    if verb == "cancel" and view.state in (State.READY, State.SCHEDULED, State.HELD, State.GATHERED):
        return _step(
            view,
            State.CANCELLED,
            reason=f"cancelled by {who}",
            notice="cancelled",
            status="5.0.0",
            final=True,
        )
    return None


_REPORTED = "the network reports: "


def _reported(words: str) -> str:
    """What the network said, as a reason; the servers of a chain hand it on as it is."""
    return words if words.startswith(_REPORTED) else _REPORTED + words
