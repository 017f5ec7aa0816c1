"""GSM modems, and phones used as such, over a serial line with AT commands (features G4 to G8).

`gateway` is the life of the device, `startup` its initialisation, `service` with `sending`, `receiving` and `watch` what it
does, `session` and `line` the line itself, `profile` and `modems.yaml` what models do their own way, `pin` the SIM's PIN,
`conversation` the log.
"""

from __future__ import annotations

from smsd.interfaces import GatewayContext
from smsd.links.gsm import profile
from smsd.links.gsm.gateway import GsmGateway
from smsd.links.gsm.settings import Settings
from smsd.values.errors import InvalidValue

__all__ = ["GsmGateway", "Settings", "make"]


def make(settings: Settings, context: GatewayContext) -> GsmGateway:
    """The gateway of one modem; InvalidValue for an unknown template, ConfigError for a broken `modems.yaml`."""
    path = context.find_data("modems.yaml")
    profiles = profile.load(path)
    if settings.template is not None and settings.template not in profiles:
        raise InvalidValue(
            f"gateway {settings.id}: no template {settings.template!r} in {path}; there are {', '.join(profiles)}"
        )
    return GsmGateway(settings, profiles, context)
