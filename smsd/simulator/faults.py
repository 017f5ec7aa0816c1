"""What goes wrong with the simulated modem, and when: a list of rules, silence, byte-by-byte writing, a bad echo.

Data and counting only; `modem` carries the actions out. A rule fires at the `nth` occasion from the moment it was set,
`times` times (0: for ever).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

POINTS: Final = ("command", "prompt", "message", "accepted")
"""Occasions: a command is about to run; the prompt is about to be shown; Ctrl-Z came (nothing accepted yet); the network
has taken the message and the journal has it, but nothing was answered."""

ACTIONS: Final = ("answer", "drop", "vanish", "silence", "garbage")
"""`answer` value as the final result; `drop` the answer; `vanish` for value seconds (empty: until told), `silence` for
value seconds (empty: until told); `garbage`: write the octets of value (hex), then go on as if nothing had been."""

ECHOES: Final = ("normal", "always", "twice", "never")
"""`always`: ATE0 is answered OK and ignored; `never`: no echo whatever ATE says."""


@dataclass(slots=True)
class Rule:
    """One thing that goes wrong. `match` limits it to commands that begin so (without AT)."""

    at: str
    action: str
    nth: int = 1
    times: int = 1
    match: str = ""
    value: str = ""
    seen: int = 0

    def __post_init__(self) -> None:
        if self.at not in POINTS:
            raise ValueError(f"no point {self.at!r}; there are: {', '.join(POINTS)}")
        if self.action not in ACTIONS:
            raise ValueError(f"no action {self.action!r}; there are: {', '.join(ACTIONS)}")
        if self.nth < 1:
            raise ValueError(f"nth is {self.nth}; the first occasion is 1")


@dataclass(slots=True)
class Faults:
    """All that is wrong at the moment. `chunk` octets (0: all) are written every `pause` seconds."""

    rules: list[Rule] = field(default_factory=list)
    silent: bool = False
    silent_after: int | None = None
    chunk: int = 0
    pause: float = 0.0
    echo: str = "normal"
    wrong_length: int = 0
    rude: bool = False  # unsolicited lines even inside a prompt

    def mend(self) -> None:
        """Nothing is wrong any more."""
        self.rules.clear()
        self.silent, self.silent_after, self.rude = False, None, False
        self.chunk, self.pause, self.echo, self.wrong_length = 0, 0.0, "normal", 0

    def hit(self, at: str, command: str = "") -> Rule | None:
        """The rule that fires now, if one does; counts this occasion for all that match."""
        found = None
        for rule in list(self.rules):
            if rule.at != at or not command.startswith(rule.match):
                continue
            rule.seen += 1
            if rule.seen >= rule.nth and found is None:
                found = rule
                if rule.times and rule.seen - rule.nth + 1 >= rule.times:
                    self.rules.remove(rule)
        return found

    def let_out(self, data: bytes) -> bytes:
        """What of `data` gets out of the modem while it is, or falls, silent."""
        if self.silent:
            return b""
        if self.silent_after is None:
            return data
        data, self.silent_after = data[: self.silent_after], self.silent_after - len(data)
        if self.silent_after <= 0:
            self.silent, self.silent_after = True, None
        return data
