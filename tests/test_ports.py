"""Listening sockets: room for those who come at once."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.protocol import Factory
from twisted.trial.unittest import SynchronousTestCase

from smsd.ports import Ports
from tests.rig.processes import free_port


class Idle:
    """A reactor that accepts nobody."""

    def adoptStreamPort(self, *_: Any) -> Any:
        return self


class Backlog(SynchronousTestCase):
    def test_a_burst_waits_in_the_kernel(self) -> None:
        ports = Ports(Idle())
        self.addCleanup(ports.close)
        number = free_port()
        ports.view().listenTCP(number, Factory(), 50, "127.0.0.1")
        for _ in range(200):
            client = socket.create_connection(("127.0.0.1", number), 0.9)
            self.addCleanup(client.close)
