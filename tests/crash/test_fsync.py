"""An fsync returned between each message and its 250, 200 or +CNMA; and the test notices when none did (synchronous=OFF)."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import smtplib
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.crash import syscalls
from tests.crash.killing import tracing
from tests.rig.mailbox import Mailbox
from tests.rig.modems import Modems
from tests.rig.processes import Folder, until
from tests.rig.server import PASSWORD, USER, Server, mail_gateway, modem_gateway

EACH = 5
CLIENTS = 4
SENT = (EACH * CLIENTS, EACH * CLIENTS, EACH)
"""By HTTP, by SMTP, and incoming."""


class Fsync(SynchronousTestCase):
    """Real processes under strace; several clients at once, so that commits are shared."""

    def setUp(self) -> None:
        if shutil.which("strace") is None:
            raise SkipTest("strace is not installed")
        if not tracing():
            raise SkipTest("strace may not trace here")
        self.folder = Folder()
        self.addCleanup(self.folder.close)

    def trace(self, synchronous: str | None) -> tuple[list[str], list[str], list[str]]:
        """Messages without proof: by HTTP, by SMTP, and incoming."""
        folder = self.folder.path
        mailbox = Mailbox(folder / "mailbox")
        self.addCleanup(mailbox.stop)
        modems = Modems(folder / "modem")
        self.addCleanup(modems.stop)
        gateways = [
            modem_gateway("gsm1", modems.link(), deliver_to="ann@example.org"),
            mail_gateway(mailbox.port),
        ]
        server = Server(folder / "smsd", gateways, synchronous=synchronous)
        process = server.start((*syscalls.STRACE, "-o", str(folder / "trace")))
        self.addCleanup(process.kill_group)
        server.ready(120)
        server.in_service("gsm1")
        with ThreadPoolExecutor(2 * CLIENTS) as pool:
            webs = [pool.submit(self.by_http, server, n) for n in range(CLIENTS)]
            mails = [pool.submit(self.by_smtp, server, n) for n in range(CLIENTS)]
            by_http = {name: name for done in webs for name in done.result()}
            by_smtp = {name: name for done in mails for name in done.result()}
        incoming = self.incoming(modems, mailbox)
        os.kill(server.ask("status")["pid"], signal.SIGTERM)  # the server, not its tracer
        process.wait(60)
        calls = syscalls.load(folder / "trace")
        return (
            syscalls.unproven(calls, by_http, r"HTTP/1\.1 200"),
            syscalls.unproven(calls, by_smtp, r"250 2\.0\.0 .*queued as"),
            syscalls.unproven(calls, incoming, r"AT\+CNMA"),
        )

    def by_http(self, server: Server, client: int) -> list[str]:
        connection = http.client.HTTPConnection("127.0.0.1", server.http, timeout=120)
        names = [f"http{client}{n:03}" for n in range(EACH)]
        for n, name in enumerate(names):
            number = quote(f"+15550001{client}{n:02}")
            connection.request("GET", f"/sms/?user={USER}&pass={PASSWORD}&number={number}&data={name}")
            answer = connection.getresponse()
            self.assertEqual((answer.status, answer.read()[:2]), (200, b"OK"))
        connection.close()
        return names

    def by_smtp(self, server: Server, client: int) -> list[str]:
        names = [f"smtp{client}{n:03}" for n in range(EACH)]
        with smtplib.SMTP("127.0.0.1", server.smtp, timeout=120) as session:
            session.login(USER, PASSWORD)
            for n, name in enumerate(names):
                mail = f"From: a@example.org\r\nSubject: test\r\n\r\n{name}\r\n"
                session.sendmail("a@example.org", [f"+15550002{client}{n:02}@sms.example.org"], mail)
        return names

    def incoming(self, modems: Modems, mailbox: Mailbox) -> dict[str, str]:
        ids = {}
        for n in range(EACH):
            name = f"gsm-{n:04}"
            # On the line its eight septets are packed into seven octets, in hexadecimal (3GPP TS 23.038 6.1.2.1).
            ids[name] = sum(ord(c) << 7 * at for at, c in enumerate(name)).to_bytes(7, "little").hex().upper()
            modems.ask(json.dumps({"do": "receive", "number": "+15550003333", "text": name}))
            until(lambda n=n: mailbox.count() > n, 60, "the mail")
            until(lambda: not modems.ask('{"do": "status"}')["answer"]["waiting"], 60, "its acknowledgement")
        return ids

    def test_every_yes_comes_after_an_fsync(self) -> None:
        self.assertEqual(self.trace(None), ([], [], []))

    def test_it_notices_a_store_without_fsync(self) -> None:
        for found, sent in zip(self.trace("OFF"), SENT, strict=True):
            self.assertEqual(len(found), sent)
            self.assertTrue(all("before an fsync" in line for line in found), found)

    def test_it_notices_a_store_that_syncs_now_and_then(self) -> None:
        for found, sent in zip(self.trace("NORMAL"), SENT, strict=True):
            self.assertEqual(len(found), sent)
