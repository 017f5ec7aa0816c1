"""What a gateway says of its provider's calls, and with it the mapping by which they are read.

`IncomingSettings` is the section `incoming:` of a gateway, `provided` finds the mapping of its provider and gives both to the
doors. A call must be signed, bear a secret, or come from networks that are named: an endpoint that takes messages from everybody
is no setting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from smsd.codec.provider.incoming import Incoming, read_incoming
from smsd.config import providers
from smsd.config.places import find_data
from smsd.config.positions import ConfigError, Document, KeyPath
from smsd.config.settings import Section
from smsd.core.networks import Networks, read_network
from smsd.values.errors import InvalidValue


class IncomingSettings(Section):
    """How a provider hands in messages and reports at `/sms/in/<gateway id>`."""

    template: str | None = Field(
        default=None, description="a provider of providers.yaml; the gateway's own template if not set"
    )
    secret: SecretStr | None = Field(
        default=None, description="the key of its signatures, or what its calls must bear"
    )
    old_secret: SecretStr | None = Field(
        default=None, description="counts too, while the secret is being changed"
    )
    check: Literal["signature", "secret"] | None = Field(
        default=None, description="secret: ask for a plain secret, although the provider could sign"
    )
    networks: list[str] = Field(default=[], description="where its calls may come from; [] is everywhere")
    url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s?#]+$",
        description="the URL as the provider knows it, without ? and what follows",
    )
    tolerance: float = Field(
        default=300, ge=1, le=86_400, description="1 to 86400 seconds between its clock and ours"
    )

    @field_validator("networks")
    @classmethod
    def _networks(cls, value: list[str]) -> list[str]:
        for text in value:
            read_network(text)
        return value

    @model_validator(mode="after")
    def _guarded(self) -> IncomingSettings:
        secrets = self.secrets
        if any(len(secret) < 8 for secret in secrets):
            raise ValueError("a secret has at least 8 characters")
        if not secrets and not self.networks:
            raise ValueError("everybody could hand in messages: set secret or networks")
        if self.check is not None and not secrets:
            raise ValueError("check wants a secret")
        return self

    @property
    def secrets(self) -> tuple[str, ...]:
        """Those that count now."""
        return tuple(each.get_secret_value() for each in (self.secret, self.old_secret) if each is not None)


@dataclass(frozen=True)
class Provided:
    """A gateway's provider: its mapping, and what the gateway says of it."""

    gateway: str
    incoming: Incoming
    settings: IncomingSettings

    @property
    def networks(self) -> Networks:
        """Where calls may come from; an empty list lets in everybody."""
        return Networks(self.settings.networks)

    @property
    def ways(self) -> tuple[str, ...]:
        """How a call is checked."""
        return ("secret",) if self.settings.check == "secret" else self.incoming.ways


def provided(gateways: Any, find: Callable[[str], str]) -> dict[str, Provided]:
    """The providers of these gateways (settings), by gateway id. InvalidValue when one has no such mapping."""
    found = {}
    for gateway in gateways:
        settings = getattr(gateway, "incoming", None)
        if gateway.active and isinstance(settings, IncomingSettings):
            found[gateway.id] = Provided(gateway.id, mapping(settings, gateway.template, find), settings)
    return found


def check(settings: IncomingSettings, template: str | None, path: KeyPath, document: Document) -> None:
    """Report what is wrong with the section `incoming:` that stands at `path` of a configuration."""
    try:
        mapping(settings, template, lambda name: find_data(name, document.file))
    except ConfigError as error:
        document.problems += error.problems
    except InvalidValue as error:
        wrong, _, allowed = str(error).partition(": ")
        document.report(path, wrong, allowed)


def mapping(settings: IncomingSettings, template: str | None, find: Callable[[str], str]) -> Incoming:
    """The mapping that a gateway's settings name; InvalidValue says what is missing."""
    name = settings.template or template
    if name is None:
        raise InvalidValue("incoming: wants a template: name the provider whose calls these are")
    provider = providers.find(name, find)
    sections: Mapping[str, Any] = {"incoming": provider.incoming, "reports": provider.reports}
    incoming = read_incoming(sections, f"providers.{name}")
    if incoming is None:
        raise InvalidValue(
            f"nothing is known of what the provider {name!r} hands in: it has no incoming: and no reports:"
        )
    return incoming
