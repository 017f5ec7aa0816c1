"""An account as the configuration has it (feature U1)."""

from __future__ import annotations

import datetime
from typing import Any, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from smsd.config.settings import Section
from smsd.core.networks import read_network
from smsd.core.passwords import is_hash


class AccountSettings(Section):
    """One entry of the section `accounts`."""

    user: str = Field(pattern=r"^[^\s:\x00-\x1f\x7f]{1,128}$", description="without blanks and colons")
    password: SecretStr = Field(default=SecretStr(""), description="the hash that `smsd password` prints")
    active: bool = True
    description: str = ""
    gateway: str | None = Field(default=None, description="the id of the gateway that carries its messages")
    expires: datetime.date | None = Field(
        default=None, description="the last day (UTC) it can be used: 2027-12-31"
    )
    monthly_limit: int = Field(default=0, ge=0, description="messages per month; 0 is no limit")
    phone: str | None = Field(default=None, pattern=r"^\+[1-9][0-9]{6,14}$", description="+420776047467")
    email: str | None = Field(default=None, pattern=r"^[^\s@]+@[^\s@]+$", description="gets its reports")
    callback: str | None = Field(default=None, description="the subscriber that hears of its messages")
    country: str | None = Field(default=None, pattern="^[A-Z]{2}$", description="two letters: IT")
    networks: list[str] = Field(default=[], description="where it may be used from; all, when empty")
    demo: bool = Field(default=False, description="a password in clear, for loopback only")
    group: str | None = Field(default=None, description="the id of its account group")
    senders: list[str] = Field(
        default=[], max_length=100, description="what it may call itself: +393331234567, ACME, +3933*"
    )
    text: Literal["as_is", "tidy", "national"] = "as_is"
    prepaid: bool = Field(default=False, description="yes or no; whether it pays before it sends")
    outgoing_rules: list[Any] = Field(
        default=[], description="the user's own rules for what the account sends"
    )
    incoming_rules: list[Any] = Field(
        default=[], description="the user's own rules for what comes in for `email`"
    )
    may_execute: bool = Field(
        default=False, description="yes or no; yes lets these rules start programs, URLs and SQL"
    )

    @field_validator("networks")
    @classmethod
    def _read_networks(cls, value: list[str]) -> list[str]:
        for text in value:
            read_network(text)
        return value

    @model_validator(mode="after")
    def _password_fits(self) -> AccountSettings:
        password = self.password.get_secret_value()
        if not password and not self.networks:
            raise ValueError(
                "an account without password needs networks (nobody else may use it), or give it a password"
            )
        if password and not self.demo and not is_hash(password):
            raise ValueError("the password is no argon2id hash: put in what `smsd password` prints")
        return self
