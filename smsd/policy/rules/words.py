"""Conditions, values and actions in words, for traces and for `smsd explain`. Shortened, and never with a password."""

from __future__ import annotations

import re
from typing import Final

from smsd.policy.rules import view
from smsd.policy.rules.model import (
    Action,
    AddHeader,
    All,
    And,
    Cap,
    Clock,
    Condition,
    Each,
    Escalate,
    Field,
    Flag,
    Folder,
    Forward,
    Gather,
    HasPriority,
    Hold,
    How,
    Network,
    Not,
    Or,
    Program,
    Respond,
    Send,
    Size,
    Sql,
    SqlCondition,
    TextTest,
    Url,
)
from smsd.policy.rules.view import View

LONGEST: Final = 80
"""Characters of a value that are shown."""
_LONGEST_WHOLE: Final = 300
DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

_SECRET = re.compile(
    r"((?:pass(?:word|wd|phrase)?|pwd|secret|(?<![a-z])(?:pin|token|auth|api_?key|key|signature))[\"']?\s*[=:]\s*[\"']?)"
    r"[^\s&;,\"']+",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"(://)[^/@\s]{1,200}@")


def masked(text: str) -> str:
    """A text without passwords."""
    if "=" not in text and ":" not in text:
        return text
    return _USERINFO.sub(r"\1…@", _SECRET.sub(r"\1***", text))


def shown(text: str) -> str:
    """A text as people may see it: one line, not too long, without passwords."""
    if len(text) <= LONGEST and text.isprintable() and "=" not in text and ":" not in text:
        return text
    cut = masked(text[: 4 * LONGEST])
    if not cut.isprintable():
        cut = "".join(char if char.isprintable() else " " for char in cut)
    return cut if len(cut) <= LONGEST and len(text) <= 4 * LONGEST else f"{cut[:LONGEST]}…"


def quoted(text: str) -> str:
    """A text as people may see it, in quotes."""
    return f'"{shown(text)}"'


# -- conditions

_HOWS = {
    How.CONTAINS: "contains", How.STARTS: "begins with", How.ENDS: "ends with", How.EQUALS: "is", How.REGEX: "matches",
    How.ITEM: "contains one of", How.IN: "is one of", How.EMPTY: "is empty",
}  # fmt: skip


def condition(asked: Condition) -> str:
    """What a condition asks."""
    if isinstance(asked, All):
        return "every message"
    if isinstance(asked, (And, Or)):
        word = "all" if isinstance(asked, And) else "one"
        return f"{word} of {len(asked.parts)} conditions"
    if isinstance(asked, Not):
        return f"not: {condition(asked.part)}"
    if isinstance(asked, Field):
        return f"{asked.name} {_test(asked.test)}"
    if isinstance(asked, Flag):
        return asked.name if asked.value else f"not {asked.name}"
    if isinstance(asked, Size):
        limits = [f"more than {asked.above}"] if asked.above is not None else []
        limits += [f"less than {asked.below}"] if asked.below is not None else []
        return f"{' and '.join(limits) or 'any number of'} octets"
    if isinstance(asked, Network):
        return f"ip in {shown(', '.join(asked.networks))}"
    if isinstance(asked, Clock):
        days = (
            ""
            if len(asked.days) == 7
            else " " + " ".join(DAYS[day] for day in sorted(asked.days) if 0 <= day < 7)
        )
        return f"time {_minute(asked.start)}-{_minute(asked.end)}{days}"
    if isinstance(asked, HasPriority):
        return f"priority {asked.priority.name.lower()}"
    answer = f" {_test(asked.test)}" if asked.test else ""
    return f"answer of the database {asked.database}{answer}"


def whole(asked: Condition) -> str:
    """What a condition asks, with all its parts where they are few."""
    text = _parts(asked)
    return text if len(text) <= _LONGEST_WHOLE else condition(asked)


def _parts(asked: Condition, inside: bool = False) -> str:
    if isinstance(asked, Not):
        return f"not: {_parts(asked.part, True)}"
    if not isinstance(asked, (And, Or)):
        return condition(asked)
    text = (" and " if isinstance(asked, And) else " or ").join(_parts(part, True) for part in asked.parts)
    return f"({text})" if inside else text


def _minute(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _test(test: TextTest) -> str:
    how = _HOWS[test.how]
    which = {Each.ANY: "", Each.ALL: "(each) ", Each.JOINED: "(as one text) "}[test.each]
    if test.how is How.EMPTY:
        return how
    if test.how not in (How.ITEM, How.IN):
        return f"{which}{how} {quoted(test.value)}"
    items = [quoted(item) for item in test.items[:3]]
    items += ["…"] if len(test.items) > 3 else []
    items += [f"the lines of {test.file}"] if test.file else []
    return f"{which}{how} {', '.join(items)}"


def value(asked: Condition, seen: View) -> str:
    """What the message had for a condition to look at, "" when there is nothing to say."""
    if isinstance(asked, Field):
        return quoted(view.text(view.canonical(asked.name))(seen))
    if isinstance(asked, Size):
        return f"{seen.size} octets"
    if isinstance(asked, Network):
        return shown(seen.letter.ip) or "no address"
    if isinstance(asked, Clock):
        return f"{DAYS[seen.letter.when[0] % 7]} {_minute(seen.letter.when[1])}"
    if isinstance(asked, HasPriority):
        return seen.priority.name.lower()
    if isinstance(asked, Flag):
        return asked.name if getattr(seen.letter, asked.name) else f"not {asked.name}"
    return ""


# -- actions


def effect(action: Action) -> str:
    """What is done besides, with everything filled in."""
    if isinstance(action, Forward):
        return f"{'copy' if action.copy else 'forward'} to {shown(action.to)}"
    if isinstance(action, Send):
        return f"send {quoted(action.text)} to {shown(action.to)}"
    if isinstance(action, Respond):
        return f"answer {quoted(action.text)}"
    if isinstance(action, Program):
        return f"run {shown(action.command[0]) if action.command else 'nothing'}"
    if isinstance(action, Url):
        return f"request {shown(action.url)}"
    if isinstance(action, (Sql, SqlCondition)):
        return f"run a statement on the database {action.database}"
    if isinstance(action, Folder):
        return f"{'copy' if action.copy else 'move'} into {shown(action.name)}"
    if isinstance(action, Cap):
        return f"at most {action.most} in {action.minutes} min to one recipient"
    if isinstance(action, Gather):
        return f"gather for {action.minutes} min"
    if isinstance(action, Hold):
        return f"hold between {_minute(action.start)} and {_minute(action.until)}"
    if isinstance(action, Escalate):
        return f"ask {', '.join(shown(to) for to in action.to)} one after the other"
    if isinstance(action, AddHeader):
        return f"add the header {shown(action.name)}"
    return type(action).__name__.lower()
