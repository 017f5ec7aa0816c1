"""The six TPDUs of TS 23.040 section 9.2.2 as frozen values, each with its `encode`.

Flags have the sense of their names: `more` is True when the network has more messages waiting, although the
bit on the wire (TP-MMS) is 0 then. Time stamps are kept as the octets that came, so that an impossible one
does not lose the message; `at` reads them.
"""

from __future__ import annotations

from dataclasses import dataclass

from smsd.codec.dcs import Dcs
from smsd.codec.timestamps import NO_VALIDITY, Stamp, Validity, read_stamp
from smsd.codec.tpdu.address import Address
from smsd.codec.tpdu.userdata import UserData
from smsd.values.errors import InvalidValue

NO_STAMP = bytes(7)
_NOBODY = Address("")
_NOTHING = UserData()


def _stamp(octets: bytes) -> bytes:
    if len(octets) != 7:
        raise InvalidValue(f"a time stamp has 7 octets, not {len(octets)}")
    return octets


@dataclass(frozen=True, slots=True)
class Submit:
    """SMS-SUBMIT: a message to the service centre. `reference` is replaced by the modem (`+CMGS: <mr>`)."""

    recipient: Address
    user_data: UserData = _NOTHING
    dcs: int = 0
    pid: int = 0
    reference: int = 0
    validity: Validity | None = None
    status_report: bool = False
    reject_duplicates: bool = False
    reply_path: bool = False

    def encode(self) -> bytes:
        """The TPDU; InvalidValue when a field cannot be written."""
        length, field = self.user_data.encode()
        first = 0x01
        period = b""
        if self.validity is not None:
            first |= self.validity.format << 3
            period = self.validity.octets
            if len(period) != (0, 7, 1, 7)[self.validity.format]:
                raise InvalidValue(f"validity format {self.validity.format} cannot have {len(period)} octets")
        if self.reject_duplicates:
            first |= 0x04
        if self.status_report:
            first |= 0x20
        if self.user_data.elements is not None:
            first |= 0x40
        if self.reply_path:
            first |= 0x80
        head = bytes((first, self.reference & 0xFF)) + self.recipient.encode()
        return head + bytes((self.pid, self.dcs)) + period + bytes((length,)) + field

    @property
    def validity_format(self) -> int:
        """TP-VPF."""
        return NO_VALIDITY if self.validity is None else self.validity.format


@dataclass(frozen=True, slots=True)
class Deliver:
    """SMS-DELIVER: a message from the network."""

    sender: Address
    user_data: UserData = _NOTHING
    dcs: int = 0
    pid: int = 0
    scts: bytes = NO_STAMP
    more: bool = False
    loop_prevention: bool = False
    report_indication: bool = False
    reply_path: bool = False

    @property
    def at(self) -> Stamp | None:
        """When the service centre took it; None when it does not say."""
        return read_stamp(self.scts)

    @property
    def coding(self) -> Dcs:
        """What TP-DCS says."""
        return Dcs.read(self.dcs)

    def encode(self) -> bytes:
        """The TPDU; InvalidValue when a field cannot be written."""
        length, field = self.user_data.encode()
        first = (
            (0 if self.more else 0x04)
            | self.loop_prevention << 3
            | self.report_indication << 5
            | (self.user_data.elements is not None) << 6
            | self.reply_path << 7
        )
        head = bytes((first,)) + self.sender.encode() + bytes((self.pid, self.dcs))
        return head + _stamp(self.scts) + bytes((length,)) + field


