"""The sample configuration is a whole house: it loads without a warning, starts, sends, and brings the answer back."""

from __future__ import annotations

import os
import tempfile
import threading
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from smsd import registry, rulework, welcome
from smsd.config.load import load, load_text
from smsd.config.positions import read_file
from smsd.config.settings import Configuration, FileSettings
from smsd.notify import Notifier
from smsd.policy.rules.model import Rules
from smsd.privileges import Privileges
from smsd.service import Server
from smsd.simulator.service import Settings as SimulatorSettings
from smsd.store import operating
from smsd.values.address import Address
from smsd.values.delivery import State
from smsd.values.message import Declined, Recipient, Submission, Text, Ticket

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SAMPLE = os.path.join(ROOT, "etc", "smsd.yaml")


class Sample(SynchronousTestCase):
    def test_it_has_no_mistake(self) -> None:
        configuration = load(SAMPLE, {})
        self.assertEqual(configuration.warnings, ())
        self.assertEqual(configuration.folder, os.path.join(ROOT, "var"))

    def test_it_is_complete(self) -> None:
        """Every key that can be set is in it: live, or switched off behind a #."""
        with open(SAMPLE, encoding="utf-8") as stream:
            text = stream.read().replace("# ", "  ")
        models: list[Any] = [field.annotation for field in FileSettings.model_fields.values()]
        models = [model for model in models if hasattr(model, "model_fields")]
        models += [registry.find(registry.DOORS, word).Settings for word in registry.types(registry.DOORS)]
        models += [registry.find(registry.GATEWAYS, "gsm").Settings, SimulatorSettings]
        missing = [
            f"{model.__module__}: {name}"
            for model in models
            for name in model.model_fields
            if f" {name}:" not in text
        ]
        self.assertEqual(missing, [])

    def test_values_shown_are_the_defaults(self) -> None:
        """A reader takes what is shown for the default; what differs is what makes the sample a trial on loopback."""
        configuration = load(SAMPLE, {})
        for section in ("queue", "log"):
            shown = getattr(configuration, section).model_dump(exclude={"folder"})
            default = FileSettings.model_fields[section].default.model_dump(exclude={"folder"})
            self.assertEqual(shown, default)

    def test_lines_to_paste(self) -> None:
        text = "\n".join(welcome.lines(load(SAMPLE, {})))
        self.assertIn(
            "curl 'http://127.0.0.1:8080/sms/?user=demo&pass=demo&number=%2B15551234567&data=", text
        )
        self.assertIn("swaks --server 127.0.0.1:2525", text)
        self.assertIn(f"--control {ROOT}/var/modem.sock", text)
        self.assertIn(f"cat {ROOT}/var/mail/new/*", text)

    def test_where_to_write_in_a_chat(self) -> None:
        parts = ", ".join(f"{{domain: {kind}.example.org, secret: s}}" for kind in ("email", "sms"))
        with open(SAMPLE, encoding="utf-8") as stream:
            chat = f"\ngateways:\n  - {{id: chat, type: xmpp, components: [{parts}]}}\n"
            text = stream.read().replace("\ngateways:\n", chat)
        line = "  in a chat, as ann@example.org: write to +15551234567@sms.example.org"
        self.assertNotIn(line, welcome.lines(load_text(text, SAMPLE, {})))
        text = text.replace("    # jids: [ann@example.org]", "    jids: [ann@example.org]")
        self.assertIn(line, welcome.lines(load_text(text, SAMPLE, {})))

    def test_no_lines_without_the_demo_account(self) -> None:
        with open(SAMPLE, encoding="utf-8") as stream:
            text = stream.read().replace("demo: yes", "demo: no").replace("password: demo", "password: ''")
        text = text.replace("networks: []", "networks: [127.0.0.0/8]")
        self.assertEqual(welcome.lines(load_text(text, SAMPLE, {})), [])


