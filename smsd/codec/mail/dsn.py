"""Reports as mails: delivery status notifications (RFC 3464, 3461, 3462, 3463) with the original text (feature Q2).

The envelope sender is empty, always; Auto-Submitted says auto-replied (RFC 3834). Credentials that stand in `sms:`
addresses never appear: everything between "?" and the domain is left out.
"""

from __future__ import annotations

import hashlib
import re

from smsd.codec.mail import headers
from smsd.codec.mail.sms import address, multipart, text_entity
from smsd.values.errors import InvalidValue
from smsd.values.message import Report

_EVENTS = {  # event: (Action of RFC 3464, status when none is given, word in the subject)
    "failed": ("failed", "5.0.0", "Undelivered"),
    "expired": ("failed", "4.4.7", "Undelivered"),
    "cancelled": ("failed", "5.0.0", "Cancelled"),
    "delayed": ("delayed", "4.0.0", "Delayed"),
    "delivered": ("delivered", "2.0.0", "Delivered"),
    "relayed": ("relayed", "2.0.0", "Sent"),
}
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_CREDENTIALS = re.compile(r'"(sms:[^?"]*)\?[^"]*"(?:@\S*)?|(sms:[^\s?"<>]*)\?[^\s"<>]*', re.I)


def bare(recipient: str) -> str:
    """An address as a report may show it, without scheme, parameters and credentials: `+1555…`, `ann@example.org`.

    Where there are parameters all after the "?" goes, the domain too: a password may itself contain an "@".
    """
    text = headers.line(recipient).strip("<>")
    text = re.sub(r'^"?(?:sms|mailto):', "", text, flags=re.I)
    head, question, _ = text.partition("?")
    if question:
        return head.strip('"')
    local, at, where = text.rpartition("@")
    return f"{local.strip(chr(34))}@{where}" if at else text.strip('"')


def without_credentials(text: str) -> str:
    """A line of text with the parameters of `sms:` addresses left out."""
    return _CREDENTIALS.sub(lambda found: found[1] or found[2], headers.line(text))


def report(
    notice: Report,
    *,
    recipient: str,
    server_name: str,
    postmaster: str,
    message_id: str,
    full: bool = True,
) -> bytes:
    """The mail for `recipient`, to be sent from `<>`; `message_id` with brackets.

    `full` is RET=FULL of RFC 3461; the whole text goes back with a failure or a delay only (section 4.3), and not when
    the notice has none. InvalidValue for an event that no report knows.
    """
    if notice.event not in _EVENTS:
        raise InvalidValue(f"no report can tell of {notice.event!r}")
    action, status, word = _EVENTS[notice.event]
    if _STATUS.fullmatch(notice.status) and notice.status[0] in ("45" if action == "failed" else status[0]):
        status = notice.status
    who = bare(notice.recipient)
    title = f"{word}: SMS to {who}" + (f" ({headers.line(notice.subject)})" if notice.subject else "")
    original = headers.message_id(notice.message_id.encode("utf-8", "replace"))
    fields = [
        ("From", f"SMS delivery <{headers.line(postmaster)}>"),
        ("To", headers.line(recipient)),
        ("Subject", headers.unstructured(title)),
        ("Date", headers.date(notice.at)),
        ("Message-ID", message_id),
    ]
    if original:
        fields += [("In-Reply-To", original), ("References", original)]
    boundary = (
        "report-" + hashlib.sha256(f"{message_id}\n{notice.text}".encode("utf-8", "replace")).hexdigest()[:24]
    )
    fields += [
        ("Auto-Submitted", "auto-replied"),
        ("X-Auto-Response-Suppress", "All"),
        ("MIME-Version", "1.0"),
        ("Content-Type", f'multipart/report; report-type=delivery-status; boundary="{boundary}"'),
    ]
    body = full and bool(notice.text) and action in ("failed", "delayed")
    return multipart(
        fields,
        boundary,
        [
            text_entity(_words(notice, who)),
            (
                [("Content-Type", "message/delivery-status")],
                _status(notice, who, action, status, server_name),
            ),
            _original(notice, who, recipient, server_name, original, body),
        ],
    )


