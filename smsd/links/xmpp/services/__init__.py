"""What chat programs ask of our domains, and who sees whom."""

from __future__ import annotations

from typing import Any

from smsd.links.xmpp.domains import Domain
from smsd.links.xmpp.link import Link
from smsd.links.xmpp.people import People


class Services:
    """Answers stanzas that are no messages."""

    def __init__(self, link: Link, people: People) -> None:
        self._link = link
        self._people = people

    def opened(self, domain: Domain) -> None:
        """The stream of this domain is up (again): presence may be sent."""

    def iq(self, domain: Domain, element: Any) -> None:
        """An iq stanza of any type for this domain or an address of it."""

    def presence(self, domain: Domain, element: Any) -> None:
        """A presence stanza for this domain or an address of it."""
