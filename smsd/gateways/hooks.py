"""What programs written for other servers expect to be told of a message: gammu's RunOnReceive in its environment, SMSTools'
eventhandler in a file.

The facts are those of `Call.facts`, `SMSD_…`; what a fact is called does not depend on the message, so nobody who writes one
can name a variable.
"""

from __future__ import annotations

import re
import time

from smsd.values.delivery import Piece
from smsd.values.message import Call

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LONGEST = 60_000
"""Octets of a variable; Linux takes 128 KiB. Standard input has everything."""

_NAME = re.compile(r"SMSD_[A-Z0-9_]{1,60}")


def environment(call: Call, piece: Piece) -> dict[str, str]:
    """The whole environment of a program."""
    told = {name: value for name, value in call.facts if _NAME.fullmatch(name)}
    told["SMSD_DELIVERY"] = str(piece.delivery)
    if piece.maybe_twice:
        told["SMSD_MAYBE_TWICE"] = "1"
    told |= _gammu(call, piece)
    told = {name: _cut(value.replace("\0", "")) for name, value in told.items()}
    return {"PATH": PATH, "LANG": "C.UTF-8", **told}


def _gammu(call: Call, piece: Piece) -> dict[str, str]:
    """As gammu's smsd has it for a message that is already put together: one message with one decoded part."""
    facts = dict(call.facts)
    text, at = facts.get("SMSD_TEXT", call.text), written(piece)
    return {
        "SMS_MESSAGES": "1",
        "SMS_1_NUMBER": number(call, piece),
        "SMS_1_TEXT": text,
        "SMS_1_CLASS": facts.get("SMSD_CLASS", "-1"),
        "SMS_1_REFERENCE": "0",
        "SMS_1_TIMESTAMP": str(at // 1000) if at else "",
        "SMS_1_DATETIME": _iso(at) if at else "",
        "DECODED_PARTS": "1",
        "DECODED_1_TEXT": text,
        "PHONE_ID": facts.get("SMSD_GATEWAY", ""),
    }


def event_file(call: Call, piece: Piece) -> bytes:
    """The message as SMSTools writes it into a file: headers, an empty line, the text. Numbers have no plus."""
    facts = dict(call.facts)
    text, gateway = facts.get("SMSD_TEXT", call.text), facts.get("SMSD_GATEWAY", "")
    party = number(call, piece)
    if facts.get("SMSD_DIRECTION") == "outgoing":
        headers = [("From", facts.get("SMSD_FROM", "")), ("To", party.removeprefix("+"))]
    else:
        international = party.lstrip("+").isdigit()
        kind = "91 international, ISDN/telephone" if international else "D0 alphanumeric, unknown"
        headers = [("From", party.removeprefix("+")), ("From_TOA", kind)]
    headers += [
        ("Sent", _stamp(written(piece))),
        ("Received", _stamp(piece.arrived)),
        ("Subject", gateway),
        ("Modem", gateway),
        ("Report", "no"),
        ("Alphabet", "UTF-8"),
        ("Length", str(len(text))),
    ]
    head = "".join(f"{name}: {' '.join(value.split())}\n" for name, value in headers if value)
    return f"{head}\n{text}".encode("utf-8", "replace")


def number(call: Call, piece: Piece) -> str:
    """The other party's number, or whatever else it is called."""
    facts = dict(call.facts)
    return facts.get("SMSD_NUMBER") or facts.get("SMSD_FROM") or piece.origin.target


def written(piece: Piece) -> int:
    """When the message was written, in milliseconds: the network's time, or ours."""
    date = dict(piece.headers).get("date", "")
    return int(date) if date.isascii() and date.isdigit() and len(date) < 15 else piece.arrived


def _cut(value: str) -> str:
    octets = value.encode("utf-8", "replace")
    return value if len(octets) <= LONGEST else octets[:LONGEST].decode("utf-8", "ignore")


def _stamp(milliseconds: int) -> str:
    return time.strftime("%y-%m-%d %H:%M:%S", time.localtime(milliseconds // 1000)) if milliseconds else ""


def _iso(milliseconds: int) -> str:
    text = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(milliseconds // 1000))
    return f"{text[:-2]}:{text[-2:]}"
