"""A chat server in memory, as components see it: takes connections, checks handshakes, returns pings, keeps what it is sent.

It answers in the reactor's next round (`clock.advance(0)`), never within a write.
"""

from __future__ import annotations

import hashlib
from typing import Any
from xml.etree.ElementTree import Element, XMLPullParser

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone, ConnectionLost, ConnectionRefusedError
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

STREAM = "{http://etherx.jabber.org/streams}"
COMPONENT = "{jabber:component:accept}"


class Wire(StringTransport):
    """The server's end of one connection. `got` are the stanzas that came; `problem` is what ended the stream."""

    def __init__(self, server: ChatServer, protocol: Any) -> None:
        super().__init__()
        self._server = server
        self.client = protocol
        self.got: list[Element] = []
        self.octets = b""
        self.problem = ""
        self.domain = ""
        self.ended = False
        self.closing = False
        self.up = False
        self._parser = XMLPullParser(["start", "end"])
        self._depth = 0
        self._waits = False

    def write(self, data: bytes) -> None:
        self.octets += data
        self._parser.feed(data)
        if not self._waits:
            self._waits = True
            self._server.clock.callLater(0, self._read)

    def loseConnection(self) -> None:
        self.closing = True
        self._server.clock.callLater(0, self.end, ConnectionDone())

    def abortConnection(self) -> None:
        self._server.clock.callLater(0, self.end, ConnectionLost())

    def end(self, why: Exception | None = None) -> None:
        """The connection is gone."""
        if not self.ended:
            self.ended = True
            self.client.connectionLost(Failure(why or ConnectionLost()))

    def say(self, xml: str) -> None:
        """Octets to the component."""
        if not self.ended:
            self.client.dataReceived(xml.encode("utf-8"))

    def _read(self) -> None:
        self._waits = False
        for event, element in self._parser.read_events():
            if event == "start":
                self._depth += 1
                if self._depth == 1:
                    self._begun(element)
                continue
            self._depth -= 1
            if self._depth == 1:
                self._stanza(element)
            elif self._depth == 0:
                self.say("</stream:stream>")

    def _begun(self, root: Element) -> None:
        assert root.tag == STREAM + "stream"
        self.domain = root.get("to", "")
        if self._server.silent:
            return
        self.say(
            "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams'"
            f" xmlns='jabber:component:accept' id='i&apos;d' from='{self.domain}'>"
        )
        if self._server.complaint:
            self.refuse(self._server.complaint)

    def refuse(self, condition: str) -> None:
        """A stream error, and the end."""
        self.say(
            f"<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
            "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>so it is</text></stream:error></stream:stream>"
        )

    def _stanza(self, element: Element) -> None:
        if element.tag == STREAM + "error":
            self.problem = element[0].tag.rpartition("}")[2]
        elif element.tag == COMPONENT + "handshake":
            secret = self._server.secrets.get(self.domain, "")
            if element.text == hashlib.sha1(f"i'd{secret}".encode()).hexdigest():
                self.up = True
                self.say("<handshake/>")
            else:
                self.refuse("not-authorized")
        elif element.tag == COMPONENT + "iq" and element.get("from") == element.get("to") == self.domain:
            if self._server.echoes:
                self.echo(element)
        else:
            self.got.append(element)

    def echo(self, element: Element) -> None:
        """A ping comes back."""
        self.say(
            f"<iq type='get' from='{self.domain}' to='{self.domain}' id='{element.get('id')}'>"
            "<ping xmlns='urn:xmpp:ping'/></iq>"
        )


class ChatServer:
    """An endpoint for components. `down`: nothing listens there; `silent`: it says nothing; `complaint`: a stream error for
    everybody; `echoes`: pings come back."""

    def __init__(self, clock: Any, secrets: dict[str, str]) -> None:
        self.clock = clock
        self.secrets = secrets
        self.wires: list[Wire] = []
        self.tries = 0
        self.down = self.silent = False
        self.complaint = ""
        self.echoes = True

    def connect(self, factory: Any) -> Deferred[Any]:
        """See IStreamClientEndpoint."""
        self.tries += 1
        if self.down:
            return fail(ConnectionRefusedError())
        protocol = factory.buildProtocol(None)
        wire = Wire(self, protocol)
        self.wires.append(wire)
        protocol.makeConnection(wire)
        return succeed(protocol)

    @property
    def wire(self) -> Wire:
        """The newest connection."""
        return self.wires[-1]

    def of(self, domain: str) -> Wire:
        """The newest connection of a domain."""
        return next(wire for wire in reversed(self.wires) if wire.domain == domain)
