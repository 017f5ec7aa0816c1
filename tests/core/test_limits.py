"""Limits of gateways over a real store: what they count, that others carry, that crashes forget nothing."""

from __future__ import annotations

from datetime import timezone
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsd.interfaces import Abilities
from smsd.policy.limits import Limits
from smsd.values.account import Account
from smsd.values.delivery import Accepted, Failure, Kind, Scope
from smsd.values.errors import Refused
from smsd.values.message import IdempotencyKey, Parameters
from tests.house import MODEM, FakeGateway, House, submission

PROVIDER = Abilities(frozenset({"sms"}), binary=True)
HOUR, DAY = 3600, 86_400
# The clock of tests begins on Friday, 15 January 2027, at eight in the morning, UTC.


class LimitCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House()
        self.house.queue.zone = timezone.utc
        self.addCleanup(lambda: self.house.close())

    def limited(
        self, name: str = "sim", slots: int = 5, abilities: Abilities = MODEM, **limits: int
    ) -> FakeGateway:
        gateway = self.house.gateway(name, abilities, limits=Limits(**limits))
        self.house.wait(self.house.queue.start())
        self.house.outlet(name).opened(slots)
        return gateway

    def crash(self) -> None:
        self.house = self.house.crash()
        self.house.queue.zone = timezone.utc

    def many(self, count: int, first: int = 0, **options: Any) -> None:
        for n in range(first, first + count):
            self.house.send(f"+1555{n:07}", f"{n}", **options)
        self.house.settle()

    def status(self, name: str = "sim") -> list[str]:
        return self.house.outlet(name).limits(self.house.queue.now())


class Windows(LimitCase):
    def test_three_in_any_minute(self) -> None:
        sim = self.limited(per_minute=3)
        self.many(7)
        self.assertEqual(len(sim.pieces), 3)
        self.assertEqual(self.status(), ["3 of 3 this minute; next in 60 s"])
        self.house.advance(59.9)
        self.assertEqual(len(sim.pieces), 3)
        self.house.advance(0.2)
        self.assertEqual(len(sim.pieces), 6)
        self.house.advance(48)
        self.assertEqual(self.status(), ["3 of 3 this minute; next in 12 s"])

    def test_the_window_moves(self) -> None:
        sim = self.limited(per_minute=3)
        for n in range(6):
            self.many(1, n)
            self.house.advance(9.9)
        self.assertEqual(len(sim.pieces), 3)
        for expected in (4, 5, 6):
            self.house.advance(1)
            self.assertEqual(len(sim.pieces), expected)
            self.house.advance(9)
            self.assertEqual(len(sim.pieces), expected)

    def test_several_at_once_the_tightest_counts(self) -> None:
        sim = self.limited(per_second=2, per_hour=5)
        self.many(9)
        self.house.advance(1.1)
        self.house.advance(1.1)
        self.house.advance(1.1)
        self.assertEqual(len(sim.pieces), 5)
        self.house.advance(HOUR)
        self.assertEqual(len(sim.pieces), 7)

    def test_a_day_ends_at_midnight(self) -> None:
        sim = self.limited(per_day=2)
        self.many(3)
        self.assertEqual(self.status(), ["2 of 2 today; next in 16 h"])
        self.house.advance(16 * HOUR - 1)
        self.assertEqual(len(sim.pieces), 2)
        self.house.advance(1)
        self.assertEqual(len(sim.pieces), 3)

    def test_a_modem_counts_each_part_when_it_leaves(self) -> None:
        sim = self.limited(per_minute=4)
        sim.manual = True
        self.house.send("+15550000001", "x" * 400)  # three parts
        self.house.advance(30)
        sim.release()
        self.house.settle()
        sim.release()
        self.house.settle()
        sim.release()
        self.house.settle()
        sim.manual = False
        self.many(3, 10)
        self.assertEqual(len(sim.pieces), 4)
        self.house.advance(31)  # the first part no longer counts, the other two do
        self.assertEqual(len(sim.pieces), 5)
        self.house.advance(30)
        self.assertEqual(len(sim.pieces), 6)

    def test_parts_that_are_still_to_leave_have_their_place(self) -> None:
        sim = self.limited(per_minute=4)
        sim.manual = True
        self.house.send("+15550000001", "x" * 400)
        self.many(3, 10)
        self.assertEqual(len(sim.pieces), 2)  # the first part, and one message beside the three
        self.house.advance(120)
        self.assertEqual(len(sim.pieces), 4, "two have left the window, two wait to come")
        while sim.pending:
            sim.release()
            self.house.settle()

    def test_a_provider_is_sent_whole_texts_and_counts_their_parts(self) -> None:
        sim = self.limited(abilities=PROVIDER, per_minute=4)
        self.house.send("+15550000001", "x" * 400)
        self.many(3, 10)
        self.assertEqual(len(sim.pieces), 2)

    def test_a_long_text_is_not_overtaken_for_ever(self) -> None:
        sim = self.limited(per_minute=3)
        self.many(2)
        self.house.send("+15550000001", "x" * 400)
        self.many(5, 10)
        self.assertEqual(len(sim.pieces), 2)
        self.house.advance(61)
        self.assertEqual([piece.seq for piece in sim.pieces[2:]], [1, 2, 3])

    def test_longer_than_the_limit_leaves_alone_and_pays_for_it(self) -> None:
        sim = self.limited(abilities=PROVIDER, per_minute=1)
        self.house.send("+15550000001", "x" * 400)
        self.many(1, 10)
        self.assertEqual(len(sim.pieces), 1)
        self.house.advance(179)
        self.assertEqual(len(sim.pieces), 1)
        self.house.advance(2)
        self.assertEqual(len(sim.pieces), 2)


