"""The modem on a real pseudo-terminal, opened as a gateway opens it; eight at once; unplugging."""

from __future__ import annotations

import os
from typing import Any

import serial
from twisted.internet import reactor, threads
from twisted.internet.defer import DeferredList
from twisted.trial.unittest import TestCase

from smsd.simulator.modem import SimulatedModem
from tests.rig.processes import until
from tests.simulator.rig import HELLO, LENGTH, PLAIN


class Program:
    """A program that uses the modem, with blocking calls of pyserial (run in a thread)."""

    def __init__(self, path: str) -> None:
        self.port = serial.Serial(path, 115200, timeout=120, exclusive=True)

    def chat(self, data: bytes, end: bytes = b"OK\r\n") -> bytes:
        self.port.write(data)
        answer: bytes = self.port.read_until(end)
        return answer

    def send(self) -> bytes:
        self.chat(f"AT+CMGS={LENGTH}\r".encode(), b"> ")
        return self.chat(PLAIN.encode() + b"\x1a")


class Pty(TestCase):
    def modem(self, name: str = "modem", **more: Any) -> SimulatedModem:
        self.folder = getattr(self, "folder", None) or self.mktemp()
        modem = SimulatedModem(reactor, os.path.join(self.folder, name), **{"boot": 0.0, **more})
        modem.start()
        self.addCleanup(modem.stop)
        return modem

    def test_dialogue(self) -> Any:
        modem = self.modem()

        def talk() -> list[bytes]:
            program = Program(modem.path)
            with program.port:
                said = [program.chat(b"ATE0\r"), program.chat(b"AT\r"), program.send()]
                program.chat(b"AT+CNMI=2,2\r")
                reactor.callFromThread(modem.network.inject, bytes.fromhex(HELLO))  # type: ignore[attr-defined]
                return [*said, program.port.read_until(HELLO.encode() + b"\r\n")]

        def check(said: list[bytes]) -> None:
            self.assertEqual(said[:3], [b"ATE0\r\r\nOK\r\n", b"\r\nOK\r\n", b"\r\n+CMGS: 0\r\n\r\nOK\r\n"])
            self.assertTrue(said[3].startswith(b"\r\n+CMT: ,24\r\n0791"))
            self.assertEqual(modem.sent[0].text, "how are you?")

        return threads.deferToThread(talk).addCallback(check)

    def test_octets_pass_unchanged(self) -> Any:
        modem = self.modem()
        octets = bytes(range(256)) * 8

        def listen() -> bytes:
            with Program(modem.path).port as port:
                reactor.callFromThread(modem.write_raw, octets)  # type: ignore[attr-defined]
                found: bytes = port.read(len(octets))
                return found

        return threads.deferToThread(listen).addCallback(self.assertEqual, octets)

    def test_closed_and_opened_again(self) -> Any:
        modem = self.modem()

        def talk() -> list[bytes]:
            said = []
            for _ in range(3):
                program = Program(modem.path)
                with program.port:
                    said.append(program.chat(b"ATE0\r") and program.send())
            return said

        def check(said: list[bytes]) -> None:
            self.assertEqual([answer.count(b"+CMGS: ") for answer in said], [1, 1, 1])

        return threads.deferToThread(talk).addCallback(check)

    def test_unplugged_and_back(self) -> Any:
        modem = self.modem()

        def talk() -> tuple[bool, bytes]:
            program = Program(modem.path)
            program.chat(b"AT\r")
            reactor.callFromThread(modem.vanish)  # type: ignore[attr-defined]
            try:
                program.port.read(1)
                gone = not os.path.lexists(modem.path)
            except serial.SerialException:
                gone = not os.path.lexists(modem.path)
            program.port.close()
            threads.blockingCallFromThread(reactor, modem.vanish, 0.2)  # once more, and back by itself
            until(lambda: os.path.exists(modem.path), 30, "the modem")
            again = Program(modem.path)
            with again.port:
                return gone, again.chat(b"AT\r")

        return threads.deferToThread(talk).addCallback(self.assertEqual, (True, b"AT\r\r\nOK\r\n"))

    def test_eight_at_once(self) -> Any:
        modems = [self.modem(f"modem{index}") for index in range(8)]

        def talk(path: str) -> int:
            program = Program(path)
            with program.port:
                program.chat(b"ATE0\r")
                return sum(b"+CMGS: " in program.send() for _ in range(50))

        def check(results: list[tuple[bool, Any]]) -> None:
            self.assertEqual(results, [(True, 50)] * 8)
            self.assertEqual([modem.facts()["sent"] for modem in modems], [50] * 8)

        reactor.suggestThreadPoolSize(10)  # type: ignore[attr-defined]
        self.addCleanup(reactor.suggestThreadPoolSize, 10)  # type: ignore[attr-defined]
        return DeferredList([threads.deferToThread(talk, modem.path) for modem in modems]).addCallback(check)

    def test_more_than_the_terminal_holds_is_kept_in_order(self) -> Any:
        modem = self.modem()
        for index in range(3000):
            modem.tell(f"^LINE:{index}")

        def listen() -> list[bytes]:
            # pyserial empties the buffers when it opens, so read the device itself.
            device = os.open(modem.path, os.O_RDWR | os.O_NOCTTY)
            found = b""
            while b"^LINE:2999\r\n" not in found:
                found += os.read(device, 65536)
            os.close(device)
            return found.split()

        expected = [f"^LINE:{index}".encode() for index in range(3000)]
        return threads.deferToThread(listen).addCallback(self.assertEqual, expected)

    def test_when_sent_fires(self) -> Any:
        modem = self.modem()

        def talk() -> None:
            program = Program(modem.path)
            with program.port:
                program.chat(b"ATE0\r")
                program.send()
                program.send()

        done = threads.deferToThread(talk)
        return modem.when_sent(2).addCallback(lambda _: done)

    def test_the_link(self) -> None:
        modem = self.modem()
        self.assertTrue(os.path.islink(modem.path))
        modem.stop()
        self.assertFalse(os.path.lexists(modem.path))
        os.symlink("/dev/null", modem.path)
        modem.start()
        self.assertTrue(os.readlink(modem.path).startswith("/dev/pts/"))
        plain = os.path.join(self.folder, "plain")
        with open(plain, "w"):
            pass
        with self.assertRaisesRegex(FileExistsError, "no symbolic link"):
            SimulatedModem(reactor, plain).start()
        self.assertTrue(os.path.isfile(plain))

    def test_without_a_link(self) -> None:
        modem = SimulatedModem(reactor, boot=0.0)
        modem.start()
        self.addCleanup(modem.stop)
        self.assertTrue(modem.path.startswith("/dev/"))
