"""The SIM and the message memories of the simulated modem: PIN and PUK with their counters, numbered slots, capacities.

State only: no AT, no timers. `Card.enter` counts every attempt, so that tests can tell that a wrong PIN was tried once.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Card:
    """The SIM: `pin` "" means it asks for none. `tries` and `puk_tries` go down with every wrong one."""

    pin: str = ""
    puk: str = "12345678"
    tries: int = 3
    puk_tries: int = 10
    present: bool = True
    unlocked: bool = False
    attempts: int = 0
    imsi: str = "222015550001234"
    iccid: str = "89390100001234567890"
    number: str = "+15550009999"

    @property
    def state(self) -> str:
        """What +CPIN? says: READY, SIM PIN, SIM PUK, or "" without a card."""
        if not self.present:
            return ""
        if self.tries <= 0:
            return "SIM PUK"
        return "READY" if self.unlocked or not self.pin else "SIM PIN"

    def enter(self, pin: str) -> bool:
        """Try a PIN; False when it is wrong, and after the last try the PUK is wanted."""
        self.attempts += 1
        if pin == self.pin:
            self.tries, self.unlocked = 3, True
            return True
        self.tries -= 1
        return False

    def unblock(self, puk: str, pin: str) -> bool:
        """Try the PUK and set a new PIN."""
        if puk == self.puk and self.puk_tries > 0:
            self.pin, self.tries, self.puk_tries, self.unlocked = pin, 3, 10, True
            return True
        self.puk_tries -= 1
        return False


UNREAD, READ, UNSENT, SENT = range(4)
"""<stat> of 27.005 3.1."""


@dataclass(slots=True)
class Stored:
    """A message in a memory: `octets` with the service centre field in front, and its <stat>."""

    octets: bytes
    status: int = UNREAD
    report: bool = False

    @property
    def tpdu_length(self) -> int:
        """What +CMGR and +CMGL state as length."""
        return len(self.octets) - 1 - self.octets[0]


@dataclass(slots=True)
class Memory:
    """One storage; slots are numbered from `first` on."""

    name: str
    capacity: int
    first: int = 1
    slots: dict[int, Stored] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        """No free slot."""
        return len(self.slots) >= self.capacity

    def add(self, stored: Stored) -> int:
        """Put into the lowest free slot; IndexError when full."""
        if self.full:
            raise IndexError(self.name)
        index = next(i for i in range(self.first, self.first + self.capacity) if i not in self.slots)
        self.slots[index] = stored
        return index

    def valid(self, index: int) -> bool:
        """Whether there is such a slot at all, filled or not."""
        return self.first <= index < self.first + self.capacity
