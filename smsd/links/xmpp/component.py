"""The connection of one of our domains: made, kept, found dead, made again.

XEP-0114 confirms nothing. So who wants to know whether the server has taken what was written (`confirmed`) waits for a round trip:
a ping (XEP-0199) from the domain to itself, which the server has to route back to us. Servers read a stream in its order, so what
was written before the ping has been taken when it comes back. The same ping finds a dead peer.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import Factory
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure
from twisted.words.xish.domish import Element

from smsd.links.xmpp.domains import Domain
from smsd.links.xmpp.stanzas import stanza
from smsd.links.xmpp.stream import Stream

FIRST_WAIT, LONGEST_WAIT = 1.0, 300.0
REFUSED_WAIT = 900.0
"""Seconds until a domain that the server does not know, or that is connected from elsewhere, is tried again."""
PATIENCE = 20.0
"""Seconds for connecting, for the handshake, for a ping to come back, and of silence until one is sent."""
NO_ECHO = 120.0
"""Seconds for a ping to come back while other things come."""
STEADY = 60.0
"""Seconds after which a connection counts as a good one: the next trouble begins with the shortest wait."""
FOREIGN = 2
"""Pings of somebody else that are too many for one who has just gone."""
LEAVE = 5.0
"""Seconds that the server has to return the last ping, and we to answer what came before it; and as many to close its side."""
PING = "urn:xmpp:ping"
PINGS = "smsd-ping-"

_HOPELESS = {
    "not-authorized": "the chat server does not take the secret of {domain}: correct `secret` of this component, or the chat"
    " server's, and reload",
    "conflict": "another program is connected to the chat server as {domain}: each domain can be only one's",
    "host-unknown": "the chat server has no component {domain}: correct `domain`, or add it to its configuration",
}

_STILL_THERE = "the chat server still has our last connection, or another program is connected as this domain"
"""A network that was away ends our side of a connection, and the server keeps its own for a while."""


class Lost(Exception):
    """The connection ended before the server confirmed what was written; `reason` is for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Hears(Protocol):
    """What a component tells its gateway."""

    def opened(self, component: Component) -> None:
        """It is connected."""

    def closed(self, component: Component) -> None:
        """It is not any more, or cannot be; `component.trouble` says why."""

    def stanza(self, component: Component, element: Element) -> None:
        """A stanza, also for the other domains: ejabberd takes all that its configuration has for one listener for everybody's
        who connects there. An iq whose id begins with `PINGS` is for `pinged` of the component that it comes from."""


