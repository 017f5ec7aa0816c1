"""`smsd simulate modem`, `phone` and `control` as processes, and the service inside the server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

import serial
from pydantic import ValidationError
from twisted.internet import reactor, threads
from twisted.internet.error import CannotListenError
from twisted.trial.unittest import SynchronousTestCase, TestCase

import smsd
from smsd.simulator import command, service
from tests.simulator.rig import LENGTH, PLAIN

MODULE = [sys.executable, "-m", "smsd.simulator"]
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(smsd.__file__)))
ENVIRONMENT = {**os.environ, "PYTHONPATH": ROOT}


def run(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MODULE, *arguments], input=given, capture_output=True, text=True, timeout=120, env=ENVIRONMENT
    )


class Process:
    """A modem of its own, ready when it says so."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*MODULE, "modem", *arguments], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
        )
        assert self.process.stdout is not None
        self.greeting = self.process.stdout.readline()

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        if self.process.poll() is None:
            self.process.send_signal(number)
        said = self.process.communicate(timeout=120)[0]
        return self.process.returncode, said


def chat(port: serial.Serial, data: bytes, end: bytes = b"OK\r\n") -> bytes:
    port.write(data)
    answer: bytes = port.read_until(end)
    return answer


class Modem(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = self.mktemp()
        os.mkdir(self.folder)
        self.link = os.path.join(self.folder, "m")
        self.sock = self.link + ".sock"
        self.journal = os.path.join(self.folder, "journal")

    def modem(self, *arguments: str) -> Process:
        process = Process("--link", self.link, "--boot", "0", *arguments)
        self.addCleanup(process.end)
        return process

    def test_modem_phone_and_control(self) -> None:
        process = self.modem("--profile", "generic", "--journal", self.journal)
        self.assertEqual(process.greeting, f"generic at {self.link}, control socket {self.sock}\n")
        self.assertEqual(os.stat(self.sock).st_mode & 0o777, 0o600)
        with serial.Serial(self.link, timeout=120) as port:
            chat(port, b"ATE0\r")
            chat(port, b"AT+CNMI=2,2\r")
            phone = run("phone", "--control", self.sock, "--number", "+15557654321", given="hello\n")
            self.assertEqual((phone.returncode, phone.stderr), (0, ""))
            self.assertIn(b"E8329BFD06", port.read_until(b"E8329BFD06"))
            watching = subprocess.Popen(
                [*MODULE, "phone", "--control", self.sock, "--wait", "20"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT,
            )  # fmt: skip
            self.addCleanup(watching.wait)
            self.addCleanup(watching.kill)
            assert watching.stdin is not None
            assert watching.stdout is not None
            watching.stdin.write("/do signal 7\n/do status\n")
            watching.stdin.flush()
            self.assertEqual(watching.stdout.readline(), "{\n")
            part = "0041000B915155214365F70004070500038402{:02X}4{:d}"
            for seq in (2, 1):
                chat(port, b"AT+CMGS=20\r", b"> ")
                answer = chat(port, part.format(seq, seq).encode() + b"\x1a")
                self.assertIn(b"+CMGS: ", answer)
            chat(port, f"AT+CMGS={LENGTH}\r".encode(), b"> ")
            chat(port, PLAIN.encode() + b"\x1a")
            shown = ""
            while "how are you?" not in shown:
                shown = watching.stdout.readline()
            self.assertRegex(shown, r"^\[\d\d:\d\d:\d\d\] to \+15551234567: how are you\?$")
            self.assertEqual(watching.communicate("/quit\n", timeout=120)[0], "")
            self.assertEqual(watching.returncode, 0)
        status = run("control", "--control", self.sock, "status")
        self.assertEqual(json.loads(status.stdout)["sent"], 3)
        wrong = run("control", "--control", self.sock, "fill", "XX")
        self.assertEqual((wrong.returncode, "SM, ME, SR" in wrong.stderr), (1, True))
        self.assertEqual(process.end()[0], 0)
        self.assertEqual(os.listdir(self.folder), ["journal"])
        with open(self.journal) as file:
            self.assertEqual([json.loads(line).get("hex") for line in file], ["42", "41", None])

    def test_started_again_after_a_kill(self) -> None:
        self.modem("--latency", "1:2").end(signal.SIGKILL)
        self.assertTrue(os.path.lexists(self.link))
        again = self.modem()
        self.assertIn("generic at", again.greeting)
        self.assertEqual(run("control", "--control", self.sock, "help").returncode, 0)

    def test_several(self) -> None:
        process = self.modem("--count", "3")
        assert process.process.stdout is not None
        greetings = [process.greeting, process.process.stdout.readline(), process.process.stdout.readline()]
        self.assertEqual(
            [line.split()[2] for line in greetings], [f"{self.link}{index}," for index in range(3)]
        )

    def test_replay(self) -> None:
        log = os.path.join(self.folder, "log")
        with open(log, "w") as file:
            file.write(
                '2026-11-21T02:53:19Z m1 >>> [3] "AT\\r"\n2026-11-21T02:53:19Z m1 <<< [6] "\\r\\nOK\\r\\n"\n'
            )
        process = self.modem("--replay", log)
        self.assertEqual(process.greeting, f"1 recorded commands at {self.link}\n")
        with serial.Serial(self.link, timeout=120) as port:
            self.assertEqual(chat(port, b"AT\r"), b"\r\nOK\r\n")
            process.process.wait(10)
        self.assertEqual(process.end(), (0, "the whole recording was played; 0 differences\n"))

    def test_errors(self) -> None:
        with open(self.link, "w"):
            pass
        for arguments, hint in (
            (("modem", "--link", self.link), "no symbolic link"),
            (("modem", "--latency", "soon"), "write 3, or 1:5"),
            (("modem", "--replay", self.link), ">>>"),
            (("modem", "--replay", self.sock), "No such file"),
            (("phone", "--control", self.sock), "cannot reach a modem"),
            (("phone", "--number", "+abc"), "20 digits"),
            (("control", "--control", self.sock, "status"), "no modem at"),
            (("explode",), "no command"),
        ):
            found = run(*arguments)
            self.assertNotEqual(found.returncode, 0, arguments)
            self.assertIn(hint, found.stderr, arguments)
            self.assertNotIn("Traceback", found.stderr)

    def test_help(self) -> None:
        for arguments, hint in (
            (("--help",), "phone"), (("modem", "--help"), "--profile"), (("modem", "--profiles"), "huawei-e220"),
            (("phone", "--help"), "--number"), (("control", "--help"), "vanish 20"),
        ):  # fmt: skip
            found = run(*arguments)
            self.assertEqual(found.returncode, 0)
            self.assertIn(hint, found.stdout)


class Service(TestCase):
    def test_from_settings(self) -> Any:
        folder = self.mktemp()
        link, sock = os.path.join(folder, "m"), os.path.join(folder, "m.sock")
        made = service.make(
            service.Settings(id="sim", link=link, control=sock, profile="telit", latency="0"), reactor
        )
        made.startService()
        self.addCleanup(made.stopService)

        def check(answer: dict[str, Any]) -> None:
            self.assertEqual((answer["answer"]["modem"], answer["answer"]["profile"]), ("sim", "telit"))
            self.assertTrue(os.path.islink(link))

        return threads.deferToThread(command.ask, sock, "status").addCallback(check)

    def test_a_socket_that_cannot_be_made_leaves_no_modem(self) -> None:
        folder = self.mktemp()
        link = os.path.join(folder, "m")
        settings = service.Settings(id="sim", link=link, control=os.path.join(folder, "x" * 200))
        made = service.make(settings, reactor)
        self.assertRaises(CannotListenError, made.startService)
        self.assertFalse(os.path.lexists(link))

    def test_wrong_settings(self) -> None:
        for wrong in ({"profile": "nokia"}, {"latency": "-1"}, {"link": ""}, {"color": "red"}):
            with self.assertRaises(ValidationError):
                service.Settings(**{"id": "sim", "link": "var/m", **wrong})
