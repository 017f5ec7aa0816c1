"""Events for programs: what became of a message, what a phone answered; as JSON, and signed as Standard Webhooks wants it.

https://github.com/standard-webhooks/standard-webhooks (2023): `webhook-id` is the same for every try of an event,
`webhook-timestamp` that of the try, `webhook-signature` a list of `v1,` and base64 of HMAC-SHA256 over id, timestamp and body with
full stops between, one for each secret.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from smsd.codec.weburl import read_url
from smsd.values.address import Address
from smsd.values.delivery import Piece
from smsd.values.errors import InvalidValue
from smsd.values.frozen import frozen
from smsd.values.message import Binary, Report, Text

MEDIA_TYPE = "application/json"
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
# What users call the state in which an event finds a message.
_STATES = {"buffered": "sent", "delayed": "queued", "relayed": "sent"}


@frozen
class Event:
    """One event. `id` is the same whenever it is told."""

    id: str
    type: str
    at: int
    data: dict[str, Any]

    @property
    def shown(self) -> dict[str, Any]:
        """What a program gets."""
        return {"type": self.type, "timestamp": moment(self.at), "data": self.data}

    @property
    def body(self) -> bytes:
        """The same as octets; equal for every try."""
        return _JSON.encode(self.shown).encode("utf-8", "replace")


def is_url(target: str) -> bool:
    """Whether a `hook:` address is a URL that a sender gave; else it is a subscriber's id."""
    return "://" in target


def shown(address: str) -> str:
    """An address for people: of a URL that a sender gave only its server, since the rest may be a password."""
    scheme, _, target = address.partition(":")
    if scheme not in ("hook", "dlr") or not is_url(target):
        return address
    try:
        return f"{scheme}:{read_url(target).origin}/…"
    except InvalidValue:
        return f"{scheme}:(no URL)"


def name_of(piece: Piece) -> str:
    """What an event is called: `delivered`, `received` …"""
    return piece.content.event if isinstance(piece.content, Report) else "received"


def event(piece: Piece) -> Event | None:
    """The event that a piece for a program is; None for what is none."""
    content = piece.content
    if isinstance(content, Report):
        return Event(str(piece.delivery), f"message.{content.event}", content.at, _report(content, piece))
    if isinstance(content, (Text, Binary)):
        return Event(str(piece.delivery), "message.received", piece.arrived, _received(content, piece))
    return None


def _report(report: Report, piece: Piece) -> dict[str, Any]:
    return {
        "id": str(report.message),
        "delivery": str(report.delivery),
        "recipient": report.recipient,
        "state": _STATES.get(report.event, report.event),
        "reason": report.reason,
        "status": report.status or None,
        "network": report.network or None,
        "reference": report.reference or None,
        "gateway": report.gateway or None,
        "parts": report.parts,
        "parts_sent": report.parts_sent,
        "msgid": report.message_id or None,
        "account": piece.account,
        "submitted": moment(report.arrived),
    }


def _received(content: Text | Binary, piece: Piece) -> dict[str, Any]:
    about = dict(piece.headers)
    said: dict[str, Any] = {
        "id": str(piece.message),
        "from": _bare(piece.origin),
        "to": about.get("own") or None,
        "gateway": about.get("gateway") or None,
        "written": moment(int(about["date"])) if about.get("date", "").isdecimal() else None,
        "in_reply_to": None,
    }
    if about.get("answers"):
        said["in_reply_to"] = {"delivery": about["answers"], "msgid": about.get("in_reply_to") or None}
    if isinstance(content, Text):
        return {**said, "text": content.text}
    return {**said, "data": _base64(content.data), "udh": _base64(content.header)}


def _bare(origin: Address) -> str:
    return origin.target if origin.scheme == "sms" else str(origin)


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def moment(milliseconds: int) -> str:
    """A time as RFC 3339 writes it, in UTC."""
    at = datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def sign(keys: Iterable[bytes], id: str, timestamp: int, body: bytes) -> str:
    """The signatures of a body, one for each key."""
    signed = b"%b.%d.%b" % (id.encode("ascii"), timestamp, body)
    return " ".join(f"v1,{_base64(hmac.new(key, signed, hashlib.sha256).digest())}" for key in keys)


def headers(event: Event, keys: Iterable[bytes], timestamp: int) -> Mapping[str, str]:
    """The headers of one try; without keys it is not signed."""
    said = {"webhook-id": event.id, "webhook-timestamp": str(timestamp)}
    signatures = sign(keys, event.id, timestamp, event.body)
    return {**said, "webhook-signature": signatures} if signatures else said
