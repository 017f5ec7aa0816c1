"""The life of a link to a chat server: a gateway for `xmpp:` addresses, and a door for what people write to phones.

Owns what the queue hears: it may carry while at least one domain is connected. A piece counts as taken when the server has
returned a ping that followed it (see `component`); when the connection ends before, nobody knows, and it is said so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, fail, succeed
from twisted.internet.endpoints import clientFromString
from twisted.logger import Logger
from twisted.python.failure import Failure as TwistedFailure
from twisted.words.xish.domish import Element
from zope.interface import implementer

from smsd.codec.jid import Jid
from smsd.interfaces import Abilities, GatewayContext, IFrontend, IGateway
from smsd.links.xmpp.component import PINGS, Component, Lost
from smsd.links.xmpp.incoming import Incoming
from smsd.links.xmpp.link import Link
from smsd.links.xmpp.outgoing import delivery_of, identity, made
from smsd.links.xmpp.people import People
from smsd.links.xmpp.services import Services
from smsd.links.xmpp.settings import Settings
from smsd.links.xmpp.stanzas import STANZA_ERRORS, child, children, error, text_of
from smsd.values.address import Address
from smsd.values.delivery import Accepted, Failure, Kind, NetworkReport, Piece, Scope
from smsd.values.errors import InvalidValue

DOWN_WAIT = 30.0
"""Seconds until a piece for a domain that is not connected, while others are, is looked at again; as long as the domain has been
away, when that is less: after a server's restart they come back one after the other, within a second."""
_LATER = ("remote-server-not-found", "remote-server-timeout", "recipient-unavailable", "resource-constraint")


