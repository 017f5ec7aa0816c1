"""The TPDUs of TS 23.040, both directions: values, octets, and the hexadecimal frame of PDU mode (TS 27.005).

`decode_mt` reads what comes from the network, `decode_mo` what comes from a phone, `Submit.encode` and its
sisters write. `frame` and `read_frame` add and take the service centre address that stands before a TPDU on a
modem's line.
"""

from __future__ import annotations

from typing import Union

from smsd.codec.dcs import Dcs
from smsd.codec.timestamps import Validity
from smsd.codec.tpdu.address import Address, split_smsc, with_smsc
from smsd.codec.tpdu.reading import FromNetwork, FromPhone, decode_mo, decode_mt
from smsd.codec.tpdu.status import cause_words, status_kind, status_words
from smsd.codec.tpdu.userdata import UserData
from smsd.codec.tpdu.values import (
    Command,
    Deliver,
    DeliverReport,
    Extras,
    StatusReport,
    Submit,
    SubmitReport,
)
from smsd.codec.udh import Concat
from smsd.values.errors import DecodeError

__all__ = [
    "Address",
    "Command",
    "Concat",
    "Deliver",
    "DeliverReport",
    "Extras",
    "FromNetwork",
    "FromPhone",
    "StatusReport",
    "Submit",
    "SubmitReport",
    "Tpdu",
    "UserData",
    "Validity",
    "cause_words",
    "decode_mo",
    "decode_mt",
    "encode_submit",
    "frame",
    "read_frame",
    "split_smsc",
    "status_kind",
    "status_words",
    "with_smsc",
]

Tpdu = Union[FromNetwork, FromPhone]


def encode_submit(
    recipient: str,
    user_data: UserData,
    *,
    dcs: int | None = None,
    pid: int = 0,
    validity_minutes: int | None = None,
    status_report: bool = False,
    reference: int = 0,
) -> bytes:
    """The SMS-SUBMIT of one part to `recipient` (`+4179…` or digits); `dcs` None is that of the part's
    alphabet.
    """
    return Submit(
        Address.of(recipient),
        user_data,
        dcs=Dcs.octet(user_data.alphabet) if dcs is None else dcs,
        pid=pid,
        reference=reference,
        validity=None if validity_minutes is None else Validity.relative(validity_minutes),
        status_report=status_report,
    ).encode()


def frame(tpdu: bytes, smsc: str = "") -> tuple[str, int]:
    """The hexadecimal line and the `<length>` of `AT+CMGS`, which counts the TPDU alone."""
    return with_smsc(tpdu, smsc).hex().upper(), len(tpdu)


def read_frame(text: str, direction: str = "mt", error: bool | None = None) -> tuple[str, Tpdu]:
    """Service centre and TPDU of a hexadecimal line; `direction` is "mt" (received) or "mo" (unsent, sent).

    Blanks are skipped and half an octet at the end is left out. Raises DecodeError for anything else.
    """
    digits = "".join(text.split())
    try:
        octets = bytes.fromhex(digits[: len(digits) & ~1])
    except ValueError:
        raise DecodeError("the line is no PDU: it has characters that are not hexadecimal digits") from None
    smsc, tpdu = split_smsc(octets)
    return smsc, decode_mo(tpdu, error) if direction == "mo" else decode_mt(tpdu, error)
