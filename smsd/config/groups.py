"""The section `groups`: gateways that share the work, and others that stand in when those cannot (failover).

A group's id can be written wherever a gateway's can, also among the members of another group. What a group means for a message
is decided in `policy.route`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import Field

from smsd.config.positions import Document, KeyPath
from smsd.config.settings import ID, Section
from smsd.policy.route import Group

MOST_MEMBERS = 32

Tier = list[tuple[str, tuple[Any, ...]]]


class GroupSettings(Section):
    """A group: `share` carry alike; `spare` are one tier, or a list of tiers, each for when none before it can carry."""

    id: str = Field(pattern=ID, description="1 to 64 letters, digits, _ . - (no . or - first)")
    description: str = ""
    share: list[str] = Field(
        min_length=1, max_length=MOST_MEMBERS, description="ids of gateways or groups, at least one"
    )
    spare: list[str | list[str]] = Field(
        default=[],
        max_length=MOST_MEMBERS,
        description="ids, or lists of ids: the first list stands in first",
    )

    def tiers(self) -> list[Tier]:
        """The members with their places in the section, tier by tier."""
        tiers: list[Tier] = [[(member, ("share", n)) for n, member in enumerate(self.share)]]
        if any(isinstance(member, list) for member in self.spare):
            for n, tier in enumerate(self.spare):
                if isinstance(tier, list):
                    tiers.append([(member, ("spare", n, m)) for m, member in enumerate(tier)])
                else:
                    tiers.append([(tier, ("spare", n))])
        elif self.spare:
            tiers.append([(str(member), ("spare", n)) for n, member in enumerate(self.spare)])
        return tiers

    def members(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """All of them, with their places."""
        for tier in self.tiers():
            yield from tier


def across(
    document: Document, groups: list[tuple[KeyPath, GroupSettings]], gateways: list[str], active: set[str]
) -> list[str]:
    """Report members that do not exist, that are named twice, and groups that contain themselves; gives warnings. `gateways` are
    all ids of gateways."""
    known = {group.id for _, group in groups}
    sound = True
    for path, group in groups:
        seen: set[str] = set()
        for member, place in group.members():
            here = (*path, *place)
            if member not in gateways and member not in known and member not in _named(document):
                allowed = f"allowed: {', '.join([*gateways, *sorted(known - {group.id})])}"
                document.report(here, f"there is no gateway or group {member!r}", allowed)
                sound = False
            elif member in seen:
                document.report(here, f"{member!r} is in this group twice", "leave one of them away")
            seen.add(member)
    by_id = {group.id: group for _, group in groups}
    warnings: list[str] = []
    for path, group in groups:
        circle = _circle(group.id, by_id)
        if circle:
            way = " > ".join(circle)
            document.report(
                (*path, "id"), f"group {group.id!r} contains itself: {way}", "take one of them out"
            )
            sound = False
    if not sound:
        return warnings
    for path, group in groups:
        members = set(_group(group, by_id).members())
        if len(members) > MOST_MEMBERS:
            document.report(
                (*path, "id"),
                f"group {group.id!r} has {len(members)} gateways",
                f"allowed: up to {MOST_MEMBERS}, those of its groups included",
            )
        elif not members & active:
            warnings.append(f"group {group.id}: none of its gateways is active, so its messages wait")
    return warnings


def made(groups: Iterable[GroupSettings]) -> Mapping[str, Group]:
    """What routing needs, by id."""
    by_id = {group.id: group for group in groups}
    return {name: _group(group, by_id) for name, group in by_id.items()}


def _group(settings: GroupSettings, by_id: Mapping[str, GroupSettings]) -> Group:
    tiers = (
        tuple(_group(by_id[name], by_id) if name in by_id else name for name, _ in tier)
        for tier in settings.tiers()
    )
    return Group(settings.id, tuple(tuple(tier) for tier in tiers))


def _circle(start: str, by_id: Mapping[str, GroupSettings]) -> list[str]:
    """The way from a group back to itself; empty when there is none."""
    waiting, seen = [[start]], set()
    while waiting:
        way = waiting.pop()
        for member, _ in by_id[way[-1]].members():
            if member == start:
                return [*way, member]
            if member in by_id and member not in seen:
                seen.add(member)
                waiting.append([*way, member])
    return []


def _named(document: Document) -> set[str]:
    """The ids of groups with mistakes: one mistake should not be reported twice."""
    entries = document.data.get("groups")
    return {
        str(entry.get("id"))
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict)
    }
