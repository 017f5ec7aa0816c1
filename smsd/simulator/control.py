"""The control socket of a simulated modem: one command a line, as words or as JSON, one JSON answer a line.

`vanish 20`, `fail command 3 match=+CMGS value="+CMS ERROR: 500"`, `{"do": "receive", "number": "+1555…", "text": "hi"}`.
The public methods of `Controls` are the commands; `help` lists them. `watch` makes the connection hear every event too.
The socket is only for the user who started the modem.
"""

from __future__ import annotations

import inspect
import json
import os
import shlex
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineOnlyReceiver

from smsd.simulator import faults
from smsd.simulator.incoming import Shape
from smsd.values.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable

    from smsd.simulator.modem import SimulatedModem

_ON: Final = {
    "1": True,
    "yes": True,
    "on": True,
    "true": True,
    "0": False,
    "no": False,
    "off": False,
    "false": False,
}


def _switch(value: Any) -> bool:
    try:
        return _ON[str(value).lower()]
    except KeyError:
        raise ValueError(f"{value!r} is neither on nor off") from None


def _pairs(value: Any) -> list[tuple[float, int]]:
    """`1:0x20,5:0` (seconds and status), or a list of pairs."""
    if isinstance(value, str):
        value = [item.split(":") for item in value.split(",") if item]
    return [(float(delay), int(str(status), 0)) for delay, status in value]


def _numbers(value: Any) -> list[int]:
    if isinstance(value, str):
        value = [item for item in value.split(",") if item]
    return [int(item) for item in value]


_READ: Final[dict[str, Callable[[Any], Any]]] = {
    "str": str,
    "int": lambda value: int(str(value), 0),
    "float": float,
    "float | None": lambda value: None if value is None else float(value),
    "int | None": lambda value: None if value is None else int(str(value), 0),
    "bool": _switch,
    "Pairs": _pairs,
    "Numbers": _numbers,
}
Pairs = Any
Numbers = Any


class Controls:
    """Every public method is a command; what it returns is the answer."""

    def __init__(self, modem: SimulatedModem) -> None:
        self._modem = modem

    def help(self) -> dict[str, str]:
        """All commands with their arguments."""
        return {
            name: f"{_usage(name, method)} - {inspect.getdoc(method)}"
            for name, method in _commands(self).items()
        }

    def status(self) -> dict[str, Any]:
        """State and counts."""
        return self._modem.facts()

    def sent(self, last: int = 100) -> list[dict[str, Any]]:
        """The last messages that the network accepted."""
        return [sent.facts() for sent in self._modem.sent[-last:]]

    def latency(self, seconds: float, to: float | None = None) -> None:
        """How long a send takes; a random time between the two."""
        self._modem.set_latency(seconds, to)

    def fail(
        self, at: str, nth: int = 1, action: str = "answer", value: str = "", match: str = "", times: int = 1
    ) -> None:
        """At the nth command, prompt, message or accepted from now: answer value (+CMS ERROR: 500), drop the answer,
        vanish or be silent for value seconds, write garbage (value: hex). match: the command begins so; times 0: always."""
        if action == "answer" and not value:
            value = "ERROR"
        if action == "garbage":
            bytes.fromhex(value)
        if action in ("vanish", "silence") and value:
            float(value)
        self._modem.faults.rules.append(faults.Rule(at, action, nth, times, match, value))

    def mend(self) -> None:
        """Forget all faults; silence ends."""
        self._modem.faults.mend()
        self._modem.speak()

    def drop_answer(self, nth: int = 1, times: int = 1) -> None:
        """Accept the nth message and never answer: the sender is left in doubt."""
        self.fail("accepted", nth, "drop", times=times)

    def silence(self, seconds: float | None = None, after: int | None = None) -> None:
        """Neither hear nor say anything, from now or after so many octets written."""
        self._modem.silence(seconds, after)

    def speak(self) -> None:
        """End the silence."""
        self._modem.speak()

    def vanish(self, seconds: float | None = None) -> None:
        """Unplug the modem, for so long or until `back`."""
        self._modem.vanish(seconds)

    def back(self) -> None:
        """Plug it in again."""
        self._modem.come_back()

    def restart(self) -> None:
        """Reset the modem; the line stays."""
        self._modem.restart()

    def pin(self, pin: str = "", tries: int = 3) -> None:
        """The SIM wants this PIN from now on (none: no PIN); tries 0: it wants its PUK."""
        card = self._modem.card
        card.pin, card.tries, card.unlocked = pin, tries, False

    def sim(self, present: bool) -> None:
        """Put the SIM in or take it out."""
        self._modem.card.present = present

    def register(self, state: int) -> None:
        """Registration: 0 off, 1 home, 2 searching, 3 denied, 5 roaming."""
        self._modem.register(state)

    def signal(self, value: int) -> None:
        """What +CSQ says: 0..31, 99 unknown."""
        self._modem.signal = value

    def receive(
        self, number: str, text: str = "", hex: str = "", reference: int | None = None, width: int = 8,
        order: Numbers = (), udh: str = "", message_class: int | None = None, pid: int = 0,
    ) -> dict[str, int]:  # fmt: skip
        """An SMS comes in: a text or octets (hex); order=2,1,1 for its parts."""
        shape = Shape(width, bytes.fromhex(udh), message_class, pid, order=tuple(order))
        parts = self._modem.receive(
            number, bytes.fromhex(hex) if hex else text, reference=reference, shape=shape
        )
        return {"parts": parts}

    def tpdu(self, hex: str, report: bool = False) -> None:
        """A TPDU comes in as it is, right or wrong."""
        self._modem.network.inject(bytes.fromhex(hex), report)

    def report(self, status: int = 0, mr: int | None = None, number: str = "") -> dict[str, int]:
        """A status report now: 0 delivered, 0x20 still trying, 0x41 failed."""
        return {"mr": self._modem.report(status, mr, number)}

    def reports(self, plan: Pairs = (), number: str = "") -> None:
        """Which reports follow a send: seconds:status,… (negative: before the answer; nothing: none), for one number or all."""
        if number:
            self._modem.network.reports_for[number] = plan
        else:
            self._modem.network.reports = plan

    def flood(self, line: str = "^RSSI:18", count: int = 100, every: float = 0.0) -> None:
        """Unsolicited lines."""
        self._modem.flood(line, count, every)

    def garbage(self, hex: str) -> None:
        """Octets on the line."""
        self._modem.write_raw(bytes.fromhex(hex))

    def chunks(self, size: int = 1, pause: float = 0.0) -> None:
        """Write so many octets at a time with a pause between (0: all at once)."""
        self._modem.faults.chunk, self._modem.faults.pause = size, pause

    def wrong_length(self, by: int = 1) -> None:
        """State a wrong length in +CMT and +CDS."""
        self._modem.faults.wrong_length = by

    def echo(self, mode: str = "normal") -> None:
        """normal, always (whatever ATE says), twice, never."""
        if mode not in faults.ECHOES:
            raise ValueError(f"no echo {mode!r}; there are: {', '.join(faults.ECHOES)}")
        self._modem.faults.echo = mode

    def rude(self, on: bool = True) -> None:
        """Unsolicited lines even between the prompt and its data."""
        self._modem.faults.rude = on

    def fill(self, memory: str = "") -> dict[str, int]:
        """Fill a memory with old messages."""
        return {"added": self._modem.fill(memory)}

    def empty(self, memory: str = "") -> None:
        """Empty a memory."""
        self._modem.memory(memory).slots.clear()
        self._modem.network.push()

    def acknowledge_within(self, seconds: float, again: float = 5.0) -> None:
        """How long +CNMA may take, and when the network tries again."""
        self._modem.network.acknowledge_within, self._modem.network.again_after = seconds, again


