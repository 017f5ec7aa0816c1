"""The server's side of XEP-0114 on plain sockets, for what a chat server would only blur: how much is read, and how fast."""

from __future__ import annotations

import hashlib
import socket
import threading
from pathlib import Path
from xml.parsers import expat

from tests.rig.processes import until

DOMAIN, SECRET = "sms.example.org", "secret"
STREAM = "smsd-test-stream"
REFUSAL = b"<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"


class Line:
    """One component's connection. `heard` counts what came, `stanzas` has the octets of all if they are `kept`."""

    def __init__(self, link: socket.socket, kept: bool) -> None:
        self.link = link
        self.kept = kept
        self.heard: dict[str, int] = {}
        self.stanzas: list[bytes] = []
        self._depth = 0
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._said
        self.proof = ""
        self._began = 0
        self._octets = b""
        self._offset = 0
        self._open = True

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 1:
            self.link.sendall(
                f"<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' "
                f"xmlns='jabber:component:accept' id='{STREAM}' from='{attributes['to']}'>".encode()
            )
        elif self._depth == 2:
            kind = f"{name} {attributes['type']}" if "type" in attributes else name
            self.heard[kind] = self.heard.get(kind, 0) + 1
            self._began = self._parser.CurrentByteIndex

    def _said(self, text: str) -> None:
        if self._depth == 2 and not self.heard.get("message"):
            self.proof += text

    def _end(self, name: str) -> None:
        self._depth -= 1
        if self._depth != 1 or not (self.kept or name == "iq"):
            return
        end = self._octets.find(b">", self._parser.CurrentByteIndex - self._offset) + 1
        stanza = self._octets[self._began - self._offset : end]
        if self.kept:
            self.stanzas.append(stanza)
        if name == "iq" and f"to='{DOMAIN}'".encode() in stanza.replace(b'"', b"'"):
            self.link.sendall(stanza)  # a server routes what a component sends to itself

    def run(self) -> None:
        """Read until the other side is gone."""
        while data := self._read():
            self._octets += data
            self._parser.Parse(data, False)
            done = (self._began if self._depth > 1 else self._parser.CurrentByteIndex) - self._offset
            self._octets, self._offset = self._octets[done:], self._offset + done
        self._open = False

    def _read(self) -> bytes:
        try:
            return self.link.recv(65536)
        except OSError:
            return b""

    def unread(self) -> int:
        """Octets that the component has not taken from its socket yet."""
        return unread(self.link.getpeername()[1])


class ComponentServer:
    """Start it, give the port to a component, `line()` waits for the component."""

    def __init__(self, secret: str = SECRET, kept: bool = True) -> None:
        self._secret, self._kept = secret, kept
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._ready: list[Line] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self._socket.accept()
            except OSError:
                return
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            line = Line(link, self._kept)
            threading.Thread(target=line.run, daemon=True).start()
            threading.Thread(target=self._greet, args=(line,), daemon=True).start()

    def _greet(self, line: Line) -> None:
        until(lambda: len(line.proof) >= 40, 60, "a handshake")
        if line.proof.strip() != proof(self._secret):
            line.link.sendall(REFUSAL)
            line.link.close()
            return
        line.link.sendall(b"<handshake/>")
        self._ready.append(line)

    def line(self, number: int = 0) -> Line:
        """The connection of the component that came as this one."""
        until(lambda: len(self._ready) > number, 60, "a component")
        return self._ready[number]

    def stop(self) -> None:
        """Hang up."""
        self._socket.close()
        for line in self._ready:
            line.link.close()


def proof(secret: str) -> str:
    """What a component has to say in its handshake."""
    return hashlib.sha1(f"{STREAM}{secret}".encode()).hexdigest()


def unread(port: int) -> int:
    """Octets in the receive queue of the connection that has this local port of the loopback."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].rpartition(":")[2], 16) == port and fields[3] == "01":
            return int(fields[4].rpartition(":")[2], 16)
    return 0


def message(number: str, name: str, body: str, sender: str = "ann@example.org/phone") -> bytes:
    """What a chat server hands on to a component."""
    return (
        f"<message from='{sender}' to='{number}@{DOMAIN}' type='chat' id='{name}'><body>{body}</body></message>"
    ).encode()
