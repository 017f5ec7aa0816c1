"""Sockets: octets in and out by UDP, TCP and TLS. Knows no messages, only their limits.

A flow is what an answer goes back on: a number, of a listening socket for datagrams, of a connection for streams.
"""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import maybeDeferred
from twisted.internet.error import CannotListenError, MessageLengthError
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger

from smsd.codec.sip.errors import Malformed
from smsd.codec.sip.transactions import Peer
from smsd.codec.sip.values import Via
from smsd.links.sip.calling import CONNECT, call, words
from smsd.links.sip.listening import Listener, open_datagrams, open_streams
from smsd.links.sip.strangers import Strangers
from smsd.links.sip.streams import Stream, Streams

SMALLEST = 16
"""Octets: what is shorter is a keep-alive (CRLF, NULs), or nothing."""
MOST_ADDRESSES = 1000
TELL_AGAIN = 60.0
"""Seconds until it is said once more that there are too many connections."""
_Key = tuple[str, str, int, str]
"""A connection of ours: transport, host, port, and with TLS the name that the certificate is for."""
PORTS = {"UDP": 5060, "TCP": 5060, "TLS": 5061}


class Datagrams(DatagramProtocol):
    """One listening socket of UDP."""

    noisy = False
    transport: Any

    def __init__(self, wires: Wires, flow: int, listener: Listener) -> None:
        self._wires = wires
        self.flow = flow
        self.listener = listener

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """A whole message, or a keep-alive. To an answer nothing is answered, to a request of strangers not without end."""
        if len(datagram) < SMALLEST:
            return
        host, wires = addr[0], self._wires
        if datagram[:4] == b"SIP/" or wires.strangers.may(host, wires.clock.seconds()):
            wires.heard(datagram, Peer("UDP", host, addr[1], self.flow))


