"""How something is found in what a provider says: regular expressions and paths into JSON. Neither can stand still.

Expressions run in RE2, in linear time, over at most `REACH` characters. A path names members and elements: `messages[0].status`,
`results[*].id` (every element), `error.text`. What it finds are texts: numbers as they were written, `true`, `false`, and
nothing for null, objects and lists.
"""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Any, Final

import re2  # type: ignore[import-untyped]

from smsd.values.errors import InvalidValue, storable

REACH: Final = 1_000_000
LONGEST: Final = 1000
MOST: Final = 300
"""Finds of one expression or path: a message has at most 255 parts."""
_LARGEST: Final = 20_000
_STEP = re.compile(r"(?:\A|\.)([^.\[\]\s]+)|\[(\*|[0-9]{1,4})\]")
_CHARSET = re.compile(
    r"utf-?(8|16(-?[lb]e)?)|us-ascii|ascii|latin-?1|iso-?8859-?[0-9]{1,2}|(windows-|cp)[0-9]{3,4}|koi8-[ru]|gbk|gb2312|gb18030|big5"
    r"|shift[_-]jis|euc-(jp|kr)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Expression:
    """A regular expression; `find` gives its first group, or all that it matched if it has none."""

    text: str
    _compiled: Any = field(repr=False, compare=False)

    def search(self, text: str) -> bool:
        """Whether it matches anywhere."""
        return self._compiled.search(_octets(text)) is not None

    def find(self, text: str) -> tuple[str, ...]:
        """What it finds, from left to right."""
        group = 1 if self._compiled.groups else 0
        matches = islice(self._compiled.finditer(_octets(text)), MOST)
        return tuple(found.decode("utf-8", "replace") for match in matches if (found := match.group(group)))


def _octets(text: str) -> bytes:
    return text[:REACH].encode("utf-8", "replace")


@lru_cache(maxsize=1024)
def expression(text: str) -> Expression:
    """Compile; InvalidValue says what is wrong."""
    storable(text)
    if len(text) > LONGEST:
        raise InvalidValue(f"a regular expression has at most {LONGEST} characters")
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(text.encode(), options)
    except re2.error as error:
        why = error.args[0] if error.args else "it is not valid"
        why = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
        raise InvalidValue(f"the regular expression cannot be read: {why}") from None
    if compiled.programsize > _LARGEST:
        raise InvalidValue("the regular expression is too large once its repetitions are written out")
    return Expression(text, compiled)


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A way into JSON: `steps` are names, numbers, and None for every element."""

    text: str
    steps: tuple[str | int | None, ...]

    def find(self, data: Any) -> tuple[str, ...]:
        """The texts at its end."""
        found = [data]
        for step in self.steps:
            following: list[Any] = []
            for each in found:
                if step is None:
                    following += each[:MOST] if isinstance(each, list) else []
                elif isinstance(step, int):
                    following += each[step : step + 1] if isinstance(each, list) else []
                elif isinstance(each, dict) and step in each:
                    following.append(each[step])
            found = following[:MOST]
        return tuple(shown for each in found if (shown := plain(each)) is not None)


def plain(value: Any) -> str | None:
    """A value of JSON as a text; None for what is none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    return None


@lru_cache(maxsize=1024)
def json_path(text: str) -> JsonPath:
    """Read a path; InvalidValue says at which character it ends to be one."""
    steps: list[str | int | None] = []
    at = 0
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None:
            break
        steps.append(found[1] if found[1] is not None else None if found[2] == "*" else int(found[2]))
        at = found.end()
    if at < len(text) or not steps:
        raise InvalidValue(f"at character {at + 1}: this is no path into JSON: write messages[0].status")
    return JsonPath(text, tuple(steps))


def read_json(text: str) -> Any:
    """What a text says in JSON, numbers as texts; None when it is none."""
    try:
        return json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None


def charset(name: str) -> str | None:
    """The name by which Python knows a charset of texts; None for what is none, or surprising."""
    name = name.strip().strip("\"'")
    if not _CHARSET.fullmatch(name):
        return None
    try:
        return codecs.lookup(name).name
    except LookupError:
        return None
