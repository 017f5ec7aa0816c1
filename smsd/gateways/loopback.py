"""A gateway that leads nowhere: it accepts everything, for benchmarks and first trials (`type: loopback`).

`delay` seconds pass before each yes, `slots` pieces are taken at once, `parts` makes it take one SMS at a time as a
modem does. Nothing is sent to anybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field
from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from smsd.config.settings import GatewaySettings
from smsd.interfaces import Abilities, GatewayContext, IGateway
from smsd.values.delivery import Accepted

if TYPE_CHECKING:
    from smsd.values.delivery import Piece


class Settings(GatewaySettings):
    """`type: loopback`."""

    type: Literal["loopback"] = "loopback"
    delay: float = Field(default=0.0, ge=0, le=3600, description="seconds until each message is accepted")
    slots: int = Field(default=100, ge=1, le=10_000, description="messages taken at once")
    parts: bool = Field(default=False, description="one SMS at a time, as a modem")


@implementer(IGateway)
class Loopback(Service):
    """Says yes. `count` is how many pieces it was given."""

    def __init__(self, settings: Settings, context: GatewayContext) -> None:
        self.name = settings.id
        self.settings = settings
        self.context = context
        self.count = 0
        self.abilities = Abilities(
            schemes=frozenset({"sms"}), parts=settings.parts, binary=True, sender=True, reference_width=16
        )
        self._waiting: set[Deferred[Accepted]] = set()
        self._stopped: Deferred[None] | None = None

    @property
    def status(self) -> str:
        """How much went into the void."""
        return f"{self.count} accepted, sent to nobody"

    def startService(self) -> None:
        """Open at once."""
        super().startService()
        self._stopped = None
        self.context.outlet.opened(self.settings.slots)

    def stopService(self) -> Deferred[None]:
        """Fires when the last piece on its way was accepted."""
        super().stopService()
        if not self._waiting:
            return succeed(None)
        self._stopped = Deferred()
        return self._stopped

    def send(self, piece: Piece) -> Deferred[Accepted]:
        """Accept, after the delay."""
        self.count += 1
        if not self.settings.delay:
            return succeed(Accepted())
        done: Deferred[Accepted] = Deferred()
        self._waiting.add(done)
        self.context.reactor.callLater(self.settings.delay, self._accept, done)
        return done

    def _accept(self, done: Deferred[Accepted]) -> None:
        self._waiting.discard(done)
        done.callback(Accepted())
        if self._stopped is not None and not self._waiting:
            stopped, self._stopped = self._stopped, None
            stopped.callback(None)


def make(settings: Settings, context: GatewayContext) -> Loopback:
    """The gateway for one section of the configuration."""
    return Loopback(settings, context)
