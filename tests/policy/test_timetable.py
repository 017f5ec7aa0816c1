"""Which moments a timetable names, by an oracle that goes through every minute; and that each runs once, whatever clocks do."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.core.zone import LocalZone
from smsd.policy.timetable import (
    DAY,
    LAST,
    MINUTE,
    Done,
    Timetable,
    begins,
    due,
    label,
    next_slot,
    read_days,
    read_times,
    slots,
    timetable,
)
from smsd.values.errors import InvalidValue

ROME = ZoneInfo("Europe/Rome")
ZONES = [
    ROME,
    timezone.utc,
    ZoneInfo("America/Sao_Paulo"),  # until 2018 its clocks changed at midnight
    ZoneInfo("Australia/Lord_Howe"),  # by half an hour
    ZoneInfo("Asia/Kathmandu"),
    ZoneInfo("Pacific/Apia"),  # had no 30th December 2011
]


def at(text: str, zone: ZoneInfo = ROME) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


def labels(table: Timetable, after: str, until: str, zone: ZoneInfo = ROME) -> list[str]:
    return [label(slot, zone) for slot in slots(table, at(after, zone), at(until, zone), zone)]


class Writing(SynchronousTestCase):
    def test_times(self) -> None:
        self.assertEqual(read_times(["8:00", "23:59", " 00:00", "08:00"]), (0, 480, 1439))
        for wrong in ("24:00", "8", "8:60", "8.00", "08:00:00", "", "noon", "٠٨:٠٠"):
            with self.subTest(wrong=wrong):
                self.assertIn(
                    "is no time of day: write 08:00",
                    str(self.assertRaises(InvalidValue, read_times, [wrong])),
                )

    def test_days(self) -> None:
        for written, weekdays, monthdays in (
            ([], (), ()),
            (["mon-fri"], (0, 1, 2, 3, 4), ()),
            (["Mon", "wednesday"], (0, 2), ()),
            (["fri - mon"], (4, 5, 6, 0), ()),
            (["mon-mon"], (0,), ()),
            (["1", "15"], (), (1, 15)),
            (["1-3", "last"], (), (1, 2, 3, LAST)),
        ):
            with self.subTest(written=written):
                self.assertEqual(read_days(written), (frozenset(weekdays), frozenset(monthdays)))

    def test_days_that_are_none(self) -> None:
        for written, expected in (
            (["someday"], "'someday' is no day: write mon-fri"),
            (["0"], "'0' is no day"),
            (["32"], "'32' is no day"),
            (["010"], "'010' is no day"),
            (["²"], "'²' is no day"),
            ([""], "'' is no day"),
            (["mon-"], "'mon-' is no day"),
            (["mon-5"], "'mon-5' is no span of days"),
            (["5-last"], "'5-last' is no span of days"),
            (["9-3"], "'9-3' ends before it begins"),
            (["mon", "1"], "either days of the week or days of the month"),
        ):
            with self.subTest(written=written):
                self.assertIn(expected, str(self.assertRaises(InvalidValue, read_days, written)))

    def test_equal_timetables_are_written_equally(self) -> None:
        self.assertEqual(str(timetable(["12:00", "8:00"], days=["wed", "mon"])), "08:00,12:00 mon,wed")
        self.assertEqual(str(timetable(["08:00", "12:00"], days=["mon", "wed"])), "08:00,12:00 mon,wed")
        self.assertEqual(str(timetable(every=5)), "every 5")
        self.assertEqual(str(timetable(["08:00"], days=["last", "1"])), "08:00 1,last")


class Days(SynchronousTestCase):
    def test_weekdays(self) -> None:
        # The 1st of November 2026 is a Sunday.
        self.assertEqual(
            labels(timetable(["08:00"], days=["mon-fri"]), "2026-10-30T09:00", "2026-11-03T08:00"),
            ["2026-11-02T08:00+01:00", "2026-11-03T08:00+01:00"],
        )

    def test_days_of_the_month(self) -> None:
        self.assertEqual(
            labels(timetable(["08:00"], days=["1", "31"]), "2026-09-02T00:00", "2026-11-01T12:00"),
            ["2026-10-01T08:00+02:00", "2026-10-31T08:00+01:00", "2026-11-01T08:00+01:00"],
        )

    def test_the_last_day(self) -> None:
        self.assertEqual(
            [
                text[:10]
                for text in labels(
                    timetable(["08:00"], days=["last"]), "2028-01-01T00:00", "2028-04-30T09:00"
                )
            ],
            ["2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30"],
        )
        self.assertEqual(
            len(labels(timetable(["08:00"], days=["last", "31"]), "2028-01-01T00:00", "2028-02-01T00:00")), 1
        )

    def test_next(self) -> None:
        table = timetable(["08:00"], days=["31"])
        found = next_slot(table, at("2026-10-31T08:00"), ROME)
        self.assertEqual(found, at("2026-12-31T08:00"))
        self.assertIsNone(next_slot(Timetable(), 0, ROME))


class DaylightSaving(SynchronousTestCase):
    """In Rome, 2026: no 02:00 to 02:59 on the 29th of March, two of them on the 25th of October."""

    def test_a_time_that_does_not_exist_is_the_next_that_does(self) -> None:
        self.assertEqual(
            labels(timetable(["02:30"]), "2026-03-28T12:00", "2026-03-30T12:00"),
            ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"],
        )

    def test_two_times_that_become_one_run_once(self) -> None:
        self.assertEqual(
            labels(timetable(["02:15", "02:30", "03:00"]), "2026-03-29T00:00", "2026-03-29T12:00"),
            ["2026-03-29T03:00+02:00"],
        )

    def test_a_time_that_exists_twice_runs_once(self) -> None:
        self.assertEqual(
            labels(timetable(["02:30"]), "2026-10-24T12:00", "2026-10-26T02:00"), ["2026-10-25T02:30+02:00"]
        )

    def test_every_goes_on_through_both(self) -> None:
        for begin, end in (
            ("2026-03-29T00:00", "2026-03-29T12:00"),
            ("2026-10-25T00:00", "2026-10-25T12:00"),
        ):
            found = list(slots(timetable(every=20), at(begin), at(end), ROME))
            self.assertEqual({b - a for a, b in pairwise(found)}, {20 * MINUTE})
            self.assertEqual(len({label(slot, ROME) for slot in found}), len(found))

    def test_every_begins_anew_at_midnight(self) -> None:
        self.assertEqual(
            [text[11:16] for text in labels(timetable(every=1000), "2026-11-01T00:00", "2026-11-03T00:00")],
            ["16:40", "00:00", "16:40", "00:00"],
        )

    def test_the_zone_of_the_machine(self) -> None:
        before = os.environ.get("TZ")
        os.environ["TZ"] = "CET-1CEST,M3.5.0,M10.5.0/3"  # Europe/Rome, without the files of the system
        time.tzset()
        try:
            table = timetable(["00:00", "02:00", "02:30", "03:00"])
            for year in range(2000, 2030):
                for month in (3, 10):
                    begin = at(f"{year}-{month:02}-24T00:00")
                    found = list(slots(table, begin, begin + 9 * DAY, LocalZone()))
                    self.assertEqual(found, list(slots(table, begin, begin + 9 * DAY, ROME)))
                    self.assertEqual([label(s, LocalZone()) for s in found], [label(s, ROME) for s in found])
        finally:
            os.environ.pop("TZ")
            if before is not None:
                os.environ["TZ"] = before
            time.tzset()


tables = st.builds(
    Timetable,
    st.lists(
        st.integers(0, 1439) | st.sampled_from([0, 30, 120, 150, 180]), min_size=1, max_size=4, unique=True
    ).map(lambda times: tuple(sorted(times))),
    st.sampled_from([0, 0, 0, 1, 7, 30, 60, 1000, 1440]),
    st.frozensets(st.integers(0, 6), max_size=3),
    st.just(frozenset()),
) | st.builds(
    Timetable,
    st.just((0, 150)),
    st.sampled_from([0, 45]),
    st.just(frozenset()),
    st.frozensets(st.integers(0, 31), max_size=20),
)
# Days around changes of clocks, and others.
moments = st.one_of(
    st.integers(at("2009-01-01T00:00"), at("2030-01-01T00:00")),
    st.integers(at("2026-03-27T00:00"), at("2026-03-30T00:00")),
    st.integers(at("2026-10-23T00:00"), at("2026-10-26T00:00")),
    st.integers(at("2017-10-13T00:00"), at("2017-10-16T00:00")),
    st.integers(at("2018-02-16T00:00"), at("2018-02-19T00:00")),
    st.integers(at("2011-12-28T00:00"), at("2011-12-31T00:00")),
    st.integers(at("2026-04-03T00:00"), at("2026-04-06T00:00")),
)


def oracle(table: Timetable, after: int, until: int, zone: ZoneInfo) -> Iterator[int]:
    """Go through all minutes and look at the wall clock."""
    minute = after // MINUTE - 3 * 24 * 60
    shown = wall(minute, zone)
    midnight = minute
    today: date | None = None
    while minute * MINUTE <= until:
        minute += 1
        now = max(wall(minute, zone), shown)
        new_day = now.date() > shown.date()
        if new_day:
            midnight, today = minute, now.date()
        hit = False
        if table.every:
            hit = today is not None and table.on(today) and (minute - midnight) % table.every == 0
        else:
            days = [shown.date() + timedelta(n) for n in range((now.date() - shown.date()).days + 1)]
            wanted = (
                datetime(d.year, d.month, d.day) + timedelta(minutes=m)
                for d in days
                if table.on(d)
                for m in table.times
            )
            hit = any(shown < w <= now for w in wanted)
        shown = now
        if hit and after < minute * MINUTE <= until:
            yield minute * MINUTE


def wall(minute: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(minute * 60, zone).replace(tzinfo=None, fold=0)


class Moments(SynchronousTestCase):
    @settings(deadline=None)
    @given(tables, moments, st.integers(0, 2 * DAY), st.sampled_from(ZONES))
    def test_like_looking_at_the_clock_every_minute(
        self, table: Timetable, after: int, span: int, zone: ZoneInfo
    ) -> None:
        self.assertEqual(
            list(slots(table, after, after + span, zone)), list(oracle(table, after, after + span, zone))
        )

    @given(tables, moments, st.lists(st.integers(0, DAY), min_size=1, max_size=5), st.sampled_from(ZONES))
    def test_pieces_make_the_whole(
        self, table: Timetable, after: int, spans: list[int], zone: ZoneInfo
    ) -> None:
        pieces, here = [], after
        for span in spans:
            pieces += slots(table, here, here + span, zone)
            here += span
        self.assertEqual(pieces, list(slots(table, after, here, zone)))

    @given(tables, moments, st.sampled_from(ZONES))
    def test_labels_tell_slots_apart(self, table: Timetable, after: int, zone: ZoneInfo) -> None:
        found = list(slots(table, after, after + 2 * DAY, zone))
        self.assertEqual(len({label(slot, zone) for slot in found}), len(found))

    @given(tables, moments, st.sampled_from(ZONES))
    def test_the_next_is_the_first(self, table: Timetable, after: int, zone: ZoneInfo) -> None:
        found = next_slot(table, after, zone)
        assert found is not None
        self.assertEqual(list(slots(table, after, found, zone)), [found])


steps = st.lists(
    st.tuples(
        st.sampled_from(["run", "run", "jump", "restart"]),
        st.integers(1, 200),  # looks
        st.integers(-3 * DAY, 3 * DAY) | st.integers(-90 * MINUTE, 90 * MINUTE),
        st.booleans(),
    ),
    max_size=12,
)


class Once(SynchronousTestCase):
    """A server that looks once a minute, while its clock jumps and it is down now and then."""

    @settings(deadline=None)
    @given(tables, moments, steps, st.sampled_from([0, 1, 60, 720]), st.sampled_from([0, 50, 59_000]))
    @example(
        Timetable((480,)),
        at("2026-11-01T07:58"),
        [("run", 5, 0, False), ("jump", 5, -DAY, False)] * 3,
        60,
        50,
    )
    def test_every_slot_runs_exactly_once(
        self, table: Timetable, now: int, walk: list[tuple[str, int, int, bool]], late: int, lag: int
    ) -> None:
        now = now // MINUTE * MINUTE + lag
        began = now
        straight = all(what != "jump" for what, *_ in walk)
        ran: list[int] = []
        done = kept = Done().having(now - 721 * MINUTE, now)
        for what, looks, jump, written in walk:
            if what == "jump":
                now += jump
            if what == "restart":  # what was not written down since the last run is lost
                now += abs(jump)
                done = kept
            for _ in range(looks):
                now += MINUTE
                waiting = due(table, done, now, late, ROME)
                for slot in waiting:
                    ran.append(slot)
                    done = kept = done.having(min(begins(now, late), slot), slot)
                done = done.having(begins(now, late), now)
                if written:
                    kept = done
                # What is not too late has run, but for what an `every` has missed and what was before the rule.
                for slot in slots(table, begins(now, late) - 1, now, ROME):
                    if not table.every and not began - 721 * MINUTE <= slot <= began:
                        self.assertIn(slot, ran)
                newest = max(slots(table, begins(now, late) - 1, now, ROME), default=began)
                if straight and newest > began:
                    self.assertIn(newest, ran)
        self.assertEqual(len(ran), len(set(ran)))

    def looks(self, *times: str) -> list[str]:
        """What a rule for 08:00 and 10:00 runs when it looks at these times, one after the other."""
        table, done, ran = timetable(["08:00", "10:00"]), Done(), []
        for text in times:
            now = at(text)
            ran += [label(slot, ROME)[:16] for slot in due(table, done, now, 60, ROME)]
            done = done.having(begins(now, 60), now)
        return ran

    def test_a_clock_that_was_in_the_future_harms_nothing(self) -> None:
        for wrong, more in (
            ("2099-05-05T08:30", ["2099-05-05T08:00"]),
            ("2026-11-01T12:00", []),
            ("2026-11-02T23:00", []),
        ):
            with self.subTest(wrong=wrong):
                self.assertEqual(
                    self.looks(
                        "2026-11-01T07:59", "2026-11-01T08:00", wrong, "2026-11-01T08:05", "2026-11-01T10:00"
                    ),
                    ["2026-11-01T08:00", *more, "2026-11-01T10:00"],
                )

    def test_a_clock_that_was_in_the_past_repeats_nothing(self) -> None:
        for wrong in ("1970-01-01T12:00", "2026-11-01T07:30", "2026-10-01T03:00"):
            with self.subTest(wrong=wrong):
                self.assertEqual(
                    self.looks("2026-11-01T08:00", wrong, "2026-11-01T08:05", "2026-11-01T10:00"),
                    ["2026-11-01T08:00", "2026-11-01T10:00"],
                )

    def test_stretches_that_touch_become_one(self) -> None:
        done = Done()
        for minute in range(1000):
            done = done.having(begins(minute * MINUTE + 50, 0), minute * MINUTE + 50)
        self.assertEqual(done.stretches, ((0, 999 * MINUTE),))
        self.assertEqual(done.having(-DAY, -MINUTE).stretches, ((-DAY, 999 * MINUTE),))
        self.assertEqual(
            len(Done(tuple((n * DAY, n * DAY) for n in range(16))).having(99 * DAY, 99 * DAY).stretches), 16
        )

    def test_of_every_only_the_newest_is_made_up_for(self) -> None:
        now = at("2026-11-01T09:00")
        self.assertEqual(due(timetable(every=5), Done(), now, 60, ROME), [now])
        self.assertEqual(len(due(timetable(["08:10", "08:20"]), Done(), now, 60, ROME)), 2)

    def test_too_late(self) -> None:
        table, slot = timetable(["08:00"]), at("2026-11-01T08:00")
        for late, passed, expected in ((60, 60, 1), (60, 61, 0), (0, 0, 1), (0, 1, 0)):
            with self.subTest(late=late, passed=passed):
                self.assertEqual(
                    len(due(table, Done(), slot + passed * MINUTE + 50 * (passed < 61), late, ROME)), expected
                )
