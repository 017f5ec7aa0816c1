"""Who carries what: for every route the gateways that may pull from its lanes now, by tiers where it has them.

What tiers there are is decided in `policy.route`; here they are made of outlets, and remembered until a gateway comes or goes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from smsd.core.outlet import Outlet
from smsd.policy import route as routes
from smsd.policy.route import NO_GROUPS, Group, Way


class Serving:
    """`outlets` are the queue's, by id; `groups` the configuration's."""

    def __init__(self, outlets: Mapping[str, Outlet]) -> None:
        self._outlets = outlets
        self.groups: Mapping[str, Group] = NO_GROUPS
        self._ways: list[Way] | None = None
        self._kept: dict[str, Way] = {}
        self._everybody: dict[str, list[Outlet]] = {}
        # Of routes without tiers, which is most: all who serve them.
        self._alike: dict[str, list[Outlet]] = {}
        self._tiers: dict[str, tuple[Any, ...]] = {}

    def changed(self) -> None:
        """A gateway or a group came or goes: all is worked out anew."""
        self._ways = None
        for remembered in (self._everybody, self._alike, self._tiers):
            remembered.clear()

    def keep(self, names: Collection[str]) -> None:
        """Those of these gateways that leave from now on do so to come back, as others perhaps: what is for them waits meanwhile
        instead of being refused. Nobody: all are back, or never will be."""
        self._kept = {name: outlet.way for name, outlet in self._outlets.items() if name in names}
        self.changed()

    def ways(self) -> list[Way]:
        """All gateways, open or not; the same list until one comes or goes."""
        if self._ways is None:
            here = {name: outlet.way for name, outlet in self._outlets.items() if not outlet.leaving}
            self._ways = list((self._kept | here).values())
        return self._ways

    @property
    def tiered(self) -> bool:
        """Whether somebody may have to stand in for another."""
        return bool(self._tiers)

    def servers(self, route: str, now: int) -> list[Outlet]:
        """Who may pull from lanes with this route now."""
        alike = self._alike.get(route)
        if alike is not None:
            return alike
        tiers = self._tiers.get(route)
        if tiers is None:
            everybody = self.everybody(route)
            if not everybody or not (route.startswith("group:") or "!" in route):
                self._alike[route] = everybody
                return everybody
            able = {outlet.name: outlet for outlet in everybody}
            tiers = self._tiers[route] = routes.tiers(route, able, self.groups)
        if route.startswith("group:"):
            return routes.pulling(tiers, lambda outlet: outlet.keeps_place(now))[0]
        return routes.pulling(tiers, lambda outlet: outlet.well(now))[0]

    def everybody(self, route: str) -> list[Outlet]:
        """Who may ever pull from them."""
        known = self._everybody.get(route)
        if known is None:
            known = self._everybody[route] = [
                outlet
                for outlet in self._outlets.values()
                if not outlet.leaving and routes.serves(outlet.way, route, self.groups)
            ]
        return known

    def carriers(self, group: str, now: int) -> list[Outlet]:
        """Who may pull what is for this group now."""
        able = {name: outlet for name, outlet in self._outlets.items() if not outlet.leaving}
        tiers = routes.tiers(f"group:{group}", able, self.groups)
        return routes.pulling(tiers, lambda outlet: outlet.keeps_place(now))[0]

    def waits(self, route: str, now: int) -> dict[str, str]:
        """For the operator: who may carry what is in lanes with this route, and why they do not now."""
        return {outlet.name: outlet.waits(now) for outlet in self.everybody(route)}

    def others(self, route: str, outlet: Outlet, now: int) -> str:
        """Whether somebody else has not been asked for what this gateway did not take: one who carries `now`, one who may
        `later`, or nobody ("")."""
        base, asked = routes.split(route)
        if base.startswith("gw:") or (base.startswith("any:") and len(asked) + 1 >= routes.MOST_ASKED):
            return ""
        rest = [other for other in self.everybody(base) if other is not outlet and other.name not in asked]
        if any(other.well(now) for other in rest):
            return "now"
        return "later" if rest else ""
