"""Rules and their two lists as they are written."""

from __future__ import annotations

from collections.abc import Mapping

from smsd.policy.rules.language.actions import read_action
from smsd.policy.rules.language.conditions import read_condition
from smsd.policy.rules.language.reading import Reader, Spot
from smsd.policy.rules.model import All, Rule, Rules, Stop, WrongPart
from smsd.values.errors import InvalidValue

DIRECTIONS = ("outgoing", "incoming")
LONGEST_TITLE = 200
_WORDS = ("title", "active", "description", "if", "do")


def read_rules(data: Mapping[str, object], reader: Reader) -> Rules:
    """The rules under `outgoing:` and `incoming:` of a whole file. What was reported is in `reader.mistakes`."""
    top = Spot(data, (), reader)
    lists = {direction: _list(top.at(direction, data.get(direction)), direction) for direction in DIRECTIONS}
    return Rules(**lists)


def together(*several: Rules) -> Rules:
    """All of them in this order, users' own rules behind the administrator's."""
    lists = {
        direction: tuple(
            sorted(
                (rule for rules in several for rule in getattr(rules, direction)),
                key=lambda rule: bool(rule.user),
            )
        )
        for direction in DIRECTIONS
    }
    return Rules(**lists)


def _list(spot: Spot, direction: str) -> tuple[Rule, ...]:
    if spot.value in (None, []):
        return ()
    return tuple(_rule(entry, direction) for entry in spot.entries("begin each rule with - title: …"))


def _rule(spot: Spot, direction: str) -> Rule:
    reader = spot.reader
    before = reader.mistakes
    fields = spot.fields((*_WORDS, "user") if reader.checks.users else _WORDS, ("title", "do"))
    if isinstance(spot.value, dict) and "if" in spot.value and spot.value["if"] is None:
        # Not the same as no `if` at all: whoever began a condition did not mean every message.
        spot.at("if", None).wrong("missing", "write a condition, or all")
    actions = fields["do"].entries("write [accept] or lines that begin with -")
    rule = Rule(
        _title(fields["title"]),
        read_condition(fields["if"]) if "if" in fields else All(),
        tuple(read_action(action) for action in actions) or (Stop(),),
        fields["active"].switch() if "active" in fields else True,
        fields["description"].text(empty=True) if "description" in fields else "",
        fields["user"].text(longest=LONGEST_TITLE) if "user" in fields else "",
        reader.sink.source(spot.path),
    )
    try:
        if rule.title:
            reader.checks.title(direction, rule)
    except InvalidValue as error:
        fields["title"].invalid(error)
    if reader.mistakes == before:
        try:
            reader.checks.rule(direction, rule)
        except InvalidValue as error:
            where = error.where if isinstance(error, WrongPart) else ()
            Spot(None, (*spot.path, *where), reader).invalid(error)
    return rule


def _title(spot: Spot) -> str:
    title = spot.text(longest=LONGEST_TITLE)
    if title and (title != title.strip() or not title.isprintable()):
        spot.wrong("a title is one line", "without blanks at its ends and control characters")
    return title
