"""Where a delivery goes: the route (who may carry it) and the flow (whose it is). Together they name its lane.

A route is `gw:<id>` for a pinned delivery, else `any:<scheme>[+need…]`: the pool of all gateways with these abilities, and
whichever pulls first carries it (feature G2). Rules will decide before this; this is what is left when none does (R5).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from smsd.interfaces import Abilities
from smsd.values.message import Binary, Content, Parameters


@dataclass(frozen=True, slots=True)
class Way:
    """A gateway as routing sees it."""

    name: str
    abilities: Abilities


def needs(scheme: str, content: Content, parameters: Parameters) -> tuple[str, ...]:
    """What a gateway must be able to do for this content, beyond its scheme, in a fixed order. Mail carries anything."""
    if scheme != "sms":
        return ()
    found = []
    if isinstance(content, Binary):
        found.append("binary")
    if parameters.sender_required:
        found.append("sender")
    return tuple(found)


def can(abilities: Abilities, scheme: str, wanted: Iterable[str]) -> bool:
    """Whether a gateway with these abilities may carry it."""
    return scheme in abilities.schemes and all(getattr(abilities, need) for need in wanted)


def pool(scheme: str, wanted: tuple[str, ...]) -> str:
    """The name of the pool route."""
    return "+".join((f"any:{scheme}", *wanted))


def serves(way: Way, route: str) -> bool:
    """Whether this gateway pulls from lanes with this route."""
    kind, _, rest = route.partition(":")
    if kind == "gw":
        return rest == way.name
    scheme, *wanted = rest.split("+")
    return can(way.abilities, scheme, wanted)
