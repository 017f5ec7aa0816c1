"""What stands inside rules: the comparisons of their conditions, and the list files and databases they name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from smsd.policy.rules.model import And, Condition, Field, Not, Or, Rule, Rules, SqlCondition, TextTest


def conditions(condition: Condition) -> Iterator[Condition]:
    """This one and all inside it, as they are written, depth first."""
    yield condition
    if isinstance(condition, (And, Or)):
        for part in condition.parts:
            yield from conditions(part)
    elif isinstance(condition, Not):
        yield from conditions(condition.part)


def list_files(rules: Rules) -> tuple[str, ...]:
    """The paths of the list files that rules name (switched off ones too), each once."""
    paths: dict[str, None] = {}
    for rule in (*rules.outgoing, *rules.incoming):
        for condition in conditions(rule.condition):
            test = condition.test if isinstance(condition, (Field, SqlCondition)) else None
            if test is not None and test.file:
                paths[test.file] = None
    return tuple(paths)


def with_list_files(rules: Rules, change: Callable[[str], str]) -> Rules:
    """The same rules with every path of a list file changed."""

    def test(old: TextTest | None) -> TextTest | None:
        return replace(old, file=change(old.file)) if old is not None and old.file else old

    def within(condition: Condition) -> Condition:
        if isinstance(condition, (And, Or)):
            return replace(condition, parts=tuple(within(part) for part in condition.parts))
        if isinstance(condition, Not):
            return Not(within(condition.part))
        if isinstance(condition, Field):
            return Field(condition.name, test(condition.test) or condition.test)
        if isinstance(condition, SqlCondition):
            return replace(condition, test=test(condition.test))
        return condition

    def listed(several: tuple[Rule, ...]) -> tuple[Rule, ...]:
        return tuple(replace(rule, condition=within(rule.condition)) for rule in several)

    return Rules(listed(rules.outgoing), listed(rules.incoming))
