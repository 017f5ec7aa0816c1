"""Mail and SMS: a mail's text for a phone, an SMS as a mail, and reports as delivery status notifications.

Pure: dates and message ids are arguments. RFC 5322, 2045-2047, 2231, 3461-3464, 3676, 3834.
"""

from __future__ import annotations

from smsd.codec.mail.dsn import report
from smsd.codec.mail.headless import has_header
from smsd.codec.mail.reading import MailOptions, MailText, Subject, to_text
from smsd.codec.mail.sms import ReplyAddress, from_sms, reply_address

__all__ = [
    "MailOptions",
    "MailText",
    "ReplyAddress",
    "Subject",
    "from_sms",
    "has_header",
    "reply_address",
    "report",
    "to_text",
]
