"""Small questions about us, and about the phones and mailboxes behind us: ping (XEP-0199), version (0092), time (0202), last
activity (0012, of the domain), business cards (0054, 0292). Says only what is known: of a phone, that is its number."""

from __future__ import annotations

import datetime
from collections.abc import Callable

from twisted.words.xish.domish import Element

from smsd import __version__
from smsd.links.xmpp.services.asking import Asked, Declined, Party, Table, payload, put

PING, VERSION, TIME, LAST = "urn:xmpp:ping", "jabber:iq:version", "urn:xmpp:time", "jabber:iq:last"
VCARD, VCARD4 = "vcard-temp", "urn:ietf:params:xml:ns:vcard-4.0"
_KINDS = {"sms": "Texts to phones", "email": "Mail", "fax": "Fax"}


class About:
    """`seconds` is the time; `server_name` is what the domain's card says."""

    def __init__(self, seconds: Callable[[], float], server_name: str) -> None:
        self._seconds = seconds
        self._server_name = server_name
        self._since = seconds()
        self.party: Table = {
            (PING, "ping"): self.ping,
            (VERSION, "query"): self.version,
            (VCARD, "vCard"): self.card,
            (VCARD4, "vcard"): self.card4,
        }
        self.domain: Table = {**self.party, (TIME, "time"): self.time, (LAST, "query"): self.last}

    def ping(self, asked: Asked) -> None:
        """We are here."""
        if asked.set:
            raise Declined("bad-request", "a ping asks with type='get'")

    def version(self, asked: Asked) -> Element:
        """What runs here."""
        asked.get_only()
        made = payload(VERSION, "query")
        put(made, "name", "smsd")
        put(made, "version", __version__)
        return made

    def time(self, asked: Asked) -> Element:
        """Our time."""
        asked.get_only()
        now = datetime.datetime.fromtimestamp(self._seconds(), datetime.timezone.utc)
        made = payload(TIME, "time")
        put(made, "tzo", "+00:00")
        put(made, "utc", f"{now:%Y-%m-%dT%H:%M:%SZ}")
        return made

    def last(self, asked: Asked) -> Element:
        """How long the domain is up."""
        asked.get_only()
        return payload(LAST, "query", seconds=str(max(0, int(self._seconds() - self._since))))

    def card(self, asked: Asked) -> Element:
        """The card of the domain, a phone or a mailbox."""
        asked.get_only()
        made = payload(VCARD, "vCard")
        put(made, "FN", self._name(asked))
        if asked.party is None:
            put(made, "DESC", f"{_KINDS[asked.domain.kind]}, by {self._server_name}")
        elif asked.party.kind == "email":
            put(put(made, "EMAIL"), "USERID", asked.party.value)
        elif asked.party.callable:
            put(put(made, "TEL"), "NUMBER", asked.party.value)
        return made

    def card4(self, asked: Asked) -> Element:
        """The same in the newer form."""
        asked.get_only()
        made = payload(VCARD4, "vcard")
        put(put(made, "fn"), "text", self._name(asked))
        if asked.party is None:
            put(put(made, "note"), "text", f"{_KINDS[asked.domain.kind]}, by {self._server_name}")
        elif asked.party.kind == "email":
            put(put(made, "email"), "text", asked.party.value)
        elif asked.party.callable:
            put(put(made, "tel"), "uri", _tel(asked.party))
        return made

    def _name(self, asked: Asked) -> str:
        return asked.domain.name if asked.party is None else asked.party.value


def _tel(party: Party) -> str:
    """RFC 3966; a local number would need a context that we do not know, and goes as it is."""
    return f"tel:{party.value}".replace("#", "%23")
