"""AT commands for SMS (3GPP TS 27.005, 27.007): a sans-I/O session and the readers of a modem's answers.

Bytes in, events out; commands in, bytes out; time only through `Session.timeout`. Owns the dialogue's grammar and the
classes of its errors; must never know a device, a clock, a PDU's inside (`smsd.codec.tpdu`) or a modem's model
(`etc/modems.yaml`). No octets a modem can say make it raise or grow.
"""

from __future__ import annotations

from smsd.codec.at.answers import (
    Slot,
    identifier,
    listing,
    memories,
    notify_ranges,
    pin_state,
    record,
    reference,
    registration,
    service_centre,
    signal,
)
from smsd.codec.at.errors import Remedy, Verdict, failure, judge
from smsd.codec.at.events import (
    Answer,
    Command,
    Event,
    Incoming,
    Intermediate,
    Notice,
    Outcome,
    OutOfStep,
    Overlong,
    Prompt,
    Registration,
    Silence,
    Stored,
    StrayPrompt,
)
from smsd.codec.at.session import ESCAPE, SUBMIT, Session, SessionBusy

__all__ = [
    "ESCAPE",
    "SUBMIT",
    "Answer",
    "Command",
    "Event",
    "Incoming",
    "Intermediate",
    "Notice",
    "OutOfStep",
    "Outcome",
    "Overlong",
    "Prompt",
    "Registration",
    "Remedy",
    "Session",
    "SessionBusy",
    "Silence",
    "Slot",
    "Stored",
    "StrayPrompt",
    "Verdict",
    "failure",
    "identifier",
    "judge",
    "listing",
    "memories",
    "notify_ranges",
    "pin_state",
    "record",
    "reference",
    "registration",
    "service_centre",
    "signal",
]
