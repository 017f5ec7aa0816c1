"""Databases of rules: real SQLite files, a real PostgreSQL, and a scripted one for what must happen at a certain moment."""

from __future__ import annotations

import os
import socket
import sqlite3
import sys
import threading
from typing import Any
from unittest import mock

from twisted.internet.defer import Deferred
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.sqltext import Statement
from smsd.core import databases as module
from smsd.core.databases import ABORT, GIVE_UP, THREADS, Databases
from smsd.core.engines import MOST_ROWS, Rows, temporary, without_values
from smsd.policy.rules.letter import Question
from smsd.values.delivery import Failure, Kind, Scope
from tests.house import ThreadedClock
from tests.rig.postgres import Line, server
from tests.rig.processes import free_port

ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"


class Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = os.path.abspath(self.mktemp())
        os.makedirs(self.folder)
        self.clock = ThreadedClock()
        self.own = os.path.join(self.folder, "smsd.db")
        self.databases = Databases(self.clock, self.own, self.folder)
        self.addCleanup(lambda: self.clock.wait(self.databases.stop()))

    def run_(self, statement: str, *values: str, name: str = "db", seconds: float = 30.0) -> Rows:
        rows: Rows = self.clock.wait(self.databases.run(name, statement, values, seconds))
        return rows

    def ask(self, statement: str, *values: str, name: str = "db", seconds: float = 30.0) -> str | None:
        answer: str | None = self.clock.wait(self.databases.ask(Question(name, statement, values, seconds)))
        return answer

    def failure(self, done: Deferred[Any]) -> Failure:
        with self.assertRaises(Failure) as caught:
            self.clock.wait(done)
        return caught.exception

    def refused(self, statement: str, *values: str, name: str = "db", seconds: float = 30.0) -> Failure:
        return self.failure(self.databases.run(name, statement, values, seconds))

    def assert_outcome(self, failure: Failure, kind: Kind, words: str, maybe: bool = False) -> None:
        self.assertEqual(
            (failure.kind, failure.scope, failure.maybe_sent), (kind, Scope.MESSAGE, maybe), failure.reason
        )
        self.assertIn(words, failure.reason)


class Names(Case):
    def test_unknown(self) -> None:
        self.assert_outcome(self.refused("SELECT 1"), Kind.TEMPORARY, "no database 'db'")

    def test_what_is_no_database(self) -> None:
        for url in ("mysql://u:secret@h/n", "sqlite:", "postgresql:x", "", "postgresql://u:secret@h:port/n"):
            with self.assertRaisesRegex(ValueError, "^database db: ") as caught:
                self.databases.use({"db": url})
            self.assertNotIn("secret", str(caught.exception))
        self.assertEqual(self.databases.names, [])

    def test_one_bad_url_changes_nothing(self) -> None:
        self.databases.use({"db": "sqlite:a.db"})
        with self.assertRaises(ValueError):
            self.databases.use({"new": "sqlite:b.db", "db": "oracle:"})
        self.assertEqual(self.databases.names, ["db"])

    def test_a_changed_url_is_another_database(self) -> None:
        for name in ("a", "b"):
            with sqlite3.connect(os.path.join(self.folder, name)) as connection:
                connection.execute(f"CREATE TABLE {name} (x)")
            connection.close()
        self.databases.use({"db": "sqlite:a"})
        self.run_("INSERT INTO a VALUES (1)")
        self.databases.use({"db": "sqlite:b"})
        self.run_("INSERT INTO b VALUES (1)")
        self.databases.use({})
        self.assert_outcome(self.refused("SELECT 1"), Kind.TEMPORARY, "no database")

    def test_stopped(self) -> None:
        self.databases.use({"db": "sqlite:a"})
        self.clock.wait(self.databases.stop())
        self.assert_outcome(self.refused("SELECT 1"), Kind.TEMPORARY, "no database")


