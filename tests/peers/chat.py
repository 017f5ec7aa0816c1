"""Chat programs for tests: each a process with slixmpp (see `chatting`), its session recorded."""

from __future__ import annotations

import importlib.util
import itertools
import json
import subprocess
import threading
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tests.rig.processes import RigError, environment, python, until

CLIENT = "{jabber:client}"


def missing() -> str | None:
    """Why there can be none here, or None."""
    return None if importlib.util.find_spec("slixmpp") else "slixmpp is not installed"


class Refused(Exception):
    """An order was answered with an error stanza: `condition`, `type` and `text` are what it says."""

    def __init__(self, said: dict[str, str]) -> None:
        super().__init__(f"{said.get('condition')}: {said.get('text')}")
        self.condition, self.type, self.text = (said.get(key, "") for key in ("condition", "type", "text"))


class Chat:
    """Somebody's chat program. `record` has what went in and out, in order; orders are methods of `chatting`."""

    def __init__(self, port: int, jid: str, folder: Path, password: str = "") -> None:
        self.jid = jid
        self.full = ""
        self.record: list[tuple[str, str]] = []
        self._parsed: list[ElementTree.Element] = []
        self._results: dict[int, dict[str, Any]] = {}
        self._orders = itertools.count(1)
        self._online = 0
        self._errors = folder / f"{jid.replace('/', '-')}.chat"
        password = password or jid.partition("@")[0]
        command = python("tests.peers.chatting", "127.0.0.1", str(port), jid, password)
        with open(self._errors, "ab") as errors:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environment()
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.online()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            if "order" in said:
                self._results[said["order"]] = said
            elif "state" in said:
                self.full = said.get("jid", "")
                self._online += said["state"] == "online"
            else:
                self.record.extend(said.items())

    def online(self, times: int = 1) -> None:
        """Wait until it has logged in so many times."""
        until(lambda: self._ended() or (self._online >= times and self.full), 60, f"{self.jid} online")

    def _ended(self) -> bool:
        if self._process.poll() is not None:
            raise RigError(f"the chat program of {self.jid} ended: {self._errors.read_text()[-500:]}")
        return False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda **details: self.order(name, **details)

    def begin(self, do: str, **details: Any) -> int:
        """Give an order; its number."""
        number = next(self._orders)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"order": number, "do": do, **details}).encode() + b"\n")
        self._process.stdin.flush()
        return number

    def order(self, do: str, **details: Any) -> Any:
        """Give an order and wait for its result; Refused when an error stanza comes back."""
        number = self.begin(do, **details)
        said = until(lambda: self._results.pop(number, None), 60, f"{self.jid}: {do}")
        if "error" in said:
            raise Refused(said["error"])
        return said["result"]

    def stanzas(self, kind: str = "message", way: str = "in") -> list[ElementTree.Element]:
        """What came in so far, or went out."""
        for _, xml in self.record[len(self._parsed) :]:
            self._parsed.append(ElementTree.fromstring(xml))
        return [
            stanza
            for (seen, _), stanza in zip(list(self.record), self._parsed, strict=False)
            if seen == way and stanza.tag.rpartition("}")[2] == kind
        ]

    def said(self, sender: str = "") -> list[tuple[str, str]]:
        """(from, body) of the messages with a text that are no errors."""
        return [
            (stanza.get("from", ""), body)
            for stanza in self.stanzas()
            if (body := text(stanza, "body"))
            and stanza.get("type") != "error"
            and stanza.get("from", "").startswith(sender)
        ]

    def receipts(self) -> list[tuple[str, str]]:
        """(from, id of the message that arrived)."""
        found = [
            (stanza.get("from", ""), stanza.find("{urn:xmpp:receipts}received")) for stanza in self.stanzas()
        ]
        return [(sender, received.get("id", "")) for sender, received in found if received is not None]

    def errors(self) -> list[dict[str, str]]:
        """The error stanzas that answer messages: who says so, the message's id, the condition, its type and its text."""
        return [problem(stanza) for stanza in self.stanzas() if stanza.get("type") == "error"]

    def stop(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()
        self._reader.join(10)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def text(stanza: ElementTree.Element, name: str) -> str:
    """What an element of the stanza's own says; "" without it."""
    return stanza.findtext(name) or stanza.findtext(CLIENT + name) or ""


def problem(stanza: ElementTree.Element) -> dict[str, str]:
    """An error stanza in words."""
    said = {"from": stanza.get("from", ""), "id": stanza.get("id", ""), "condition": "", "text": ""}
    for error in (*stanza.findall("error"), *stanza.findall(CLIENT + "error")):
        said["type"] = error.get("type", "")
        for part in error:
            name = part.tag.rpartition("}")[2]
            if name == "text":
                said["text"] = part.text or ""
            elif not said["condition"]:
                said["condition"] = name
    return said
