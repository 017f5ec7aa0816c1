"""Mail into a Maildir (`type: folder`): incoming SMS and reports can be read where there is no mail server.

Delivered means on disk: written to tmp/, fsync, renamed into new/, fsync of the folder (the Maildir way: a reader never
sees half a mail). The file's name comes from the delivery, so a mail written twice is one mail.

A rule may name a folder: then it is written to that folder of the Maildir (Maildir++: `.SMS.Alarms`), which is made when it
is not there. With `per_user` everybody has a Maildir of their own. The outermost folder is never made while mails are
written: when it is gone, a disk is not mounted.
"""

from __future__ import annotations

import errno
import os
from typing import Any, Literal

from pydantic import Field
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, fail
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from zope.interface import implementer

from smsd.codec.mail.folders import directories, levels, maildir
from smsd.config.settings import GatewaySettings, Path
from smsd.gateways.smtp.letters import Letter, letter
from smsd.interfaces import Abilities, GatewayContext, IGateway
from smsd.values.address import masked
from smsd.values.delivery import Accepted, Failure, Kind, Piece, Scope

SUBFOLDERS = ("tmp", "new", "cur")
_ABOUT_THE_NAME = frozenset((errno.ENOTDIR, errno.ENAMETOOLONG, errno.EISDIR, errno.EEXIST, errno.ELOOP))
"""What is wrong with one folder and not with the disk: other mails can be written."""


class Settings(GatewaySettings):
    """`type: folder`."""

    schemes = frozenset({"mailto"})

    type: Literal["folder"] = "folder"
    folder: Path = Field(default="mail", description="the Maildir; made when it is not there")
    per_user: bool = Field(
        default=False, description="yes or no; one Maildir for each recipient: FOLDER/DOMAIN/LOCAL"
    )


@implementer(IGateway)
class Folder(Service):
    """Writes every mail into one Maildir, or into the Maildir of its recipient."""

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
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        if not self._settings.per_user:
            make_maildir(self._folder)
        self._context.outlet.opened(1)

    def stopService(self) -> Deferred[None]:
        """Fires when the mail at hand is written."""
        super().stopService()
        return DeferredList(list(self._busy)).addCallback(lambda _: None)

    def send(self, piece: Piece) -> Deferred[Accepted]:
        """Fires when the mail is on disk; a full or missing disk is the gateway's trouble and costs no try."""
        context = self._context
        mail = letter(piece, context.server_name, context.postmaster, self._settings.mail_from)
        below = directories(mail.recipient) if self._settings.per_user else ()
        if any(len(name) > 255 for name in below):
            return fail(
                Failure(Kind.PERMANENT, "the recipient's name is too long for a folder", status="5.1.3")
            )
        named = dict(piece.headers).get("folder", "")
        writing: Deferred[Any] = deferToThreadPool(
            context.reactor,
            context.reactor.getThreadPool(),
            deliver,
            self._folder,
            below,
            maildir(levels(named)) if named else "",
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
            scope=Scope.MESSAGE if error.errno in _ABOUT_THE_NAME else Scope.GATEWAY,
            status="4.3.1",
        )


def deliver(root: str, below: tuple[str, ...], folder: str, name: str, mail: Letter) -> str:
    """Write one mail durably into a folder of the Maildir `root` (or of the one `below` it); gives its path. OSError when that
    fails, with nothing left in new/."""
    inbox = os.path.join(root, *below)
    path = os.path.join(inbox, folder) if folder else inbox
    if (below or folder) and not os.path.isdir(os.path.join(path, "tmp")):
        _make_path(root, below, folder)
    name = name.replace("/", "_").replace(":", "_")
    temporary, final = os.path.join(path, "tmp", name), os.path.join(path, "new", name)
    head = f"Return-Path: <{mail.sender}>\r\nDelivered-To: {mail.recipient}\r\n".encode()
    with open(temporary, "wb") as stream:
        stream.write((head + mail.data).replace(b"\r\n", b"\n"))
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(temporary, final)
    _sync(os.path.join(path, "new"))
    return final


def make_maildir(path: str) -> None:
    """Make what a Maildir consists of, tmp/ last: where that is, the rest is."""
    for name in reversed(SUBFOLDERS):
        os.makedirs(os.path.join(path, name), mode=0o700, exist_ok=True)


def _make_path(root: str, below: tuple[str, ...], folder: str) -> None:
    """Make the folders from `root`, which has to be there, down to the one a mail goes to; durably."""
    made = root
    for name in below:
        made = _made(made, name)
    if below:
        make_maildir(made)
        _sync(made)
    if folder:
        made = _made(made, folder)
        with open(os.path.join(made, "maildirfolder"), "ab"):
            pass  # says that this one belongs to the Maildir above (Maildir++)
        make_maildir(made)
        _sync(made)


def _made(parent: str, name: str) -> str:
    path = os.path.join(parent, name)
    if not os.path.isdir(path):
        try:
            os.mkdir(path, mode=0o700)
        except FileExistsError:
            if not os.path.isdir(path):  # another mail was quicker, or it is a file
                raise
        _sync(parent)
    return path


def _sync(path: str) -> None:
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def make(settings: Settings, context: GatewayContext) -> Folder:
    """The gateway for one section of the configuration."""
    return Folder(settings, context)
