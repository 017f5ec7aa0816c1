"""A mail in names and values: what the texts of notifications and the arguments of programs may contain (feature S6)."""

from __future__ import annotations

from datetime import datetime, tzinfo

from smsd.codec.mail import headers
from smsd.codec.smsuri import concealed
from smsd.interfaces import MailIn

VARIABLES = (
    "address", "attachments", "date", "first_line", "from", "from_name", "sender", "size", "subject", "text", "to",
)  # fmt: skip
LONGEST_TEXT = 1_000_000
"""Characters of a mail that go into a template, or to a program."""


def variables(mail: MailIn, address: str, now: int, zone: tzinfo | None = None) -> dict[str, str]:
    """Every one of VARIABLES. `address` is the one that was written to, `now` counts for a mail without a Date."""
    fields: dict[str, str] = {}
    for name, value in headers.all_fields(mail.head):
        fields.setdefault(name.lower(), value)
    sender = mail.from_ or mail.sender
    name = _name(fields.get("from", ""), sender)
    text = mail.text[:LONGEST_TEXT]
    return {
        "address": address,
        "attachments": str(mail.attachments),
        "date": _local(now if mail.sent is None else mail.sent, zone),
        "first_line": next((line.strip() for line in text.split("\n") if line.strip()), ""),
        "from": f"{name} <{sender}>" if name else sender,
        "from_name": name or sender,
        "sender": sender,
        "size": size(mail.size),
        "subject": mail.subject,
        "text": text,
        "to": concealed(fields.get("to", "")) or address,
    }


def _name(written: str, address: str) -> str:
    """The person's name in a From field: before the address in angles, or in parentheses behind it."""
    before, angle, _ = written.rpartition(f"<{address}>")
    if angle:
        return before.strip().strip('"').replace('\\"', '"').strip()
    _, opened, comment = written.partition("(")
    return comment.rpartition(")")[0].strip() if opened else ""


def size(octets: int) -> str:
    """A size for people: 834 bytes, 12 kB, 3.4 MB."""
    if octets < 1000:
        return f"{octets} bytes"
    if octets < 999_500:
        return f"{(octets + 500) // 1000} kB"
    return f"{octets / 1_000_000:.1f} MB"


def _local(milliseconds: int, zone: tzinfo | None) -> str:
    try:
        return f"{datetime.fromtimestamp(milliseconds / 1000, zone):%Y-%m-%d %H:%M}"
    except (OverflowError, OSError, ValueError):  # a year that no clock has
        return ""
