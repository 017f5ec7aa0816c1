"""The gateways that carry events to programs, and results to spool folders: nobody writes them down, subscribers and doors want
them.

Part of the composition root: decides nothing.
"""

from __future__ import annotations

from typing import Any

from smsd import registry
from smsd.config.settings import Configuration
from smsd.config.subscribers import URLS

SPOOL = "spool"


def hooks(configuration: Configuration) -> list[Any]:
    """The settings of the gateways for callbacks: one for each subscriber, and one for URLs of senders where a door takes
    them."""
    model = registry.find(registry.GATEWAYS, "callback").Settings
    made = [
        model(id=one.gateway, type="callback", subscriber=one, callbacks=configuration.callbacks)
        for one in configuration.subscribers
        if one.active
    ]
    if configuration.callbacks.urls and any(
        door.active and door.type == "http" for door in configuration.listeners
    ):
        made.append(model(id=URLS, type="callback", callbacks=configuration.callbacks))
    spools = tuple(door for door in configuration.listeners if door.active and door.type == SPOOL)
    if spools:
        made.append(registry.find(registry.GATEWAYS, SPOOL).Settings(id=SPOOL, type=SPOOL, doors=spools))
    return made


def shown(settings: Any, gateway: Any) -> bool:
    """Whether the operator wants to see it: the gateway for senders' URLs once there was one."""
    return bool(settings.id != URLS or (gateway is not None and gateway.used))
