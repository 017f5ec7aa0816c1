"""Statements of rules, as deliveries: on a real SQLite file and a real PostgreSQL."""

from __future__ import annotations

import os
import sqlite3
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from smsd.core.databases import Databases
from smsd.gateways import sql
from smsd.interfaces import GatewayContext, IGateway
from smsd.logs import as_text
from smsd.values.delivery import Accepted, Failure, Kind, Scope
from smsd.values.message import Call
from tests.gateways.helpers import RecordingOutlet, piece
from tests.house import ThreadedClock
from tests.rig.postgres import server


class Statements(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = ThreadedClock()
        self.path = os.path.abspath(self.mktemp())
        self.direct = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(self.direct.close)
        self.direct.execute("CREATE TABLE price (city TEXT UNIQUE, cents INT)")
        self.databases = Databases(self.clock)
        self.databases.use({"shop": f"sqlite:{self.path}", "pg": server().url})
        self.addCleanup(lambda: self.clock.wait(self.databases.stop()))
        self.gateway = self.make()

    def make(self, databases: Any = "given", **settings: Any) -> sql.Statements:
        self.outlet = RecordingOutlet()
        given = self.databases if databases == "given" else databases
        context = GatewayContext(self.clock, self.outlet, None, None, databases=given)
        made = sql.make(sql.Settings(id="rules-sql", **settings), context)
        made.startService()
        return made

    def send(self, statement: str, *values: str, database: str = "shop") -> Deferred[Accepted]:
        return self.gateway.send(piece(content=Call("sql", database, values, statement, rule="prices")))

    def done(self, statement: str, *values: str, **more: Any) -> Accepted:
        accepted: Accepted = self.clock.wait(self.send(statement, *values, **more))
        return accepted

    def failure(self, statement: str, *values: str, **more: Any) -> Failure:
        with self.assertRaises(Failure) as caught:
            self.done(statement, *values, **more)
        return caught.exception

    def test_in_and_out(self) -> None:
        verifyObject(IGateway, self.gateway)
        self.assertEqual(self.outlet.told, [("opened", 4)])
        insert = "INSERT INTO price VALUES (?, ?)"
        self.assertEqual(self.done(insert, "Rome", "1250"), Accepted())
        self.assertEqual(self.done(insert, "Città", "900"), Accepted())
        self.assertEqual(self.done("SELECT cents FROM price WHERE city = ?", "Rome").output, "1250")
        self.assertEqual(self.done("SELECT * FROM price ORDER BY cents").output, "Città 900\nRome 1250")
        self.assertEqual(self.gateway.status, "4 done, 0 failed, 0 under way")

    def test_postgresql(self) -> None:
        self.assertEqual(self.done("SELECT upper(?), 1 + ?", "rome", "2", database="pg").output, "ROME 3")

    def test_a_long_answer_is_cut(self) -> None:
        self.gateway = self.make(output=5)
        self.assertEqual(self.done("SELECT 'ééééé'").output, "éé")

    def test_troubles(self) -> None:
        self.done("INSERT INTO price VALUES (?, ?)", "Rome", "1")
        for failure, kind, words in (
            (self.failure("INSERT INTO price VALUES (?, ?)", "Rome", "2"), Kind.PERMANENT, "UNIQUE"),
            (self.failure("SELECT 1", database="other"), Kind.TEMPORARY, "no database 'other'"),
            (self.failure("SELECT 1; SELECT 2"), Kind.PERMANENT, "more than one statement"),
        ):
            self.assertEqual((failure.kind, failure.scope, failure.maybe_sent), (kind, Scope.MESSAGE, False))
            self.assertIn(words, failure.reason)

    def test_too_long(self) -> None:
        endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
        done = self.send(endless)
        stopped = self.gateway.stopService()
        self.assertNoResult(stopped)
        self.clock.advance(31)
        with self.assertRaisesRegex(Failure, "longer than 30 s"):
            self.clock.wait(done)
        self.successResultOf(stopped)

    def test_a_server_without_databases(self) -> None:
        self.gateway = self.make(databases=None)
        self.assertEqual(self.failure("SELECT 1").kind, Kind.TEMPORARY)

    def test_no_value_in_the_log(self) -> None:
        lines: list[str] = []
        observe = lambda event: lines.append(as_text(event))  # noqa: E731
        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        self.done("SELECT ?", "a private text")
        self.assertIn("a statement on shop is done (rule 'prices')", "".join(lines))
        self.assertNotIn("private", "".join(lines))
