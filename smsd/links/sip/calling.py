"""Connections of ours: by TCP, or by TLS to somebody for whom an authority vouches."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS

from smsd.core.trust import towards

if TYPE_CHECKING:
    from smsd.links.sip.streams import Stream, Streams

CONNECT = 5.0
"""Seconds for a connection of ours."""


def call(
    reactor: Any, where: tuple[str, str, int], factory: Streams, name: str, ca: str | None
) -> Deferred[Stream]:
    """Connect to (transport, host, port); fires when it can be written to. With TLS the certificate is for `name`, and from an
    authority of the file `ca`, or of the system's. ValueError or OSError when that file cannot be used."""
    kind, host, port = where
    endpoint: Any = (TCP6ClientEndpoint if ":" in host else TCP4ClientEndpoint)(reactor, host, port, CONNECT)
    if kind == "TLS":
        endpoint = wrapClientTLS(towards(name, ca=ca), endpoint)
    return maybeDeferred(endpoint.connect, factory).addCallback(_ready)


def words(error: BaseException | None) -> str:
    """Why there is no connection, for people."""
    if isinstance(error, VerificationError):
        return "its certificate is for another name"
    if isinstance(error, SSL.Error):
        details = [str(entry[-1]) for entry in (error.args[0] if error.args else []) if entry]
        return f"TLS failed: {', '.join(details) or 'no reason given'}"
    number = getattr(error, "osError", None)
    return os.strerror(number) if isinstance(number, int) else str(error)


def _ready(stream: Any) -> Deferred[Stream]:
    """Fires with the connection when it can be written to."""
    done: Deferred[Stream] = Deferred(lambda _: stream.transport.abortConnection())
    stream.ready.addCallbacks(lambda _: done.callback(stream), done.errback)
    return done
