"""Passwords of mail users from a real Dovecot and a real Postfix: what the sources learn, and what a sender at a door sees."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from twisted.internet import reactor, tcp, unix
from twisted.internet.task import deferLater
from twisted.trial.unittest import SkipTest, SynchronousTestCase, TestCase

from smsd.core.accounts import Denied
from smsd.interfaces import SourceContext
from smsd.sources import dovecot, imap, smtp
from smsd.values.errors import Reason
from tests.frontends.smtp import certificate
from tests.peers import postfix
from tests.peers.logins import PASSWORDS, LoginServer, missing
from tests.rig.processes import environment, until
from tests.rig.server import Server


class SourcesCase(TestCase):
    timeout = 300
    skip = missing()

    def serve(self, trusted: str = "") -> LoginServer:
        server = LoginServer(trusted)
        self.addCleanup(server.stop)
        server.start()
        return server

    def source(self, module: Any, **settings: Any) -> Any:
        model = module.Settings.model_validate({"id": "mail", **settings})
        made = module.make(model, SourceContext(reactor, "sms.example.org"))
        self.addCleanup(made.stop)
        self.addCleanup(self._left)
        return made

    async def _left(self) -> None:
        """Every connection that was taken leave of is over."""
        while any(isinstance(one, (tcp.Client, unix.Client)) for one in reactor.getReaders()):
            await deferLater(reactor, 0.02, lambda: None)

    async def knows(self, source: Any) -> None:
        """Every right password, in any letters, and no other."""
        for name, password in PASSWORDS.items():
            self.assertTrue(await source.check(name, password, "192.0.2.7"), name)
        self.assertFalse(await source.check("ann@example.org", "wrong", "192.0.2.8"))
        self.assertFalse(await source.check("nobody@example.org", "wrong", "192.0.2.9"))

    async def cannot_tell(self, source: Any) -> None:
        error = await self.assertFailure(
            source.check("ann@example.org", PASSWORDS["ann@example.org"], ""), Denied
        )
        self.assertEqual(error.reason, Reason.SLOW_DOWN)


class DovecotTests(SourcesCase):
    """IMAP in TLS, with STARTTLS, and the socket for logins."""

    async def test_imap(self) -> None:
        server = self.serve("127.0.0.0/8")
        for settings in ({"port": server.imaps}, {"port": server.imap, "security": "starttls"}):
            await self.knows(self.source(imap, host="localhost", ca=server.ca, **settings))
        # Who tries is told, so that Dovecot makes him wait and not everybody.
        self.assertIn("rip=192.0.2.7", server.log())
        self.assertIn("rip=192.0.2.8", server.log())
        self.assertNotIn("secret", server.log())

    async def test_socket(self) -> None:
        server = self.serve()
        await self.knows(self.source(dovecot, socket=server.socket))

    async def test_a_certificate_that_nobody_vouches_for(self) -> None:
        server = self.serve()
        await self.cannot_tell(self.source(imap, host="127.0.0.1", port=server.imaps))
        await self.cannot_tell(self.source(imap, host="127.0.0.1", port=server.imap, security="starttls"))
        other, _ = certificate.write(server.base / "other", "mail.example.net")
        await self.cannot_tell(self.source(imap, host="localhost", port=server.imaps, ca=other))
        unverified = self.source(imap, host="127.0.0.1", port=server.imaps, verify=False)
        self.assertTrue(await unverified.check("joe@example.net", "x", ""))

    async def test_away(self) -> None:
        server = self.serve()
        sources = [
            self.source(imap, host="localhost", port=server.imaps, ca=server.ca),
            self.source(dovecot, socket=server.socket),
        ]
        server.end()
        for source in sources:
            await self.cannot_tell(source)


class PostfixTests(SourcesCase):
    """Submission: a Postfix that asks Dovecot."""

    skip = missing() or postfix.missing()

    async def test_submission(self) -> None:
        server = self.serve()
        source = self.submission(server)
        await self.knows(source)
        log = (self.relay.base / "log" / "maillog").read_text()
        self.assertIn("[192.0.2.8]: SASL PLAIN authentication failed", log)

    async def test_a_postfix_that_cannot_ask(self) -> None:
        server = self.serve()
        server.end()
        await self.cannot_tell(self.submission(server))

    def submission(self, server: LoginServer) -> Any:
        self.relay = postfix.Postfix(server.postfix_settings)
        self.addCleanup(self.relay.stop)
        self.relay.start()
        return self.source(smtp, host="localhost", port=self.relay.port, ca=server.ca)


class DoorTests(SynchronousTestCase):
    """The doors of an smsd that asks Dovecot, as swaks and a program see them."""

    skip = missing()

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="smsd-logins-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.dovecot = LoginServer()
        self.addCleanup(self.dovecot.stop)
        self.dovecot.start()
        extra = {
            "policies": [{"who": "example.org", "access": "yes"}, {"who": "bob@example.org", "access": "no"}],
            "password_sources": [{"id": "mail", "type": "dovecot", "socket": self.dovecot.socket}],
        }
        self.server = Server(self.folder, [{"id": "null", "type": "loopback"}], extra=extra)
        text = self.server.file.read_text().replace('"type": "http",', '"type": "http", "api": "yes",', 1)
        self.server.file.write_text(text)
        self.addCleanup(lambda: self.server.process is not None and self.server.process.kill_group())
        self.server.start()
        self.server.ready()

    def status(self) -> str:
        """What `smsd status` says of the source."""
        command = [sys.executable, "-m", "smsd", "-c", str(self.server.file), "status"]
        done = subprocess.run(command, capture_output=True, timeout=120, env=environment(), check=True)
        return (
            done.stdout.decode()
            .partition("\nPASSWORDS")[2]
            .partition("\nmail ")[2]
            .partition("\n")[0]
            .strip()
        )

    def page(self, user: str, password: str) -> int:
        query = urlencode({"number": "+15551234567", "data": "x", "user": user, "pass": password})
        return self._status(f"http://127.0.0.1:{self.server.http}/sms/?{query}")

    def api(self, user: str, password: str) -> int:
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.server.http}/api/v1/messages",
            json.dumps({"to": "+15551234567", "text": "x"}).encode(),
            {"Authorization": f"Basic {login}", "Content-Type": "application/json"},
        )
        return self._status(request)

    def _status(self, request: Any) -> int:
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    def mail(self, user: str, password: str) -> int:
        """The answer to AUTH, by swaks."""
        if shutil.which("swaks") is None:
            raise SkipTest("swaks is not installed")
        command = [
            "swaks", "--server", f"127.0.0.1:{self.server.smtp}", "--auth", "PLAIN", "--auth-user", user,
            "--auth-password", password, "--from", user, "--to", "0015551234567@sms.example.org", "--body", "x",
        ]  # fmt: skip
        said = subprocess.run(
            command, capture_output=True, timeout=120, stdin=subprocess.DEVNULL
        ).stdout.decode()
        lines = said.splitlines()
        at = next(n for n, line in enumerate(lines) if line.startswith(" -> AUTH"))
        return int(lines[at + 1][4:7])

    def test_every_door(self) -> None:
        right = PASSWORDS["ann@example.org"]
        for user, password, http, auth in (
            ("ann@example.org", right, 200, 235),
            ("ANN%40Example.org", right, 200, 235),
            ("ann@example.org", "wrong", 401, 535),
            ("bob@example.org", right, 401, 535),
            ("joe@example.net", PASSWORDS["joe@example.net"], 401, 535),
        ):
            self.assertEqual(self.page(user, password), http, user)
            self.assertEqual(self.api(user, password), 201 if http == 200 else http, user)
            self.assertEqual(self.mail(user, password), auth, user)
        accounts = {account for (account,) in self.server.rows("select distinct account from message")}
        self.assertEqual(accounts, {"ann@example.org"})

        self.assertEqual(self.status(), "answers")
        self.dovecot.end()  # who was let in lately still is, others are asked to come again
        self.assertEqual(self.page("ann@example.org", right), 200)
        user = "jürgen@example.org"
        for _ in range(12):
            self.assertEqual(self.page(user, PASSWORDS[user]), 429)
        self.assertEqual(self.mail(user, PASSWORDS[user]), 454)
        self.assertIn("cannot be reached", self.status())
        self.dovecot.start()
        until(lambda: self.page(user, PASSWORDS[user]) == 200, 30, "Dovecot's answers", self.server.process)
        self.server.stop()
        logs = [self.folder / "smsd.out", *(self.folder / "var" / "log").iterdir()]
        written = "".join(log.read_text() for log in logs)
        self.assertIn("password source mail cannot be reached", written)
        self.assertIn("password source mail answers again", written)
        for secret in PASSWORDS.values():
            if len(secret) > 1:
                self.assertNotIn(secret, written)
                self.assertNotIn(base64.b64encode(secret.encode()).decode()[:12], written)


class ReloadTests(SynchronousTestCase):
    """A configuration read again: another source, a renewed file of authorities."""

    skip = missing()

    def test_reload(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="smsd-logins-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        known = LoginServer()
        self.addCleanup(known.stop)
        known.start()
        wrong, _ = certificate.write(folder / "tls", "mail.example.net")
        source = {"id": "mail", "type": "imap", "host": "localhost", "port": known.imaps, "ca": wrong}
        extra = {"policies": [{"who": "example.org", "access": "yes"}], "password_sources": [source]}
        server = Server(folder, [{"id": "null", "type": "loopback"}], extra=extra)
        self.addCleanup(lambda: server.process is not None and server.process.kill_group())
        server.start()
        server.ready()

        def status() -> int:
            query = {
                "number": "+15551234567",
                "data": "x",
                "user": "ann@example.org",
                "pass": PASSWORDS["ann@example.org"],
            }
            try:
                with urllib.request.urlopen(
                    f"http://127.0.0.1:{server.http}/sms/?{urlencode(query)}", timeout=120
                ) as answer:
                    return int(answer.status)
            except urllib.error.HTTPError as error:
                error.close()
                return error.code

        self.assertEqual(status(), 429)
        shutil.copy(known.ca, wrong)
        server.ask("reload")
        self.assertEqual(status(), 200)
        settings = json.loads(server.file.read_text())
        server.file.write_text(json.dumps({**settings, "password_sources": []}))
        server.ask("reload")
        self.assertEqual(status(), 401)
        server.stop()
