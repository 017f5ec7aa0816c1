"""What a rule does outside, in one line for people who look at the queue: the program, the URL, the statement, without secrets."""

from __future__ import annotations

import re

from smsd.policy.rules.words import masked
from smsd.values.message import Call

LONGEST = 1000
_SECRET_OPTION = re.compile(r"--?[\w-]*(?:pass|pwd|secret|token|key|pin)[\w-]*", re.IGNORECASE)


def called(call: Call) -> str:
    """The call as the command, `smsd queue list` and `smsd explain` show it."""
    if call.kind == "url":
        method = call.arguments[0] if call.arguments else "GET"
        text = f"{method} {call.what}" + (f" with {call.text}" if call.text else "")
    elif call.kind == "sql":
        text = f"{call.text} ({', '.join(call.arguments)})" if call.arguments else call.text
    else:
        text = " ".join((call.what, *_arguments(call.arguments)))
    line = " ".join(masked(text[: 4 * LONGEST]).split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"


def _arguments(arguments: tuple[str, ...]) -> list[str]:
    """With *** for what follows an option such as --password."""
    before = ("", *arguments)
    return [
        "***" if _SECRET_OPTION.fullmatch(option) else one
        for option, one in zip(before, arguments, strict=False)
    ]
