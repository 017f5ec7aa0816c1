"""The pages for those who come from SMSPortal and COP tell the truth: their sessions are typed into doors of their
configurations, in front of the real core, and their commands are run. So are the examples of etc/smsd.yaml loaded."""

from __future__ import annotations

import os
import re
import shutil
import textwrap
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SynchronousTestCase, TestCase

from smsd.config.load import load_text
from smsd.core.accounts import Accounts
from smsd.frontends.smtp import DoorFactory, make
from smsd.store import operating
from tests.docs.page import PAGES, Block, Example, Page, blocks
from tests.docs.stage import Stage
from tests.frontends import fakes
from tests.frontends.smtp.dialogue import Dialogue

SAMPLE = Path(PAGES).parent / "etc" / "smsd.yaml"


def parts(name: str) -> tuple[list[Block], Page]:
    """The blocks of a page, and the page with nothing but its server."""
    text = (PAGES / name).read_text("utf-8")
    found = list(blocks(text))
    server = next(block for block in found if block.language == "yaml")
    return found, Page(name, server.text, [Example("", server.line, server.section)], {}, {}, text)


class Sessions(SynchronousTestCase):
    """Each page's sessions. One that does not begin with a greeting goes on with the one before."""

    def play(self, name: str) -> Stage:
        found, page = parts(name)
        stage = Stage(page, page.examples[0])
        self.addCleanup(stage.close)
        house = stage.house
        self.assertEqual(stage.configuration.warnings, ())
        accounts = Accounts(stage.configuration.accounts, house.clock)
        self.addCleanup(accounts.stop)
        (settings,) = stage.configuration.listeners
        self.assertTrue(settings.counted)
        house.store.accepting.doors = frozenset({settings.id})
        context = fakes.context(
            reactor=house.clock, dispatcher=house.dispatcher, portal=accounts.portal,
            server_name=stage.configuration.server.name,
        )  # fmt: skip
        self.door = DoorFactory(settings, context)
        sessions = [one for one in found if one.language == "text" and re.match(r"220|>", one.text)]
        self.assertTrue(sessions)
        talk: Any = None
        for session in sessions:
            if session.text.startswith("220"):
                talk = Dialogue(factory=self.door)
                talk.said = talk.greeting
            self.type(stage, talk, session)
        return stage

    def type(self, stage: Stage, talk: Any, session: Block) -> None:
        """Type what stands behind >; what came back must stand between."""
        answer = ""
        for line in [*session.text.splitlines(), "> (end)"]:
            if not line.startswith(">"):
                answer += f"{line}\r\n"
                continue
            said, talk.said = re.sub(r"queued as \d+", "queued as 912029634780991490", talk.said), ""
            self.assertEqual(said, answer, f"before {line!r}")
            answer = ""
            if line != "> (end)":
                talk.said = talk.send(line[2:])
                stage.house.settle()
                talk.said += talk.output()

    def test_smsportal(self) -> None:
        stage = self.play("smsportal.rst")
        rows = stage.house.rows()
        self.assertEqual(
            [(row["target"], row["text"], row["account"]) for row in rows],
            [
                ("sms:+391234567890", "Test messaggio SMS via SMTP", "myuserid"),
                ("sms:+393331234567", "Ciao: come stai?", "myuserid"),
                ("sms:+3933312345678", "Ciao: come stai?", "myuserid"),
            ],
        )

    def test_cop(self) -> None:
        stage = self.play("cop.rst")
        rows = stage.house.rows()
        self.assertEqual(
            [(row["target"], row["text"], row["account"]) for row in rows],
            [
                ("sms:+15551234567", "Disk full on server1", "monitoring"),
                ("sms:+15557654321", "Disk full on server1", "monitoring"),
            ],
        )
        taken = stage.house.wait(stage.house.store.ask(operating.taken))
        (table,) = [block.text for block in parts("cop.rst")[0] if block.text.startswith("DOOR")]
        self.assertEqual(f"{taken['cop']['messages']}", table.splitlines()[1].split()[3])


class Commands(TestCase):
    """What the pages tell to type into a shell."""

    timeout = 300

    async def play(self, name: str, program: str) -> list[str]:
        """Run the page's commands with this program; the texts that came in."""
        found, page = parts(name)
        configuration = load_text(page.server, "/etc/smsd/smsd.yaml", {})
        listener = configuration.listeners[0]
        settings = listener.model_copy(update={"listen": ["tcp:0:interface=127.0.0.1"], "account": None})
        portal = fakes.FakeAccounts({"myuserid": "mypassword"})
        door = make(settings, fakes.context(reactor=reactor, portal=portal))
        await door.startService()
        self.addCleanup(door.stopService)
        port = str(door.ports[0].getHost().port)
        commands = [
            line.removeprefix("$ ")
            for block in found
            if block.language == "console"
            for line in block.text.splitlines()
            if f"{program} " in line
        ]
        self.assertTrue(commands)
        for command in commands:
            here = re.sub(r"(--server |--host=)sms\.example\.org", r"\g<1>127.0.0.1", command).replace(
                "2526", port
            )
            here = here.replace("msmtp ", "msmtp --file=/dev/null ")
            out, err, code = await getProcessOutputAndValue("/bin/sh", ["-c", here], os.environ)
            self.assertEqual(code, 0, (out + err).decode("utf-8", "replace"))
        dispatcher: Any = door.context.dispatcher
        return [submission.content.text for submission in dispatcher.submissions]

    async def test_smsportal(self) -> None:
        self.assertEqual(await self.play("smsportal.rst", "swaks"), ["Ciao da Ann"])

    async def test_cop(self) -> None:
        self.assertEqual(await self.play("cop.rst", "swaks"), ["Disk full"])

    async def test_cop_by_msmtp(self) -> None:
        self.assertEqual(await self.play("cop.rst", "msmtp"), ["Disk full"])

    if shutil.which("swaks") is None:
        test_smsportal.skip = test_cop.skip = "swaks is not installed"  # type: ignore[attr-defined]
    if shutil.which("msmtp") is None:
        test_cop_by_msmtp.skip = "msmtp is not installed"  # type: ignore[attr-defined]


class Sample(SynchronousTestCase):
    """etc/smsd.yaml."""

    def test_examples_load(self) -> None:
        text = SAMPLE.read_text("utf-8")
        dialects = set()
        for found in re.finditer(
            r"(?m)^  # - id: \S+ .*\n  #   type: smtp\n  #   dialect: (\w+).*\n(?:  #   .*\n)+", text
        ):
            block = re.sub(r"(?m)^  # ", "  ", found[0])
            file = (
                "server: {postmaster: ann@example.org}\nlisteners:\n" + textwrap.indent(textwrap.dedent(block), "  ")
                + "gateways: [{id: gsm1, type: gsm, device: /dev/ttyUSB0}]\n"
                + "accounts: [{user: shop, networks: [10.0.0.1]}]\n"
            )  # fmt: skip
            configuration = load_text(file, "/etc/smsd/smsd.yaml", {})
            self.assertEqual(configuration.warnings, ())
            dialects.add(configuration.listeners[0].dialect)
            self.assertEqual(configuration.listeners[0].dialect, found[1])
        self.assertEqual(dialects, {"smsportal", "cop"})
