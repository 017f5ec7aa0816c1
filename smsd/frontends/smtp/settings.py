"""What the configuration may say of a mail door (`type: smtp`)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from smsd.codec import smsuri
from smsd.config.settings import FrontendSettings, Path, Section
from smsd.core.networks import read_network
from smsd.values.errors import InvalidValue


class TLSFiles(Section):
    """Certificate (with its chain) and key for STARTTLS, in PEM. They are read again when they change."""

    certificate: Path
    key: Path


class Settings(FrontendSettings):
    """A mail door."""

    dialect: Literal["smsd"] = Field(default="smsd", description="smsd")
    hostname: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9.\[\]:-]{1,253}$",
        description="how the door names itself; server.name if unset",
    )
    tls: TLSFiles | None = Field(default=None, description="switches STARTTLS on")
    require_auth: bool = Field(default=True, description="yes or no; no lets everyone who connects send")
    clear_auth_networks: list[str] = Field(
        default=[], description="networks whose clients may send passwords without TLS: 127.0.0.0/8"
    )
    auth_limit: int = Field(
        default=3, ge=1, le=100, description="wrong passwords until the connection is closed"
    )
    error_limit: int = Field(
        default=10, ge=1, le=1000, description="bad commands until the connection is closed"
    )
    size_limit: int = Field(default=10_000_000, ge=65_536, le=100_000_000, description="octets of a mail")
    recipient_limit: int = Field(
        default=500, ge=100, le=10_000, description="100 to 10000 recipients of a mail"
    )
    connection_limit: int = Field(default=500, ge=1, le=100_000, description="clients at once")
    command_timeout: float = Field(default=300, gt=0, le=3600, description="seconds without a command")
    data_timeout: float = Field(default=180, gt=0, le=3600, description="seconds without a piece of the mail")
    session_timeout: float = Field(default=3600, gt=0, le=86_400, description="seconds of a whole connection")
    subject: Literal["ignore", "prefix", "only"] = "ignore"
    cut_signature: bool = False
    cut_quotes: bool = False
    idempotent: bool = Field(
        default=True, description="yes or no; yes takes a mail with a known Message-ID and envelope only once"
    )
    helpers: dict[str, str] = Field(
        default={},
        description="names before a colon and their parameters, which are the ceiling: `sms: maxmsgs=7`",
    )

    @field_validator("clear_auth_networks", "trusted_networks")
    @classmethod
    def _networks(cls, networks: list[str]) -> list[str]:
        for network in networks:
            read_network(network)
        return networks

    @field_validator("helpers")
    @classmethod
    def _helpers(cls, helpers: dict[str, str]) -> dict[str, str]:
        for name, parameters in helpers.items():
            if not name or ":" in name or "@" in name or "?" in name:
                raise ValueError(f"{name!r} is no name of a helper: it is what stands before the colon")
            try:
                smsuri.read_parameters(smsuri.parse_local("?" + parameters.lstrip("?"))[1])
            except InvalidValue as error:
                raise ValueError(f"{name}: {error}") from None
        return helpers
