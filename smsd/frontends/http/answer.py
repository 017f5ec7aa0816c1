"""What the HTTP door says back: one line per recipient for scripts, or JSON. Pure: values in, octets out.

Text: `OK <delivery id> <number> parts=<n>` and `ERROR <reason> <number> <sentence>`, then NOTE and WARNING
lines. Ids are strings in JSON too (they have 63 bits, more than a JavaScript number holds). Nothing the
caller sent can start a new line.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from smsd.values.errors import Reason, Refused
from smsd.values.frozen import frozen
from smsd.values.message import Declined, Queued, Receipt

TEXT = b"text/plain; charset=utf-8"
JSON = b"application/json"
HTML = b"text/html; charset=utf-8"
PHRASES = {int(status): status.phrase.encode("ascii") for status in HTTPStatus}
"""What the status line says behind the number."""


@frozen
class Answer:
    """A whole response. `headers` are complete lines without CRLF."""

    status: int
    body: bytes
    kind: bytes = TEXT
    headers: tuple[bytes, ...] = ()


def word(text: str) -> str:
    """One word of a line, whatever was typed."""
    if text.isascii() and text[1:].isdecimal() and text[0] > " " and len(text) <= 64:
        return text
    return "".join(c for c in text[:64] if c.isprintable() and not c.isspace()) or "-"


def _sentence(text: str) -> str:
    return (
        text if text.isprintable() else " ".join("".join(c if c.isprintable() else " " for c in text).split())
    )


def accepted(receipt: Receipt, *, as_json: bool, msgid: str | None, warnings: tuple[str, ...]) -> Answer:
    """The answer to a committed submission: 200 when at least one recipient was taken, else the first
    refusal's status."""
    status = 200
    if not any(isinstance(fate, Queued) for fate in receipt.recipients):
        status = next((f.refusal.reason.http for f in receipt.recipients if isinstance(f, Declined)), 400)
    headers = (b"Idempotent-Replayed: true",) if receipt.replayed else ()
    if as_json:
        content: dict[str, Any] = {
            "message": str(receipt.message),
            "recipients": [_json_fate(fate) for fate in receipt.recipients],
        }
        if msgid is not None:
            content["msgid"] = msgid
        if receipt.replayed:
            content["replayed"] = True
        if warnings:
            content["warnings"] = list(warnings)
        return Answer(status, _json(content), JSON, headers)
    lines = [_text_fate(fate, msgid) for fate in receipt.recipients]
    if warnings:
        lines.extend(f"WARNING {_sentence(warning)}\n" for warning in warnings)
    return Answer(status, "".join(lines).encode("utf-8", "replace"), TEXT, headers)


def _text_fate(fate: Queued | Declined, msgid: str | None) -> str:
    if isinstance(fate, Declined):
        refusal = fate.refusal
        return f"ERROR {refusal.reason.name} {word(fate.typed)} {_sentence(refusal.text)}\n"
    line = f"OK {fate.delivery} {fate.target} parts={fate.parts}"
    if msgid is not None:
        line += f" msgid={msgid}"
    line += "\n"
    for note in fate.notes:
        line += f"NOTE {fate.delivery} {_sentence(note)}\n"
    return line


def _json_fate(fate: Queued | Declined) -> dict[str, Any]:
    if isinstance(fate, Declined):
        return {
            "status": "refused",
            "number": fate.typed,
            "reason": fate.refusal.reason.name,
            "text": fate.refusal.text,
        }
    content: dict[str, Any] = {
        "status": "accepted",
        "id": str(fate.delivery),
        "number": fate.target,
        "parts": fate.parts,
        "encoding": fate.encoding,
    }
    if fate.notes:
        content["notes"] = list(fate.notes)
    return content


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def refused(
    refusal: Refused, *, as_json: bool = False, status: int = 0, headers: tuple[bytes, ...] = ()
) -> Answer:
    """The answer when nothing was taken; `status` where HTTP has a better word than the reason's."""
    code = status or refusal.reason.http
    if code == 401:
        headers = (*headers, b'WWW-Authenticate: Basic realm="smsd", charset="UTF-8"')
    if code in (429, 503):
        headers = (*headers, b"Retry-After: 5")
    if as_json:
        return Answer(
            code, _json({"error": {"reason": refusal.reason.name, "text": refusal.text}}), JSON, headers
        )
    return Answer(
        code,
        f"ERROR {refusal.reason.name} - {_sentence(refusal.text)}\n".encode("utf-8", "replace"),
        TEXT,
        headers,
    )


def failed(mark: str, *, as_json: bool = False) -> Answer:
    """The answer to something that should not have happened: 500 and the mark under which the log has it."""
    text = (
        f"internal error {mark}: nothing is known to be accepted; the log has the details under this number"
    )
    return refused(Refused(Reason.UNAVAILABLE, text), as_json=as_json, status=500)