@implementer(IGateway, IFrontend)
class XmppGateway(Service):
    """One chat server; `endpoint` is for tests."""

    log = Logger()

    def __init__(self, settings: Settings, context: GatewayContext, endpoint: Any = None) -> None:
        self.name = settings.id
        self.abilities = Abilities(schemes=frozenset({"xmpp"}), binary=True)
        self.link = Link(settings, context)
        self.people = People(self.link)
        self.services = Services(self.link, self.people)
        self.incoming = Incoming(self.link, self.people, self.services.command, self._flow)
        self._context = context
        self._slots = settings.slots
        self._full, self._most = False, settings.most_waiting
        self._returning = 0  # late bounces that are being recorded
        self._on_wire: dict[
            tuple[str, str], Failure | None
        ] = {}  # (to, id) not yet confirmed, and what came back
        self._idle: list[Deferred[None]] = []
        self._away: dict[str, float] = {}  # domains that are not connected, since when
        for domain, component in zip(self.link.domains, settings.components, strict=True):
            self.link.components[domain.name] = Component(
                self.name,
                domain,
                component.secret.get_secret_value(),
                endpoint or clientFromString(context.reactor, settings.server),
                context.reactor,
                self,
            )

    @property
    def status(self) -> str:
        """Which domains are connected, and why others are not."""
        said = [f"{one.domain}: {one.trouble or 'connected'}" for one in self._components()]
        return "; ".join(said) + (f"; {self.incoming.busy} messages are worked on" if self._full else "")

    def startService(self) -> None:
        """Learn who is registered, then connect."""
        super().startService()
        learning = self.people.start().addCallback(lambda _: self.services.start())
        learning.addCallbacks(self._start, self._not_started)

    def _start(self, _: object) -> None:
        if self.running:
            for component in self._components():
                component.start()

    def _not_started(self, failure: TwistedFailure) -> None:
        self.log.failure(
            "{gateway}: it is not known who has registered, or was shown here", failure, gateway=self.name
        )
        self._start(None)

    def reloaded(self) -> None:
        """The configuration was read again and this link is as it was: what has been given up is tried again."""
        for component in self._components():
            component.again()

    def stopService(self) -> Deferred[None]:
        """Take leave of the chat server, when who has written is answered; fires when the streams are closed, and what people wrote
        until then is handed in."""
        super().stopService()
        for component in self._components():
            if component.up:
                self._guarded(component, None, self.services.closing, component.domain)
        kept = self.services.stop()
        self._context.outlet.closed("it is stopped")
        leaving: Deferred[Any] = DeferredList(
            [kept, *(one.stop(self._answered) for one in self._components())]
        )
        return leaving.addCallback(lambda _: self._answered())

    def _answered(self) -> Deferred[None]:
        """Fires when nothing that came is worked on."""
        idle: Deferred[None] = Deferred()
        self._idle.append(idle)
        self._flow()
        return idle

    def _components(self) -> list[Component]:
        return list(self.link.components.values())

    def chat_of(self, account: str, configured: Sequence[str]) -> Address | None:
        """The address where an account chats: registered, or `configured`, or its own name."""
        for found in (*self.people.jids(account), *configured):
            return Address("xmpp", found)
        node, _, domain = account.rpartition("@")
        ours = bool(node) and domain.lower() in self.link.settings.user_domains
        return Address("xmpp", account.lower()) if ours else None

    # -- for the operator

    def linked(self, account: str) -> list[tuple[str, float | None]]:
        """The chat addresses that have registered with an account, the oldest first: for good."""
        return [(jid, None) for jid in self.people.jids(account)]

    def unlink(self, account: str, address: str) -> Deferred[bool]:
        """This one writes for it no more, and is told so; False when it has not registered with it."""
        try:
            jid = Jid.parse(address)
        except InvalidValue:
            return succeed(False)
        if self.people.registered(jid) != account:
            return succeed(False)
        return self.people.unlink(jid).addCallback(lambda _: self._unlinked(jid))

    def _unlinked(self, jid: Jid) -> bool:
        for component in self._components():
            if component.up:
                self._guarded(component, None, self.services.unlinked, component.domain, jid)
        return True

    # -- out

    def send(self, piece: Piece) -> Deferred[Accepted]:
        """See `IGateway`."""
        now = int(self._context.reactor.seconds() * 1000)
        try:
            domain, stanzas = made(piece, self.link.domains, now, self.link.settings.subject != "ignore")
        except Failure as failure:
            return fail(failure)
        if not stanzas:
            return succeed(Accepted())
        component: Component = self.link.components[domain.name]
        if not component.up:
            others = any(one.up for one in self._components())
            reason = f"{domain} is not connected: {component.trouble}"
            return fail(
                Failure(Kind.TEMPORARY, reason, retry_after=self._patience(domain.name))
                if others
                else Failure(Kind.TEMPORARY, reason, scope=Scope.GATEWAY)
            )
        key = (Jid.parse(stanzas[0]["to"]).bare, stanzas[0]["id"])
        self._on_wire[key] = None
        for one in stanzas:
            if not component.send(one):
                self._on_wire.pop(key)
                return fail(Failure(Kind.PERMANENT, "it cannot be written as XML", status="5.6.0"))
        confirming: Deferred[None] = component.confirmed()
        return confirming.addCallbacks(
            self._confirmed, self._lost, (key, identity(piece)), {}, (key, domain.name), {}
        )

    def _confirmed(self, _: None, key: tuple[str, str], name: str) -> Accepted:
        bounced = self._on_wire.pop(key, None)
        if bounced is not None:
            raise bounced
        return Accepted(name)

    def _lost(self, failure: TwistedFailure, key: tuple[str, str], domain: str) -> Accepted:
        lost = failure.value
        if not isinstance(lost, Lost):
            failure.raiseException()
            raise AssertionError
        self._on_wire.pop(key, None)
        raise Failure(
            Kind.UNKNOWN,
            f"{domain}: {lost.reason}; the chat server may have taken it before",
            scope=Scope.GATEWAY,
            maybe_sent=True,
        )

    def _patience(self, domain: str) -> float:
        now = self._context.reactor.seconds()
        return float(min(max(now - self._away.get(domain, now), 1.0), DOWN_WAIT))

    # -- what components tell (see `Hears`)

    def opened(self, component: Component) -> None:
        """See `Hears`."""
        self._away.pop(component.domain.name, None)
        if self._full:
            component.pause()
        self._context.outlet.opened(self._slots)
        self._guarded(component, None, self.services.opened, component.domain)

    def closed(self, component: Component) -> None:
        """See `Hears`."""
        self._away.setdefault(component.domain.name, self._context.reactor.seconds())
        if not any(one.up for one in self._components()):
            self._context.outlet.closed(component.trouble)

    def stanza(self, component: Component, element: Element) -> None:
        """See `Hears`."""
        try:
            sender = Jid.parse(element.getAttribute("from", ""))
            to = Jid.parse(element.getAttribute("to", ""))
        except InvalidValue as invalid:
            self._dropped(component, str(invalid))
            return
        domain = self.link.domain(to.domain)
        if domain is None:
            self._dropped(component, f"it is for {to.domain}")
            return
        component = self.link.components[domain.name]
        if element.name == "iq" and element.getAttribute("id", "").startswith(PINGS):
            if sender.full == domain.name:
                component.pinged(element["id"])
        elif element.name == "message" and element.getAttribute("type") == "error":
            self._bounced(component, element)
        elif element.name == "message":
            self._guarded(component, element, self.incoming.message, domain, element)
        elif element.name == "iq":
            self._guarded(component, element, self.services.iq, domain, element)
        elif element.name == "presence":
            self._guarded(component, element, self.services.presence, domain, element)

    def _dropped(self, component: Component, why: str) -> None:
        self.log.info(
            "{gateway}: {domain}: a stanza is dropped: {why}",
            gateway=self.name, domain=component.domain.name, why=why,
        )  # fmt: skip

    def _guarded(self, component: Component, element: Element | None, call: object, *args: object) -> None:
        """Nothing that comes in ends the stream. What can be wrong with a stanza is refused where it is read."""
        try:
            call(*args)  # type: ignore[operator]
        except Exception:  # a door's edge: a mistake of ours, and all who write would lose what is behind it
            self.log.failure("{gateway}: a stanza could not be handled", gateway=self.name)
            if element is not None and (
                element.name == "message" or element.getAttribute("type") in ("get", "set")
            ):
                component.send(
                    error(element, "internal-server-error", "wait", "something went wrong here: it is logged")
                )

    def _bounced(self, component: Component, element: Element) -> None:
        """The chat server could not deliver what we wrote."""
        key = (Jid.parse(element["from"]).bare, element.getAttribute("id", ""))
        inside = child(element, None, "error")
        conditions = [] if inside is None else [one for one in children(inside) if one.uri == STANZA_ERRORS]
        condition = next((one.name for one in conditions if one.name != "text"), "undefined-condition")
        words = next((text_of(one) for one in conditions if one.name == "text"), "")
        kind = "" if inside is None else inside.getAttribute("type", "")
        reason = f"the chat server says {condition}" + (f": {words[:200]}" if words else "")
        if key in self._on_wire:
            later = kind == "wait" or condition in _LATER
            self._on_wire[key] = (
                Failure(Kind.TEMPORARY, reason) if later else Failure(Kind.PERMANENT, reason, status="5.1.1")
            )
        elif key[1].startswith("smsd-"):
            self._late(*key, reason)

    def _late(self, who: str, name: str, reason: str) -> None:
        """It counts as sent already: its record says now what became of it, if it was sent to him who says so."""
        delivery = delivery_of(name)
        if not delivery:
            return
        report = NetworkReport(name, str(Address("xmpp", who)), "failed", reason, delivery=delivery)
        self._returning += 1
        self._flow()
        telling = self._context.outlet.reported(report)
        telling.addBoth(self._returned)
        telling.addCallback(self._told, name, reason)
        telling.addErrback(
            lambda failure: self.log.failure("{gateway}: it is not recorded", failure, gateway=self.name)
        )

    def _told(self, known: bool, name: str, reason: str) -> None:
        if known:
            self.log.warn(
                "{gateway}: what was sent as {identity} has not arrived: {why}",
                gateway=self.name, identity=name, why=reason,
            )  # fmt: skip

    def _returned(self, result: Any) -> Any:
        self._returning -= 1
        self._flow()
        return result

    def _flow(self) -> None:
        """Read no more than can be worked on."""
        busy = self.incoming.busy + self._returning
        if not self._full and busy >= self._most:
            self._full = True
            for component in self._components():
                component.pause()
        elif self._full and busy <= self._most // 2:
            self._full = False
            for component in self._components():
                component.resume()
        if not busy:
            idle, self._idle = self._idle, []
            for one in idle:
                one.callback(None)
