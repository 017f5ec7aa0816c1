"""An SQL statement as an administrator wrote it in a rule: checked to be one statement, its `?` found and numbered.

Quotes, identifiers and comments are read as the database reads them, so that a `?` or `;` inside one is what it is: a letter.
`?` is a placeholder, `??` is the operator `?` of PostgreSQL. Statements that would change what a connection is used for
(transactions, other files, settings of the session) are refused, because connections are shared.
"""

from __future__ import annotations

import re
from typing import Literal

from smsd.values.errors import InvalidValue
from smsd.values.frozen import frozen

Dialect = Literal["sqlite", "postgresql"]

LONGEST = 100_000
"""Characters of a statement."""

NOT_HERE = frozenset((
    "ABORT", "ATTACH", "BEGIN", "COMMIT", "COPY", "DEALLOCATE", "DETACH", "DISCARD", "END", "LISTEN",
    "PRAGMA", "PREPARE", "RELEASE", "RESET", "ROLLBACK", "SAVEPOINT", "SET", "START", "UNLISTEN", "VACUUM",
))  # fmt: skip
"""First words of statements that are refused."""

_COMMON = r"""
    (?P<space>\s+|--[^\n]*)
  | (?P<comment>/\*)
  | (?P<text>'[^']*(?:''[^']*)*'|"[^"]*(?:""[^"]*)*"{more})
  | (?P<word>[^\W\d][\w$]*|\d\w*)
  | (?P<operator>\?\?)
  | (?P<numbered>\?\d+)
  | (?P<placeholder>\?)
  | (?P<end>;)
  | (?P<open>['"{opening}])
  | (?P<other>.)
"""
_FLAGS = re.VERBOSE | re.DOTALL
_TOKENS = {
    # E'it\'s' before words; $tag$ … $tag$.
    "postgresql": re.compile(
        r"(?P<escaped>[eE]'[^'\\]*(?:(?:\\.|'')[^'\\]*)*')|(?P<dollar>\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$)"
        r"|(?P<unended>[eE]'|\$(?:[^\W\d]\w*)?\$)|(?P<number>\$\d+)|" + _COMMON.format(more="", opening=""),
        _FLAGS,
    ),
    "sqlite": re.compile(
        _COMMON.format(more=r"|`[^`]*(?:``[^`]*)*`|\[[^\]]*\]", opening=r"`\["),
        _FLAGS,
    ),
}
_NESTED = re.compile(r"/\*|\*/")


@frozen
class Statement:
    """One statement in its database's own spelling: `?` for SQLite, `$1`, `$2`, … for PostgreSQL. `word` is its first word in
    capitals, `count` how many values it wants."""

    text: str
    word: str
    count: int


def read(text: str, dialect: Dialect) -> Statement:
    """The statement that `text` is; InvalidValue when it is none, several, or one of those that are refused."""
    if len(text) > LONGEST:
        raise InvalidValue(f"the statement is longer than {LONGEST} characters")
    parts: list[str] = []
    word, count, ended, at = "", 0, False, 0
    while at < len(text):
        kind, found = _token(text, at, dialect)
        at += len(found)
        if kind in ("space", "comment"):
            parts.append(found)
            continue
        if ended:
            raise InvalidValue("there is more than one statement: write a rule's action for each")
        if kind == "end":
            ended = True
            continue
        if kind == "placeholder":
            count += 1
            found = "?" if dialect == "sqlite" else f" ${count} "  # LIKE? is two words
        elif kind == "operator" and dialect == "postgresql":
            found = "?"
        elif kind in ("operator", "numbered", "number"):
            raise InvalidValue(f"{found!r} is no placeholder: write ? for each value, in order")
        elif kind == "word" and not word:
            word = found.upper()
        parts.append(found)
    if not word:
        raise InvalidValue("there is no statement")
    if word in NOT_HERE:
        raise InvalidValue(f"{word} is not possible here: each statement is a transaction of its own")
    return Statement("".join(parts), word, count)


def _token(text: str, at: int, dialect: Dialect) -> tuple[str, str]:
    """The kind and the characters of the token at `at`."""
    match = _TOKENS[dialect].match(text, at)
    assert match is not None  # (?P<other>.) matches everything
    kind = match.lastgroup or "other"
    if kind in ("open", "unended"):
        raise InvalidValue(f"the quote at character {at + 1} of the statement does not end")
    if kind == "comment":
        return kind, text[at : _end_of_comment(text, at, dialect)]
    return kind, match.group()


def _end_of_comment(text: str, at: int, dialect: Dialect) -> int:
    """Comments nest in PostgreSQL; in SQLite the first `*/` ends them, or the end of the text."""
    if dialect == "sqlite":
        end = text.find("*/", at + 2)
        return len(text) if end < 0 else end + 2
    depth = 0
    for match in _NESTED.finditer(text, at):
        depth += 1 if match.group() == "/*" else -1
        if not depth:
            return match.end()
    raise InvalidValue(f"the comment at character {at + 1} of the statement does not end")