class Recipients(LimitCase):
    def test_a_plan_for_so_many_people(self) -> None:
        sim = self.limited(recipients_per_month=2)
        self.many(3)
        self.many(2)
        self.assertEqual([piece.content.text for piece in sim.pieces], ["0", "1", "0", "1"])
        self.assertEqual(self.status(), ["2 of 2 recipients this month; new ones in 17 days"])
        self.house.advance(17 * DAY)
        self.assertEqual(len(sim.pieces), 4, "expired meanwhile")
        self.many(3, 10)
        self.assertEqual([piece.content.text for piece in sim.pieces[4:]], ["10", "11"])

    def test_others_of_the_pool_carry(self) -> None:
        sim = self.limited(recipients_per_month=2)
        self.many(4)
        self.house.outlet("gsm1").opened(1)
        self.house.settle()
        self.assertEqual((len(sim.pieces), len(self.house.gsm.pieces)), (2, 2))

    def test_nobody_waits_behind_a_stranger(self) -> None:
        sim = self.limited(slots=1, recipients_per_month=2)
        sim.manual = True
        for number, text in ((1, "a"), (2, "b"), (3, "stranger"), (1, "again"), (2, "again")):
            self.house.send(f"+1555000000{number}", text)
        for _ in range(4):
            sim.release()
            self.house.settle()
            self.house.advance(6)
        self.assertEqual([piece.content.text for piece in sim.pieces], ["a", "b", "again", "again"])

    def test_a_stranger_that_was_refused_at_the_door_is_none(self) -> None:
        self.house.accounts["ann"] = Account("ann", monthly_limit=1)
        sim = self.limited(per_minute=2, recipients_per_month=2)
        self.house.send("+15550000001", account="ann")
        self.assertRaises(Refused, self.house.send, "+15550000002", account="ann")
        self.assertEqual(self.status(), ["1 of 2 this minute", "1 of 2 recipients this month"])
        self.house.send("+15550000003")
        self.assertEqual(len(sim.pieces), 2)

    def test_a_repeated_request_is_counted_once(self) -> None:
        self.limited(per_minute=5, recipients_per_month=5)
        for _ in range(3):
            self.house.wait(self.house.dispatcher.submit(submission(key=IdempotencyKey("a", "b", b"f"))))
        self.assertEqual(self.status(), ["1 of 5 this minute", "1 of 5 recipients this month"])


