"""The one exception of this room: whatever cannot be read, used or printed ends in it, and it says what may be answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smsd.values.errors import DecodeError

if TYPE_CHECKING:
    from smsd.codec.sip.messages import Request


class Malformed(DecodeError):
    """What a peer sent cannot be taken. `status` is SIP's answer to it, the text says to people what was wrong, `headers` belong
    into the answer (Accept, Allow, Unsupported …). `request` is what can be answered with `respond` (Via, From, To, Call-ID
    and CSeq could be read); None: drop it silently, or, when the request itself is at hand (bodies, digest), answer that."""

    def __init__(
        self,
        text: str,
        status: int = 400,
        request: Request | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.request = request
        self.headers = headers
