"""A real Kannel behind smsd: what phones write comes by the get-url of the manual, and its reports find the messages."""

from __future__ import annotations

import os
import re
import threading
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.peers.kannel import Kannel, missing
from tests.rig.processes import ROOT, Folder, until
from tests.rig.server import PASSWORD, USER, Server

SECRET = "asecretof24characters"


class Upstream:
    """The SMSC of Kannel: takes every message, and says by its dlr-url that the phone has it."""

    def __init__(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                body = b"0: Accepted for delivery"
                self.send_response(202)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                self.wfile.flush()
                if asked.get("dlr-url"):
                    told = asked["dlr-url"][0].replace("%d", "1")
                    threading.Timer(0.3, lambda: urllib.request.urlopen(told, timeout=120).close()).start()

            def log_message(self, *args: Any) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Answers no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


def page(pattern: str) -> str:
    """A line of the manual."""
    with open(os.path.join(ROOT, "docs", "incoming-http.rst"), encoding="utf-8") as stream:
        found = re.search(pattern, stream.read())
    assert found is not None
    return found[1]


class KannelTest(SynchronousTestCase):
    """One Kannel, one smsd; both think that the other is their provider."""

    skip = missing()
    timeout = 300

    def setUp(self) -> None:
        self.place = Folder()
        self.addCleanup(self.place.close)
        upstream = Upstream()
        self.addCleanup(upstream.stop)
        self.server = Server(self.place.path / "s", [])
        here = f"127.0.0.1:{self.server.http}"
        get_url = page(r'(get-url = "[^"]+")').replace("YOUR.SERVER:8080", here).replace("SECRET", SECRET)
        service = f"group = sms-service\nkeyword = default\ncatch-all = true\nconcatenation = true\nmax-messages = 0\n{get_url}\n"
        self.kannel = Kannel(upstream.url, service)
        self.addCleanup(self.kannel.stop)
        url = page(r'url: "(http://KANNEL:13013[^"]+)"')
        for name, value in (
            ("KANNEL:13013", f"127.0.0.1:{self.kannel.send}"),
            ("YOUR.SERVER:8080", here),
            ("SECRET", SECRET),
        ):
            url = url.replace(name, value)
        gateway = {
            "id": "kannel", "type": "http", "url": url, "answers": {"id": "msgid"}, "deliver_to": "ann@example.org",
            "credentials": {"user": "tester", "password": "foobar"},
            "incoming": {"template": "kannel", "secret": SECRET},
        }  # fmt: skip
        extra = {"queue": {"reports": "always"}}
        http, smtp = self.server.http, self.server.smtp
        self.server = Server(self.place.path / "s", [gateway, {"id": "inbox", "type": "folder"}], extra=extra)
        text = self.server.file.read_text().replace(str(self.server.http), str(http))
        self.server.file.write_text(text.replace(str(self.server.smtp), str(smtp)))
        self.server.http, self.server.smtp = http, smtp
        self.addCleanup(lambda: self.server.process and self.server.process.kill())
        self.server.start()
        self.server.ready()
        self.kannel.start()

    def written(self, **fields: str | bytes) -> list[Any]:
        """A phone writes, and Kannel's SMSC hands it in; what smsd has then."""
        query = urllib.parse.urlencode(
            {"username": "demo", "password": "demo", "from": "+447700900001", "to": "4477", **fields}
        )
        before = len(self.messages())
        urllib.request.urlopen(f"http://127.0.0.1:{self.kannel.smsc}/?{query}", timeout=120).close()
        until(lambda: len(self.messages()) > before, 30, "the message", self.server.process)
        return self.messages()[before:]

    def messages(self) -> list[Any]:
        return self.server.rows(
            "select origin, kind, body, headers from message where door='kannel' order by id"
        )

    def test_what_phones_write(self) -> None:
        ((origin, kind, body, headers),) = self.written(text="Grüße an alle", charset="UTF-8", coding="0")
        self.assertEqual((origin, kind, body), ("sms:+447700900001", 1, "Grüße an alle"))
        self.assertIn('"own","12345"', headers)  # %P is the global-sender, where there is one
        ((_, _, body, _),) = self.written(
            text="Привет 😀".encode("utf-16-be"), charset="UTF-16BE", coding="2"
        )
        self.assertEqual(body, "Привет 😀")
        ((_, kind, body, headers),) = self.written(
            text=b"\x00\x01\xff", coding="1", udh=b"\x06\x05\x04\x0b\x84\x23\xf0"
        )
        self.assertEqual((kind, bytes(body)), (2, b"\x00\x01\xff"))
        self.assertIn("05040b8423f0", headers)

    def test_a_report_finds_its_message(self) -> None:
        self.server.in_service("kannel")
        form = urllib.parse.urlencode(
            {
                "number": "+447700900001",
                "data": "hello",
                "user": USER,
                "pass": PASSWORD,
                "id": "kannel",
                "reply": "bob@example.org",
            }
        )
        urllib.request.urlopen(f"http://127.0.0.1:{self.server.http}/sms/?{form}", timeout=120).close()

        def delivered() -> bool:
            return self.server.rows("select state from delivery where gateway='kannel'") == [(10,)]

        until(delivered, 60, "the report", self.server.process)
