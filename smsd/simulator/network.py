"""The network behind the simulated modem: takes SUBMITs, keeps a journal, sends reports, hands over what is for the modem.

One message is handed over at a time and the next waits for its acknowledgement (24.011): what the modem does not take
stays here and is tried again. The journal line of a SUBMIT is written before anybody hears that it was accepted.
"""

from __future__ import annotations

import enum
import json
import os
import time
from collections import Counter, deque
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from smsd.codec import tpdu as tpdus
from smsd.simulator import structure
from smsd.values.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable

HOME, SEARCHING, DENIED, ROAMING = 1, 2, 3, 5
"""Registration states of +CREG."""


class Taken(enum.Enum):
    """What the modem says of a message that it is offered."""

    YES = "yes"
    LATER = "later"  # no room, or no modem there
    WAIT = "wait"  # handed to the terminal, which has to acknowledge


@dataclass(frozen=True)
class Sent:
    """A SUBMIT that the network accepted at `at` (seconds since 1970) as reference `mr`."""

    at: float
    mr: int
    octets: bytes

    @cached_property
    def submit(self) -> tpdus.Submit | None:
        """As the codec reads it; None if it cannot."""
        try:
            found = tpdus.decode_mo(self.octets)
        except DecodeError:
            return None
        return found if isinstance(found, tpdus.Submit) else None

    @property
    def number(self) -> str:
        """The recipient."""
        return self.submit.recipient.text if self.submit else ""

    @property
    def text(self) -> str | None:
        """The text of this part; None for octets."""
        return self.submit.user_data.text if self.submit else None

    def facts(self) -> dict[str, Any]:
        """What the journal and the control socket tell of it."""
        facts: dict[str, Any] = {"time": round(self.at, 6), "mr": self.mr}
        submit = self.submit
        if submit is not None:
            data = submit.user_data
            facts["number"], facts["text"] = submit.recipient.text, data.text
            if data.text is None:
                facts["hex"] = data.payload.hex()
            if data.elements is not None:
                facts["udh"] = data.elements.hex()
            if data.concat is not None:
                facts["part"] = [data.concat.reference, data.concat.total, data.concat.seq]
            facts["report"] = submit.status_report
        facts["pdu"] = self.octets.hex()
        return facts


class Journal:
    """A file with one JSON line for each accepted SUBMIT; several modems may share it (appending is one write)."""

    def __init__(self, path: str, modem: str) -> None:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._modem = modem

    def write(self, sent: Sent) -> None:
        """Add a line; it is in the file when this returns."""
        os.write(self._file, (json.dumps({"modem": self._modem, **sent.facts()}) + "\n").encode())

    def close(self) -> None:
        """No more."""
        os.close(self._file)


class Network:
    """`offer(octets, is_report)` hands a TPDU to the modem, `unacknowledged` tells it that +CNMA did not come."""

    def __init__(
        self,
        clock: Any,
        offer: Callable[[bytes, bool], Taken],
        unacknowledged: Callable[[], None],
        journal: Journal | None = None,
        kept: int = 10_000,
    ) -> None:
        self._clock, self._offer, self._unacknowledged, self._journal = clock, offer, unacknowledged, journal
        self.sent: deque[Sent] = deque(maxlen=kept)
        self.stats: Counter[str] = Counter()
        self.registration = HOME
        self.reference = 0
        self.service_centre = "+15550000001"
        self.reports: list[tuple[float, int]] = [(1.0, 0x00)]
        self.reports_for: dict[str, list[tuple[float, int]]] = {}
        self.acknowledge_within = 15.0
        self.again_after = 5.0
        self.accepted: Callable[[Sent], None] = lambda sent: None
        self._waiting: deque[tuple[bytes, bool]] = deque()
        self._due: deque[Any] = deque()
        self._timer: Any = None
        self._handed = False
        self._pushing = False

    @property
    def registered(self) -> bool:
        """Whether there is service."""
        return self.registration in (HOME, ROAMING)

    @property
    def waiting(self) -> int:
        """Messages for the modem that it has not taken yet."""
        return len(self._waiting)

    @property
    def handed(self) -> bool:
        """Whether one is out to the terminal without its +CNMA."""
        return self._handed

    def stamp(self) -> bytes:
        """Now, as TP-SCTS."""
        return structure.stamp(*time.gmtime(self._clock.seconds())[:6])

    def submit(self, octets: bytes, fields: structure.Submit) -> int:
        """Accept a SUBMIT: journal first, then its reports are planned. The reference that it gets."""
        mr = self.reference
        self.reference = (mr + 1) & 0xFF
        sent = Sent(self._clock.seconds(), mr, octets)
        if self._journal is not None:
            self._journal.write(sent)
        self.sent.append(sent)
        self.stats["sent"] += 1
        if fields.report_wanted:
            plan = self.reports_for.get(sent.number, self.reports) if self.reports_for else self.reports
            stamp = self.stamp()
            for delay, status in plan:
                if delay < 0:  # a network may be quicker than the modem's own answer
                    self.report(mr, fields.destination, stamp, status)
                else:
                    self._due.append(
                        self._clock.callLater(delay, self.report, mr, fields.destination, stamp, status)
                    )
            while self._due and not self._due[0].active():
                self._due.popleft()
        self.accepted(sent)
        return mr

    def report(self, mr: int, recipient: bytes, stamp: bytes, status: int) -> None:
        """Send a STATUS-REPORT to the modem; `recipient` is the address field of the SUBMIT."""
        self.inject(structure.status_report(mr, recipient, stamp, self.stamp(), status), report=True)

    def inject(self, octets: bytes, report: bool = False) -> None:
        """A TPDU for the modem, behind those that wait."""
        self._waiting.append((octets, report))
        self.push()

    def push(self) -> None:
        """Hand over what waits, as far as the modem takes it."""
        if self._pushing:
            return
        self._pushing = True
        try:
            while self._waiting and not self._handed and self.registered:
                taken = self._offer(*self._waiting[0])
                if taken is Taken.LATER:
                    self._wait(self.again_after, self.push)
                    return
                if taken is Taken.WAIT:
                    self._handed = True
                    self._wait(self.acknowledge_within, self._too_late)
                    return
                self._taken()
        finally:
            self._pushing = False

    def acknowledge(self, good: bool = True) -> None:
        """The terminal said +CNMA (`good`), or that it could not take it: then it is offered again later."""
        self._handed = False
        if good:
            self._cancel()
            self._taken()
            self.push()
        else:
            self._wait(self.again_after, self.push)

    def interrupted(self) -> None:
        """The modem is gone: what was handed over stays."""
        self._handed = False
        self._cancel()

    def _taken(self) -> None:
        _octets, report = self._waiting.popleft()
        self.stats["reports" if report else "received"] += 1

    def _too_late(self) -> None:
        self._handed = False
        self.stats["unacknowledged"] += 1
        self._unacknowledged()
        self._wait(self.again_after, self.push)

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        self._cancel()
        self._timer = self._clock.callLater(seconds, then)

    def _cancel(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def close(self) -> None:
        """Stop the timers and close the journal."""
        self._cancel()
        for call in self._due:
            if call.active():
                call.cancel()
        self._due.clear()
        if self._journal is not None:
            self._journal.close()
            self._journal = None
