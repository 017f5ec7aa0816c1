"""What the configuration may say of a mail door (`type: smtp`)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

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

    dialect: Literal["smsd", "smsportal", "cop"] = Field(
        default="smsd", description="smsd, smsportal or cop: how it talks, and what it understands"
    )
    networks: list[str] = Field(default=[], description="networks whose clients may connect; all, when empty")
    account: str | None = Field(
        default=None, description="the account that pays for what comes in here; dialect cop only"
    )
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
    clear_auth_anywhere: bool = Field(
        default=False, description="yes or no; yes takes passwords without TLS from everywhere"
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
    max_characters: int | None = Field(
        default=None, ge=0, le=100_000, description="characters of a text, 0 is any number"
    )
    cut_signature: bool = False
    cut_quotes: bool = False
    idempotent: bool = Field(
        default=True, description="yes or no; yes takes a mail with a known Message-ID and envelope only once"
    )
    helpers: dict[str, str] = Field(
        default={},
        description="names before a colon and their parameters, which are the ceiling: `sms: maxmsgs=7`",
    )

    @field_validator("clear_auth_networks", "trusted_networks", "networks")
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

    @model_validator(mode="after")
    def _fits_dialect(self) -> Settings:
        cop = self.dialect == "cop"
        if cop and not self.networks:
            raise ValueError(
                "the cop dialect has no login: networks must say whose clients may send, for example networks: [192.168.1.0/24]"
            )
        if cop and self.require_auth and "require_auth" in self.model_fields_set:
            raise ValueError("the cop dialect has no login: leave require_auth out")
        if self.account is not None and not cop:
            raise ValueError(
                "account is for the cop dialect: at other listeners clients log in to an account"
            )
        if self.clear_auth_anywhere and self.dialect != "smsportal":
            raise ValueError(
                "clear_auth_anywhere is for the smsportal dialect, whose clients know no TLS: use clear_auth_networks"
            )
        return self

    @property
    def counted(self) -> bool:
        """Whether the messages of this door are counted (`smsd status`)."""
        return self.dialect != "smsd"

    def doubts(self) -> list[str]:
        """Warnings at load."""
        found = []
        if self.clear_auth_anywhere:
            found.append(
                "clear_auth_anywhere takes passwords without TLS: whoever is on the way can read them"
            )
        elif wide := _public(self.clear_auth_networks):
            found.append(f"clear_auth_networks: passwords come without TLS through public networks ({wide})")
        if self.dialect == "cop" and (wide := _public(self.networks)):
            found.append(f"networks: whoever is in a public network ({wide}) can send without login")
        return [f"listener {self.id}: {doubt}" for doubt in found]


def _public(networks: list[str]) -> str:
    return ", ".join(text for text in networks if not read_network(text).is_private)
