"""Actions, compiled: each becomes a function that changes the message under judgement or adds an effect to what comes of it.

The function says whether this was the end. What was changed stands in the view's steps, for people.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from smsd.policy.rules import pattern, words
from smsd.policy.rules.addresses import LONGEST_HEADER
from smsd.policy.rules.letter import Effect
from smsd.policy.rules.model import (
    Accept,
    Action,
    AddHeader,
    Cap,
    Delete,
    DeleteHeader,
    Folder,
    Forward,
    Frame,
    Gather,
    Program,
    Reject,
    Respond,
    Send,
    SetHeader,
    SetPriority,
    Sql,
    Stop,
    Url,
)
from smsd.policy.rules.variables import Encode, Text, compile_text, percent
from smsd.policy.rules.view import WRITABLE, View, one_line
from smsd.values.errors import InvalidValue

Act = Callable[[View], bool]
"""Do it; True: ask no more rules."""

MOST_STEPS: Final = 400
"""Lines of a trace."""


def step(seen: View, line: str) -> None:
    """Remember a line for people."""
    if len(seen.steps) < MOST_STEPS:
        seen.steps.append(line)
    elif len(seen.steps) == MOST_STEPS:
        seen.steps.append("…")


def compile_action(title: str, action: Action, index: int, warnings: list[str], user: str = "") -> Act:
    """The function; InvalidValue says what is wrong with the action. Doubts go to `warnings`."""
    if isinstance(action, (Accept, Stop)):
        return lambda seen: True
    if isinstance(action, Delete):
        return _delete
    if isinstance(action, Reject):
        return _reject(compile_text(action.text)[0])
    if isinstance(action, AddHeader):
        return _add(action, warnings)
    if isinstance(action, SetHeader):
        return (
            _rewrite(action, warnings) if action.regex else _set(action.name, compile_text(action.value)[0])
        )
    if isinstance(action, DeleteHeader):
        return _delete_header(action.name)
    if isinstance(action, Frame):
        before, behind = compile_text(action.before)[0], compile_text(action.after)[0]
        return lambda seen: _written(seen, "body", before(seen) + seen.body + behind(seen))
    if isinstance(action, SetPriority):
        return _priority(action)
    return _effect(title, action, index, user)


def _delete(seen: View) -> bool:
    seen.fate = "delete"
    return True


def _reject(text: Text) -> Act:
    def act(seen: View) -> bool:
        seen.fate, seen.text = "reject", text(seen)
        return True

    return act


def _priority(action: SetPriority) -> Act:
    def act(seen: View) -> bool:
        if seen.set_priority(action.priority):
            step(seen, f"  priority is now {action.priority.name.lower()}")
        return False

    return act


# -- headers and body


def _written(seen: View, field: str, value: str) -> bool:
    before = seen.written(field)
    if seen.rewrite(field, value):
        shown = words.shown
        step(seen, f'  {field}: "{shown(before)}" is now "{shown(seen.written(field))}"')
    elif value != before:
        step(seen, f"  {field} stays as it is: it would get too long")
    return False


def _headers(seen: View, name: str, headers: Sequence[tuple[str, str]]) -> bool:
    if seen.set_headers(tuple(headers)):
        step(seen, f"  header {words.shown(name)}: {words.quoted(_first(seen, name))}")
    return False


def _first(seen: View, name: str) -> str:
    wanted = name.lower()
    return ", ".join([value for header, value in seen.headers if header.lower() == wanted][:3])


def _named(name: str) -> str:
    """The name of a header that can stand in a message."""
    name = name.strip().removesuffix(":").rstrip()
    if not name or not name.isascii() or not name.isprintable() or set(name) & set(" :"):
        raise InvalidValue(
            f"{name[:40]!r} is no name of a header: write it without colon, for example X-Copy"
        )
    return name


def _line(text: Text) -> Text:
    """A header's value: without line ends, not too long."""
    return lambda seen: one_line(text(seen))[:LONGEST_HEADER]


def _add(action: AddHeader, warnings: list[str]) -> Act:
    name, text = _named(action.name), compile_text(action.value)[0]
    if name.lower() in WRITABLE:
        warnings.append(f"there is only one {name}: it is written anew, not added")
        return _set(name, text)
    value = _line(text)
    return lambda seen: _headers(seen, name, (*seen.headers, (name, value(seen))))


