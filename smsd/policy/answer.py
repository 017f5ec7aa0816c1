"""What a program, a URL or a database answered, as a message to whoever is to hear it. Pure; the settlement that brought the
answer writes it in the same commit."""

from __future__ import annotations

from smsd.values.address import Address
from smsd.values.message import DEFAULT_PARAMETERS, Call, Parameters, Recipient, Submission, Text

LONGEST = 2000
"""Characters of an answer that are passed on."""
MOST_HOPS = 8
"""Messages that came one from the other. An answer may go to an address that is a program again, whose answer comes back."""

AUTO_REPLIED = (("auto_submitted", "auto-replied"),)
"""Headers of what answers by itself: as a mail it says so (RFC 3834), so that no robot answers it."""


def answer(
    call: Call, output: str, origin: Address, account: str | None, hops: int, most_hops: int = MOST_HOPS
) -> Submission | None:
    """The message that carries `output` to `call.reply`; None when there is nobody to tell, or nothing, or when it goes in a
    circle."""
    text = output.strip()[:LONGEST]
    if not call.reply or not text or hops > most_hops:
        return None
    address = Address.parse(call.reply)
    pinned = address.scheme == "sms" and call.gateway
    parameters = Parameters(gateway=call.gateway) if pinned else DEFAULT_PARAMETERS
    return Submission(
        door="rules", origin=origin, recipients=(Recipient(address, address.target, parameters),), content=Text(text),
        account=account, headers=AUTO_REPLIED, hops=hops,
    )  # fmt: skip