def _commands(controls: Controls) -> dict[str, Callable[..., Any]]:
    return {
        name: method
        for name, method in inspect.getmembers(controls, inspect.ismethod)
        if not name.startswith("_")
    }


def _usage(name: str, method: Callable[..., Any]) -> str:
    words = [name]
    for parameter in inspect.signature(method).parameters.values():
        words.append(parameter.name if parameter.default is parameter.empty else f"[{parameter.name}]")
    return " ".join(words)


def read_request(line: str) -> tuple[str, list[Any], dict[str, Any]]:
    """The command and its arguments in one line; ValueError when it cannot be read."""
    if line.lstrip().startswith("{"):
        request = json.loads(line)
        if not isinstance(request.get("do"), str):
            raise ValueError('say what to do: {"do": "status"}')
        return request.pop("do"), [], request
    words = shlex.split(line)
    named = dict(word.split("=", 1) for word in words[1:] if _is_named(word))
    return words[0], [word for word in words[1:] if not _is_named(word)], named


def _is_named(word: str) -> bool:
    return word.partition("=")[0].isidentifier() and "=" in word


def obey(controls: Controls, line: str) -> dict[str, Any]:
    """Carry out one line: `{"ok": true, "answer": …}`, or `{"ok": false, "error": …}` that says what is wrong."""
    try:
        name, given, named = read_request(line)
        method = _commands(controls).get(name)
        if method is None:
            raise ValueError(f"no command {name!r}: try help")
        try:
            bound = inspect.signature(method).bind(*given, **named)
        except TypeError as error:
            raise ValueError(f"{error}; it is: {_usage(name, method)}") from None
        annotations = inspect.signature(method).parameters
        values = {
            key: _READ[str(annotations[key].annotation)](value) for key, value in bound.arguments.items()
        }
        answer = method(**values)
    except (ValueError, InvalidValue, KeyError, IndexError, OSError) as error:
        return {"ok": False, "error": str(error)}
    return {"ok": True} if answer is None else {"ok": True, "answer": answer}


class ControlProtocol(LineOnlyReceiver):
    """One connection to the control socket."""

    delimiter = b"\n"
    MAX_LENGTH = 1 << 20

    def __init__(self, modem: SimulatedModem) -> None:
        self._modem = modem
        self._controls = Controls(modem)

    def lineReceived(self, line: bytes) -> None:
        """One command."""
        text = line.decode("utf-8", "replace").strip()
        if not text:
            return
        if text in ("watch", '{"do": "watch"}'):
            if self._told not in self._modem.listeners:
                self._modem.listeners.append(self._told)
            self._told({"ok": True})
            return
        self._told(obey(self._controls, text))

    def _told(self, facts: dict[str, Any]) -> None:
        self.sendLine(json.dumps(facts).encode())

    def connectionLost(self, reason: Any = None) -> None:
        """Nobody listens any more."""
        if self._told in self._modem.listeners:
            self._modem.listeners.remove(self._told)


class ControlFactory(Factory):
    """Connections to the control socket of one modem."""

    noisy = False

    def __init__(self, modem: SimulatedModem) -> None:
        self._modem = modem

    def buildProtocol(self, addr: Any) -> ControlProtocol:
        """One more."""
        return ControlProtocol(self._modem)


def listen(reactor: Any, path: str, modem: SimulatedModem) -> Any:
    """Listen on the Unix socket `path` (mode 0600); an IListeningPort. A socket that a dead process left is replaced."""
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    return reactor.listenUNIX(path, ControlFactory(modem), mode=0o600, wantPID=True)
