"""What becomes of files of spool folders, and what phones write to them (`spool:DOOR/FILE`, `spool:DOOR`): as files.

Nobody configures this gateway: it is there when there is a door of `type: spool`. Written means on disk, under a name that is the
same when it is written again.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, fail
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from zope.interface import implementer

from smsd.codec.spool.values import Came
from smsd.config.settings import GatewaySettings
from smsd.config.spool import SpoolSettings
from smsd.core.spool import fates, files
from smsd.interfaces import Abilities, GatewayContext, IGateway
from smsd.values.delivery import Accepted, Failure, Kind, Piece, Scope
from smsd.values.message import Binary, Report, Text

SLOTS = 4


class Settings(GatewaySettings):
    """`doors` are the spool folders."""

    schemes = frozenset({"spool"})

    type: Literal["spool"] = "spool"
    doors: tuple[SpoolSettings, ...] = Field(default=(), description="made from the listeners of type spool")


@implementer(IGateway)
class SpoolGateway(Service):
    """Writes one file after the other."""

    log = Logger()

    def __init__(self, settings: Settings, context: GatewayContext) -> None:
        self.name = settings.id
        self.abilities = Abilities(schemes=settings.schemes, binary=True)
        self._doors = {door.id: door for door in settings.doors}
        self._context = context
        self._written = 0
        self._busy: set[Deferred[Any]] = set()

    @property
    def status(self) -> str:
        """How much it has done."""
        return f"{self._written} files written for {', '.join(self._doors) or 'nobody'}"

    def startService(self) -> None:
        """OSError when a folder cannot be made."""
        super().startService()
        for door in self._doors.values():
            files.make(door.places())
        self._context.outlet.opened(SLOTS)

    def stopService(self) -> Deferred[None]:
        """Fires when the file at hand is written."""
        super().stopService()
        return DeferredList(list(self._busy)).addCallback(lambda _: None)

    def send(self, piece: Piece) -> Deferred[Accepted]:
        """Fires when the file is on disk; a full or missing disk is the gateway's trouble and costs no try."""
        name, _, file = piece.target.target.partition("/")
        door = self._doors.get(name)
        if door is None:
            return fail(
                Failure(Kind.PERMANENT, f"there is no spool folder {name!r} any more", status="5.1.1")
            )
        content = piece.content
        if isinstance(content, Report):
            call: Any = (fates.report_file, door, file, content, content.recipient)
        elif isinstance(content, (Text, Binary)):
            call = (fates.incoming_file, door, _came(piece, content))
        else:
            return fail(Failure(Kind.PERMANENT, "this is nothing for a spool folder"))
        reactor = self._context.reactor
        writing: Deferred[Any] = deferToThreadPool(reactor, reactor.getThreadPool(), *call)
        self._busy.add(writing)
        writing.addBoth(self._done, writing)
        return writing.addCallbacks(self._wrote, self._failed)

    def _done(self, result: Any, writing: Deferred[Any]) -> Any:
        self._busy.discard(writing)
        return result

    def _wrote(self, path: str) -> Accepted:
        self._written += bool(path)
        if path:
            self.log.info("{gateway}: {path}", gateway=self.name, path=path)
        return Accepted()

    def _failed(self, failure: Any) -> Any:
        error = failure.trap(OSError) and failure.value
        raise Failure(
            Kind.TEMPORARY,
            f"the file cannot be written: {error.strerror}",
            scope=Scope.GATEWAY,
            status="4.3.1",
        )


def _came(piece: Piece, content: Text | Binary) -> Came:
    about = dict(piece.headers)
    sent = int(about["date"]) if about.get("date", "").isdecimal() else None
    return Came(piece.origin.target, content, about.get("gateway", ""), piece.arrived, sent, piece.delivery)


def make(settings: Settings, context: GatewayContext) -> SpoolGateway:
    """The gateway for all spool folders."""
    return SpoolGateway(settings, context)
