"""What the configuration says of one GSM modem (features G1, G4, G5)."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from smsd.config.settings import GatewaySettings, Path

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)$")


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
    conversation: Literal["off", "info", "debug"] = Field(
        default="info", description="log of the dialogue: info masks texts and numbers, debug is whole"
    )

    @field_validator("active_hours")
    @classmethod
    def _hours(cls, value: str | None) -> str | None:
        if value is not None and not _HOURS.match(value):
            raise ValueError("write two times of the day: 08:00-20:00")
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

    @field_validator("memories")
    @classmethod
    def _memories(cls, value: list[str] | None) -> list[str] | None:
        return value if value is None else [check_memory(name) for name in value]

    @property
    def hours(self) -> tuple[int, int] | None:
        """`active_hours` as minutes of the day, or None for always."""
        match = _HOURS.match(self.active_hours or "")
        if match is None:
            return None
        first, last = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
        return first, last


def check_command(command: str) -> str:
    """An AT command of one line as configuration may hold it; ValueError otherwise."""
    if not re.fullmatch(r"AT[\x20-\x7e]*", command):
        raise ValueError(f"{command!r} is no AT command: write one line that begins with AT")
    if re.match(r"AT\+(CPIN|CMGS|CMGW|CLCK|CPWD)\b", command, re.IGNORECASE):
        raise ValueError(
            f"{command.split('=')[0]} has no place here: a start must not send, lock or enter a PIN"
        )
    return command


def check_memory(name: str) -> str:
    """A message memory of 27.005 (SM, ME, MT, SR, …); ValueError otherwise."""
    if not re.fullmatch(r"[A-Z]{2}", name):
        raise ValueError(f"{name!r} is no memory: write two capital letters such as SM or ME")
    return name
