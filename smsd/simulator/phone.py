"""A phone on the terminal, at the other end of a simulated modem: shows what the modem sent, sends what is typed.

Talks to the control socket of the modem and nothing else, with plain blocking sockets. Long messages are shown once all
their parts are there, as phones do. Works with a pipe as input too: every line is a message.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import IO, Any, Final

HELP: Final = """Type a text and press Enter to send it to the modem. What the modem sends to {who} is shown here.
  /as +15551234567   be this phone from now on
  /flash TEXT        send a class 0 message
  /binary HEX        send octets
  /fail, /deliver    a delivery report for the last message shown: failed, delivered
  /do COMMAND        any command of the control socket (/do help, /do vanish 20, /do status)
  /help, /quit       this text; the end (also Ctrl-D)"""


class Gone(Exception):
    """The modem closed the connection, or cannot be reached; the text says so."""


@dataclass(slots=True)
class Inbox:
    """Puts parts of long messages together, as they come from the control socket's `sent` events."""

    _parts: dict[tuple[str, int, int], dict[int, str]] = field(default_factory=dict)

    def add(self, sent: dict[str, Any]) -> str | None:
        """The text to show, None while parts are missing."""
        text = sent.get("text")
        if text is None:
            text = f"<{len(sent.get('hex', '')) // 2} octets: {sent.get('hex', '')}>"
        if "part" not in sent:
            return str(text)
        reference, total, seq = sent["part"]
        parts = self._parts.setdefault((sent.get("number", ""), reference, total), {})
        parts[seq] = text
        if len(parts) < total:
            return None
        del self._parts[(sent.get("number", ""), reference, total)]
        return "".join(parts[seq] for seq in sorted(parts))

    @property
    def incomplete(self) -> int:
        """Messages of which parts are missing."""
        return len(self._parts)


class Phone:
    """One phone: `number` "" shows what goes to anybody, and answers go from the number shown last."""

    def __init__(self, path: str, number: str, out: IO[str], interactive: bool) -> None:
        self._number, self._out, self._interactive = number, out, interactive
        self._sender = number or "+15551234567"
        self._inbox = Inbox()
        self._buffer = b""
        self._answers = 0
        self.failed = False
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.connect(path)
        except OSError as error:
            raise Gone(
                f"cannot reach a modem at {path} ({error.strerror}): start one with `smsd simulate modem --control {path}`,"
                " or look for `control:` in the configuration of the running server"
            ) from None
        self._ask("watch")

    def _ask(self, line: str) -> None:
        self._answers += 1
        try:
            self._socket.sendall(line.encode() + b"\n")
        except OSError:
            raise Gone("the modem is gone") from None

    def _show(self, text: str) -> None:
        # What came by radio must not steer the terminal; the prompt that stands there is wiped.
        clean = "".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in text)
        print(f"\r\x1b[K{clean}" if self._interactive else clean, file=self._out, flush=True)

    def _prompt(self) -> None:
        if self._interactive:
            print(f"{self._sender}> ", end="", file=self._out, flush=True)

    def run(self, source: int, wait: float = 0.0) -> None:
        """Until the end of input and the answers to it, and `wait` seconds more; Gone when the modem goes."""
        if self._interactive:
            self._show(HELP.format(who=self._number or "anybody"))
        self._prompt()
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            selector.register(source, selectors.EVENT_READ)
            typed = b""
            ending: float | None = None
            while ending is None or self._answers > 0 or time.monotonic() < ending:
                left = None if ending is None else max(0.05, ending - time.monotonic())
                for key, _events in selector.select(left):
                    if key.fd != source:
                        self._hear()
                        continue
                    data = os.read(source, 65536)
                    typed += data
                    *lines, typed = (typed + (b"\n" if not data and typed else b"")).split(b"\n")
                    done = not self._typed(lines)
                    if done or not data:
                        selector.unregister(source)
                        ending = time.monotonic() + (0 if done else wait)
        if self._inbox.incomplete:
            self._show(f"({self._inbox.incomplete} long messages are incomplete)")

    def _typed(self, lines: list[bytes]) -> bool:
        """False when the person is done."""
        for line in lines:
            text = line.decode("utf-8", "replace").strip("\r")
            if text.strip() in ("/quit", "/exit"):
                return False
            if text.strip():
                self._order(text)
            self._prompt()
        return True

    def _order(self, text: str) -> None:
        word, _space, rest = text.strip().partition(" ")
        request: dict[str, Any] = {"do": "receive", "number": self._sender}
        if word == "/help":
            self._show(HELP.format(who=self._number or "anybody"))
        elif word == "/as" and rest:
            self._number = self._sender = rest.strip()
        elif word == "/flash" and rest:
            self._ask(json.dumps({**request, "text": rest, "message_class": 0}))
        elif word == "/binary" and rest:
            self._ask(json.dumps({**request, "hex": rest}))
        elif word in ("/fail", "/deliver"):
            self._ask(
                json.dumps({"do": "report", "status": 0x41 if word == "/fail" else 0, "number": self._sender})
            )
        elif word == "/do" and rest:
            self._ask(rest)
        elif word.startswith("/"):
            self._show(f"no command {word}: try /help (a text that begins with / needs a space before it)")
        else:
            self._ask(json.dumps({**request, "text": text}))

    def _hear(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise Gone("the modem is gone")
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._heard(json.loads(line))

    def _heard(self, facts: dict[str, Any]) -> None:
        if "ok" in facts:
            self._answers -= 1
            if not facts["ok"]:
                self.failed = True
                self._show(f"not sent: {facts['error']}")
                self._prompt()
            elif "answer" in facts and "parts" not in facts["answer"]:
                self._show(json.dumps(facts["answer"], indent=2, ensure_ascii=False))
                self._prompt()
            return
        kind = facts.get("event")
        if kind == "sent" and self._number in ("", facts.get("number")):
            text = self._inbox.add(facts)
            if text is not None:
                self._sender = facts.get("number", self._sender)
                at = time.strftime("%H:%M:%S", time.localtime(facts["time"]))
                indented = text.replace("\n", "\n    ")  # or a text could pass for the next message
                self._show(f"[{at}] to {self._sender}: {indented}")
                self._prompt()
        elif kind in ("vanished", "back"):
            self._show(f"(the modem {'was unplugged' if kind == 'vanished' else 'is back'})")
            self._prompt()


def run(path: str, number: str, wait: float) -> int:
    """The command: 0, or 1 with a reason on the standard error."""
    interactive = sys.stdin.isatty()
    try:
        phone = Phone(path, number, sys.stdout, interactive)
        phone.run(sys.stdin.fileno(), wait)
    except Gone as gone:
        print(gone, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 1 if phone.failed else 0
