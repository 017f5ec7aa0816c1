"""message/imdn+xml (RFC 5438): delivery notifications, read and written. Document types are refused: no entities, no files."""

from __future__ import annotations

from smsd.values.frozen import frozen


@frozen
class Notification:
    """What became of the message `message_id`: `kind` is delivery, display or processing, `status` delivered, failed, forbidden,
    error, displayed, processed or stored."""

    message_id: str
    status: str
    kind: str = "delivery"
    at: str = ""
    recipient: str = ""
    original_recipient: str = ""


def read_imdn(octets: bytes) -> Notification:
    """The notification; Malformed."""
    raise NotImplementedError


def write_imdn(notification: Notification) -> bytes:
    """The XML of it."""
    raise NotImplementedError
