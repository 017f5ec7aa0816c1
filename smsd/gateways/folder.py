"""Mail into a Maildir (`type: folder`): incoming SMS and reports can be read where there is no mail server.

Delivered means on disk: written to tmp/, fsync, renamed into new/, fsync of the folder (the Maildir way: a reader never
sees half a mail). The file's name comes from the delivery, so a mail written twice is one mail.
"""

from __future__ import annotations

import os
from typing import Any, Literal

from pydantic import Field
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from zope.interface import implementer

from smsd.config.settings import GatewaySettings, Path
from smsd.gateways.smtp.letters import Letter, letter
from smsd.interfaces import Abilities, GatewayContext, IGateway
from smsd.values.address import masked
from smsd.values.delivery import Accepted, Failure, Kind, Piece, Scope

SUBFOLDERS = ("tmp", "new", "cur")


class Settings(GatewaySettings):
    """`type: folder`."""

    schemes = frozenset({"mailto"})

    type: Literal["folder"] = "folder"
    folder: Path = Field(default="mail", description="the Maildir; made when it is not there")


@implementer(IGateway)
class Folder(Service):
    """Writes every mail, whoever it is for, into one Maildir."""

    log = Logger()

    def __init__(self, settings: Settings, context: GatewayContext) -> None:
        self.name = settings.id
        self.abilities = Abilities(schemes=frozenset({"mailto"}), binary=True, sender=True)
        self._settings = settings
        self._context = context
        self._folder = settings.folder
        self._written = 0
        self._busy: set[Deferred[Any]] = set()

    @property
    def status(self) -> str:
        """Where the mails are."""
        return f"{self._written} mails written to {self._folder}"

    def startService(self) -> None:
        """OSError when the folder cannot be made."""
        super().startService()
        for name in SUBFOLDERS:
            os.makedirs(os.path.join(self._folder, name), mode=0o700, exist_ok=True)
        self._context.outlet.opened(1)

    def stopService(self) -> Deferred[None]:
        """Fires when the mail at hand is written."""
        super().stopService()
        return DeferredList(list(self._busy)).addCallback(lambda _: None)

    def send(self, piece: Piece) -> Deferred[Accepted]:
        """Fires when the mail is on disk; a full or missing disk is the gateway's trouble and costs no try."""
        context = self._context
        mail = letter(piece, context.server_name, context.postmaster, self._settings.mail_from)
        writing: Deferred[Any] = deferToThreadPool(
            context.reactor,
            context.reactor.getThreadPool(),
            deliver,
            self._folder,
            f"{piece.delivery}.{piece.message}.{context.server_name}",
            mail,
        )
        self._busy.add(writing)
        writing.addBoth(self._done, writing)
        return writing.addCallbacks(self._delivered, self._failed, (mail,))

    def _done(self, result: Any, writing: Deferred[Any]) -> Any:
        self._busy.discard(writing)
        return result

    def _delivered(self, path: str, mail: Letter) -> Accepted:
        self._written += 1
        self.log.info(
            "{gateway}: a mail for {recipient} is in {path}",
            gateway=self.name,
            recipient=masked(mail.recipient),
            path=path,
        )
        return Accepted()

    def _failed(self, failure: Any) -> Any:
        error = failure.trap(OSError) and failure.value
        raise Failure(
            Kind.TEMPORARY,
            f"the mail cannot be written: {error.strerror}",
            scope=Scope.GATEWAY,
            status="4.3.1",
        )


def deliver(folder: str, name: str, mail: Letter) -> str:
    """Write one mail durably; gives its path. OSError when that fails, with nothing left in new/."""
    name = name.replace("/", "_").replace(":", "_")
    temporary, final = os.path.join(folder, "tmp", name), os.path.join(folder, "new", name)
    head = f"Return-Path: <{mail.sender}>\r\nDelivered-To: {mail.recipient}\r\n".encode()
    with open(temporary, "wb") as stream:
        stream.write((head + mail.data).replace(b"\r\n", b"\n"))
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(temporary, final)
    directory = os.open(os.path.join(folder, "new"), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return final


def make(settings: Settings, context: GatewayContext) -> Folder:
    """The gateway for one section of the configuration."""
    return Folder(settings, context)
