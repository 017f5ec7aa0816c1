"""From shares to submissions, one after the other through the dispatcher, and the owner told of who got nothing.

At most `BATCH` recipients share a submission. Which batch a number is in comes from the number alone, not from its place in
the list, and each batch has an idempotency key of its own: a mail that comes again sends to nobody twice and to everybody who
was missed, also when somebody joined or left in between.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from twisted.logger import Logger

from smsd.interfaces import MailIn, Posted
from smsd.values.address import Address, masked
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.message import (
    Content,
    Declined,
    IdempotencyKey,
    Queued,
    Receipt,
    Recipient,
    Submission,
    Text,
    Ticket,
    Wants,
)

BATCH = 500
MOST_TOLD = 20
"""Reasons that one mail to the owner of a list may have."""
_LATER = (Reason.SLOW_DOWN, Reason.UNAVAILABLE)
_OF_THE_MAIL = (Reason.EMPTY, Reason.TOO_LONG, Reason.BAD_REQUEST, Reason.CONFLICT, *_LATER)

log = Logger()


@dataclass(frozen=True, slots=True)
class Share:
    """What one account (or nobody) pays for: recipients, what they get, and a word that tells it from other shares of the
    same mail in the key."""

    account: str | None
    recipients: Sequence[Recipient]
    content: Content
    kind: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Errand:
    """One mail to one address: who hears of what (`ticket` of all, `owner` of who got nothing at once)."""

    mail: MailIn
    address: str
    owner: str
    ticket: Ticket

    def submission(self, share: Share, recipients: Sequence[Recipient], batch: str) -> Submission:
        """One batch of a share. InvalidValue for what no store can hold."""
        mail = self.mail
        named = (("subject", mail.subject), ("message-id", mail.message_id), ("from", mail.from_))
        return Submission(
            door=mail.session.door, origin=Address("mailto", mail.sender), recipients=tuple(recipients), content=share.content,
            account=share.account, ticket=self.ticket, wants=Wants.FAILURE,
            headers=(*(pair for pair in named if pair[1]), *share.headers),
            key=key_of(mail, self.address, share.account, f"{share.kind}{batch}"),
            peer=mail.session.peer, host=mail.session.host, head=mail.head, attachments=mail.attachments,
        )  # fmt: skip


def key_of(mail: MailIn, address: str, account: str | None, what: str) -> IdempotencyKey | None:
    """The identity of one batch of one mail; None for mails that have none."""
    if not mail.scope or not mail.message_id:
        return None
    key = "|".join((mail.message_id, mail.sender, address, account or "", what))
    if len(key) > 512:
        key = f"{mail.message_id[:255]}|{hashlib.sha256(key.encode()).hexdigest()}"
    return IdempotencyKey(mail.scope, key, mail.digest)


def batches(recipients: Sequence[Recipient]) -> list[tuple[str, list[Recipient]]]:
    """Recipients in batches, each with its name. More than one batch is needed for the rest of 250 at most, so that none is
    ever too big and a list that grows a little keeps its batches."""
    if len(recipients) <= BATCH:
        return [("", list(recipients))] if recipients else []
    count = 1
    while count * BATCH // 2 < len(recipients):
        count *= 2
    found: dict[int, list[Recipient]] = {}
    for one in recipients:
        digest = hashlib.blake2b(str(one.address).encode(), digest_size=8).digest()
        found.setdefault(int.from_bytes(digest, "big") % count, []).append(one)
    return [
        (f"{number}/{count}" + (f"+{at}" if at else ""), batch[at : at + BATCH])
        for number, batch in sorted(found.items())
        for at in range(0, len(batch), BATCH)
    ]


async def send(dispatcher: Any, errand: Errand, shares: Sequence[Share], declined: list[Declined]) -> Posted:
    """Submit everything, each batch after the commit of the one before it, then tell the owner of who was declined. Raises
    Refused when nothing was taken, or when the store cannot take the rest now and the mail may safely come again."""
    ids: list[int] = []
    queued = 0
    refused = list(declined)
    for share in shares:
        for name, batch in batches(share.recipients):
            try:
                submission = errand.submission(share, batch, name)
                receipt: Receipt = await dispatcher.submit(submission)
            except (Refused, InvalidValue) as error:
                refusal = error if isinstance(error, Refused) else Refused(Reason.BAD_REQUEST, str(error))
                if refusal.reason in _LATER and (not ids or submission.key is not None):
                    raise Refused(refusal.reason, refusal.text) from None
                refused += [Declined(one.typed, refusal) for one in batch]
                continue
            taken = [one for one in receipt.recipients if isinstance(one, Queued)]
            if taken:
                ids.append(receipt.message)
                queued += len(taken)
            refused += [one for one in receipt.recipients if isinstance(one, Declined)]
    if refused:
        log.warn(
            "{box}: {n} recipients got nothing: {number} {reason}", box=errand.address, n=len(refused),
            number=masked(refused[0].typed), reason=refused[0].refusal.text,
        )  # fmt: skip
    if not ids:
        raise public(errand.address, refused)
    if refused:
        await tell_owner(dispatcher, errand, ids[0], refused)
    return Posted(tuple(ids), queued, queued + len(refused))


def public(address: str, refused: Sequence[Declined]) -> Refused:
    """What whoever wrote hears when nobody was reached: what is wrong with the mail, but not who is behind an address."""
    if not refused:
        return Refused(Reason.NOT_ALLOWED, f"{address}: there is nobody behind this address")
    first = min((one.refusal for one in refused), key=lambda refusal: refusal.reason.smtp)
    if first.reason in _OF_THE_MAIL:
        return first
    reason = Reason.NOT_ALLOWED if first.reason is Reason.BAD_CREDENTIALS else first.reason
    if first.reason is Reason.NOT_AUTHENTICATED:
        return Refused(reason, f"authentication required: log in to write to {address}")
    return Refused(reason, f"{address}: nobody could be reached; the owner of this address has to see to it")


async def tell_owner(dispatcher: Any, errand: Errand, message: int, refused: Sequence[Declined]) -> None:
    """A report for each reason, which names the first member it is about and counts the others."""
    reasons: dict[str, list[Declined]] = {}
    for one in refused:
        reasons.setdefault(one.refusal.text, []).append(one)
    telling = []
    for several in list(reasons.values())[:MOST_TOLD]:
        first = several[0]
        more = f" (the same for {len(several) - 1} more members)" if len(several) > 1 else ""
        text = f"{errand.address}: {first.refusal.text}{more}"
        telling.append(replace(first, refusal=Refused(first.refusal.reason, text)))
    ticket = Ticket(
        Address("mailto", errand.owner), "", errand.mail.message_id, errand.mail.subject, full=False
    )
    about = errand.submission(Share(None, (), Text(errand.mail.subject), ""), (), "")
    await dispatcher.bounce(replace(about, ticket=ticket, key=None), message, telling)
