"""TLS to the relay: opportunistic, required, from the start; verified or not."""

from __future__ import annotations

import datetime
import ipaddress
from typing import Any, ClassVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL
from twisted.internet import reactor, ssl
from twisted.internet.interfaces import IOpenSSLContextFactory
from zope.interface import implementer

from smsd.values.delivery import Accepted, Kind, Scope
from tests.gateways.helpers import piece
from tests.gateways.relays import Relay
from tests.gateways.test_smtp import RelayCase


def certificate(address: str = "127.0.0.1") -> tuple[ssl.PrivateCertificate, bytes]:
    """A certificate of its own authority for an IP address or a name, and its PEM."""
    try:
        whose: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        whose = x509.DNSName(address)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "relay")])
    start = datetime.datetime(2020, 1, 1)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([whose]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem = built.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return ssl.PrivateCertificate.loadPEM(pem + secret), pem


class TlsTests(RelayCase):
    """The five settings and the two attacks."""

    OFFER: ClassVar = ["250-relay\n250 STARTTLS", "250-relay\n250-AUTH PLAIN\n250 PIPELINING"]

    def tls_relay(self, address: str = "127.0.0.1", **script: list[str]) -> Relay:
        own, pem = certificate(address)
        self.ca = self.mktemp()
        with open(self.ca, "wb") as target:
            target.write(b"a comment before\n" + pem)
        return self.relay(own.options(), **{"EHLO": list(self.OFFER), **script})

    async def arrives(self, **settings: Any) -> Relay:
        self.assertEqual(await self.gateway(**settings).send(piece()), Accepted())
        self.assertEqual(len(self.server.mails), 1)
        return self.server

    async def fails(self, words: str, **settings: Any) -> None:
        failure = await self.failure(self.gateway(**settings))
        self.assertEqual((failure.kind, failure.scope), (Kind.TEMPORARY, Scope.GATEWAY))
        self.assertIn(words, failure.reason)
        self.assertEqual(self.server.mails, [])

    async def test_opportunistic_takes_any_certificate(self) -> None:
        self.tls_relay()
        relay = await self.arrives(security="starttls")
        self.assertEqual(relay.commands[:3], ["EHLO sms.example.org", "STARTTLS", "EHLO sms.example.org"])

    async def test_opportunistic_goes_on_in_clear_when_not_offered(self) -> None:
        self.relay()
        await self.arrives(security="starttls")

    async def test_opportunistic_goes_on_in_clear_when_refused(self) -> None:
        self.relay(EHLO=["250-relay\n250 STARTTLS"], STARTTLS=["454 4.7.0 no"])
        await self.arrives(security="starttls")

    async def test_opportunistic_goes_on_in_clear_when_tls_fails(self) -> None:
        self.tls_relay(EHLO=["250-relay\n250 STARTTLS"])
        self.server.tls = BrokenTls()
        relay = await self.arrives(security="starttls")
        self.assertEqual(len(relay.connections), 2)

    async def test_required_refuses_a_stranger(self) -> None:
        self.tls_relay()
        await self.fails("certificate verify failed", security="starttls-required")

    async def test_required_and_trusted(self) -> None:
        self.tls_relay()
        await self.arrives(security="starttls-required", ca=self.ca)

    async def test_required_and_unverified(self) -> None:
        self.tls_relay()
        await self.arrives(security="starttls-required", verify=False)

    async def test_a_certificate_for_somebody_else(self) -> None:
        self.tls_relay("127.0.0.2")
        await self.fails("for another name", security="starttls-required", ca=self.ca)

    async def test_opportunistic_may_verify(self) -> None:
        self.tls_relay()
        await self.fails("certificate verify failed", security="starttls", verify=True)

    async def test_a_login_makes_opportunistic_required_and_verified(self) -> None:
        self.tls_relay()
        await self.fails("certificate verify failed", security="starttls", user="me", password="secret")
        self.assertFalse([command for command in self.server.commands if command.startswith("AUTH")])

    async def test_login_after_starttls(self) -> None:
        self.tls_relay()
        relay = await self.arrives(security="starttls", user="me", password="secret", ca=self.ca)
        self.assertEqual(relay.commands[3], "AUTH PLAIN AG1lAHNlY3JldA==")

    async def test_words_before_tls_are_not_believed(self) -> None:
        self.tls_relay(STARTTLS=["220 go ahead\n250-relay\n250 AUTH PLAIN"])
        await self.fails("more than its answer before TLS", security="starttls-required", ca=self.ca)

    async def test_tls_from_the_start(self) -> None:
        own, pem = certificate()
        self.tls_relay()
        port = reactor.listenSSL(0, self.server, own.options(), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        with open(self.ca, "wb") as target:
            target.write(pem)
        self.server.script = {}
        await self.arrives(security="tls", port=port.getHost().port, ca=self.ca)

    async def test_tls_from_the_start_to_a_plain_server(self) -> None:
        self.relay()
        await self.fails("TLS with the mail relay failed", security="tls")

    def test_ca_files_that_are_none(self) -> None:
        self.relay()
        empty = self.mktemp()
        with open(empty, "wb"):
            pass
        for path, words in (
            (empty, "has no certificate in it"),
            (empty + ".missing", "cannot be read: No such file"),
        ):
            error = self.assertRaises(ValueError, self.gateway, security="tls", ca=path)
            self.assertIn(words, str(error))


@implementer(IOpenSSLContextFactory)
class BrokenTls:
    """A server context that cannot serve: its handshake fails (no certificate)."""

    def getContext(self) -> SSL.Context:
        return SSL.Context(SSL.TLS_METHOD)
