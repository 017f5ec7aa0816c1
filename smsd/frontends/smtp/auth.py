"""SASL for the mail door: the PLAIN (RFC 4616) and LOGIN exchanges, without I/O.

A mechanism takes decoded responses and gives the next challenge or a `Pair`. Neither is any good without TLS; when they
may be used is the protocol's business (RFC 4954). CRAM-MD5 is not offered: it needs passwords that can be read.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import field

from smsd.values.frozen import frozen

LONGEST_RESPONSE = 12288
"""Octets of an AUTH line without CRLF (RFC 4954 4)."""


class BadResponse(ValueError):
    """A response that is not what the mechanism defines."""


@frozen
class Pair:
    """What a client showed."""

    username: str
    password: str = field(repr=False)


class Plain:
    """RFC 4616: `authzid NUL authcid NUL password` in one response."""

    challenge = b""

    def respond(self, response: bytes) -> Pair | bytes:
        """The credentials; BadResponse when the three fields are not there, or act for somebody else."""
        fields = response.split(b"\0")
        if len(fields) != 3 or not fields[1]:
            raise BadResponse("PLAIN has three fields: identity NUL user name NUL password")
        if fields[0] not in (b"", fields[1]):
            raise BadResponse("nobody may act for another user here: leave the identity empty")
        return Pair(_text(fields[1]), _text(fields[2]))


class Login:
    """LOGIN (never an RFC): two prompts, user name and password."""

    challenge = b"Username:"

    def __init__(self) -> None:
        self._username: str | None = None

    def respond(self, response: bytes) -> Pair | bytes:
        """The next prompt, or the credentials."""
        if self._username is None:
            if not response:
                raise BadResponse("the user name is empty")
            self._username = _text(response)
            return b"Password:"
        return Pair(self._username, _text(response))


Mechanism = Plain | Login
MECHANISMS: dict[bytes, Callable[[], Mechanism]] = {b"PLAIN": Plain, b"LOGIN": Login}


def _text(octets: bytes) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        raise BadResponse("user name and password are UTF-8") from None


def decode(line: bytes, initial: bool = False) -> bytes:
    """A response from base64; an initial `=` is the empty response (RFC 4954 4). BadResponse when it is no base64."""
    if initial and line == b"=":
        return b""
    try:
        return base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        raise BadResponse("the response is not base64") from None
