"""What every section of the configuration has in common, as pydantic models. Modules of gateways and doors subclass these.

Scalars arrive as text (YAML would eat phone numbers and PINs: `+39…` as an int, `0371` as octal, `no` as False), so a
field that wants a number or a switch says so by its type. Unknown keys are errors. Secrets are `pydantic.SecretStr`.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class Section(BaseModel):
    """Any mapping in the file: unknown keys refused, values immutable, equality by value (reload compares)."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class GatewaySettings(Section):
    """What every gateway has (feature G1)."""

    id: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="unique; what @id and id= name")
    type: str = Field(description="the module that carries it: gsm, smtp, loopback, …")
    active: bool = True
    description: str = ""
    template: str | None = Field(default=None, description="predefined settings of a model or provider")
    pin: SecretStr | None = Field(default=None, description="SIM PIN, or the password of /sms/deliver.html")
    mail_from: str = Field(default="%s", description="From: of mail made from an SMS; %s is the phone's number")
    deliver_to: str | None = Field(default=None, description="mailbox that gets this gateway's incoming messages")
    in_doubt: str = Field(default="resend", pattern="^(resend|hold)$")
    country: str | None = Field(default=None, pattern="^[A-Z]{2}$")


class FrontendSettings(Section):
    """What every door has."""

    id: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    type: str
    active: bool = True
    listen: list[str] = Field(min_length=1, description="Twisted endpoint strings: tcp:2525:interface=127.0.0.1")
    trusted_networks: list[str] = Field(default=[], description="peers whose authenticated=1 is honoured")
    max_parts: int | None = Field(default=None, ge=1, le=128)