class SqliteFiles(Case):
    def setUp(self) -> None:
        super().setUp()
        self.path = os.path.join(self.folder, "a?b %25.db")  # not to be taken for a part of a URI
        self.direct = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(self.direct.close)
        self.direct.execute(
            "CREATE TABLE sms (id INTEGER PRIMARY KEY, sender TEXT UNIQUE, text TEXT CHECK (text <> 'no'))"
        )
        self.databases.use({"db": "sqlite:a?b %25.db"})

    def test_values_are_bound(self) -> None:
        evil = "'); DROP TABLE sms; --"
        self.assertEqual(self.run_("INSERT INTO sms (sender, text) VALUES (?, ?)", "+1555", evil), Rows())
        self.assertEqual(self.direct.execute("SELECT * FROM sms").fetchall(), [(1, "+1555", evil)])

    def test_rows_as_text(self) -> None:
        rows = self.run_("SELECT 1, 'a', NULL, 2.5, x'c3a9ff' UNION ALL SELECT 2, '', NULL, NULL, NULL")
        self.assertEqual(rows.rows, (("1", "a", None, "2.5", "é\ufffd"), ("2", "", None, None, None)))
        self.assertEqual(rows.text, "1 a  2.5 é\ufffd\n2")
        self.assertEqual(self.run_("SELECT CAST(x'ff41' AS TEXT)").text, "\ufffdA")

    def test_returning(self) -> None:
        many = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 2500)"
        rows = self.run_(
            f"{many} INSERT INTO sms (sender) SELECT x FROM c RETURNING id".replace(many, many, 1)
        )
        self.assertEqual((len(rows.rows), rows.more), (MOST_ROWS, True))
        self.assertEqual(self.direct.execute("SELECT count(*) FROM sms").fetchone(), (2500,))

    def test_answers(self) -> None:
        self.direct.execute("INSERT INTO sms VALUES (7, '+1555', 'hello')")
        self.assertEqual(self.ask("SELECT id FROM sms WHERE sender = ?", "+1555"), "7")
        self.assertIsNone(self.ask("SELECT id FROM sms WHERE sender = ?", "nobody"))
        self.assertIsNone(self.ask("SELECT NULL"))
        self.assertEqual(self.ask("SELECT text FROM sms WHERE id = ?", "7"), "hello")

    def test_a_question_changes_nothing(self) -> None:
        failure = self.failure(self.databases.ask(Question("db", "DELETE FROM sms", ())))
        self.assertIn("readonly", failure.reason)
        # The log names this statement, whatever else does not answer.
        self.assertEqual(failure.kind, Kind.PERMANENT)

    def test_permanent_troubles(self) -> None:
        self.direct.execute("INSERT INTO sms VALUES (1, '+1555', 'x')")
        insert = "INSERT INTO sms (sender, text) VALUES (?, ?)"
        for statement, values, words in (
            (insert, ("+1555", "twice"), "UNIQUE constraint failed"),
            (insert, ("+1", "no"), "CHECK constraint failed"),
            ("INSERT INTO nowhere VALUES (1)", (), "no such table"),
            ("SELEKT 1", (), "syntax error"),
            ("SELECT 1; SELECT 2", (), "more than one statement"),
            ("ATTACH DATABASE ? AS a", ("x.db",), "ATTACH is not possible"),
            ("SELECT ?", (), "the statement has 1 ? and the rule 0 values"),
            ("SELECT load_extension('x')", (), "not authorized"),
        ):
            self.assert_outcome(self.refused(statement, *values), Kind.PERMANENT, words)
        self.assertEqual(self.direct.execute("SELECT count(*) FROM sms").fetchone(), (1,))

    def test_a_value_decides_nothing_about_the_kind_of_trouble(self) -> None:
        self.direct.execute("CREATE TABLE t (x TEXT CHECK (0))")
        self.assert_outcome(self.refused("INSERT INTO t VALUES (?)", "locked"), Kind.PERMANENT, "constraint")

    def test_locked_by_somebody(self) -> None:
        self.direct.execute("BEGIN EXCLUSIVE")
        failure = self.refused("INSERT INTO sms (sender) VALUES ('x')", seconds=0.05)
        self.assert_outcome(failure, Kind.TEMPORARY, "locked")
        self.direct.execute("ROLLBACK")
        self.run_("INSERT INTO sms (sender) VALUES ('x')")

    def test_a_missing_file_is_not_made(self) -> None:
        self.databases.use({"db": "sqlite:none/missing.db", "dir": f"sqlite:{self.folder}"})
        self.assert_outcome(self.refused("SELECT 1"), Kind.TEMPORARY, "unable to open")
        self.assert_outcome(self.refused("SELECT 1", name="dir"), Kind.TEMPORARY, "unable to open")

    def test_not_a_database(self) -> None:
        with open(os.path.join(self.folder, "text.db"), "w") as stream:
            stream.write("this is no database at all" * 100)
        self.databases.use({"db": "sqlite:text.db"})
        self.assert_outcome(self.refused("SELECT * FROM t"), Kind.TEMPORARY, "not a database")

    def test_a_file_that_was_replaced_is_opened_anew(self) -> None:
        self.run_("INSERT INTO sms (sender) VALUES ('old')")
        other = sqlite3.connect(self.path + ".new", isolation_level=None)
        other.execute("CREATE TABLE sms (sender TEXT)")
        self.addCleanup(other.close)
        os.rename(self.path + ".new", self.path)
        self.run_("INSERT INTO sms VALUES ('new')")
        self.assertEqual(other.execute("SELECT sender FROM sms").fetchall(), [("new",)])

    def test_the_journal_stays_as_it_is(self) -> None:
        for mode in ("wal", "delete"):
            connection = sqlite3.connect(os.path.join(self.folder, mode), isolation_level=None)
            self.addCleanup(connection.close)
            connection.execute(f"PRAGMA journal_mode = {mode}")
            connection.execute("CREATE TABLE sms (sender)")
            self.databases.use({"db": f"sqlite:{mode}"})
            self.run_("INSERT INTO sms (sender) VALUES (?)", mode)
            self.assertEqual(connection.execute("PRAGMA journal_mode").fetchone(), (mode,))
            self.assertEqual(self.ask("SELECT sender FROM sms"), mode)

    def test_our_own_store_is_only_read(self) -> None:
        connection = sqlite3.connect(self.own)
        self.addCleanup(connection.close)
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute("CREATE TABLE message (id)")
        connection.commit()
        os.symlink(self.own, os.path.join(self.folder, "alias.db"))
        os.link(self.own, os.path.join(self.folder, "twin.db"))
        for name in ("smsd.db", "alias.db"):
            self.databases.use({"db": f"sqlite:{name}"})
            self.assertEqual(self.ask("SELECT count(*) FROM message"), "0")
            self.assertEqual(self.run_("SELECT count(*) FROM message").text, "0")
            self.assert_outcome(
                self.refused("INSERT INTO message VALUES (1)"), Kind.PERMANENT, "may only read it"
            )
        self.databases.use({"db": "sqlite:twin.db"})  # whose journal SQLite does not find
        self.refused("INSERT INTO message VALUES (1)")
        self.assertEqual(connection.execute("SELECT count(*) FROM message").fetchone(), (0,))

    def test_a_statement_without_end(self) -> None:
        done = self.databases.run("db", f"INSERT INTO sms (id) {ENDLESS}", (), 5.0)
        self.clock.advance(5.1)
        self.assert_outcome(self.failure(done), Kind.TEMPORARY, "longer than 5 s")
        self.run_("INSERT INTO sms (sender) VALUES ('next')")

    def test_a_question_without_end(self) -> None:
        """The answer does not wait for the thread."""
        done = self.databases.ask(Question("db", ENDLESS, (), 2.0))
        self.clock.advance(2.1)
        self.assertIn("longer than 2 s", self.failureResultOf(done, Failure).value.reason)
        self.assertEqual(self.ask("SELECT 1"), "1")

    def test_endless_rows(self) -> None:
        rows = self.run_(ENDLESS.replace("count(*)", "x"))
        self.assertEqual((len(rows.rows), rows.more), (MOST_ROWS, True))

    def test_large_values(self) -> None:
        rows = self.run_(
            "SELECT zeroblob(900000) UNION ALL SELECT zeroblob(900000) UNION ALL SELECT zeroblob(2)"
        )
        self.assertEqual((len(rows.rows), rows.more), (2, True))
        if sys.version_info >= (3, 11):
            self.assert_outcome(self.refused("SELECT zeroblob(900000000)"), Kind.PERMANENT, "too big")

    def test_writers_that_hang_keep_no_question_waiting(self) -> None:
        hanging = [self.databases.run("db", ENDLESS, (), 60.0) for _ in range(THREADS + 1)]
        self.assertEqual(self.ask("SELECT 1"), "1")
        self.clock.advance(61)
        for done in hanging:
            self.assert_outcome(self.failure(done), Kind.TEMPORARY, "longer than")

    def test_an_outage_is_said_once(self) -> None:
        lines: list[tuple[str, str]] = []

        def observe(event: dict[str, Any]) -> None:
            if event.get("log_namespace") == "smsd.core.asking":
                lines.append((event["log_level"].name, formatEvent(event)))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        self.ask("SELECT count(*) FROM sms")
        self.assertEqual(lines, [])
        held = sqlite3.connect(self.path, isolation_level=None)
        held.execute("BEGIN EXCLUSIVE")
        for _ in range(3):
            for statement in ("SELECT count(*) FROM sms", "SELECT max(id) FROM sms"):
                self.failure(self.databases.ask(Question("db", statement, (), 0.2)))
        held.execute("ROLLBACK")
        held.close()
        ((level, first),) = lines
        self.assertEqual(level, "warn")
        self.assertIn("database db was not answered", first)
        self.ask("SELECT count(*) FROM sms")
        self.ask("SELECT count(*) FROM sms")
        self.assertEqual(len(lines), 1, "the other statement has not been answered yet")
        self.ask("SELECT max(id) FROM sms")
        for _ in range(2):
            self.failure(self.databases.ask(Question("db", "SELECT nothing FROM sms", (), 0.2)))
        again, wrong = lines[1:]
        self.assertEqual(again, ("info", "the database db answers again; 6 questions took their defaults"))
        self.assertIn("syntax error", wrong[1])

    def test_too_many(self) -> None:
        self.patch(module, "MOST_WAITING", 0)
        hanging = [self.databases.run("db", ENDLESS, (), 60.0) for _ in range(THREADS)]
        self.assert_outcome(self.refused("SELECT 1"), Kind.TEMPORARY, "too many")
        self.clock.advance(61)
        for done in hanging:
            self.failure(done)