class Wires:
    """`heard(octets, peer)` and `broken(error, peer)` are told what comes."""

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        listeners: list[Listener],
        public: str = "",
        most: int = 1000,
        idle: float = 4000.0,
        ca: str | None = None,
    ) -> None:
        self.clock = reactor
        self.idle = idle
        self.heard: Callable[[bytes, Peer], None] = lambda octets, peer: None
        self.broken: Callable[[Malformed, Peer], None] = lambda error, peer: None
        self.strangers = Strangers()
        self.names: dict[str, str] = {}
        """What certificates of addresses must be for."""
        self._listeners = listeners
        self._public = public
        self._most = most
        self._ca = ca
        self._flows = itertools.count(1)
        self._ports: list[Any] = []
        self._datagrams: dict[int, Datagrams] = {}
        self._streams: dict[int, Stream] = {}
        self._unnamed: dict[int, Stream] = {}  # the oldest first
        self._told = float("-inf")
        self._ours: dict[_Key, int] = {}
        self._keys: dict[int, _Key] = {}  # the other way round
        self._connecting: dict[_Key, list[tuple[bytes, Callable[[], None]]]] = {}
        self._why: dict[_Key, str] = {}
        self._own: dict[str, str] = {}
        self._open = False

    # -- open and close

    async def open(self) -> None:
        """Listen everywhere; ValueError, CannotListenError or OSError when that cannot be: then nowhere."""
        self._open = True
        try:
            for listener in self._listeners:
                if listener.transport == "UDP":
                    protocol = Datagrams(self, self.name(), listener)
                    self._ports.append(open_datagrams(self.clock, listener, protocol))
                    self._datagrams[protocol.flow] = protocol
                else:
                    self._ports.append(
                        await open_streams(self.clock, listener, Streams(self, listener.transport))
                    )
        except (OSError, ValueError, CannotListenError):
            await self.close()
            raise

    async def close(self) -> None:
        """Close everything."""
        self._open = False
        ports, self._ports = self._ports, []
        self._datagrams.clear()
        for port in ports:
            await maybeDeferred(port.stopListening)
        for stream in list(self._streams.values()):
            stream.close()

    def name(self) -> int:
        """A new flow."""
        return next(self._flows)

    @property
    def connections(self) -> int:
        """How many there are."""
        return len(self._streams)

    # -- connections come and go

    def joined(self, stream: Stream) -> bool:
        """Whether there is room for one more: if need be, who has been here longest and not said who he is makes some."""
        if not self._open:
            return False
        if len(self._streams) >= self._most:
            now = self.clock.seconds()
            if not 0 <= now - self._told < TELL_AGAIN:
                self._told = now
                self.log.warn(
                    "there are {most} connections, and more come: see max_connections", most=self._most
                )
            oldest = next(iter(self._unnamed.values()), None)
            if oldest is None:
                return False
            self.left(oldest)
            oldest.abort()
        self._streams[stream.flow] = stream
        if not stream.known:
            self._unnamed[stream.flow] = stream
        return True

    def left(self, stream: Stream) -> None:
        """A connection is over."""
        self._unnamed.pop(stream.flow, None)
        if self._streams.pop(stream.flow, None) is None:
            return
        key = self._keys.pop(stream.flow, None)
        if key is not None and self._ours.get(key) == stream.flow:
            del self._ours[key]

    def know(self, peer: Peer) -> None:
        """Somebody has shown there who he is: his connection may stay, his datagrams are heard."""
        if peer.transport == "UDP":
            self.strangers.knows(peer.host, self.clock.seconds())
            return
        stream = self._streams.get(peer.flow) if isinstance(peer.flow, int) else None
        if stream is not None:
            stream.know()
            self._unnamed.pop(stream.flow, None)

    def alive(self, peer: Peer) -> bool:
        """Whether something can be sent there on its flow."""
        return peer.flow in self._datagrams if peer.transport == "UDP" else peer.flow in self._streams

    # -- out

    def send(self, octets: bytes, to: Peer, failed: Callable[[], None]) -> None:
        """Send; `failed` is called when that cannot be."""
        if to.transport == "UDP":
            self._send_datagram(octets, to, failed)
            return
        key = self._key(to)
        flow = to.flow if to.flow is not None else self._ours.get(key)
        stream = self._streams.get(flow) if isinstance(flow, int) else None
        if stream is not None:
            stream.send(octets)
        elif to.flow is not None:
            failed()
        else:
            self._connect(key, octets, failed)

    def _key(self, to: Peer) -> _Key:
        name = self.names.get(to.host, to.host) if to.transport == "TLS" else ""
        return to.transport, to.host, to.port, name

    def _send_datagram(self, octets: bytes, to: Peer, failed: Callable[[], None]) -> None:
        socket_ = self._datagrams.get(to.flow) if isinstance(to.flow, int) else self._for(to.host)
        if socket_ is None:
            failed()
            return
        try:
            socket_.transport.write(octets, (to.host, to.port))
        except (OSError, ValueError, TypeError, OverflowError, MessageLengthError) as error:
            self.log.info("nothing can be sent to {host}: {e}", host=to.host, e=error)
            failed()

    def _for(self, host: str) -> Datagrams | None:
        return next((one for one in self._datagrams.values() if one.listener.v6 == (":" in host)), None)

    def _connect(self, key: _Key, octets: bytes, failed: Callable[[], None]) -> None:
        waiting = self._connecting.get(key)
        if waiting is not None:
            waiting.append((octets, failed))
            return
        if len(self._streams) - len(self._unnamed) + len(self._connecting) >= self._most:
            failed()
            return
        self._connecting[key] = [(octets, failed)]
        kind, host, port, name = key
        try:
            connecting = call(self.clock, (kind, host, port), Streams(self, kind, True), name, self._ca)
        except (OSError, ValueError) as error:
            self.log.error("no connection to {host}: {e}", host=host, e=error)
            self._remember(key, str(error))
            self._connecting.pop(key)
            failed()
            return
        connecting.addTimeout(2 * CONNECT, self.clock)
        connecting.addCallbacks(self._connected, self._not_connected, (key,), {}, (key,), {})

    def _connected(self, stream: Any, key: _Key) -> None:
        waiting = self._connecting.pop(key)
        if stream.flow not in self._streams:
            for _, failed in waiting:
                failed()
            return
        self._ours[key] = stream.flow
        self._keys[stream.flow] = key
        self._why.pop(key, None)
        for octets, _ in waiting:
            stream.send(octets)

    def _not_connected(self, failure: Any, key: _Key) -> None:
        self._remember(key, words(failure.value))
        self.log.info("no connection to {host}:{port}: {why}", host=key[1], port=key[2], why=self._why[key])
        for _, failed in self._connecting.pop(key):
            failed()

    def _remember(self, key: _Key, why: str) -> None:
        if len(self._why) >= MOST_ADDRESSES:
            self._why.clear()
        self._why[key] = why

    def why(self, to: Peer) -> str:
        """Why there was no connection to it the last time, "" when nobody knows."""
        return self._why.get(self._key(to), "")

    # -- who we are

    def can_reach(self, host: str) -> bool:
        """Whether a socket for datagrams fits this address."""
        return self._for(host) is not None

    def via(self, transport: str, host: str) -> Via:
        """The Via of a request of ours to this address."""
        listener = next(
            (one for one in self._listeners if one.transport == transport and one.v6 == (":" in host)), None
        )
        port = listener.port if listener is not None else PORTS[transport]
        return Via(transport, self._public or self._address(listener, host), port)

    def _address(self, listener: Listener | None, host: str) -> str:
        if listener is not None and listener.interface not in ("", "0.0.0.0", "::"):
            return listener.interface
        known = self._own.get(host)
        if known is None:
            if len(self._own) >= MOST_ADDRESSES:
                self._own.clear()
            known = self._own[host] = _seen_from(host)
        return known


def _seen_from(host: str) -> str:
    """Our address on the way to another one; nothing is sent for it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((host, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return "::1" if ":" in host else "127.0.0.1"
