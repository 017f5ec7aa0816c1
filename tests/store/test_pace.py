"""Where commits are made: at once while the disk is quick, in the thread when it is not."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
from typing import Any

from twisted.internet.defer import gatherResults
from twisted.trial.unittest import SynchronousTestCase

from smsd.store.group import LONGEST_REST, MOST, GroupCommit, Pace
from tests.house import ThreadedClock


class PaceTests(SynchronousTestCase):
    def test_nothing_is_quick_before_it_was_seen(self) -> None:
        self.assertFalse(Pace(0.001).quick)

    def test_what_takes_less_is_quick(self) -> None:
        pace = Pace(0.001)
        for _ in range(20):
            pace.took(0.0002)
        self.assertTrue(pace.quick)

    def test_one_slow_commit_is_enough_to_stop_it_and_some_quick_ones_bring_it_back(self) -> None:
        pace = Pace(0.001)
        for _ in range(20):
            pace.took(0.0002)
        pace.took(0.02)
        self.assertFalse(pace.quick)
        for _ in range(20):
            pace.took(0.0002)
        self.assertTrue(pace.quick)

    def test_a_disk_that_hangs_now_and_then_stops_the_reactor_for_a_hundredth_of_the_time(self) -> None:
        now = stopped = 0.0
        pace = Pace(0.001, lambda: now)
        for n in range(400_000):
            seconds = 2.0 if n % 10_000 == 5000 else 0.0002
            stopped += seconds if pace.quick and seconds == 2.0 else 0.0
            now += seconds + 0.001
            pace.took(seconds)
        self.assertLessEqual(stopped, 0.01 * now + 2.0)
        self.assertGreater(stopped, 0.0)

    def test_it_is_quick_again_after_a_rest_however_long_it_hung(self) -> None:
        now = [0.0]
        pace = Pace(0.001, lambda: now[0])
        pace.took(3600.0)
        pace.took(0.06)  # which alone means a short rest
        for seconds, quick in ((1.0, False), (LONGEST_REST - 1, False), (LONGEST_REST, True)):
            now[0] = seconds
            for _ in range(200):
                pace.took(0.0002)
            self.assertEqual(pace.quick, quick, seconds)

    def test_between_two_commits_it_says_the_same(self) -> None:
        now = [0.0]
        pace = Pace(0.001, lambda: now[0])
        pace.took(0.05)
        for _ in range(200):
            pace.took(0.0002)
        now[0] = 1000.0
        self.assertFalse(pace.quick)
        pace.took(0.0002)
        self.assertTrue(pace.quick)

    def test_what_moves_the_log_to_the_file_is_no_stall(self) -> None:
        pace = Pace(0.001, lambda: 0.0)
        pace.took(0.03)
        for _ in range(40):
            pace.took(0.0002)
        self.assertTrue(pace.quick)

    def test_without_a_bound_nothing_ever_is(self) -> None:
        pace = Pace(0.0)
        pace.took(0.0)
        self.assertFalse(pace.quick)


class QuickGroupTests(SynchronousTestCase):
    """Commits in whose pace a group believes because it is told so; nothing here is measured."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="smsd-test-")
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "group.db")
        self.connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        self.connection.execute("create table t(n integer primary key)")
        self.clock = ThreadedClock()
        self.threads: list[threading.Thread] = []
        self.groups: list[int] = []
        self.failing = 0
        self.group = GroupCommit(self.connection, self.clock, commit=self.commit, patience=0.5, quick=1000.0)
        for _ in range(20):
            self.group._pace.took(0.0)
        self.addCleanup(lambda: self.clock.wait(self.group.close()))

    def commit(self) -> None:
        self.threads.append(threading.current_thread())
        if self.failing:
            self.failing -= 1
            raise sqlite3.OperationalError("database or disk is full")
        self.connection.commit()

    def insert(self, cursor: sqlite3.Cursor, items: Any) -> list[Any]:
        self.groups.append(len(items))
        cursor.executemany("insert into t(n) values(?)", [(n,) for n in items])
        return list(items)

    def stored(self) -> list[int]:
        with sqlite3.connect(self.path) as other:
            return [n for (n,) in other.execute("select n from t order by n")]

    def test_a_quick_commit_needs_no_thread_and_is_answered_after_it(self) -> None:
        seen = []
        calls = [self.group.call(self.insert, n, ahead=True) for n in range(3)]
        for call in calls:
            call.addCallback(lambda n: seen.append(n in self.stored()))
        self.clock.advance(0)
        self.assertEqual((seen, self.groups), ([True] * 3, [3]))
        self.assertEqual(self.threads, [threading.current_thread()])

    def test_a_slow_one_sends_the_next_into_the_thread(self) -> None:
        self.successResultOf(self._now(1))
        self.group._pace.took(1e6)
        self.assertEqual(self.clock.wait(self.group.call(self.insert, 2)), 2)
        self.assertEqual([one is threading.current_thread() for one in self.threads], [True, False])
        self.assertEqual(self.stored(), [1, 2])

    def _now(self, n: int) -> Any:
        call = self.group.call(self.insert, n)
        self.clock.advance(0)
        return call

    def test_a_commit_that_fails_is_tried_call_by_call(self) -> None:
        self.failing = 1
        calls = [self.group.call(self.insert, n) for n in (1, 2)]
        self.assertEqual(self.clock.wait(gatherResults(calls)), [1, 2])
        self.assertEqual((self.stored(), len(self.threads)), ([1, 2], 3))

    def test_a_full_disk_refuses_and_leaves_nothing(self) -> None:
        self.failing = 1
        call = self._now(1)
        self.failureResultOf(call, sqlite3.OperationalError)
        self.assertEqual(self.stored(), [])
        self.assertEqual(self.successResultOf(self._now(2)), 2)

    def test_groups_follow_one_another_however_many_wait(self) -> None:
        calls = [self.group.call(self.insert, n) for n in range(MOST * 30)]
        self.assertEqual(self.clock.wait(gatherResults(calls)), list(range(MOST * 30)))
        self.assertEqual(self.groups, [MOST] * 30)

    def test_what_an_answer_asks_for_is_in_a_later_group(self) -> None:
        first = self.group.call(self.insert, 1)
        first.addCallback(lambda _: self.group.call(self.insert, 2))
        self.assertEqual(self.clock.wait(first), 2)
        self.assertEqual(self.groups, [1, 1])

    def test_closing_finishes_what_waits(self) -> None:
        call = self.group.call(self.insert, 1)
        self.clock.wait(self.group.close())
        self.assertEqual(self.successResultOf(call), 1)

    def test_a_patient_call_rides_with_the_next(self) -> None:
        waiting = self.group.call(self.insert, 1, patient=True)
        self.clock.advance(0.4)
        self.assertEqual(self.groups, [])
        hurried = self.group.call(self.insert, 2, ahead=True)
        self.assertEqual(self.clock.wait(gatherResults([waiting, hurried])), [1, 2])
        self.assertEqual((self.groups, len(self.threads)), ([2], 1))

    def test_it_waits_no_longer_than_its_patience(self) -> None:
        waiting = [self.group.call(self.insert, n, patient=True) for n in (1, 2)]
        self.clock.advance(0.5)
        self.assertEqual([self.successResultOf(call) for call in waiting], [1, 2])
        self.assertEqual(self.groups, [2])

    def test_what_follows_a_commit_comes_after_all_its_answers(self) -> None:
        order: list[Any] = []
        for n in (1, 2):
            call = self.group.call(self.insert, n)
            call.addCallback(lambda n: self.group.after(lambda: order.append(("follows", n))) or n)
            call.addCallback(lambda n: order.append(("answered", n)))
        self.clock.advance(0)
        self.assertEqual(order, [("answered", 1), ("answered", 2), ("follows", 1), ("follows", 2)])
        self.group.after(lambda: order.append("at once"))
        self.assertEqual(order[-1], "at once")

    def test_one_that_fails_stops_no_other(self) -> None:
        order: list[Any] = []
        first = self.group.call(self.insert, 1)
        first.addCallback(lambda n: self.group.after(lambda: order[0]))
        first.addCallback(lambda n: self.group.after(lambda: order.append("the next")))
        self.clock.advance(0)
        self.assertEqual(order, ["the next"])
        self.assertEqual(len(self.flushLoggedErrors(IndexError)), 1)

    def test_closing_waits_for_no_patience(self) -> None:
        waiting = self.group.call(self.insert, 1, patient=True)
        self.clock.wait(gatherResults([waiting, self.group.close()]))
        self.assertEqual(self.stored(), [1])
