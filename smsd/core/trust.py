"""Whose certificates are good wherever TLS begins here: those of the system's authorities, of a file's, or anybody's."""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL, crypto
from twisted.internet import ssl
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from zope.interface import implementer

_LONGEST = 10_000_000
_END = b"-----END CERTIFICATE-----"


def towards(host: str, verify: bool = True, ca: str | None = None) -> Any:
    """What `startTLS` wants for a server called `host`. ValueError when that is no name, or when the file `ca` cannot be used."""
    if not verify:
        return _Anybody(host)
    return ssl.optionsForClientTLS(host, trustRoot=None if ca is None else authorities(ca))


def authorities(path: str) -> Any:
    """Those in a PEM file, as a trust root; ValueError when it has none."""
    return ssl.trustRootFromCertificates(
        [ssl.Certificate(one) for one in certificates(path, "file of authorities")]
    )


def certificates(path: str, what: str) -> list[crypto.X509]:
    """The certificates in a PEM file, which is called `what` in the ValueError that comes when they cannot be read."""
    try:
        found = [
            crypto.load_certificate(crypto.FILETYPE_PEM, part + _END + b"\n")
            for part in octets(path).split(_END)
            if b"BEGIN CERTIFICATE" in part
        ]
    except OSError as error:
        raise ValueError(f"the {what} {path} cannot be read: {error.strerror}") from None
    except (crypto.Error, ValueError):  # whatever the library makes of octets that are none
        raise ValueError(f"the {what} {path} cannot be read: something in it is no certificate") from None
    if not found:
        raise ValueError(f"the {what} {path} has no certificate in it: it has to be PEM")
    return found


def octets(path: str) -> bytes:
    """What is in a file, as far as such files are long."""
    with open(path, "rb") as stream:
        return stream.read(_LONGEST)


@implementer(IOpenSSLClientConnectionCreator)
class _Anybody:
    """TLS against listeners only: any certificate will do (opportunistic security, RFC 7435)."""

    def __init__(self, host: str) -> None:
        bare = isIPAddress(host) or isIPv6Address(host)
        self._name = b"" if bare else host.encode("idna")
        self._context = ssl.CertificateOptions(verify=False).getContext()

    def clientConnectionForTLS(self, protocol: Any) -> SSL.Connection:
        """A connection that names the host and asks nothing of its certificate."""
        connection = SSL.Connection(self._context, None)
        connection.set_app_data(protocol)
        if self._name:
            connection.set_tlsext_host_name(self._name)
        return connection
