"""A mail relay that is everybody's mailbox: `python -m tests.rig.mailbox FOLDER`, a process of its own.

Plain asyncio, nothing of the house. One JSON line per mail (when it began, when it was whole, its envelope and its
octets) is in FOLDER/mails before the 250; the port is in FOLDER/port.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import email
import email.policy
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.rig.processes import Process, python, until, whole_lines


@dataclass(frozen=True)
class Letter:
    """A mail as the mailbox got it; `began` and `whole` are CLOCK_MONOTONIC seconds."""

    began: float
    whole: float
    to: str
    message_id: str
    text: str


class Mailbox:
    """The process, for whoever starts it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "mails"
        self._file.touch()
        self.process = Process("mailbox", python("tests.rig.mailbox", str(folder)), folder / "mailbox.log")
        until(lambda: (folder / "port").exists(), 30, "the mailbox", self.process)
        self.port = int((folder / "port").read_text())

    def count(self) -> int:
        """How many mails there are."""
        return whole_lines(self._file).count(b"\n")

    def letters(self) -> list[Letter]:
        """All mails, oldest first."""
        found = []
        for line in whole_lines(self._file).splitlines():
            facts = json.loads(line)
            mail = email.message_from_bytes(facts["octets"].encode("latin-1"), policy=email.policy.default)
            body = mail.get_body(("plain",))
            found.append(
                Letter(facts["began"], facts["whole"], facts["to"], str(mail["message-id"] or ""),
                       body.get_content() if body is not None else "")
            )  # fmt: skip
        return found

    def stop(self) -> None:
        """End the process."""
        self.process.kill()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, journal: int) -> None:
    began, recipient = 0.0, ""
    writer.write(b"220 mailbox\r\n")
    while line := await reader.readline():
        verb = line[:4].upper()
        if verb == b"EHLO":
            writer.write(b"250-mailbox\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
        elif verb == b"MAIL":
            began = time.monotonic()
            writer.write(b"250 ok\r\n")
        elif verb == b"RCPT":
            recipient = line[8:].strip().decode("latin-1")
            writer.write(b"250 ok\r\n")
        elif verb == b"DATA":
            writer.write(b"354 go on\r\n")
            octets = b""
            while (line := await reader.readline()) not in (b".\r\n", b""):
                octets += line[1:] if line.startswith(b".") else line
            if not line:
                break
            facts: dict[str, Any] = {
                "began": began, "whole": time.monotonic(), "to": recipient, "octets": octets.decode("latin-1")
            }  # fmt: skip
            os.write(journal, json.dumps(facts).encode() + b"\n")
            writer.write(b"250 ok\r\n")
        elif verb == b"QUIT":
            writer.write(b"221 bye\r\n")
            break
        else:
            writer.write(b"250 ok\r\n")
    writer.close()


async def _run(folder: Path) -> None:
    journal = os.open(folder / "mails", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await _serve(reader, writer, journal)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20)
    fresh = folder / "port.new"
    fresh.write_text(str(server.sockets[0].getsockname()[1]))
    fresh.rename(folder / "port")
    await server.serve_forever()


def main() -> None:
    """The process itself."""
    read = argparse.ArgumentParser(description=__doc__)
    read.add_argument("folder", type=Path)
    asyncio.run(_run(read.parse_args().folder))


if __name__ == "__main__":
    main()