class Component:
    """One domain of the link with this id. `endpoint` makes connections; `trouble` is "" while it is connected."""

    log = Logger()

    def __init__(
        self,
        link: str,
        domain: Domain,
        secret: str,
        endpoint: Any,
        reactor: Any,
        hears: Hears,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.domain = domain
        self.trouble = "not started"
        self._link = link
        self._secret = secret
        self._endpoint = endpoint
        self._reactor = reactor
        self._hears = hears
        self._chance = chance
        self._wanted = False
        self._stream: Stream | None = None
        self._connecting: Deferred[Any] | None = None
        self._timer: Any = None  # until the next try, the end of patience, or the next ping
        self._wait = FIRST_WAIT
        self._since = 0.0
        self._told = ""
        self._ours = False  # nobody has taken the domain since we had it
        self._paused = False
        self._stopped: Deferred[None] | None = None
        self._written: list[Deferred[None]] = []  # that wait for the next ping
        self._asked: list[Deferred[None]] = []  # that wait for the one under way
        self._ping = ""
        self._pinged_at = 0.0
        self._pings = int(reactor.seconds() * 1000)  # none of an earlier process is taken for one of ours
        self._first_ping = self._pings
        self._foreign = 0  # pings of somebody else who calls himself as we do
        self._silent = False

    # -- what it is asked

    @property
    def up(self) -> bool:
        """Whether it is connected."""
        return self._stream is not None and not self.trouble

    def start(self) -> None:
        """Connect, and stay connected."""
        self._wanted = True
        self._connect()

    def again(self) -> None:
        """Try at once, if it has given up or waits: somebody has changed something."""
        if self._wanted and self._stream is None and self._connecting is None:
            self._wait, self._told = FIRST_WAIT, ""
            self._connect()

    def stop(self, answered: Callable[[], Deferred[None]] = lambda: succeed(None)) -> Deferred[None]:
        """Take leave, once all that has come is `answered`; fires when the connection is closed."""
        self._wanted = False
        self._cancel()
        if self._connecting is not None:
            self._connecting.cancel()
        done: Deferred[None] = Deferred()
        if self._stream is None:
            self.trouble = "stopped"
            done.callback(None)
            return done
        self._stopped = done
        if self.up:
            # ejabberd drops what it has for us when we leave: a ping comes back behind that.
            drained = self.confirmed().addCallback(lambda _: answered())
            limit = self._reactor.callLater(LEAVE, drained.cancel)
            drained.addBoth(self._leave, limit)
        else:
            self._stream.abort("stopped")
        return done

    def _leave(self, _: object, limit: Any) -> None:
        if limit.active():
            limit.cancel()
        if self._stream is not None and self.up:
            self._cancel()
            self.trouble = "stopping"
            self._stream.finish()
            self._timer = self._reactor.callLater(LEAVE, self._stream.abort, "the server did not close")

    def send(self, element: Element) -> bool:
        """Write a stanza; False, and a line in the log, when there is no connection or it cannot be written."""
        if not self.up:
            self._say("info", "a stanza is dropped: {why}", self.trouble)
            return False
        assert self._stream is not None
        try:
            self._stream.send(element)
        except ValueError as error:
            self._say("warn", "a stanza is dropped: {why}", str(error))
            return False
        return True

    def confirmed(self) -> Deferred[None]:
        """Fires when the server has taken all that was written before; fails with `Lost`."""
        done: Deferred[None] = Deferred()
        if not self.up:
            done.errback(Lost(self.trouble))
            return done
        self._written.append(done)
        if not self._ping:
            self._send_ping()
        return done

    def pause(self) -> None:
        """Read nothing more until `resume`."""
        self._paused = True
        self._pinged_at = self._reactor.seconds()  # what comes back waits behind what is not read
        if self._stream is not None and self._stream.transport is not None:
            self._stream.transport.pauseProducing()  # type: ignore[attr-defined]

    def resume(self) -> None:
        """Read on."""
        if self._paused:
            self._paused = False
            if self._stream is not None and self._stream.transport is not None:
                self._stream.transport.resumeProducing()  # type: ignore[attr-defined]

    def _say(self, level: str, text: str, why: str = "") -> None:
        self.log.emit(
            LogLevel.lookupByName(level), "{gateway}: {domain}: " + text,
            gateway=self._link, domain=self.domain.name, why=why,
        )  # fmt: skip

    # -- connecting

    def _connect(self) -> None:
        self._cancel()
        factory = Factory.forProtocol(lambda: Stream(self.domain.name, self._secret, self))
        factory.noisy = False
        self._connecting = connecting = self._endpoint.connect(factory)
        self._timer = self._reactor.callLater(PATIENCE, connecting.cancel)
        connecting.addCallbacks(self._connected, self._not_connected)

    def _connected(self, stream: Stream) -> None:
        self._connecting = None
        self._cancel()
        if not self._wanted:
            stream.abort("stopped")
            return
        self._stream = stream
        self.trouble = "connecting"
        if self._paused:
            self.pause()
        self._timer = self._reactor.callLater(PATIENCE, stream.abort, "the server says nothing")

    def _not_connected(self, failure: Failure) -> None:
        self._connecting = None
        self._cancel()
        if self._wanted:
            self._later(f"cannot connect: {_words(failure)}")

    def _later(self, why: str) -> None:
        """Try again after a while, longer each time."""
        wait = self._wait * (0.75 + 0.5 * self._chance())
        self._wait = min(self._wait * 2, LONGEST_WAIT)
        self.trouble = why
        if why != self._told:
            self._told = why
            self._say("warn", "{why}; it is tried again", why)
        self._timer = self._reactor.callLater(wait, self._connect)
        self._hears.closed(self)

    def _hopeless(self, condition: str) -> None:
        """What will not mend by itself: a wrong secret waits for a reload, the others are tried now and then."""
        why = _HOPELESS[condition].format(domain=self.domain.name)
        self.trouble = why
        if why != self._told:
            self._told = why
            self._say("error", "{why}", why)
        if condition != "not-authorized":
            self._timer = self._reactor.callLater(REFUSED_WAIT, self._connect)
        self._hears.closed(self)

    def _cancel(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    # -- what the stream tells (see `Owner`)

    def authenticated(self) -> None:
        """See `Owner`."""
        self.trouble = self._told = ""
        self._ours = True
        self._since = self._reactor.seconds()
        self._say("info", "connected")
        self._watch()
        self._hears.opened(self)

    def heard(self) -> None:
        """See `Owner`."""
        self._silent = False

    def stanza(self, element: Element) -> None:
        """See `Owner`."""
        self._hears.stanza(self, element)

    def ended(self, condition: str, text: str) -> None:
        """See `Owner`."""
        was_up = self.up
        good = was_up and self._reactor.seconds() - self._since >= STEADY
        self._stream = None
        self._cancel()
        self._ping = ""
        waiting, self._asked, self._written = self._asked + self._written, [], []
        self.trouble = text
        if not self._wanted:
            self.trouble = "stopped"
            if self._stopped is not None:
                stopped, self._stopped = self._stopped, None
                stopped.callback(None)
        elif condition == "conflict" and self._ours and not was_up:
            self._later(_STILL_THERE)
        elif condition in _HOPELESS:
            self._ours = False
            self._hopeless(condition)
        else:
            self._wait = FIRST_WAIT if good else self._wait
            self._later(text)
        for done in waiting:
            done.errback(Lost(text))

    # -- pings

    def _send_ping(self) -> None:
        self._pings += 1
        self._ping = f"{PINGS}{self._pings}"
        self._pinged_at = self._reactor.seconds()
        self._asked, self._written = self._written, []
        element = stanza("iq", sender=self.domain.name, to=self.domain.name, kind="get", id=self._ping)
        element.addElement((PING, "ping"))
        assert self._stream is not None
        self._stream.send(element)
        self._watch()

    def pinged(self, identity: str) -> None:
        """A ping of this domain has come back, on whatever stream."""
        if identity != self._ping:
            self._not_ours(identity)
            return
        self._ping, self._silent = "", False
        asked, self._asked = self._asked, []
        for done in asked:
            done.callback(None)
        if self._written and self.up and not self._ping:
            self._send_ping()
        elif self.up:
            self._watch()

    def _not_ours(self, identity: str) -> None:
        """ejabberd takes several connections of one domain, and shares out among them what comes, pings too."""
        number = identity.removeprefix(PINGS)
        if number.isascii() and number.isdigit() and self._first_ping < int(number[:20]) <= self._pings:
            return  # of an earlier connection
        self._foreign += 1
        if self._foreign == FOREIGN:
            why = "another smsd is connected to the chat server as this domain too, and gets a part of what comes: stop one of them"
            self._say("error", "{why}", why)

    def _watch(self) -> None:
        """Look again when patience is over: what has come since then?"""
        self._cancel()
        self._silent = True
        self._timer = self._reactor.callLater(PATIENCE, self._looked)

    def _looked(self) -> None:
        self._timer = None
        if not self.up:
            return
        assert self._stream is not None
        late = bool(self._ping) and self._reactor.seconds() - self._pinged_at > NO_ECHO
        if self._paused:
            self._pinged_at = self._reactor.seconds()
            self._watch()
        elif not self._silent and not late:
            self._watch()  # it lives, and a ping may wait behind what it has to say
        elif late:
            self._stream.abort(f"the server does not return pings that {self.domain.name} sends to itself")
        elif self._ping:
            self._stream.abort(f"the server has been silent for {PATIENCE:.0f} s")
        else:
            self._send_ping()


def _words(failure: Failure) -> str:
    words = str(failure.value).strip()
    return words or type(failure.value).__name__
