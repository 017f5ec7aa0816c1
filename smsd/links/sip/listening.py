"""Where SIP is listened for: strings like those of Twisted's endpoints, with `udp` among them."""

from __future__ import annotations

import ipaddress
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from OpenSSL import SSL, crypto
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError

from smsd.config import endpoints
from smsd.values.errors import InvalidValue

BACKLOG = 1024
LARGEST = 65_535
BUFFER = 1_000_000
"""Octets of datagrams that wait in the kernel: what does not fit is lost, and comes again half a second later. With much more, who
asks would ask again before his turn comes, and all that waits would be repetitions."""
TURN = 32_768
"""Octets that are read before others have their turn: answers to those who were read before."""


@dataclass(frozen=True, slots=True)
class Listener:
    """One of them. `transport`: UDP, TCP or TLS; `interface` "" for every address of IPv4, `::` for every one of IPv6 (with TLS
    of both); `files` of its certificate and key."""

    text: str
    transport: str
    port: int
    interface: str
    files: tuple[str, ...] = ()

    @property
    def place(self) -> tuple[bool, str, int]:
        """What only one can have."""
        return self.transport == "UDP", self.interface, self.port

    @property
    def v6(self) -> bool:
        """Whether it is of IPv6."""
        return ":" in self.interface


def read_listener(text: str) -> Listener:
    """InvalidValue when it is none."""
    fields = endpoints.split(text)
    kind = fields[0]
    if kind not in ("udp", "udp6", "tcp", "tcp6", "ssl"):
        raise InvalidValue(f"{kind!r} is no way to listen for SIP: write udp:5060, tcp:5060 or ssl:5061:…")
    named = dict(field.split("=", 1) for field in fields[1:] if "=" in field)
    port = named.get("port") or (fields[1] if len(fields) > 1 else "")
    if not port.isdecimal() or not port.isascii() or int(port) > 65_535:
        raise InvalidValue(f"{port!r} is no port: write 1 to 65535, as in {kind}:5060:interface=127.0.0.1")
    loose = [field for field in fields[1 if "port" in named else 2 :] if "=" not in field]
    if loose:
        raise InvalidValue(
            f"{text!r}: {loose[0]!r} has no place in it; a colon inside an address has a backslash: interface=\\:\\:1"
        )
    interface = named.get("interface") or ("::" if kind.endswith("6") else "")
    if interface:
        try:
            ipaddress.ip_address(interface.partition("%")[0])
        except ValueError:
            raise InvalidValue(f"{interface!r} is no address: write interface=192.0.2.1") from None
    if kind == "ssl" and not {"privateKey", "certKey"} & named.keys():
        raise InvalidValue(
            "TLS needs a certificate: ssl:5061:privateKey=/path/key.pem:certKey=/path/cert.pem"
        )
    if kind.startswith("udp") and named.keys() - {"interface", "port"}:
        raise InvalidValue(f"{text!r}: udp knows a port and interface=, nothing else")
    transport = {"udp": "UDP", "ssl": "TLS"}.get(kind.removesuffix("6"), "TCP")
    paths = dict.fromkeys(named[name] for name in ("privateKey", "certKey") if name in named)
    return Listener(text, transport, int(port), interface, tuple(paths))


def open_datagrams(reactor: Any, listener: Listener, protocol: Any) -> Any:
    """The port; CannotListenError when somebody else has it."""
    if listener.interface == "::":
        with _every_v6(listener, socket.SOCK_DGRAM) as own:
            port = reactor.adoptDatagramPort(own.fileno(), socket.AF_INET6, protocol, LARGEST)
    else:
        port = reactor.listenUDP(listener.port, protocol, interface=listener.interface, maxPacketSize=LARGEST)
    with suppress(OSError):  # the system allows less (net.core.rmem_max): it gives that
        port.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    return port


def open_streams(reactor: Any, listener: Listener, factory: Any) -> Deferred[Any]:
    """Fires with the port; fails when somebody else has it, or the certificate cannot be used (ValueError)."""
    if listener.transport == "TCP" and listener.interface == "::":
        with _every_v6(listener, socket.SOCK_STREAM) as own:
            own.listen(BACKLOG)
            return maybeDeferred(reactor.adoptStreamPort, own.fileno(), socket.AF_INET6, factory)
    if listener.transport == "TCP":
        return maybeDeferred(reactor.listenTCP, listener.port, factory, BACKLOG, listener.interface)
    try:
        endpoint = serverFromString(reactor, listener.text)
    except (crypto.Error, SSL.Error, OSError, TypeError) as error:
        raise ValueError(f"{listener.text}: its certificate or key cannot be used ({error})") from None
    listening: Deferred[Any] = endpoint.listen(factory)
    return listening


def _every_v6(listener: Listener, kind: int) -> socket.socket:
    """A socket for every address of IPv6, and of that alone: Twisted's takes IPv4 as well, and then nobody else can have that."""
    own = socket.socket(socket.AF_INET6, kind)
    try:
        own.setblocking(False)
        own.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        own.bind(("::", listener.port))
    except OSError as error:
        own.close()
        raise CannotListenError("::", listener.port, error) from None
    return own
