"""Whose certificates are good to HTTP gateways, and who we are to servers that ask for ours."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto
from twisted.internet import ssl
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

from smsd.core.trust import authorities, certificates, octets

_REMEMBERED = 64


def policy(ca: str | None = None, certificate: str | None = None, key: str | None = None) -> IPolicyForHTTPS:
    """Trust the system's authorities or those in the file `ca`; show the `certificate` (with those that vouch for it behind it),
    whose key stands in `key` or in the same file. All PEM. ValueError when one cannot be read."""
    trust = None if ca is None else authorities(ca)
    if certificate is None:
        if key is not None:
            raise ValueError("there is a key but no certificate to show")
        return _Policy(trust, {})
    mine, *chain = certificates(certificate, "certificate")
    secret = _key(key or certificate)
    context = SSL.Context(SSL.TLS_METHOD)
    context.use_certificate(mine)
    try:
        context.use_privatekey(secret)
        context.check_privatekey()
    except SSL.Error:
        raise ValueError(f"the key in {key or certificate} does not belong to {certificate}") from None
    return _Policy(trust, {"certificate": mine, "privateKey": secret, "extraCertChain": chain})


@implementer(IPolicyForHTTPS)
class _Policy:
    """Verifies as a browser does, and may have a certificate of its own. What it takes to connect to a server is remembered:
    reading the authorities takes as long as a hundred requests."""

    def __init__(self, trust: Any, options: dict[str, Any]) -> None:
        self._trust = trust
        self._options = options
        self._known: dict[bytes, Any] = {}

    def creatorForNetloc(self, hostname: bytes, port: int) -> Any:
        """See `IPolicyForHTTPS`."""
        known = self._known.get(hostname)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[hostname] = ssl.optionsForClientTLS(
                hostname.decode("ascii"), trustRoot=self._trust, extraCertificateOptions=dict(self._options)
            )
        return known


def _key(path: str) -> crypto.PKey:
    try:
        return crypto.PKey.from_cryptography_key(load_pem_private_key(octets(path), password=None))  # type: ignore[arg-type]
    except TypeError as error:  # it is encrypted, and nobody is there to ask
        raise ValueError(
            f"the key in {path} has a password: store it without one, readable for smsd only"
        ) from error
    except (OSError, ValueError) as error:
        raise ValueError(f"the key in {path} cannot be read: {error}") from None
