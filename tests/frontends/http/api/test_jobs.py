"""/jobs: a file in a form or as the body, checked, started, watched; whose it is; what is refused, and where the mistake is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred

from smsd.core.auditing import Auditor
from smsd.core.jobs import Jobs
from smsd.core.jobs import jobs as jobs_module
from smsd.core.jobs import settings as jobsettings
from smsd.store import audit
from smsd.values.errors import Reason, Refused
from smsd.values.message import IdempotencyKey
from tests.frontends.http.api.case import ApiCase
from tests.frontends.http.client import Connection, Reply
from tests.frontends.http.test_jobs import FILE, form

CSV = {"Content-Type": "text/csv"}


class JobCase(ApiCase):
    settings = {"max_upload": 50_000, "max_body": 2_000, "max_parts": 4}  # noqa: RUF012

    def setUp(self) -> None:
        super().setUp()
        house, known = self.house, self.door.context
        find = house.planner._find_account
        self.jobs = Jobs(house.store, house.dispatcher, house.queue, house.planner, house.clock, find)
        self.jobs.begin()
        self.addCleanup(lambda: self.house.wait(Deferred.fromCoroutine(self.jobs.stop())))
        self.door.context = replace(known, jobs=self.jobs, auditor=Auditor(house.store))

    def upload(self, file: bytes = FILE, **more: Any) -> Reply:
        more.setdefault("headers", CSV)
        return self.ask("POST", "/jobs", file, **more)

    def checked(self, file: bytes = FILE, **more: Any) -> Any:
        reply = self.upload(file, **{"text": "Dear {name}", **more})
        self.assertEqual(reply.status, 201, reply.text)
        return reply.json()


class Life(JobCase):
    def test_checked_started_watched(self) -> None:
        body, headers = form(FILE, text="Dear {name}", callback_events="sent", callback="desk")
        reply = self.ask("POST", "/jobs", body, user="shop", headers=headers)
        self.assertEqual(reply.status, 201, reply.text)
        job = reply.json()
        self.assertEqual(reply.headers["location"], f"/api/v1/jobs/{job['id']}")
        self.assertEqual(
            (job["state"], job["total"], job["name"], job["account"]), ("ready", 2, "my list.csv", "shop")
        )
        found = job["checked"]
        self.assertEqual((found["lines"], found["good"], found["wrong"], found["sms"]), (3, 2, 1, 2))
        self.assertEqual(
            found["first"][1],
            {
                "line": 3,
                "to": "+15551230002",
                "text": "Dear Bob Ü",
                "parts": 1,
                "encoding": "GSM-7",
                "price": None,
            },
        )
        self.assertEqual((found["wrongs"][0]["line"], found["wrongs"][0]["typed"]), (4, "4,2E+11"))
        self.assertIn("shortened", found["wrongs"][0]["why"])
        self.assertEqual(self.house.gsm.pieces, [])
        where = f"/jobs/{job['id']}"
        started = self.ask("POST", f"{where}/start", user="shop")
        self.assertEqual((started.status, started.json()["state"]), (200, "running"), started.text)
        self.house.advance(1)
        self.house.advance(1)
        self.assertEqual(self.get(where, user="shop")["messages"], {"sent": 2})
        listed = self.get("/jobs", user="shop")["jobs"]
        self.assertEqual([(one["id"], one["checked"]) for one in listed], [(job["id"], None)])
        self.problem(self.ask("POST", f"{where}/start", user="shop"), 409, "conflict")

    def test_paused_resumed_cancelled(self) -> None:
        self.house.gsm.manual = True
        job = self.checked()["id"]
        deeds = {"start": "running", "pause": "paused", "resume": "running", "cancel": "cancelled"}
        for deed, state in deeds.items():
            reply = self.ask("POST", f"/jobs/{job}/{deed}")
            self.assertEqual((reply.status, reply.json()["state"]), (200, state), reply.text)
        self.problem(self.ask("POST", f"/jobs/{job}/resume"), 409, "conflict")
        found = self.house.wait(self.house.store.ask(audit.find))
        self.assertEqual(
            [(one["who"], one["verb"], one["subject"]) for one in reversed(found)],
            [("account john", f"job {deed}", job) for deed in deeds],
        )
        while self.house.gsm.pending:
            self.house.gsm.release()

    def test_the_options_of_a_file(self) -> None:
        file = b"a;b\n+15551230001;Ann\n+15551230001;Ann\n"
        options = {"text": "x" * 1000, "to_column": "a"}
        more = {"duplicates": "drop-same", "separator": "semicolon", "name": "list", "header": "yes"}
        job = self.checked(file, **options, **more)
        self.assertEqual((job["name"], job["total"]), ("list", 1))
        found = job["checked"]
        self.assertEqual((found["dropped"], found["sms"]), (1, 4))  # the door's max_parts
        self.assertEqual(found["agains"], [{"line": 3, "to": "+15551230001", "same_text": True}])
        self.assertEqual(self.checked(file, max_parts="2", **options)["checked"]["sms"], 4)

    def test_lines_that_are_refused_when_their_turn_comes(self) -> None:
        """The month of john holds 20 messages."""
        rows = "".join(f"+1555123{n:04};Ann\n" for n in range(30)).encode()
        job = self.checked(b"number;name\n" + rows)["id"]
        self.ask("POST", f"/jobs/{job}/start")
        self.house.advance(1)
        self.house.advance(1)
        told = self.get(f"/jobs/{job}", refused=10)
        self.assertEqual((told["state"], told["accepted"]), ("paused", 20))
        self.assertIn("20 messages a month", told["reason"])
        self.assertEqual(told["refused_lines"], [])
        self.assertIsNone(self.get(f"/jobs/{job}")["refused_lines"])


class Keys(JobCase):
    """Idempotency-Key: the same file again is the same job, whatever has become of it."""

    def keyed(self, file: bytes = FILE, key: str = "k1", **more: Any) -> Reply:
        more.setdefault("text", "Dear {name}")
        return self.upload(file, **more, headers={**CSV, "Idempotency-Key": key})

    def test_the_same_again_is_the_same_job(self) -> None:
        first = self.keyed()
        self.assertEqual(first.status, 201, first.text)
        self.assertNotIn("idempotent-replayed", first.headers)
        again = self.keyed()
        self.assertEqual((again.status, again.headers["idempotent-replayed"]), (201, "true"))
        self.assertEqual(again.headers["location"], first.headers["location"])
        self.assertEqual(again.json(), {**first.json(), "replayed": True})
        self.assertEqual(len(self.get("/jobs")["jobs"]), 1)
        self.assertEqual(self.keyed(key="k2").json()["id"], "2")
        self.assertEqual(self.upload(text="Dear {name}").json()["id"], "3")

    def test_a_form_again_is_known_whatever_its_boundary(self) -> None:
        body, _ = form(FILE, text="Dear {name}")
        ids = []
        for boundary in ("XX", "YY"):
            kind = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Idempotency-Key": "k"}
            reply = self.ask("POST", "/jobs", body.replace(b"--XX", b"--" + boundary.encode()), headers=kind)
            ids.append(reply.json()["id"])
        self.assertEqual(ids, ["1", "1"])

    def test_it_is_told_what_has_become_of_it_since(self) -> None:
        job = self.keyed().json()["id"]
        self.ask("POST", f"/jobs/{job}/start")
        self.house.advance(1)
        self.house.advance(1)
        again = self.keyed().json()
        self.assertEqual((again["id"], again["state"], again["messages"]), (job, "done", {"sent": 2}))
        self.assertEqual(len(self.house.gsm.pieces), 2)

    def test_another_request_is_refused(self) -> None:
        self.keyed()
        for more in (
            {"file": FILE + b"+15551230009;Zoe\n"},
            {"text": "Hi {name}"},
            {"max_parts": "2"},
            {"name": "other"},
            {"callback": "https://example.org/x"},
        ):
            self.problem(self.keyed(**more), 409, "conflict")
        self.assertEqual(len(self.get("/jobs")["jobs"]), 1)

    def test_a_key_is_one_for_messages_and_files(self) -> None:
        message = {"to": "+15551234567", "text": "x"}
        self.keyed()
        self.problem(
            self.ask("POST", "/messages", message, headers={"Idempotency-Key": "k1"}), 409, "conflict"
        )
        self.assertEqual(
            self.ask("POST", "/messages", message, headers={"Idempotency-Key": "k2"}).status, 201
        )
        self.problem(self.keyed(key="k2"), 409, "conflict")

    def test_others_have_keys_of_their_own(self) -> None:
        self.assertEqual(self.keyed().json()["id"], "1")
        self.assertEqual(self.keyed(user="shop").json()["id"], "2")

    def test_what_came_to_nothing_is_done_again(self) -> None:
        for _ in range(2):
            self.problem(self.keyed(b"nothing\n"), 422, "bad-request")
        self.assertEqual(self.keyed().status, 201, "the key was of no request that was done")

    def test_for_a_day(self) -> None:
        self.assertEqual(self.keyed().json()["id"], "1")
        self.house.clock.advance(86_400 + 1)
        self.assertEqual(self.keyed().json()["id"], "2")

    def test_even_when_no_more_files_may_wait(self) -> None:
        self.patch(jobs_module, "MOST_READY", 1)
        self.keyed()
        self.problem(self.keyed(key="k2"), 409, "conflict")
        self.assertEqual(self.keyed().json()["id"], "1")

    def test_while_it_is_still_being_checked(self) -> None:
        key = IdempotencyKey("account:john", "k", b"x")
        settings = jobsettings.read({"text": "Dear {name}"})

        def again() -> Any:
            return self.house.wait(Deferred.fromCoroutine(self.jobs.check("john", settings, FILE, key)))

        job = self.house.wait(Deferred.fromCoroutine(self.jobs.open("john", settings, key)))
        with self.assertRaises(Refused) as caught:
            again()
        self.assertEqual(caught.exception.reason, Reason.UNAVAILABLE)
        self.house.wait(Deferred.fromCoroutine(self.jobs.feed(job, FILE)))
        self.house.wait(Deferred.fromCoroutine(self.jobs.close(job)))
        self.assertEqual(again()["id"], job)

    def test_keys_that_are_none(self) -> None:
        for key in ("", "x" * 256, "a\tb"):
            said = self.problem(self.keyed(key=key), 400, "bad-request")
            self.assertEqual([one["header"] for one in said["errors"]], ["Idempotency-Key"])


class Whose(JobCase):
    def test_others_see_nothing(self) -> None:
        job = self.checked()["id"]
        for user, status in (("shop", 404), ("john", 200)):
            self.assertEqual(self.ask("GET", f"/jobs/{job}", user=user).status, status)
            self.assertEqual(self.ask("POST", f"/jobs/{job}/start", user=user).status, status)
        self.assertEqual(self.get("/jobs", user="shop"), {"jobs": []})
        for number in (77, 2**31, 2**63, 10**18):
            self.problem(self.ask("GET", f"/jobs/{number}"), 404, "not-found")
            self.problem(self.ask("POST", f"/jobs/{number}/pause"), 404, "not-found")

    def test_scopes(self) -> None:
        job = self.checked()["id"]
        send, read, admin = self.token("john", "send"), self.token("john", "read"), self.token("", "admin")
        self.problem(self.upload(token=read), 403, "insufficient-scope")
        self.problem(self.ask("POST", f"/jobs/{job}/start", token=read), 403, "insufficient-scope")
        self.problem(self.ask("GET", "/jobs", token=send), 403, "insufficient-scope")
        self.assertEqual(self.upload(token=send, text="x").status, 201)
        self.assertEqual(len(self.get("/jobs", token=admin)["jobs"]), 2)
        self.assertEqual(self.get(f"/jobs/{job}", token=admin)["account"], "john")
        self.problem(self.ask("POST", f"/jobs/{job}/start", token=admin), 403, "insufficient-scope")
        self.problem(self.upload(headers={**CSV, "Authorization": "Bearer x"}), 401, "bad-credentials")


class Mistakes(JobCase):
    def test_in_the_request(self) -> None:
        broken = (b"--XX\r\nno form", {"Content-Type": "multipart/form-data; boundary=XX"})
        two = form(FILE, text="a")[0].replace(
            b"--XX--", b'--XX\r\nContent-Disposition: form-data; name="text"\r\n\r\nb\r\n--XX--'
        )
        fields = b'--XX\r\nContent-Disposition: form-data; name="text"\r\n\r\nx\r\n--XX--\r\n'
        for body, headers, query, place in (
            (FILE, CSV, {"duplicates": "some"}, {"parameter": "duplicates"}),
            (FILE, CSV, {"max_parts": "0"}, {"parameter": "max_parts"}),
            (FILE, CSV, {"txt": "x"}, {"parameter": "txt"}),
            (FILE, CSV, {"text": ["a", "b"]}, {"parameter": "text"}),
            (b"", CSV, {}, {"pointer": "#"}),
            (*broken, {}, {"pointer": "#"}),
            (two, broken[1], {}, {"parameter": "text"}),
            (fields, broken[1], {}, {"pointer": "#/file"}),
            (*form(FILE, callback_events="never"), {}, {"parameter": "callback_events"}),
        ):  # fmt: skip
            said = self.problem(self.ask("POST", "/jobs", body, headers=headers, **query), 400, "bad-request")
            self.assertLessEqual(place.items(), said["errors"][0].items(), (headers, query))

    def test_in_the_file(self) -> None:
        for file, query, told in (
            (b"number\n+15551234567\n", {}, "no texts"),
            (b"PK\x03\x04 a workbook", {"text": "x"}, "CSV"),
            (b'a;b\n"x', {"text": "x"}, "line"),
            (FILE, {"text": "{nothing}"}, "nothing"),
        ):
            said = self.problem(self.upload(file, **query), 422, "bad-request")
            self.assertIn(told, said["detail"])
        self.problem(self.upload(text="x", gateway="gsm9"), 404, "unknown-gateway")
        self.problem(self.upload(text="x", callback="nobody"), 403, "not-allowed")
        job = self.checked(b"number\nabc\n", text="x")["id"]
        self.assertIn(
            "no line", self.problem(self.ask("POST", f"/jobs/{job}/start"), 422, "bad-request")["detail"]
        )

    def test_types_that_are_not_read(self) -> None:
        for kind in ("application/json", "image/png", "", "application/x-www-form-urlencoded"):
            self.problem(self.upload(headers={"Content-Type": kind}), 415, "unsupported-media-type")
        self.problem(self.upload(headers={**CSV, "Content-Encoding": "gzip"}), 415, "unsupported-media-type")

    def test_what_is_too_large_is_refused_before_it_is_read(self) -> None:
        connection = Connection(self.door)
        connection.send(
            b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: 50001\r\n\r\n"
        )
        [reply] = connection.replies()
        self.problem(reply, 413, "too-long")
        self.assertEqual(self.upload(b"+15551234567;x\n" * 1000).status, 201)

    def test_a_door_without_jobs(self) -> None:
        self.door.context = replace(self.door.context, jobs=None)
        for method, path in (("GET", "/jobs"), ("GET", "/jobs/1"), ("POST", "/jobs/1/start")):
            self.problem(self.ask(method, path), 403, "not-allowed")
