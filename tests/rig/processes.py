"""Processes of the rig: started with their output in a file, told apart by name, ended by their id only."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CLOCK = time.CLOCK_MONOTONIC  # the same for all processes of one machine
SLACK = 4.0  # how much slower than a quiet machine a busy one may be
FIRST_PORT, PORTS = 12_000, 100  # where blocks of ports begin, and how many one has
_ports: list[int] = []
_marks: list[socket.socket] = []


class RigError(Exception):
    """A process of the rig did not do what it must do for the test to mean anything."""


class Process:
    """A child with its output in `log`. `kill` is SIGKILL, `terminate` SIGTERM; both wait until it is gone."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self.started = time.monotonic()
        with open(log, "ab") as out:
            self._popen = subprocess.Popen(
                list(command), stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=cwd, env=env or environment(),
                start_new_session=True,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    @property
    def code(self) -> int | None:
        """Its exit status; negative for a signal, None while it runs."""
        return self._popen.poll()

    def kill(self) -> None:
        """kill -9, and reap."""
        with contextlib.suppress(ProcessLookupError):
            self._popen.kill()
        self._popen.wait()

    def kill_group(self) -> None:
        """kill -9 for it and everything it started (a tracer and its tracee)."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()

    def terminate(self, within: float = 30.0) -> int:
        """SIGTERM; its exit status. RigError when it is still there after `within` seconds (it is killed then)."""
        self._popen.terminate()
        try:
            return self._popen.wait(within * SLACK)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RigError(
                f"{self.name} did not end within {within * SLACK:.0f} s of SIGTERM\n{self.tail()}"
            ) from None

    def wait(self, within: float) -> int | None:
        """Its exit status, or None when it still runs after `within` seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._popen.wait(within)
        return None

    def tail(self, lines: int = 25) -> str:
        """The end of its output."""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-lines:])

    def memory(self) -> dict[str, int]:
        """Resident memory now and at most, in KiB: {"VmRSS": …, "VmHWM": …}."""
        found = {}
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in ("VmRSS", "VmHWM"):
                found[name] = int(value.split()[0])
        return found

    def processor(self) -> float:
        """Seconds of processor time that it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def environment() -> dict[str, str]:
    """The environment of all children: this checkout first, no output buffering, no byte-code litter."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "LANG": "C.UTF-8"}


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of this checkout with this interpreter."""
    return [sys.executable, "-m", module, *arguments]


def free_port(together: int = 1) -> int:
    """A port of the loopback that nobody has by TCP or UDP, or the first of `together` in a row; never given twice.

    They lie below those the kernel takes for connections that go out, and in a block that no other test run of this machine
    takes from: nobody can have it before it is listened at, and asking whether somebody listens never meets itself.
    """
    while True:
        if len(_ports) < together:
            _ports[:] = _new_ports()
        taken, _ports[:together] = _ports[:together], []
        if all(map(_is_free, taken)):
            return taken[0]


def _new_ports() -> list[int]:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    end = lowest if lowest > FIRST_PORT + 50 * PORTS else 32_768  # it leaves hardly any: the usual ones
    for first in range(FIRST_PORT, end - PORTS, PORTS):
        mark = socket.socket(socket.AF_UNIX)
        try:
            mark.bind(f"\0smsd-tests-ports-{first}")
        except OSError:
            mark.close()
            continue
        _marks.append(mark)  # held until this process ends
        return list(range(first, first + PORTS))
    raise RigError("other test runs have all ports")


def _is_free(port: int) -> bool:
    with socket.socket() as stream, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        try:
            stream.bind(("127.0.0.1", port))
            datagrams.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def until(
    condition: Callable[[], Any],
    within: float,
    what: str,
    process: Process | None = None,
    every: float = 0.01,
) -> Any:
    """The first true result of `condition`; RigError after `within` seconds of a quiet machine, or when `process` has ended."""
    deadline = time.monotonic() + within * SLACK
    while True:
        result = condition()
        if result:
            return result
        if process is not None and process.code is not None:
            raise RigError(
                f"{process.name} ended with {process.code} while waiting for {what}\n{process.tail()}"
            )
        if time.monotonic() > deadline:
            raise RigError(f"{what}: not within {within * SLACK:.0f} s\n{process.tail() if process else ''}")
        time.sleep(every)


def listening(port: int) -> bool:
    """Whether somebody takes connections there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
        return True
    return False


def greets(port: int, greeting: bytes = b"") -> bool:
    """Whether somebody there says something that begins so."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 10.0) as probe:
        said = probe.recv(1000)
        return bool(said) and said.startswith(greeting)
    return False


def ask(path: Path | str, line: str, timeout: float = 60.0) -> dict[str, Any]:
    """One line to a control socket (a modem's or the server's), and its JSON answer; RigError when it says no."""
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(timeout)
        control.connect(str(path))
        control.sendall(line.encode() + b"\n")
        answer: dict[str, Any] = json.loads(control.makefile("rb").readline())
    if not answer.get("ok"):
        raise RigError(f"{line!r}: {answer.get('error')}")
    return answer


def whole_lines(path: Path) -> bytes:
    """What another process has written, without a line that it is writing now."""
    octets = path.read_bytes()
    return octets[: octets.rfind(b"\n") + 1]


class Folder:
    """A temporary folder, short enough for Unix sockets; removed by `close` unless `keep`."""

    def __init__(self, keep: bool = False, within: str | None = None) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="smsd-", dir=within))
        self._keep = keep

    def close(self) -> None:
        """Remove it, or say where it is."""
        if self._keep:
            print(f"kept: {self.path}")
        else:
            shutil.rmtree(self.path, ignore_errors=True)
