"""Simulated modems inside the server: what a `simulators:` section of the configuration starts (feature: `make run`).

They are plugged in before the gateways look for their devices and unplugged after they have closed them; `service` sees
to the order.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, SecretStr, field_validator
from twisted.application.service import Service
from twisted.internet.error import CannotListenError

from smsd.config.settings import Path, Section
from smsd.simulator import control, profiles
from smsd.simulator.modem import SimulatedModem


class Settings(Section):
    """One simulated modem: `link` is the device that a gateway opens, `control` the Unix socket of `smsd simulate phone`."""

    id: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    link: Path = Field(
        min_length=1, description="the device that a gateway opens: a symbolic link to a pseudo-terminal"
    )
    control: Path = Field(default="", description="Unix socket to steer it; empty for none")
    profile: str = Field(default="generic", description="the model that it behaves like")
    latency: float = Field(default=0.0, ge=0, description="seconds that a send takes")
    number: str = Field(default="+15550009999", description="the SIM's own number")
    pin: SecretStr | None = Field(default=None, description="PIN that the SIM asks for")
    journal: Path = Field(
        default="", description="file with one JSON line per accepted message; empty for none"
    )
    boot: float = Field(
        default=0.0, ge=0, description="scale of the model's start-up times; 0 is ready at once"
    )

    @field_validator("profile")
    @classmethod
    def _known(cls, name: str) -> str:
        return profiles.find(name).name


class SimulatorService(Service):
    """One modem from startService to stopService; `modem` is there in between."""

    def __init__(self, settings: Settings, reactor: Any) -> None:
        self.setName(f"simulator {settings.id}")
        self._settings, self._reactor = settings, reactor
        self.modem: SimulatedModem | None = None
        self._port: Any = None

    def startService(self) -> None:
        """Plug the modem in; OSError or CannotListenError when the link or the socket cannot be made."""
        settings = self._settings
        self.modem = SimulatedModem(
            self._reactor,
            settings.link,
            settings.profile,
            name=settings.id,
            latency=settings.latency,
            journal=settings.journal,
            pin=settings.pin.get_secret_value() if settings.pin else "",
            number=settings.number,
            boot=settings.boot,
        )
        self.modem.start()
        if settings.control:
            try:
                self._port = control.listen(self._reactor, settings.control, self.modem)
            except (OSError, CannotListenError):
                self.modem.stop()
                self.modem = None
                raise
        Service.startService(self)

    def stopService(self) -> Any:
        """Unplug it."""
        Service.stopService(self)
        if self.modem is not None:
            self.modem.stop()
            self.modem = None
        port, self._port = self._port, None
        return port.stopListening() if port is not None else None


def make(settings: Settings, reactor: Any) -> SimulatorService:
    """The service for one entry of `simulators:`."""
    return SimulatorService(settings, reactor)
