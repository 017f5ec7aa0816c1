"""TP-ST and TP-FCS in words (TS 23.040 sections 9.2.3.15 and 9.2.3.22).

Only 20..3F is not final: the service centre still tries. 60..7F are temporary errors after which it has given
up.
"""

from __future__ import annotations

from typing import Final

_STATUS: Final = {
    0x00: "received by the phone",
    0x01: "forwarded, without confirmation",
    0x02: "replaced by the service centre",
}
_CAUSES: Final = {
    0x0: "congestion",
    0x1: "phone busy",
    0x2: "no response from the phone",
    0x3: "service rejected",
    0x4: "quality of service not available",
    0x5: "error in the phone",
}
_PERMANENT: Final = {
    0x0: "remote procedure error",
    0x1: "incompatible destination",
    0x2: "rejected by the phone",
    0x3: "not obtainable",
    0x4: "quality of service not available",
    0x5: "no interworking available",
    0x6: "validity period expired",
    0x7: "deleted by the sender",
    0x8: "deleted by the service centre",
    0x9: "message does not exist",
}
_FAILURE: Final = {
    0x80: "telematic interworking not supported",
    0x81: "silent messages not supported",
    0x82: "message cannot be replaced",
    0x8F: "protocol identifier not accepted",
    0x90: "alphabet not supported",
    0x91: "message class not supported",
    0x9F: "data coding not accepted",
    0xA0: "command cannot be executed",
    0xA1: "command not supported",
    0xAF: "command not accepted",
    0xB0: "message type not supported",
    0xC0: "service centre busy",
    0xC1: "no subscription to the service centre",
    0xC2: "service centre failure",
    0xC3: "invalid destination address",
    0xC4: "destination barred",
    0xC5: "duplicate rejected",
    0xC6: "validity format not supported",
    0xC7: "validity period not supported",
    0xD0: "SIM storage full",
    0xD1: "no storage on the SIM",
    0xD2: "error in the phone",
    0xD3: "memory full",
    0xD4: "SIM toolkit busy",
    0xD5: "data download error",
    0xFF: "unspecified error",
}


def status_kind(status: int) -> str:
    """`delivered`, `pending` (the service centre still tries), `expired` or `failed`."""
    if status < 0x20:
        return "delivered"
    if status == 0x46:
        return "expired"
    return "pending" if status < 0x40 else "failed"


def status_words(status: int) -> str:
    """What TP-ST says, in a few words."""
    if status < 0x20:
        return _STATUS.get(status, "completed")
    if status < 0x40:
        return _CAUSES.get(status & 0x1F, "not delivered yet") + ", still trying"
    if status < 0x60:
        return _PERMANENT.get(status & 0x1F, "permanent error")
    if status < 0x80:
        return _CAUSES.get(status & 0x1F, "temporary error") + ", given up"
    return "service rejected"


def cause_words(cause: int) -> str:
    """What TP-FCS says, in a few words."""
    return _FAILURE.get(cause, "application error" if 0xE0 <= cause <= 0xFE else "reserved failure cause")
