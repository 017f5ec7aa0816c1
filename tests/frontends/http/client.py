"""A client without a network: a door on fakes, a connection on a StringTransport, and what came back, taken apart."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from twisted.internet.address import IPv4Address
from twisted.internet.testing import StringTransport

from smsd.frontends.http import HttpDoor, Settings, make
from smsd.interfaces import FrontendContext
from tests.frontends.fakes import context as fakes

PEER = "192.0.2.7"


@dataclass(frozen=True)
class Reply:
    """One response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    def json(self) -> Any:
        return json.loads(self.body)


def read_replies(octets: bytes) -> list[Reply]:
    """Every response in `octets`, which hold nothing else."""
    replies = []
    while octets:
        head, _, octets = octets.partition(b"\r\n\r\n")
        status, *lines = head.decode("ascii").split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        if status.startswith("HTTP/1.1 100"):
            continue
        size = int(headers["content-length"])
        replies.append(Reply(int(status.split(" ")[1]), headers, octets[:size]))
        octets = octets[size:]
    return replies


class Connection:
    """One connection to a door."""

    def __init__(self, door: HttpDoor, peer: str = PEER) -> None:
        self.transport = StringTransport(peerAddress=IPv4Address("TCP", peer, 40000))
        self.transport.abortConnection = self.transport.loseConnection  # type: ignore[method-assign]
        self.channel: Any = door.factory.buildProtocol(None)
        self.channel.makeConnection(self.transport)

    def send(self, octets: bytes) -> None:
        self.channel.dataReceived(octets)

    def replies(self) -> list[Reply]:
        """What came since the last call."""
        octets = self.transport.value()
        self.transport.clear()
        return read_replies(octets)


def door(context: FrontendContext | None = None, **settings: Any) -> HttpDoor:
    """A door with these settings, not listening."""
    listen = ["tcp:8080:interface=127.0.0.1"]
    return make(
        Settings(id="web", type="http", listen=listen, **settings), fakes() if context is None else context
    )


def request(
    method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None, *, version: str = "1.1"
) -> bytes:
    """The octets of a request."""
    lines = [f"{method} {path} HTTP/{version}", "Host: sms.example"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def ask(
    http: HttpDoor,
    path: str,
    method: str = "GET",
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    peer: str = PEER,
) -> Reply:
    """One request on a connection of its own."""
    connection = Connection(http, peer)
    connection.send(request(method, path, body, headers))
    [reply] = connection.replies()
    return reply


def query(**fields: str) -> str:
    """`/sms/?…` as john, percent-encoded."""
    pairs = {"user": "john", "pass": "johnpw", **fields}
    return "/sms/?" + "&".join(f"{name.rstrip('_')}={quote(value, safe='')}" for name, value in pairs.items())
