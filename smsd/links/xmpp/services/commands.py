"""Ad-hoc commands (XEP-0050): which there are, and the conversation of one, stage by stage. `verbs` says what each does.

A command asks one form after the other and does what it does at the end. Conversations are bounded in number and in time;
a password is never kept between two stages.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from twisted.words.xish.domish import Element

from smsd.codec.jid import Jid
from smsd.links.xmpp.domains import Domain
from smsd.links.xmpp.services import forms
from smsd.links.xmpp.services.asking import Asked, Declined, Table, payload, put
from smsd.links.xmpp.services.forms import Form
from smsd.values.errors import Refused

COMMANDS = "http://jabber.org/protocol/commands"
MOST, MOST_OF_ONE = 2_000, 5
"""Conversations at once: of everybody, and of one person."""
LIFE = 600.0
"""Seconds between two answers of somebody."""
_ACTIONS = ("execute", "next", "prev", "complete", "cancel")


class Wrong(Exception):
    """What was filled in cannot be: the form comes again, with this text."""


@dataclass(slots=True)
class Talk:
    """One conversation. `account` is the user's, None for who has none; `values` is what stages have noted."""

    command: Command
    jid: Jid
    domain: Domain
    account: Any = None
    values: dict[str, Any] = field(default_factory=dict)
    stage: int = 0
    first: int = 0
    until: float = 0.0
    busy: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """`ask` gives the form, None when there is nothing to ask; `take` notes what was filled in, or raises `Wrong`."""

    ask: Callable[[Talk], Form | None]
    take: Callable[[Talk, Mapping[str, str]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Done:
    """How it ended: a sentence, and perhaps a form that shows something. `after` is called when the user has been told."""

    text: str
    shown: Element | None = None
    after: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """`linked`: it needs an account. `mine`: whether it is for this user, when that depends on more."""

    node: str
    title: str
    finish: Callable[[Talk], Awaitable[Done]]
    stages: Sequence[Stage] = ()
    linked: bool = True
    mine: Callable[[Jid, Any], bool] = lambda jid, account: True


class Commands:
    """`seconds` is the time, `account` gives the account of an address or fails with Refused."""

    def __init__(
        self,
        commands: Sequence[Command],
        seconds: Callable[[], float],
        account: Callable[[Jid], Awaitable[Any]],
    ) -> None:
        self._commands = {command.node: command for command in commands}
        self.titles = {command.node: command.title for command in commands}
        self._seconds = seconds
        self._account = account
        self._talks: dict[str, Talk] = {}
        self.domain: Table = {(COMMANDS, "command"): self.asked}

    async def of(self, jid: Jid) -> list[str]:
        """The nodes of those that are for this user."""
        try:
            account = await self._account(jid)
        except Refused:
            account = None
        return [node for node, command in self._commands.items() if _is_for(command, jid, account)]

    async def asked(self, asked: Asked) -> Element:
        """Begin a conversation, or go on with one."""
        if not asked.set:
            raise Declined("bad-request", "commands are executed with type='set'")
        action = asked.payload.getAttribute("action") or "execute"
        if action not in _ACTIONS:
            raise _bad("malformed-action", f"allowed actions: {', '.join(_ACTIONS)}")
        command = self._commands.get(asked.payload.getAttribute("node") or "")
        if command is None:
            raise Declined("item-not-found", "there is no such command")
        session = asked.payload.getAttribute("sessionid")
        if not session:
            if action == "cancel":
                raise _bad("bad-sessionid", "say with sessionid what is cancelled")
            return await self._begin(command, asked)
        talk = self._found(session, command, asked.sender)
        if action == "cancel":
            del self._talks[session]
            return _said(command, session, "canceled")
        filled = forms.read(asked.payload)
        talk.busy = True
        try:
            return await self._go_on(talk, session, action, {} if filled is None else filled[1])
        finally:
            talk.busy = False

    def _found(self, session: str, command: Command, jid: Jid) -> Talk:
        talk = self._talks.get(session)
        if talk is None or talk.jid != jid or talk.command is not command:
            raise _bad("bad-sessionid", "there is no such conversation: begin the command again")
        if talk.until < self._seconds():
            del self._talks[session]
            raise Declined(
                "not-allowed", "this has waited too long: begin the command again", "cancel",
                (COMMANDS, "session-expired"),
            )  # fmt: skip
        if talk.busy:
            raise Declined("unexpected-request", "your last answer is still being worked on", "wait")
        return talk

    async def _begin(self, command: Command, asked: Asked) -> Element:
        talk = Talk(command, asked.sender, asked.domain)
        try:
            talk.account = await self._account(asked.sender)
        except Refused as refused:
            if command.linked:
                raise Declined("forbidden", refused.text) from None
        if not _is_for(command, asked.sender, talk.account):
            raise Declined("forbidden", "this command is not for you just now")
        form = _next(talk)
        if form is None:
            return await self._finished(talk, secrets.token_hex(8))
        talk.first = talk.stage
        session = secrets.token_hex(16)
        self._keep(session, talk)
        return self._form(talk, session, form)

    def _keep(self, session: str, talk: Talk) -> None:
        """Room for a new one: those that have ended by themselves go, then the oldest of this person."""
        own = [key for key, one in self._talks.items() if one.jid.bare == talk.jid.bare]
        for key in own[: max(0, len(own) - MOST_OF_ONE + 1)]:
            del self._talks[key]
        if len(self._talks) >= MOST:
            # Each gets its time anew when it goes on, and then stands at the end: the first are the oldest.
            now = self._seconds()
            while self._talks and next(iter(self._talks.values())).until < now:
                del self._talks[next(iter(self._talks))]
        if len(self._talks) >= MOST:
            raise Declined("resource-constraint", "too many people are doing this just now: try again later")
        self._touch(session, talk)

    def _touch(self, session: str, talk: Talk) -> None:
        self._talks.pop(session, None)
        talk.until = self._seconds() + LIFE
        self._talks[session] = talk

    async def _go_on(self, talk: Talk, session: str, action: str, values: Mapping[str, str]) -> Element:
        if action == "prev":
            return self._back(talk, session)
        stage = talk.command.stages[talk.stage]
        try:
            await stage.take(talk, values)
        except Wrong as wrong:
            self._still(session, talk)
            self._touch(session, talk)
            form = stage.ask(talk)
            assert form is not None, "it has asked before"
            return self._form(talk, session, form, str(wrong))
        self._still(session, talk)
        talk.stage += 1
        form = None if action == "complete" else _next(talk)
        if form is None:
            del self._talks[session]
            return await self._finished(talk, session)
        self._touch(session, talk)
        return self._form(talk, session, form)

    def _still(self, session: str, talk: Talk) -> None:
        """Declined when others have pushed it out while it waited."""
        if self._talks.get(session) is not talk:
            raise _bad("bad-sessionid", "you have begun too many commands since: begin this one again")

    def _back(self, talk: Talk, session: str) -> Element:
        at = talk.stage - 1
        while at >= talk.first:
            form = talk.command.stages[at].ask(talk)
            if form is not None:
                talk.stage = at
                self._touch(session, talk)
                return self._form(talk, session, form)
            at -= 1
        raise _bad("bad-action", "this is the first page: nothing is before it")

    def _form(self, talk: Talk, session: str, form: Form, wrong: str = "") -> Element:
        made = _said(talk.command, session, "executing")
        last = talk.stage == len(talk.command.stages) - 1
        allowed = [*(["prev"] if talk.stage > talk.first else []), *([] if last else ["next"]), "complete"]
        actions = put(made, "actions", execute="complete" if last else "next")
        for name in allowed:
            put(actions, name)
        if wrong:  # in the form too: profanity, among others, shows no note before the end
            put(made, "note", wrong, type="error")
            form = replace(form, instructions=f"Not done: {wrong}. {form.instructions}")
        made.addChild(form.element())
        return made

    async def _finished(self, talk: Talk, session: str) -> Element:
        if talk.command.linked:
            await self._same_account(talk)
        try:
            done = await talk.command.finish(talk)
        except Wrong as wrong:
            raise Declined("not-acceptable", str(wrong)) from None
        made = _said(talk.command, session, "completed")
        put(made, "note", done.text, type="info")
        if done.shown is not None:
            made.addChild(done.shown)
        if done.after is not None:
            done.after()
        return made

    async def _same_account(self, talk: Talk) -> None:
        """Declined when his account was closed, or is another one, since he began."""
        try:
            account = await self._account(talk.jid)
        except Refused as refused:
            raise Declined("forbidden", refused.text) from None
        if account.name != talk.account.name:
            raise Declined("forbidden", "your account is another one now: begin the command again")


def _is_for(command: Command, jid: Jid, account: Any) -> bool:
    return (account is not None or not command.linked) and command.mine(jid, account)


def _next(talk: Talk) -> Form | None:
    """The form of the next stage that has something to ask; None when there is none."""
    while talk.stage < len(talk.command.stages):
        form = talk.command.stages[talk.stage].ask(talk)
        if form is not None:
            return form
        talk.stage += 1
    return None


def _said(command: Command, session: str, status: str) -> Any:
    return payload(COMMANDS, "command", node=command.node, sessionid=session, status=status)


def _bad(condition: str, text: str) -> Declined:
    return Declined("bad-request", text, also=(COMMANDS, condition))
