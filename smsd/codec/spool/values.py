"""What a file asks for, and what becomes a file, whatever its format."""

from __future__ import annotations

from smsd.codec import segment
from smsd.codec.dcs import Alphabet, Dcs
from smsd.values.frozen import frozen
from smsd.values.message import Binary, Parameters, Text


@frozen
class Asked:
    """A file as a message to one number. `contents` are several where the file wants them one by one; `queue` is a name for a
    gateway; `report`: its writer wants to hear of the delivery."""

    number: str
    contents: tuple[Text | Binary, ...]
    parameters: Parameters
    report: bool = False
    queue: str = ""


@frozen
class Came:
    """A message from a phone. Times are milliseconds UTC; `sent` None when the phone's own time is not known."""

    number: str
    content: Text | Binary
    gateway: str
    received: int
    sent: int | None
    name: int


def coding(content: Text | Binary, message_class: int) -> int:
    """The TP-DCS octet of a class (0: flash) for this content."""
    if isinstance(content, Binary):
        return Dcs.octet(Alphabet.OCTETS, message_class)
    return Dcs.octet(segment.plan_text(content.text, max_parts=255).alphabet, message_class)
