"""docs/timed.rst is true: each configuration of the page runs for the week that the page tells of, and what leaves is what it says.
The commented rule of etc/smsd.yaml can be used."""

from __future__ import annotations

import os
import re
import sqlite3
import textwrap
from datetime import datetime, timezone
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from smsd.config.load import load_text
from smsd.config.timed import TimedSettings, TimedSql
from smsd.core.accounts import Account
from smsd.core.clocks import Clocks
from smsd.values.message import Text
from tests.core.test_clocks import Found
from tests.house import House, ThreadedClock

ROOT = os.path.join(os.path.dirname(__file__), "..", "..")
MONDAY = datetime(2027, 1, 11, tzinfo=timezone.utc).timestamp()
_BLOCK = re.compile(r"\.\. code-block:: (\w+)\n\n((?:    .*\n|\n)+)")


def read(*path: str) -> str:
    with open(os.path.join(ROOT, *path), encoding="utf-8") as stream:
        return stream.read()


class Week:
    """A server on which a week passes; `left` is what leaves it."""

    def __init__(self, configuration: Any, database: str) -> None:
        clock = ThreadedClock()
        clock.rightNow = MONDAY - 60
        self.house = House(clock=clock)
        self.house.open(slots=10)
        for settings in configuration.accounts:
            self.house.accounts[settings.user] = Account(settings.user, email=settings.email)
        self.database = sqlite3.connect(":memory:", isolation_level=None)
        self.database.executescript(database)
        self.left: list[str] = []
        for gateway in (self.house.gsm, self.house.mail):
            real = gateway.answer
            gateway.answer = lambda piece, real=real: self._sent(piece) or real(piece)
        self.clocks = Clocks(
            self.house.store, self.house.dispatcher, clock, self.house.accounts.get, self._query
        )
        self.clocks.zone = timezone.utc
        self.clocks.use(configuration.timed)

    def _query(self, database: str, statement: str, values: tuple[str, ...], seconds: float) -> Deferred[Any]:
        cursor = self.database.execute(statement, values)
        columns = tuple(column[0] for column in cursor.description)
        rows = [tuple(None if value is None else str(value) for value in row) for row in cursor]
        return succeed(Found(rows, columns))

    def _sent(self, piece: Any) -> None:
        assert isinstance(piece.content, Text)
        when = datetime.fromtimestamp(self.house.clock.seconds(), timezone.utc)
        subject = dict(piece.headers).get("subject") if piece.target.scheme == "mailto" else None
        about = f" ({subject})" if subject else ""
        text = piece.content.text.replace("\n", " / ")
        self.left.append(
            f"{when:%a %H:%M} {piece.target.target}{about}: {text}".replace(
                f"{when:%a}", f"{when:%a}".lower(), 1
            )
        )

    def live(self) -> list[str]:
        """Let it pass; gives what left, sorted within each minute."""
        self.house.wait(Deferred.fromCoroutine(self.clocks.start()))
        before, sorted_ = 0, list[str]()
        for _ in range(7 * 1440):
            self.house.clock.advance(60)
            if self.clocks._busy:
                self.house.settle()
                sorted_ += sorted(self.left[before:])
                before = len(self.left)
        self.house.wait(self.clocks.stop())
        self.house.close()
        self.database.close()
        return sorted_ + sorted(self.left[before:])


class Page(SynchronousTestCase):
    def test_every_example(self) -> None:
        blocks = [
            (kind, textwrap.dedent(text).strip("\n"))
            for kind, text in _BLOCK.findall(read("docs", "timed.rst"))
        ]
        (_, database), (_, around), *examples = blocks
        self.assertEqual([kind for kind, _ in examples], ["yaml", "text"] * (len(examples) // 2))
        self.assertGreater(len(examples), 10)
        for (_, yaml), (_, promised) in zip(examples[::2], examples[1::2], strict=True):
            configuration = load_text(f"{around}\n{yaml}\n", "/etc/smsd.yaml", {})
            with self.subTest(title=configuration.timed[0].title):
                self.assertEqual(Week(configuration, database).live(), promised.splitlines())

    def test_every_key_is_told(self) -> None:
        text = read("docs", "timed.rst")
        told = re.search(r"\nAll keys\n-+\n(.*?)\n\n[A-Z].*\n-+\n", text, re.S)
        assert told is not None
        names = set(re.findall(r"``(\w+)``", "\n".join(re.findall(r"^``.*", told[1], re.M))))
        self.assertEqual(names, set(TimedSettings.model_fields))
        for name in TimedSql.model_fields:
            self.assertIn(f"``{name}``", told[1])

    def test_the_annotated_file_has_every_key(self) -> None:
        found = re.search(r"^timed: \[\] .*\n((?:  # .*\n)+)", read("etc", "smsd.yaml"), re.M)
        assert found is not None
        block = re.sub("^  # ", "  ", found[1], flags=re.M)
        around = "databases: [{name: crm, url: 'sqlite:crm.db'}]\naccounts: [{user: demo, password: demo, demo: yes}]\n"
        configuration = load_text(f"{around}timed:\n{block}", "/etc/smsd.yaml", {})
        [rule] = configuration.timed
        self.assertEqual(rule.model_fields_set | {"every"}, set(TimedSettings.model_fields))
        self.assertEqual(rule.sql.model_fields_set, set(TimedSql.model_fields))
