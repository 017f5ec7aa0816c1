"""Connections of ours: by TCP, or by TLS to somebody for whom an authority vouches."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from OpenSSL import crypto
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates

if TYPE_CHECKING:
    from smsd.links.sip.streams import Stream, Streams

CONNECT = 5.0
"""Seconds for a connection of ours."""
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.S)


def call(
    reactor: Any, where: tuple[str, str, int], factory: Streams, name: str, ca: str | None
) -> Deferred[Stream]:
    """Connect to (transport, host, port); fires when it can be written to. With TLS the certificate is for `name`, and from an
    authority of the file `ca`, or of the system's. ValueError or OSError when that file cannot be used."""
    kind, host, port = where
    endpoint: Any = (TCP6ClientEndpoint if ":" in host else TCP4ClientEndpoint)(reactor, host, port, CONNECT)
    if kind == "TLS":
        trust = None if ca is None else authorities(ca)
        endpoint = wrapClientTLS(optionsForClientTLS(name, trustRoot=trust), endpoint)
    return maybeDeferred(endpoint.connect, factory).addCallback(_ready)


def authorities(path: str) -> Any:
    """Those of a PEM file; ValueError when there are none."""
    with open(path, "rb") as stream:
        blocks = _PEM.findall(stream.read())
    if not blocks:
        raise ValueError(f"{path} has no certificate in PEM")
    try:
        return trustRootFromCertificates([Certificate.loadPEM(block) for block in blocks])
    except crypto.Error as error:
        raise ValueError(f"{path}: a certificate cannot be used ({error})") from None


def _ready(stream: Any) -> Deferred[Stream]:
    """Fires with the connection when it can be written to."""
    done: Deferred[Stream] = Deferred(lambda _: stream.transport.abortConnection())
    stream.ready.addCallbacks(lambda _: done.callback(stream), done.errback)
    return done
