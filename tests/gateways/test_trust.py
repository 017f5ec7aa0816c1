"""Certificates of ours: files that cannot be used are told before anything is sent."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from twisted.trial.unittest import SynchronousTestCase

from smsd.gateways.trust import policy
from tests.frontends.smtp.certificate import write


class Files(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.certificate, self.key = write(self.folder)

    def refused(self, words: str, **files: str) -> None:
        with self.assertRaisesRegex(ValueError, words):
            policy(**files)

    def test_good(self) -> None:
        both = self.folder / "both.pem"
        both.write_bytes(Path(self.key).read_bytes() + Path(self.certificate).read_bytes() * 2)
        for found in (
            policy(),
            policy(ca=self.certificate),
            policy(certificate=self.certificate, key=self.key),
            policy(certificate=str(both)),
        ):
            found.creatorForNetloc(b"example.org", 443)

    def test_remembered(self) -> None:
        """By name, and not for ever more names."""
        found = policy(ca=self.certificate)
        first = found.creatorForNetloc(b"a.example", 443)
        self.assertIs(found.creatorForNetloc(b"a.example", 8443), first)
        self.assertIsNot(found.creatorForNetloc(b"b.example", 443), first)
        for number in range(100):
            found.creatorForNetloc(b"%d.example" % number, 443)
        self.assertIsNot(found.creatorForNetloc(b"a.example", 443), first)

    def test_bad(self) -> None:
        empty = self.folder / "empty.pem"
        empty.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
        self.refused("has no certificate in it", ca=self.key)
        self.refused("the file of authorities .*empty.pem cannot be read", ca=str(empty))
        self.refused("the certificate /no/such cannot be read", certificate="/no/such")
        self.refused("key in .*cert.pem cannot be read", certificate=self.certificate)
        self.refused("no certificate to show", key=self.key)

    def test_another_key(self) -> None:
        _, other = write(self.folder / "other")
        self.refused("does not belong to", certificate=self.certificate, key=other)

    def test_a_key_with_a_password(self) -> None:
        """Nobody is there to type it; OpenSSL would ask the terminal and wait."""
        key = load_pem_private_key(Path(self.key).read_bytes(), None)
        secret = self.folder / "secret.pem"
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"x"),
            )
        )
        self.refused("has a password", certificate=self.certificate, key=str(secret))
