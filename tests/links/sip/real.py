"""A real smsd with a link of type sip, and simulated phones at the other end; subclasses bring SIP programs."""

from __future__ import annotations

import json
import socket
from typing import Any

from OpenSSL.crypto import FILETYPE_PEM
from twisted.trial.unittest import SynchronousTestCase

from smsd.core.digests import make_secret
from tests.gateways.test_smtp_tls import certificate
from tests.peers.baresip import Phone
from tests.rig.modems import Modems
from tests.rig.processes import Folder, free_port, until
from tests.rig.server import Server

DOMAIN = "sip.example.org"
NUMBER = "+15551234567"
NULL = {"id": "null", "type": "loopback"}


def account(user: str) -> dict[str, Any]:
    """One that phones log in to; the password is its name with pw behind it."""
    return {"user": user, "networks": ["127.0.0.0/8"], "sip_secret": make_secret(user, DOMAIN, f"{user}pw")}


class RealSip(SynchronousTestCase):
    """A folder and an smsd in it, gone when the test is over."""

    server: Server

    def setUp(self) -> None:
        self.place = Folder()
        self.addCleanup(self.place.close)
        self.port = free_port(2)

    def link(self, **more: Any) -> dict[str, Any]:
        """The gateway of type sip."""
        listen = [f"{kind}:{self.port}:interface=127.0.0.1" for kind in ("udp", "tcp")]
        return {"id": "sip", "type": "sip", "domains": [DOMAIN], "listen": listen, **more}

    def smsd(self, *gateways: dict[str, Any], link: dict[str, Any] | None = None, **extra: Any) -> Server:
        """Running, with the link open."""
        settings = {"accounts": [account("ann"), account("bob")], "replies": {"keep_minutes": 60}, **extra}
        server = self.server = Server(
            self.place.path / "s", [*gateways, self.link(**(link or {}))], extra=settings
        )
        self.addCleanup(lambda: server.process and server.process.kill())
        self.start()
        return server

    def start(self) -> None:
        """Until it answers SIP."""
        self.server.start()
        self.server.ready()
        until(self.answers, 60, "SIP", self.server.process)

    def answers(self) -> bool:
        """Whether it answers OPTIONS by UDP."""
        return self.ask("OPTIONS", 0.5).startswith(b"SIP/2.0 200")

    def ask(
        self, method: str, patience: float = 10.0, headers: str = "", body: str = "", token: str = ""
    ) -> bytes:
        """The answer to a datagram of ours; nothing when none comes."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.bind(("127.0.0.1", 0))
            asking.settimeout(patience)
            here = f"127.0.0.1:{asking.getsockname()[1]}"
            token = token or f"{self.id().rpartition('.')[2]}{here}"
            lines = (
                f"{method} sip:{NUMBER}@{DOMAIN} SIP/2.0", f"Via: SIP/2.0/UDP {here};branch=z9hG4bK{token};rport",
                f"From: <sip:ann@{DOMAIN}>;tag=1", f"To: <sip:{NUMBER}@{DOMAIN}>", f"Call-ID: {token}", f"CSeq: 1 {method}",
                "Max-Forwards: 70", *headers.splitlines(), f"Content-Length: {len(body.encode())}",
            )  # fmt: skip
            asking.sendto("\r\n".join((*lines, "", body)).encode(), ("127.0.0.1", self.port))
            try:
                return asking.recv(65536)
            except OSError:
                return b""

    def modems(self) -> Modems:
        """One simulated modem, which a test's phones are at."""
        modems = Modems(self.place.path / "modems")
        self.addCleanup(modems.stop)
        return modems

    def on_air(self, modems: Modems, count: int) -> list[dict[str, Any]]:
        """What the modem sent, once there are so many SMS and smsd knows it."""
        until(lambda: modems.sent() >= count, 60, f"{count} SMS on the air", self.server.process)
        under_way = "select count(*) from delivery where target like 'sms:%' and state in (0, 1)"
        until(lambda: self.server.rows(under_way) == [(0,)], 30, "smsd to know it", self.server.process)
        sent: list[dict[str, Any]] = modems.ask("sent")["answer"]
        self.assertEqual(len(sent), count)
        return sent

    def receive(self, modems: Modems, text: str, number: str = NUMBER) -> None:
        """Somebody answers by phone."""
        modems.ask(json.dumps({"do": "receive", "number": number, "text": text}))

    def secure(self) -> tuple[int, str, str]:
        """A port for TLS, how to listen there, and the certificate."""
        cert, key = self.certified("127.0.0.1")
        port = free_port()
        return port, f"ssl:{port}:interface=127.0.0.1:privateKey={key}:certKey={cert}", cert

    def certified(self, name: str) -> tuple[str, str]:
        """Files with a certificate and its key."""
        own, pem = certificate(name)
        cert, key = self.place.path / f"{name}.pem", self.place.path / f"{name}.key"
        cert.write_bytes(pem)
        key.write_bytes(own.privateKey.dump(FILETYPE_PEM))
        return str(cert), str(key)

    def phone(self, user: str = "ann", through: int = 0, transport: str = "udp", **more: Any) -> Phone:
        """A SIP phone, registered."""
        phone = Phone(
            user, f"{user}pw", f"sip:127.0.0.1:{through or self.port};transport={transport}", [f"sip:{NUMBER}@{DOMAIN}"],
            DOMAIN, transport, **more,
        )  # fmt: skip
        self.addCleanup(phone.stop)
        phone.start()
        phone.registered()
        return phone

    def shows(self, phone: Phone, text: str) -> None:
        """Wait until it is on its screen."""
        until(lambda: text in phone.shown(), 60, f"{text!r} on the screen", self.server.process)

    def gets(self, phone: Phone, text: str) -> None:
        """Wait until it has come: what comes as soon as a phone has registered may be on its screen before anybody can look."""
        until(lambda: text in phone.trace(), 60, f"{text!r} at the phone", self.server.process)

    def stored(self) -> int:
        """How many messages of people there are."""
        return int(self.server.rows("select count(*) from message where kind=1")[0][0])
