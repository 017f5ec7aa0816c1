"""The meter by itself: no window ever holds more than it may, whatever comes; days and months as the calendar has them."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timezone, tzinfo
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.policy.limits import FITS, PASS, WAIT, Charge, Limits, Meter, length

ROME = ZoneInfo("Europe/Rome")
START = 1_800_000_000_000


def stamp(text: str, zone: tzinfo = ROME) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


class Windows(SynchronousTestCase):
    @given(
        st.integers(1, 5),
        st.integers(1, 8),
        st.lists(st.tuples(st.integers(0, 40_000), st.integers(1, 4), st.integers(0, 3)), max_size=60),
    )
    def test_never_more_than_the_limit(
        self, second: int, minute: int, events: list[tuple[int, int, int]]
    ) -> None:
        meter = Meter(Limits(per_second=second, per_minute=minute), timezone.utc)
        sent: list[tuple[int, int]] = []
        following: deque[int] = deque()
        now = START
        for wait, n, later in events:
            now += wait
            if following and following[0] <= now:
                following.popleft()
                meter.part(Charge(now, 1, "x"))
                sent.append((now, 1))
            if n > min(second, minute):
                continue  # what is longer than a window may fill it beyond
            if meter.fits("x", n, now):
                later = min(later, n - 1)
                meter.charge(Charge(now, n, "x"), later)
                sent.append((now, n - later))
                following.extend([now] * later)
            else:
                ready = meter.ready_at(n, now)
                self.assertGreater(ready, now)
            for most, span in ((second, 1000), (minute, 60_000)):
                for at, _ in sent:
                    self.assertLessEqual(sum(k for t, k in sent if at <= t < at + span), most)

    @given(st.integers(1, 20), st.lists(st.integers(1, 30_000), min_size=1, max_size=60))
    def test_what_it_says_is_when(self, most: int, waits: list[int]) -> None:
        meter, now = Meter(Limits(per_minute=most), timezone.utc), START
        for wait in waits:
            now += wait
            ready = meter.ready_at(1, now)
            if ready > now:
                self.assertFalse(meter.fits("x", 1, ready - 1))
                self.assertLessEqual(ready, now + 60_000)
            self.assertTrue(meter.fits("x", 1, ready))
            now = ready
            meter.charge(Charge(now, 1, "x"))

    @given(st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 5), st.booleans()), max_size=40))
    def test_what_is_undone_never_was(self, events: list[tuple[int, int, bool]]) -> None:
        limits = Limits(per_second=50, per_minute=100, per_hour=200, per_day=300, recipients_per_month=20)
        one, other, now = Meter(limits, timezone.utc), Meter(limits, timezone.utc), START
        for wait, n, undone in events:
            now += wait
            charge = Charge(now, n, f"{now % 7}")
            new = one.charge(charge)
            if undone:
                one.undo(charge, new)
            else:
                other.charge(charge)
            self.assertEqual(one.told(now), other.told(now))

    def test_a_clock_that_is_set_back_blocks_nothing_for_long(self) -> None:
        meter = Meter(Limits(per_minute=1), timezone.utc)
        meter.charge(Charge(START, 1, "x"))
        before = START - 86_400_000
        self.assertTrue(meter.fits("x", 1, before))
        meter.charge(Charge(before, 1, "x"))
        self.assertFalse(meter.fits("x", 1, before + 1))
        self.assertTrue(meter.fits("x", 1, before + 61_000))


class Calendar(SynchronousTestCase):
    def test_days_of_23_24_and_25_hours(self) -> None:
        for day, hours in (("2026-03-29", 23), ("2026-03-30", 24), ("2026-10-25", 25)):
            meter, begin = Meter(Limits(per_day=1), ROME), stamp(f"{day}T00:00:00")
            meter.charge(Charge(begin, 1, "x"))
            end = begin + hours * 3_600_000
            self.assertEqual(meter.ready_at(1, begin), end, day)
            self.assertEqual((meter.fits("x", 1, end - 1), meter.fits("x", 1, end)), (False, True))

    def test_a_month_begins_at_local_midnight(self) -> None:
        meter = Meter(Limits(recipients_per_month=1), ROME)
        last = stamp("2026-12-31T23:59:59")
        meter.charge(Charge(last, 1, "ann"))
        self.assertEqual(meter.month(last), "2026-12")
        self.assertFalse(meter.fits("bob", 1, last))
        self.assertTrue(meter.fits("ann", 1, last))
        self.assertTrue(meter.fits("bob", 1, last + 1000))
        self.assertEqual(meter.month(last + 1000), "2027-01")


class Claims(SynchronousTestCase):
    def test_who_waits_and_who_is_passed_over(self) -> None:
        meter = Meter(Limits(per_minute=3, per_day=10, recipients_per_month=1), timezone.utc)
        budget = meter.budget(START)
        said = [budget.take("ann", 2), budget.take("bob", 1), budget.take("ann", 2), budget.take("ann", 1)]
        self.assertEqual(said, [FITS, PASS, WAIT, FITS])
        self.assertEqual((budget.costs, budget.short, budget.passed), ([2, 1], 2, True))

    def test_a_day_that_is_nearly_over_lets_short_ones_pass(self) -> None:
        meter = Meter(Limits(per_day=3), timezone.utc)
        meter.charge(Charge(START, 2, "x"))
        budget = meter.budget(START)
        self.assertEqual([budget.take("x", 2), budget.take("x", 1)], [PASS, FITS])

    def test_asking_charges_nothing(self) -> None:
        meter = Meter(Limits(per_minute=1), timezone.utc)
        for _ in range(3):
            self.assertTrue(meter.fits("x", 1, START))


class Words(SynchronousTestCase):
    def test_times(self) -> None:
        for milliseconds, said in (
            (1, "1 s"), (12_000, "12 s"), (119_000, "119 s"), (121_000, "3 min"), (7_200_000, "2 h"),
            (12_000_000, "3 h 20 min"), (172_800_000, "2 days"), (1_400_000_000, "17 days"),
        ):  # fmt: skip
            self.assertEqual(length(milliseconds), said)
