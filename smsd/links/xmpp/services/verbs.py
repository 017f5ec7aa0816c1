"""What people may do with a gateway by ad-hoc commands: link and unlink, see what they may still send, choose how their texts
leave, and look what became of them.

Everything that is known comes from the clerk and the balances; here it becomes sentences.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from smsd.codec.jid import Jid
from smsd.core.clerk import STATES, Wish
from smsd.links.xmpp.link import Link
from smsd.links.xmpp.people import People
from smsd.links.xmpp.services import forms
from smsd.links.xmpp.services.asking import Declined
from smsd.links.xmpp.services.commands import Command, Done, Stage, Talk, Wrong
from smsd.links.xmpp.services.forms import Field, Form
from smsd.links.xmpp.services.register import Register, login_form
from smsd.values.errors import InvalidValue, Refused

_ANY = "*"
"""The choice of none, which no gateway, sender or address is called: profanity 0.13 ends when one that can be chosen is empty."""
_SHOWN = 20
"""Messages of one list."""
_SHORT = 100
"""Characters of a text in it."""


class Verbs:
    """The commands of one link."""

    def __init__(self, link: Link, people: People, register: Register) -> None:
        self._link = link
        self._people = people
        self._register = register

    def commands(self) -> Sequence[Command]:
        """All of them, in the order in which they are shown."""
        gateway = Stage(self._ask_gateway, self._take_gateway)
        sender = Stage(self._ask_sender, self._take_sender)
        return (
            Command(
                "register", "Link your SMS account", self._linked,
                (Stage(self._ask_login, self._take_login), gateway, sender), linked=False,
            ),
            Command("balance", "What you may still send", self._balance),
            Command("messages", "Your last messages", self._messages, (Stage(_ask_which, _take_which),)),
            Command(
                "gateway", "Choose the gateway for your texts", self._chosen, (gateway,),
                mine=lambda jid, account: len(self._people.gateways(account)) > 1,
            ),
            Command(
                "sender", "Choose the sender of your texts", self._chosen, (sender,),
                mine=lambda jid, account: len(self._people.senders(account)) > 1,
            ),
            Command(
                "addresses", "Chat addresses of your account", self._addresses, (Stage(self._ask_address, self._take_address),),
                mine=lambda jid, account: bool(self._others(jid, account)),
            ),
            Command(
                "unregister", "Unlink your SMS account", self._unlinked, (Stage(_ask_sure, _take_sure),), linked=False,
                mine=lambda jid, account: bool(self._people.registered(jid)),
            ),
        )  # fmt: skip

    # -- linking

    def _ask_login(self, talk: Talk) -> Form:
        text = "The name and password of your SMS account link it to your chat address."
        now = self._people.registered(talk.jid) or self._people.configured(talk.jid)
        if now:
            text += f" It is linked to the account {now} now."
        return login_form("Link your SMS account", text)

    async def _take_login(self, talk: Talk, values: Mapping[str, str]) -> None:
        try:
            talk.account = await self._register.login(
                talk.jid, values.get("username", ""), values.get("password", "")
            )
        except (Declined, Refused) as error:
            raise Wrong(error.text) from None

    async def _linked(self, talk: Talk) -> Done:
        name = talk.account.name
        try:
            await self._people.link(talk.jid, name)
            await self._prefer(talk)
        except Refused as refused:
            raise Wrong(refused.text) from None
        return Done(
            f"{talk.jid.bare} is linked to the SMS account {name}: a message to "
            f"+15551234567@{talk.domain.name} is a text to that number now.",
            after=lambda: self._register.tell(talk.domain, talk.jid, True),
        )

    async def _unlinked(self, talk: Talk) -> Done:
        name = self._people.registered(talk.jid)
        await self._people.unlink(talk.jid)
        return Done(
            f"{talk.jid.bare} is not linked to the SMS account {name} any more.",
            after=lambda: self._register.tell(talk.domain, talk.jid, False),
        )

    def _others(self, jid: Jid, account: Any) -> list[str]:
        """Who else has registered with the account, a stranger who knows its password perhaps."""
        return [one for one in self._people.jids(account.name) if one != jid.bare]

    def _ask_address(self, talk: Talk) -> Form:
        others = self._others(talk.jid, talk.account)
        text = (
            f"These addresses write for the account {talk.account.name} too, until one of you unlinks them: "
        )
        return Form(
            "Chat addresses of your account",
            f"{text}{', '.join(others)}. Whoever knows the password can link more.",
            (
                Field(
                    "unlink", "Unlink", "list-single", _ANY,
                    options=[(_ANY, "None of them"), *((one, one) for one in others)],
                ),
            ),
        )  # fmt: skip

    async def _take_address(self, talk: Talk, values: Mapping[str, str]) -> None:
        others = self._others(talk.jid, talk.account)
        talk.values["unlink"] = _one_of(values.get("unlink", _ANY), others, "chat address")

    async def _addresses(self, talk: Talk) -> Done:
        chosen = talk.values["unlink"]
        if not chosen:
            return Done("Nothing was changed.")
        jid = Jid.parse(chosen)
        await self._people.unlink(jid)
        return Done(
            f"{chosen} is not linked to the SMS account {talk.account.name} any more.",
            after=lambda: self._register.tell(talk.domain, jid, False),
        )

    # -- how texts leave

    def _ask_gateway(self, talk: Talk) -> Form | None:
        gateways = self._people.gateways(talk.account)
        if len(gateways) < 2:
            return None
        chosen = talk.values.get("gateway", self._people.gateway(talk.jid, talk.account)) or _ANY
        choices = [(_ANY, "Any that is free"), *((name, name) for name in gateways)]
        return Form(
            "Gateway",
            "Which gateway should carry your texts?",
            (Field("gateway", "Gateway", "list-single", chosen, options=choices),),
        )

    async def _take_gateway(self, talk: Talk, values: Mapping[str, str]) -> None:
        talk.values["gateway"] = _one_of(
            values.get("gateway", _ANY), self._people.gateways(talk.account), "gateway"
        )

    def _ask_sender(self, talk: Talk) -> Form | None:
        senders = self._people.senders(talk.account)
        if len(senders) < 2:
            return None
        chosen = talk.values.get("sender", self._people.sender(talk.jid, talk.account)) or _ANY
        choices = [(_ANY, f"As usual ({senders[0]})"), *((name, name) for name in senders)]
        return Form(
            "Sender",
            "What should phones show as the sender of your texts?",
            (Field("sender", "Sender", "list-single", chosen, options=choices),),
        )

    async def _take_sender(self, talk: Talk, values: Mapping[str, str]) -> None:
        talk.values["sender"] = _one_of(
            values.get("sender", _ANY), self._people.senders(talk.account), "sender"
        )

    async def _chosen(self, talk: Talk) -> Done:
        try:
            await self._prefer(talk)
        except Refused as refused:
            raise Wrong(refused.text) from None
        said = [
            f"{'any gateway' if not value else f'the gateway {value}'} carries your texts"
            if name == "gateway"
            else f"the sender of your texts is {value or 'the usual one'}"
            for name, value in talk.values.items()
        ]
        return Done(f"From now on {' and '.join(said)}.")

    async def _prefer(self, talk: Talk) -> None:
        if talk.values:
            await self._people.prefer(talk.jid, talk.values.get("gateway"), talk.values.get("sender"))

    # -- looking

    async def _balance(self, talk: Talk) -> Done:
        door = self._link.context.door
        assert door is not None, "who has an account has got it through the door"
        account = talk.account
        told: dict[str, Any] = await door.clerk.account(account.name)
        lines = [("account", "Account", account.name)]
        balance = await door.credit.shown(account.name)
        if balance:
            lines.append(("balance", "Balance", balance))
        sent, limit = told.get("sent_this_month") or 0, told.get("monthly_limit") or 0
        lines.append(("sent", "Sent this month", str(sent)))
        lines.append(("limit", "Monthly limit", str(limit) if limit else "none"))
        left = [limit - sent] if limit else []
        if account.group and account.group_limit:
            of_group = told.get("group_sent_this_month") or 0
            lines.append(("group_sent", f"Sent this month by the group {account.group}", str(of_group)))
            lines.append(("group_limit", "Monthly limit of the group", str(account.group_limit)))
            left.append(account.group_limit - of_group)
        if account.expires is not None:
            lines.append(("expires", "Last day of the account", str(account.expires)))
        if told.get("held"):
            lines.append(("held", "Your messages wait", "until the administrator releases them"))
        text = (
            f"You may send {max(0, min(left))} more messages this month."
            if left
            else "You have no monthly limit."
        )
        if balance:
            text += f" Your balance is {balance}."
        return Done(text, forms.told("What you may still send", lines))

    async def _messages(self, talk: Talk) -> Done:
        door = self._link.context.door
        assert door is not None, "who has an account has got it through the door"
        wish = Wish(states=talk.values["states"], to=talk.values["to"], limit=_SHOWN)
        try:
            found, _ = await door.clerk.find(talk.account.name, wish)
        except InvalidValue as error:
            raise Wrong(str(error)) from None
        if not found:
            return Done("There are no such messages.")
        zone = getattr(talk.account, "zone", datetime.timezone.utc)
        lines = [(f"message{number}", *_line(one, zone)) for number, one in enumerate(found, 1)]
        many = f"Your last {len(lines)} messages, the latest first." if len(lines) > 1 else "One message."
        return Done(many, forms.told("Your last messages", lines))


_WHICH: dict[str, tuple[str, tuple[str, ...]]] = {
    "all": ("All", ()),
    "waiting": ("Those that wait", ("queued", "held")),
    "failed": ("Those that failed", ("failed", "expired")),
    "delivered": ("Those that phones have got", ("delivered",)),
}


def _ask_which(talk: Talk) -> Form:
    options = [(name, label) for name, (label, _) in _WHICH.items()]
    return Form(
        "Your last messages",
        f"Which messages should be shown? At most {_SHOWN} are.",
        (
            Field("which", "Messages", "list-single", "all", options=options),
            Field("to", "Only to this number"),
        ),
    )


async def _take_which(talk: Talk, values: Mapping[str, str]) -> None:
    which = _WHICH.get(values.get("which") or "all")
    if which is None:
        raise Wrong("choose one of the list")
    talk.values["states"] = tuple(state for state in which[1] if state in STATES)
    talk.values["to"] = values.get("to", "").strip()[:100]


def _ask_sure(talk: Talk) -> Form:
    return Form(
        "Unlink your SMS account",
        "You cannot write to phones from here then, until you link an account again.",
        (Field("sure", "Unlink it", "boolean", "1"),),
    )


async def _take_sure(talk: Talk, values: Mapping[str, str]) -> None:
    if not forms.yes(values.get("sure", "1")):
        raise Wrong("it stays linked: tick the box to unlink it, or cancel")


def _one_of(value: str, allowed: Sequence[str], what: str) -> str:
    """What was chosen, "" for none."""
    if value in ("", _ANY):
        return ""
    if value not in allowed:
        raise Wrong(f"choose a {what} of the list")
    return value


def _line(one: Mapping[str, Any], zone: datetime.tzinfo) -> tuple[str, str]:
    """A message as a label and a value."""
    at = datetime.datetime.fromtimestamp(one["arrived"] / 1000, zone)
    text = "(data)" if one["binary"] else " ".join(str(one["body"]).split())
    short = text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"
    why = f" ({one['reason']})" if one["reason"] else ""
    return f"{at:%Y-%m-%d %H:%M %Z}, to {one['to']}", f"{one['state']}{why}: {short}"
