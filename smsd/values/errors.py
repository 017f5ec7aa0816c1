"""What can go wrong, in the words that every door spells in its own protocol.

`Reason` is the one table from a refusal to SMTP (RFC 5321 reply, RFC 3463 enhanced code) and HTTP. A refusal's text is
for the person who sent the message: it says what was wrong and what to do, and never shows configuration or secrets.
"""

from __future__ import annotations

import enum


class DecodeError(ValueError):
    """Octets or characters that cannot be read as what they should be. The text says where and why."""


class InvalidValue(ValueError):
    """A value that smsd cannot hold or send (NUL, lone surrogate, impossible number). The text says what to do."""


def storable(text: str) -> str:
    """`text` itself if any store and network can hold it; InvalidValue for NUL and lone surrogates."""
    if "\0" in text:
        raise InvalidValue("the text contains a NUL character: remove it")
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InvalidValue(
                f"the text contains half a surrogate pair at character {error.start + 1}: send valid Unicode"
            ) from None
    return text


class Reason(enum.Enum):
    """Why something was refused: (words, SMTP reply code, RFC 3463 enhanced code, HTTP status)."""

    BAD_NUMBER = ("bad number", 550, "5.1.3", 400)
    BAD_REQUEST = ("bad request", 501, "5.5.4", 400)
    EMPTY = ("empty", 550, "5.6.0", 400)
    TOO_LONG = ("too long", 552, "5.2.3", 413)
    TOO_MANY_RECIPIENTS = ("too many recipients", 452, "4.5.3", 413)
    UNKNOWN_DOMAIN = ("unknown domain", 550, "5.1.2", 404)
    UNKNOWN_GATEWAY = ("unknown gateway", 550, "5.1.2", 404)
    NO_GATEWAY = ("no gateway", 550, "5.4.4", 503)
    NOT_AUTHENTICATED = ("not authenticated", 530, "5.7.0", 401)
    BAD_CREDENTIALS = ("bad credentials", 535, "5.7.8", 401)
    NOT_ALLOWED = ("not allowed", 550, "5.7.1", 403)
    OVER_LIMIT = ("over limit", 452, "4.2.2", 429)
    NO_CREDIT = ("no credit", 552, "5.2.2", 402)
    LOOP = ("loop", 554, "5.4.6", 508)
    CONFLICT = ("conflict", 554, "5.5.0", 409)
    SLOW_DOWN = ("slow down", 451, "4.7.0", 429)
    UNAVAILABLE = ("unavailable", 451, "4.3.0", 503)

    @property
    def smtp(self) -> int:
        """The SMTP reply code."""
        return int(self.value[1])

    @property
    def enhanced(self) -> str:
        """The enhanced status code of RFC 3463."""
        return str(self.value[2])

    @property
    def http(self) -> int:
        """The HTTP status."""
        return int(self.value[3])


class Refused(Exception):
    """A message or a login that is not taken: a `Reason` for programs and a text for people."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text

    def __repr__(self) -> str:
        return f"Refused({self.reason.name}, {self.text!r})"
