"""Providers call a running smsd: curl on one side, a Maildir on the other, and a crash in between."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import shutil
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import urlencode

from twisted.trial.unittest import SynchronousTestCase

from tests.rig.processes import Folder, until
from tests.rig.server import PASSWORD, USER, Server

REFERENCE = "996f364775e24b8432f45d77da8eca47"
SECRET = "a secret of 24 characters"
TYPED = SECRET.replace(" ", "+")
CURL = shutil.which("curl")


class StandIn(http.server.BaseHTTPRequestHandler):
    """Clickatell, as far as its answer to a submission goes."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = f"ID: {REFERENCE}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Live(SynchronousTestCase):
    """A server with four providers; one of them is asked, too."""

    if CURL is None:
        skip = "curl is not installed"

    def setUp(self) -> None:
        self.place = Folder()
        self.addCleanup(self.place.close)
        stand_in = http.server.HTTPServer(("127.0.0.1", 0), StandIn)
        serving = threading.Thread(target=stand_in.serve_forever, daemon=True)
        serving.start()
        self.addCleanup(serving.join)
        self.addCleanup(stand_in.server_close)
        self.addCleanup(stand_in.shutdown)
        nobody = {"type": "http", "deliver_to": "ann@example.org", "incoming": {"secret": SECRET}}
        self.server = Server(
            self.place.path / "s",
            [
                {"id": "inbox", "type": "folder", "folder": "mail"},
                {**nobody, "id": "vonage", "template": "vonage", "credentials": {"api_key": "k", "api_secret": "s"}},
                {**nobody, "id": "phone", "template": "smsgate", "credentials": {"user": "u", "password": "p"}},
                {**nobody, "id": "kannel", "template": "kannel", "server": "http://127.0.0.1:9",
                 "credentials": {"user": "u", "password": "p"}},
                {**nobody, "id": "cl", "template": "clickatell", "server": f"http://127.0.0.1:{stand_in.server_port}",
                 "credentials": {"user": "u", "password": "p", "api_id": "1"}},
            ],
            extra={"queue": {"reports": "always"}},
        )  # fmt: skip
        self.addCleanup(lambda: self.server.process and self.server.process.kill())
        self.start()

    def start(self) -> None:
        self.server.start()
        self.server.ready()

    def curl(self, path: str, *options: str) -> tuple[int, str]:
        """What it answers: status and body."""
        url = f"http://127.0.0.1:{self.server.http}{path}"
        done = subprocess.run(
            [str(CURL), "-s", "-m", "20", "-w", "\n%{http_code}", *options, url],
            capture_output=True,
            text=True,
            check=True,
        )
        body, _, status = done.stdout.rpartition("\n")
        return int(status), body

    def mails(self, number: int) -> list[str]:
        """The mails once there are so many."""
        new = Path(self.place.path / "s" / "var" / "mail" / "new")
        until(
            lambda: new.is_dir() and len(list(new.iterdir())) >= number,
            20,
            f"{number} mails",
            self.server.process,
        )
        return sorted(path.read_text("utf-8") for path in new.iterdir())

    def part(self, seq: int) -> tuple[int, str]:
        """A part of a text of three, signed as Vonage signs."""
        fields = {
            "msisdn": "447700900001", "to": "447700900000", "messageId": f"0A{seq}", "text": f"part{seq} ",
            "type": "text", "message-timestamp": "2020-01-01 12:00:00", "timestamp": str(int(time.time())),
            "concat": "true", "concat-ref": "9", "concat-total": "3", "concat-part": str(seq),
        }  # fmt: skip
        signed = "".join(f"&{name}={value}" for name, value in sorted(fields.items()))
        fields["sig"] = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest()
        return self.curl("/sms/in/vonage?" + urlencode(fields))

    def test_parts_over_a_kill(self) -> None:
        self.assertEqual([self.part(3), self.part(1)], [(200, "OK"), (200, "OK")])
        assert self.server.process is not None
        self.server.process.kill()
        self.start()
        self.assertEqual([self.part(1), self.part(2), self.part(2), self.part(3)], [(200, "OK")] * 4)
        (mail,) = self.mails(1)
        self.assertIn("part1 part2 part3", mail)
        self.assertIn("447700900001", mail)
        self.assertEqual(self.server.rows("select count(*) from message where door='vonage'"), [(1,)])
        self.assertEqual(self.server.rows("select count(*) from inbound"), [(0,)])

    def test_webhooks_of_a_phone(self) -> None:
        body = json.dumps(
            {
                "deviceId": "d", "event": "sms:received", "id": "Ey6ECgOkVVFjz3CL48B8C", "webhookId": "w",
                "payload": {"messageId": "abc", "message": "Grüße 😀", "phoneNumber": "+16505551212", "simNumber": 1,
                            "receivedAt": "2024-06-22T15:46:11.000+07:00"},
            }
        )  # fmt: skip
        stamp = str(int(time.time()))
        sign = hmac.new(SECRET.encode(), (body + stamp).encode(), hashlib.sha256).hexdigest()

        def call(sign: str) -> tuple[int, str]:
            headers = ("Content-Type: application/json", f"X-Signature: {sign}", f"X-Timestamp: {stamp}")
            options = [option for header in headers for option in ("-H", header)]
            return self.curl("/sms/in/phone", *options, "--data-binary", body)

        self.assertEqual(call("0" * 64)[0], 403)
        self.assertEqual([call(sign)[0] for _ in range(2)], [200, 200])
        self.mails(1)
        self.assertEqual(
            self.server.rows("select origin, body from message where door='phone'"),
            [("sms:+16505551212", "Grüße 😀")],
        )

    def test_kannel_reports_and_texts_in_utf_16(self) -> None:
        text = "".join(f"%{octet:02X}" for octet in "Привет".encode("utf-16-be"))
        known = f"from=%2B447700900001&to=4477&id=5cd7&time=1800000000&coding=2&charset=UTF-16BE&udh=&secret={TYPED}"
        self.assertEqual(self.curl(f"/sms/in/kannel?{known}&text={text}"), (200, ""))
        self.mails(1)
        self.assertEqual(self.server.rows("select body from message where door='kannel'"), [("Привет",)])
        report = f"ref=4711&to=%2B447700900001&dlr=1&reply=&foreign=&time=1800000000&secret={TYPED}"
        self.assertEqual(self.curl(f"/sms/in/kannel/report?{report}"), (200, ""))
        self.assertEqual(self.curl(f"/sms/in/kannel/report?{report}x")[0], 403)
        path = self.place.path / "s" / "var" / "log" / "http.log"
        until(lambda: path.exists() and "403" in path.read_text("utf-8"), 20, "the log", self.server.process)
        log = path.read_text("utf-8")
        for shown in (
            "/sms/in/kannel 200: True, gateway kannel, 1 message from",
            "/sms/in/kannel/report 200: True",
            "403: False",
        ):
            self.assertIn(shown, log)
        self.assertNotIn("secret of", log)

    def test_a_report_finds_its_message(self) -> None:
        self.server.in_service("cl")
        form = urlencode({"number": "+279995631564", "data": "hello", "id": "cl", "reply": "bob@example.org"})
        status, said = self.curl(f"/sms/?{form}", "-u", f"{USER}:{PASSWORD}")
        self.assertEqual((status, said.split()[0]), (200, "OK"), said)
        until(
            lambda: self.server.rows("select state from delivery") == [(2,)],
            20,
            "the answer",
            self.server.process,
        )

        def report(code: str) -> tuple[int, str]:
            fields = (
                f"api_id=1&apiMsgId={REFERENCE.upper()}&to=279995631564&timestamp=1218007814&status={code}"
            )
            return self.curl(f"/sms/in/cl/report?{fields}&secret={TYPED}")

        self.assertEqual([report("003"), report("004"), report("004")], [(200, "OK")] * 3)
        until(
            lambda: (
                self.server.rows("select state from delivery where target like '%279995631564'") == [(10,)]
            ),
            20,
            "the report",
            self.server.process,
        )
