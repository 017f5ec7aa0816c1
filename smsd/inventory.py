"""What runs, for people: gateways, groups, doors and simulators, each with one line on how it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smsd.config.settings import Configuration
from smsd.hookwork import hooks, shown

if TYPE_CHECKING:
    from smsd.house import House


def inventory(house: House, configuration: Configuration) -> dict[str, Any]:
    """As `smsd status` and the API show it."""
    now = house.queue.now()
    outlets = {outlet.name: outlet for outlet in house.queue.outlets()}
    gateways = []
    for settings in (
        *configuration.gateways, *house.rulework.errands(configuration), *hooks(configuration)
    ):  # fmt: skip
        gateway, outlet = house.gateways.services.get(settings.id), outlets.get(settings.id)
        if not shown(settings, gateway):
            continue
        gateways.append(
            {
                "id": settings.id,
                "type": settings.type,
                "status": gateway.status
                if gateway
                else "not active"
                if not settings.active
                else "not started",
                "slots": outlet.slots if outlet else 0,
                "on_wire": len(outlet.on_wire) if outlet else 0,
                "closed": outlet.reason if outlet else "",
                "trouble": outlet.told(now) if outlet else "",
                "limits": outlet.limits(now) if outlet else [],
            }
        )
    doors = [
        {
            "id": settings.id,
            "type": settings.type,
            "listen": settings.listen or [getattr(settings, "folder", "")],
            "running": settings.id in house.doors.services,
            "counted": settings.counted,
        }
        for settings in configuration.listeners
    ]
    return {
        "gateways": gateways,
        "groups": [{"id": name, "carry": house.queue.carriers(name)} for name in house.queue.groups],
        "doors": doors,
        "password_sources": [
            {"id": source.name, "status": source.status} for source in house.accounts.sources
        ],
        "simulators": sorted(house.simulators.services),
    }
