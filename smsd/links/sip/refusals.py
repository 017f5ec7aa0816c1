"""Why something is refused, in SIP: the one table from reasons to status codes."""

from __future__ import annotations

from collections.abc import Iterable

from smsd.codec.sip import Malformed, Request, Response, respond, warning
from smsd.values.errors import Reason, Refused

CODES: dict[Reason, tuple[int, str]] = {
    Reason.BAD_NUMBER: (484, "Bad Number"),
    Reason.BAD_REQUEST: (400, "Bad Request"),
    Reason.EMPTY: (400, "Empty Text"),
    Reason.TOO_LONG: (413, "Text Too Long"),
    Reason.TOO_MANY_RECIPIENTS: (413, "Too Many Recipients"),
    Reason.UNKNOWN_DOMAIN: (404, "Unknown Domain"),
    Reason.UNKNOWN_GATEWAY: (404, "Unknown Gateway"),
    Reason.NO_GATEWAY: (480, "No Gateway For This Number"),
    Reason.NOT_AUTHENTICATED: (403, "Not Authenticated"),
    Reason.BAD_CREDENTIALS: (403, "Wrong User Or Password"),
    Reason.NOT_ALLOWED: (403, "Not Allowed"),
    Reason.OVER_LIMIT: (403, "Over Limit"),
    Reason.NO_CREDIT: (402, "No Credit"),
    Reason.LOOP: (482, "Loop Detected"),
    Reason.CONFLICT: (400, "Same Call-ID With Another Text"),
    Reason.SLOW_DOWN: (480, "Too Fast"),
    Reason.UNAVAILABLE: (503, "Not Now"),
}
"""A limit is not 486 or 503: those would make a phone, or a proxy, try again at once or elsewhere."""
RETRY = {Reason.SLOW_DOWN: 60, Reason.UNAVAILABLE: 30, Reason.NO_GATEWAY: 60}
"""Seconds of Retry-After, where the refusal does not say them."""


class Rejected(Exception):
    """A request that gets this status; the text is for people."""

    def __init__(
        self, status: int, text: str, headers: Iterable[tuple[str, str]] = (), phrase: str = ""
    ) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = tuple(headers)
        self.phrase = phrase


def rejected(error: Refused | Rejected | Malformed) -> Rejected:
    """What a refusal, or something that cannot be read, is for a peer."""
    if isinstance(error, Rejected):
        return error
    if isinstance(error, Malformed):
        return Rejected(error.status, error.text, error.headers)
    status, phrase = CODES[error.reason]
    wait = getattr(error, "wait", None) or RETRY.get(error.reason)
    headers = () if wait is None else (("Retry-After", str(wait)),)
    return Rejected(status, error.text, headers, phrase)


def refuse(request: Request, tag: str, host: str, why: Rejected) -> Response:
    """The answer that says so, to programs and to people."""
    headers = (*why.headers, warning(host, why.text)) if why.text else why.headers
    return respond(request, why.status, why.phrase, tag=tag, headers=headers)
