"""The store's calls: identity, limits, reports kept for a while, sweeps, operator's verbs, life and versions."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsd.store import operating, schema
from smsd.store.ids import Ids, first_at
from smsd.store.sqlite import SqliteStore
from smsd.store.sweeping import AT_ONCE, KEYS_AT_ONCE, REFERENCES_AT_ONCE, Tick
from smsd.values.account import Account
from smsd.values.address import Address
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.message import Binary, IdempotencyKey, Parameters, Recipient, Submission, Text, Wants
from tests.house import START, House, ThreadedClock

DAY = 86_400


class StoreCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(lambda: self.house.close())

    def count(self, table: str) -> int:
        return int(
            self.house.wait(
                self.house.store.ask(lambda c: c.execute(f"select count(*) from {table}").fetchone()[0])
            )
        )


class Rights(StoreCase):
    def test_others_read_nothing_wherever_the_store_is(self) -> None:
        before = os.umask(0o022)
        self.addCleanup(os.umask, before)
        with tempfile.TemporaryDirectory(prefix="smsd-rights-") as folder:
            os.chmod(folder, 0o755)
            clock = ThreadedClock()
            store = SqliteStore(os.path.join(folder, "smsd.db"), clock)
            store.open()
            modes = {name: os.stat(os.path.join(folder, name)).st_mode & 0o777 for name in os.listdir(folder)}
            clock.wait(store.close())
        del modes["smsd.db.lock"]
        self.assertEqual(modes, dict.fromkeys(("smsd.db", "smsd.db-wal", "smsd.db-shm"), 0o640))


class Identity(StoreCase):
    def send(self, key: str, fingerprint: bytes = b"1", **options: Any) -> Any:
        return self.house.send(key=IdempotencyKey("http:demo", key, fingerprint), **options)

    def test_a_repeat_gets_the_first_answer(self) -> None:
        first, again = self.send("a"), self.send("a")
        self.assertEqual((again.message, again.recipients), (first.message, first.recipients))
        self.assertTrue(again.replayed and not first.replayed)
        self.assertEqual(self.count("delivery"), 1)

    def test_in_one_group_too(self) -> None:
        from twisted.internet.defer import gatherResults

        from tests.house import submission

        keyed = submission(key=IdempotencyKey("http:demo", "x", b"1"))
        one, two = self.house.wait(gatherResults([self.house.dispatcher.submit(keyed) for _ in range(2)]))
        self.assertEqual(one.message, two.message)
        self.assertEqual(self.count("delivery"), 1)

    def test_over_a_restart(self) -> None:
        first = self.send("a")
        self.house = self.house.crash()
        self.assertEqual(self.send("a").message, first.message)

    def test_another_message_under_the_same_key_is_refused(self) -> None:
        self.send("a")
        refusal = self.assertRaises(Refused, self.send, "a", b"2", text="other")
        self.assertIs(refusal.reason, Reason.CONFLICT)
        self.assertEqual(self.count("delivery"), 1)

    def test_a_key_is_forgotten_after_a_day(self) -> None:
        self.send("a")
        self.house.clock.advance(DAY + 1)
        self.assertFalse(self.send("a", b"2").replayed)

    def test_a_repeat_gives_its_reserved_slot_back(self) -> None:
        self.house.open()
        self.send("a")
        self.house.settle()
        self.send("a")
        self.house.settle()
        self.assertEqual(self.house.outlet("gsm1").free, 1)


class Limits(StoreCase):
    def setUp(self) -> None:
        super().setUp()
        self.house.accounts["ann"] = Account("ann", monthly_limit=2)

    def test_the_month_is_full(self) -> None:
        for _ in range(2):
            self.house.send(account="ann")
        refusal = self.assertRaises(Refused, self.house.send, account="ann")
        self.assertIs(refusal.reason, Reason.OVER_LIMIT)
        self.assertIn("may send 2", refusal.text)

    def test_all_recipients_or_none(self) -> None:
        self.assertRaises(
            Refused, self.house.send, account="ann", numbers=["+15550000001", "+15550000002", "+15550000003"]
        )
        self.assertEqual(self.count("delivery"), 0)
        self.house.send(account="ann", numbers=["+15550000001", "+15550000002"])

    def test_the_next_month_is_another(self) -> None:
        for _ in range(2):
            self.house.send(account="ann")
        self.house.clock.advance(31 * DAY)
        self.house.send(account="ann")

    def test_counted_over_a_crash(self) -> None:
        self.house.send(account="ann")
        self.house = self.house.crash()
        self.house.accounts["ann"] = Account("ann", monthly_limit=2)
        self.house.send(account="ann")
        self.assertRaises(Refused, self.house.send, account="ann")


class Contents(StoreCase):
    def test_everything_comes_back_as_it_was(self) -> None:
        parameters = Parameters(expire_minutes=30, protocol_id=0x41, values=("&a=1",), sender="me")
        self.house.send(content=Binary(b"\0\xff", b"\x05\x04\x0b\x84\x23\xf0"), parameters=parameters)
        self.house.send("+15550000002", text="€ 😀 \r\n'; drop table", headers=(("subject", "s"),))
        self.house.open()
        first, second = sorted(self.house.gsm.pieces, key=lambda piece: piece.delivery)
        self.assertEqual(
            (first.content, first.parameters), (Binary(b"\0\xff", b"\x05\x04\x0b\x84\x23\xf0"), parameters)
        )
        self.assertEqual(
            (second.content, second.headers), (Text("€ 😀 \r\n'; drop table"), (("subject", "s"),))
        )


class Operator(StoreCase):
    def verb(self, verb: str, delivery: int) -> None:
        now = self.house.store.now()
        for lane in self.house.wait(
            self.house.store.control(operating.Verb(verb, delivery, now, now + 1000))
        ):
            self.house.queue.wake(lane)

    def test_cancel_what_waits(self) -> None:
        delivery = self.house.send().recipients[0].delivery
        self.verb("cancel", delivery)
        self.house.open()
        self.assertEqual((self.house.states()[0], self.house.gsm.pieces), ("cancelled", []))
        (told,) = self.house.mail.pieces
        self.assertEqual(
            (told.content.event, told.content.reason), ("cancelled", "cancelled by the operator")
        )

    def test_too_late_to_cancel(self) -> None:
        self.house.open()
        delivery = self.house.send().recipients[0].delivery
        self.house.settle()
        error = self.assertRaises(InvalidValue, self.verb, "cancel", delivery)
        self.assertIn("too late", str(error))

    def test_retry_what_was_cancelled(self) -> None:
        delivery = self.house.send().recipients[0].delivery
        self.verb("cancel", delivery)
        self.house.open()
        self.verb("retry", delivery)
        self.assertEqual(self.house.states()[0], "sent")

    def test_no_such_delivery(self) -> None:
        self.assertRaises(InvalidValue, self.verb, "cancel", 1)

    def test_find_and_explain(self) -> None:
        self.house.send("+15550000001", "one", account="ann")
        delivery = self.house.send("+15550000002", "two", account="bob").recipients[0].delivery
        self.assertEqual([row["text"] for row in self.house.rows(account="bob")], ["two"])
        self.assertEqual([row["text"] for row in self.house.rows(target="0001")], ["one"])
        told = self.house.wait(self.house.store.ask(operating.explain, delivery))
        self.assertEqual((told["state"], told["route"], told["about"]["body"]), ("ready", "any:sms", "two"))
        self.assertIsNone(self.house.wait(self.house.store.ask(operating.explain, 1)))


class Sweeps(StoreCase):
    def tick(self, keep: float = 30 * DAY) -> Any:
        return self.house.wait(self.house.store.tick(Tick(self.house.store.now(), int(keep * 1000))))

    def test_finished_messages_are_forgotten_after_their_time(self) -> None:
        self.house.open()
        self.house.send(text="done")
        self.house.settle()
        self.house.clock.advance(29 * DAY)
        self.house.send("+15550000002", "young")
        self.house.settle()
        self.tick()
        self.assertEqual(self.count("message"), 2)
        self.house.clock.advance(2 * DAY)
        self.tick()
        self.assertEqual([row["text"] for row in self.house.rows()], ["young"])
        self.assertEqual((self.count("message"), self.count("delivery")), (1, 1))

    def test_all_deliveries_of_a_message_are_forgotten_with_it(self) -> None:
        self.house.open()
        several = [Recipient(Address("sms", f"+1555000000{n}")) for n in range(4)]
        self.house.wait(
            self.house.dispatcher.submit(
                Submission("http", Address("door", "http"), tuple(several), Text("x"))
            )
        )
        self.house.send("+15550000009", "one")
        self.house.settle()
        while any(row["state"] != "sent" for row in self.house.rows()):
            self.house.advance(1)
        self.assertEqual((self.count("message"), self.count("delivery")), (2, 5))
        self.house.clock.advance(31 * DAY)
        self.tick()
        self.assertEqual((self.count("message"), self.count("delivery")), (0, 0))

    def test_what_is_not_finished_stays(self) -> None:
        self.house.send(parameters=Parameters(expire_minutes=100 * 1440), ticket=None)
        self.house.clock.advance(40 * DAY)
        self.tick()
        self.assertEqual(self.count("delivery"), 1)

    def test_what_finished_late_is_looked_at_only_now_and_then(self) -> None:
        self.house.open()
        for n in range(AT_ONCE + 50):
            self.house.send(
                f"+1555000{n:04}", wants=Wants.SUCCESS, ticket=None
            )  # no report will come: finished days later
        self.house.settle()
        self.house.clock.advance(20 * DAY)
        while self.tick().more:
            pass
        self.house.send("+15559999999", "done at once")
        self.house.settle()
        self.house.clock.advance(29 * DAY)
        looked: list[str] = []
        self.house.store._writer.set_trace_callback(looked.append)
        self.assertFalse(self.tick().more)
        self.house.store._writer.set_trace_callback(None)
        self.assertEqual(
            [sql.count(f"limit {AT_ONCE}") for sql in looked if sql.startswith("select id from message")], [1]
        )
        self.house.clock.advance(2 * DAY)
        for _ in range(3):
            self.tick()
        self.assertEqual(self.count("message"), 0)

    def test_keys_and_references_go_in_bounded_bites(self) -> None:
        keys = [("http", f"{n}", n + 1) for n in range(KEYS_AT_ONCE + 5)]
        references = [("gsm1", f"{n}", n + 1) for n in range(REFERENCES_AT_ONCE + 5)]
        write = self.house.store._writer.executemany
        write("insert into idempotency(scope, key, fingerprint, expires) values(?, ?, '', ?)", keys)
        write("insert into reference(space, ref, expires) values(?, ?, ?)", references)
        left = []
        for _ in range(2):
            self.tick()
            left.append((self.count("idempotency"), self.count("reference")))
        self.assertEqual(left, [(5, 5), (0, 0)])

    def test_keys_that_live_are_passed_over_and_looked_at_again(self) -> None:
        now = self.house.store.now()
        keys = [("http", f"{n:05}", now + (1000 if n % 2 else -1000)) for n in range(2 * KEYS_AT_ONCE + 10)]
        write = self.house.store._writer.executemany
        write("insert into idempotency(scope, key, fingerprint, expires) values(?, ?, '', ?)", keys)
        for _ in range(3):
            self.tick()
        self.assertEqual(self.count("idempotency"), KEYS_AT_ONCE + 5)
        self.house.clock.advance(2)
        for _ in range(4):
            self.tick()
        self.assertEqual(self.count("idempotency"), 0)

    def test_many_expire_in_bounded_bites(self) -> None:
        for n in range(250):
            self.house.send(f"+1555000{n:04}", parameters=Parameters(expire_minutes=5))
        self.house.clock.advance(301)
        first = self.tick()
        self.assertEqual((first.changed, first.more), (200, True))
        second = self.tick()
        self.assertEqual((second.changed, second.more), (50, False))


class Life(SynchronousTestCase):
    def path(self) -> str:
        folder = tempfile.TemporaryDirectory(prefix="smsd-test-")
        self.addCleanup(folder.cleanup)
        return os.path.join(folder.name, "queue.db")

    def test_two_servers_on_one_store(self) -> None:
        house = House(self.path())
        other = SqliteStore(house.path, house.clock)
        error = self.assertRaises(InvalidValue, other.open)
        self.assertIn("another smsd", str(error))
        house.close()
        again = House(house.path)
        again.close()

    def test_a_newer_store_is_refused(self) -> None:
        path = self.path()
        with sqlite3.connect(path) as connection:
            connection.execute("pragma user_version = 999")
        error = self.assertRaises(InvalidValue, SqliteStore(path, ThreadedClock()).open)
        self.assertIn("newer smsd", str(error))

    def test_an_older_store_is_copied_and_brought_forward(self) -> None:
        path = self.path()
        steps = schema.migrations()
        connection = sqlite3.connect(path, isolation_level=None)
        schema.migrate(connection, path, steps)
        connection.execute("insert into setting values('a', 'b', 'c', 0)")
        newer = [*steps, (steps[-1][0] + 1, "alter table setting add column who text;")]
        self.assertEqual(schema.migrate(connection, path, newer), newer[-1][0])
        self.assertEqual(connection.execute("select value, who from setting").fetchall(), [("c", None)])
        with sqlite3.connect(f"{path}.before-v{newer[-1][0]}") as copy:
            self.assertEqual(copy.execute("select * from setting").fetchall(), [("a", "b", "c", 0)])

    def test_a_migration_that_fails_changes_nothing(self) -> None:
        path = self.path()
        connection = sqlite3.connect(path, isolation_level=None)
        first = schema.migrations()
        schema.migrate(connection, path, first)
        bad = [*first, (first[-1][0] + 1, "create table half(a); create table session(b);")]
        self.assertRaises(sqlite3.OperationalError, schema.migrate, connection, path, bad)
        connection.rollback()
        self.assertEqual(
            connection.execute("select count(*) from sqlite_master where name='half'").fetchone(), (0,)
        )
        self.assertEqual(connection.execute("pragma user_version").fetchone(), (first[-1][0],))

    def test_ids_grow_even_when_the_clock_does_not(self) -> None:
        now = [int(START * 1000)]
        ids = Ids(3, lambda: now[0])
        made = [ids.next() for _ in range(10_000)]
        now[0] -= 60_000
        made += [ids.next() for _ in range(10)]
        self.assertEqual(made, sorted(set(made)))
        self.assertLess(made[-1], 2**63)
        self.assertGreaterEqual(made[0], first_at(int(START * 1000)))

    def test_ids_are_new_although_the_slot_is_the_same_again(self) -> None:
        now = int(START * 1000)
        newest = Ids(3, lambda: now).next()
        later = Ids(3 + 1024, lambda: now - 5, floor=newest)
        self.assertGreater(later.next(), newest)
        self.assertGreater(Ids(2, lambda: now, floor=newest).next(), newest)

    def test_ids_go_on_after_the_newest_that_is_stored(self) -> None:
        house = House(self.path())
        house.clock.advance(1000)
        newest = house.send().message
        house.close()
        earlier = ThreadedClock()  # the clock jumped back while smsd was down
        again = House(house.path, earlier)
        self.assertGreater(again.send().message, newest)
        again.close()

    def test_a_full_disk_refuses_at_the_door_and_goes_on_afterwards(self) -> None:
        top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        command = [sys.executable, "-m", "tests.store.full_disk", self.path()]
        done = subprocess.run(command, cwd=top, capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual((done.stdout, done.returncode), ("refused UNAVAILABLE\naccepted\n", 0), done.stderr)
