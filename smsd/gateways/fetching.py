"""The client for rules and callbacks: treq, with a limit for everything a server can be asked to wait for or to hold, and the truth
about whether the request has left.

HTTP/1.1 over TCP or verified TLS; connections are kept for a moment and used again. Follows nothing, repeats nothing. What
treq would do of its own accord (cookies, redirects, `gzip`, tidier URLs) is switched off: a server gets what was asked for,
octet by octet, and an answer cannot unfold in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from OpenSSL import SSL
from service_identity import VerificationError
from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred
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
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from smsd.codec.weburl import Target
from smsd.gateways.exactly import SOMEWHERE, Exactly, NoCookies, Octets
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
from smsd.gateways.kept import Untouched
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
        end = self._reactor.seconds() + seconds
        while True:
            answer = await self._try(
                method, target, headers, body, limit, max(end - self._reactor.seconds(), 0.0)
            )
            if answer is not None:
                return answer

    async def _try(
        self,
        method: str,
        target: Target,
        headers: Mapping[str, str],
        body: bytes | None,
        limit: int,
        seconds: float,
    ) -> Answer | None:
        """None: the request met a kept connection that had ended, and no server has seen it."""
        attempt = _Attempt(self._reactor, self._policy, target, seconds, self._wires)
        where = f"{target.scheme}://{target.host}:{target.port}{target.path}".encode()
        agent = Exactly(Agent.usingEndpointFactory(self._reactor, attempt, self._pool), where)
        client = HTTPClient(agent, NoCookies(), Octets)
        timer = None
        try:
            lines = Headers({name: [value] for name, value in {**headers, **login_lines(target)}.items()})
            requesting = client.request(
                method, SOMEWHERE, headers=lines, data=body,
                allow_redirects=False, unbuffered=True, reactor=self._reactor,
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
            if _cancelled(error) and not attempt.late:
                attempt.abort()
                raise CancelledError() from None  # whoever asked does not want to know
            if attempt.untouched:
                return None
            raise Unanswered(
                attempt.reason or words(error),
                attempt.sent and not untrusted(error),
                isinstance(error, Forbidden),
            ) from None
        finally:
            attempt.over()
            if timer is not None and timer.active():
                timer.cancel()
        phrase = response.phrase.decode("utf-8", "replace")
        received = tuple(
            (name, value) for name, values in agent.headers.getAllRawHeaders() for value in values
        )
        return Answer(
            response.code, phrase, received, bytes(reading.octets), whole and len(reading.octets) <= limit
        )

    def close(self) -> Deferred[None]:
        """See `IClient`."""
        closing = self._pool.closeCachedConnections()
        for wire in list(self._wires):
            wire.abortConnection()
        return closing


class _Pool(HTTPConnectionPool):
    """Tells each attempt which connection it got."""

    def getConnection(self, key: Any, endpoint: Any) -> Deferred[Any]:
        """See the base."""
        getting: Deferred[Any] = super().getConnection(key, endpoint)
        return getting.addCallback(
            lambda found: found if endpoint.took(found) else self.getConnection(key, endpoint)
        )


@implementer(IHandshakeListener)
class _Wire(ProtocolWrapper):
    """Between the network and the HTTP protocol: counts what comes, notices what leaves, and ends in time."""

    def __init__(self, factory: Any, wrapped: Any) -> None:
        super().__init__(factory, wrapped)
        self.heard = 0
        self.most = LONGEST_HEAD
        self.wrote = False
        self.kept = False
        self.ended: Failure | None = None
        self.secure = False
        self.flooded = False
        self._closing: Any = None

    def begin(self) -> None:
        """Another request follows."""
        self.heard, self.most, self.wrote, self.kept = 0, LONGEST_HEAD, False, True

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
        self.ended = reason
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
        self._proof: Untouched | None = None
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

    def took(self, connection: Any) -> bool:
        """The request leaves over this one; False when it has ended meanwhile."""
        wire: _Wire = connection.transport
        if wire.kept:
            self._proof = Untouched(wire)
            if self._proof.stale:
                wire.abortConnection()
                return False
        self._wire = wire
        wire.begin()
        return True

    def head_is_over(self) -> None:
        """The answer's headers have come; its body has a limit of its own."""
        if self._wire is not None:
            self._wire.most = 0

    @property
    def sent(self) -> bool:
        """Whether any of the request has left."""
        wire = self._wire
        return (
            wire is not None
            and wire.wrote
            and (wire.secure or self._target.scheme == "http")
            and not self.untouched
        )

    @property
    def untouched(self) -> bool:
        """Whether a kept connection ended before the server had seen anything of the request."""
        wire, proof = self._wire, self._proof
        return (
            wire is not None and proof is not None and wire.ended is not None
            and not wire.heard and proof.holds(wire.ended)
        )  # fmt: skip

    def over(self) -> None:
        """There is an answer, or there will be none."""
        if self._proof is not None:
            self._proof.close()

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


def _cancelled(error: BaseException) -> bool:
    reasons = getattr(error, "reasons", [])
    return isinstance(error, CancelledError) or any(reason.check(CancelledError) for reason in reasons)
