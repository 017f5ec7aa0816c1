"""The header Idempotency-Key: by it a request is known again whose answer got lost. A key stands for one request of its account,
wherever that comes in, for a day.
"""

from __future__ import annotations

import hashlib

from smsd.frontends.http.request import DoorRequest
from smsd.values.errors import InvalidValue
from smsd.values.message import IdempotencyKey

NAME = b"idempotency-key"
REPLAYED = b"Idempotent-Replayed: true"
LONGEST = 255


class WrongKey(InvalidValue):
    """What stands there is no key."""


def said(request: DoorRequest) -> str | None:
    """The key of a request, None without one."""
    key = request.header(NAME)
    if key is not None and not (0 < len(key) <= LONGEST and key.isprintable()):
        raise WrongKey(f"1 to {LONGEST} printable characters are expected")
    return key


def of_file(request: DoorRequest, account: str, octets: bytes, *meaning: object) -> IdempotencyKey | None:
    """The key of a request that brings a file, and what goes with it."""
    key = said(request)
    if key is None:
        return None
    mark = hashlib.sha256(b"file" + hashlib.sha256(octets).digest() + repr(meaning).encode())
    return IdempotencyKey(f"account:{account}", key, mark.digest())
