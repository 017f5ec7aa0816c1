"""Reading TPDUs: any octets at all give a value or `DecodeError`, nothing else.

The same first octet means different things by direction, so there are two readers: `decode_mt` for what the
network sends (and what a modem keeps as received) and `decode_mo` for what a phone sends (and keeps as unsent
or sent). What a message cannot do without raises; anything after that is read as far as it goes. The length a
modem states beside a PDU plays no part: fields say where they end, and octets left over are ignored.
"""

from __future__ import annotations

from typing import Union

from smsd.codec.timestamps import ABSOLUTE, ENHANCED, NO_VALIDITY, RELATIVE, Validity
from smsd.codec.tpdu import address, userdata
from smsd.codec.tpdu.values import (
    NO_EXTRAS,
    Command,
    Deliver,
    DeliverReport,
    Extras,
    StatusReport,
    Submit,
    SubmitReport,
)
from smsd.values.errors import DecodeError

FromNetwork = Union[Deliver, SubmitReport, StatusReport]
FromPhone = Union[Submit, DeliverReport, Command]

_PERIOD = {NO_VALIDITY: 0, ENHANCED: 7, RELATIVE: 1, ABSOLUTE: 7}


def decode_mt(octets: bytes, error: bool | None = None) -> FromNetwork:
    """The TPDU that came from the network: `Deliver`, `StatusReport` or `SubmitReport`.

    `error` says whether a submit report came in an RP-ERROR; None guesses by its second octet.
    """
    kind = _first(octets) & 3
    if kind == 1:
        return _submit_report(octets, error)
    if kind == 2:
        return _status_report(octets)
    return _deliver(octets)


def decode_mo(octets: bytes, error: bool | None = None) -> FromPhone:
    """The TPDU that came from a phone: `Submit`, `Command` or `DeliverReport` (with `error` as above)."""
    kind = _first(octets) & 3
    if kind == 0:
        return _deliver_report(octets, error)
    if kind == 1:
        return _submit(octets)
    if kind == 2:
        return _command(octets)
    raise DecodeError("a message from a phone cannot have the type 3, which is reserved")


def _first(octets: bytes) -> int:
    if not octets:
        raise DecodeError("the message is empty")
    return octets[0]


def _need(octets: bytes, end: int, what: str) -> None:
    if len(octets) < end:
        raise DecodeError(f"the message ends before its {what}: {len(octets)} octets, {end} are needed")


def _padded(octets: bytes, at: int) -> bytes:
    """The seven octets of a time stamp; missing ones as if there were no date."""
    field = octets[at : at + 7]
    return field if len(field) == 7 else bytes(7)


def _deliver(octets: bytes) -> Deliver:
    first = octets[0]
    sender, at = address.read(octets, 1)
    _need(octets, at + 2, "coding")
    return Deliver(
        sender=sender,
        user_data=userdata.read(octets, at + 9, octets[at + 1], bool(first & 0x40)),
        dcs=octets[at + 1],
        pid=octets[at],
        scts=_padded(octets, at + 2),
        more=not first & 0x04,
        loop_prevention=bool(first & 0x08),
        report_indication=bool(first & 0x20),
        reply_path=bool(first & 0x80),
    )


def _submit(octets: bytes) -> Submit:
    first = octets[0]
    _need(octets, 2, "reference")
    recipient, at = address.read(octets, 2)
    _need(octets, at + 2, "coding")
    vpf = first >> 3 & 3
    end = at + 2 + _PERIOD[vpf]
    period = octets[at + 2 : end]
    whole = vpf != NO_VALIDITY and len(period) == _PERIOD[vpf]
    return Submit(
        recipient=recipient,
        user_data=userdata.read(octets, end, octets[at + 1], bool(first & 0x40)),
        dcs=octets[at + 1],
        pid=octets[at],
        reference=octets[1],
        validity=Validity(vpf, period) if whole else None,
        status_report=bool(first & 0x20),
        reject_duplicates=bool(first & 0x04),
        reply_path=bool(first & 0x80),
    )


def _extras(octets: bytes, at: int, headed: bool, then: int = 0) -> Extras:
    """What the indicator at `at` announces, `then` octets further on; nothing for a tail of padding.

    Phones fill a stored record up with FF, which would announce everything.
    """
    rest = octets[at:]
    if not rest or not rest.strip(b"\xff"):
        return NO_EXTRAS
    indicator = rest[0]
    while at < len(octets) and octets[at] & 0x80:  # bit 7: one more indicator octet follows
        at += 1
    at += 1 + then
    pid = dcs = None
    if indicator & 1 and at < len(octets):
        pid, at = octets[at], at + 1
    if indicator & 2 and at < len(octets):
        dcs, at = octets[at], at + 1
    data = userdata.read(octets, at, dcs or 0, headed) if indicator & 4 and at < len(octets) else None
    return Extras(pid, dcs, data)


def _status_report(octets: bytes) -> StatusReport:
    first = octets[0]
    _need(octets, 2, "reference")
    recipient, at = address.read(octets, 2)
    _need(octets, at + 15, "status")
    return StatusReport(
        reference=octets[1],
        recipient=recipient,
        scts=octets[at : at + 7],
        discharge=octets[at + 7 : at + 14],
        status=octets[at + 14],
        more=not first & 0x04,
        loop_prevention=bool(first & 0x08),
        for_command=bool(first & 0x20),
        extras=_extras(octets, at + 15, bool(first & 0x40)),
    )


def _cause(octets: bytes, error: bool | None) -> tuple[int | None, int]:
    """TP-FCS, which only an error has, and where the indicator stands. A cause is never below 80."""
    if error is None:
        error = len(octets) > 1 and octets[1] >= 0x80
    if not error:
        return None, 1
    _need(octets, 2, "failure cause")
    return octets[1], 2


def _submit_report(octets: bytes, error: bool | None) -> SubmitReport:
    cause, at = _cause(octets, error)
    return SubmitReport(cause, _padded(octets, at + 1), _extras(octets, at, bool(octets[0] & 0x40), then=7))


def _deliver_report(octets: bytes, error: bool | None) -> DeliverReport:
    cause, at = _cause(octets, error)
    return DeliverReport(cause, _extras(octets, at, bool(octets[0] & 0x40)))


def _command(octets: bytes) -> Command:
    first = octets[0]
    _need(octets, 5, "message number")
    recipient, at = address.read(octets, 5)
    length = octets[at] if at < len(octets) else 0
    return Command(
        recipient=recipient,
        type=octets[3],
        number=octets[4],
        data=octets[at + 1 : at + 1 + length],
        pid=octets[2],
        reference=octets[1],
        status_report=bool(first & 0x20),
        headed=bool(first & 0x40),
    )
