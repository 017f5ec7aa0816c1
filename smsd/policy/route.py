"""Where a delivery goes: the route (who may carry it) and the flow (whose it is). Together they name its lane.

A route is `gw:<id>` for a pinned delivery, else `any:<scheme>[+need…]`: the pool of all gateways with these abilities, and
whichever pulls first carries it (feature G2), or `group:<id>[/<scheme>[+need…]]` for a group of the configuration. Rules
decide before this; this is what is left when none does (R5).

A delivery that a gateway did not take goes to the others first: its route then ends with `!` and those that were asked
(`any:sms!gsm1`), and they have the last turn. So gateways find what is theirs without looking at what is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from smsd.interfaces import Abilities
from smsd.values.message import Binary, Content, Parameters


@dataclass(frozen=True, slots=True)
class Way:
    """A gateway as routing sees it."""

    name: str
    abilities: Abilities


@dataclass(frozen=True, slots=True)
class Group:
    """Gateways that stand in for each other: those of the first tier share, the next tier carries when none of them can. A
    member is a gateway's id or a group."""

    id: str
    tiers: tuple[tuple[str | Group, ...], ...]

    def members(self) -> Iterator[str]:
        """Every gateway in it, perhaps twice."""
        for tier in self.tiers:
            for member in tier:
                if isinstance(member, Group):
                    yield from member.members()
                else:
                    yield member


Leaf = TypeVar("Leaf")
NO_GROUPS: Mapping[str, Group] = {}
# How many gateways of a pool are asked before a delivery waits; of a group all are.
MOST_ASKED = 4


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


def group(name: str, scheme: str, wanted: tuple[str, ...]) -> str:
    """The name of a group's route."""
    return (
        f"group:{name}" if (scheme, wanted) == ("sms", ()) else "+".join((f"group:{name}/{scheme}", *wanted))
    )


def split(route: str) -> tuple[str, tuple[str, ...]]:
    """The route without those that were asked, and those."""
    base, _, asked = route.partition("!")
    return base, tuple(asked.split(",")) if asked else ()


def without(route: str, gateway: str) -> str:
    """The route of what this gateway did not take."""
    base, asked = split(route)
    return f"{base}!{','.join(sorted({*asked, gateway}))}"


def serves(way: Way, route: str, groups: Mapping[str, Group] = NO_GROUPS) -> bool:
    """Whether this gateway may carry what is in lanes with this route."""
    kind, _, rest = split(route)[0].partition(":")
    if kind == "gw":
        return rest == way.name
    if kind == "group":
        name, _, rest = rest.partition("/")
        if name not in groups or way.name not in groups[name].members():
            return False
    scheme, *wanted = (rest or "sms").split("+")
    return can(way.abilities, scheme, wanted)


def nobody(route: str) -> str:
    """What people are told of a route that no gateway serves."""
    kind, _, rest = split(route)[0].partition(":")
    if kind == "gw":
        return f"there is no gateway {rest} any more"
    if kind == "group":
        return f"there is no gateway for the group {rest.partition('/')[0].partition('+')[0]} any more"
    return "there is no gateway for it any more"


def tiers(route: str, able: Mapping[str, Leaf], groups: Mapping[str, Group] = NO_GROUPS) -> tuple[Any, ...]:
    """Who carries what is in lanes with this route, and who when those cannot: tiers of gateways (as `able` has them, by id)
    and of tiers in their turn. Those that were asked come last."""
    base, asked = split(route)
    kind, _, rest = base.partition(":")
    if kind == "group":
        tree = _tiers(groups[rest.partition("/")[0]], able, asked)
    else:
        tree = (tuple(leaf for name, leaf in able.items() if name not in asked),)
    return (*tree, tuple(able[name] for name in asked if name in able)) if asked else tree


def _tiers(group: Group, able: Mapping[str, Leaf], asked: tuple[str, ...]) -> tuple[Any, ...]:
    found = []
    for tier in group.tiers:
        members: list[Any] = []
        for member in tier:
            if isinstance(member, Group):
                members.append(_tiers(member, able, asked))
            elif member in able and member not in asked:
                members.append(able[member])
        found.append(tuple(members))
    return tuple(found)


def pulling(tree: tuple[Any, ...], well: Callable[[Any], bool]) -> tuple[list[Any], bool]:
    """Who may pull now, and whether one of them is well: the first tier, and each further one while nobody before is."""
    found: list[Any] = []
    for tier in tree:
        one_is_well = False
        for member in tier:
            if isinstance(member, tuple):
                some, some_well = pulling(member, well)
                found += [one for one in some if one not in found]
                one_is_well |= some_well
            else:
                if member not in found:
                    found.append(member)
                one_is_well |= well(member)
        if one_is_well:
            return found, True
    return found, False
