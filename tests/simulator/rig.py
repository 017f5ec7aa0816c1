"""A simulated modem without a pty, on a clock that stands still, and one with a pty for a program that opens it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock

from smsd.simulator.modem import SimulatedModem

# Hand-made from TS 23.040: SUBMIT to +15551234567, "how are you?", no validity; the second asks for a report.
PLAIN = "0001000B915155214365F700000CE8F71D14969741F977FD07"
REPORTED = "0021000B915155214365F700000CE8F71D14969741F977FD07"
LENGTH = 24
# From the network: DELIVER from +15551230000, "hello", without the service centre.
HELLO = "040B915155210300F000006211122035910005E8329BFD06"
CENTRE = "07915155000000F1"  # +15550000001


class MemoryLine:
    """Keeps what the modem writes."""

    def __init__(self, received: Callable[[bytes], None]) -> None:
        self.received, self.path, self.is_open, self.written = received, "memory", False, bytearray()

    def open(self) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False

    def write(self, data: bytes) -> None:
        self.written += data


class Rig:
    """A modem ready at once; `clock` moves its time."""

    def __init__(self, profile: str = "generic", **more: Any) -> None:
        self.clock = Clock()
        more.setdefault("boot", 0.0)
        self.modem = SimulatedModem(self.clock, profile=profile, line=MemoryLine, **more)
        self.modem.start()
        self.read()
        self.chat("ATE0")

    def read(self) -> bytes:
        """What the modem wrote since the last time."""
        self.clock.advance(0)
        written = bytes(self.modem.line.written)
        self.modem.line.written.clear()
        return written

    def write(self, data: bytes) -> bytes:
        """Octets to the modem, and what it says at once."""
        self.modem.line.received(data)
        return self.read()

    def chat(self, command: str) -> bytes:
        """One command line and its answer."""
        return self.write(command.encode() + b"\r")

    def send(self, pdu: str = PLAIN, length: int = LENGTH) -> bytes:
        """+CMGS in two steps; the answer to the second."""
        prompt = self.chat(f"AT+CMGS={length}")
        if b">" not in prompt:
            raise AssertionError(f"no prompt but {prompt!r}")
        return self.write(pdu.encode() + b"\x1a")
