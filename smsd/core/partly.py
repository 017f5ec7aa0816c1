"""Parts of long messages as providers hand them in one by one: how they lie in the store, and how they become one message.

The store keeps octets (see `smsd.store.receiving`): for a modem's part its TPDU, for a provider's what `packed` makes of it. The
join key tells them apart, and the parts of different senders, own numbers and references.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from smsd.interfaces import MessageIn
from smsd.store.receiving import Arrival
from smsd.values.message import Binary, Text
from smsd.values.plan import Incoming

_MARK = "\x1f"
"""Begins the join key of a provider's part. No network writes it into the sender of a TPDU, which those of modems begin with."""


def is_packed(part: Incoming) -> bool:
    """Whether this is a part that a provider handed in."""
    return part.join.startswith(_MARK)


def packed(incoming: MessageIn, now: int) -> Incoming:
    """The part as the store keeps it. Its identity is the provider's id, which some give to all parts of a message, and the place;
    without an id, what it says."""
    content = incoming.content
    told: dict[str, Any] = {
        "from": incoming.sender,
        "own": incoming.own,
        "at": incoming.at,
        "n": incoming.seq,
    }
    if isinstance(content, Binary):
        told |= {"data": content.data.hex(), "udh": content.header.hex()}
    else:
        told["text"] = content.text if isinstance(content, Text) else ""
    if incoming.hops:
        told["hops"] = incoming.hops
    octets = json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    join = f"{_MARK}{incoming.sender}|{incoming.join}|{incoming.total}"
    # Nothing of it may look like the "slot|octets" of a modem.
    identity = "|" + (
        f"part {incoming.seq} {incoming.id}" if incoming.id else _digest(join.encode() + b"\n" + octets)
    )
    return Incoming(
        incoming.gateway,
        octets,
        identity,
        incoming.sender,
        now,
        join=join,
        seq=incoming.seq,
        total=incoming.total,
    )


def _digest(octets: bytes) -> str:
    return "what " + hashlib.sha256(octets).hexdigest()


def whole(first: Incoming, octets: Sequence[bytes]) -> Arrival:
    """The message whose parts are these, in their order. It is binary when one of them is: then its octets are those of all."""
    parts = [json.loads(each) for each in octets]
    headers = []
    at = next((part["at"] for part in parts if part["at"] is not None), None)
    if at is not None:
        headers.append(("date", str(at)))
    here = {part["n"] for part in parts}
    missing = [str(seq) for seq in range(1, first.total + 1) if seq not in here]
    if missing:
        headers.append(("missing-parts", ",".join(missing)))
    content: Text | Binary
    if any("data" in part for part in parts):
        data = b"".join(
            bytes.fromhex(part["data"]) if "data" in part else part["text"].encode() for part in parts
        )
        content = Binary(data, bytes.fromhex(next(part["udh"] for part in parts if "data" in part)))
    else:
        content = Text("".join(part["text"] for part in parts))
    return Arrival(
        first.gateway,
        parts[0]["from"],
        content,
        first.now,
        tuple(headers),
        own=parts[0]["own"],
        hops=max(part.get("hops", 0) for part in parts),
    )
