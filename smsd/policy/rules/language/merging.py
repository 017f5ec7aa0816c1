"""Put imported rules among those that are there: by list and title, each in the place of the one it replaces, or at the end."""

from __future__ import annotations

from dataclasses import dataclass

from smsd.policy.rules.language.rules import DIRECTIONS, together
from smsd.policy.rules.model import Rule, Rules


@dataclass(frozen=True, slots=True)
class Change:
    """What an import does with one rule. `kind` is added, replaced or unchanged; `old` is None for an added one."""

    kind: str
    direction: str
    new: Rule
    old: Rule | None = None


def merge(old: Rules, new: Rules) -> tuple[Rules, list[Change]]:
    """The rules there are then, and what became of each that is new."""
    changes: list[Change] = []
    lists: dict[str, tuple[Rule, ...]] = {}
    for direction in DIRECTIONS:
        merged = {(rule.title, rule.user): rule for rule in getattr(old, direction)}
        for rule in getattr(new, direction):
            there = merged.get((rule.title, rule.user))
            kind = "added" if there is None else "unchanged" if there == rule else "replaced"
            changes.append(Change(kind, direction, rule, there))
            merged[rule.title, rule.user] = rule
        lists[direction] = tuple(merged.values())
    return together(Rules(**lists)), changes