class Words(SynchronousTestCase):
    def test_values_do_not_appear(self) -> None:
        self.assertEqual(without_values('bad input: "77"\nLINE 1', ("77",)), 'bad input: "…" LINE 1')
        self.assertEqual(without_values("key (a)=(secret text)", ("secret text", "a")), "key (a)=(…)")


class Scripted:
    """An engine and its connection; each step waits for the test, or fails as the test wants."""

    dialect = "sqlite"
    errors = (OSError,)

    def __init__(self) -> None:
        self.at: dict[str, threading.Event] = {}
        self.go: dict[str, threading.Event] = {}
        self.raising: dict[str, Exception] = {}
        self.did: list[str] = []
        self.lost = False
        self.usable = True

    def wait_at(self, step: str) -> None:
        self.at[step], self.go[step] = threading.Event(), threading.Event()

    def step(self, name: str) -> None:
        self.did.append(name)
        if name in self.at:
            self.at[name].set()
            assert self.go[name].wait(10)
        if name in self.raising:
            raise self.raising.pop(name)

    def connect(self, readonly: bool, seconds: float) -> Scripted:
        self.step("connect")
        return self

    def refuses_to_write(self, error: Exception) -> bool:
        return False

    def execute(self, statement: Statement, values: tuple[str, ...], seconds: float, most: int) -> Rows:
        self.step("execute")
        return Rows((("done",),))

    def commit(self) -> None:
        self.step("commit")

    def rollback(self) -> None:
        self.did.append("rollback")

    def interrupt(self) -> None:
        self.did.append("interrupt")

    def abort(self) -> None:
        self.did.append("abort")

    def close(self) -> None:
        self.did.append("close")

    def trouble(self, error: Exception, values: tuple[str, ...]) -> Failure:
        return temporary(f"trouble: {error}")


