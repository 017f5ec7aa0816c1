"""What a MESSAGE says: a text, a delivery notification, or nothing for us."""

from __future__ import annotations

from smsd.codec.sip.cpim import Cpim
from smsd.codec.sip.imdn import Notification
from smsd.codec.sip.messages import Request, Response
from smsd.codec.sip.uri import Pairs
from smsd.values.frozen import frozen

ACCEPT = (
    "text/plain, text/html, message/cpim, message/imdn+xml, application/im-iscomposing+xml, multipart/mixed"
)


@frozen
class Content:
    """`text`: None when there is none for a phone (typing, a notification). `cpim`: the wrapper's headers; `notification`: what became
    of a message of ours; `composing`: someone types (answer 200, do nothing). `charset`: what the text was in."""

    text: str | None = None
    cpim: Cpim | None = None
    notification: Notification | None = None
    composing: bool = False
    charset: str = ""


def read_body(message: Request | Response) -> Content:
    """What it says. Malformed: 415 (with Accept) for types and charsets that are not taken, 400 for what cannot be read."""
    raise NotImplementedError


def text_body(text: str) -> tuple[Pairs, bytes]:
    """Content-Type header and octets of a plain text in UTF-8."""
    raise NotImplementedError
