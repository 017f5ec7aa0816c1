"""The life of a link to a chat server: a gateway for `xmpp:` addresses, and a door for what people write to phones."""

from __future__ import annotations

from twisted.application.service import Service
from twisted.internet.defer import Deferred, fail
from zope.interface import implementer

from smsd.interfaces import Abilities, GatewayContext, IFrontend, IGateway
from smsd.links.xmpp.link import Link
from smsd.links.xmpp.people import People
from smsd.links.xmpp.services import Services
from smsd.links.xmpp.settings import Settings
from smsd.values.delivery import Accepted, Failure, Kind, Piece, Scope


@implementer(IGateway, IFrontend)
class XmppGateway(Service):
    """One chat server."""

    def __init__(self, settings: Settings, context: GatewayContext) -> None:
        self.name = settings.id
        self.abilities = Abilities(schemes=frozenset({"xmpp"}), binary=True)
        self.link = Link(settings, context)
        self.people = People(self.link)
        self.services = Services(self.link, self.people)

    @property
    def status(self) -> str:
        """Which domains are connected, and why others are not."""
        return "not started"

    def send(self, piece: Piece) -> Deferred[Accepted]:
        """See `IGateway`."""
        return fail(Failure(Kind.TEMPORARY, "not connected", scope=Scope.GATEWAY))
