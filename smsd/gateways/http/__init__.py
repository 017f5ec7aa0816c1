"""Providers that are reached by HTTP, and other servers in a chain (`type: http`; features G9 to G14, D1).

`settings` is what the configuration says, `building` makes a provider of it, `gateway` sends. What a request looks like and what
an answer means is in `smsd.codec.provider`; the providers themselves are data (`etc/providers.yaml`).
"""

from __future__ import annotations

from smsd.gateways.http.building import build, check, stamp
from smsd.gateways.http.gateway import Http
from smsd.gateways.http.settings import Settings
from smsd.interfaces import GatewayContext

__all__ = ["Http", "Settings", "check", "make", "stamp"]


def make(settings: Settings, context: GatewayContext) -> Http:
    """The gateway for one section of the configuration; InvalidValue or ConfigError when its provider cannot be used."""
    return Http(settings, build(settings, context.find_data), context)
