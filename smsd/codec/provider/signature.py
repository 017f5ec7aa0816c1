"""Who calls: the signatures that providers put on what they hand in, and a plain secret for those that sign nothing.

Pure: the time is an argument. Every way gives "" for a good call, or one sentence that says what is wrong with it (never a
secret, never the signature that would have been right). Secrets are compared in constant time. A way is asked with every secret
that is valid just now, so that a secret can be changed without a gap.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping, Sequence

from smsd.values.frozen import frozen

Pairs = tuple[tuple[bytes, bytes], ...]


@frozen
class Call:
    """A request as it is signed. `url` is the one that the provider was told, with the query; `query` and `form` are percent-
    decoded pairs in their order; `scalars` are the fields of a JSON object; `headers` have names in lower case."""

    url: str
    query: Pairs = ()
    form: Pairs = ()
    scalars: Pairs = ()
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    parameter: str = "secret"

    def header(self, name: str) -> str:
        """Its value, "" without one."""
        return dict(self.headers).get(name, "")


def _same(one: str | bytes, other: str | bytes) -> bool:
    return hmac.compare_digest(_octets(one), _octets(other))


def _octets(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")


def _late(at: float, now: float, tolerance: float) -> str:
    if abs(now - at) <= tolerance:
        return ""
    return (
        f"its time is {abs(now - at):.0f} s away from ours, more than {tolerance:.0f} s: compare the clocks"
    )


# -- Twilio: base64 of HMAC-SHA1 over the URL and the sorted fields of the form


def _twilio(secret: str, call: Call, now: float, tolerance: float) -> str:
    given = call.header("x-twilio-signature")
    if not given:
        return "the header X-Twilio-Signature is missing"
    body_hash = dict(call.query).get(b"bodySHA256")
    if body_hash is not None and not call.form:
        if not _same(hashlib.sha256(call.body).hexdigest(), body_hash):
            return "bodySHA256 is not the hash of the body"
    elif call.body and not call.form:
        return "the body is not signed: it is no form, and bodySHA256 is missing"
    fields = b"".join(name + value for name, value in sorted(set(call.form)))
    # Twilio's own check takes the URL with its usual port and without.
    good = [_same(_sha1(secret, _octets(url) + fields), given) for url in _ports(call.url)]
    return "" if any(good) else "X-Twilio-Signature does not match: check secret and url"


def _sha1(secret: str, signed: bytes) -> str:
    return base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha1).digest()).decode("ascii")


_URL = re.compile(r"(https?)://([^/?#]*?)(?::(\d+))?((?:[/?#].*)?)", re.DOTALL)


def _ports(url: str) -> tuple[str, str]:
    found = _URL.fullmatch(url)
    if found is None:
        return url, url
    scheme, host, port, rest = found.groups()
    usual = "443" if scheme == "https" else "80"
    return f"{scheme}://{host}:{port or usual}{rest}", f"{scheme}://{host}{rest}"


# -- SMSGate: hex of HMAC-SHA256 over the body and the time


def _smsgate(secret: str, call: Call, now: float, tolerance: float) -> str:
    given, stamp = call.header("x-signature"), call.header("x-timestamp").strip()
    if not given or not stamp:
        return "the headers X-Signature and X-Timestamp are missing"
    right = hmac.new(secret.encode(), call.body + _octets(stamp), hashlib.sha256).hexdigest()
    if not _same(right, given.strip().lower()):
        return "X-Signature does not match: check secret"
    at = _number(stamp)
    return "X-Timestamp is no number" if at is None else _late(at, now, tolerance)


# -- Standard Webhooks: base64 of HMAC-SHA256 over id, time and body; another smsd signs its events so


def _webhooks(secret: str, call: Call, now: float, tolerance: float) -> str:
    named, stamp = call.header("webhook-id"), call.header("webhook-timestamp").strip()
    given = [each[3:] for each in call.header("webhook-signature").split() if each.startswith("v1,")]
    if not named or not stamp or not given:
        return "the headers webhook-id, webhook-timestamp and webhook-signature are missing"
    signed = _octets(f"{named}.{stamp}.") + call.body
    right = base64.b64encode(hmac.new(_webhook_key(secret), signed, hashlib.sha256).digest()).decode("ascii")
    if not any(_same(right, each) for each in given):
        return "webhook-signature does not match: check secret"
    at = _number(stamp)
    return "webhook-timestamp is no number" if at is None else _late(at, now, tolerance)


def _webhook_key(secret: str) -> bytes:
    """The key of `whsec_` and base64; what is not written so is the key itself."""
    if secret.startswith("whsec_"):
        try:
            return base64.b64decode(secret[6:], validate=True)
        except (binascii.Error, ValueError):
            pass
    return secret.encode()


# -- JSON Web Tokens (RFC 7519) with HS256: httpSMS; Vonage besides signs the hash of the body


def _jwt(secret: str, call: Call, now: float, tolerance: float) -> str:
    wrong, _ = _token(secret, call, now, tolerance)
    return wrong


def _jwt_hash(secret: str, call: Call, now: float, tolerance: float) -> str:
    wrong, claims = _token(secret, call, now, tolerance)
    if wrong:
        return wrong
    given = claims.get("payload_hash")
    if not isinstance(given, str):
        return "the token says nothing of the body: payload_hash is missing"
    if not _same(hashlib.sha256(call.body).hexdigest(), given.lower()):
        return "payload_hash is not the hash of the body"
    return ""


def _token(secret: str, call: Call, now: float, tolerance: float) -> tuple[str, Mapping[str, object]]:
    scheme, _, token = call.header("authorization").partition(" ")
    pieces = token.strip().split(".")
    if scheme.lower() != "bearer" or len(pieces) != 3:
        return "the header Authorization has no token", {}
    signed = f"{pieces[0]}.{pieces[1]}"
    right = _base64url(hmac.new(secret.encode(), _octets(signed), hashlib.sha256).digest())
    good = _same(right, pieces[2].rstrip("="))
    head, claims = _claims(pieces[0]), _claims(pieces[1])
    if head.get("alg") != "HS256":
        return "the token is not signed with HS256", {}
    if not good:
        return "the token's signature does not match: check secret", {}
    times = {name: _number(claims.get(name)) for name in ("iat", "nbf", "exp")}
    expires, begins, issued = times["exp"], times["nbf"], times["iat"]
    if expires is None and issued is None:
        return "the token has no time: exp or iat is missing", {}
    if expires is not None and now > expires + tolerance:
        return "the token has expired: compare the clocks", {}
    if begins is not None and now < begins - tolerance:
        return "the token is not valid yet: compare the clocks", {}
    if issued is not None and (now < issued - tolerance or (expires is None and now > issued + tolerance)):
        return _late(issued, now, tolerance), {}
    return "", claims


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode("ascii").rstrip("=")


def _claims(piece: str) -> Mapping[str, object]:
    try:
        decoded = json.loads(base64.urlsafe_b64decode(_octets(piece) + b"=" * (-len(piece) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return decoded if isinstance(decoded, dict) else {}


# -- Vonage: `sig` over the sorted fields


_DIGESTS: dict[int, str] = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
_SPECIAL = re.compile(rb"[&=]")


def _vonage(secret: str, call: Call, now: float, tolerance: float) -> str:
    pairs = (*call.query, *call.form, *call.scalars)
    fields = dict(pairs)
    if len(fields) < len(pairs):  # one of them would be signed, and the other one read
        return "a field is there twice"
    given = fields.pop(b"sig", b"").decode("ascii", "replace").lower()
    digest = _DIGESTS.get(len(given))
    if digest is None:
        return "the field sig is missing"
    signed = b"".join(
        b"&" + name + b"=" + _SPECIAL.sub(b"_", value) for name, value in sorted(fields.items())
    )
    right = [hmac.new(secret.encode(), signed, digest).hexdigest()]
    if digest == "md5":  # the account's setting "MD5 hash", the usual one
        right.append(hashlib.md5(signed + secret.encode()).hexdigest())
    if not any(_same(each, given) for each in right):
        return "sig does not match: check the signature secret and that signed requests are switched on"
    at = _number(fields.get(b"timestamp", b"").decode("ascii", "replace"))
    return "the field timestamp is missing" if at is None else _late(at, now, tolerance)


# -- a plain secret: in a parameter, in a header, or as the password of HTTP Basic


def _secret(secret: str, call: Call, now: float, tolerance: float) -> str:
    named = call.parameter.encode()
    given: list[str | bytes] = [
        value for name, value in (*call.query, *call.form, *call.scalars) if name == named
    ]
    scheme, _, rest = call.header("authorization").partition(" ")
    if scheme.lower() == "basic":
        given.append(_password(rest))
    elif scheme.lower() == "bearer":
        given.append(rest.strip())
    if not given:
        return f"the secret is missing: send {call.parameter}=… or HTTP Basic"
    return "" if any(_same(secret, each) for each in given) else "the secret is wrong"


def _password(rest: str) -> bytes:
    try:
        _, _, password = base64.b64decode(rest.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return b""
    return password


def _number(value: object) -> float | None:
    """A time in seconds, as a number or in digits."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    text = str(value)
    return float(text) if re.fullmatch(r"\d{1,12}(\.\d{1,9})?", text, re.ASCII) else None


WAYS: dict[str, Callable[[str, Call, float, float], str]] = {
    "twilio": _twilio,
    "smsgate": _smsgate,
    "jwt": _jwt,
    "jwt-hash": _jwt_hash,
    "vonage": _vonage,
    "webhooks": _webhooks,
    "secret": _secret,
}
"""The names that a mapping may use."""
BODY_ONLY = frozenset({"jwt-hash", "smsgate", "webhooks"})
"""Ways that sign the body: what stands in the query may be anybody's."""


def signed_in(
    ways: Sequence[str], secrets: Sequence[str], call: Call, now: float, tolerance: float
) -> tuple[str, str]:
    """The way in which the call is signed with one of the secrets and ""; else "" and what is wrong with the first way."""
    wrong = ""
    for way in ways:
        for secret in secrets:
            why = WAYS[way](secret, call, now, tolerance) if secret else "there is no secret"
            if not why:
                return way, ""
            wrong = wrong or why
    return "", wrong or "there is no secret"


def check(ways: Sequence[str], secrets: Sequence[str], call: Call, now: float, tolerance: float) -> str:
    """ "" when the call is signed in one of the ways with one of the secrets; else what is wrong with the first way."""
    return signed_in(ways, secrets, call, now, tolerance)[1]
