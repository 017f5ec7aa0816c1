"""A private Kannel on loopback: bearerbox and smsbox of Debian's package, with a folder and ports of their own.

It is the client here: what programs hand to its sendsms goes over its `smsc = http` (system-type kannel) to us.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.rig.processes import Process, free_port, listening, until

_WHERE = "/usr/sbin:/usr/bin:/sbin"
BEARERBOX = shutil.which("bearerbox", path=_WHERE)
SMSBOX = shutil.which("smsbox", path=_WHERE)


def missing() -> str | None:
    """Why it cannot run here, or None."""
    return None if BEARERBOX and SMSBOX else "Kannel is not installed (package kannel)"


_CORE = """\
group = core
admin-port = {admin}
admin-interface = 127.0.0.1
admin-password = secret
smsbox-port = {box}
smsbox-interface = 127.0.0.1
box-allow-ip = 127.0.0.1
log-file = {base}/bearerbox.log
log-level = 0
dlr-storage = internal
sms-resend-freq = 1

group = smsc
smsc = http
smsc-id = upstream
system-type = kannel
port = {smsc}
connect-allow-ip = 127.0.0.1
smsc-username = demo
smsc-password = demo
send-url = "{url}"
dlr-url = "http://127.0.0.1:{smsc}/?username=demo&password=demo"
reconnect-delay = 1

group = smsbox
bearerbox-host = 127.0.0.1
bearerbox-port = {box}
sendsms-port = {send}
sendsms-interface = 127.0.0.1
global-sender = 12345
log-file = {base}/smsbox.log
log-level = 0
{smsbox}

group = sendsms-user
username = tester
password = foobar
name = shop
concatenation = true
max-messages = 10

{more}
"""


class Kannel:
    """Start it, hand in messages at `send` (tester, foobar); stop it. `url` is where its SMSC takes messages, `smsc` the port where
    that SMSC takes reports and incoming messages; `more` are further groups, `smsbox` further lines of that group."""

    def __init__(self, url: str, more: str = "", smsbox: str = "") -> None:
        self.base = Path(tempfile.mkdtemp(prefix="smsd-kannel-"))
        self.admin, self.box, self.smsc, self.send = (free_port() for _ in range(4))
        self._file = self.base / "kannel.conf"
        self._file.write_text(
            _CORE.format(
                admin=self.admin, box=self.box, smsc=self.smsc, send=self.send, url=url, base=self.base, more=more,
                smsbox=smsbox,
            )
        )  # fmt: skip
        self._processes: list[Process] = []

    def start(self) -> None:
        """Returns when its sendsms answers."""
        for name, program, port in (("bearerbox", BEARERBOX, self.box), ("smsbox", SMSBOX, self.send)):
            assert program is not None
            process = Process(name, [program, str(self._file)], self.base / f"{name}.out", cwd=self.base)
            self._processes.append(process)
            until(lambda port=port: listening(port), 30, name, process)  # type: ignore[misc]
        # It listens before it has read who may send.
        until(self._knows_users, 30, "the users of smsbox", self._processes[-1])

    def _knows_users(self) -> bool:
        url = f"http://127.0.0.1:{self.send}/cgi-bin/sendsms?username=tester&password=foobar"
        try:
            with urllib.request.urlopen(url, timeout=120):
                return True
        except urllib.error.HTTPError as error:
            return error.code != 403  # without a number it is a bad request

    def stop(self) -> None:
        """Ends the processes and removes the folder."""
        for process in reversed(self._processes):
            process.kill()
        shutil.rmtree(self.base, ignore_errors=True)


class Program:
    """What has a Kannel (or thinks so): hears callbacks, and answers what phones ask. `heard` has path, method, body and the query
    of each request."""

    def __init__(self) -> None:
        self.heard: list[dict[str, str]] = []
        program = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
                sent = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                program.heard.append({"path": path, "method": self.command, "body": sent, **dict(pairs)})
                body = b"17 degrees" if path == "/weather" else b""
                self.send_response(200)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *args: Any) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Hears no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def statuses(self, who: str) -> list[str]:
        """What it heard of the messages to this phone."""
        return [said["s"] for said in list(self.heard) if said["path"] == "/dlr" and said["to"] == who]
