"""The API end to end: a real server, its command, curl, both Python clients, and Schemathesis, who reads the description and tries
what nobody thought of."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import SynchronousTestCase, TestCase

from smsd.client import BlockingClient, Client, Local, NoAnswer, Refused, blocking, questions
from tests.rig.processes import Folder, environment, free_port, until
from tests.rig.server import Server

PHONE = "+15551234567"


class Served:
    """A server with the API, whose loopback gateway sends to nobody."""

    def __init__(self, case: SynchronousTestCase, **gateway: Any) -> None:
        place = Folder()
        case.addCleanup(place.close)
        self.server = Server(
            place.path / "s",
            [{"id": "nowhere", "type": "loopback", "pin": "1234", **gateway}],
            extra={
                "accounts": [
                    {"user": "shop", "password": "shoppw", "demo": True},
                    {"user": "other", "password": "otherpw", "demo": True},
                    {"user": "closed", "password": "closedpw", "demo": True, "active": False},
                ],
                "subscribers": [{"id": "desk", "pull": True, "accounts": ["shop"], "events": ["sent", "received"]}],
                "replies": {"keep_minutes": 60},
            },
        )  # fmt: skip
        settings = json.loads(self.server.file.read_text())
        settings["listeners"][0]["api"] = True
        self.server.file.write_text(json.dumps(settings))
        case.addCleanup(lambda: self.server.process and self.server.process.kill())
        self.start()
        self.url = f"http://127.0.0.1:{self.server.http}"

    def start(self) -> None:
        """Start it, until it takes messages."""
        self.server.start()
        self.server.ready()
        self.server.in_service("nowhere")

    def smsd(self, *words: str) -> str:
        """What the command prints."""
        done = subprocess.run(
            [sys.executable, "-m", "smsd", "-c", str(self.server.file), *words],
            capture_output=True, text=True, timeout=120, env=environment(), check=True,
        )  # fmt: skip
        return done.stdout

    def token(self, *words: str) -> str:
        """A token that the command makes."""
        return self.smsd("token", "create", *words).strip()


class Commands(SynchronousTestCase):
    """`smsd token`, and what is left of tokens elsewhere."""

    def test_made_used_listed_revoked(self) -> None:
        served = Served(self)
        token = served.token("shop", "--scope", "read", "--note", "the till", "--days", "9")
        self.assertEqual(BlockingClient(served.url, token).find()["deliveries"], [])
        shown = served.smsd("token", "list")
        self.assertIn("the till", shown)
        self.assertIn("shop     read", shown)
        self.assertNotIn(token, shown)
        self.assertEqual(served.smsd("token", "revoke", "1"), "1: revoked\n")
        error = self.assertRaises(Refused, BlockingClient(served.url, token).find)
        self.assertEqual((error.status, error.reason), (401, "bad-credentials"))
        self.assertEqual(served.smsd("token", "list"), "there is no token\n")
        other = served.token("shop")
        served.server.stop()
        served.start()
        self.assertEqual(BlockingClient(served.url, other).account()["name"], "shop")
        served.server.stop()
        written = b"".join(path.read_bytes() for path in served.server.folder.rglob("*") if path.is_file())
        for secret in (token, other):
            self.assertNotIn(secret[5:].encode(), written)


class Blocking(SynchronousTestCase):
    """`BlockingClient` and `Local`."""

    def setUp(self) -> None:
        self.served = Served(self)
        self.client = BlockingClient(self.served.url, self.served.token("shop"))

    def test_every_verb(self) -> None:
        client = self.client
        sent = client.send(PHONE, "Grüße", msgid="m1")
        self.assertEqual(sent["recipients"][0]["number"], PHONE)
        many = client.send_many([{"to": PHONE, "text": "a"}, {"to": "nonsense", "text": "b"}])
        self.assertEqual([one["status"] for one in many["messages"]], [201, 422])
        self.assertEqual(client.look_up(sent["id"])["text"], "Grüße")
        self.assertEqual(
            [one["text"] for one in client.find(msgid="m1", state=["sent", "sending"])["deliveries"]],
            ["Grüße"],
        )
        self.assertEqual([one["text"] for one in client.find_all(limit=1)], ["a", "Grüße"])
        later = client.send(PHONE, "later", gateway="nowhere")
        error = self.assertRaises(Refused, client.cancel, later["id"])
        self.assertEqual(error.status, 409)
        self.assertEqual(
            client.explain(sent["id"])["deliveries"][0]["steps"][0]["what"], "accepted at the door web"
        )
        self.assertEqual(client.try_out(PHONE, "x")["fate"], "sent")
        self.assertEqual(client.try_out(PHONE, "x", at="23:30", headers=["X-A: b"])["fate"], "sent")
        self.assertIn("'nope'", str(self.assertRaises(Refused, client.try_out, PHONE, "x", gateway="nope")))
        self.assertEqual(client.price(PHONE, "it’s")["culprits"][0]["plain"], "'")
        self.assertEqual(client.account()["sent_this_month"], 3)
        self.assertTrue(client.sms_incoming(f"id=nowhere&pass=1234&number={PHONE}&data=thank+you"))
        page = client.incoming()
        self.assertEqual([(one["from"], one["text"]) for one in page["messages"]], [(PHONE, "thank you")])
        self.assertEqual(client.incoming(page["cursor"])["messages"], [])
        events = client.events(wait=5)
        self.assertEqual(events["events"][-1]["type"], "message.received")
        self.assertEqual(client.events(events["cursor"])["events"], [])
        file = f"number;name\n{PHONE};Jürgen\nabc;x\n"
        job = client.check_job(file, text="Dear {name}", key="jürgen")
        self.assertEqual(client.check_job(file, text="Dear {name}", key="jürgen")["id"], job["id"])
        self.assertEqual((job["total"], job["checked"]["wrongs"][0]["line"], job["name"]), (1, 3, "a list"))
        self.assertEqual(client.start_job(job["id"])["state"], "running")
        until(
            lambda: client.job(job["id"], refused=5)["state"] == "done",
            30,
            "the job's end",
            self.served.server.process,
        )
        self.assertEqual(client.jobs()["jobs"][0]["messages"], {"sent": 1})
        for late in (client.pause_job, client.resume_job, client.cancel_job):
            self.assertEqual(self.assertRaises(Refused, late, job["id"]).reason, "conflict")
        error = self.assertRaises(Refused, client.gateways)
        self.assertEqual((error.status, error.reason), (403, "insufficient-scope"))
        admin = BlockingClient(self.served.url, self.served.token("--scope", "admin"))
        self.assertEqual([one["id"] for one in admin.gateways()["gateways"]], ["nowhere", "hook-desk"])
        self.assertEqual([one["name"] for one in admin.accounts()["accounts"]], ["closed", "other", "shop"])
        self.assertEqual(admin.add_settings("policy", "ann@example.org", access=True)["source"], "store")
        self.assertIs(
            admin.change_settings("policy", "ann@example.org", access=False)["settings"]["access"], False
        )
        self.assertIs(admin.settings("policy", "ann@example.org")["settings"]["access"], False)
        self.assertEqual(admin.remove_settings("policy", "ann@example.org")["name"], "ann@example.org")
        self.assertEqual(self.assertRaises(Refused, admin.settings, "policy", "ann@example.org").status, 404)

    def test_as_at_icewarp(self) -> None:
        client = self.client
        self.assertIs(client.validate_account("other", "otherpw"), True)
        self.assertIs(client.validate_account("other", "wrong"), False)
        self.assertIs(client.validate_account("closed", "closedpw"), False)
        self.assertIs(client.sms_incoming(f"id=nowhere&pass=9999&number={PHONE}&data=x"), False)
        self.assertIs(client.sms_incoming("id=nowhere"), False)
        nobody = BlockingClient(f"http://127.0.0.1:{free_port()}", "smsd_x")
        self.assertIs(nobody.sms_incoming(f"id=nowhere&pass=1234&number={PHONE}&data=x"), False)
        said = client.sms_http(f"number={PHONE}&data=hello&user=other&pass=otherpw&maxmsgs=2")
        self.assertEqual(said["recipients"][0]["number"], PHONE)
        error = self.assertRaises(Refused, client.sms_http, f"number={PHONE}&data=hello&user=other&pass=no")
        self.assertEqual((error.status, error.reason), (401, "bad-credentials"))
        said = client.sms_http(f"number={PHONE}&data=with+the+token")
        self.assertEqual(said["recipients"][0]["number"], PHONE)
        local = Local(str(self.served.server.folder / "var" / "control.sock"))
        said = local.sms_http(
            f"number={PHONE}&data=past+the+login&user=nobody&pass=x&expire=60&priority=urgent"
        )
        self.assertEqual(said["recipients"][0]["number"], PHONE)
        said = local.sms_http(f"number={PHONE}&data=AAH%2F&binary=1&udh=BQQLhCPw&msgid=m1")
        self.assertEqual(said["recipients"][0]["encoding"], "8-bit")
        self.assertEqual(local.sms_http(f"number={PHONE}&data=AAH%2F&binary=1&udh=BQQLhCPw&msgid=m1"), said)
        self.assertEqual(
            local.sms_http(f"number={PHONE}&data=x&colour=red")["warnings"],
            ["unknown parameter 'colour' is ignored"],
        )
        self.assertRaises(Refused, local.sms_http, f"number={PHONE}&data=x&id=no;where")
        for query, why in (
            (f"number={PHONE}&data=x&expire=soon", "expire='soon' is not understood"),
            (f"number={PHONE}&data=x&binary=1", "not base64"),
            (f"number={PHONE}", "data is missing"),
            ("data=x", "number is missing"),
            ("number=x&data=x", "a name cannot receive an SMS"),
        ):
            self.assertIn(why, str(self.assertRaises(Refused, local.sms_http, query)))
        self.assertIn(
            "names and values", str(self.assertRaises(Refused, local.call, "sms_http", given=[["x"]]))
        )
        self.assertRaises(NoAnswer, Local("/nonexistent").call, "status")
        told = local.call("account_add", name="new", settings={"networks": ["127.0.0.0/8"]})
        self.assertEqual(told["name"], "new")
        rows = self.served.server.rows("select account, door from message where kind=1 order by id")
        self.assertEqual(rows, [("other", "web"), ("shop", "web"), *[(None, "control")] * 2])

    def test_accepted_is_committed(self) -> None:
        """What was answered 201 is there after kill -9 at any moment."""
        accepted: list[str] = []
        begun = threading.Event()
        stopped: list[Exception] = []
        self.patch(questions, "TRIES", 1)

        def load() -> None:
            try:
                while True:
                    said = self.client.send_many([{"to": PHONE, "text": f"x {n}"} for n in range(5)])
                    accepted.extend(one["message"]["id"] for one in said["messages"])
                    if len(accepted) > 30:
                        begun.set()
            except (NoAnswer, Refused) as error:
                stopped.append(error)
                begun.set()

        threads = [threading.Thread(target=load) for _ in range(3)]
        for thread in threads:
            thread.start()
        self.assertTrue(begun.wait(60))
        assert self.served.server.process is not None
        self.served.server.process.kill()
        for thread in threads:
            thread.join(100)
        self.assertEqual([type(one) for one in stopped], [NoAnswer] * 3)
        self.served.start()
        kept = {str(row[0]) for row in self.served.server.rows("select id from message")}
        self.assertGreater(len(accepted), 30)
        self.assertEqual([one for one in accepted if one not in kept], [])


class WithTwisted(TestCase):
    """`Client`, on the real reactor."""

    timeout = 300

    async def test_every_verb(self) -> None:
        served = Served(self)  # type: ignore[arg-type]
        client = Client(reactor, served.url, served.token("shop"))
        sent = await client.send([PHONE, "nonsense"], "Grüße", msgid="m1")
        self.assertEqual([one["status"] for one in sent["recipients"]], ["accepted", "refused"])
        many = await client.send_many([{"to": PHONE, "text": "a"}])
        self.assertEqual(many["messages"][0]["status"], 201)
        self.assertEqual((await client.look_up(sent["id"]))["text"], "Grüße")
        self.assertEqual(len((await client.find(msgid="m1"))["deliveries"]), 1)
        self.assertEqual((await client.price(PHONE, "x"))["parts"], 1)
        self.assertTrue(await client.sms_incoming(f"id=nowhere&pass=1234&number={PHONE}&data=thanks"))
        self.assertEqual([one["text"] for one in (await client.incoming())["messages"]], ["thanks"])
        job = await client.check_job(f"{PHONE};x\n".encode(), name="two")
        self.assertEqual((job["name"], (await client.cancel_job(job["id"]))["state"]), ("two", "cancelled"))
        events = await client.events(wait=5)
        self.assertEqual(events["events"][-1]["data"]["text"], "thanks")
        self.assertTrue(await client.validate_account("other", "otherpw"))
        self.assertFalse(await client.validate_account("other", "no"))
        error = await self.assertFailure(client.cancel("1"), Refused)
        self.assertEqual((error.status, error.reason), (404, "not-found"))
        password = Client(reactor, served.url, user="other", password="otherpw")
        self.assertEqual((await password.account())["name"], "other")

    async def test_nobody_there(self) -> None:
        self.patch(questions, "TRIES", 1)
        client = Client(reactor, f"http://127.0.0.1:{free_port()}", "smsd_x")
        await self.assertFailure(client.account(), NoAnswer)
        self.assertIs(await client.sms_incoming("id=1"), False)


class Stubborn:
    """A server that gives these answers, one for each connection (b"": none), and keeps what it was asked."""

    def __init__(self, answers: list[bytes]) -> None:
        self.asked: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(120)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, args=(answers,))
        self._thread.start()

    def _serve(self, answers: list[bytes]) -> None:
        for answer in answers:
            connection, _ = self._socket.accept()
            with connection:
                connection.settimeout(120)
                asked = b""
                while b"\r\n\r\n" not in asked or not asked.endswith(b"}"):
                    asked += connection.recv(65536)
                self.asked.append(asked)
                connection.sendall(answer)

    def close(self) -> None:
        """After its last answer."""
        self._thread.join(60)
        self._socket.close()

    def keys(self) -> set[bytes]:
        """The keys of what was asked."""
        lines = [line for asked in self.asked for line in asked.split(b"\r\n")]
        return {line for line in lines if line.lower().startswith(b"idempotency-key:")}


def answer(status: str, body: bytes, *headers: str) -> bytes:
    """An answer as it is sent."""
    lines = [
        f"HTTP/1.1 {status}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


DONE = answer("201 Created", b'{"id": "7"}')
SHORT = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{}"
BUSY = answer("503 Service Unavailable", b'{"detail": "later"}', "Retry-After: 0")


class Again(TestCase):
    """What had no answer is asked again, under the same key."""

    timeout = 300

    def stubborn(self, *answers: bytes) -> Stubborn:
        server = Stubborn(list(answers))
        self.addCleanup(server.close)
        return server

    def test_blocking(self) -> None:
        waited: list[float] = []
        self.patch(blocking.time, "sleep", waited.append)
        server = self.stubborn(b"", BUSY, DONE)
        self.assertEqual(BlockingClient(server.url, "t").send(PHONE, "x"), {"id": "7"})
        self.assertEqual((len(server.asked), len(server.keys()), waited), (3, 1, [1.0, 0.0]))

    async def test_with_twisted(self) -> None:
        server = self.stubborn(BUSY, DONE)
        self.assertEqual(await Client(reactor, server.url, "t").send(PHONE, "x"), {"id": "7"})
        self.assertEqual((len(server.asked), len(server.keys())), (2, 1))

    def test_a_file(self) -> None:
        self.patch(blocking.time, "sleep", lambda seconds: None)
        server = self.stubborn(b"", BUSY, DONE)
        self.assertEqual(BlockingClient(server.url, "t").check_job(f"{PHONE};{{x}}"), {"id": "7"})
        self.assertEqual((len(server.asked), len(server.keys())), (3, 1))

    def test_given_up(self) -> None:
        self.patch(blocking.time, "sleep", lambda seconds: None)
        server = self.stubborn(BUSY, BUSY, BUSY)
        self.assertEqual(
            self.assertRaises(Refused, BlockingClient(server.url, "t").send, PHONE, "x").status, 503
        )
        server = self.stubborn(
            b"HTTP/1.1 200 OK\r\n\r\nhello",
            b"nonsense\r\n\r\n",
            b"HTTP/1.1 201 x\r\nContent-Length: 9\r\n\r\n{}",
        )
        self.assertRaises((NoAnswer, Refused), BlockingClient(server.url, "t").send, PHONE, "x")
        while len(server.asked) < 3:
            self.assertRaises((NoAnswer, Refused), BlockingClient(server.url, "t").send, PHONE, "x")

    def test_secrets_do_not_show(self) -> None:
        client = BlockingClient("http://127.0.0.1:1", user="shop", password="s3cret")
        self.assertNotIn("s3cret", repr(client))
        self.patch(questions, "TRIES", 1)
        self.assertNotIn("s3cret", str(self.assertRaises(NoAnswer, client.account)))
        for options in ({}, {"token": "x", "user": "y"}):
            self.assertRaises(ValueError, BlockingClient, "http://127.0.0.1:1", **options)
        for url in ("ftp://x", "http://u:p@x", "x"):
            self.assertRaises(ValueError, BlockingClient, url, "t")


SETTINGS = """\
[checks.positive_data_acceptance]
# What has the right form is never answered 400; it may be refused for what it says.
expected-statuses = ["2xx", "402", "403", "404", "409", "413", "422", "429", "508"]
"""


class Described(SynchronousTestCase):
    """Schemathesis: the server does what the description says, for requests of the right form and of the wrong one."""

    def test_schemathesis(self) -> None:
        served = Served(self)
        token = served.server.ask(
            "token_create", account="shop", scopes=["send", "read", "incoming", "admin"]
        )["token"]
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        (folder / "schemathesis.toml").write_text(
            f'{SETTINGS}\n[headers]\n"Authorization" = "Bearer ${{TOKEN}}"\n'
        )
        done = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "--config-file", str(folder / "schemathesis.toml"), "run",
             f"{served.url}/api/v1/openapi.json", "--checks", "all", "--max-examples", "5", "--no-color",
             "--generation-deterministic", "--suppress-health-check", "all",
             "--request-timeout", "120"],
            capture_output=True, text=True, timeout=300, cwd=folder, env={**os.environ, "TOKEN": token},
        )  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stdout[-6000:] + done.stderr[-2000:])
        self.assertIn("Tested: 20", done.stdout)
        assert served.server.process is not None
        self.assertIsNone(served.server.process.code)
        self.assertNotIn("Traceback", served.server.process.log.read_text("utf-8", "replace"))
