"""The same rules with the paths of their list files changed, for rules that move to another folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from smsd.policy.rules.model import And, Condition, Field, Not, Or, Rule, Rules, SqlCondition, TextTest


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
