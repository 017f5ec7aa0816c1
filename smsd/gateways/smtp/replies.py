"""What the relay says and what it means: answers, refusals sorted by whose trouble they are, ends of connections.

RFC 5321 section 4.2 (replies), RFC 3463 (enhanced status codes). Nothing here sends or waits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from twisted.python.failure import Failure as TwistedFailure

from smsd.codec.mail.headers import line as one_line
from smsd.values.delivery import Failure, Kind, Scope

_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s|$)")


class Lost(Exception):
    """The conversation ended without an answer: connection gone, silence, or nonsense. `tls`: while TLS began."""

    def __init__(self, reason: str, tls: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.tls = tls


class Unusable(Exception):
    """The relay answers but will not work for us: `patience` seconds to wait at least before asking again."""

    def __init__(self, reason: str, patience: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.patience = patience


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the relay: its code and the text of its lines."""

    code: int
    lines: tuple[str, ...]

    @property
    def good(self) -> bool:
        """2xx."""
        return 200 <= self.code < 300

    @property
    def enhanced(self) -> str:
        """The enhanced status of RFC 3463, made from the code where the relay gives none (or one of another class)."""
        match = _ENHANCED.match(self.lines[-1])
        if match and match[1][0] == str(self.code)[0]:
            return match[1]
        return f"{str(self.code)[0]}.0.0"

    def __str__(self) -> str:
        return one_line(f"{self.code} {' '.join(self.lines)}")[:300]


def refusal(reply: Reply) -> Failure:
    """What a refusal in the middle of a mail means (RFC 5321 section 4.2): whose trouble it is, and for how long."""
    if reply.code == 421:
        return Failure(
            Kind.TEMPORARY, f"the mail relay is closing: {reply}", scope=Scope.GATEWAY, status="4.3.2"
        )
    if reply.code in (530, 534, 538):  # a login is wanted, RFC 4954: nothing is wrong with this mail
        return Failure(
            Kind.TEMPORARY, f"the mail relay wants a login: {reply}", scope=Scope.GATEWAY, status="4.7.0"
        )
    if reply.code >= 500:
        return Failure(Kind.PERMANENT, f"the mail relay refused the mail: {reply}", status=reply.enhanced)
    if reply.code >= 400:
        return Failure(Kind.TEMPORARY, f"the mail relay put the mail off: {reply}", status=reply.enhanced)
    return Failure(
        Kind.TEMPORARY, f"the mail relay answered out of turn: {reply}", scope=Scope.GATEWAY, status="4.5.0"
    )


def why(reason: TwistedFailure) -> str:
    """The end of a connection in words for an administrator."""
    error: Any = reason.value
    module = type(error).__module__
    if module.startswith("service_identity"):
        return "TLS with the mail relay failed: its certificate is for another name"
    if module.startswith("OpenSSL"):  # args: [(library, function, reason), …], or nothing
        details = error.args[0] if error.args and isinstance(error.args[0], list) else []
        words = "; ".join(str(entry[-1]) for entry in details if isinstance(entry, tuple))
        return f"TLS with the mail relay failed: {words or type(error).__name__}"
    return "the mail relay closed the connection"
