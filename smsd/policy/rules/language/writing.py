"""Rules as dicts, lists and texts, the way one would write them in YAML at full length: `rules` reads it back.

Flags and texts at their defaults are left out, except default texts for people, which another version may word otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from smsd.policy.rules.language.conditions import DAYS
from smsd.policy.rules.model import (
    Accept,
    Action,
    AddHeader,
    All,
    And,
    Cap,
    Clock,
    Condition,
    Delete,
    DeleteHeader,
    Each,
    Escalate,
    Field,
    Flag,
    Folder,
    Forward,
    Frame,
    Gather,
    HasPriority,
    Hold,
    How,
    Network,
    Not,
    Or,
    Program,
    Reject,
    Respond,
    Rule,
    Send,
    SetHeader,
    SetPriority,
    Size,
    Sql,
    SqlCondition,
    Stop,
    TextTest,
    Url,
)

Plain = dict[str, Any]


def plain_rule(rule: Rule) -> Plain:
    """`{title: …, active: …, if: […], do: […]}`"""
    plain: Plain = {"title": rule.title, "active": _yes(rule.active)}
    plain |= _given(user=rule.user, description=rule.description)
    if not isinstance(rule.condition, All):
        plain["if"] = _together(rule.condition)
    plain["do"] = [plain_action(action) for action in rule.actions]
    return plain


def _together(condition: Condition) -> list[Plain]:
    """The list under `if:`, whose conditions are all of them together."""
    if isinstance(condition, And) and len(condition.parts) > 1:
        return [plain_condition(part) for part in condition.parts]
    return [plain_condition(condition)]


def plain_condition(condition: Condition) -> Plain:
    """`{word: …}`"""
    word, value = _CONDITIONS[type(condition)](condition)
    return {word: value}


def plain_action(action: Action) -> Plain:
    """`{word: …}`; a word that stands alone has an empty text."""
    word, value = _ACTIONS[type(action)](action)
    return {word: value}


def _field(condition: Field) -> tuple[str, Plain]:
    test = _test(condition.test)
    word, _, name = condition.name.partition(":")
    return (word, {"name": name, **test}) if word == "header" else (word.replace("-", "_"), test)


def _test(test: TextTest) -> Plain:
    value: Any = test.value
    if test.how in (How.ITEM, How.IN):
        value = [*test.items, *([{"file": test.file}] if test.file else [])]
    elif test.how is How.EMPTY:
        value = "yes"
    each = "" if test.each is Each.ANY else test.each.value
    compare = "" if test.compare == "text" else test.compare
    return {test.how.value: value, **_given(case=test.case, each=each, compare=compare)}


def _size(condition: Size) -> tuple[str, Plain]:
    limits = {"above": condition.above, "below": condition.below}
    return "size", {word: str(limit) for word, limit in limits.items() if limit is not None}


def _clock(condition: Clock) -> tuple[str, Plain]:
    days = " ".join(DAYS[day] for day in sorted(condition.days)) if len(condition.days) < 7 else ""
    return "time", {"from": _time(condition.start), "to": _time(condition.end), **_given(days=days)}


def _sql_condition(condition: SqlCondition) -> tuple[str, Plain]:
    return "sql", {
        "database": condition.database,
        "seconds": repr(condition.seconds),
        **_given(default=condition.default),
        "statement": condition.statement,
        **_given(values=list(condition.values)),
        **(_test(condition.test) if condition.test else {}),
    }


def _frame(action: Frame) -> tuple[str, Any]:
    if action.before and action.after:
        return "frame", {"before": action.before, "after": action.after}
    return ("append", action.after) if action.after else ("prepend", action.before)


def _url(action: Url) -> tuple[str, Plain]:
    plain = {"method": action.method, **_given(reply=action.reply), "url": action.url}
    if action.method != "GET":
        plain |= {"content_type": action.content_type, **_given(body=action.body)}
    if action.escapes:
        plain |= {"escapes": action.escapes, "charset": action.charset}
    return "url", plain


def _sql(action: Sql) -> tuple[str, Plain]:
    return "sql", {
        "database": action.database,
        **_given(reply=action.reply),
        "statement": action.statement,
        **_given(values=list(action.values)),
    }


def _escalate(action: Escalate) -> tuple[str, Plain]:
    to, answers = list(action.to), list(action.answers)
    return "escalate", {"minutes": str(action.minutes), "to": to, "answers": answers}


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _time(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _given(**values: Any) -> Plain:
    """What is not at its default: true, or not empty."""
    return {word: "yes" if value is True else value for word, value in values.items() if value}


_CONDITIONS: dict[type[Any], Callable[[Any], tuple[str, Any]]] = {
    All: lambda c: ("all", ""),
    And: lambda c: ("and", [plain_condition(part) for part in c.parts]),
    Or: lambda c: ("or", [plain_condition(part) for part in c.parts]),
    Not: lambda c: ("not", [plain_condition(c.part)]),
    Field: _field,
    Size: _size,
    Flag: lambda c: (c.name, _yes(c.value)),
    Network: lambda c: ("ip", list(c.networks)),
    Clock: _clock,
    HasPriority: lambda c: ("priority", c.priority.name.lower()),
    SqlCondition: _sql_condition,
}

_ACTIONS: dict[type[Any], Callable[[Any], tuple[str, Any]]] = {
    Accept: lambda a: ("accept", ""),
    Reject: lambda a: ("reject", a.text),
    Delete: lambda a: ("delete", ""),
    Stop: lambda a: ("stop", ""),
    Forward: lambda a: ("copy" if a.copy else "forward", a.to),
    Send: lambda a: ("send", {"to": a.to, **_given(subject=a.subject), "text": a.text}),
    Respond: lambda a: ("respond", {**_given(subject=a.subject), "text": a.text}),
    AddHeader: lambda a: ("add_header", {"name": a.name, "value": a.value}),
    SetHeader: lambda a: ("set_header", {"name": a.name, **_given(regex=a.regex), "value": a.value}),
    DeleteHeader: lambda a: ("delete_header", a.name),
    Frame: _frame,
    SetPriority: lambda a: ("priority", a.priority.name.lower()),
    Program: lambda a: ("program", {**_given(reply=a.reply), "command": list(a.command)}),
    Url: _url,
    Sql: _sql,
    Folder: lambda a: ("copy_to_folder" if a.copy else "folder", a.name),
    Cap: lambda a: ("cap", {"most": str(a.most), "minutes": str(a.minutes), "text": a.text}),
    Gather: lambda a: ("digest", {"minutes": str(a.minutes), "text": a.text}),
    Hold: lambda a: ("hold", {"from": _time(a.start), "until": _time(a.until)}),
    Escalate: _escalate,
}
