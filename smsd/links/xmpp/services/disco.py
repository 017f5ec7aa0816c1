"""What we are and what we can do: service discovery (XEP-0030) and its short form in presence (XEP-0115)."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from typing import Any

from twisted.words.xish.domish import Element

from smsd.links.xmpp.domains import Domain
from smsd.links.xmpp.services.asking import Asked, Declined, Party, Table, payload, put
from smsd.links.xmpp.services.commands import COMMANDS, Commands
from smsd.links.xmpp.services.forms import FORMS

INFO, ITEMS = "http://jabber.org/protocol/disco#info", "http://jabber.org/protocol/disco#items"
CAPS = "http://jabber.org/protocol/caps"
NODE = "smsd:xmpp"
RECEIPTS = "urn:xmpp:receipts"
_ADDRESSES = "http://jabber.org/protocol/address"

_IDENTITIES = {
    "sms": ("gateway", "sms", "Texts to phones"),
    "email": ("gateway", "smtp", "Mail"),
    "fax": ("gateway", "fax", "Fax"),
}
_DOMAIN = (
    INFO, ITEMS, COMMANDS, CAPS, FORMS, "jabber:iq:gateway", "jabber:iq:last", "jabber:iq:register",
    "jabber:iq:version", "urn:xmpp:ping", "urn:xmpp:time", "vcard-temp", "urn:ietf:params:xml:ns:vcard-4.0",
)  # fmt: skip
_PARTY = (
    INFO, CAPS, "jabber:iq:version", "urn:xmpp:ping", "vcard-temp", "urn:ietf:params:xml:ns:vcard-4.0",
)  # fmt: skip

# Without their numbers: programs ask anew for every hash that they do not know, and people have thousands of contacts.
_PARTIES = {
    "sms": ("client", "sms", "Phone"),
    "fax": ("client", "phone", "Fax"),
    "email": ("client", "pc", "Mailbox"),
}

Identity = tuple[str, str, str]


def about(domain: Domain, party: Party | None) -> tuple[Identity, tuple[str, ...]]:
    """The identity and the features of a domain, or of somebody behind it."""
    if party is None:
        return _IDENTITIES[domain.kind], tuple(sorted({*_DOMAIN, _ADDRESSES}))
    return _PARTIES[party.kind], tuple(sorted({*_PARTY, RECEIPTS} if party.callable else _PARTY))


@lru_cache(maxsize=32)
def verification(identity: Identity, features: tuple[str, ...]) -> str:
    """The string that stands for both (XEP-0115 section 5.1)."""
    category, kind, name = identity
    said = f"{category}/{kind}//{name}<" + "".join(f"{feature}<" for feature in sorted(features))
    return base64.b64encode(hashlib.sha1(said.encode("utf-8", "replace")).digest()).decode("ascii")


def caps(domain: Domain, party: Party | None) -> Element:
    """What presence says of it."""
    return payload(CAPS, "c", hash="sha-1", node=NODE, ver=verification(*about(domain, party)))


class Disco:
    """Answers `query` in both namespaces."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self.domain: Table = {(INFO, "query"): self.info, (ITEMS, "query"): self.items}
        self.party: Table = {(INFO, "query"): self.info, (ITEMS, "query"): self.items}

    def info(self, asked: Asked) -> Element:
        """Who this is."""
        asked.get_only()
        node = asked.payload.getAttribute("node") or ""
        identity, features = about(asked.domain, asked.party)
        if asked.party is None and node == COMMANDS:
            identity, features = (
                ("automation", "command-list", "What you can do here"),
                (COMMANDS, INFO, ITEMS),
            )
        elif asked.party is None and node in self._commands.titles:
            identity = ("automation", "command-node", self._commands.titles[node])
            features = (COMMANDS, INFO, FORMS)
        elif node not in ("", f"{NODE}#{verification(identity, features)}"):
            raise Declined("item-not-found", "there is nothing of this name here")
        made = self._made(INFO, node)
        category, kind, name = identity
        put(made, "identity", category=category, type=kind, name=name)
        for feature in features:
            put(made, "feature", var=feature)
        return made

    async def items(self, asked: Asked) -> Element:
        """What is in it: of a domain the commands that this user has."""
        asked.get_only()
        node = asked.payload.getAttribute("node") or ""
        made = self._made(ITEMS, node)
        if asked.party is None and node == COMMANDS:
            for name in await self._commands.of(asked.sender):
                put(made, "item", jid=asked.domain.name, node=name, name=self._commands.titles[name])
        elif asked.party is None and not node:
            put(made, "item", jid=asked.domain.name, node=COMMANDS, name="What you can do here")
        elif node and not (asked.party is None and node in self._commands.titles):
            raise Declined("item-not-found", "there is nothing of this name here")
        return made

    def _made(self, uri: str, node: str) -> Any:
        return payload(uri, "query", node=node) if node else payload(uri, "query")
