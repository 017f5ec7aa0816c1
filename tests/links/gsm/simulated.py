"""A gateway on a simulated modem, without a pty and on one clock that stands still."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from smsd.links.gsm.line import CannotOpen
from smsd.simulator.modem import SimulatedModem
from tests.links.gsm.fake import Rig


class Cable:
    """The modem's `line` and the gateway's transport: octets cross with the next turn of the clock."""

    path = "memory"

    def __init__(self, clock: Clock, received: Callable[[bytes], None]) -> None:
        self.clock = clock
        self.received = received
        self.is_open = False
        self.protocol: Any = None

    # -- the modem's side

    def open(self) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            protocol.connectionLost(Failure(ConnectionLost()))

    def write(self, data: bytes) -> None:
        self.clock.callLater(0, self._cross, self.protocol, data)

    def _cross(self, protocol: Any, data: bytes) -> None:
        if protocol is not None and protocol is self.protocol:
            protocol.dataReceived(data)

    # -- the gateway's side

    def connect(self, protocol: Any) -> None:
        if not self.is_open:
            raise CannotOpen("the cable is pulled")
        self.protocol = protocol
        protocol.makeConnection(Port(self))

    def dropped(self) -> None:
        self.protocol = None

    def up(self, data: bytes) -> None:
        if self.is_open:
            self.received(data)


class Port:
    """What a Dialogue writes to."""

    disconnecting = False

    def __init__(self, cable: Cable) -> None:
        self._cable = cable

    def write(self, data: bytes) -> None:
        self._cable.clock.callLater(0, self._cable.up, data)

    def drop(self) -> None:
        self._cable.dropped()


class SimulatedRig(Rig):
    """`modem` is a SimulatedModem of `profile`; `modem_options` are its own."""

    def __init__(
        self,
        folder: str,
        profile: str = "generic",
        facts: dict[str, str] | None = None,
        modem_options: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(folder, facts, **options)
        self.sim = SimulatedModem(
            self.clock,
            profile=profile,
            line=lambda received: Cable(self.clock, received),
            **(modem_options or {}),
        )
        self.sim.start()
        self.gateway._open = self.sim.line.connect
        self.gateway._exists = lambda _: self.sim.line.is_open

    def start(self, forget: bool = True, seconds: float = 15.0) -> SimulatedRig:
        self.gateway.startService()
        self.turn(seconds)
        return self

    def turn(self, seconds: float = 1.0) -> None:
        """Let time pass in small steps, so that octets cross many times."""
        for _ in range(round(seconds * 50)):
            self.clock.advance(0.02)
            for _ in range(3):
                self.clock.advance(0)
