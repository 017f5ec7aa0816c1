"""`/sms/jobs` down to the store: a file uploaded, checked, started; whose it is; how large it may be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from smsd.core.auditing import Auditor
from smsd.core.jobs import Jobs
from smsd.frontends.http.request import MOST_UPLOADS
from smsd.store import audit
from smsd.values.account import Account
from tests.frontends.fakes import context
from tests.frontends.http.client import Connection, Reply, door, request
from tests.house import House

LOGIN = "user=john&pass=johnpw"
FILE = "number;name\n+15551230001;Ann\n+15551230002;Bob Ü\n4,2E+11;Eve\n".encode()


def form(file: bytes, **fields: str) -> tuple[bytes, dict[str, str]]:
    """A body of multipart/form-data as browsers send it."""
    parts = [
        f'--XX\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = b'--XX\r\nContent-Disposition: form-data; name="file"; filename="my list.csv"\r\nContent-Type: text/csv\r\n\r\n'
    body = b"".join([*parts, head, file, b"\r\n--XX--\r\n"])
    return body, {"Content-Type": "multipart/form-data; boundary=XX"}


class Uploads(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(lambda: self.house.close())
        self.house.accounts.update(john=Account("john"), joan=Account("joan"))
        self.house.open(slots=5)
        self.jobs = Jobs(
            self.house.store,
            self.house.dispatcher,
            self.house.queue,
            self.house.planner,
            self.house.clock,
            self.house.accounts.get,
        )
        self.jobs.begin()
        known = context(reactor=self.house.clock, jobs=self.jobs)
        self.door = door(known, max_upload=50_000, max_body=2_000)

    def tearDown(self) -> None:
        self.house.wait(Deferred.fromCoroutine(self.jobs.stop()))

    def call(self, method: str, path: str, body: bytes = b"", headers: Any = None) -> Reply:
        connection = Connection(self.door)
        connection.send(request(method, path, body, headers))
        for _ in range(4):
            self.house.settle()
        [reply] = connection.replies()
        return reply

    def test_who_did_what_is_on_record(self) -> None:
        self.door.context = replace(self.door.context, auditor=Auditor(self.house.store))
        body, headers = form(FILE, user="john", text="Dear {name}", **{"pass": "johnpw"})
        job = self.call("POST", "/sms/jobs", body, headers).json()["id"]
        for verb in ("start", "cancel", "cancel"):
            self.call("POST", f"/sms/jobs?{LOGIN}&id={job}&do={verb}")
        found = self.house.wait(self.house.store.ask(audit.find))
        self.assertEqual(
            [(one["who"], one["verb"], one["subject"]) for one in reversed(found)],
            [("account john", "job start", str(job)), ("account john", "job cancel", str(job))],
        )

    def test_check_start_and_look(self) -> None:
        body, headers = form(FILE, user="john", text="Dear {name}", **{"pass": "johnpw"})
        reply = self.call("POST", "/sms/jobs", body, headers)
        job = reply.json()
        self.assertEqual(
            (reply.status, job["state"], job["total"], job["name"]), (201, "ready", 2, "my list.csv")
        )
        self.assertEqual(job["checked"]["wrongs"][0][:2], [4, "4,2E+11"])
        self.assertEqual(job["checked"]["first"][1][2], "Dear Bob Ü")
        where = reply.headers["location"]
        self.assertEqual(self.house.gsm.pieces, [])
        started = self.call("POST", f"{where}&do=start&{LOGIN}")
        self.assertEqual((started.status, started.json()["state"]), (200, "running"))
        self.house.advance(1)
        self.house.advance(1)
        self.assertEqual(self.call("GET", f"{where}&{LOGIN}").json()["messages"], {"sent": 2})
        self.assertEqual(
            [one["id"] for one in self.call("GET", f"/sms/jobs?{LOGIN}").json()["jobs"]], [job["id"]]
        )
        again = self.call("POST", f"{where}&do=start&{LOGIN}")
        self.assertEqual((again.status, again.json()["error"]["reason"]), (409, "CONFLICT"))

    def test_a_file_as_the_body(self) -> None:
        path = f"/sms/jobs?{LOGIN}&text=Dear+%7Bname%7D&to-column=number&name=x.csv"
        reply = self.call("POST", path, FILE, {"Content-Type": "text/csv"})
        self.assertEqual(
            (reply.status, reply.json()["name"], reply.json()["account"]), (201, "x.csv", "john")
        )

    def test_the_same_file_again_under_its_key(self) -> None:
        path = f"/sms/jobs?{LOGIN}&text=Dear+%7Bname%7D"

        def sent(file: bytes, key: str) -> Reply:
            return self.call("POST", path, file, {"Content-Type": "text/csv", "Idempotency-Key": key})

        first, again = sent(FILE, "k"), sent(FILE, "k")
        self.assertEqual([(one.status, one.json()["id"]) for one in (first, again)], [(201, 1)] * 2)
        self.assertEqual(again.headers["idempotent-replayed"], "true")
        self.assertNotIn("idempotent-replayed", first.headers)
        other, wrong = sent(FILE + b"+15551230009;Zoe\n", "k"), sent(FILE, "x" * 256)
        self.assertEqual((other.status, other.json()["error"]["reason"]), (409, "CONFLICT"))
        self.assertEqual((wrong.status, "Idempotency-Key" in wrong.text), (400, True))

    def test_refusals(self) -> None:
        csv = {"Content-Type": "text/csv"}
        for method, path, body, headers, status, said in (
            ("POST", "/sms/jobs?text=x", FILE, csv, 401, "user and password"),
            ("POST", f"/sms/jobs?{LOGIN}", b"number\n+15551234567\n", csv, 400, "no texts"),
            ("POST", f"/sms/jobs?{LOGIN}&txt=x", FILE, csv, 400, "'txt' is not known"),
            ("POST", f"/sms/jobs?{LOGIN}&id=1", FILE, csv, 400, "checked first"),
            ("POST", f"/sms/jobs?{LOGIN}", FILE, {"Content-Type": "image/png"}, 400, "text/csv"),
            ("POST", f"/sms/jobs?{LOGIN}", b"", {}, 400, "there is no file"),
            ("GET", f"/sms/jobs?{LOGIN}&id=77", b"", {}, 400, "there is no job 77"),
            ("GET", f"/sms/jobs?{LOGIN}&id=x", b"", {}, 400, "whole number"),
            ("GET", f"/sms/jobs?{LOGIN}&id=1&do=start", b"", {}, 400, "POST"),
            ("POST", f"/sms/jobs?{LOGIN}&id=1&do=dance", b"", {}, 400, "start, pause"),
        ):  # fmt: skip
            reply = self.call(method, path, body, headers)
            self.assertEqual(reply.status, status, path)
            self.assertIn(said, reply.json()["error"]["text"])

    def test_large_files_at_once(self) -> None:
        """Nobody has logged in before his file is there, so only some of them may fill the memory."""
        head = f"POST /sms/jobs?{LOGIN} HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: %d\r\n\r\n"
        large = b"+15551234567;x\n" * 1000
        coming = [Connection(self.door) for _ in range(MOST_UPLOADS)]
        for connection in coming:
            connection.send((head % len(large)).encode() + large[:2001])
        self.assertEqual([connection.replies() for connection in coming], [[]] * len(coming))
        late = Connection(self.door)
        late.send((head % len(large)).encode() + large)
        self.assertEqual([reply.status for reply in late.replies()], [503])
        small = self.call("POST", f"/sms/jobs?{LOGIN}&text=x", FILE, {"Content-Type": "text/csv"})
        self.assertEqual(small.status, 201)

        coming[0].send(large[2001:])  # one is whole, another one has left
        coming[1].channel.connectionLost(Failure(ConnectionDone()))
        for _ in range(4):
            self.house.settle()
        self.assertEqual([reply.status for reply in coming[0].replies()], [201])
        for _ in range(3):
            reply = self.call("POST", f"/sms/jobs?{LOGIN}", large, {"Content-Type": "text/csv"})
            self.assertEqual(reply.status, 201)
        large = b"x" * 50_001
        reply = self.call("POST", f"/sms/jobs?{LOGIN}", large, {"Content-Type": "text/csv"})
        self.assertEqual(reply.status, 413)
        for connection in coming[2:]:
            connection.channel.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.door.factory.uploads, set())

    def test_a_file_in_a_charset_that_is_not_read(self) -> None:
        reply = self.call("POST", f"/sms/jobs?{LOGIN}", FILE, {"Content-Type": "text/csv; charset=shift_jis"})
        self.assertEqual((reply.status, "save the file as CSV in UTF-8" in reply.text), (400, True))

    def test_what_is_too_large_is_refused_before_it_is_read(self) -> None:
        connection = Connection(self.door)
        head = f"POST /sms/jobs?{LOGIN} HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: %d\r\n\r\n"
        connection.send((head % 50_001).encode())
        [reply] = connection.replies()
        self.assertEqual(reply.status, 413)
        large = b"+15551234567;x\n" * 1000
        self.assertEqual(
            self.call("POST", f"/sms/jobs?{LOGIN}", large, {"Content-Type": "text/csv"}).status, 201
        )
        connection = Connection(self.door)
        connection.send(b"POST /sms/ HTTP/1.1\r\nHost: x\r\nContent-Length: 2001\r\n\r\n")
        [reply] = connection.replies()
        self.assertEqual(reply.status, 413)
