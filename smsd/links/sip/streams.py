"""One connection of TCP or TLS: messages out of octets, keep-alives, and limits on time and on what waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IHandshakeListener, IPushProducer
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer

from smsd.codec.sip.errors import Malformed
from smsd.codec.sip.framing import PING, PONG, Framer
from smsd.codec.sip.messages import Limits
from smsd.codec.sip.transactions import Peer

if TYPE_CHECKING:
    from smsd.links.sip.wires import Wires

LIMITS = Limits(header=16_384, body=131_072, headers=128)
"""What a request may have: a text of 128 SMS in UTF-8 fits."""
STRANGER = 60.0
"""Seconds for a connection on which nobody shows who he is, however much he says."""
HALF = 30.0
"""Seconds for the rest of a message that has begun."""
FAREWELL = 5.0
"""Seconds for the last words."""
MOST_UNREAD = 1_000_000
"""Octets that wait for a peer who does not read them; then the connection is over."""


@implementer(IPushProducer, IHandshakeListener)
class Stream(Protocol):
    """`flow` is its name for transactions; `known`: somebody has logged in on it, or it is one of ours. `ready` fires when it can
    be written to (with TLS after the handshake), and fails when that is not to be."""

    transport: Any

    def __init__(self, wires: Wires, flow: int, kind: str, known: bool = False) -> None:
        self._wires = wires
        self.flow = flow
        self.kind = kind
        self.known = known
        self.peer = Peer(kind, "", 0, flow)
        self.ready: Deferred[Stream] = Deferred()
        self._framer = Framer(LIMITS)
        self._timer: Any = None
        self._half: Any = None
        self._unread: int | None = None
        self._closing = False

    def connectionMade(self) -> None:
        """Begin to listen, or refuse it."""
        address = self.transport.getPeer()
        self.peer = Peer(self.kind, address.host, address.port, self.flow)
        if not self._wires.joined(self):
            self.transport.abortConnection()
            return
        keep_alive = getattr(self.transport, "setTcpKeepAlive", None)
        if keep_alive is not None:
            keep_alive(True)
        self.transport.registerProducer(self, True)
        self._rest()
        if self.kind != "TLS":
            self.ready.callback(self)

    def handshakeCompleted(self) -> None:
        """See IHandshakeListener."""
        if not self.ready.called:
            self.ready.callback(self)

    def dataReceived(self, data: bytes) -> None:
        """Messages, pings, or what makes no sense."""
        if self._closing:
            return
        self._rest()
        found = self._framer.feed(data)
        if found and self._half is not None:  # what is waited for now has begun just now
            self._half.cancel()
            self._half = None
        for item in found:
            if isinstance(item, Malformed):
                self._wires.broken(item, self.peer)
                self.close()
                return
            if item == PING:
                self.send(PONG)
            elif item != PONG:
                self._wires.heard(item, self.peer)
        waiting = self._framer.waiting
        if waiting and self._half is None:
            self._half = self._wires.clock.callLater(HALF, self.abort)

    def send(self, octets: bytes) -> None:
        """Write; who does not read what was written to him is let go."""
        if self._unread is not None:
            self._unread += len(octets)
            if self._unread > MOST_UNREAD:
                self.abort()
                return
        self.transport.write(octets)

    def close(self) -> None:
        """Once everything is written, but not for ever."""
        self._closing = True
        self.transport.unregisterProducer()
        self.transport.loseConnection()
        if self._timer is not None and self._timer.active():
            self._timer.reset(FAREWELL)

    def know(self) -> None:
        """Somebody has shown here who he is: it may be quiet for longer."""
        self.known = True
        if not self._closing:
            self._rest()

    def _rest(self) -> None:
        if self._timer is None or not self._timer.active():
            wait = self._wires.idle if self.known else STRANGER
            self._timer = self._wires.clock.callLater(wait, self.abort)
        elif self.known:
            self._timer.reset(self._wires.idle)

    def abort(self) -> None:
        """At once."""
        self.transport.abortConnection()

    def connectionLost(self, reason: Any = None) -> None:
        """It is over."""
        for timer in (self._timer, self._half):
            if timer is not None and timer.active():
                timer.cancel()
        self._timer = self._half = None
        self._wires.left(self)
        if not self.ready.called:
            self.ready.addErrback(lambda _: None)  # nobody waits for those that others have opened
            self.ready.errback(reason or ConnectionLost())

    # -- IPushProducer: whether the peer reads

    def pauseProducing(self) -> None:
        """He does not."""
        self._unread = self._unread or 0

    def resumeProducing(self) -> None:
        """He does."""
        self._unread = None

    def stopProducing(self) -> None:
        """The connection is lost."""


class Streams(Factory):
    """Makes them; `known`: we have called."""

    noisy = False

    def __init__(self, wires: Wires, kind: str, known: bool = False) -> None:
        self._wires = wires
        self._kind = kind
        self._known = known

    def buildProtocol(self, addr: object) -> Stream:
        """See IProtocolFactory."""
        return Stream(self._wires, self._wires.name(), self._kind, self._known)
