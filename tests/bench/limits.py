"""What this machine can do at all: its disk's fsyncs, its pseudo-terminals, a modem's line."""

from __future__ import annotations

import os
import time
import tty
from pathlib import Path

_PDU = "0011000B915155001011F10000AA05E8329BFD06"  # SUBMIT of "hello" behind an empty SMSC
_LENGTH = len(_PDU) // 2 - 1


def fsyncs(folder: Path, seconds: float) -> float:
    """fdatasync per second of 4 KiB appended to a file in this folder."""
    path = folder / "fsync.probe"
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    block = os.urandom(4096)
    count, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        os.write(file, block)
        os.fdatasync(file)
        count += 1
    os.close(file)
    path.unlink()
    return count / seconds


class Direct:
    """The shortest way to a modem: a blocking loop on its device, nothing else. What the line itself can carry."""

    def __init__(self, device: str) -> None:
        self._line = os.open(device, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._line)
        for command in ("ATE0", "AT+CMGF=0", "AT+CNMI=0,0,0,0,0"):
            self._say(f"{command}\r".encode(), b"OK\r\n")

    def _say(self, octets: bytes, until: bytes) -> None:
        os.write(self._line, octets)
        answer = b""
        while not answer.endswith(until):
            answer += os.read(self._line, 4096)
            if b"ERROR" in answer:
                raise OSError(f"the modem said {answer!r}")

    def send(self) -> None:
        """One SMS."""
        self._say(f"AT+CMGS={_LENGTH}\r".encode(), b"> ")
        self._say(f"{_PDU}\x1a".encode(), b"OK\r\n")

    def rate(self, count: int) -> float:
        """Messages per second over `count` of them."""
        began = time.monotonic()
        for _ in range(count):
            self.send()
        return count / (time.monotonic() - began)

    def close(self) -> None:
        """Give the device back."""
        os.close(self._line)
