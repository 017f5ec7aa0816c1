"""Composes the DELIVERs that the simulated network hands to the modem: one part or many, in any order, with repeats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from smsd.codec import segment
from smsd.codec.tpdu import Address, Deliver
from smsd.values.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Shape:
    """How a message comes: the width of its concatenation reference (8 or 16), other header elements, class, TP-PID, the
    national tables that may be used, and the `order` of its parts (from 1; empty: in order, each once)."""

    width: int = 8
    elements: bytes = b""
    message_class: int | None = None
    pid: int = 0
    national: frozenset[int] = frozenset()
    order: tuple[int, ...] = ()


PLAIN: Final = Shape()
"""In order, with 8 bit references and nothing special."""


def delivers(
    number: str, content: str | bytes, stamp: bytes, reference: int, shape: Shape
) -> Sequence[bytes]:
    """The TPDUs of a message from `number` (or a name); `bytes` go as 8-bit data.

    InvalidValue for a number or a content that cannot be sent, or a part that there is not.
    """
    if isinstance(content, bytes):
        plan = segment.plan_binary(content, udh=shape.elements, width=shape.width)
    else:
        plan = segment.plan_text(content, national=shape.national, width=shape.width, elements=shape.elements)
    sender = Address.of(number)
    found = []
    for seq in shape.order or range(1, plan.total + 1):
        if not 1 <= seq <= plan.total:
            raise InvalidValue(f"there is no part {seq}: the message has {plan.total}")
        data = plan.user_data(seq, reference)
        deliver = Deliver(sender, data, dcs=plan.dcs(shape.message_class), pid=shape.pid, scts=stamp)
        found.append(deliver.encode())
    return found


def old_message(stamp: bytes) -> bytes:
    """A DELIVER to fill memories with."""
    return delivers("4444", "old", stamp, 0, PLAIN)[0]
