"""message/imdn+xml (RFC 5438): delivery notifications, read and written. Document types are refused: no entities, no files."""

from __future__ import annotations

from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape

from smsd.codec.sip.errors import Malformed
from smsd.codec.sip.grammar import readable
from smsd.values.frozen import frozen

CONTENT_TYPE = "message/imdn+xml"
_NAMESPACE = "urn:ietf:params:xml:ns:imdn"
_STATUSES = frozenset(("delivered", "failed", "forbidden", "error", "displayed", "processed", "stored"))
_KINDS = ("delivery", "display", "processing")
_TEXTS = {
    "message-id": "message_id",
    "datetime": "at",
    "recipient-uri": "recipient",
    "original-recipient-uri": "original_recipient",
}
_MOST_ELEMENTS = 200
_MOST_DEPTH = 20
_LONGEST = 65_536
_LONGEST_TEXT = 1_000


@frozen
class Notification:
    """What became of the message `message_id`: `kind` is delivery, display or processing, `status` delivered, failed, forbidden,
    error, displayed, processed or stored. `at`, `recipient` (a URI) and `original_recipient` as written."""

    message_id: str
    status: str
    kind: str = "delivery"
    at: str = ""
    recipient: str = ""
    original_recipient: str = ""


class _Reader:
    """Fed by expat. `path` are the local names of open elements."""

    def __init__(self) -> None:
        self.path: list[str] = []
        self.found: dict[str, str] = {}
        self.elements = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        # Some leave the namespace out; other namespaces are extensions.
        self.path.append(local if namespace in ("", _NAMESPACE) else "")
        self.elements += 1
        if self.elements > _MOST_ELEMENTS or len(self.path) > _MOST_DEPTH:
            raise Malformed("a notification has too many elements")
        if len(self.path) == 4 and self.path[0] == "imdn" and self.path[2] == "status" and local in _STATUSES:
            kind = self.path[1].removesuffix("-notification")
            if kind in _KINDS and self.path[1] != kind:
                self.found.setdefault("kind", kind)
                self.found.setdefault("status", local)

    def end(self, _: str) -> None:
        self.path.pop()

    def text(self, data: str) -> None:
        if len(self.path) == 2 and self.path[0] == "imdn" and (field := _TEXTS.get(self.path[1])) is not None:
            self.found[field] = (self.found.get(field, "") + data)[: _LONGEST_TEXT + 1]

    def doctype(self, *_: Any) -> None:
        raise Malformed("a document type (<!DOCTYPE …>) is not taken: leave it out")


def read_imdn(octets: bytes) -> Notification:
    """The notification; Malformed."""
    if len(octets) > _LONGEST:
        raise Malformed(f"a notification is longer than {_LONGEST} octets", 413)
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = reader.text, reader.doctype
    try:
        parser.Parse(octets, True)
    except Malformed:
        raise
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise Malformed(f"the XML of a notification cannot be read: {error}") from None
    found = {name: value.strip() for name, value in reader.found.items()}
    if not found.get("message_id") or not found.get("status"):
        raise Malformed("a notification names no message, or no status")
    if max(len(value) for value in found.values()) > _LONGEST_TEXT:
        raise Malformed(f"a value of a notification is longer than {_LONGEST_TEXT} characters")
    return Notification(**found)


def write_imdn(notification: Notification) -> bytes:
    """The XML of it."""
    texts = []
    for element, field in _TEXTS.items():
        if value := getattr(notification, field):
            texts.append(f"<{element}>{escape(readable(value))}</{element}>\r\n")
    if notification.status not in _STATUSES or notification.kind not in _KINDS or not notification.message_id:
        raise Malformed("a notification needs a message, and a kind and status of RFC 5438")
    kind = f"{notification.kind}-notification"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\r\n<imdn xmlns="{_NAMESPACE}">\r\n{"".join(texts)}'
        f"<{kind}><status><{notification.status}/></status></{kind}>\r\n</imdn>\r\n"
    ).encode("utf-8", "replace")
