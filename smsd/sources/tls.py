"""TLS towards a mail server: its certificate is verified, unless somebody has switched that off."""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL
from twisted.internet import ssl
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from zope.interface import implementer

_LONGEST = 10_000_000
_BEGIN = b"-----BEGIN CERTIFICATE-----"


def options(host: str, verify: bool, ca: str | None) -> Any:
    """What `startTLS` wants for this host; ValueError when the file `ca` has no certificates."""
    if not verify:
        return _Unverified(host)
    return ssl.optionsForClientTLS(host, trustRoot=None if ca is None else _authorities(ca))


def _authorities(path: str) -> Any:
    try:
        with open(path, "rb") as source:
            pem = source.read(_LONGEST)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror})") from None
    try:
        found = [ssl.Certificate.loadPEM(_BEGIN + piece) for piece in pem.split(_BEGIN)[1:]]
    except Exception:  # whatever the library makes of octets that are none
        raise ValueError(f"{path} has a certificate that cannot be read") from None
    if not found:
        raise ValueError(f"{path} has no PEM certificate")
    return ssl.trustRootFromCertificates(found)


@implementer(IOpenSSLClientConnectionCreator)
class _Unverified:
    """Any certificate will do."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._context = ssl.CertificateOptions(verify=False).getContext()

    def clientConnectionForTLS(self, protocol: Any) -> SSL.Connection:
        """A connection that names the host and asks nothing of its certificate."""
        connection = SSL.Connection(self._context, None)
        connection.set_app_data(protocol)
        if not isIPAddress(self._host) and not isIPv6Address(self._host):
            connection.set_tlsext_host_name(self._host.encode("idna"))
        return connection
