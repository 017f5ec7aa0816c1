"""Accounts, their groups, and the policy for users of mail domains, as the configuration or the store has them (U1 to U3)."""

from __future__ import annotations

import contextlib
import datetime
import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from smsd.config.settings import ID, Section
from smsd.core.digests import read_secret
from smsd.core.networks import read_network
from smsd.core.passwords import is_hash
from smsd.policy import senders
from smsd.values.errors import InvalidValue

Text = Literal["as_is", "tidy", "national"]
PHONE = r"^\+[1-9][0-9]{6,14}$"
KINDS = ("account", "group", "policy")
_LOCAL = r"[^\s@:\x00-\x1f\x7f]{1,64}"
_DOMAIN = r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?"
_ADDRESS = re.compile(f"({_LOCAL})@({_DOMAIN})")
_JID = re.compile(r"[^\s@/\"&'<>:\x00-\x1f\x7f]{1,255}@[^\s@/\"&'<>:\x00-\x1f\x7f]{1,255}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WHO = re.compile(rf"\*|(?:{_LOCAL}@)?{_DOMAIN}")


def address_of(name: str) -> tuple[str, str] | None:
    """A mail user's address as it is compared (no case) and its domain; None when `name` is none."""
    found = _ADDRESS.fullmatch(name.lower()) if len(name) <= 320 else None
    return None if found is None else (found[0], found[2])


def _no_hash(password: str) -> str:
    if password.startswith("$argon2id$"):
        return (
            "the password is a hash that has lost its end: between { and } write it in quotes, it has commas"
        )
    return "the password is no argon2id hash: put in what `smsd password` prints"


def _day(value: Any) -> Any:
    """A day as it is written; numbers would else be seconds since 1970, and 0 that very day."""
    if value is None or (isinstance(value, datetime.date) and not isinstance(value, datetime.datetime)):
        return value
    if isinstance(value, str) and _DAY.fullmatch(value):
        with contextlib.suppress(ValueError):
            return datetime.date.fromisoformat(value)
    raise ValueError(f"{str(value)[:40]!r} is no day")


Day = Annotated[datetime.date, BeforeValidator(_day)]


def _senders(value: list[str]) -> list[str]:
    try:
        return [senders.read(text) for text in value]
    except InvalidValue as error:
        raise ValueError(str(error)) from None


def bare_jid(text: str) -> str | None:
    """A chat address as it is compared (no case); None when `text` is none, or names one of somebody's programs (`/phone`)."""
    lower = text.strip().lower()
    return lower if _JID.fullmatch(lower) else None


def _sip_secret(value: SecretStr) -> SecretStr:
    if value.get_secret_value():
        read_secret(value.get_secret_value())
    return value


class AccountSettings(Section):
    """One entry of the section `accounts`."""

    user: str = Field(pattern=r"^[^\s:\x00-\x1f\x7f]{1,128}$", description="without blanks and colons")
    password: SecretStr = Field(default=SecretStr(""), description="the hash that `smsd password` prints")
    sip_secret: SecretStr = Field(
        default=SecretStr(""), description="for SIP: what `smsd password --sip USER --realm REALM` prints"
    )
    active: bool = True
    description: str = ""
    gateway: str | None = Field(default=None, description="the id of the gateway that carries its messages")
    expires: Day | None = Field(default=None, description="the last day it can be used: 2027-12-31")
    monthly_limit: int = Field(default=0, ge=0, description="messages per month; 0 is no limit")
    phone: str | None = Field(default=None, pattern=PHONE, description="+420776047467")
    email: str | None = Field(default=None, pattern=r"^[^\s@]+@[^\s@]+$", description="gets its reports")
    callback: str | None = Field(default=None, description="the subscriber that hears of its messages")
    country: str | None = Field(default=None, pattern="^[A-Z]{2}$", description="two letters: IT")
    networks: list[str] = Field(default=[], description="where it may be used from; all, when empty")
    demo: bool = Field(default=False, description="a password in clear, for loopback only")
    group: str | None = Field(default=None, description="the id of its account group")
    senders: list[str] = Field(
        default=[], max_length=100, description="what it may call itself: +393331234567, ACME, +3933*"
    )
    jids: list[str] = Field(
        default=[], max_length=20, description="chat addresses (XMPP) that write for it: ann@example.org"
    )
    text: Text = "as_is"
    prepaid: bool = Field(default=False, description="yes or no; whether it pays before it sends")
    may_surge: bool = Field(
        default=False,
        description="yes or no; yes never holds it, however suddenly it sends more than usual (alarms)",
    )
    max_parts_refuse: int = Field(
        default=0, ge=0, le=255, description="0 to 255; a text of more SMS is refused (0: any)"
    )
    outgoing_rules: list[Any] = Field(
        default=[], description="the user's own rules for what the account sends"
    )
    incoming_rules: list[Any] = Field(
        default=[], description="the user's own rules for what comes in for `email`"
    )
    may_execute: bool = Field(
        default=False, description="yes or no; yes lets these rules start programs, URLs and SQL"
    )

    @field_validator("sip_secret")
    @classmethod
    def _read_secret(cls, value: SecretStr) -> SecretStr:
        return _sip_secret(value)

    @field_validator("networks")
    @classmethod
    def _read_networks(cls, value: list[str]) -> list[str]:
        for text in value:
            read_network(text)
        return value

    @field_validator("senders")
    @classmethod
    def _read_senders(cls, value: list[str]) -> list[str]:
        return _senders(value)

    @field_validator("jids")
    @classmethod
    def _read_jids(cls, value: list[str]) -> list[str]:
        found = []
        for text in value:
            jid = bare_jid(text)
            if jid is None:
                raise ValueError(
                    f"{text[:80]!r} is no chat address: write ann@example.org, with nothing behind it"
                )
            found.append(jid)
        return found

    @model_validator(mode="after")
    def _password_fits(self) -> AccountSettings:
        password = self.password.get_secret_value()
        if not password and not self.networks and not self.sip_secret.get_secret_value():
            raise ValueError(
                "an account without password needs networks (nobody else may use it), or give it a password"
            )
        if password and not self.demo and not is_hash(password):
            raise ValueError(_no_hash(password))
        return self


class AccountGroupSettings(Section):
    """One entry of the section `account_groups`: what its members have in common. Its limit is for all of them together."""

    id: str = Field(pattern=ID, description="1 to 64 letters, digits, _ . - (no . or - first)")
    active: bool = True
    description: str = ""
    gateway: str | None = Field(default=None, description="for members that have none of their own")
    expires: Day | None = Field(default=None, description="the last day of all members: 2027-12-31")
    monthly_limit: int = Field(
        default=0, ge=0, description="messages per month of all members together; 0 is no limit"
    )
    prepaid: bool = Field(
        default=False, description="yes or no; whether all members pay before they send, from one balance"
    )


class PolicySettings(Section):
    """One entry of the section `policies`: whether users of mail may send, and how. `who` is a user's address, a domain, or *
    for everybody; what is not said there is taken from the user's domain, then from *."""

    who: str = Field(description="ann@example.org, example.org, or *")
    access: bool | None = Field(default=None, description="yes or no; whether they may send")
    password: SecretStr = Field(
        default=SecretStr(""), description="of one user: the hash that `smsd password` prints"
    )
    sip_secret: SecretStr = Field(
        default=SecretStr(""),
        description="of one user, for SIP: what `smsd password --sip USER --realm REALM` prints",
    )
    description: str = ""
    gateway: str | None = Field(default=None, description="the id of the gateway that carries their messages")
    expires: Day | None = Field(default=None, description="the last day: 2027-12-31")
    monthly_limit: int | None = Field(
        default=None, ge=0, description="messages per month of each; 0 is no limit"
    )
    phone: str | None = Field(default=None, pattern=PHONE, description="of one user: +420776047467")
    email: str | None = Field(
        default=None, pattern=r"^[^\s@]+@[^\s@]+$", description="of one user, if it is not `who`"
    )
    country: str | None = Field(default=None, pattern="^[A-Z]{2}$", description="two letters: IT")
    group: str | None = Field(default=None, description="the id of the account group they belong to")
    senders: list[str] | None = Field(
        default=None, max_length=100, description="what they may call themselves: +393331234567, ACME, +3933*"
    )
    text: Text | None = None
    prepaid: bool | None = Field(default=None, description="yes or no; whether they pay before they send")
    may_surge: bool | None = Field(
        default=None,
        description="yes or no; yes never holds them, however suddenly they send more than usual",
    )
    max_parts_refuse: int | None = Field(
        default=None, ge=0, le=255, description="0 to 255; a text of more SMS is refused (0: any)"
    )

    @field_validator("sip_secret")
    @classmethod
    def _read_secret(cls, value: SecretStr) -> SecretStr:
        return _sip_secret(value)

    @field_validator("who")
    @classmethod
    def _read_who(cls, value: str) -> str:
        value = value.strip().lower().rstrip(".")
        if not _WHO.fullmatch(value):
            raise ValueError(
                "write a user's address (ann@example.org), a domain (example.org), or * for everybody"
            )
        return value

    @field_validator("senders")
    @classmethod
    def _read_senders(cls, value: list[str] | None) -> list[str] | None:
        return None if value is None else _senders(value)

    @model_validator(mode="after")
    def _of_one_user(self) -> PolicySettings:
        password = self.password.get_secret_value()
        if "@" not in self.who:
            for name in ("password", "sip_secret", "phone", "email"):
                if getattr(self, name) not in (None, SecretStr("")):
                    raise ValueError(f"{name} belongs to one user, and {self.who} is not one")
        if password and not is_hash(password):
            raise ValueError(_no_hash(password))
        return self
