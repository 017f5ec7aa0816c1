"""A mail that somebody has written in a chat program (S7)."""

from __future__ import annotations

from smsd.codec.mail import headers
from smsd.codec.mail.sms import display, text_entity


def chatted(
    text: str,
    *,
    sender: str,
    box: str,
    writer: str,
    recipient: str,
    subject: str = "",
    message_id: str,
    date: int,
) -> bytes:
    """The mail (octets, CRLF). It comes from the mailbox `sender`; without one it comes from `box`, and answers go to the
    `writer`'s chat address, which is a mailbox at many servers: mail that claims to come from a domain which does not know us is
    refused (DMARC)."""
    if sender:
        fields = [("From", headers.line(sender)[:320])]
    else:
        local = box.partition("@")[0]
        shown = display(f"{headers.line(writer)[:100]} via {local}")
        fields = [("From", f"{shown} <{headers.line(box)}>"), ("Reply-To", headers.line(writer))]
    fields += [
        ("To", headers.line(recipient)),
        ("Subject", headers.unstructured((subject or f"Message from {writer}")[:500])),
        ("Date", headers.date(date)),
        ("Message-ID", message_id),
        ("MIME-Version", "1.0"),
    ]
    content, body = text_entity(text)
    return headers.block(fields + content) + body
