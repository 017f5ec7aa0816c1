"""The examples of docs/effects.rst, run: a script or a statement, what it gets, and what it answers."""

from __future__ import annotations

import os
import re
import sqlite3
import textwrap
from dataclasses import replace

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from smsd.core.databases import Databases
from smsd.gateways import program, sql
from smsd.values.message import Call
from tests.gateways.helpers import context, piece

PAGE = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "effects.rst")
BLOCK = re.compile(r"^\.\. code-block:: (\w+)\n\n((?:    .*\n|\n)+)", re.MULTILINE)
GIVEN = re.compile(r"^# (\w+): from (\d+) through (\w+): (.*)\n# answers: (.*)$", re.MULTILINE)


def blocks(kind: str) -> list[str]:
    with open(PAGE, encoding="utf-8") as stream:
        return [textwrap.dedent(text) for found, text in BLOCK.findall(stream.read()) if found == kind]


class Page(TestCase):
    async def test_scripts(self) -> None:
        folder = os.path.abspath(self.mktemp())
        os.makedirs(folder)
        settings = program.Settings(id="rules-program")
        gateway = program.make(
            settings, replace(context(reactor), spool=lambda name: os.path.join(folder, name))
        )
        gateway.startService()
        self.addCleanup(gateway.stopService)
        ran = []
        for script in blocks("sh"):
            [(name, number, through, text, answer)] = GIVEN.findall(script)
            path = os.path.join(folder, name)
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(script)
            os.chmod(path, 0o755)
            facts = {
                "SMSD_DIRECTION": "incoming",
                "SMSD_NUMBER": f"+{number}",
                "SMSD_TEXT": text,
                "SMSD_GATEWAY": through,
            }
            arguments = ("RECEIVED", program.EVENT_FILE) if name == "eventhandler" else ()
            done = await gateway.send(
                piece(content=Call("program", path, arguments, text, facts=tuple(facts.items())))
            )
            self.assertEqual(done.output, answer)
            ran.append(name)
        self.assertEqual(ran, ["notes", "receive", "eventhandler"])

    async def test_statement(self) -> None:
        path = os.path.abspath(self.mktemp())
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE price (city, euro)")
            connection.execute("INSERT INTO price VALUES ('Rome', '12.50')")
        connection.close()
        databases = Databases(reactor)
        databases.use({"shop": f"sqlite:{path}"})
        self.addCleanup(databases.stop)
        gateway = sql.make(sql.Settings(id="rules-sql"), replace(context(reactor), databases=databases))
        [example] = blocks("sql")
        [(value, answer)] = re.findall(r"^-- with (.*)\n-- answers: (.*)$", example, re.MULTILINE)
        done = await gateway.send(piece(content=Call("sql", "shop", (value,), example)))
        self.assertEqual(done.output, answer)
