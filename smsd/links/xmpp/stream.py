"""The wire of one component (XEP-0114): the head, the handshake, stanzas, the end. Knows no time and never connects."""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

from twisted.internet.protocol import Protocol as Connection
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.words.xish.domish import Element

from smsd.codec.xmltext import escaped
from smsd.links.xmpp.parser import Broken, Parser
from smsd.links.xmpp.stanzas import ACCEPT, children, error, text_of, write

STREAMS = "http://etherx.jabber.org/streams"
STREAM_ERRORS = "urn:ietf:params:xml:ns:xmpp-streams"


MOST_UNREAD = 8 * 1024 * 1024
"""Octets for a server that reads nothing, before it is given up."""


class Owner(Protocol):
    """What a stream tells."""

    def authenticated(self) -> None:
        """The server took the handshake."""

    def heard(self) -> None:
        """Something came; the server lives."""

    def stanza(self, element: Element) -> None:
        """A message, presence or iq."""

    def ended(self, condition: str, text: str) -> None:
        """The connection is gone; `condition` is the server's stream error, or ours, "" for none."""


class Stream(Connection):
    """One connection for one domain."""

    log = Logger()

    def __init__(self, domain: str, secret: str, owner: Owner) -> None:
        self._domain = domain
        self._secret = secret
        self._owner = owner
        self._parser = Parser(self._started, self._stanza, self._closed, self._overfull)
        self._ready = False
        self._over = False
        self._finishing = False
        self._why = ("", "")
        self._clogged = -1  # octets written since the server does not read, -1 while it does

    def connectionMade(self) -> None:
        """Begin: who we are."""
        self._transport.registerProducer(self, True)  # to hear whether the server reads
        head = f'<stream:stream xmlns="{ACCEPT}" xmlns:stream="{STREAMS}" to="{escaped(self._domain)}">'
        self._write(f'<?xml version="1.0"?>{head}')

    def dataReceived(self, data: bytes) -> None:
        """Read on, unless this stream is over."""
        if self._over:
            return
        self._owner.heard()
        try:
            self._parser.feed(data)
        except Broken as broken:
            self._fail(broken.condition, broken.text)

    def send(self, element: Element) -> None:
        """Write one stanza; ValueError when it has a name that is none."""
        self._write(write(element))

    # -- IPushProducer: nothing is held back here, but there is an end to it

    def pauseProducing(self) -> None:
        """The server does not read as fast as we write."""
        self._clogged = 0

    def resumeProducing(self) -> None:
        """It has read."""
        self._clogged = -1

    def stopProducing(self) -> None:
        """The connection is gone; `connectionLost` says so."""

    # -- the end

    def finish(self) -> None:
        """Say good-bye, and read on: what the server has written before it hears that is not lost. It ends when the server closes
        its side, or the owner loses patience."""
        self._write("</stream:stream>")
        self._finishing = True

    def _close(self) -> None:
        if self._finishing:
            self._over = True
            self._lose()
        elif not self._over:
            self._over = True
            self._write("</stream:stream>")
            self._lose()

    def abort(self, text: str) -> None:
        """End it now."""
        self._over = True
        self._why = self._why if self._why[0] else ("", text)
        self._transport.abortConnection()

    def connectionLost(self, reason: Failure = Failure(Exception())) -> None:  # noqa: B008
        """Tell why."""
        self._over = True
        condition, text = self._why
        self._owner.ended(condition, text or str(reason.value).strip() or "the connection ended")

    @property
    def _transport(self) -> Any:
        return self.transport

    def _lose(self) -> None:
        self._transport.unregisterProducer()
        self._transport.loseConnection()

    def _write(self, text: str) -> None:
        octets = text.encode("utf-8")
        if self._clogged >= 0:
            self._clogged += len(octets)
            if self._clogged > MOST_UNREAD:
                self.abort("the server does not read what is sent to it")
                return
        self._transport.write(octets)

    def _started(self, attributes: dict[str, str]) -> None:
        proof = hashlib.sha1(f"{attributes.get('id', '')}{self._secret}".encode()).hexdigest()
        self._write(f"<handshake>{proof}</handshake>")

    def _closed(self) -> None:
        """The server closes its side."""
        if not self._over:
            self._why = self._why if self._why[0] else ("", "the server closed the stream")
            self._close()

    def _stanza(self, element: Element) -> None:
        if self._over:
            return
        if element.uri == STREAMS and element.name == "error":
            condition = next(
                (one.name for one in children(element) if one.uri == STREAM_ERRORS and one.name != "text"),
                "undefined-condition",
            )
            words = [text_of(one) for one in children(element) if one.name == "text"]
            self._why = (condition, " ".join([condition, *words]).strip()[:300])
            self._close()
        elif not self._ready:
            if element.name == "handshake":
                self._ready = True
                self._owner.authenticated()
            else:
                self._fail("not-authorized", "the server began before it took the handshake")
        else:
            self._owner.stanza(element)

    def _overfull(self, element: Element) -> None:
        """A stanza that is too much for us: whoever sent it is told, and the stream goes on for the others."""
        asks = element.name in ("message", "iq") and element.getAttribute("type") not in ("error", "result")
        if asks and element.getAttribute("from") and self._ready and not self._over:
            self.send(error(element, "policy-violation", "modify", "this has too many elements in it"))

    def _fail(self, condition: str, text: str) -> None:
        """Tell the server what is wrong with its stream, and end it."""
        if not self._over:
            self._over = True
            self._why = ("", f"{condition}: {text}")
            if not self._finishing:
                self._write(
                    f'<stream:error><{condition} xmlns="{STREAM_ERRORS}"/></stream:error></stream:stream>'
                )
            self._lose()
