"""One HTTP request and its answer, with a limit for everything a server can be asked to wait for or to hold, and the truth
about whether the request has left.

HTTP/1.1 over TCP or verified TLS; connections are kept for a moment and used again. Follows nothing, repeats nothing.
"""

from __future__ import annotations

import os
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import (
    ConnectError,
    ConnectingCancelledError,
    ConnectionClosed,
    DNSLookupError,
    TimeoutError,
)
from twisted.internet.interfaces import IHandshakeListener, IStreamClientEndpoint
from twisted.internet.protocol import Protocol
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.client import (
    Agent,
    HTTPConnectionPool,
    RequestGenerationFailed,
    RequestTransmissionFailed,
    ResponseDone,
    ResponseFailed,
)
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IBodyProducer
from zope.interface import implementer

from smsd.codec.weburl import Target
from smsd.values.errors import InvalidValue

LONGEST_HEAD = 200_000
"""Octets that a server may send before its headers end (with what else comes in the same packet)."""
KEEP = 2
"""Seconds that an idle connection is kept. Servers close theirs after five or more: ours are gone before."""
CLOSE = 5.0
"""Seconds for an orderly end of a connection."""

_FAILURES = (
    CancelledError,
    ConnectError,
    ConnectingCancelledError,
    ConnectionClosed,
    DNSLookupError,
    OSError,
    RequestGenerationFailed,
    RequestTransmissionFailed,
    ResponseFailed,
    SSL.Error,
    VerificationError,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said. `body` has one octet more than the limit when there was more; `whole`: it came to its end."""

    status: int
    phrase: str
    headers: Headers
    body: bytes
    whole: bool


class Unanswered(Exception):
    """There was no answer. `sent`: the request had left, so that it may have been carried out."""

    def __init__(self, reason: str, sent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent


class Client:
    """Makes requests; `policy` decides whose certificates are good."""

    def __init__(self, reactor: Any, policy: Any, connections: int) -> None:
        self._reactor = reactor
        self._policy = policy
        self._pool = _Pool(reactor)
        self._pool.maxPersistentPerHost = connections
        self._pool.cachedConnectionTimeout = KEEP
        self._pool.retryAutomatically = False  # nothing that rules request may be done twice unseen
        self._wires: set[_Wire] = set()

    async def fetch(
        self,
        method: str,
        target: Target,
        headers: dict[str, str],
        body: bytes | None,
        limit: int,
        seconds: float,
    ) -> Answer:
        """Request it; the answer, with at most `limit` octets of its body and one. Raises Unanswered, and InvalidValue for a
        host that nobody can have."""
        attempt = _Attempt(self._reactor, self._policy, target, seconds, self._wires)
        agent = Agent.usingEndpointFactory(self._reactor, attempt, self._pool)
        host = target.host.encode()
        lines = Headers({name: [value] for name, value in headers.items()})
        if target.login is not None:
            credentials = b64encode(":".join(target.login).encode()).decode()
            lines.setRawHeaders("Authorization", [f"Basic {credentials}"])
        where = b"%b://%b:%d%b" % (target.scheme.encode(), host, target.port, target.path.encode())
        timer = None
        try:
            requesting = agent.request(method.encode(), where, lines, None if body is None else _Octets(body))
            timer = self._reactor.callLater(seconds, attempt.give_up, requesting)
            response: Any = await requesting
            attempt.head_is_over()
            reading = _Body(limit, attempt)
            response.deliverBody(reading)
            whole = await reading.done
        except ValueError:  # of Twisted, about host names; nothing has left
            raise InvalidValue(f"{target.host} is no name of a host") from None
        except _FAILURES as error:
            raise Unanswered(
                attempt.reason or _words(error), attempt.sent and not _untrusted(error)
            ) from None
        finally:
            if timer is not None and timer.active():
                timer.cancel()
        phrase = response.phrase.decode("utf-8", "replace")
        return Answer(response.code, phrase, response.headers, bytes(reading.octets), whole)

    def close(self) -> Deferred[None]:
        """End the connections that are kept; fires when they have ended."""
        closing = self._pool.closeCachedConnections()
        for wire in list(self._wires):
            wire.abortConnection()
        return closing


class _Pool(HTTPConnectionPool):
    """Tells each attempt which connection it got."""

    def getConnection(self, key: Any, endpoint: Any) -> Deferred[Any]:
        """See the base."""
        return super().getConnection(key, endpoint).addCallback(endpoint.took)


@implementer(IHandshakeListener)
class _Wire(ProtocolWrapper):
    """Between the network and the HTTP protocol: counts what comes, notices what leaves, and ends in time."""

    def __init__(self, factory: Any, wrapped: Any) -> None:
        super().__init__(factory, wrapped)
        self.heard = 0
        self.most = LONGEST_HEAD
        self.wrote = False
        self.secure = False
        self.flooded = False
        self._closing: Any = None

    def begin(self) -> None:
        """Another request follows."""
        self.heard, self.most, self.wrote = 0, LONGEST_HEAD, False

    def connectionMade(self) -> None:
        """Known to the client from now on."""
        self.factory.wires.add(self)

    def handshakeCompleted(self) -> None:
        """TLS: what is written leaves from now on."""
        self.secure = True

    def write(self, data: bytes) -> None:
        """Towards the server."""
        self.wrote = True
        super().write(data)

    def writeSequence(self, data: Any) -> None:
        """Towards the server."""
        self.wrote = True
        super().writeSequence(data)

    def dataReceived(self, data: bytes) -> None:
        """From the server."""
        self.heard += len(data)
        if self.most and self.heard > self.most:
            self.flooded = True
            self.abortConnection()
            return
        super().dataReceived(data)

    def loseConnection(self) -> None:
        """In an orderly way, but not for ever: TLS waits for the other side."""
        super().loseConnection()
        if self._closing is None and self in self.factory.wires:
            self._closing = self.factory.reactor.callLater(CLOSE, self.abortConnection)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """The end."""
        self.factory.wires.discard(self)
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        super().connectionLost(reason)


class _Wiring(WrappingFactory):
    noisy = False
    protocol = _Wire

    def __init__(self, wrapped: Any, reactor: Any, wires: set[_Wire]) -> None:
        super().__init__(wrapped)
        self.reactor = reactor
        self.wires = wires


@implementer(IAgentEndpointFactory, IStreamClientEndpoint)
class _Attempt:
    """One request's way to the server: a connection that was kept, or a new one."""

    def __init__(self, reactor: Any, policy: Any, target: Target, seconds: float, wires: set[_Wire]) -> None:
        self._reactor = reactor
        self._policy = policy
        self._target = target
        self._seconds = seconds
        self._wires = wires
        self._wire: _Wire | None = None
        self._late = False

    def endpointForURI(self, uri: Any) -> _Attempt:
        """See `IAgentEndpointFactory`."""
        return self

    def connect(self, factory: Any) -> Deferred[Any]:
        """See `IStreamClientEndpoint`."""
        target = self._target
        name = target.host.strip("[]")
        endpoint: Any = HostnameEndpoint(self._reactor, name, target.port, timeout=self._seconds)
        if target.scheme == "https":
            endpoint = wrapClientTLS(self._policy.creatorForNetloc(name.encode(), target.port), endpoint)
        factory.noisy = False
        connecting: Deferred[Any] = endpoint.connect(_Wiring(factory, self._reactor, self._wires))
        return connecting.addCallback(lambda wire: wire.wrappedProtocol)

    def took(self, connection: Any) -> Any:
        """The request leaves over this one."""
        self._wire = connection.transport
        self._wire.begin()
        return connection

    def head_is_over(self) -> None:
        """The answer's headers have come; its body has a limit of its own."""
        if self._wire is not None:
            self._wire.most = 0

    @property
    def sent(self) -> bool:
        """Whether any of the request has left."""
        wire = self._wire
        return wire is not None and wire.wrote and (wire.secure or self._target.scheme == "http")

    @property
    def reason(self) -> str:
        """Why we ended it, if we did."""
        if self._late:
            return "it cannot be reached in time" if self._wire is None else "it did not answer in time"
        return "its headers do not end" if self._wire is not None and self._wire.flooded else ""

    def give_up(self, requesting: Deferred[Any]) -> None:
        """The time is over."""
        self._late = True
        requesting.cancel()
        self.abort()

    def abort(self) -> None:
        """End the connection."""
        if self._wire is not None:
            self._wire.abortConnection()


class _Body(Protocol):
    """Collects an answer's body; what is longer than the limit is not waited for."""

    def __init__(self, limit: int, attempt: _Attempt) -> None:
        self.octets = bytearray()
        self.done: Deferred[bool] = Deferred()
        self._limit = limit
        self._attempt = attempt

    def dataReceived(self, data: bytes) -> None:
        """More of it."""
        room = self._limit + 1 - len(self.octets)
        if room > 0:
            self.octets += data[:room]
            if len(data) >= room:
                self._attempt.abort()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """Its end, or that of the connection."""
        if not self.done.called:
            self.done.callback(reason.check(ResponseDone, PotentialDataLoss) is not None)


@implementer(IBodyProducer)
class _Octets:
    """The body of a request."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: Any) -> Deferred[None]:
        """Write it."""
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:
        """It is written already."""

    def resumeProducing(self) -> None:
        """It is written already."""

    def stopProducing(self) -> None:
        """It is written already."""


def _untrusted(error: Exception) -> bool:
    """Whether TLS did not come about: then nothing has left."""
    return isinstance(error, (SSL.Error, VerificationError)) or any(
        reason.check(SSL.Error, VerificationError) for reason in getattr(error, "reasons", [])
    )


def _words(error: Exception) -> str:
    """What went wrong, for people."""
    for reason in getattr(error, "reasons", []):
        if not reason.check(ConnectionClosed):
            return _words(reason.value)
    if isinstance(error, DNSLookupError):
        return "its name is not known"
    if isinstance(error, TimeoutError):
        return "it cannot be reached: timed out"
    if isinstance(error, ConnectError):
        number = error.osError
        return f"it cannot be reached: {os.strerror(number) if isinstance(number, int) else error}"
    if isinstance(error, VerificationError):
        return "its certificate is for another name"
    if isinstance(error, SSL.Error):
        details = [entry[-1] for entry in (error.args[0] if error.args else []) if entry]
        return f"TLS failed: {', '.join(map(str, details)) or 'no reason given'}"
    if isinstance(error, (ResponseFailed, RequestTransmissionFailed, ConnectionClosed)):
        return "it ended the connection"
    return f"its answer cannot be read: {type(error).__name__}"
