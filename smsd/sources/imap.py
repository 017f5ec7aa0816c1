"""Passwords that an IMAP server knows (`type: imap`): AUTHENTICATE PLAIN or LOGIN (RFC 3501, 4616, 4959), in TLS.

`NO` is a wrong password unless its code (RFC 5530) says otherwise; `BAD`, `BYE` and everything else leave it unknown: Exchange
says BAD to right passwords when it cannot reach a mailbox.
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

_WRONG = frozenset(
    {"", "AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED", "ALERT", "NOPERM", "CAPABILITY"}
)
_CODE = re.compile(r"\[([A-Za-z-]+)[^\]]*\]")
_QUOTED = re.compile(r"[ !#-\[\]-~]+")


class Settings(common.ServerSettings):
    """`type: imap`."""

    type: Literal["imap"] = "imap"
    port: int | None = Field(default=None, ge=1, le=65535, description="993, or 143 without security: tls")
    security: Literal["tls", "starttls", "none"] = Field(
        default="tls", description="tls (port 993), starttls, or none (only on this machine)"
    )

    @property
    def effective_port(self) -> int:
        """The port that is connected to."""
        return self.port or (993 if self.security == "tls" else 143)


class Imap:
    """The talk."""

    def __init__(self, options: Any) -> None:
        self._options = options
        """For STARTTLS; None when TLS is there already, or never comes."""

    async def talk(self, there: Conversation, login: str, password: str, peer: str) -> bool:
        """Greeting, TLS, login, logout."""
        capabilities = _greeting(there, await there.line())
        if self._options is not None:
            await _ok(there, "s1", "STARTTLS")
            there.start_tls(self._options)
            capabilities = set()
        if not capabilities:
            capabilities = await self._capabilities(there)
        if peer and "ID" in capabilities:
            await _introduce(there, peer)
        if "AUTH=PLAIN" in capabilities:
            right = await _authenticate(there, login, password, "SASL-IR" in capabilities)
        elif "LOGINDISABLED" in capabilities:
            raise Unknown("takes no password here (LOGINDISABLED): use security: tls or starttls")
        else:
            right = await _login(there, login, password)
        there.leave("s9 LOGOUT")
        return right

    async def _capabilities(self, there: Conversation) -> set[str]:
        there.say("s2 CAPABILITY")
        found: set[str] = set()
        while not (line := await there.line()).startswith("s2 "):
            _untagged(there, line)
            if line.upper().startswith("* CAPABILITY "):
                found = set(line.upper().split()[2:])
        if not found:
            raise Unknown(f"does not say what it can: {there.shown(line)}")
        return found


def _greeting(there: Conversation, line: str) -> set[str]:
    """The capabilities in the greeting, if it has them."""
    word = line[2:].upper()
    if line.startswith("* ") and word.startswith("PREAUTH"):
        raise Unknown("lets everybody in without a password (PREAUTH)")
    if not line.startswith("* ") or not word.startswith("OK"):
        raise Unknown(f"does not serve us: {there.shown(line)}")
    found = re.search(r"\[CAPABILITY ([^\]]*)\]", line, re.IGNORECASE)
    return set(found[1].upper().split()) if found is not None else set()


def _untagged(there: Conversation, line: str) -> None:
    if not line.startswith("* ") or line[2:].upper().startswith("BYE"):
        raise Unknown(f"answers what is no answer: {there.shown(line)}")


async def _ok(there: Conversation, tag: str, command: str) -> None:
    there.say(f"{tag} {command}")
    while not (line := await there.line()).startswith(f"{tag} "):
        _untagged(there, line)
    if not line[len(tag) + 1 :].upper().startswith("OK"):
        raise Unknown(f"refuses {command}: {there.shown(line)}")


async def _introduce(there: Conversation, peer: str) -> None:
    """Say for whom we ask (RFC 2971, with the field that Dovecot takes from its `login_trusted_networks`)."""
    there.say(f's4 ID ("name" "smsd" "x-originating-ip" "{peer}")')
    while not (line := await there.line()).startswith("s4 "):
        _untagged(there, line)


async def _authenticate(there: Conversation, login: str, password: str, at_once: bool) -> bool:
    response = base64.b64encode(f"\0{login}\0{password}".encode()).decode("ascii")
    if at_once:
        there.asked = True
        there.say(f"s3 AUTHENTICATE PLAIN {response}")
        return await _verdict(there)
    there.say("s3 AUTHENTICATE PLAIN")
    if not await _go_on(there):
        raise Unknown("offers AUTHENTICATE PLAIN and refuses it")
    there.asked = True
    there.say(response)
    return await _verdict(there)


async def _login(there: Conversation, login: str, password: str) -> bool:
    there.asked = True
    there.raw(b"s3 LOGIN")
    for text in (login, password):
        if _QUOTED.fullmatch(text):
            there.raw(f' "{text}"'.encode("ascii"))
            continue
        octets = text.encode("utf-8")
        there.raw(b" {%d}\r\n" % len(octets))
        if not await _go_on(there):
            raise Unknown("takes no literal in LOGIN")
        there.raw(octets)
    there.raw(b"\r\n")
    return await _verdict(there)


async def _go_on(there: Conversation) -> bool:
    while not (line := await there.line()).startswith("s3 "):
        if line.startswith("+"):
            return True
        _untagged(there, line)
    return False


async def _verdict(there: Conversation) -> bool:
    """What the tagged answer says of the password."""
    while not (line := await there.line()).startswith("s3 "):
        _untagged(there, line)
    word, _, rest = line[3:].partition(" ")
    if word.upper() == "OK":
        return True
    code = _CODE.match(rest)
    if word.upper() == "NO" and ("" if code is None else code[1].upper()) in _WRONG:
        return False
    raise Unknown(f"cannot tell whether a password is right: {there.shown(line[3:])}")


def make(settings: Settings, context: SourceContext) -> Asking:
    """The source for one section of the configuration."""
    later = settings.tls_options() if settings.security == "starttls" else None
    return source(settings, context.reactor, Imap(later).talk)
