"""What the configuration says of one HTTP gateway."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SecretStr, field_validator

from smsd.codec.provider.model import is_server
from smsd.config.settings import GatewaySettings, Path
from smsd.core.provided import IncomingSettings


class Settings(GatewaySettings):
    """`type: http`. `template` names a provider of `providers.yaml`; without it `url` says all."""

    type: Literal["http"] = "http"
    url: SecretStr | None = Field(
        default=None,
        description="what is requested for each message, with variables such as %number% and %data%",
    )
    server: str | None = Field(
        default=None,
        description="another address of the provider: https://sms.example.org, with a path if needed",
    )
    credentials: dict[str, SecretStr] = Field(
        default={},
        description="what the provider's templates call %user%, %password%, …: env:NAME, file:PATH, or itself",
    )
    sender: str | None = Field(
        default=None, max_length=64, description="the sender of messages that name none: a number or a name"
    )
    method: Literal["GET", "POST", "PUT"] | None = Field(default=None, description="GET, or POST with a body")
    body: SecretStr | None = Field(default=None, description="the body of a POST, with variables")
    body_type: Literal["form", "json", "xml", "text"] = Field(
        default="form", description="form, json, xml, text; how what is inserted is written"
    )
    headers: dict[str, SecretStr] = Field(default={}, description="name: value, with variables")
    login: SecretStr | None = Field(default=None, description="user:password of HTTP Basic, with variables")
    omit: list[str] = Field(default=[], description="parameters that are left out when they are empty")
    answers: dict[str, Any] | None = Field(
        default=None, description="how answers are read; see docs/providers.rst"
    )
    certificate: Path | None = Field(
        default=None, description="client certificate (PEM), with its key or without"
    )
    key: Path | None = Field(default=None, description="its key (PEM), if it is not in the same file")
    ca: Path | None = Field(
        default=None, description="PEM file of the authorities to trust instead of the system's"
    )
    split: bool | None = Field(default=None, description="yes: long texts go SMS by SMS, not whole")
    reports: bool = Field(default=True, description="the provider tells what became of messages")
    window: int = Field(default=10, ge=1, le=1000, description="1 to 1000 requests at once")
    seconds: float = Field(
        default=30.0, gt=0, le=600, description="seconds for a whole exchange, at most 600"
    )
    answer_limit: int = Field(
        default=131_072,
        ge=100,
        le=10_000_000,
        description="100 to 10000000 octets that are read of an answer",
    )
    rest: float = Field(
        default=900.0, ge=1, le=86_400, description="seconds of rest after a bad login or without credit"
    )

    incoming: IncomingSettings | None = Field(
        default=None, description="what the provider hands in; see docs/incoming-http.rst"
    )

    @field_validator("server")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None and not is_server(value):
            raise ValueError("this is no server: write https://sms.example.org, without login and parameters")
        return value

    @field_validator("credentials")
    @classmethod
    def _one_line(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, secret in value.items():
            if any(ord(sign) < 32 or 0xD800 <= ord(sign) < 0xE000 for sign in secret.get_secret_value()):
                raise ValueError(f"{name} has a line end or a control character in it")
        return value
