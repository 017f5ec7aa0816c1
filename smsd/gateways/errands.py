"""What the gateways that carry out rules have in common (`program`, `url`, `sql`): limits, what is under way, clean output,
words without secrets.

One errand is one delivery whose content is a `Call`. Trouble with a program, a URL or a database belongs to that errand
alone: the next one is likely to want another.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Coroutine, Iterable
from typing import Any

from pydantic import Field
from twisted.application.service import Service
from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
from zope.interface import implementer

from smsd.config.settings import GatewaySettings
from smsd.gateways.underway import Underway
from smsd.interfaces import Abilities, GatewayContext, IGateway
from smsd.values.delivery import Accepted, Failure, Kind, Piece, Scope
from smsd.values.message import Call

LONGEST_REASON = 300

_SECRET = re.compile(
    r"(?i)\b((?:[a-z]+[_-])?(?:pass(?:word|wd|phrase)?|pwd|pin|token|secret|(?:api)?[_-]?key|auth|sig(?:nature)?))"
    r"(\s*=\s*)(?!\*\*\*)[^\s&;,'\"<>]+"
)
_LOGIN = re.compile(r"(?<=://)[^\s/@?#]*@")


class Limits(GatewaySettings):
    """The limits of each errand."""

    seconds: float = Field(default=30.0, gt=0, le=3600, description="seconds that one may take")
    output: int = Field(default=10_000, ge=0, le=1_000_000, description="octets that are kept of its answer")
    slots: int = Field(default=4, ge=1, le=100, description="how many at once")


@implementer(IGateway)
class Errands(Service):
    """Base of the three gateways; `kind` is the `Call.kind` and the scheme that it carries."""

    log = Logger()
    kind = ""

    def __init__(self, settings: Limits, context: GatewayContext) -> None:
        self.name = settings.id
        self.context = context
        self.abilities = Abilities(schemes=frozenset({self.kind}), abreast=True)
        self._limits = settings
        self._underway = Underway()

    @property
    def status(self) -> str:
        """How much was done."""
        way = self._underway
        return f"{way.done} done, {way.failed} failed, {len(way)} under way"

    def startService(self) -> None:
        """Open at once."""
        super().startService()
        self.context.outlet.opened(self._limits.slots)

    def stopService(self) -> Deferred[None]:
        """Fires when the last errand is over; each has its time limit."""
        super().stopService()
        return self._underway.end()

    def send(self, piece: Piece) -> Deferred[Accepted]:
        """Run the errand."""
        call = piece.content
        if not isinstance(call, Call) or call.kind != self.kind:
            return fail(
                Failure(Kind.PERMANENT, f"this gateway carries nothing but {self.kind} calls", status="5.6.1")
            )
        return self._underway.send(self._run(piece, call))

    def _run(self, piece: Piece, call: Call) -> Coroutine[Deferred[Any], Any, Accepted]:
        """What each kind does."""
        raise NotImplementedError


def temporary(reason: str, *, maybe_sent: bool = False, **more: Any) -> Failure:
    """It may go well another time."""
    return Failure(Kind.TEMPORARY, reason, maybe_sent=maybe_sent, status=more.pop("status", "4.3.0"), **more)


def permanent(reason: str) -> Failure:
    """It would fail again."""
    return Failure(Kind.PERMANENT, reason, status="5.3.0")


def out_of_order(reason: str) -> Failure:
    """This machine has no room; no errand is to blame."""
    return Failure(Kind.TEMPORARY, reason, scope=Scope.GATEWAY, status="4.3.2")


def clean(octets: bytes, limit: int) -> str:
    """An answer as a text: UTF-8, what is not as U+FFFD, no NUL, no blanks around it, cut to `limit` octets between two
    characters."""
    cut = len(octets) > limit
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(octets[:limit], final=not cut)
    return text.replace("\0", "").strip()


def without_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """One line of it that may be shown: no `user:password@` in URLs, no `pass=…` and its like, none of `secrets`."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) > 1:
            text = text.replace(secret, "***")
    text = _SECRET.sub(r"\1\2***", _LOGIN.sub("***@", text))
    line = " ".join(text.replace("\0", " ").split())
    return line if len(line) <= LONGEST_REASON else line[: LONGEST_REASON - 1] + "…"
