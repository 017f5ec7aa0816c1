"""The client for rules and callbacks: treq, with a limit for everything a server can be asked to wait for or to hold, and the truth
about whether the request has left.

HTTP/1.1 over TCP or verified TLS; connections are kept for a moment and used again. Follows nothing, repeats nothing. What
treq would do of its own accord (cookies, redirects, `gzip`, tidier URLs) is switched off: a server gets what was asked for,
octet by octet, and an answer cannot unfold in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyperlink import EncodedURL
from OpenSSL import SSL
from service_identity import VerificationError
from treq.client import HTTPClient
from treq.cookies import IndexableCookieJar
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import (
    ConnectError,
    ConnectingCancelledError,
    ConnectionClosed,
    DNSLookupError,
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
from twisted.web.iweb import IAgent, IAgentEndpointFactory, IBodyProducer
from zope.interface import implementer

from smsd.codec.weburl import Target
from smsd.gateways.exchange import (
    CLOSE,
    KEEP,
    LONGEST_HEAD,
    Answer,
    IClient,
    Unanswered,
    check_request,
    login_lines,
    untrusted,
    words,
)
from smsd.gateways.guard import Forbidden, Guard
from smsd.values.errors import InvalidValue

__all__ = ["CLOSE", "KEEP", "LONGEST_HEAD", "Answer", "Client", "Unanswered"]

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
_SOMEWHERE = EncodedURL.from_text("http://server/")
"""For treq, which would write a URL its own way, and knows none with an IPv6 address; `_Exactly` asks for the right one."""


@implementer(IClient)
class Client:
    """Makes requests; keeps up to `connections` to each server. `policy` decides whose certificates are good, `guard` who may be
    reached."""

    def __init__(self, reactor: Any, policy: Any, connections: int, guard: Guard | None = None) -> None:
        self._reactor = reactor if guard is None else guard.over(reactor)
        self._policy = policy
        self._pool = _Pool(reactor)
        self._pool.maxPersistentPerHost = connections
        self._pool.cachedConnectionTimeout = KEEP
        self._pool.retryAutomatically = False  # nothing that rules request may be done twice unseen
        self._wires: set[_Wire] = set()

    def fetch(
        self,
        method: str,
        target: Target,
        headers: Mapping[str, str],
        body: bytes | None,
        limit: int,
        seconds: float,
    ) -> Deferred[Answer]:
        """See `IClient`."""
        return Deferred.fromCoroutine(self._fetch(method, target, headers, body, limit, seconds))

    async def _fetch(
        self,
        method: str,
        target: Target,
        headers: Mapping[str, str],
        body: bytes | None,
        limit: int,
        seconds: float,
    ) -> Answer:
        check_request(method, target.path, headers)
        attempt = _Attempt(self._reactor, self._policy, target, seconds, self._wires)
        where = f"{target.scheme}://{target.host}:{target.port}{target.path}".encode()
        agent = _Exactly(Agent.usingEndpointFactory(self._reactor, attempt, self._pool), where)
        client = HTTPClient(agent, _NoCookies(), _Octets)
        timer = None
        try:
            requesting = client.request(
                method, _SOMEWHERE, headers=Headers({name: [value] for name, value in {**headers, **login_lines(target)}.items()}), data=body, allow_redirects=False,
                unbuffered=True, reactor=self._reactor,
            )  # fmt: skip
            timer = self._reactor.callLater(seconds, attempt.give_up, requesting)
            response: Any = await requesting
            attempt.head_is_over()
            reading = _Body(limit, attempt)
            response.deliverBody(reading)
            whole = await reading.done
        except ValueError:  # of Twisted, about host names; nothing has left
            raise InvalidValue(f"{target.host} is no name of a host") from None
        except _FAILURES as error:
            if isinstance(error, CancelledError) and not attempt.late:
                attempt.abort()
                raise  # whoever asked does not want to know
            raise Unanswered(
                attempt.reason or words(error),
                attempt.sent and not untrusted(error),
                isinstance(error, Forbidden),
            ) from None
        finally:
            if timer is not None and timer.active():
                timer.cancel()
        phrase = response.phrase.decode("utf-8", "replace")
        lines = tuple((name, value) for name, values in agent.headers.getAllRawHeaders() for value in values)
        return Answer(response.code, phrase, lines, bytes(reading.octets), whole)

    def close(self) -> Deferred[None]:
        """See `IClient`."""
        closing = self._pool.closeCachedConnections()
        for wire in list(self._wires):
            wire.abortConnection()
        return closing


@implementer(IAgent)
class _Exactly:
    """Asks for the URL as it is, and for the answer as it is: what treq added is taken off again, and what it would decode is
    hidden from it."""

    def __init__(self, agent: Agent, where: bytes) -> None:
        self._agent = agent
        self._where = where
        self.headers = Headers()

    def request(
        self, method: bytes, uri: bytes, headers: Any = None, bodyProducer: Any = None
    ) -> Deferred[Any]:
        """See `IAgent`."""
        kept = headers.copy()
        kept.setRawHeaders(
            b"accept-encoding", [x for x in kept.getRawHeaders(b"accept-encoding", []) if x != b"gzip"]
        )
        if not kept.getRawHeaders(b"accept-encoding"):
            kept.removeHeader(b"accept-encoding")
        requesting: Deferred[Any] = self._agent.request(method, self._where, kept, bodyProducer)
        return requesting.addCallback(self._answered)

    def _answered(self, response: Any) -> Any:
        self.headers = response.headers.copy()
        response.headers.removeHeader(b"content-encoding")
        return response


class _NoCookies(IndexableCookieJar):
    """Keeps none, and reads none."""

    def add_cookie_header(self, request: Any) -> None:
        """There are none."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """They are not kept."""


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
        self.late = False

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
        if self.late:
            return "it cannot be reached in time" if self._wire is None else "it did not answer in time"
        return "its headers do not end" if self._wire is not None and self._wire.flooded else ""

    def give_up(self, requesting: Deferred[Any]) -> None:
        """The time is over."""
        self.late = True
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
