"""The retry policy: every event in every state, and properties that must hold for all of them."""

from __future__ import annotations

from itertools import product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.policy.step import (
    BACK_OFF,
    about_the_route,
    after_crash,
    after_deadline,
    after_outcome,
    after_report,
    back_off,
)
from smsd.values.delivery import Accepted, Failure, Kind, NetworkReport, Scope, State
from smsd.values.message import Wants
from smsd.values.plan import View

NOW, LATER = 1_000_000, 9_000_000_000
FAILURES = [Failure(kind, "why", scope=scope) for kind, scope in product(Kind, Scope)]


def view(state: State = State.SENDING, **options: object) -> View:
    return View(**{"state": state, "expires": LATER, **options})  # type: ignore[arg-type]


class Outcomes(SynchronousTestCase):
    def test_yes(self) -> None:
        self.assertEqual(after_outcome(view(), Accepted(), NOW).state, State.SENT)
        more = after_outcome(view(total=3, seq=2, sent=1), Accepted(), NOW)
        self.assertEqual((more.state, more.sent, more.final), (State.SENDING, 2, False))

    def test_sent_is_final_unless_a_report_is_awaited(self) -> None:
        self.assertTrue(after_outcome(view(), Accepted(), NOW).final)
        awaited = after_outcome(view(report=True), Accepted(), NOW)
        self.assertFalse(awaited.final)
        self.assertGreater(awaited.deadline or 0, LATER)

    def test_only_the_message_pays_for_its_own_trouble(self) -> None:
        for failure in FAILURES:
            step = after_outcome(view(tries=2), failure, NOW)
            no_way = about_the_route(failure)  # and nobody else to ask
            own = failure.scope is Scope.MESSAGE or failure.maybe_sent or no_way
            self.assertEqual(step.tries, 3 if own else 2, failure)

    def test_everybody_is_asked_before_it_waits(self) -> None:
        for failure in FAILURES:
            step = after_outcome(view(tries=2, others="now"), failure, NOW)
            own = failure.kind is Kind.PERMANENT and failure.scope is Scope.MESSAGE
            if own or failure.scope is Scope.SPEED:
                self.assertFalse(step.elsewhere, failure)
            else:
                waits = (step.state, step.elsewhere, step.due, step.tries)
                self.assertEqual(waits, (State.READY, True, NOW, 2), failure)

    def test_what_was_begun_stays_where_it_began(self) -> None:
        for failure in FAILURES:
            step = after_outcome(view(total=2, seq=2, sent=1, others="now"), failure, NOW)
            self.assertFalse(step.elsewhere, failure)

    def test_a_gateway_without_a_route(self) -> None:
        no_way = Failure(Kind.PERMANENT, "cannot route", scope=Scope.GATEWAY)
        self.assertEqual(after_outcome(view(), no_way, NOW).state, State.FAILED)
        later = after_outcome(view(others="later"), no_way, NOW)
        self.assertEqual((later.state, later.elsewhere, later.due), (State.READY, True, NOW + back_off(1)))
        stopped = Failure(Kind.PERMANENT, "no credit", scope=Scope.GATEWAY, retry_after=3600)
        self.assertEqual(after_outcome(view(), stopped, NOW).state, State.READY)

    def test_trouble_that_is_the_messages_own(self) -> None:
        step = after_outcome(
            view(tries=1, blamed=True), Failure(Kind.TEMPORARY, "500", scope=Scope.GATEWAY), NOW
        )
        self.assertEqual((step.tries, step.due), (2, NOW + back_off(2)))

    def test_back_off_grows_and_ends(self) -> None:
        waits = [back_off(tries) for tries in range(1, 20)]
        self.assertEqual(waits, sorted(waits))
        self.assertEqual(waits[-1], BACK_OFF[-1])

    def test_the_gateway_may_know_better(self) -> None:
        step = after_outcome(view(), Failure(Kind.TEMPORARY, "wait", retry_after=7), NOW)
        self.assertEqual(step.due, NOW + 7000)

    def test_but_not_for_ever(self) -> None:
        """A server that says "in a second" each time is not asked each second for days."""
        soon = Failure(Kind.TEMPORARY, "wait", retry_after=1)
        waits = [after_outcome(view(tries=tries), soon, NOW).due - NOW for tries in range(30)]
        self.assertEqual(waits[:5], [1000] * 5)
        self.assertEqual(waits[5:8], [back_off(1), back_off(2), back_off(3)])
        self.assertEqual(waits[-1], BACK_OFF[-1])
        late = Failure(Kind.TEMPORARY, "wait", retry_after=7200)
        self.assertEqual(after_outcome(view(tries=20), late, NOW).due, NOW + 7_200_000)

    @given(
        st.sampled_from([Accepted("1"), *FAILURES]),
        st.integers(1, 5),
        st.integers(0, 100),
        st.booleans(),
        st.booleans(),
        st.sampled_from(["resend", "hold"]),
    )
    def test_nothing_is_lost_or_forgotten(
        self, outcome: Accepted | Failure, total: int, tries: int, report: bool, twice: bool, in_doubt: str
    ) -> None:
        for seq in range(1, total + 1):
            before = view(
                total=total,
                seq=seq,
                sent=seq - 1,
                tries=tries,
                report=report,
                maybe_twice=twice,
                in_doubt=in_doubt,
            )
            step = after_outcome(before, outcome, NOW)
            self.assertGreaterEqual(step.sent, seq - 1, "part progress never goes back")
            self.assertTrue(step.maybe_twice or not twice, "a mark never goes away")
            if step.final:
                self.assertIn(step.state, (State.SENT, State.FAILED))
            if step.state is State.FAILED:
                self.assertEqual(step.notice, "failed")
            if step.state is State.READY:
                self.assertTrue(step.reason)
                self.assertGreaterEqual(step.due, NOW)
            if isinstance(outcome, Failure) and outcome.maybe_sent and step.state is State.READY:
                self.assertTrue(step.maybe_twice)


