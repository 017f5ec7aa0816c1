"""The gateway's side of its lane: open or closed with a reason, told and logged only when it changes."""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger

EXPECTED = ("starting", "stopping")  # reasons that are no trouble


class Lane:
    """`outlet` is the IOutlet; `status` is one line for people."""

    log = Logger()

    def __init__(self, gateway: str, outlet: Any) -> None:
        self._gateway = gateway
        self._outlet = outlet
        self.is_open = False
        self.status = "stopped"

    def open(self, slots: int) -> None:
        """The gateway can carry."""
        if not self.is_open:
            self.is_open = True
            self.status = "ready"
            self.log.info("{gateway}: ready", gateway=self._gateway)
            self._outlet.opened(slots)

    def close(self, reason: str) -> None:
        """It cannot; a new reason is told even if it was closed already."""
        if self.is_open or reason != self.status:
            self.is_open = False
            self.status = reason
            tell = self.log.info if reason in EXPECTED else self.log.warn
            tell("{gateway}: closed: {reason}", gateway=self._gateway, reason=reason)
            self._outlet.closed(reason)
