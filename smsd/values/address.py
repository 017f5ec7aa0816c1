"""Addresses: every party is a URI that says *who*, never *how*.

`sms:+15551234567`, `mailto:ann@example.org`, `account:demo`, later `xmpp:`, `sip:`, `fax:`. Parameters, credentials and
templates are never part of one (RFC 5724's query is read by the doors).
"""

from __future__ import annotations

from smsd.values.errors import InvalidValue, storable
from smsd.values.frozen import frozen


@frozen
class Address:
    """Who: a scheme and a target, e.g. `Address("sms", "+15551234567")`."""

    scheme: str
    target: str

    def __post_init__(self) -> None:
        storable(self.target)

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read `scheme:target`; InvalidValue when there is no scheme or no target."""
        scheme, colon, target = text.partition(":")
        if not colon or not scheme or not target:
            raise InvalidValue(f"{text!r} is no address: write scheme:target, for example sms:+15551234567")
        return cls(scheme.lower(), target)

    def __str__(self) -> str:
        return f"{self.scheme}:{self.target}"


def masked(target: str) -> str:
    """A number or mailbox as logs may show it: `+1555…67`, `a…@example.org`."""
    local, at, domain = target.rpartition("@")
    if at:
        return f"{local[:1]}…@{domain}"
    return target if len(target) < 7 else f"{target[:5]}…{target[-2:]}"
