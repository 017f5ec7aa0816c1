"""Mails that answer an SMS at an address without its number (feature I1): the phone is found by what the mail refers to.

A From: pattern may show one address for all phones (`gate@example.org`), or only the number with the server's own name,
which is no domain of phones. An answer to such an address names in In-Reply-To or References the mail that was made of the
SMS, and its Message-ID says which phone that was. A mail that refers to nothing known is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from smsd.codec.mail import headers, reply_address
from smsd.core.postoffice.sending import key_of
from smsd.interfaces import IPostbox, IPostOffice, MailIn, Posted, Session
from smsd.store.replies import Wrote
from smsd.values.address import Address
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.message import Declined, Recipient, Submission, Text, Ticket, Wants

MOST_IDS = 12
_NUMBER = "5550100"
_LIKE_A_NUMBER = r"\+?[0-9*#]{2,20}"


@implementer(IPostOffice)
class AnswerOffice:
    """Another post office, and behind it the From: addresses of gateways. `inbound` finds phones (`peer_of`)."""

    def __init__(self, other: Any, inbound: Any, dispatcher: Any) -> None:
        self._other = other
        self._inbound = inbound
        self._dispatcher = dispatcher
        self._known: re.Pattern[str] | None = None

    def use(self, patterns: Iterable[str], server_name: str) -> None:
        """Take the From: patterns of a configuration's gateways."""
        several = {_expression(pattern, server_name) for pattern in patterns} - {""}
        self._known = re.compile("|".join(sorted(several)), re.I) if several else None

    def find(self, local: str, domain: str, ours: bool) -> Any:
        """See `IPostOffice`. A number in a domain of ours needs nobody's help."""
        found = self._other.find(local, domain, ours)
        if found is not None or self._known is None or (ours and any(one.isdigit() for one in local)):
            return found
        address = f"{local}@{domain}"
        if len(address) > 600 or not self._known.fullmatch(address):
            return None
        return AnswerBox(address, self._inbound, self._dispatcher)


def _expression(pattern: str, server_name: str) -> str:
    """What addresses a From: pattern makes, as a regular expression without quotes and brackets; "" for a pattern that is
    none."""
    try:
        envelope = reply_address(pattern, _NUMBER, server_name).envelope
    except InvalidValue:
        return ""
    local, _, where = envelope.rpartition("@")
    plain = re.escape(re.sub(r"\\(.)", r"\1", local.strip('"')))
    return plain.replace(_NUMBER, _LIKE_A_NUMBER) + "@" + re.escape(where)


@implementer(IPostbox)
class AnswerBox:
    """One such address."""

    def __init__(self, address: str, inbound: Any, dispatcher: Any) -> None:
        self.address = address
        self._inbound = inbound
        self._dispatcher = dispatcher

    def admit(self, session: Session, sender: str, anonymous: bool) -> Deferred[None]:
        """See `IPostbox`."""
        return Deferred.fromCoroutine(self._admit(session, anonymous))

    async def _admit(self, session: Session, anonymous: bool) -> None:
        if session.account is None and not anonymous:
            raise Refused(Reason.NOT_AUTHENTICATED, "authentication required: log in (AUTH) to answer an SMS")

    def deliver(self, mail: MailIn) -> Deferred[Posted]:
        """See `IPostbox`."""
        return Deferred.fromCoroutine(self._deliver(mail))

    async def _deliver(self, mail: MailIn) -> Posted:
        await self._admit(mail.session, mail.anonymous)
        if not mail.sender:
            raise Refused(Reason.NOT_ALLOWED, "a report is no answer to an SMS")
        number = await self._phone(mail.head)
        if number is None:
            raise Refused(
                Reason.BAD_NUMBER,
                f"{self.address}: this mail answers no SMS that is known here; write to its number, for example"
                " +15551234567@domain",
            )
        receipt = await self._dispatcher.submit(self._submission(mail, number))
        (fate,) = receipt.recipients
        if isinstance(fate, Declined):
            raise fate.refusal
        return Posted((receipt.message,), 1, 1)

    async def _phone(self, head: bytes) -> str | None:
        """Whose SMS it refers to: what it answers first, then the rest of its thread, the newest first."""
        fields = _fields(head)
        for name in ("in-reply-to", "references"):
            ids = headers.references(fields.get(name, "")).split()
            for one in reversed(ids[-MOST_IDS:]):
                wrote: Wrote | None = await self._inbound.peer_of(one)
                if wrote is not None:
                    return wrote.number
        return None

    def _submission(self, mail: MailIn, number: str) -> Submission:
        origin = Address("mailto", mail.sender)
        fields = _fields(mail.head)
        references = headers.references(fields.get("references") or fields.get("in-reply-to", ""))
        named = (
            ("subject", mail.subject),
            ("message-id", mail.message_id),
            ("from", mail.from_),
            ("references", references.replace("\r\n", "")),
        )
        return Submission(
            door=mail.session.door,
            origin=origin,
            recipients=(Recipient(Address("sms", number), self.address),),
            content=Text(mail.sms),
            account=mail.session.account,
            ticket=Ticket(origin, message_id=mail.message_id, subject=mail.subject),
            wants=Wants.FAILURE | Wants.DELAY,
            headers=tuple(pair for pair in named if pair[1]),
            key=key_of(mail, self.address, mail.session.account, number),
            peer=mail.session.peer,
            host=mail.session.host,
            head=mail.head,
            attachments=mail.attachments,
        )


def _fields(head: bytes) -> dict[str, str]:
    """The first field of each name, in lower case."""
    return {name.lower(): value for name, value in reversed(headers.all_fields(head))}
