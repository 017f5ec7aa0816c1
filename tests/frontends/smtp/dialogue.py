"""A client's side of a mail session over a StringTransport, octet by octet as it would be on the wire."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import ISSLTransport, ITLSTransport
from twisted.internet.testing import StringTransport
from zope.interface import directlyProvides

from smsd.frontends.smtp import DoorFactory, Settings
from tests.frontends import fakes

MAIL = b"Message-ID: <1@x>\r\nSubject: hi\r\nFrom: Ann <ann@example.org>\r\n\r\nHello\r\n"
PLAIN = b"AGpvaG4Aam9obnB3"  # john, johnpw


class Wire(StringTransport):
    """A TCP transport that can start TLS in name."""

    def __init__(self, peer: Any, host: Any) -> None:
        super().__init__(host, peer)
        self.tls: object = None
        self.aborted = False

    def startTLS(self, context: object) -> None:
        self.tls = context

    def abortConnection(self) -> None:
        self.aborted = True
        self.disconnecting = True


class Tls:
    """Stands for CertificateFiles."""

    def context(self) -> str:
        return "context"


class Dialogue:
    """One session. `replies` gives what came since the last call, as (code, lines)."""

    def __init__(self, peer: str = "127.0.0.1", factory: DoorFactory | None = None, **changes: Any) -> None:
        self.context = fakes.context()
        settings: dict[str, Any] = {
            "id": "smtp",
            "type": "smtp",
            "listen": ["tcp:0"],
            "clear_auth_networks": ["127.0.0.0/8"],
        }
        secure = changes.pop("secure", False)
        tls = changes.pop("tls", False)
        given = {name: changes.pop(name) for name in list(changes) if hasattr(self.context, name)}
        self.context = fakes.context(**given)
        self.factory = factory or DoorFactory(Settings(**{**settings, **changes}), self.context)
        if tls:
            self.factory.tls = Tls()  # type: ignore[assignment]
        self.dispatcher: Any = self.context.dispatcher
        self.accounts: Any = self.context.portal
        self.clock: Any = self.context.reactor
        self.wire = Wire(IPv4Address("TCP", peer, 40000), IPv4Address("TCP", "127.0.0.1", 2525))
        directlyProvides(self.wire, ISSLTransport if secure else ITLSTransport)
        self.protocol: Any = self.factory.buildProtocol(None)
        self.protocol.makeConnection(self.wire)
        self.greeting = self.output()

    def output(self) -> str:
        octets = self.wire.value()
        self.wire.clear()
        return octets.decode("ascii")

    def send(self, *lines: str | bytes) -> str:
        """Send lines in one packet; what came back."""
        octets = b"".join((line.encode() if isinstance(line, str) else line) + b"\r\n" for line in lines)
        self.protocol.dataReceived(octets)
        return self.output()

    def raw(self, octets: bytes) -> str:
        """Send octets as they are."""
        self.protocol.dataReceived(octets)
        return self.output()

    def log_in(self) -> None:
        """EHLO and AUTH PLAIN as john."""
        self.send("EHLO client.example")
        assert self.send(b"AUTH PLAIN " + PLAIN).startswith("235 2.7.0 "), "login failed"

    def begin(self, *recipients: str) -> str:
        """A transaction up to its recipients, as john; the replies to RCPT."""
        self.log_in()
        self.send("MAIL FROM:<ann@example.org>")
        return "".join(
            self.send(f"RCPT TO:{recipient}") for recipient in recipients or ["<+15551234567@sms.example>"]
        )

    def deliver(self, octets: bytes = MAIL) -> str:
        """DATA and a message; the reply after the lone dot."""
        assert self.send("DATA").startswith("354 "), "DATA refused"
        return self.raw(octets + b".\r\n")

    @property
    def closed(self) -> bool:
        return bool(self.wire.disconnecting)


def codes(output: str) -> list[str]:
    """The reply codes of an output, one per reply."""
    return [line[:3] for line in output.splitlines() if line[3:4] == " "]
