"""What is usual for an account, and when something is far more than that."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.policy.unusual import (
    GROWTH,
    HALF_LIFE,
    OF_A_DAY,
    Bounds,
    Habit,
    counted,
    held,
    judged,
    released,
    turned,
)

BOUNDS = Bounds(True, 50, 10, 100, 1_000, 10)
MORNING = 24 * 20_000 + 8
"""An hour; its day begins eight hours before."""

habits = st.builds(
    Habit,
    st.just("ann"),
    st.integers(0, 1_000_000),
    *[st.integers(0, 10**6)] * 3,
    *[st.floats(0, 10**6)] * 3,
    st.integers(0, 10**6),
)


def lived(days: int, per_hour: int, cost: int = 0, begin: int = MORNING) -> Habit:
    """An account that sends so much in one hour of each day."""
    habit = Habit("ann", begin)
    for day in range(days):
        habit = counted(turned(habit, begin + 24 * day, BOUNDS), per_hour, cost * per_hour)
    return turned(habit, begin + 24 * days, BOUNDS)


class Judging(SynchronousTestCase):
    def test_fifty_times_the_usual(self) -> None:
        habit = lived(30, 10)
        self.assertEqual(judged(habit, 400, 0, BOUNDS), "")
        self.assertRegex(
            judged(habit, 501, 0, BOUNDS), "^501 messages within an hour, where 10 are usual at most$"
        )
        self.assertRegex(judged(counted(habit, 500, 0), 1, 0, BOUNDS), "^501 messages")

    def test_within_a_day(self) -> None:
        """Each hour is in bounds, all of them together are not."""
        habit = lived(30, 10)
        for hour in range(24):
            habit = turned(habit, habit.hour + 1 if hour else habit.hour, BOUNDS)
            if why := judged(habit, 90, 0, BOUNDS):
                break
            habit = counted(habit, 90, 0)
        self.assertRegex(why, "^[0-9]+ messages within a day, where 10 are usual at most$")
        self.assertLessEqual(habit.today + habit.taken, max(50 * 10, OF_A_DAY * 100))

    def test_prices_far_above_the_usual(self) -> None:
        habit = lived(30, 10, 20)
        self.assertEqual(judged(habit, 40, 1_000, BOUNDS), "")
        self.assertRegex(
            judged(habit, 40, 2_001, BOUNDS),
            "^messages for 0.2001 within an hour, where 0.0[12].* is usual at most$",
        )
        self.assertRegex(
            judged(habit, 40, 2_001, BOUNDS._replace(currency="EUR")),
            "^messages for 0.2001 EUR within an hour, where 0.0[12][0-9]* EUR is usual at most$",
        )

    def test_little_is_never_unusual(self) -> None:
        habit = lived(30, 1, 1)
        self.assertEqual(judged(habit, 100, 1_000, BOUNDS), "")
        self.assertNotEqual(judged(habit, 101, 0, BOUNDS), "")

    def test_new_accounts_can_work(self) -> None:
        self.assertEqual(judged(Habit("ann", MORNING), 100_000, 10**9, BOUNDS), "")
        self.assertEqual(judged(lived(9, 1), 100_000, 0, BOUNDS), "")
        self.assertNotEqual(judged(lived(10, 1), 100_000, 0, BOUNDS), "")

    def test_who_never_paid_before_has_no_usual_price(self) -> None:
        self.assertEqual(judged(lived(30, 10), 10, 10**9, BOUNDS), "")

    def test_a_newsletter_once_a_month(self) -> None:
        habit = counted(lived(30, 5), 5_000, 0)._replace(held=0)
        habit = turned(habit, habit.hour + 1, BOUNDS)
        for _ in range(4):  # it has been released each time while it was learnt
            habit = counted(turned(habit, habit.hour + 24 * 30, BOUNDS), 5_000, 0)
            habit = released(habit)
        habit = turned(habit, habit.hour + 24 * 30, BOUNDS)
        self.assertEqual(judged(habit, 5_000, 0, BOUNDS), "")

    def test_switched_off(self) -> None:
        self.assertEqual(judged(lived(30, 10), 10**9, 10**9, BOUNDS._replace(hold=False)), "")

    @given(habits, st.integers(0, 10**6), st.integers(0, 10**6))
    def test_never_below_what_is_always_allowed(self, habit: Habit, messages: int, cost: int) -> None:
        quiet = habit._replace(taken=0, today=0, spent=0)
        if messages <= BOUNDS.from_messages and cost <= BOUNDS.from_spending:
            self.assertEqual(judged(quiet, messages, cost, BOUNDS), "")

    @given(habits, st.integers(0, 10**6), st.integers(0, 1000))
    def test_more_is_never_less_unusual(self, habit: Habit, messages: int, more: int) -> None:
        if judged(habit, messages, 0, BOUNDS):
            self.assertTrue(judged(habit, messages + more, 0, BOUNDS))


class Time(SynchronousTestCase):
    @given(habits, st.integers(0, 5_000))
    def test_nothing_is_lost_or_counted_twice(self, habit: Habit, hours: int) -> None:
        later = turned(habit, habit.hour + hours, BOUNDS)
        self.assertEqual(later.seen + later.taken, habit.seen + habit.taken)
        if later.hour // 24 == habit.hour // 24:
            self.assertEqual(later.today + later.taken, habit.today + habit.taken)
        elif hours:
            self.assertEqual((later.today, later.taken, later.spent), (0, 0, 0))

    @given(habits, st.integers(1, 24))
    def test_a_thief_cannot_teach_it_new_habits_within_a_day(self, habit: Habit, hours: int) -> None:
        if habit.seen < BOUNDS.learn:
            return
        before = habit.hour_peak
        for _ in range(hours):
            habit = turned(counted(habit, 10**6, 0), habit.hour + 1, BOUNDS)
        if before:
            self.assertLessEqual(habit.hour_peak, (before + 1) * (GROWTH + 1) ** hours)

    @given(habits, st.integers(1, 5_000))
    def test_what_is_sent_while_it_is_held_is_no_habit(self, habit: Habit, hours: int) -> None:
        stopped = turned(counted(held(habit, 1, "x"), 10**6, 10**6), habit.hour + hours, BOUNDS)
        self.assertLessEqual(stopped.hour_peak, habit.hour_peak)
        self.assertLessEqual(stopped.day_peak, habit.day_peak)
        self.assertLessEqual(stopped.spent_peak, habit.spent_peak)
        self.assertEqual((stopped.held, stopped.why), (1, "x"))

    @given(habits, st.integers(0, 10**6), st.integers(0, 10**6))
    def test_what_was_released_is_usual(self, habit: Habit, messages: int, cost: int) -> None:
        let = released(counted(held(habit, 1, "x"), messages, cost))
        self.assertEqual((let.held, let.why), (0, ""))
        self.assertEqual(judged(let, 0, 0, BOUNDS), "")

    def test_habits_fade(self) -> None:
        habit = lived(30, 1_000)
        later = turned(habit, habit.hour + int(HALF_LIFE), BOUNDS)
        self.assertAlmostEqual(later.hour_peak, habit.hour_peak / 2)

    def test_a_clock_that_is_set_back(self) -> None:
        habit = counted(lived(30, 10), 5, 5)
        self.assertEqual(turned(habit, habit.hour - 3, BOUNDS), habit)