def _set(written: str, text: Text) -> Act:
    name = _named(written)
    field = name.lower()
    if field in WRITABLE:
        return lambda seen: _written(seen, field, text(seen))
    value = _line(text)

    def act(seen: View) -> bool:
        """In the place of the first of this name, or behind all others."""
        headers = [header for header in seen.headers if header[0].lower() != field]
        first = next(
            (at for at, header in enumerate(seen.headers) if header[0].lower() == field), len(headers)
        )
        headers.insert(first, (name, value(seen)))
        return _headers(seen, name, headers)

    return act


def _delete_header(written: str) -> Act:
    name = _named(written)
    field = name.lower()
    if field in WRITABLE:
        return lambda seen: _written(seen, field, "")
    return lambda seen: _headers(
        seen, name, [header for header in seen.headers if header[0].lower() != field]
    )


def _rewrite(action: SetHeader, warnings: list[str]) -> Act:
    name = _named(action.name)
    field = name.lower()
    compiled = pattern.read(action.regex)
    warnings += compiled.warnings
    pieces = [
        piece if isinstance(piece, int) else compile_text(piece)[0]
        for piece in pattern.read_replacement(action.value, compiled.groups)
    ]

    def filling(seen: View) -> Callable[[Sequence[str]], str]:
        return lambda groups: "".join(
            [groups[piece] if isinstance(piece, int) else piece(seen) for piece in pieces]
        )

    def rewrite_field(seen: View) -> bool:
        new = compiled.rewrite(seen.written(field), filling(seen))
        return False if new is None else _written(seen, field, new)

    def rewritten(value: str, filled: Callable[[Sequence[str]], str]) -> str:
        new = compiled.rewrite(value, filled)
        return value if new is None else one_line(new)[:LONGEST_HEADER]

    def rewrite_headers(seen: View) -> bool:
        filled = filling(seen)
        headers = [
            (header, rewritten(value, filled) if header.lower() == field else value)
            for header, value in seen.headers
        ]
        return _headers(seen, name, headers)

    return rewrite_field if field in WRITABLE else rewrite_headers


# -- effects


def _effect(title: str, action: Action, index: int, user: str) -> Act:
    """Something to do besides, with its texts filled in: made once when they are always the same."""
    texts = _texts(action)
    changing = {name: text for name, (text, fixed) in texts.items() if not fixed}
    if not changing:
        ready = Effect(title, _filled(action, texts, None), index, user)

        def add(seen: View) -> bool:
            seen.effects.append(ready)
            return _told(seen, ready.action)

        return add

    def fill(seen: View) -> bool:
        effect = Effect(title, _filled(action, texts, seen), index, user)
        seen.effects.append(effect)
        return _told(seen, effect.action)

    return fill


def _told(seen: View, action: Action) -> bool:
    step(seen, f"  {words.effect(action)}")
    return False


_Texts = dict[str, tuple[Any, bool]]
"""A field of an action -> what says its text (or texts), and whether that is always the same."""


def _filled(action: Action, texts: _Texts, seen: View | None) -> Action:
    filled: Action = replace(action, **{name: text(seen) for name, (text, _) in texts.items()})
    return filled


def _texts(action: Action) -> _Texts:
    if isinstance(action, Forward):
        return {"to": compile_text(action.to)}
    if isinstance(action, Send):
        return {
            "to": compile_text(action.to), "text": compile_text(action.text), "subject": compile_text(action.subject),
        }  # fmt: skip
    if isinstance(action, Respond):
        return {"text": compile_text(action.text), "subject": compile_text(action.subject)}
    if isinstance(action, Program):
        return {"command": _several(action.command)}
    if isinstance(action, Sql):
        return {"values": _several(action.values)}
    if isinstance(action, Url):
        body = compile_text(action.body, _body_encoding(action.content_type))
        if action.escapes:
            return {"body": body}  # what the URL's stand for, only who sends it knows: smsd.core.effects
        return {"url": compile_text(action.url, percent, url=True), "body": body}
    if isinstance(action, Folder):
        return {"name": compile_text(action.name)}
    if isinstance(action, (Cap, Gather)):
        return {"text": compile_text(action.text, later=True)}
    return {}


def _several(written: tuple[str, ...]) -> tuple[Callable[[View], tuple[str, ...]], bool]:
    compiled = [compile_text(text) for text in written]
    return lambda seen: tuple(text(seen) for text, _ in compiled), all(fixed for _, fixed in compiled)


def _body_encoding(content_type: str) -> Encode | None:
    """How values stand in the body of a request: what a sender writes must not become a field of a form or the end of a JSON
    text."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return percent
    if kind == "application/json" or kind.endswith("+json"):
        return lambda value: json.dumps(value)[1:-1]
    return None
