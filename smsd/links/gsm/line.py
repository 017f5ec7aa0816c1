"""The serial device: opened exclusively, closed without waiting for a modem that does not read.

The only module that knows pyserial. A pseudo-terminal is a device like any other. Twisted's SerialPort opens shared and
reports a hang-up as a clean end; the first is repaired here, the second is what `connectionLost` means to us anyway.
"""

from __future__ import annotations

import contextlib
import os
import termios
from typing import Any

import serial
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol
from twisted.internet.serialport import SerialPort
from twisted.python.failure import Failure


class CannotOpen(Exception):
    """The device could not be opened; the text says why, for people."""


class Line(SerialPort):
    """A serial device that nobody else may use while we do."""

    def _serialFactory(self, device: str, **options: Any) -> serial.Serial:
        return serial.Serial(device, exclusive=True, **options)

    def drop(self) -> None:
        """Close now, whatever was not written yet; `connectionLost` follows at once."""
        if not self.disconnected:
            with contextlib.suppress(OSError, termios.error):  # gone: nothing can wait in it
                self._serial.reset_output_buffer()
            self.connectionLost(Failure(ConnectionDone("closed here")))


def present(device: str) -> bool:
    """Whether the device node is there (cheap: one stat)."""
    return os.path.exists(device)


def open_line(protocol: IProtocol, device: str, reactor: Any, *, baud: int, rtscts: bool) -> Line:
    """Open `device` and connect it to `protocol`; CannotOpen with the reason."""
    try:
        return Line(protocol, device, reactor, baudrate=baud, rtscts=rtscts)
    except (OSError, termios.error, ValueError) as error:
        raise CannotOpen(_reason(device, error)) from None


def _reason(device: str, error: Exception) -> str:
    text = str(error)
    if isinstance(error, serial.SerialException) and "exclusively lock" in text:
        return f"{device} is in use by another program"
    number = getattr(error, "errno", None)
    if number:
        return f"{device} cannot be opened: {os.strerror(number)}"
    return f"{device} cannot be opened: {text}"
