"""Passwords that Dovecot knows, by its socket for logins (`type: dovecot`): the authentication protocol of Dovecot, version 1, as
Postfix and Exim speak it. No TLS: the socket is on this machine.
"""

from __future__ import annotations

import base64
import os
from typing import Literal

from pydantic import Field
from twisted.internet.endpoints import UNIXClientEndpoint

from smsd.config.settings import SocketPath
from smsd.interfaces import SourceContext
from smsd.sources.asking import Asking
from smsd.sources.conversation import Conversation, Unknown
from smsd.sources.server import Connecting
from smsd.sources.settings import SourceSettings

_LATER = ("temp", "code=temp_fail")


class Settings(SourceSettings):
    """`type: dovecot`."""

    type: Literal["dovecot"] = "dovecot"
    socket: SocketPath = Field(
        description="Dovecot's socket of service auth: /run/dovecot/auth-client, /var/spool/postfix/private/auth"
    )


async def talk(there: Conversation, login: str, password: str, peer: str) -> bool:
    """Handshake, one request, its answer."""
    there.say("VERSION\t1\t1")
    there.say(f"CPID\t{os.getpid()}")
    mechanisms = set()
    while (words := (await there.line()).split("\t"))[0] != "DONE":
        if words[0] == "VERSION" and words[1:2] != ["1"]:
            raise Unknown("speaks another version of Dovecot's protocol")
        if words[0] == "MECH":
            mechanisms.update(words[1:2])
        elif words[0] not in ("VERSION", "SPID", "CUID", "COOKIE"):
            raise Unknown(f"is no socket for logins of Dovecot: {there.shown(words[0])}")
    if "PLAIN" not in mechanisms:
        raise Unknown("does not take PLAIN: add it to auth_mechanisms")
    response = base64.b64encode(f"\0{login}\0{password}".encode()).decode("ascii")
    from_ = f"\trip={peer}" if peer else "\tno-penalty"
    there.asked = True
    there.say(f"AUTH\t1\tPLAIN\tservice=smsd\tsecured{from_}\tresp={response}")
    while (words := (await there.line()).split("\t"))[1:2] != ["1"]:
        if words[0] not in ("MECH", "VERSION", "SPID", "CUID", "COOKIE", "DONE"):
            raise Unknown(f"answers what is no answer: {there.shown(words[0])}")
    if words[0] == "OK":
        return True
    if words[0] == "FAIL" and not any(word in _LATER for word in words[2:]):
        return False
    reason = next((word for word in words[2:] if word.startswith("reason=")), "")
    raise Unknown(f"cannot tell whether a password is right: {words[0]} {there.shown(reason)}".rstrip())


def make(settings: Settings, context: SourceContext) -> Asking:
    """The source for one section of the configuration."""
    endpoint = UNIXClientEndpoint(context.reactor, settings.socket, timeout=settings.seconds)
    return Asking(
        settings, context.reactor, Connecting(endpoint, talk, context.reactor, settings.seconds).ask
    )