def _words(notice: Report, who: str) -> str:
    """What happened, why, and what can be done, for the person who wrote."""
    reason = without_credentials(notice.reason)
    arrived = headers.date(notice.arrived)
    if notice.event == "delayed":
        lines = [f"Your SMS to {who} of {arrived} has not been delivered yet."]
        if notice.retry_until:
            lines.append(f"It will be tried again until {headers.date(notice.retry_until)}.")
        todo = "You need not send it again: you will be told if it cannot be delivered."
    elif notice.event in ("delivered", "relayed"):
        done = "was delivered" if notice.event == "delivered" else "was sent to the mobile network"
        lines = [f"Your SMS to {who} of {arrived} {done} on {headers.date(notice.at)}."]
        todo, reason = "", "" if notice.event == "delivered" else reason
    elif notice.event == "cancelled":
        lines = [f"Your SMS to {who} of {arrived} was cancelled and will not be sent."]
        todo = ""
    elif notice.event == "expired":
        lines = [
            f"Your SMS to {who} of {arrived} could not be delivered in time and will not be tried again."
        ]
        todo = "Send it again if it still matters, or reach the person in another way."
    else:
        lines = [f"Your SMS to {who} of {arrived} could not be delivered and will not be tried again."]
        todo = "Check the number and the text before you send it again."
    if reason:
        lines.append(f"Reason: {reason}")
    if notice.parts > 1 and notice.event != "delivered":
        lines.append(
            f"The message has {notice.parts} parts; {notice.parts_sent} of them "
            + ("was sent." if notice.parts_sent == 1 else "were sent.")
        )
        if 0 < notice.parts_sent < notice.parts and notice.event != "delayed":
            lines.append("The phone may show a part of the text, or nothing.")
    if todo:
        lines.append(todo)
    return "\n".join(["This is a report by the SMS gateway.", "", *lines, ""])


def _status(notice: Report, who: str, action: str, status: str, server_name: str) -> bytes:
    """The machine's part: fields per message, an empty line, fields of the recipient (RFC 3464 section 2)."""
    server = headers.ascii_line(server_name)
    message = [("Reporting-MTA", f"dns; {server}")]
    if notice.envelope_id:
        message.append(("Original-Envelope-Id", headers.ascii_line(notice.envelope_id)))
    message.append(("Arrival-Date", headers.date(notice.arrived)))
    recipient = []
    if notice.original_recipient:
        kind, semicolon, rest = notice.original_recipient.partition(";")
        if not semicolon:
            kind, rest = "rfc822", kind
        recipient.append(
            ("Original-Recipient", f"{headers.ascii_line(kind)}; {headers.ascii_line(bare(rest))}")
        )
    recipient += [
        ("Final-Recipient", f"rfc822; {_mailbox(who, server)}"),
        ("Action", action),
        ("Status", status),
    ]
    if notice.reason and action in ("failed", "delayed"):  # RFC 3464 section 2.3.6
        recipient.append(
            ("Diagnostic-Code", f"x-sms; {headers.ascii_line(without_credentials(notice.reason))}")
        )
    if notice.event in ("failed", "delivered", "relayed"):
        recipient.append(("Last-Attempt-Date", headers.date(notice.at)))
    if notice.event == "delayed" and notice.retry_until:
        recipient.append(("Will-Retry-Until", headers.date(notice.retry_until)))
    return headers.block(message) + headers.block(recipient)


def _mailbox(who: str, server: str) -> str:
    """A number or an address as a mail address in ASCII."""
    local, at, where = who.rpartition("@")
    return (
        address(headers.ascii_line(local), headers.ascii_line(where))
        if at
        else address(headers.ascii_line(who), server)
    )


def _original(
    notice: Report, who: str, sender: str, server_name: str, original: str, full: bool
) -> tuple[list[tuple[str, str]], bytes]:
    """The message itself, as it was kept: its text, not the mail's other parts."""
    fields = [("From", headers.line(sender)), ("To", _mailbox(who, headers.ascii_line(server_name)))]
    if notice.subject:
        fields.append(("Subject", headers.unstructured(notice.subject)))
    fields.append(("Date", headers.date(notice.arrived)))
    if original:
        fields.append(("Message-ID", original))
    if not full:
        return [("Content-Type", "text/rfc822-headers")], headers.block(fields)
    extra, body = text_entity(notice.text)
    return [("Content-Type", "message/rfc822")], headers.block(
        [*fields, ("MIME-Version", "1.0"), *extra]
    ) + body
