"""Measures how many messages a second simulated modems take at latency 0: `python -m tests.simulator.rate [modems] [messages]`.

The modems run in a process of their own and this one talks to all of them with the least a client can do, so that the
figure is that of the line. Not a test: it asserts nothing about time.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
import termios
import time

from tests.simulator.rig import LENGTH, PLAIN

COMMAND = f"AT+CMGS={LENGTH}\r".encode()
DATA = PLAIN.encode() + b"\x1a"


def drive(paths: list[str], messages: int) -> float:
    """Seconds for `messages` sends through each of the devices."""
    left, heard = {}, {}
    poll = select.epoll()
    for path in paths:
        device = os.open(path, os.O_RDWR | os.O_NOCTTY)
        termios.tcflush(device, termios.TCIOFLUSH)
        os.write(device, b"ATE0\r")
        answer = b""
        while not answer.endswith(b"OK\r\n"):
            answer += os.read(device, 4096)
        left[device], heard[device] = messages, b""
        poll.register(device, select.EPOLLIN)
    started = time.perf_counter()
    for device in left:
        os.write(device, COMMAND)
    while left:
        for device, _events in poll.poll():
            heard[device] += os.read(device, 4096)
            if heard[device].endswith(b"> "):
                os.write(device, DATA)
            elif heard[device].endswith(b"OK\r\n"):
                left[device] -= 1
                if left[device]:
                    os.write(device, COMMAND)
                else:
                    del left[device]
                    poll.unregister(device)
            else:
                continue
            heard[device] = b""
    return time.perf_counter() - started


def main(modems: int = 1, messages: int = 10_000) -> None:
    """Print the rate without and with a journal."""
    with tempfile.TemporaryDirectory() as folder:
        for what, options in (
            ("no journal", []),
            ("journal", ["--journal", os.path.join(folder, "journal")]),
        ):
            command = [sys.executable, "-m", "smsd.simulator", "modem", "--boot", "0", "--count", str(modems)]
            command += ["--link", os.path.join(folder, "modem{}"), *options]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            assert process.stdout is not None
            paths = [process.stdout.readline().split()[2].rstrip(",") for _ in range(modems)]
            taken = drive(paths, messages // modems)
            process.terminate()
            process.wait()
            print(f"{modems} modems, {what}: {messages // modems * modems / taken:.0f} messages/s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