class Running(TestCase):
    """The sample on free ports and in a folder of its own."""

    timeout = 300

    def setUp(self) -> Any:
        folder = tempfile.TemporaryDirectory(prefix="smsd-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.server = Server(
            self.configuration(), reactor, notifier=Notifier({}), privileges=Privileges(None, None)
        )
        self.server.startService()
        self.addCleanup(self.server.stopService)
        return self.server.started

    def configuration(self) -> Configuration:
        self.assertEqual(read_file(SAMPLE).problems, [])
        with open(SAMPLE, encoding="utf-8") as stream:
            text = stream.read()
        text = text.replace("folder: ../var", f"folder: {self.folder}").replace("latency: 0.5", "latency: 0")
        text = text.replace("tcp:8080:", "tcp:0:").replace("tcp:2525:", "tcp:0:")
        return load_text(text, SAMPLE, {})

    async def until(self, condition: Any) -> Any:
        """The first true result; the test's time limit ends the wait."""
        while not (found := condition()):
            await deferLater(reactor, 0.01)
        return found

    def mails(self) -> list[str]:
        folder = os.path.join(self.folder, "mail", "new")
        found = []
        for name in os.listdir(folder):
            with open(os.path.join(folder, name)) as stream:
                found.append(stream.read())
        return found

    async def test_out_and_back(self) -> None:
        """A submission leaves through the simulated modem; the phone's answer becomes a mail."""
        house = self.server.house
        assert house is not None
        modem = house.simulators.services["modem1"].modem
        submission = Submission(
            "http",
            Address("account", "demo"),
            (Recipient(Address("sms", "+15551234567")),),
            Text("Hello from the sample"),
            account="demo",
            ticket=Ticket(Address("mailto", "ann@example.org")),
        )
        receipt = await house.dispatcher.submit(submission)
        self.assertEqual(len(receipt.recipients), 1)
        await modem.when_sent(1)
        self.assertEqual(modem.sent[0].facts()["text"], "Hello from the sample")
        modem.receive("+15551234567", "Thanks!")
        [mail] = await self.until(self.mails)
        self.assertIn("From: +15551234567@sms.localhost\n", mail)
        self.assertIn("\n\nThanks!", mail)

    async def test_status_names_everybody(self) -> None:
        house = self.server.house
        assert house is not None
        await self.until(lambda: self.server.status()["gateways"][0]["slots"])
        status = self.server.status()
        self.assertEqual([gateway["id"] for gateway in status["gateways"]], ["gsm1", "mail"])
        self.assertEqual([door["running"] for door in status["doors"]], [True, True])
        self.assertEqual(status["simulators"], ["modem1"])

    async def test_reload_of_an_equal_file_touches_nothing(self) -> None:
        house = self.server.house
        assert house is not None
        before = {**house.doors.services, **house.gateways.services, **house.simulators.services}
        self.patch(self.server, "configuration", load(self.write("")))
        troubles: list[str] = await Deferred.fromCoroutine(self.server.reload())
        self.assertEqual(troubles, [])
        after = {**house.doors.services, **house.gateways.services, **house.simulators.services}
        self.assertEqual(before, after)

    def write(self, rule: str) -> str:
        """The sample on free ports as a file, with one more rule: its path."""
        path = os.path.join(self.folder, "smsd.yaml")
        with open(SAMPLE, encoding="utf-8") as stream:
            text = stream.read()
        text = text.replace("folder: ../var", "folder: .").replace("latency: 0.5", "latency: 0")
        text = text.replace("\noutgoing: []", f"\noutgoing: [{rule}]").replace("max_hops: 8", "max_hops: 3")
        with open(path, "w") as stream:
            stream.write(text.replace("tcp:8080:", "tcp:0:").replace("tcp:2525:", "tcp:0:"))
        return path

    async def test_other_rules_are_read_and_made_ready_beside_the_reactor(self) -> None:
        house = self.server.house
        assert house is not None
        self.patch(self.server, "configuration", load(self.write("")))
        threads = []

        def make_ready(rules: Rules) -> rulework.Ready:
            threads.append(threading.current_thread())
            return ready(rules)

        ready = rulework.make_ready
        self.patch(rulework, "make_ready", make_ready)
        self.write("{title: no, do: [{reject: closed}]}")
        self.assertEqual(await Deferred.fromCoroutine(self.server.reload()), [])
        self.assertEqual((house.judge.most_hops, house.inbound.arriving.most_hops), (3, 3))
        self.assertEqual(len(threads), 1)
        self.assertIsNot(threads[0], threading.main_thread())
        one = Recipient(Address("sms", "+15551234567"))
        receipt = await house.dispatcher.submit(
            Submission("http", Address("account", "x"), (one,), Text("hi"))
        )
        self.assertIsInstance(receipt.recipients[0], Declined)
        self.write("{title: no, do: [{rejekt: closed}]}")
        (trouble,) = await Deferred.fromCoroutine(self.server.reload())
        self.assertIn("rejekt", trouble)
        self.assertTrue(house.judge.at_work)

    async def test_what_a_rule_said_is_done_although_it_says_so_no_more(self) -> None:
        house = self.server.house
        assert house is not None
        path = self.write('{title: tell, do: [{url: "http://127.0.0.1:1/%number%"}]}')
        self.patch(self.server, "configuration", load(path))
        await Deferred.fromCoroutine(self.server.reload())
        one = Recipient(Address("sms", "+15551234567"))
        await house.dispatcher.submit(Submission("http", Address("account", "x"), (one,), Text("hi")))
        self.write("")
        await Deferred.fromCoroutine(self.server.reload())
        self.assertIn("rules-url", [gateway["id"] for gateway in self.server.status()["gateways"]])
        (waiting,) = await self.urls()
        while [(row["state"], bool(row["reason"])) for row in await self.urls()] != [("ready", True)]:
            pass  # it has not been tried, or what became of that is being committed
        now = house.store.now()
        await house.store.control(operating.Verb("cancel", waiting["id"], now, now))
        await Deferred.fromCoroutine(self.server.reload())
        self.assertNotIn("rules-url", house.gateways.services)
        self.assertEqual(await self.urls(), [])

    async def urls(self) -> list[dict[str, Any]]:
        """The requests that wait or are on their way."""
        assert self.server.house is not None
        rows: list[dict[str, Any]] = await self.server.house.store.ask(
            lambda connection: operating.find(connection, states=[State.READY, State.SENDING])
        )
        return [row for row in rows if row["target"].startswith("url:")]
