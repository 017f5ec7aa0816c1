"""Who waits, until when, and what a digest says."""

from __future__ import annotations

from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.policy.gather import SHOWN, Stand, after_digest, hold_until, place, render
from smsd.values.message import Window

MINUTE = 60_000
NOW = 1_800_000_000_000
ROME = ZoneInfo("Europe/Rome")


def window(most: int = 2, minutes: int = 1) -> Window:
    return Window("storm", most, minutes * MINUTE, "%count% more")


def at(text: str, zone: ZoneInfo = ROME, fold: int = 0) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp() * 1000)


class Places(SynchronousTestCase):
    def test_the_first_ones_pass_and_the_rest_wait_for_the_end(self) -> None:
        first = place([window()], [None], NOW)
        self.assertEqual(first, (NOW, None, (Stand(NOW + MINUTE, 1),)))
        second = place([window()], first.stands, NOW + 1)
        self.assertEqual(second, (NOW + 1, None, (Stand(NOW + MINUTE, 2),)))
        third = place([window()], second.stands, NOW + 2)
        self.assertEqual(third, (NOW + MINUTE, 0, (Stand(NOW + MINUTE, 2, 1),)))

    def test_a_window_that_ended_with_nobody_waiting_begins_anew(self) -> None:
        self.assertEqual(place([window()], [Stand(NOW, 2)], NOW), (NOW, None, (Stand(NOW + MINUTE, 1),)))

    def test_nobody_overtakes_those_who_wait(self) -> None:
        late = place([window()], [Stand(NOW - 5, 1, 4)], NOW)
        self.assertEqual(late.waits, 0)

    def test_a_digest_gathers_all(self) -> None:
        self.assertEqual(place([window(0)], [None], NOW), (NOW + MINUTE, 0, (Stand(NOW + MINUTE, 0, 1),)))

    def test_the_digest_is_the_first_of_the_next_window(self) -> None:
        self.assertEqual(after_digest(2, MINUTE, NOW, 1), Stand(NOW + MINUTE, 1))
        self.assertIsNone(after_digest(0, MINUTE, NOW, 1))
        self.assertIsNone(after_digest(2, MINUTE, NOW, 0))

    def test_of_several_windows_the_first_that_is_full_keeps_it_and_the_others_do_not_count_it(self) -> None:
        placed = place([window(5), window(1, 60)], [None, Stand(NOW + 9, 1)], NOW)
        self.assertEqual(placed, (NOW + 9, 1, (None, Stand(NOW + 9, 1, 1))))

    def test_what_is_no_text_passes_and_counts(self) -> None:
        placed = place([window(0)], [Stand(NOW + 9, 0, 3)], NOW, text=False)
        self.assertEqual(placed, (NOW, None, (Stand(NOW + 9, 1, 3),)))

    def test_a_window_of_what_is_held_lasts_until_it_may_leave(self) -> None:
        morning = NOW + 500 * MINUTE
        held = place([window(1)], [None], NOW, morning)
        self.assertEqual(held, (morning, None, (Stand(morning, 1),)))
        self.assertEqual(place([window(1)], held.stands, NOW + 2 * MINUTE, morning).waits, 0)

    @given(st.lists(st.integers(0, 200_000), max_size=60), st.integers(0, 4), st.integers(1, 3))
    def test_no_window_lets_more_pass_than_it_may(self, gaps: list[int], most: int, minutes: int) -> None:
        """However they come, with a digest at the end of each window that has gathered something."""
        rule = window(most, minutes)
        now, stand = NOW, None
        left: list[tuple[int, int]] = []  # when, and in the window that ends when
        waiting = 0
        for gap in gaps:
            now += gap
            if stand is not None and stand.waiting and stand.due <= now:
                ended = stand.due
                stand = after_digest(most, rule.length, ended, 1)
                left.append((ended, stand.due if stand else ended))
                waiting = 0
            placed = place([rule], [stand], now)
            (stand,) = placed.stands
            assert stand is not None
            if placed.waits is None:
                left.append((now, stand.due))
            else:
                waiting += 1
                self.assertGreaterEqual(placed.due, now)
            self.assertEqual(stand.waiting, waiting)
        for _, end in left:
            self.assertLessEqual(sum(1 for _, e in left if e == end), max(most, 1))


