"""Tell systemd how we are (sd_notify(3)): READY=1, RELOADING=1, STOPPING=1, STATUS=…, WATCHDOG=1.

Does nothing outside of systemd. A supervisor that went away is no reason to stop, so errors of the socket are ignored.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """Sends states to the socket that `NOTIFY_SOCKET` names: a path, or an abstract one written with a leading @."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        mine = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        usec = environ.get("WATCHDOG_USEC", "")
        self.watchdog_seconds: float | None = int(usec) / 2e6 if usec.isdecimal() and mine else None
        """How often `watchdog` wants to be called: half of what systemd allows; None when it does not watch."""

    def ready(self, status: str = "") -> None:
        """Started, or reloaded, completely."""
        self._send("READY=1", f"MAINPID={os.getpid()}", f"STATUS={status}")

    def reloading(self) -> None:
        """A reload has begun; `ready` ends it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Stopping has begun."""
        self._send("STOPPING=1", "STATUS=stopping: finishing what is on the wire")

    def watchdog(self) -> None:
        """Still alive."""
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.connect(self._address)
                sender.sendall("\n".join(lines).encode())
        except OSError:
            pass
