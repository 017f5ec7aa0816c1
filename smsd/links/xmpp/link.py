"""What the rooms of a link see of it: its settings, its domains, and a way to write a stanza."""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger

from smsd.interfaces import GatewayContext
from smsd.links.xmpp.domains import Domain
from smsd.links.xmpp.settings import Settings


class Link:
    """One chat server. `name` is the link's id; `context.door` is what a door is given (dispatcher, portal, credit, …);
    `domains` are ours, in the file's order."""

    log = Logger()

    def __init__(self, settings: Settings, context: GatewayContext) -> None:
        self.name = settings.id
        self.settings = settings
        self.context = context
        self.domains: list[Domain] = settings.domains
        self.components: dict[str, Any] = {}  # by domain

    def domain(self, name: str) -> Domain | None:
        """The domain with this name (lower case), None when it is none of ours."""
        return next((domain for domain in self.domains if domain.name == name), None)

    def send(self, domain: Domain, element: Any) -> bool:
        """Write one stanza (a domish.Element) on the stream of `domain`; characters that XML forbids are replaced. Its `from`
        is the domain or an address of it. When the stream is down it is dropped with a line in the log, and this is False."""
        component = self.components.get(domain.name)
        return component is not None and bool(component.send(element))
