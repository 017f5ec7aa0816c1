"""What the configuration says of one GSM modem (features G1, G4, G5)."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from smsd.config.settings import GatewaySettings, Path

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)$")
_FORBIDDEN = re.compile(r"[+^#*](CPIN2?|CMGS|CMSS|CMGW|CMGC|CLCK|CPWD)\b|^ATD", re.IGNORECASE)

# In the order of their identifiers, from 1 (23.038 6.2.1.2.4).
NATIONAL = (
    *("turkish", "spanish", "portuguese", "bengali", "gujarati", "hindi", "kannada"),
    *("malayalam", "oriya", "punjabi", "tamil", "telugu", "urdu"),
)


class Settings(GatewaySettings):
    """A modem, or a phone used as one. `template` names a profile of `modems.yaml`; without it the modem's own words decide.

    Times are seconds. What is None is left to the profile.
    """

    device: Path = Field(min_length=1, description="serial port: /dev/ttyUSB0, /dev/serial/by-id/…")
    baud: int = Field(default=115200, ge=300, le=4_000_000)
    rtscts: bool = Field(default=False, description="hardware flow control")
    smsc: str | None = Field(
        default=None, pattern=r"^\+?[0-9]{3,20}$", description="SMS centre, if the SIM has none: +41794999000"
    )
    poll: float | None = Field(
        default=None, ge=0, le=86400, description="read the memories this often; 0 never"
    )
    active_hours: str | None = Field(default=None, description="when to poll: 08:00-20:00; always if not set")
    read_timeout: float = Field(default=16, gt=0, le=300)
    send_timeout: float = Field(
        default=90, ge=1, le=600, description="the network's answer may take over 60 s"
    )
    check_interval: float = Field(default=30, ge=1, le=3600)
    send_only: bool | None = Field(default=None, description="for phones that cannot receive over AT")
    memories: list[str] | None = Field(default=None, min_length=1, description="memories to read: SM, ME, SR")
    init: list[str] = Field(default=[], description="further commands at the start: AT^CURC=0")
    keep_link: bool | None = Field(default=None, description="keep the radio link open in a burst (+CMMS)")
    reports: bool = Field(default=True, description="ask the network for reports where somebody wants one")
    national: list[str] = Field(
        default=[],
        description="languages whose shift tables may be written, where phones there can read them: turkish",
    )
    conversation: Literal["off", "info", "debug"] = Field(
        default="info", description="log of the dialogue: info masks texts and numbers, debug is whole"
    )

    @field_validator("active_hours")
    @classmethod
    def _hours(cls, value: str | None) -> str | None:
        if value is not None and not _HOURS.match(value):
            raise ValueError("write two times of the day: 08:00-20:00")
        if value is not None and value[:5] == value[6:]:
            raise ValueError("the two times are the same: leave it out to poll at any time")
        return value

    @field_validator("pin")
    @classmethod
    def _pin(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[0-9]{4,8}", value.get_secret_value()):
            raise ValueError("the PIN of a SIM has 4 to 8 digits")
        return value

    @field_validator("init")
    @classmethod
    def _commands(cls, value: list[str]) -> list[str]:
        for command in value:
            check_command(command)
        return value

    @field_validator("national")
    @classmethod
    def _national(cls, value: list[str]) -> list[str]:
        if unknown := [name for name in value if name not in NATIONAL]:
            raise ValueError(f"{unknown[0]!r} has no shift table; there are {', '.join(NATIONAL)}")
        return value

    @field_validator("memories")
    @classmethod
    def _memories(cls, value: list[str] | None) -> list[str] | None:
        return value if value is None else [check_memory(name) for name in value]

    @property
    def tables(self) -> frozenset[int]:
        """`national` as numbers of the tables."""
        return frozenset(NATIONAL.index(name) + 1 for name in self.national)

    @property
    def hours(self) -> tuple[int, int] | None:
        """`active_hours` as minutes of the day, or None for always."""
        match = _HOURS.match(self.active_hours or "")
        if match is None:
            return None
        first, last = int(match[1]) * 60 + int(match[2]), int(match[3] or 24) * 60 + int(match[4] or 0)
        return first, last


def check_command(command: str) -> str:
    """An AT command of one line as configuration may hold it; ValueError otherwise."""
    if not re.fullmatch(r"AT[\x20-\x7e]*", command):
        raise ValueError(f"{command!r} is no AT command: write one line that begins with AT")
    if found := _FORBIDDEN.search(command):
        raise ValueError(f"{found[0]} has no place here: a start must not call, send, lock or enter a PIN")
    return command


def check_memory(name: str) -> str:
    """A message memory of 27.005 (SM, ME, MT, SR, …); ValueError otherwise."""
    if not re.fullmatch(r"[A-Z]{2}", name):
        raise ValueError(f"{name!r} is no memory: write two capital letters such as SM or ME")
    return name
