"""The gateway prompt (XEP-0100 section 6, `jabber:iq:gateway`): a number as people type it becomes the address to write to."""

from __future__ import annotations

from smsd.codec import jid as jids
from smsd.codec.number import normalise
from smsd.links.xmpp.people import People
from smsd.links.xmpp.services.asking import Answer, Asked, Declined, Table, payload, put
from smsd.links.xmpp.stanzas import child, text_of
from smsd.values.errors import InvalidValue, Refused

GATEWAY = "jabber:iq:gateway"
LONGEST = 320
_ASKS = {
    "sms": ("Type the number of the phone, with + and its country code.", "Phone number"),
    "fax": ("Type the number of the fax, with + and its country code.", "Fax number"),
    "email": ("Type the mail address that you want to write to.", "Mail address"),
}


class Prompt:
    """`country` is where national numbers are read, for who has no account, or one without a country."""

    def __init__(self, people: People, country: str | None) -> None:
        self._people = people
        self._country = country
        self.domain: Table = {(GATEWAY, "query"): self.asked}

    async def asked(self, asked: Asked) -> Answer:
        """What to type, and what becomes of it."""
        made = payload(GATEWAY, "query")
        if not asked.set:
            desc, prompt = _ASKS[asked.domain.kind]
            put(made, "desc", desc)
            put(made, "prompt", prompt)
            return made
        typed = text_of(child(asked.payload, GATEWAY, "prompt")).strip()
        node = await self._node(asked, typed)
        put(made, "jid", f"{node}@{asked.domain.name}")
        # Clients of the old protocol look for the answer in the same element.
        put(made, "prompt", f"{node}@{asked.domain.name}")
        return made

    async def _node(self, asked: Asked, typed: str) -> str:
        domain = asked.domain
        if not typed or len(typed) > LONGEST:
            raise Declined("not-acceptable", _ASKS[domain.kind][0])
        if "@" in typed or (domain.kind == "email" and domain.only):
            local, at, host = typed.rpartition("@")
            if domain.kind != "email" and domain.only:
                raise Declined(
                    "not-acceptable", "only numbers can be written to here, and that is a mail address"
                )
            if (
                not at
                or not local
                or "." not in host.strip(".")
                or "@" in local
                or any(map(str.isspace, typed))
            ):
                raise Declined("not-acceptable", "that is no mail address: write it as john@example.org")
            return jids.node_of(typed)
        country = self._country
        try:
            account = await self._people.account(asked.sender)
            country = getattr(account, "country", None) or country
        except Refused:
            pass  # anybody may ask how an address is written
        try:
            number = normalise(typed, country)
        except InvalidValue as error:
            raise Declined("not-acceptable", str(error)) from None
        if number.kind == "name":
            raise Declined(
                "not-acceptable",
                "that is no number: write it with + and the country code, for example +15551234567",
            )
        return jids.escape(number.value)
