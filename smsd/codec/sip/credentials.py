"""The arithmetic and the grammar of digest authentication (RFC 7616 section 3.4, RFC 2617, RFC 3261 section 22), for both ends."""

from __future__ import annotations

import hashlib
import re

from smsd.codec.sip.errors import Malformed
from smsd.codec.sip.grammar import MOST_VALUES, TOKEN, quoted, unquoted
from smsd.values.frozen import frozen

STRENGTH = ("SHA-512-256", "SHA-256", "MD5")
"""All algorithms, the strongest first."""
_HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}

_PAIR = re.compile(
    rf"""[ \t]*({TOKEN.pattern})[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^ \t,"]+)[ \t]*(,|$)""", re.DOTALL
)
_LONGEST = 4_096


@frozen
class Digest:
    """What a client says: `method` and `uri` of the request as hashed, and the fields of its credentials. Empty `qop`: RFC 2069."""

    algorithm: str
    nonce: str
    method: str
    uri: str
    cnonce: str = ""
    count: str = ""
    qop: str = ""
    body: bytes = b""


def hash_of(algorithm: str, text: str | bytes) -> str:
    """H(text) in hexadecimal; Malformed for an algorithm that is not known."""
    name = _HASHES.get(algorithm.upper().removesuffix("-SESS"))
    octets = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    try:
        if name is None:
            raise ValueError
        return hashlib.new(name, octets, usedforsecurity=False).hexdigest()
    except ValueError:  # not built into this Python's OpenSSL either
        raise Malformed("the algorithm of a digest is not known here") from None


def ha1(algorithm: str, user: str, realm: str, password: str) -> str:
    """H(user:realm:password), in hexadecimal: what is stored instead of a password."""
    return hash_of(algorithm, f"{user}:{realm}:{password}")


def response_of(secret: str, said: Digest) -> str:
    """The response that proves to know HA1 (`secret`)."""

    def digest(text: str) -> str:
        return hash_of(said.algorithm, text)

    if said.algorithm.upper().endswith("-SESS"):
        secret = digest(f"{secret}:{said.nonce}:{said.cnonce}")
    what = f"{said.method}:{said.uri}"
    if said.qop == "auth-int":
        what = f"{what}:{hash_of(said.algorithm, said.body)}"
    if not said.qop:
        return digest(f"{secret}:{said.nonce}:{digest(what)}")
    return digest(f"{secret}:{said.nonce}:{said.count}:{said.cnonce}:{said.qop}:{digest(what)}")


def fields(value: str) -> dict[str, str] | None:
    """The fields of a challenge or of credentials (names in lower case); None for another scheme than Digest; Malformed."""
    scheme, _, rest = value.partition(" ")
    if scheme.lower() != "digest":
        return None
    if len(rest) > _LONGEST:
        raise Malformed(f"credentials are longer than {_LONGEST} characters")
    found: dict[str, str] = {}
    position = 0
    while position < len(rest):
        pair = _PAIR.match(rest, position)
        name = "" if pair is None else pair[1].lower()
        if pair is None or len(found) > MOST_VALUES or name in found:
            raise Malformed("the fields of a digest cannot be read, or one is there twice")
        found[name] = unquoted(pair[2])
        position = pair.end()
    return found


def line(pairs: dict[str, str], bare: frozenset[str]) -> str:
    """The value of a header: `bare` names the fields that stand without quotes."""
    return "Digest " + ", ".join(
        [f"{name}={value if name in bare else quoted(value)}" for name, value in pairs.items()]
    )
