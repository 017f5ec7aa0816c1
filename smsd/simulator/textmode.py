"""Text mode of the simulated modem (27.005 section 3): messages shown and composed as text under +CSCS and +CSMP."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Final

from smsd.codec import gsm7, segment
from smsd.codec.dcs import Alphabet
from smsd.codec.timestamps import Stamp
from smsd.codec.tpdu import Deliver, StatusReport, Submit, decode_mo, decode_mt, encode_submit, split_smsc
from smsd.simulator.card import UNSENT, Stored

if TYPE_CHECKING:
    from collections.abc import Sequence

STATUS_WORDS: Final = ("REC UNREAD", "REC READ", "STO UNSENT", "STO SENT", "ALL")


def _spelt(text: str, character_set: str) -> str:
    """`text` as the line carries it (latin-1): UCS-2 hex, GSM codes, or IRA with ? for the rest."""
    if character_set == "UCS2":
        return text.encode("utf-16-be").hex().upper()
    if character_set == "GSM":
        try:
            return gsm7.septets(text).decode("latin-1")
        except gsm7.Unencodable:
            return text.encode("utf-16-be").hex().upper()
    return text.encode("ascii", "replace").decode("ascii")


def _time(stamp: Stamp | None) -> str:
    if stamp is None:
        return "00/01/01,00:00:00+00"
    zone = datetime.timezone(datetime.timedelta(minutes=15 * stamp.offset))
    local = datetime.datetime.fromtimestamp(stamp.at / 1000, zone)
    return f"{local:%y/%m/%d,%H:%M:%S}{stamp.offset:+03d}"


def _fields(tpdu: object, character_set: str) -> tuple[str, str]:
    """What stands on the first line, and the text."""
    if isinstance(tpdu, Deliver):
        data = tpdu.user_data
        body = data.payload.hex().upper() if data.text is None else _spelt(data.text, character_set)
        return f'"{_spelt(tpdu.sender.text, character_set)}",,"{_time(tpdu.at)}"', body
    if isinstance(tpdu, StatusReport):
        first = f'6,{tpdu.reference},"{tpdu.recipient.text}",{tpdu.recipient.type}'
        return f'{first},"{_time(tpdu.at)}","{_time(tpdu.discharged)}",{tpdu.status}', ""
    if isinstance(tpdu, Submit):
        text = tpdu.user_data.text
        body = tpdu.user_data.payload.hex().upper() if text is None else _spelt(text, character_set)
        return f'"{_spelt(tpdu.recipient.text, character_set)}",', body
    return '"",,', ""


def shown(stored: Stored, character_set: str) -> str:
    """The rest of a +CMGR or +CMGL line, and the text below it."""
    _centre, octets = split_smsc(stored.octets)
    tpdu = decode_mo(octets) if stored.status >= UNSENT else decode_mt(octets)
    first, body = _fields(tpdu, character_set)
    return f'"{STATUS_WORDS[stored.status]}",{first}' + (f"\r\n{body}" if body else "")


def announced(what: str, framed: bytes, character_set: str) -> str:
    """+CMT with its text, or +CDS."""
    first, body = _fields(decode_mt(split_smsc(framed)[1]), character_set)
    return f"{what}: {first}" + (f"\r\n{body}" if body else "")


def composed(recipient: str, data: bytes, character_set: str, parameters: Sequence[int]) -> bytes:
    """The SUBMIT for a text typed at the prompt; ValueError when it is not one message."""
    if character_set == "UCS2":
        text = bytes.fromhex(data.decode("ascii")).decode("utf-16-be")
        if not recipient.lstrip("+").isdigit() or len(recipient) > 20:
            recipient = bytes.fromhex(recipient).decode("utf-16-be")
    else:
        text = gsm7.text(data) if character_set == "GSM" else data.decode("ascii")
    first, _validity, pid, coding = parameters
    wide = Alphabet.UCS2 if coding & 0x0C == 0x08 else None
    plan = segment.plan_text(text.replace("\r\n", "\n"), alphabet=wide)
    if plan.total > 1:
        raise ValueError(f"{plan.units} characters are too many for one message")
    return encode_submit(
        recipient, plan.user_data(1, 0), dcs=coding or None, pid=pid, status_report=bool(first & 0x20)
    )
