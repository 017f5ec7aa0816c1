"""The section `password_sources`: what it takes, and where a mistake in it is."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsd.config.load import load_text
from smsd.config.positions import ConfigError
from smsd.config.settings import Configuration
from smsd.sources import pam

HEAD = """\
listeners:
  - {id: web, type: http, listen: ["tcp:8080:interface=127.0.0.1"]}
gateways:
  - {id: null0, type: loopback}
policies:
  - {who: example.org, access: yes}
server: {postmaster: root@example.org}
password_sources:
"""
CA = Path(__file__).parent / "test_sources.py"


class Sources(SynchronousTestCase):
    def read(self, *lines: str, head: str = HEAD) -> Configuration:
        return load_text(
            head + "".join(f"  - {{id: mail, {line}}}\n" for line in lines), "/etc/smsd/smsd.yaml", {}
        )

    def wrong(self, *lines: str) -> str:
        return str(self.assertRaises(ConfigError, self.read, *lines))

    def one(self, line: str) -> Any:
        return self.read(line).password_sources[0]

    def test_defaults(self) -> None:
        imap = self.one("type: imap, host: imap.example.org")
        self.assertEqual((imap.where, imap.security, imap.verify), ("imap.example.org:993", "tls", True))
        self.assertEqual((imap.seconds, imap.connections, imap.login), (10, 8, "address"))
        smtp = self.one("type: smtp, host: mx.example.org")
        self.assertEqual((smtp.where, smtp.security, smtp.verify), ("mx.example.org:587", "starttls", True))
        self.assertEqual(self.one("type: smtp, host: mx, security: tls").effective_port, 465)
        self.assertEqual(self.one("type: imap, host: mx, security: starttls").effective_port, 143)
        self.assertEqual(
            self.one("type: dovecot, socket: /run/dovecot/auth-client").socket, "/run/dovecot/auth-client"
        )

    def test_mistakes_have_a_place(self) -> None:
        for line, place, told in (
            ("type: ldap", "password_sources[0].type", "allowed: dovecot, imap, pam, smtp"),
            ("type: imap", "password_sources[0].host", "missing"),
            ("type: imap, host: x, security: ssl", "password_sources[0].security", "tls (port 993)"),
            ("type: imap, host: x, seconds: 0", "password_sources[0].seconds", "1 to 60"),
            ("type: imap, host: x, connections: 1000", "password_sources[0].connections", "1 to 100"),
            ("type: imap, host: x, port: 0", "password_sources[0].port", "993"),
            ("type: imap, host: x, user: ann", "password_sources[0].user", "unknown key"),
            ("type: imap, host: x, domains: [a@b]", "password_sources[0].domains", "'a@b' is no domain"),
            ("type: imap, host: x, login: local", "password_sources[0]", "login: local needs domains"),
            ("type: imap, host: a..b", "password_sources[0].host", "is no name of a server"),
            ("type: smtp, host: '[::1]'", "password_sources[0].host", "is no name of a server"),
            ("type: imap, host: x, ca: /nowhere.pem", "password_sources[0].ca", "cannot be read"),
            (f"type: smtp, host: x, ca: {CA}", "password_sources[0].ca", "has no certificate in it"),
            (f"type: dovecot, socket: /{'x' * 107}", "password_sources[0].socket", "use a shorter one"),
        ):
            said = self.wrong(line)
            self.assertIn("/etc/smsd/smsd.yaml:9", said, line)
            self.assertIn(place, said, line)
            self.assertIn(told, said, line)

    def test_ids_are_used_once(self) -> None:
        self.assertIn("is used twice", self.wrong("type: imap, host: x", "type: smtp, host: x"))

    def test_doubts(self) -> None:
        for line, doubt in (
            ("type: imap, host: x, verify: no", "verify: no"),
            ("type: imap, host: mail.example.org, security: none", "in clear"),
            ("type: imap, host: 127.0.0.1, security: none", ""),
            ("type: imap, host: '::1', security: none", ""),
            ("type: imap, host: x", ""),
            ("type: imap, host: x, verify: no, active: no", ""),
        ):
            told = "\n".join(self.read(line).warnings)
            self.assertEqual(bool(told), bool(doubt), (line, told))
            self.assertIn(doubt, told)

    def test_a_source_without_policies_is_for_nobody(self) -> None:
        head = HEAD.replace("access: yes", "access: no")
        self.assertIn(
            "no policy of this file", "\n".join(self.read("type: imap, host: x", head=head).warnings)
        )

    def test_pam_needs_its_package_and_its_service(self) -> None:
        line = "type: pam, domains: [example.org], service: smsd-nowhere"
        self.patch(pam, "SERVICES", ("/nowhere",))
        said = self.wrong(line)
        self.assertIn("password_sources[0].service", said)
        self.assertEqual("needs the Python package" in said, importlib.util.find_spec("pam") is None)
        self.assertIn("login: local needs domains", self.wrong("type: pam"))