class Moments(Case):
    """What is true when the time ends, or the connection, at each moment."""

    def setUp(self) -> None:
        super().setUp()
        self.engine = Scripted()
        self.patch(self.databases, "_engine", lambda url: self.engine)
        self.databases.use({"db": "x"})

    def begin(self, step: str) -> Deferred[Rows]:
        self.engine.wait_at(step)
        done = self.databases.run("db", "UPDATE t SET x = 1", (), 10.0)
        self.assertTrue(self.engine.at[step].wait(10))
        return done

    def test_too_long_connecting(self) -> None:
        """Known at once, and the thread goes no further when it has its connection."""
        done = self.begin("connect")
        self.clock.advance(10)
        failure = self.failureResultOf(done, Failure).value
        self.assert_outcome(failure, Kind.TEMPORARY, "longer than 10 s")
        self.engine.go["connect"].set()
        self.clock.wait(self.databases.stop())
        self.assertNotIn("execute", self.engine.did)

    def test_too_long_executing(self) -> None:
        """It is interrupted, then the connection is ended; what it did is not committed."""
        done = self.begin("execute")
        self.clock.advance(10)
        self.assertEqual(self.engine.did[-1], "interrupt")
        self.assertNoResult(done)
        self.clock.advance(ABORT)
        self.assertEqual(self.engine.did[-1], "abort")
        self.engine.go["execute"].set()
        self.assert_outcome(self.failure(done), Kind.TEMPORARY, "longer than 10 s")
        self.assertNotIn("commit", self.engine.did)
        self.assertIn("rollback", self.engine.did)

    def test_a_driver_that_does_not_come_back(self) -> None:
        done = self.begin("execute")
        self.clock.pump([10, GIVE_UP])
        self.assert_outcome(self.failureResultOf(done, Failure).value, Kind.TEMPORARY, "longer than 10 s")
        self.engine.go["execute"].set()

    def test_a_commit_that_takes_longer_is_waited_for(self) -> None:
        done = self.begin("commit")
        self.clock.advance(10)
        self.assertNotIn("interrupt", self.engine.did)
        self.engine.go["commit"].set()
        self.assertEqual(self.clock.wait(done).text, "done")

    def test_a_commit_without_an_answer(self) -> None:
        done = self.begin("commit")
        self.clock.pump([10, GIVE_UP])
        failure = self.failureResultOf(done, Failure).value
        self.assert_outcome(failure, Kind.UNKNOWN, "did not answer to COMMIT", maybe=True)
        self.assertEqual(self.engine.did[-1], "abort")
        self.engine.go["commit"].set()

    def test_lost_while_committing(self) -> None:
        self.engine.lost = True
        self.engine.usable = False
        self.engine.raising["commit"] = OSError("gone")
        self.assert_outcome(self.refused("UPDATE t SET x = 1"), Kind.UNKNOWN, "(trouble: gone)", maybe=True)

    def test_lost_while_executing(self) -> None:
        self.engine.lost = True
        self.engine.usable = False
        self.engine.raising["execute"] = OSError("gone")
        self.assert_outcome(self.refused("UPDATE t SET x = 1"), Kind.TEMPORARY, "trouble: gone")
        self.assertEqual(self.engine.did, ["connect", "execute", "rollback", "close"])

    def test_an_idle_connection_that_has_ended_is_replaced(self) -> None:
        self.run_("UPDATE t SET x = 1")
        self.engine.lost = True
        self.engine.raising["execute"] = OSError("gone")
        self.assertEqual(self.run_("UPDATE t SET x = 2").text, "done")
        self.assertEqual(self.engine.did.count("connect"), 2)
        self.assertEqual(self.engine.did.count("commit"), 2)

    def test_a_refused_commit_is_known(self) -> None:
        self.engine.raising["commit"] = OSError("deferred constraint")
        self.assert_outcome(self.refused("UPDATE t SET x = 1"), Kind.TEMPORARY, "deferred constraint")

    def test_one_connection_serves_one_after_the_other(self) -> None:
        for _ in range(3):
            self.run_("UPDATE t SET x = 1")
        self.assertEqual(self.engine.did.count("connect"), 1)

    def test_a_mistake_of_ours_is_logged_and_in_doubt(self) -> None:
        self.engine.raising["execute"] = KeyError("x")
        self.assert_outcome(self.refused("UPDATE t SET x = 1"), Kind.UNKNOWN, "KeyError", maybe=True)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_stop_waits_for_what_runs(self) -> None:
        done = self.begin("execute")
        stopped = self.databases.stop()
        self.assertNoResult(stopped)
        self.engine.go["execute"].set()
        self.assertEqual(self.clock.wait(done).text, "done")
        self.clock.wait(stopped)


