"""Who is told what became of a delivery, and in which words: reports for tickets, never a report for a report (RFC 3464 2).

Pure: turns a delivery's facts and a `Step` into the `Submission` that carries the report, or None when nobody is to be told.
"""

from __future__ import annotations

from dataclasses import dataclass

from smsd.values.address import Address
from smsd.values.message import Binary, Content, Report, Submission, Text, Ticket, Wants
from smsd.values.plan import Step

NEEDS = {
    "failed": Wants.FAILURE,
    "expired": Wants.FAILURE,
    "cancelled": Wants.FAILURE,
    "delayed": Wants.DELAY,
    "delivered": Wants.SUCCESS,
    "sent": Wants.SENT,
    "relayed": Wants.SUCCESS | Wants.SENT,
    "silent": Wants.SUCCESS,
    "buffered": Wants.BUFFERED,
}
"""Whom a step's notice is for: those who want one of these. What they are told then, `_event` says."""


@dataclass(frozen=True, slots=True)
class Told:
    """The facts about a delivery that its report names."""

    message: int
    delivery: int
    target: Address
    typed: str
    original: str
    content: Content
    ticket: Ticket | None
    wants: Wants
    arrived: int
    expires: int
    total: int
    account: str | None = None
    sent: int = 0
    gateway: str = ""
    reference: str = ""


def notice(told: Told, step: Step, now: int) -> Submission | None:
    """The report to submit for this step, in the same commit; None when nobody asked or it was itself a report."""
    if not step.notice or told.ticket is None or isinstance(told.content, Report):
        return None
    event = _event(step.notice, told.wants, told.ticket.address.scheme)
    if not event:
        return None
    report = Report(
        event=event,
        message=told.message,
        delivery=told.delivery,
        recipient=told.typed or told.target.target,
        reason=step.reason or REASONS[step.notice],
        arrived=told.arrived,
        at=now,
        text=_original(told.content) if told.ticket.full else "",  # RET=HDRS, RFC 3461 section 4.3
        status=step.status,
        original_recipient=told.original,
        envelope_id=told.ticket.envelope_id,
        subject=told.ticket.subject,
        message_id=told.ticket.message_id,
        retry_until=told.expires if step.notice == "delayed" else 0,
        parts_sent=max(step.sent, told.sent),
        parts=told.total,
        gateway=told.gateway,
        reference=told.reference,
        network=step.network,
    )
    return Submission(
        door="notice",
        origin=Address("account", "smsd"),
        recipients=(told.ticket.recipient,),
        content=report,
        account=told.account,
    )


def _event(what: str, wants: Wants, scheme: str) -> str:
    """What the ticket's protocol calls a step's notice, "" when it is not told. Mail knows neither `sent` nor `buffered`: it tells
    who asked for success that the message was handed on where no report of the phone can follow (RFC 3461 section 5.2.2)."""
    if not wants & NEEDS[what]:
        return ""
    if scheme == "mailto":
        if what in ("sent", "buffered"):
            return ""
        if what in ("relayed", "silent"):
            return "relayed" if wants & Wants.SUCCESS else ""
        return what
    if what == "relayed":
        return "sent" if wants & Wants.SENT else ""
    return "" if what == "silent" else what


REASONS = {
    "failed": "it could not be sent",
    "expired": "it could not be sent before it expired",
    "cancelled": "it was cancelled",
    "delayed": "it has not been sent yet; smsd keeps trying",
    "delivered": "the phone has received it",
    "sent": "the network has taken it",
    "relayed": "the network gives no report of its delivery to the phone",
    "silent": "the network has sent no report of its delivery to the phone",
    "buffered": "the network has not delivered it yet",
}


def _original(content: Content) -> str:
    if isinstance(content, Text):
        return content.text
    if isinstance(content, Binary):
        return f"(binary message of {len(content.data)} octets: {content.data[:140].hex()})"
    return ""
