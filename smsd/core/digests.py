"""Digest secrets (RFC 7616, RFC 8760): what a server needs to check a phone that never shows its password.

A hash of argon2 cannot do that, so such a secret is stored apart, as the two halves that digest knows as HA1: who reads them can
log in at this realm, and learns no password. Who logs in with one, `smsd.core.accounts` decides.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from smsd.core.passwords import LONGEST

REALM = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_SECRET = re.compile(r"\$digest\$([^$]{1,253})\$([^\s:\x00-\x1f\x7f]{1,320})\$([0-9a-f]{32})\$([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Secret:
    """HA1 of a user in a realm, for both algorithms, in hexadecimal."""

    realm: str
    user: str
    md5: str = field(repr=False)
    sha256: str = field(repr=False)


def make_secret(user: str, realm: str, password: str) -> str:
    """What goes into the configuration as `sip_secret`: `$digest$realm$user$…$…`; ValueError for what cannot be one."""
    if not password or "\0" in password or len(password) > LONGEST:
        raise ValueError(f"a password has 1 to {LONGEST} characters and no NUL")
    if not REALM.fullmatch(realm):
        raise ValueError(
            f"{realm!r} is no realm: write the domain of the SIP addresses, such as sip.example.org"
        )
    if not re.fullmatch(r"[^\s:\x00-\x1f\x7f]{1,320}", user):
        raise ValueError("a user name has no blanks and no colon")
    half = f"{user}:{realm}:{password}".encode()
    md5 = hashlib.md5(half, usedforsecurity=False).hexdigest()
    return f"$digest${realm}${user}${md5}${hashlib.sha256(half).hexdigest()}"


def read_secret(text: str) -> Secret:
    """What `make_secret` has made; ValueError when it has not."""
    found = _SECRET.fullmatch(text)
    if found is None or not REALM.fullmatch(found[1]):
        raise ValueError(
            "this is no digest secret: put in what `smsd password --sip USER --realm REALM` prints"
        )
    return Secret(found[1], found[2], found[3], found[4])
