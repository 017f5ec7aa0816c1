"""Passwords that a mail server for submission knows (`type: smtp`): AUTH PLAIN or LOGIN (RFC 4954, 6409), in TLS.

535 is a wrong password, and 525 an account that is switched off (RFC 5248); every other refusal leaves it unknown.
"""

from __future__ import annotations

import base64
import re
from typing import Any, Literal

from pydantic import Field

from smsd.interfaces import SourceContext
from smsd.sources import settings as common
from smsd.sources.asking import Asking
from smsd.sources.conversation import Conversation, Unknown
from smsd.sources.server import source

check = common.check

_WRONG = (535, 525)
_REPLY = re.compile(r"([2-5][0-9]{2})(?:([ -])(.*))?")
_LONGEST_LINE = 500
"""Octets of a command (RFC 5321 section 4.5.3.1.4), its end included."""


class Settings(common.ServerSettings):
    """`type: smtp`."""

    type: Literal["smtp"] = "smtp"
    port: int | None = Field(default=None, ge=1, le=65535, description="587, or 465 with security: tls")
    security: Literal["tls", "starttls", "none"] = Field(
        default="starttls", description="starttls (port 587), tls (port 465), or none (only on this machine)"
    )

    @property
    def effective_port(self) -> int:
        """The port that is connected to."""
        return self.port or (465 if self.security == "tls" else 587)


class Smtp:
    """The talk. `options` are for STARTTLS."""

    def __init__(self, hello: str, options: Any) -> None:
        self._hello = hello
        self._options = options

    async def talk(self, there: Conversation, login: str, password: str, peer: str) -> bool:
        """Greeting, EHLO, TLS, EHLO, AUTH, QUIT."""
        code, lines = await _reply(there)
        if code != 220:
            raise Unknown(f"does not serve us: {code} {there.shown(lines[-1])}")
        offered = await self._ehlo(there)
        if self._options is not None:
            if "STARTTLS" not in offered:
                raise Unknown("offers no STARTTLS, and passwords are not sent in clear")
            there.say("STARTTLS")
            code, lines = await _reply(there)
            if code != 220:
                raise Unknown(f"refuses STARTTLS: {code} {there.shown(lines[-1])}")
            there.start_tls(self._options)
            offered = await self._ehlo(there)
        if peer and "ADDR" in offered.get("XCLIENT", "").split():
            offered = await self._introduce(there, peer)
        mechanisms = offered.get("AUTH", "").split()
        if "PLAIN" in mechanisms:
            right = await _plain(there, login, password)
        elif "LOGIN" in mechanisms:
            right = await _login(there, login, password)
        else:
            raise Unknown("offers no login by PLAIN or LOGIN")
        there.leave("QUIT")
        return right

    async def _introduce(self, there: Conversation, peer: str) -> dict[str, str]:
        """Say for whom we ask, where Postfix lets us (`smtpd_authorized_xclient_hosts`)."""
        there.say(f"XCLIENT ADDR={'IPV6:' if ':' in peer else ''}{peer}")
        code, lines = await _reply(there)
        if code != 220:
            raise Unknown(f"offers XCLIENT and refuses it: {code} {there.shown(lines[-1])}")
        return await self._ehlo(there)

    async def _ehlo(self, there: Conversation) -> dict[str, str]:
        there.say(f"EHLO {self._hello}")
        code, lines = await _reply(there)
        if code != 250:
            raise Unknown(f"does not take EHLO: {code} {there.shown(lines[-1])}")
        found: dict[str, str] = {}
        for line in lines[1:]:
            word, _, rest = line.strip().upper().replace("AUTH=", "AUTH ", 1).partition(" ")
            found[word] = f"{found.get(word, '')} {rest}".strip()
        return found


async def _reply(there: Conversation) -> tuple[int, list[str]]:
    lines = []
    while True:
        line = await there.line()
        found = _REPLY.fullmatch(line)
        if found is None:
            raise Unknown(f"does not speak SMTP: {there.shown(line)}")
        lines.append(found[3] or "")
        if found[2] != "-":
            return int(found[1]), lines


async def _plain(there: Conversation, login: str, password: str) -> bool:
    response = _base64(f"\0{login}\0{password}")
    command = f"AUTH PLAIN {response}"
    if len(command) <= _LONGEST_LINE:
        there.asked = True
        there.say(command)
        return _verdict(there, *await _reply(there))
    if not await _go_on(there, "AUTH PLAIN"):
        raise Unknown("offers AUTH PLAIN and refuses it")
    there.asked = True
    there.say(response)
    return _verdict(there, *await _reply(there))


async def _login(there: Conversation, login: str, password: str) -> bool:
    if not await _go_on(there, "AUTH LOGIN"):
        raise Unknown("offers AUTH LOGIN and refuses it")
    there.asked = True
    if not await _go_on(there, _base64(login)):
        return False
    there.say(_base64(password))
    return _verdict(there, *await _reply(there))


async def _go_on(there: Conversation, words: str) -> bool:
    """Whether it asks for more. It cannot be content before it has heard the password."""
    there.say(words)
    code, lines = await _reply(there)
    if code != 334 and code not in _WRONG:
        raise Unknown(f"does not ask for the password: {code} {there.shown(lines[-1])}")
    return code == 334


def _verdict(there: Conversation, code: int, lines: list[str]) -> bool:
    if code == 235:
        return True
    if code in _WRONG:
        return False
    raise Unknown(f"cannot tell whether a password is right: {code} {there.shown(lines[-1])}")


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def make(settings: Settings, context: SourceContext) -> Asking:
    """The source for one section of the configuration."""
    later = settings.tls_options() if settings.security == "starttls" else None
    return source(settings, context.reactor, Smtp(context.server_name, later).talk)
