"""A scripted modem over a memory transport, and the fakes of the rooms around a GSM gateway.

`FakeModem.answers` maps a command to what it says (bytes, or a callable); unknown commands get ERROR. It is instantaneous:
whatever is written is answered before `write` returns, except where the script says None (silence).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure as TwistedFailure
from twisted.trial.unittest import SynchronousTestCase

from smsd.interfaces import GatewayContext, PartIn
from smsd.links.gsm import profile
from smsd.links.gsm.gateway import GsmGateway
from smsd.links.gsm.line import CannotOpen
from smsd.links.gsm.settings import Settings
from smsd.values.address import Address
from smsd.values.delivery import NetworkReport, Piece
from smsd.values.message import Text

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
DATA = os.path.join(os.path.dirname(__file__), "..", "..", "..", "etc", "modems.yaml")
PROFILES = profile.load(DATA)

DELIVER = "07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07"
REPORT = "07911326040000F006050B911346610089F6208062917314082080629173540800"


def lines(*texts: str) -> bytes:
    """An answer: each line, then OK."""
    return b"".join(b"\r\n" + text.encode() + b"\r\n" for text in texts) + OK


class FakeModem:
    """Also the transport of the Dialogue: what is written goes to the script, `say` goes the other way."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.protocol: Any = None
        self.commands: list[str] = []
        self.pdus: list[str] = []
        self.written = b""
        self.escapes = 0
        self.closed = 0
        self.opened = 0
        self.refuse_open: str | None = None
        self.present = True
        self.mute = False
        self.echo = True
        self.prompt = b"\r\n> "
        self.reference = 0
        self.at_prompt = False
        self.send_result: Callable[[str], bytes | None] | bytes | None = None
        self._buffer = b""
        self.answers: dict[str, Any] = {
            "AT": OK,
            "ATE0": self._no_echo,
            "AT+CMEE=1": OK,
            "AT+CGMI": lines("ACME"),
            "AT+CGMM": lines("Generic 1"),
            "AT+CGMR": lines("1.0"),
            "AT+CPIN?": lines("+CPIN: READY"),
            "AT+CSMS=1": lines("+CSMS: 1,1,1"),
            "AT+CMGF=0": OK,
            "AT+CPMS=?": lines('+CPMS: ("SM","ME"),("SM","ME"),("SM","ME")'),
            'AT+CPMS="SM","SM","SM"': lines("+CPMS: 0,10,0,10,0,10"),
            'AT+CPMS="SM"': lines("+CPMS: 0,10,0,10,0,10"),
            'AT+CPMS="ME"': lines("+CPMS: 0,10,0,10,0,10"),
            "AT+CNMI=?": lines("+CNMI: (0-3),(0-3),(0,2,3),(0-2),(0,1)"),
            "AT+CNMI=2,2,0,1,0": OK,
            "AT+CNMI=2,1,0,1,0": OK,
            "AT+CMMS=2": OK,
            "AT+CREG=1": OK,
            "AT+CREG?": lines("+CREG: 1,1"),
            "AT+CSQ": lines("+CSQ: 20,99"),
            "AT+CMGL=4": OK,
            "AT+CNMA": OK,
        }

    # -- the transport

    disconnecting = False

    def write(self, data: bytes) -> None:
        self.written += data
        for octet in data:
            self._octet(bytes((octet,)))

    def drop(self) -> None:
        self.closed += 1
        self.protocol = None

    def loseConnection(self) -> None:
        self.drop()

    # -- the line

    def open(self, protocol: Any) -> None:
        if self.refuse_open:
            raise CannotOpen(self.refuse_open)
        self.opened += 1
        self.protocol = protocol
        self._buffer = b""
        self.at_prompt = False
        protocol.makeConnection(self)

    def say(self, data: bytes) -> None:
        if self.protocol is not None:
            self.protocol.dataReceived(data)

    def vanish(self) -> None:
        """The cable is pulled."""
        self.present = False
        self.lose()

    def lose(self) -> None:
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            protocol.connectionLost(TwistedFailure(ConnectionLost()))

    # -- the modem

    def _no_echo(self, _: str) -> bytes:
        self.echo = False
        return OK

    def _octet(self, octet: bytes) -> None:
        if octet == b"\x1b":
            self.escapes += 1
            self._buffer = b""
            if self.at_prompt:
                self.at_prompt = False
                self._reply(OK)
        elif octet == b"\x1a" and self.at_prompt:
            self.at_prompt = False
            pdu, self._buffer = self._buffer.decode(), b""
            self.pdus.append(pdu)
            self._reply(self._submitted(pdu))
        elif octet == b"\r" and not self.at_prompt:
            command, self._buffer = self._buffer.decode(), b""
            self._command(command)
        else:
            self._buffer += octet

    def _command(self, command: str) -> None:
        self.commands.append(command)
        if self.mute:
            return
        if self.echo:
            self.say(command.encode() + b"\r")
        if command.startswith("AT+CMGS=") and command not in self.answers:
            self.at_prompt = True
            self._reply(self.prompt)
            return
        answer = self.answers.get(command, ERROR)
        self._reply(answer(command) if callable(answer) else answer)

    def _submitted(self, pdu: str) -> bytes | None:
        result = self.send_result(pdu) if callable(self.send_result) else self.send_result
        if result is not None:
            return result if result else None
        self.reference += 1
        return lines(f"+CMGS: {self.reference}")

    def _reply(self, answer: bytes | None) -> None:
        if answer is not None and not self.mute:
            self.say(answer)