class Others(LimitCase):
    def test_what_one_may_not_another_does(self) -> None:
        sim = self.limited(per_day=2)
        self.house.outlet("gsm1").opened(1)
        self.many(6)
        self.assertEqual((len(sim.pieces), len(self.house.gsm.pieces)), (2, 4))

    def test_pinned_waits(self) -> None:
        sim = self.limited(per_minute=1)
        self.house.outlet("gsm1").opened(1)
        self.many(2, parameters=Parameters(gateway="sim"))
        self.assertEqual((len(sim.pieces), len(self.house.gsm.pieces)), (1, 0))
        self.house.advance(61)
        self.assertEqual(len(sim.pieces), 2)

    def test_without_limits_nothing_is_written(self) -> None:
        self.house.open()
        self.many(3)
        for table in ("limit_use", "limit_recipient"):
            self.assertEqual(self.rows(table), [])

    def rows(self, table: str) -> list[Any]:
        return list(self.house.store._writer.execute(f"select * from {table}").fetchall())


class Crashes(LimitCase):
    def test_windows_days_and_recipients_are_remembered(self) -> None:
        limits = {"per_minute": 3, "per_day": 6, "recipients_per_month": 7}
        self.limited(**limits)
        self.many(5)
        before = self.status()
        self.assertEqual(before[0], "3 of 3 this minute; next in 60 s")
        self.crash()  # takes a second
        sim = self.limited(**limits)
        self.house.settle()
        self.assertEqual(
            self.status(),
            ["3 of 3 this minute; next in 59 s", "3 of 6 today", "3 of 7 recipients this month"],
        )
        self.assertEqual(sim.pieces, [])
        self.house.advance(60)
        self.assertEqual(len(sim.pieces), 2)
        self.crash()
        sim = self.limited(**limits)
        self.many(3, 10)
        self.assertEqual(len(sim.pieces), 1)
        self.assertEqual(self.status()[1][:6], "6 of 6")

    def test_what_was_on_the_wire_counts(self) -> None:
        self.limited(per_hour=2).manual = True
        self.many(2)
        self.crash()
        self.house.wait(self.house.store.recover({}))
        sim = self.limited(per_hour=2)
        self.house.settle()
        self.assertEqual(sim.pieces, [])
        self.house.advance(HOUR)
        self.assertEqual([piece.maybe_twice for piece in sim.pieces], [True, True])

    def test_a_new_configuration_keeps_count(self) -> None:
        self.limited(per_day=5)
        self.many(3)
        self.house.wait(self.house.queue.remove("sim"))
        sim = self.limited(per_day=4)
        self.many(3, 10)
        self.assertEqual(len(sim.pieces), 1)

    def test_rows_that_no_longer_count_are_deleted(self) -> None:
        self.limited(per_second=1, recipients_per_month=100)
        for n in range(5):
            self.many(1, n)
            self.house.advance(40 * DAY)
        for table in ("limit_use", "limit_recipient"):
            (count,) = self.house.store._writer.execute(f"select count(*) from {table}").fetchone()
            self.assertEqual(count, 1, table)


class Troubles(LimitCase):
    def test_what_is_refused_has_been_sent(self) -> None:
        sim = self.limited(per_minute=2)
        sim.answer = lambda piece: Failure(Kind.PERMANENT, "no such number")
        self.many(4)
        self.assertEqual(len(sim.pieces), 2)

    def test_a_gateway_that_closes_before_the_commit_has_used_nothing(self) -> None:
        self.limited(per_minute=2, recipients_per_month=2)
        sent = self.house.dispatcher.submit(submission())
        self.house.outlet("sim").closed("gone")
        self.house.wait(sent)
        self.assertEqual(self.status(), ["0 of 2 this minute", "0 of 2 recipients this month"])

    def test_too_fast_in_the_middle_of_a_text_gives_back_what_did_not_leave(self) -> None:
        sim = self.limited(per_minute=10)
        fast = Failure(Kind.TEMPORARY, "too fast", scope=Scope.SPEED, retry_after=300)
        sim.answer = lambda piece: fast if piece.seq == 2 else Accepted("1")
        self.house.send("+15550000001", "x" * 600)  # four parts
        self.house.settle()
        self.assertEqual(self.status(), ["2 of 10 this minute"])