class PostgreSQL(Case):
    def setUp(self) -> None:
        super().setUp()
        self.server = server()
        self.server.sql(
            "SET client_min_messages = warning; DROP TABLE IF EXISTS sms;"
            " CREATE TABLE sms (id SERIAL PRIMARY KEY, sender TEXT UNIQUE, at INT, ok BOOL);"
        )
        self.databases.use({"db": self.server.url})

    def count(self) -> int:
        return int(self.run_("SELECT count(*) FROM sms").text)

    def line(self, watch: Any = lambda packet: None) -> Line:
        line = Line(self.server.socket, watch)
        self.addCleanup(line.close)
        self.databases.use({"db": self.server.url, "line": line.url})
        return line

    def test_values_are_bound(self) -> None:
        evil = "'); DROP TABLE sms; --"
        self.assertEqual(
            self.run_("INSERT INTO sms (sender, at, ok) VALUES (?, ?, ?)", evil, "5", "true"), Rows()
        )
        rows = self.run_("SELECT sender, at, ok, NULL FROM sms WHERE at = ? AND sender LIKE '%'", "5")
        self.assertEqual(rows.rows, ((evil, "5", "true", None),))

    def test_rows_as_the_database_writes_them(self) -> None:
        rows = self.run_(
            "SELECT 1.50, DATE '2026-11-21', TIMESTAMPTZ '2026-11-21 14:00Z' AT TIME ZONE 'UTC', ARRAY[1,2], FALSE,"
            """ '{"a": 1}'::json, '{"a": 1}'::jsonb ?? 'a', E'\\\\x41'::bytea"""
        )
        self.assertEqual(
            rows.rows,
            (("1.50", "2026-11-21", "2026-11-21 14:00:00", "{1,2}", "false", '{"a": 1}', "true", "\\x41"),),
        )

    def test_returning(self) -> None:
        rows = self.run_("INSERT INTO sms (sender) SELECT generate_series(1, 5000) RETURNING id")
        self.assertEqual((len(rows.rows), rows.more), (MOST_ROWS, True))
        self.assertEqual(self.count(), 5000)

    def test_answers(self) -> None:
        self.run_("INSERT INTO sms (sender) VALUES (?)", "+1555")
        self.assertEqual(self.ask("SELECT ok IS NULL FROM sms WHERE sender = ?", "+1555"), "true")
        self.assertIsNone(self.ask("SELECT id FROM sms WHERE sender = ?", "nobody"))
        self.assertEqual(self.ask("SELECT generate_series(1, 100000)"), "1")
        self.assertEqual(self.ask("SELECT 2"), "2")

    def test_a_question_changes_nothing(self) -> None:
        failure = self.failure(self.databases.ask(Question("db", "DELETE FROM sms", ())))
        self.assertIn("read-only transaction", failure.reason)
        self.assertEqual(failure.kind, Kind.PERMANENT)

    def test_permanent_troubles(self) -> None:
        self.run_("INSERT INTO sms (sender) VALUES (?)", "+1555")
        for statement, values, words in (
            (
                "INSERT INTO sms (sender) VALUES (?)",
                ("+1555",),
                "duplicate key value violates unique constraint",
            ),
            ("INSERT INTO sms (at) VALUES (?)", ("a word",), 'invalid input syntax for type integer: "…"'),
            ("INSERT INTO nowhere VALUES (1)", (), 'relation "nowhere" does not exist'),
            ("SELEKT 1", (), "syntax error"),
            ("COMMIT", (), "COMMIT is not possible"),
            ("CALL nothing()", (), "does not exist"),
        ):
            failure = self.refused(statement, *values)
            self.assert_outcome(failure, Kind.PERMANENT, words)
            self.assertNotIn("+1555", failure.reason)
        self.assertEqual(self.count(), 1)

    def test_locked_by_somebody(self) -> None:
        self.run_("INSERT INTO sms (sender) VALUES ('x')")
        line = self.line()
        import psycopg

        with psycopg.connect(line.url) as other:
            other.execute("UPDATE sms SET at = 1")
            failure = self.refused("UPDATE sms SET at = 2", seconds=0.1)
            self.assert_outcome(failure, Kind.TEMPORARY, "statement timeout")
        self.run_("UPDATE sms SET at = 3")

    def test_nobody_there(self) -> None:
        self.databases.use({"db": f"postgresql://u:topsecret@127.0.0.1:{free_port()}/n"})
        failure = self.refused("SELECT 1")
        self.assert_outcome(failure, Kind.TEMPORARY, "Connection refused")
        self.assertNotIn("topsecret", failure.reason)

    def test_a_server_that_says_nothing(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.databases.use({"db": f"postgresql://u:p@127.0.0.1:{listener.getsockname()[1]}/n"})
            done = self.databases.run("db", "SELECT 1", (), 10.0)
            self.clock.advance(10)
            self.assert_outcome(self.failureResultOf(done, Failure).value, Kind.TEMPORARY, "longer than 10 s")

    def test_without_the_package(self) -> None:
        with mock.patch.dict(sys.modules, {"psycopg": None}):
            self.databases.use({"db": "postgresql://u:p@127.0.0.1/n"})
            self.assert_outcome(self.refused("SELECT 1"), Kind.TEMPORARY, "install smsd[postgres]")

    def test_an_idle_connection_that_was_cut(self) -> None:
        line = self.line()
        self.run_("INSERT INTO sms (sender) VALUES ('1')", name="line")
        line.cut()
        self.run_("INSERT INTO sms (sender) VALUES ('2')", name="line")
        self.assertEqual((self.count(), line.connections), (2, 2))

    def test_cut_in_the_middle_of_a_statement(self) -> None:
        self.line(lambda packet: "cut" if b"INSERT" in packet else None)
        failure = self.refused("INSERT INTO sms (sender) VALUES ('1')", name="line")
        self.assert_outcome(failure, Kind.TEMPORARY, "the database says")
        self.assertEqual(self.count(), 0)

    def test_cut_before_the_commit_arrives(self) -> None:
        self.line(lambda packet: "cut" if b"COMMIT" in packet else None)
        failure = self.refused("INSERT INTO sms (sender) VALUES ('1')", name="line")
        self.assert_outcome(failure, Kind.UNKNOWN, "did not answer to COMMIT", maybe=True)
        self.assertEqual(self.count(), 0)

    def test_cut_after_the_commit(self) -> None:
        self.line(lambda packet: "cut after" if b"COMMIT" in packet else None)
        failure = self.refused("INSERT INTO sms (sender) VALUES ('1')", name="line")
        self.assert_outcome(failure, Kind.UNKNOWN, "did not answer to COMMIT", maybe=True)
        self.assertEqual(self.count(), 1)

    def test_a_line_that_falls_silent(self) -> None:
        """Nobody says that it has ended: the connection is shut down after the time limit."""
        silent = threading.Event()

        def watch(packet: bytes) -> str | None:
            if b"INSERT" not in packet:
                return None
            silent.set()
            return "silence"

        self.line(watch)
        done = self.databases.run("line", "INSERT INTO sms (sender) VALUES ('1')", (), 10.0)
        self.assertTrue(silent.wait(10))
        self.clock.advance(10)
        self.clock.advance(ABORT)
        self.assert_outcome(self.failure(done), Kind.TEMPORARY, "longer than 10 s")
        self.assertEqual(self.count(), 0)

    def test_a_million_rows(self) -> None:
        rows = self.run_("SELECT repeat('x', 1000) FROM generate_series(1, 200000)")
        self.assertEqual((len(rows.rows), rows.more), (MOST_ROWS, True))
