"""Delivery notifications (IMDN, RFC 5438): what a phone asks for with its text, and what it is told.

What it asked for travels in the ticket, as `imdn:` with the kinds (`+` positive, `-` negative), the id of its message and the time
that it says, which a notification gives back to it.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone

from smsd.codec.sip import Cpim, Notification, Pairs, readable, text_body, write_cpim, write_imdn
from smsd.values.message import Report, Wants

_MARK = "imdn:"
_LONGEST_ID = 300
_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
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
    date = f" {cpim.date}" if _DATE.fullmatch(cpim.date) else ""
    return f"{_MARK}{kinds}:{readable(cpim.message_id)}{date}", wants


def report_body(report: Report, sender: str, to: str, own_id: str) -> tuple[Pairs, bytes]:
    """The header and octets of a report: a notification where one was asked for (`own_id` is its own), else words."""
    kind = "-" if report.event in FAILED else "+" if report.event == "delivered" else ""
    marked, _, message_id = report.envelope_id.removeprefix(_MARK).partition(":")
    before, blank, date = message_id.rpartition(" ")
    if blank and _DATE.fullmatch(date):
        message_id = before
    else:
        date = ""
    if not report.envelope_id.startswith(_MARK) or not kind or kind not in marked:
        return text_body(_words(report))
    xml = write_imdn(
        Notification(
            message_id,
            "failed" if kind == "-" else "delivered",
            at=date or _rfc3339(report.arrived),
            recipient=sender,
            original_recipient=sender,
        )
    )
    octets = write_cpim(
        xml, "message/imdn+xml", sender=sender, to=to, date=_rfc3339(report.at), message_id=own_id, disposition="notification"
    )  # fmt: skip
    return (("Content-Type", "message/cpim"),), octets


def _rfc3339(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


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
