"""A mail that goes on to a member of a list (S5): a new mail with the text of the old one, from the list.

The writer's own address is shown and answered to, never put into From: servers refuse mail that claims to come from a domain
which does not know them (DMARC). `X-Loop` lines end circles.
"""

from __future__ import annotations

from collections.abc import Sequence

from smsd.codec.mail import headers
from smsd.codec.mail.sms import added, display, text_entity

MOST_LOOPS = 20


def relayed(
    text: str,
    *,
    box: str,
    writer: str,
    name: str = "",
    reply_to: str = "",
    subject: str = "",
    message_id: str,
    date: int,
    loops: tuple[str, ...] = (),
) -> bytes:
    """The mail (octets, CRLF). `box` is the list's address, `writer` and `name` whoever wrote; answers go to `reply_to`, or
    else to the writer. `loops` are the addresses that it has come through before."""
    local, _, where = box.partition("@")
    shown = headers.line(name)[:100] or headers.line(writer)[:100]
    fields = [
        ("From", f"{display(f'{shown} via {local}')} <{headers.line(box)}>"),
        ("To", headers.line(box)),
        ("Reply-To", headers.line(reply_to or writer)),
        ("Subject", headers.unstructured(subject[:500])),
        ("Date", headers.date(date)),
        ("Message-ID", message_id),
        ("List-Id", f"<{headers.line(local)}.{headers.line(where)}>"),
        ("Precedence", "list"),
        ("X-Auto-Response-Suppress", "All"),
    ]
    seen = dict.fromkeys((*loops[-MOST_LOOPS:], box))
    fields += [("X-Loop", headers.line(one)[:320]) for one in seen]
    fields.append(("MIME-Version", "1.0"))
    extra, body = text_entity(text)
    return headers.block(fields + extra) + body


def copied(
    text: str,
    *,
    box: str,
    writer: str,
    recipient: str,
    phone: str = "",
    subject: str = "",
    message_id: str,
    date: int,
    automatic: str = "",
    loops: tuple[str, ...] = (),
    extra: Sequence[tuple[str, str]] = (),
) -> bytes:
    """What somebody here wrote to a phone, copied to a mailbox by a rule (octets, CRLF). It comes from `box`, answers go to
    the `writer`, a mail address or the name of an account; `phone` is the number that was written to. `automatic` is what RFC
    3834 calls it, if nobody wrote it; `loops` is where it has been; `extra` are fields that a rule adds."""
    local = box.partition("@")[0]
    fields = [
        ("From", f"{display(f'{headers.line(writer)[:100]} via {local}')} <{headers.line(box)}>"),
        ("To", recipient),
    ]
    if "@" in writer:
        fields.append(("Reply-To", headers.line(writer)))
    fields += [
        (
            "Subject",
            headers.unstructured((subject or f"SMS to {phone}" if phone else subject or "SMS")[:500]),
        ),
        ("Date", headers.date(date)),
        ("Message-ID", message_id),
        ("X-Auto-Response-Suppress", "All"),
    ]
    if phone:
        fields.append(("X-SMS-Recipient", headers.line(phone)[:100]))
    fields += [("X-Loop", headers.line(one)[:320]) for one in loops[-MOST_LOOPS:]]
    if automatic:
        fields.append(("Auto-Submitted", headers.ascii_line(automatic)))
    fields.append(("MIME-Version", "1.0"))
    fields += added(extra, fields)
    content, body = text_entity(text)
    return headers.block(fields + content) + body
