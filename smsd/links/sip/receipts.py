"""Delivery notifications (IMDN, RFC 5438): what a phone asks for with its text, and what it is told.

What it asked for travels in the ticket, as `imdn:` with the kinds (`+` positive, `-` negative) and the id of its message.
"""

from __future__ import annotations

from datetime import datetime, timezone

from smsd.codec.sip import Cpim, Notification, Pairs, readable, text_body, write_cpim, write_imdn
from smsd.values.message import Report, Wants

_MARK = "imdn:"
_LONGEST_ID = 300
FAILED = ("failed", "expired", "cancelled")


def asked_for(cpim: Cpim | None) -> tuple[str, Wants]:
    """What goes into the ticket, and what is wanted for it."""
    if cpim is None or not cpim.message_id or len(cpim.message_id) > _LONGEST_ID:
        return "", Wants.NOTHING
    positive, negative = "positive-delivery" in cpim.wants, "negative-delivery" in cpim.wants
    if not positive and not negative:
        return "", Wants.NOTHING
    kinds = ("+" if positive else "") + ("-" if negative else "")
    wants = Wants.SUCCESS if positive else Wants.NOTHING
    return f"{_MARK}{kinds}:{readable(cpim.message_id)}", wants


def report_body(report: Report, sender: str, to: str) -> tuple[Pairs, bytes]:
    """The header and octets of a report: a notification where one was asked for, else words."""
    kind = "-" if report.event in FAILED else "+" if report.event == "delivered" else ""
    marked, _, message_id = report.envelope_id.removeprefix(_MARK).partition(":")
    if not report.envelope_id.startswith(_MARK) or not kind or kind not in marked:
        return text_body(_words(report))
    at = datetime.fromtimestamp(report.at / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    xml = write_imdn(
        Notification(
            message_id,
            "failed" if kind == "-" else "delivered",
            at=at,
            recipient=sender,
            original_recipient=sender,
        )
    )
    octets = write_cpim(xml, "message/imdn+xml", sender=sender, to=to, date=at, disposition="notification")
    return (("Content-Type", "message/cpim"),), octets


def _words(report: Report) -> str:
    if report.event in FAILED:
        what = {"failed": "could not be sent", "expired": "expired", "cancelled": "was cancelled"}[
            report.event
        ]
        why = f": {report.reason}" if report.reason else ""
        begun = " ".join(report.text.split())
        begun = f" ({begun[:40]}…)" if len(begun) > 40 else f" ({begun})" if begun else ""
        return f"Your message{begun} {what}{why}"
    return {"delivered": "Delivered.", "sent": "Sent."}.get(report.event, report.reason or report.event)
