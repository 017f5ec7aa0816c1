"""Group commit: many calls in one transaction, each answered after it, a bad one alone."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from typing import Any

from twisted.internet.defer import gatherResults
from twisted.trial.unittest import SynchronousTestCase

from smsd.store.group import MOST, GroupCommit, StoreClosed
from tests.house import ThreadedClock


class GroupTests(SynchronousTestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="smsd-test-")
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "group.db")
        self.connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        self.connection.execute("create table t(n integer primary key)")
        self.clock = ThreadedClock()
        self.commits = 0
        self.failing = 0
        self.undone = 0
        self.groups: list[int] = []
        self.group = GroupCommit(self.connection, self.clock, commit=self.commit, undone=self.forget)
        self.addCleanup(lambda: self.clock.wait(self.group.close()))

    def commit(self) -> None:
        self.commits += 1
        if self.failing:
            self.failing -= 1
            raise sqlite3.OperationalError("database or disk is full")
        self.connection.commit()

    def forget(self) -> None:
        self.undone += 1

    def insert(self, cursor: sqlite3.Cursor, items: Any) -> list[Any]:
        self.groups.append(len(items))
        cursor.executemany("insert into t(n) values(?)", [(n,) for n in items])
        return list(items)

    def stored(self) -> list[int]:
        with sqlite3.connect(self.path) as other:
            return [n for (n,) in other.execute("select n from t order by n")]

    def test_calls_of_one_moment_share_a_commit(self) -> None:
        results = self.clock.wait(gatherResults([self.group.call(self.insert, n) for n in range(10)]))
        self.assertEqual((results, self.commits, self.groups), (list(range(10)), 1, [10]))
        self.assertEqual(self.stored(), list(range(10)))

    def test_a_group_has_its_limit(self) -> None:
        self.clock.wait(gatherResults([self.group.call(self.insert, n) for n in range(MOST + 5)]))
        self.assertEqual(self.groups, [MOST, 5])

    def test_nothing_is_answered_before_the_commit(self) -> None:
        seen = []
        calls = [self.group.call(self.insert, n) for n in range(3)]
        for call in calls:
            call.addCallback(lambda n: seen.append(n in self.stored()))
        self.clock.wait(gatherResults(calls))
        self.assertEqual(seen, [True, True, True])

    def test_the_next_group_begins_before_the_answers_only_where_all_of_them_allow_it(self) -> None:
        for ahead, expected in ((True, [[1], [2, 3], [0]]), (False, [[1], [0], [2, 3]])):
            order: list[Any] = []

            def handler(cursor: sqlite3.Cursor, items: Any, order: list[Any] = order) -> list[Any]:
                order.append(list(items))
                return list(items)

            first = self.group.call(handler, 1, ahead=ahead)
            first.addCallback(lambda _, order=order: order.append([0]))
            self.clock.advance(0)
            later = [self.group.call(handler, n) for n in (2, 3)]
            self.clock.wait(gatherResults([first, *later]))
            self.assertEqual(order, expected)

    def patient(self) -> GroupCommit:
        group = GroupCommit(self.connection, self.clock, commit=self.commit, patience=0.5)
        self.addCleanup(lambda: self.clock.wait(group.close()))
        return group

    def test_a_patient_call_rides_with_the_next(self) -> None:
        group = self.patient()
        waiting = group.call(self.insert, 1, patient=True)
        self.clock.advance(0.4)
        self.assertEqual((self.groups, self.commits), ([], 0))
        hurried = group.call(self.insert, 2)
        self.assertEqual(self.clock.wait(gatherResults([waiting, hurried])), [1, 2])
        self.assertEqual((self.groups, self.commits), ([2], 1))

    def test_a_patient_call_waits_no_longer_than_its_patience(self) -> None:
        group = self.patient()
        calls = [group.call(self.insert, n, patient=True) for n in (1, 2)]
        self.clock.advance(0.5)
        self.assertEqual(self.clock.wait(gatherResults(calls)), [1, 2])
        self.assertEqual((self.groups, self.stored()), ([2], [1, 2]))

    def test_what_came_during_a_commit_stays_patient(self) -> None:
        group = self.patient()
        first = group.call(self.insert, 1)
        first.addCallback(lambda _: None)
        self.clock.advance(0)  # its commit is under way
        waiting = group.call(self.insert, 2, patient=True)
        self.clock.wait(first)
        self.clock.advance(0.4)
        self.assertEqual(self.groups, [1])
        self.clock.advance(0.1)
        self.clock.wait(waiting)
        self.assertEqual((self.groups, self.stored()), ([1, 1], [1, 2]))

    def test_patient_calls_do_not_lose_their_turn(self) -> None:
        group = self.patient()
        calls = [group.call(self.insert, n, patient=n % 3 > 0) for n in range(MOST + 20)]
        self.clock.wait(gatherResults(calls))
        self.assertEqual(self.groups, [MOST, 20])

    def test_closing_waits_for_no_patience(self) -> None:
        group = self.patient()
        waiting = group.call(self.insert, 1, patient=True)
        closed = group.close()
        self.clock.wait(gatherResults([waiting, closed]))
        self.assertEqual(self.stored(), [1])

    def test_a_bad_call_fails_alone(self) -> None:
        calls = [self.group.call(self.insert, n) for n in (1, 2, 2, 3)]
        self.clock.wait(gatherResults([calls[0], calls[1], calls[3]]))
        self.failureResultOf(calls[2], sqlite3.IntegrityError)
        self.assertEqual(self.stored(), [1, 2, 3])
        self.assertGreaterEqual(self.undone, 1)

    def test_a_commit_that_fails_is_tried_call_by_call(self) -> None:
        self.failing = 1
        calls = [self.group.call(self.insert, n) for n in (1, 2)]
        self.assertEqual(self.clock.wait(gatherResults(calls)), [1, 2])
        self.assertEqual(self.stored(), [1, 2])

    def test_calls_of_a_group_that_failed_go_before_later_ones(self) -> None:
        calls = [self.group.call(self.insert, n) for n in (1, 2, 2)]
        order: list[int] = []
        calls[0].addCallback(lambda n: self.group.call(self.insert, 9).addCallback(order.append))
        calls[1].addCallback(order.append)
        self.clock.wait(calls[1])
        self.failureResultOf(calls[2], sqlite3.IntegrityError)
        self.clock.wait(self.group.call(self.insert, 10))
        self.assertEqual((order, self.stored()), ([2, 9], [1, 2, 9, 10]))

    def test_big_calls_do_not_share_a_group(self) -> None:
        calls = [self.group.call(self.insert, n, rows) for n, rows in enumerate([MOST * 5, 60, 40, 1])]
        self.clock.wait(gatherResults(calls))
        self.assertEqual(self.groups, [1, 2, 1])

    def test_a_file_that_somebody_else_holds_refuses_all_at_once(self) -> None:
        self.connection.execute("pragma busy_timeout=0")
        other = sqlite3.connect(self.path, isolation_level=None)
        other.execute("begin immediate")
        calls = [self.group.call(self.insert, n) for n in range(20)]
        self.clock.advance(0)
        for call in calls:
            self.failureResultOf(call, sqlite3.OperationalError)
        self.assertEqual(self.groups, [])
        other.execute("rollback")
        self.assertEqual(self.clock.wait(self.group.call(self.insert, 1)), 1)
        other.close()

    def test_a_full_disk_refuses_and_leaves_nothing(self) -> None:
        self.failing = 3
        calls = [self.group.call(self.insert, n) for n in (1, 2)]
        for call in calls:
            self.assertRaises(sqlite3.OperationalError, self.clock.wait, call)
        self.assertEqual(self.stored(), [])
        self.assertEqual(self.clock.wait(self.group.call(self.insert, 4)), 4)

    def test_a_result_that_is_an_exception_fails_its_call_only(self) -> None:
        def odd(cursor: sqlite3.Cursor, items: Any) -> list[Any]:
            return [ValueError("odd") if n % 2 else n for n in items]

        calls = [self.group.call(odd, n) for n in (1, 2)]
        self.assertEqual(self.clock.wait(calls[1]), 2)
        self.failureResultOf(calls[0], ValueError)

    def test_closed_takes_nothing_and_finishes_what_waits(self) -> None:
        call = self.group.call(self.insert, 1)
        closing = self.group.close()
        self.failureResultOf(self.group.call(self.insert, 2), StoreClosed)
        self.clock.wait(closing)
        self.assertEqual(self.successResultOf(call), 1)