class Crashes(SynchronousTestCase):
    def test_marked_and_in_its_place_or_held(self) -> None:
        step = after_crash(view())
        self.assertEqual((step.state, step.due, step.maybe_twice, step.tries), (State.READY, 0, True, 0))
        self.assertEqual(after_crash(view(in_doubt="hold")).state, State.HELD)


class Reports(SynchronousTestCase):
    def report(self, status: str, state: State, whole: bool = True, sent: int = 1) -> State | None:
        step = after_report(
            view(state, wants=Wants.SUCCESS, sent=sent), NetworkReport("1", "+1", status), NOW, all_delivered=whole
        )  # fmt: skip
        return step.state if step else None

    def test_table(self) -> None:
        self.assertEqual(self.report("delivered", State.SENT), State.DELIVERED)
        self.assertIsNone(self.report("delivered", State.SENT, whole=False))
        self.assertIsNone(self.report("delivered", State.SENDING))
        self.assertEqual(self.report("pending", State.SENT), State.SENT)
        for state in (State.SENT, State.SENDING, State.READY, State.HELD):
            self.assertEqual(self.report("failed", state), State.FAILED)
            self.assertEqual(self.report("expired", state), State.EXPIRED)
        for state in (State.DELIVERED, State.FAILED, State.EXPIRED, State.CANCELLED):
            for status in ("failed", "expired", "pending"):
                self.assertIsNone(self.report(status, state), "what is final stays so")
        for state in (State.DELIVERED, State.CANCELLED, State.REJECTED):
            self.assertIsNone(self.report("delivered", state))

    def test_what_has_arrived_is_no_failure(self) -> None:
        for state in (State.FAILED, State.EXPIRED):
            self.assertEqual(self.report("delivered", state), State.DELIVERED)
            self.assertIsNone(self.report("delivered", state, whole=False), "not all of it")
            self.assertIsNone(self.report("delivered", state, sent=0), "not all of it went")

    def test_a_phone_that_is_away_is_told_once_to_those_who_asked(self) -> None:
        pending = NetworkReport("1", "+1", "pending", "phone busy")
        sent = view(State.SENT, sent=1, wants=Wants.BUFFERED)
        first = after_report(sent, pending, NOW, all_delivered=False)
        again = after_report(sent, pending, NOW, all_delivered=False, told_buffered=True)
        assert first is not None
        assert again is not None
        self.assertEqual((first.notice, first.network, again.notice), ("buffered", "phone busy", ""))
        self.assertEqual(first.reason, "not delivered yet: phone busy")
        late = after_report(sent._replace(finished=True), pending, NOW, all_delivered=False)
        assert late is not None
        self.assertTrue(late.final, "nothing is awaited any more")

    def test_success_is_told_to_those_who_asked(self) -> None:
        delivered = NetworkReport("1", "+1", "delivered")
        told = after_report(view(State.SENT, wants=Wants.SUCCESS), delivered, NOW, all_delivered=True)
        untold = after_report(view(State.SENT, wants=Wants.FAILURE), delivered, NOW, all_delivered=True)
        assert told is not None
        assert untold is not None
        self.assertEqual((told.notice, untold.notice), ("delivered", ""))


class Taken(SynchronousTestCase):
    def told(self, wants: Wants, **said: Any) -> str:
        return after_outcome(view(wants=wants, **said), Accepted("1"), NOW).notice

    def test_the_last_piece_tells_those_who_want_to_know(self) -> None:
        self.assertEqual(self.told(Wants.SENT, report=True), "sent")
        self.assertEqual(self.told(Wants.SENT | Wants.SUCCESS, report=True), "sent")
        self.assertEqual(self.told(Wants.SUCCESS | Wants.FAILURE, report=True), "")
        self.assertEqual(self.told(Wants.SENT, total=2), "", "there is one more")
        self.assertEqual(self.told(Wants.FAILURE | Wants.DELAY), "")

    def test_where_no_report_will_come_success_is_this(self) -> None:
        self.assertEqual(self.told(Wants.SENT), "relayed")
        self.assertEqual(self.told(Wants.SUCCESS), "relayed")

    def test_a_report_that_never_came(self) -> None:
        for wants, event in ((Wants.SUCCESS, "silent"), (Wants.FAILURE, "")):
            step = after_deadline(view(State.SENT, wants=wants), LATER)
            assert step is not None
            self.assertEqual((step.notice, step.final), (event, True))


class Deadlines(SynchronousTestCase):
    def test_table(self) -> None:
        self.assertIsNone(after_deadline(view(State.SENDING), LATER))
        for state in (State.READY, State.SCHEDULED, State.HELD):
            warned = after_deadline(view(state, wants=Wants.DELAY), NOW)
            expired = after_deadline(view(state), LATER)
            assert warned is not None
            assert expired is not None
            self.assertEqual((warned.state, warned.notice, warned.deadline), (state, "delayed", LATER))
            self.assertEqual((expired.state, expired.notice, expired.final), (State.EXPIRED, "expired", True))
        silent = after_deadline(view(State.SENT), LATER)
        assert silent is not None
        self.assertEqual((silent.state, silent.notice, silent.final), (State.SENT, "", True))