class Texts(SynchronousTestCase):
    def test_count_first_last(self) -> None:
        self.assertEqual(
            render("%count% more: %first% to %%LAST%%", 37, "disk full", "disk ok"),
            "37 more: disk full to disk ok",
        )

    def test_messages_stand_on_one_line_and_are_cut(self) -> None:
        text = render("%first%|%last%", 2, "a\n b\tc", "x" * 1000)
        self.assertEqual(text, "a b c|" + "x" * (SHOWN - 3) + "...")

    def test_what_is_gathered_is_no_template(self) -> None:
        self.assertEqual(render("%first% %count%", 2, "%count% %last%", "L"), "%count% %last% 2")

    @given(st.text(max_size=200), st.integers(2, 10**6), st.text(max_size=500), st.text(max_size=500))
    def test_there_is_always_a_text_of_bounded_length(self, template: str, n: int, a: str, b: str) -> None:
        text = render(template, n, a, b)
        self.assertTrue(text.strip())
        self.assertLess(len(text), 200 * SHOWN)


class Nights(SynchronousTestCase):
    def hold(self, start: str, until: str, now: int, zone: ZoneInfo = ROME) -> int:
        def minute(text: str) -> int:
            return int(text[:2]) * 60 + int(text[3:])

        return hold_until(minute(start), minute(until), now, zone)

    def test_in_the_evening_until_tomorrow(self) -> None:
        self.assertEqual(self.hold("22:00", "07:00", at("2026-11-21T22:00")), at("2026-11-22T07:00"))

    def test_in_the_night_until_this_morning(self) -> None:
        self.assertEqual(self.hold("22:00", "07:00", at("2026-11-22T06:59:59")), at("2026-11-22T07:00"))

    def test_by_day_not_at_all(self) -> None:
        for time in ("07:00", "12:00", "21:59:59"):
            self.assertEqual(self.hold("22:00", "07:00", at(f"2026-11-21T{time}")), 0)

    def test_at_noon(self) -> None:
        self.assertEqual(self.hold("12:00", "14:30", at("2026-11-21T12:01")), at("2026-11-21T14:30"))

    def test_the_night_on_which_the_clock_goes_forward_is_short(self) -> None:
        before = at("2026-03-28T22:00")
        self.assertEqual(self.hold("22:00", "07:00", before), at("2026-03-29T07:00"))
        self.assertEqual(at("2026-03-29T07:00") - before, 8 * 60 * MINUTE)

    def test_the_hour_that_is_there_twice(self) -> None:
        first, second = at("2026-10-25T02:15"), at("2026-10-25T02:15", fold=1)
        self.assertEqual(self.hold("02:00", "02:30", first), first + 15 * MINUTE)
        self.assertEqual(self.hold("02:00", "02:30", second), second + 15 * MINUTE)

    def test_this_machines_zone(self) -> None:
        local = datetime(2026, 11, 21, 23, 0)
        end = hold_until(22 * 60, 7 * 60, int(local.timestamp() * 1000), None)
        self.assertEqual(datetime.fromtimestamp(end / 1000), datetime(2026, 11, 22, 7, 0))

    @given(
        st.integers(0, 1439),
        st.integers(0, 1439),
        st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)),
        st.sampled_from(["Europe/Rome", "America/New_York", "Australia/Lord_Howe", "UTC"]),
    )
    def test_it_ends_at_its_minute_and_within_a_day(
        self, start: int, until: int, moment: datetime, zone: str
    ) -> None:
        now = int(moment.replace(tzinfo=timezone.utc).timestamp() * 1000)
        end = hold_until(start, until, now, ZoneInfo(zone))
        if end:
            self.assertLess(now, end)
            self.assertLessEqual(end - now, 26 * 60 * MINUTE)
            local = datetime.fromtimestamp(end / 1000, ZoneInfo(zone))
            drift = abs((local.hour * 60 + local.minute) - until)
            self.assertIn(drift, (0, 30, 60))  # a minute that a clock leaves out is the one after the gap
