"""A gateway with every kind of setting."""

from typing import Any, Literal

from pydantic import BaseModel, Field, SecretStr

from smsd.config.settings import GatewaySettings, Path, Section


class Coop(Section):
    """A section inside a section."""

    key: SecretStr | None = None
    height: int = Field(default=1, ge=1)


class Settings(GatewaySettings):
    """A pigeon's settings."""

    device: Path
    smsc: str | None = None
    speed: Literal["slow", "fast"] = "slow"
    window: int = Field(default=1, ge=1, le=9, description="1 to 9")
    coop: Coop = Coop()
    coops: list[Coop] = Field(default=[])


def make(settings: Settings, context: Any) -> BaseModel:
    """Not needed by the tests."""
    raise NotImplementedError
