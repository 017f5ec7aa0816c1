"""In-band registration (XEP-0077): the name and password of an SMS account link it to a chat address."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.words.xish.domish import Element

from smsd.codec.jid import Jid
from smsd.links.xmpp.domains import Domain
from smsd.links.xmpp.people import People
from smsd.links.xmpp.services import forms
from smsd.links.xmpp.services.asking import Asked, Declined, Table, payload, put
from smsd.links.xmpp.services.forms import Field, Form
from smsd.links.xmpp.stanzas import child, children, text_of

REGISTER = "jabber:iq:register"
LONGEST = 500
"""Characters of a name or a password."""


def login_form(title: str, instructions: str) -> Form:
    """The two fields, for registration and for the command that does the same."""
    return Form(
        title,
        instructions,
        (
            Field("username", "Name of your SMS account", required=True),
            Field("password", "Its password", "text-private", required=True),
        ),
    )


class Register:
    """`changed(domain, jid, linked)` is called after an address was linked or unlinked; `later` calls something when
    the answer that is being made has gone out."""

    def __init__(
        self,
        people: People,
        changed: Callable[[Domain, Jid, bool], None],
        later: Callable[[Callable[[], None]], None],
    ) -> None:
        self._people = people
        self._changed = changed
        self._later = later
        self.domain: Table = {(REGISTER, "query"): self.asked}

    async def asked(self, asked: Asked) -> Element | None:
        """Show the form, register, or remove the registration."""
        if not asked.set:
            return self._form(asked)
        if child(asked.payload, REGISTER, "remove") is not None:
            if sum(1 for _ in children(asked.payload)) != 1:
                raise Declined("bad-request", "remove stands alone")
            await self._remove(asked)
            return None
        filled = forms.read(asked.payload)
        if filled is None:
            values = {
                name: text_of(child(asked.payload, REGISTER, name)) for name in ("username", "password")
            }
        elif filled[0] == "cancel":
            return None
        else:
            values = filled[1]
        account = await self.login(asked.sender, values.get("username", ""), values.get("password", ""))
        await self._people.link(asked.sender, account.name)
        self.tell(asked.domain, asked.sender, True)
        return None

    def tell(self, domain: Domain, jid: Jid, linked: bool) -> None:
        """Say that somebody is linked now, or not any more; he hears the answer to his question first."""
        self._later(lambda: self._changed(domain, jid, linked))

    async def login(self, jid: Jid, user: str, password: str) -> Any:
        """The account of this name and password."""
        if not user.strip() or not password:
            raise Declined("not-acceptable", "type the name and the password of your SMS account")
        if len(user) > LONGEST or len(password) > LONGEST:
            raise Declined("not-acceptable", f"names and passwords have at most {LONGEST} characters")
        return await self._people.check(jid, user.strip(), password)

    async def _remove(self, asked: Asked) -> None:
        if not self._people.registered(asked.sender):
            text = f"{asked.sender.bare} is not registered"
            if self._people.configured(asked.sender):
                text += ": the administrator has linked it to its account, and he alone can end that"
            raise Declined("registration-required", text)
        await self._people.unlink(asked.sender)
        self.tell(asked.domain, asked.sender, False)

    def _form(self, asked: Asked) -> Element:
        made = payload(REGISTER, "query")
        registered = self._people.registered(asked.sender)
        configured = self._people.configured(asked.sender)
        if registered:
            text = f"{asked.sender.bare} is linked to the SMS account {registered}. Another name links it to another one."
        elif configured:
            text = f"The administrator has linked {asked.sender.bare} to the SMS account {configured}: nothing to do."
        else:
            text = (
                "The name and password of your SMS account link it to your chat address, so that you can write to phones: "
                f"a message to +15551234567@{asked.domain.name} is a text to that number."
            )
        if registered:
            put(made, "registered")
        put(made, "instructions", text)
        put(made, "username", registered)
        put(made, "password")
        form = login_form("SMS account", text)
        if registered:
            form = replace(form, fields=(replace(form.fields[0], value=registered), form.fields[1]))
        made.addChild(form.element(REGISTER))
        return made
