"""Recipients of the mail door: which phone number an envelope address means, and with what wishes (feature S4).

Owns the forms `sms:+1555…@domain`, `"sms:+1555…?user=…&pass=…"@domain`, `number@domain`, `number@sms.domain`,
`number@gatewayid`, the helper accounts (`anyname:+1555…@domain`) and IP literals as domains. Pure: whether a number can
be reached, and whether credentials are right, others say. No text of a refusal contains a password.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from smsd.codec import smsuri
from smsd.frontends.smtp.commands import Mailbox
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.frozen import frozen

_NUMBER = re.compile(r"\+?[0-9*#() ./-]{1,40}")
_DIGIT = re.compile("[0-9]")


@frozen
class Target:
    """A recipient as understood: `number` as typed, or else that is `typed`; `login` is the user name as typed, before any
    decoding."""

    number: str
    wishes: smsuri.Wishes
    login: str | None = None
    typed: str = ""


@frozen
class Realm:
    """What the addresses of this door may name: domains and gateway ids (lower case), helper accounts with their
    parameters, the domain for addresses without one, and the part limit of addresses without `sms:`. `country`: where numbers
    without country code belong."""

    domains: frozenset[str]
    gateways: Mapping[str, str]
    helpers: Mapping[str, str]
    max_parts: int | None = None
    country: str | None = None

    @classmethod
    def of(
        cls,
        domains: frozenset[str],
        gateways: frozenset[str],
        helpers: Mapping[str, str],
        max_parts: int | None,
        country: str | None = None,
    ) -> Realm:
        """From the names of the configuration."""
        return cls(
            frozenset(domain_key(name) for name in domains),
            {name.lower(): name for name in gateways},
            {name.lower(): text.lstrip("?") for name, text in helpers.items()},
            max_parts,
            country,
        )


def domain_key(domain: str) -> str:
    """A domain as it is compared: lower case, IDNA, IP literals without brackets and tag, no final dot."""
    key = domain.strip("[]").rstrip(".").lower()
    key = key.removeprefix("ipv6:")
    if not key.isascii():
        try:
            key = key.encode("idna").decode("ascii")
        except UnicodeError:
            return key
    return key


def read(mailbox: Mailbox, realm: Realm, here: str = "") -> Target:
    """The meaning of a recipient's mailbox; Refused when it is nobody's here or no number.

    `here` is the address that the client connected to: `[that address]` is a domain of ours (RFC 5321 4.1.3).
    """
    gateway = _gateway(mailbox.domain, realm, here)
    local = mailbox.local
    head, colon, tail = local.partition(":")
    helper: str | None = None
    if colon and "?" not in head:
        helper = realm.helpers.get(head.lower())
        if helper is None and head.lower() != "sms":
            raise Refused(Reason.BAD_NUMBER, f"no account {head[:40]} here: write sms:+15551234567@domain")
        local = tail.removeprefix("//")
    try:
        number, pairs = smsuri.parse_local(local)
        wishes = smsuri.read_parameters(pairs)
        limits = smsuri.read_parameters(_pairs(helper)) if helper else None
    except InvalidValue as error:
        raise Refused(Reason.BAD_REQUEST, str(error)) from None
    check_number(number)
    return _with_limits(Target(number, wishes, _typed_login(local)), limits, gateway, bool(colon), realm)


def ours(domain: str, realm: Realm, here: str = "") -> bool:
    """Whether a domain, or there being none, means this server."""
    if not domain:
        return True
    key = domain_key(domain)
    if key in realm.domains or (key.startswith("sms.") and key[4:] in realm.domains):
        return True
    return bool(here) and domain.startswith("[") and key == here.lower()


def _gateway(domain: str, realm: Realm, here: str) -> str | None:
    """The gateway that the domain names, None for a domain of ours; Refused for any other."""
    if ours(domain, realm, here):
        return None
    key = domain_key(domain)
    if key in realm.gateways:
        return realm.gateways[key]
    raise Refused(
        Reason.UNKNOWN_DOMAIN,
        f"relaying denied: {domain[:255]} is neither a domain nor a gateway of this server",
    )


def _pairs(query: str) -> list[tuple[str, str]]:
    return smsuri.parse_local("?" + query)[1]


def check_number(number: str) -> None:
    """Refused when this is no phone number, or several."""
    if not number:
        raise Refused(Reason.BAD_NUMBER, "the address has no number: write sms:+15551234567@domain")
    if "," in number or ";" in number:
        raise Refused(Reason.BAD_NUMBER, "one number per recipient: send one RCPT for each")
    if not (_NUMBER.fullmatch(number) and _DIGIT.search(number)):
        raise Refused(
            Reason.BAD_NUMBER, "that is no phone number: write it as +15551234567, digits only after the +"
        )


def _typed_login(local: str) -> str | None:
    for piece in local.partition("?")[2].split("&"):
        if piece[:5].lower() == "user=":
            return piece[5:] or None
    return None


def _with_limits(
    target: Target, limits: smsuri.Wishes | None, gateway: str | None, uri: bool, realm: Realm
) -> Target:
    """Pin the gateway of the domain, and apply the helper's parameters, which are the ceiling (feature S4)."""
    wishes, parameters = target.wishes, target.wishes.parameters
    if gateway is not None:
        if parameters.gateway and parameters.gateway.lower() != gateway.lower():
            raise Refused(
                Reason.BAD_REQUEST, f"the address names two gateways: id={parameters.gateway} and @{gateway}"
            )
        parameters = replace(parameters, gateway=gateway)
    most = parameters.max_parts
    if limits is not None and limits.parameters.max_parts is not None:
        ceiling = limits.parameters.max_parts
        most = ceiling if most is None else min(most, ceiling)
    elif most is None:
        most = 1 if uri else realm.max_parts
    if most != parameters.max_parts:
        parameters = replace(parameters, max_parts=most)
    login = target.login
    if limits is not None:
        ours = limits.parameters
        parameters = replace(
            parameters,
            gateway=ours.gateway or parameters.gateway,
            sender=ours.sender or parameters.sender,
            expire_minutes=ours.expire_minutes or parameters.expire_minutes,
        )
        if limits.user is not None and wishes.user is None:
            wishes = replace(wishes, user=limits.user, password=limits.password)
            login = limits.user
    if parameters != wishes.parameters:
        wishes = replace(wishes, parameters=parameters)
    return Target(target.number, wishes, login)