@dataclass(frozen=True, slots=True)
class Extras:
    """What a parameter indicator announces: fields that are None are not there (TP-PI, 9.2.3.27)."""

    pid: int | None = None
    dcs: int | None = None
    user_data: UserData | None = None

    @property
    def indicator(self) -> int:
        """TP-PI."""
        return (self.pid is not None) | (self.dcs is not None) << 1 | (self.user_data is not None) << 2

    @property
    def headed(self) -> bool:
        """TP-UDHI."""
        return self.user_data is not None and self.user_data.elements is not None

    def encode(self) -> bytes:
        """The indicator and what follows it."""
        octets = bytes((self.indicator,))
        if self.pid is not None:
            octets += bytes((self.pid,))
        if self.dcs is not None:
            octets += bytes((self.dcs,))
        if self.user_data is not None:
            length, field = self.user_data.encode()
            octets += bytes((length,)) + field
        return octets


NO_EXTRAS = Extras()


@dataclass(frozen=True, slots=True)
class StatusReport:
    """SMS-STATUS-REPORT: what became of a submit (`for_command`: of a command). See `status.status_kind`."""

    reference: int
    recipient: Address
    scts: bytes = NO_STAMP
    discharge: bytes = NO_STAMP
    status: int = 0
    more: bool = False
    loop_prevention: bool = False
    for_command: bool = False
    extras: Extras = NO_EXTRAS

    @property
    def at(self) -> Stamp | None:
        """When the service centre took the message."""
        return read_stamp(self.scts)

    @property
    def discharged(self) -> Stamp | None:
        """When it was delivered, or last tried."""
        return read_stamp(self.discharge)

    def encode(self) -> bytes:
        """The TPDU; InvalidValue when a field cannot be written."""
        first = (
            0x02
            | (0 if self.more else 0x04)
            | self.loop_prevention << 3
            | self.for_command << 5
            | self.extras.headed << 6
        )
        head = bytes((first, self.reference)) + self.recipient.encode()
        head += _stamp(self.scts) + _stamp(self.discharge) + bytes((self.status,))
        return head + self.extras.encode() if self.extras.indicator else head


@dataclass(frozen=True, slots=True)
class SubmitReport:
    """SMS-SUBMIT-REPORT: the answer to a submit; `cause` (TP-FCS) is None when it was taken."""

    cause: int | None = None
    scts: bytes = NO_STAMP
    extras: Extras = NO_EXTRAS

    @property
    def at(self) -> Stamp | None:
        """When the service centre took it."""
        return read_stamp(self.scts)

    def encode(self) -> bytes:
        """The TPDU; InvalidValue when a field cannot be written."""
        extras = self.extras.encode()
        cause = b"" if self.cause is None else bytes((self.cause,))
        return bytes((0x01 | self.extras.headed << 6,)) + cause + extras[:1] + _stamp(self.scts) + extras[1:]


@dataclass(frozen=True, slots=True)
class DeliverReport:
    """SMS-DELIVER-REPORT: the phone's answer to a deliver; `cause` (TP-FCS) is None when it was taken."""

    cause: int | None = None
    extras: Extras = NO_EXTRAS

    def encode(self) -> bytes:
        """The TPDU; InvalidValue when a field cannot be written."""
        cause = b"" if self.cause is None else bytes((self.cause,))
        return bytes((self.extras.headed << 6,)) + cause + self.extras.encode()


ENQUIRY, CANCEL_REPORT, DELETE, ENABLE_REPORT = range(4)
"""The command types of SMS-COMMAND (9.2.3.19)."""


@dataclass(frozen=True, slots=True)
class Command:
    """SMS-COMMAND: an order to the service centre about message `number` that was sent to `recipient`."""

    recipient: Address = _NOBODY
    type: int = ENQUIRY
    number: int = 0
    data: bytes = b""
    pid: int = 0
    reference: int = 0
    status_report: bool = False
    headed: bool = False

    def encode(self) -> bytes:
        """The TPDU; InvalidValue when the data is too long."""
        if len(self.data) > 156:
            raise InvalidValue(f"the command has {len(self.data)} octets of data: at most 156")
        first = 0x02 | self.status_report << 5 | self.headed << 6
        head = bytes((first, self.reference, self.pid, self.type, self.number)) + self.recipient.encode()
        return head + bytes((len(self.data),)) + self.data
