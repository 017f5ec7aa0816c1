"""Putting the parts of a long message together again (TS 23.040 section 9.2.3.24.1): pure functions.

The store keeps the parts and decides how long it waits; here is said which parts belong together and what
they mean. The key has sender, service centre or own number, width and value of the reference, and the total:
references come back after 256 messages, so that age must be looked at too. Parts may come in any order and
twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from smsd.codec import gsm7, udh
from smsd.codec.dcs import Alphabet, Dcs
from smsd.codec.tpdu.userdata import UserData, utf16
from smsd.codec.tpdu.values import Deliver


@dataclass(frozen=True, slots=True)
class PartKey:
    """What the parts of one message have in common; `own` is our number or the service centre, `seq` is not
    in it.
    """

    sender: str
    own: str
    reference: int
    width: int
    total: int


@dataclass(frozen=True, slots=True)
class UserContent:
    """A whole message: `text` (None when it is octets for a program) and `data` (its octets as they came).

    `elements` are those of the first part without the concatenation; `missing` lists the parts that were not
    there.
    """

    text: str | None
    data: bytes
    alphabet: Alphabet
    elements: bytes
    ports: udh.Ports | None
    coding: Dcs
    pid: int
    total: int = 1
    missing: tuple[int, ...] = ()
    cut: bool = False


def part_key(own: str, deliver: Deliver) -> PartKey | None:
    """The key of a part that came to `own` (our number, or the service centre); None for a message of its
    own.
    """
    concat = deliver.user_data.concat
    if concat is None or concat.total == 1:
        return None
    return PartKey(deliver.sender.text, own, concat.reference, concat.width, concat.total)


def assemble(delivers: Iterable[Deliver]) -> UserContent:
    """The message that these parts make: any order, the first of two with one number counts.

    Octets are joined before UTF-16 is read and septets before escapes are, so that a pair that was cut in the
    middle by the sender is whole again. A single message that is no part is its own content. ValueError
    without any part.
    """
    parts: dict[int, Deliver] = {}
    total = 1
    for deliver in delivers:
        concat = deliver.user_data.concat
        seq = concat.seq if concat else 1
        total = max(total, concat.total if concat else 1)
        parts.setdefault(seq, deliver)
    if not parts:
        raise ValueError("there is no part to put together")
    ordered = [parts[seq] for seq in sorted(parts)]
    first = ordered[0]
    data = first.user_data
    return UserContent(
        text=_text([deliver.user_data for deliver in ordered]),
        data=b"".join(deliver.user_data.payload for deliver in ordered),
        alphabet=data.alphabet,
        elements=udh.without_concat(data.elements or b""),
        ports=data.ports,
        coding=first.coding,
        pid=first.pid,
        total=total,
        missing=tuple(seq for seq in range(1, total + 1) if seq not in parts),
        cut=any(deliver.user_data.cut for deliver in ordered),
    )


def _text(parts: Sequence[UserData]) -> str | None:
    """The text of all parts; None when one has no text. Neighbours with the same alphabet and tables are one
    run.
    """
    runs: list[tuple[Alphabet, tuple[int, int], bytearray]] = []
    for part in parts:
        if part.compressed or part.alphabet == Alphabet.OCTETS:
            return None
        tables = udh.shifts(part.header) if part.alphabet == Alphabet.GSM7 else (0, 0)
        if runs and runs[-1][:2] == (part.alphabet, tables):
            runs[-1][2].extend(part.payload)
        else:
            runs.append((part.alphabet, tables, bytearray(part.payload)))
    return "".join(
        gsm7.text(bytes(octets), *tables) if alphabet == Alphabet.GSM7 else utf16(bytes(octets))
        for alphabet, tables, octets in runs
    )
