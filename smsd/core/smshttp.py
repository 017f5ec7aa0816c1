"""A message as `/sms/` takes it, over the control socket and so past every login (IceWarp: SMSHTTP with BypassAuth), and how the
fates of its recipients are told there.

Whoever may open the socket may do everything, so user and pass are not looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from smsd.codec.smsuri import read_parameters
from smsd.values.address import Address
from smsd.values.errors import InvalidValue
from smsd.values.message import (
    Declined,
    IdempotencyKey,
    Queued,
    Recipient,
    Submission,
    Ticket,
    Wants,
)

DOOR = "control"
MOST_FIELDS = 1000


async def hand_in(dispatcher: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """given: a list of [name, value], as in the query of /sms/ → message, an entry per recipient, and warnings if there are any."""
    given = arguments.get("given")
    if not isinstance(given, list) or len(given) > MOST_FIELDS or not all(map(_is_pair, given)):
        raise InvalidValue("given: a list of names and values is needed")
    pairs = [(name, value) for name, value in given if name.lower() not in ("user", "pass", "password")]
    wishes = read_parameters(pairs)
    if not wishes.numbers:
        raise InvalidValue("number is missing: write number=+15551234567")
    if wishes.data is None:
        raise InvalidValue("data is missing: write data=hello")
    reply = wishes.reply_to()
    key = None
    if wishes.msgid:
        mark = hashlib.sha256(b"control" + repr(sorted(pairs)).encode()).digest()
        key = IdempotencyKey(f"door:{DOOR}", wishes.msgid, mark)
    receipt = await dispatcher.submit(
        Submission(
            door=DOOR,
            origin=reply or Address("account", "operator"),
            recipients=tuple(
                Recipient(Address("sms", number), number, wishes.parameters) for number in wishes.numbers
            ),
            content=wishes.content(wishes.data),
            ticket=None if reply is None else Ticket(reply),
            wants=Wants.NOTHING if reply is None else Wants.FAILURE,
            headers=(("msgid", wishes.msgid),) if wishes.msgid else (),
            key=key,
        )
    )
    said = {"message": receipt.message, "recipients": [fate(entry) for entry in receipt.recipients]}
    return {**said, "warnings": list(wishes.warnings)} if wishes.warnings else said


def _is_pair(one: Any) -> bool:
    return isinstance(one, list) and len(one) == 2 and all(isinstance(text, str) for text in one)


def fate(entry: Queued | Declined) -> dict[str, Any]:
    """What became of one recipient."""
    if isinstance(entry, Declined):
        return {
            "number": entry.typed,
            "reason": entry.refusal.reason.name.lower(),
            "error": entry.refusal.text,
        }
    return {
        "number": entry.target,
        "delivery": entry.delivery,
        "parts": entry.parts,
        "encoding": entry.encoding,
        "notes": list(entry.notes),
    }
