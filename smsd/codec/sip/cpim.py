"""message/cpim (RFC 3862): headers around a content, with those of RFC 5438 that ask for delivery notifications."""

from __future__ import annotations

from smsd.codec.sip.uri import Pairs
from smsd.values.frozen import frozen


@frozen
class Cpim:
    """`sender`, `to`: URIs ("" without); `date` as written; `message_id` and `wants` (positive-delivery, negative-delivery, display,
    processing, interworking) are imdn.Message-ID and imdn.Disposition-Notification. `headers`: all, those of a namespace as
    `{namespace URI}Name`. `content_headers` and `content` are what is wrapped."""

    sender: str = ""
    to: str = ""
    date: str = ""
    subject: str = ""
    message_id: str = ""
    wants: frozenset[str] = frozenset()
    headers: Pairs = ()
    content_headers: Pairs = ()
    content: bytes = b""


def read_cpim(octets: bytes) -> Cpim:
    """The wrapper and its content; Malformed."""
    raise NotImplementedError


def write_cpim(
    content: bytes, content_type: str, *, sender: str, to: str, date: str = "", message_id: str = "",
    wants: tuple[str, ...] = (), disposition: str = "",
) -> bytes:  # fmt: skip
    """The octets of a message/cpim body. `disposition`: Content-Disposition of the content ("notification" for an IMDN)."""
    raise NotImplementedError
