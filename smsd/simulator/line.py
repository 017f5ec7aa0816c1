"""The serial line of the simulated modem: a pseudo-terminal in raw mode behind a symbolic link that keeps its name.

It holds the other end open too, so that nothing hangs up when a program closes the device and opens it again; only
`close` does (as pulling the plug would): the program then reads an end of file and the link is gone. What nobody reads is
kept up to a bound and then lost, as on a real line.
"""

from __future__ import annotations

import contextlib
import os
import tty
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.interfaces import IReadWriteDescriptor
from zope.interface import implementer

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.python.failure import Failure

_MOST: Final = 1 << 18


@implementer(IReadWriteDescriptor)
class Line:
    """A pty. `received` gets what the program wrote; `link` "" makes no link. `path` is where to open it."""

    def __init__(self, reactor: Any, link: str, received: Callable[[bytes], None]) -> None:
        self._reactor, self.link, self._received = reactor, link, received
        self._master = self._slave = -1
        self._out = bytearray()
        self.path = link

    @property
    def is_open(self) -> bool:
        """Whether there is a device to open."""
        return self._master >= 0

    def open(self) -> None:
        """Make the device and its link; OSError when the folder cannot be written."""
        if self.is_open:
            return
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        device = os.ttyname(self._slave)
        try:
            self.path = self._linked(device)
        except OSError:
            self.close()
            raise
        self._reactor.addReader(self)

    def _linked(self, device: str) -> str:
        if not self.link:
            return device
        if os.path.lexists(self.link) and not os.path.islink(self.link):
            raise FileExistsError(
                f"{self.link} exists and is no symbolic link: choose another name for the modem"
            )
        os.makedirs(os.path.dirname(os.path.abspath(self.link)), exist_ok=True)
        fresh = f"{self.link}.{os.getpid()}.new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh)
        os.symlink(device, fresh)
        os.replace(fresh, self.link)
        return self.link

    def close(self) -> None:
        """Pull the plug; the link goes first. Does nothing when closed."""
        if not self.is_open:
            return
        self._reactor.removeReader(self)
        self._reactor.removeWriter(self)
        if self.link and os.path.islink(self.link) and os.readlink(self.link) == os.ttyname(self._slave):
            os.unlink(self.link)
        os.close(self._slave)
        os.close(self._master)
        self._master = self._slave = -1
        self._out.clear()

    def write(self, data: bytes) -> None:
        """Put octets on the line; lost when it is closed."""
        if not self.is_open:
            return
        if self._out:
            self._keep(data)
            return
        try:
            written = os.write(self._master, data)
        except BlockingIOError:
            written = 0
        if written < len(data):
            self._keep(data[written:])
            self._reactor.addWriter(self)

    def _keep(self, data: bytes) -> None:
        if len(self._out) + len(data) <= _MOST:
            self._out += data

    def fileno(self) -> int:
        """For the reactor."""
        return self._master

    def doRead(self) -> None:
        """For the reactor: octets are there."""
        try:
            data = os.read(self._master, 65536)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        self._received(data)

    def doWrite(self) -> None:
        """For the reactor: there is room again."""
        try:
            written = os.write(self._master, self._out)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        del self._out[:written]
        if not self._out:
            self._reactor.removeWriter(self)

    def connectionLost(self, reason: Failure) -> None:
        """For the reactor, when it stops."""
        self.close()

    def logPrefix(self) -> str:
        """For the reactor's log."""
        return "simulated modem"