class Outlet:
    """IOutlet that remembers."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.reports: list[NetworkReport] = []
        self.is_open = False
        self.result: Callable[[], Deferred[bool]] = lambda: succeed(True)

    def opened(self, slots: int) -> None:
        self.is_open = True
        self.calls.append(("opened", slots))

    def closed(self, reason: str) -> None:
        self.is_open = False
        self.calls.append(("closed", reason))

    def reported(self, report: NetworkReport) -> Deferred[bool]:
        self.reports.append(report)
        return self.result()

    @property
    def reason(self) -> str:
        return str(self.calls[-1][1])


class Inbound:
    """IInbound whose commits fire when the test says so (`hold`), or fail."""

    def __init__(self) -> None:
        self.parts: list[PartIn] = []
        self.hold = False
        self.error: Exception | None = None
        self.waiting: list[Deferred[int | None]] = []

    def part(self, incoming: PartIn) -> Deferred[int | None]:
        self.parts.append(incoming)
        if self.error is not None:
            return fail(self.error)
        if self.hold:
            commit: Deferred[int | None] = Deferred()
            self.waiting.append(commit)
            return commit
        return succeed(1)

    def commit(self) -> None:
        waiting, self.waiting = self.waiting, []
        for commit in waiting:
            commit.callback(1)


class Memory:
    """IMemory in a dict that may be shared by several lives of a gateway."""

    def __init__(self, facts: dict[str, str] | None = None) -> None:
        self.facts = {} if facts is None else facts

    def recall(self, key: str) -> Deferred[str | None]:
        return succeed(self.facts.get(key))

    def remember(self, key: str, value: str | None) -> Deferred[None]:
        if value is None:
            self.facts.pop(key, None)
        else:
            self.facts[key] = value
        return succeed(None)


class GsmCase(SynchronousTestCase):
    """Makes rigs, and stops what a test leaves running."""

    def folder(self) -> str:
        folder: str = self.mktemp()
        os.makedirs(folder)
        return folder

    def rig(self, facts: dict[str, str] | None = None, **options: Any) -> Rig:
        rig = Rig(self.folder(), facts, **options)
        self.addCleanup(lambda: rig.gateway.running and rig.gateway.stopService())
        return rig


class Rig:
    """A gateway with everything around it faked; `start()` runs it up."""

    def __init__(self, folder: str, facts: dict[str, str] | None = None, **options: Any) -> None:
        self.clock = Clock()
        self.clock.advance(1_700_000_000)
        self.modem = FakeModem(self.clock)
        self.outlet = Outlet()
        self.inbound = Inbound()
        self.memory = Memory(facts)
        self.folder = folder
        options = {"poll": "0", "conversation": "debug", **options}
        self.settings = Settings(id="m1", type="gsm", device="/dev/fake", **options)
        context = GatewayContext(
            reactor=self.clock,
            outlet=self.outlet,
            inbound=self.inbound,
            memory=self.memory,
            spool=lambda name: os.path.join(folder, name),
        )
        self.gateway = GsmGateway(
            self.settings, PROFILES, context, opener=self.modem.open, exists=lambda _: self.modem.present
        )

    def start(self, forget: bool = True) -> Rig:
        self.gateway.startService()
        self.clock.pump([0.1] * 5)
        if forget:
            self.modem.commands.clear()
            self.modem.written = b""
        return self

    def send(self, text: str = "hello", **options: Any) -> list[Any]:
        """Send a piece; the list gets its outcome."""
        outcome: list[Any] = []
        self.gateway.send(self.piece(text, **options)).addBoth(outcome.append)
        return outcome

    def piece(self, text: str = "hello", **options: Any) -> Piece:
        """A message of one part."""
        more: dict[str, Any] = {"content": Text(text), "target": Address("sms", "+41791234567"), **options}
        delivery = more.pop("delivery", 1)
        return Piece(
            delivery=delivery,
            message=1,
            lane=1,
            gateway="m1",
            origin=Address("mailto", "ann@example.org"),
            **more,
        )

    def pass_time(self, seconds: float, step: float = 0.25) -> None:
        self.clock.pump([step] * round(seconds / step))

    @property
    def conversation(self) -> str:
        with open(os.path.join(self.folder, "conversation.log"), encoding="ascii") as file:
            return file.read()
