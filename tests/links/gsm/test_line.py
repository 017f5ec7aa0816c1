"""Real devices (pseudo-terminals): exclusive, closed at once, and the whole gateway on a simulated modem."""

from __future__ import annotations

import os
import pty
import tempfile

import serial
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from smsd.codec import tpdu
from smsd.interfaces import GatewayContext
from smsd.links.gsm.gateway import GsmGateway
from smsd.links.gsm.line import CannotOpen, open_line
from smsd.links.gsm.settings import Settings
from smsd.simulator.modem import SimulatedModem
from smsd.values.address import Address
from smsd.values.delivery import Accepted, Failure, Piece
from smsd.values.message import Text
from tests.links.gsm.fake import PROFILES, Inbound, Memory, Outlet


class Heard(Protocol):
    """Fires when the line is lost."""

    def __init__(self) -> None:
        self.data = b""
        self.lost: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: object = None) -> None:
        self.lost.callback(None)


class Device(TestCase):
    """One pseudo-terminal."""

    def setUp(self) -> None:
        self.master, slave = pty.openpty()
        self.path = os.ttyname(slave)
        os.close(slave)
        self.addCleanup(self.close_master)

    def close_master(self) -> None:
        if self.master >= 0:
            os.close(self.master)
            self.master = -1

    def test_exclusive(self) -> None:
        line = open_line(Heard(), self.path, reactor, baud=115200, rtscts=False)
        self.addCleanup(line.drop)
        with self.assertRaises(serial.SerialException):
            serial.Serial(self.path, exclusive=True)
        with self.assertRaises(CannotOpen) as caught:
            open_line(Heard(), self.path, reactor, baud=115200, rtscts=False)
        self.assertIn("in use by another program", str(caught.exception))

    def test_missing(self) -> None:
        with self.assertRaises(CannotOpen) as caught:
            open_line(Heard(), "/dev/no-such-modem", reactor, baud=115200, rtscts=False)
        self.assertIn("No such file", str(caught.exception))

    async def test_hang_up_is_seen_at_once(self) -> None:
        heard = Heard()
        open_line(heard, self.path, reactor, baud=115200, rtscts=False)
        reactor.callLater(0, self.close_master)
        await heard.lost.addTimeout(60, reactor)

    async def test_drop_does_not_wait_for_a_deaf_modem(self) -> None:
        heard = Heard()
        line = open_line(heard, self.path, reactor, baud=115200, rtscts=False)
        line.write(b"x" * 100_000)
        await deferLater(reactor, 0.05)
        line.drop()
        self.assertTrue(heard.lost.called)
        again = open_line(Heard(), self.path, reactor, baud=115200, rtscts=False)
        again.drop()


class WholeGateway(TestCase):
    """`GsmGateway` on `SimulatedModem` over a pseudo-terminal, in real time."""

    timeout = 300

    def setUp(self) -> None:
        self.folder = tempfile.mkdtemp(dir=".")
        self.link = os.path.abspath(os.path.join(self.folder, "modem"))
        self.outlet, self.inbound = Outlet(), Inbound()
        self.sim = SimulatedModem(reactor, self.link, boot=0)
        self.sim.start()
        settings = Settings(id="m1", type="gsm", device=self.link, poll="0")
        self.gateway = GsmGateway(
            settings,
            PROFILES,
            GatewayContext(
                reactor=reactor,
                outlet=self.outlet,
                inbound=self.inbound,
                memory=Memory(),
                spool=lambda name: os.path.join(self.folder, name),
            ),
        )
        self.gateway.startService()

    async def tearDown(self) -> None:
        await self.gateway.stopService()
        self.sim.stop()

    async def until(self, condition: object) -> None:
        while not condition():
            await deferLater(reactor, 0.01)

    def send(self, text: str) -> Deferred[Accepted]:
        return self.gateway.send(
            Piece(
                delivery=1,
                message=1,
                lane=1,
                gateway="m1",
                target=Address("sms", "+41791234567"),
                content=Text(text),
                origin=Address("account", "demo"),
                report=True,
            )
        )

    async def test_both_ways(self) -> None:
        await self.until(lambda: self.outlet.is_open)
        await gatherResults([self.send("one"), self.send("two")])
        self.assertEqual([sent.text for sent in self.sim.sent], ["one", "two"])
        self.sim.receive("+15551230001", "x" * 200)
        await self.until(lambda: len(self.inbound.parts) == 2 and len(self.outlet.reports) == 2)
        parts = [tpdu.decode_mt(part.octets).user_data.concat.seq for part in self.inbound.parts]
        self.assertEqual(parts, [1, 2])

    async def test_many(self) -> None:
        """Two at once, as the queue hands them over: each once, in order."""
        await self.until(lambda: self.outlet.is_open)
        numbers = iter(range(300))

        async def lane() -> None:
            for number in numbers:
                await self.send(f"message {number}")

        await gatherResults([Deferred.fromCoroutine(lane()) for _ in range(2)])
        self.assertEqual(
            [sent.text for sent in self.sim.sent], [f"message {number}" for number in range(300)]
        )

    async def test_unplugged_in_the_middle(self) -> None:
        await self.until(lambda: self.outlet.is_open)
        self.sim.set_latency(500)
        outcomes = [self.send("in doubt"), self.send("given back")]
        await self.until(lambda: self.sim.session._busy)  # it has the first
        self.sim.vanish()
        failures = [await outcome.addErrback(lambda failure: failure.value) for outcome in outcomes]
        self.assertTrue(all(isinstance(failure, Failure) for failure in failures))
        self.assertEqual([failure.maybe_sent for failure in failures], [True, False])
        self.assertFalse(self.outlet.is_open)
        await deferLater(reactor, 0.7)
        self.sim.set_latency(0)
        self.sim.come_back()
        await self.until(lambda: self.outlet.is_open)
        await self.send("after")
        self.assertEqual(self.sim.sent[-1].text, "after")
