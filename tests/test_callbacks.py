"""Events end to end: the real server, curl, and the receiver of the manual. And the manual's page itself."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook
from twisted.trial.unittest import SynchronousTestCase

from smsd.config.load import load_text
from smsd.config.subscribers import EVENTS
from tests.rig.processes import ROOT, Folder, Process, environment, free_port, listening, until
from tests.rig.server import Server

PAGE = Path(ROOT) / "docs" / "callbacks.rst"
SECRET = "whsec_" + base64.b64encode(b"what only the shop and we know").decode()
BEFORE = """\
server: {postmaster: root@example.org}
listeners: [{id: web, type: http, listen: ["tcp:8080:interface=127.0.0.1"]}]
gateways: [{id: gsm1, type: loopback}]
"""
RELAY = "  - {id: mail, type: smtp, host: mail.example.org}\n"
ACCOUNTS = "accounts: [{user: shop, password: shop, demo: yes}]\n"


def example(kind: str) -> str:
    [text] = re.findall(rf"^\.\. code-block:: {kind}\n\n((?:    .*\n|\n)+)", PAGE.read_text("utf-8"), re.M)
    return textwrap.dedent(text)


class Page(SynchronousTestCase):
    def test_its_configurations_load(self) -> None:
        blocks = re.findall(r"::\n\n((?:    .*\n|\n)+)", PAGE.read_text("utf-8"))
        seen = []
        for block in map(textwrap.dedent, blocks):
            if re.match(r"\w+:\n", block):
                accounts = "" if "accounts:\n" in block else ACCOUNTS
                environ = {"SHOP_WEBHOOK_SECRET": SECRET}
                seen.append(load_text(BEFORE + accounts + block, "/etc/smsd.yaml", environ))
        for block in re.findall(
            r"^\.\. code-block:: yaml\n\n((?:    .*\n|\n)+)", PAGE.read_text("utf-8"), re.M
        ):
            text = BEFORE.split("gateways:")[0] + textwrap.dedent(block).replace(
                "gateways:\n", "gateways:\n" + RELAY
            )
            loaded = load_text(text, "/etc/smsd.yaml", {"SHOP_WEBHOOK_SECRET": SECRET})
            self.assertEqual(loaded.gateways[1].deliver_to, "hook:shop")
        self.assertEqual(len(seen), 3)
        self.assertEqual(seen[0].subscribers[0].id, seen[0].accounts[0].callback)

    def test_every_event_is_told(self) -> None:
        told = re.findall(r"^``message\.(\w+)``", PAGE.read_text("utf-8"), re.M)
        self.assertEqual(sorted(told), sorted(EVENTS))


class EndToEnd(SynchronousTestCase):
    """One server, whose loopback gateway brings a report for what it takes."""

    def setUp(self) -> None:
        self.place = Folder()
        self.addCleanup(self.place.close)
        self.port = free_port()
        accounts = [
            {"user": "shop", "password": "shop", "demo": True},
            {"user": "till", "password": "till", "demo": True},
            {"user": "other", "password": "other", "demo": True},
        ]
        self.server = Server(
            self.place.path / "s",
            [{"id": "nowhere", "type": "loopback", "pin": "1234"}],
            extra={
                "accounts": accounts,
                "subscribers": [
                    {"id": "app", "url": f"http://127.0.0.1:{self.port}/", "secrets": [SECRET],
                     "accounts": ["shop"], "events": ["sent", "received"]},
                    {"id": "desk", "pull": True, "accounts": ["till"], "events": ["sent", "received"]},
                ],
                "replies": {"keep_minutes": 60},
            },
        )  # fmt: skip
        self.addCleanup(lambda: self.server.process and self.server.process.kill())
        self.server.start()
        self.server.ready()

    def curl(self, path: str, *more: str) -> str:
        command = ["curl", "-s", "--max-time", "70", *more, f"http://127.0.0.1:{self.server.http}{path}"]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout

    def send(self, user: str, *more: str) -> str:
        """Hand a message in by curl; its delivery."""
        fields = ["number=+15551234567", "data=your order is ready", *more]
        said = self.curl(
            "/sms/", "-u", f"{user}:{user}", *(a for f in fields for a in ("--data-urlencode", f))
        )
        self.assertRegex(said, r"^OK \d+ ")
        return said.split()[1]

    def answer(self, text: str) -> None:
        """A phone writes."""
        fields = ["id=nowhere", "pass=1234", "number=+15551234567", f"data={text}"]
        self.assertEqual(
            self.curl("/sms/deliver.html", *(a for f in fields for a in ("--data-urlencode", f))), "True\n"
        )

    def receiver(self) -> Process:
        """The manual's."""
        script = self.place.path / "receiver.py"
        script.write_text(example("python"), "utf-8")
        process = Process(
            "receiver", [sys.executable, str(script)], self.place.path / "receiver.out", cwd=self.place.path,
            env={**environment(), "SHOP_WEBHOOK_SECRET": SECRET, "PORT": str(self.port)},
        )  # fmt: skip
        self.addCleanup(process.kill)
        until(lambda: listening(self.port), 30, "the receiver", process)
        return process

    def heard(self, process: Process) -> list[tuple[str, Any]]:
        lines = [line.split(" ", 1) for line in process.log.read_text("utf-8").splitlines() if "{" in line]
        return [(id, json.loads(body)) for id, body in lines if id.isdigit()]

    def test_posted_over_a_restart_to_the_receiver_of_the_manual(self) -> None:
        first = self.send("shop", "msgid=order-7")
        tries = "select count(*) from attempt a join delivery d on d.id=a.delivery where d.target='hook:app'"
        until(lambda: self.server.rows(tries)[0][0], 30, "a try that fails", self.server.process)
        self.server.stop()
        receiver = self.receiver()
        self.server.start()
        self.server.ready()
        self.answer("yes, I come")
        until(lambda: len(self.heard(receiver)) > 1, 30, "two events", receiver)
        (one, sent), (two, received) = self.heard(receiver)
        self.assertEqual((sent["type"], sent["data"]["delivery"]), ("message.sent", first))
        self.assertEqual((received["type"], received["data"]["text"]), ("message.received", "yes, I come"))
        self.assertEqual(received["data"]["in_reply_to"], {"delivery": first, "msgid": "order-7"})
        rows = self.server.rows("select id from delivery where target='hook:app' order by id")
        self.assertEqual([str(row[0]) for row in rows], [one, two])

    def test_fetched(self) -> None:
        first = self.send("till")
        self.answer("yes")
        events, cursor = self.fetch("0", 2)
        self.assertEqual([event["type"] for event in events], ["message.sent", "message.received"])
        self.assertEqual(events[0]["data"]["delivery"], first)
        self.assertEqual(self.fetch("0", 2)[0], events)
        self.server.process.kill()  # type: ignore[union-attr]
        self.server.start()
        self.server.ready()
        answer = json.loads(self.curl(f"/sms/events?user=till&pass=till&after={cursor}"))
        self.assertEqual(answer["events"], [])
        self.assertEqual(
            self.server.rows("select state from delivery where target='hook:desk'"), [(10,), (10,)]
        )

    def fetch(self, after: str, least: int) -> tuple[list[Any], str]:
        """All that waits, once it is so much."""
        found: list[dict[str, Any]] = []

        def enough() -> bool:
            found[:] = [json.loads(self.curl(f"/sms/events?user=till&pass=till&after={after}&wait=10"))]
            return len(found[0]["events"]) >= least

        until(enough, 30, f"{least} events", self.server.process)
        return found[0]["events"], found[0]["cursor"]

    def test_a_senders_url_into_our_network_is_dead_and_can_be_replayed(self) -> None:
        receiver = self.receiver()
        self.send("other", f"callback=http://localhost:{self.port}/x?token=s3cret", "callback_events=sent")
        [dead] = self.smsd_until(1, "list", "--dead")
        self.assertEqual((dead["event"], dead["to"]), ("sent", f"http://localhost:{self.port}/…"))
        self.assertIn("callbacks.allow_networks", dead["reason"])
        self.assertEqual(self.heard(receiver), [])
        shown = self.run_smsd("list", "--dead")
        self.assertIn(f"{dead['id']}  ", shown)
        self.assertIn("allow_networks may allow it", shown)
        self.assertEqual(self.run_smsd("list"), "no event waits\n")
        settings = json.loads(self.server.file.read_text())
        self.server.file.write_text(
            json.dumps({**settings, "callbacks": {"allow_networks": ["127.0.0.0/8", "::1/128"]}})
        )
        self.server.ask("reload")
        self.assertEqual(self.smsd("replay", str(dead["id"])), 1)
        until(lambda: "POST /x" in receiver.log.read_text(), 30, "the replayed event", receiver)
        logs = "".join(path.read_text("utf-8") for path in (self.server.folder / "var" / "log").iterdir())
        self.assertIn("in a network that requests of senders may not reach", logs)
        self.assertNotIn("s3cret", logs)

    def run_smsd(self, *arguments: str, common: tuple[str, ...] = ()) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "smsd", *common, "-c", str(self.server.file), "callbacks", *arguments],
            capture_output=True, text=True, timeout=120, env=environment(), check=True,
        )  # fmt: skip
        return done.stdout

    def smsd(self, *arguments: str) -> Any:
        return json.loads(self.run_smsd(*arguments, common=("--json",)))

    def smsd_until(self, count: int, *arguments: str) -> list[Any]:
        found: list[Any] = []

        def enough() -> bool:
            found[:] = self.smsd(*arguments)
            return len(found) >= count

        until(enough, 30, f"{count} of smsd callbacks {' '.join(arguments)}", self.server.process)
        return found

    def test_the_receiver_refuses_what_is_not_signed_by_us(self) -> None:
        receiver = self.receiver()
        import datetime

        now = datetime.datetime.now(datetime.timezone.utc)
        body = '{"type": "message.sent"}'
        for secret, status in (
            (SECRET, "204"),
            ("whsec_" + base64.b64encode(os.urandom(24)).decode(), "401"),
        ):
            signature = Webhook(secret).sign("1", now, body)
            said = subprocess.run(
                ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "20",
                 "-H", "webhook-id: 1", "-H", f"webhook-timestamp: {int(now.timestamp())}",
                 "-H", f"webhook-signature: v1,AAAA {signature}", "-d", body, f"http://127.0.0.1:{self.port}/"],
                capture_output=True, text=True, timeout=120, check=True,
            )  # fmt: skip
            self.assertEqual(said.stdout, status, receiver.tail())
