"""Read YAML as text with places: every scalar stays the string that was typed, every key and value knows its line.

YAML's own guesses are unfit for this field (`+39…` becomes an int, `0371` octal, `12:30` the number 750, `no` False),
so nothing is guessed here; the models in `smsd.config.settings` convert. Duplicate keys, aliases, tags and merge keys are
errors: each has surprised somebody. Imports no pydantic, so that small commands start fast.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.resolver import BaseResolver

KeyPath = tuple["str | int", ...]

_ABSENT = {"", "~", "null", "Null", "NULL"}
_HINTS = {
    "that cannot start any token": "write a text that begins with %, @ or ` in 'single quotes'",
    "unknown escape character": "write an expression with backslashes in 'single quotes', or without quotes",
    "while scanning an a": "write a text that begins with * or & in 'single quotes'",
    "while parsing a flow": "write a text with [ ] { } or a comma in it in 'single quotes'",
    "expected <block end>, but found '<scalar>'": "write a text that begins with [ { or a quote in 'single quotes'",
    "mapping values are not allowed here": "write a text with a colon and a blank in it in 'single quotes'",
}
"""What to do where YAML's own words help nobody: expressions and templates are full of its special characters."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong: where (1-based line and column, 0 when unknown), which key, what, and what is allowed."""

    file: str
    line: int
    column: int
    key: str
    wrong: str
    allowed: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        key = f" {self.key}:" if self.key else ""
        text = f"{place}:{key} {self.wrong}" + (f"; {self.allowed}" if self.allowed else "")
        if text.isprintable():
            return text
        # What was typed must not steer the terminal that shows it.
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


_SHOWN = 100  # one slip in a template that made ten thousand rules should not scroll everything else away


class ConfigError(Exception):
    """A configuration that cannot be used: `problems` has every reason at once, `str()` one line for each of the first ones."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems)
        lines = [str(problem) for problem in self.problems[:_SHOWN]]
        if len(self.problems) > _SHOWN:
            lines.append(f"… and {len(self.problems) - _SHOWN:,} mistakes more")
        super().__init__("\n".join(lines))


@dataclass(slots=True)
class Document:
    """What a file says: `data` of dicts, lists, strings and None (a key without a value), and where it says so."""

    file: str
    data: dict[str, Any] = field(default_factory=dict)
    values: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    keys: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def report(self, path: KeyPath, wrong: str, allowed: str = "", at_key: bool = False) -> None:
        """Note a problem with `path`; the place of the nearest part of it that the file has is shown."""
        first, second = (self.keys, self.values) if at_key else (self.values, self.keys)
        place = (0, 0)
        for length in range(len(path), -1, -1):
            part = path[:length]
            if part in first or part in second:
                place = first.get(part) or second[part]
                break
        self.problems.append(Problem(self.file, *place, spelled(path), wrong, allowed))

    def absent(self, path: KeyPath) -> bool:
        """Whether `path` was written without a value (`pin:`), which counts as not written."""
        value: Any = self.data
        for step in path:
            value = value[step]
        return value is None


def spelled(path: KeyPath) -> str:
    """A key as people read it: `gateways[0].device`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


class _Strict(Composer):
    """Composes nodes; refuses aliases, which PyYAML resolves before anybody can see them, and anchors, which would swallow
    the beginning of a text like `&sender=%sender%`."""

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        event: Any = self.peek_event()  # type: ignore[attr-defined]
        mark: Any = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            wrong = "aliases (*name) are not used here: write the value out, or in quotes if it begins with *"
            raise yaml.composer.ComposerError(None, None, wrong, mark)
        if getattr(event, "anchor", None) is not None:
            wrong = "anchors (&name) are not used here: write a text that begins with & in quotes"
            raise yaml.composer.ComposerError(None, None, wrong, mark)
        return super().compose_node(parent, index)


class _Loader(_Strict, yaml.BaseLoader):
    """Reads with PyYAML's own parser."""


def _quick() -> Any:
    """The same with libyaml's, which takes a quarter of the time; None where PyYAML was built without it."""
    try:
        from yaml.cyaml import CParser  # type: ignore[attr-defined]
    except ImportError:
        return None

    class Quick(_Strict, CParser, BaseResolver):
        def __init__(self, stream: Any) -> None:
            CParser.__init__(self, stream)
            Composer.__init__(self)
            BaseResolver.__init__(self)

    return Quick


_Quick = _quick()
_READ_DIFFERENTLY = re.compile("[^\n\r -~\xa0-\u2027\u202a-\ufefe\uff00-\U0010ffff]")
"""What the two parsers do not take for the same: tabs, and line ends that nobody types."""


def _compose(text: bytes | str) -> Node | None:
    """The nodes of a text. What libyaml does not like PyYAML reads once more: its words are the ones that `_HINTS` knows."""
    if _Quick is not None:
        with suppress(yaml.YAMLError, ValueError):
            plain = text if isinstance(text, str) else text.decode("utf-8")
            if _READ_DIFFERENTLY.search(plain) is None:
                return yaml.compose(plain, Loader=_Quick)
    return yaml.compose(text, Loader=_Loader)


def read(text: bytes | str, file: str) -> Document:
    """Parse `text` (the contents of `file`, a name for messages); ConfigError when it is no YAML mapping at all."""
    document = Document(file)
    try:
        root = _compose(text)
        if root is None or (isinstance(root, ScalarNode) and root.value in _ABSENT):
            raise ConfigError([Problem(file, 1, 1, "", "the file is empty", "start from etc/smsd.yaml")])
        if not isinstance(root, MappingNode):
            raise ConfigError([Problem(file, 1, 1, "", "the file is no mapping", "write `section: …` lines")])
        document.data = _convert(root, (), document)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place: tuple[int, int] = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        wrong = " ".join(part for part in (error.context, error.problem) if part)
        allowed = next((hint for part, hint in _HINTS.items() if part in wrong), "")
        raise ConfigError([Problem(file, *place, "", wrong, allowed)]) from None
    except yaml.YAMLError as error:
        raise ConfigError([Problem(file, 0, 0, "", " ".join(str(error).split()))]) from None
    except UnicodeError as error:
        raise ConfigError([Problem(file, 0, 0, "", f"not UTF-8 text ({error})")]) from None
    except RecursionError:
        raise ConfigError([Problem(file, 0, 0, "", "nested too deeply")]) from None
    return document


def read_file(path: str) -> Document:
    """`read` of a file; ConfigError when it cannot be opened."""
    try:
        with open(path, "rb") as stream:
            content = stream.read()
    except OSError as error:
        raise ConfigError([Problem(path, 0, 0, "", f"cannot be read ({error.strerror})")]) from None
    return read(content, path)


def _convert(node: Node, path: KeyPath, document: Document) -> Any:
    document.values[path] = (node.start_mark.line + 1, node.start_mark.column + 1)
    expected = {ScalarNode: "str", SequenceNode: "seq", MappingNode: "map"}[type(node)]
    if node.tag != f"tag:yaml.org,2002:{expected}" and node.tag != "!":
        document.report(path, f"the tag {node.tag} is not used here", "leave it out")
    if isinstance(node, SequenceNode):
        return [_convert(child, (*path, number), document) for number, child in enumerate(node.value)]
    if isinstance(node, MappingNode):
        return _convert_mapping(node, path, document)
    if isinstance(node, ScalarNode) and not node.style and node.value in _ABSENT:
        return None
    return node.value


def _convert_mapping(node: MappingNode, path: KeyPath, document: Document) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in node.value:
        if not isinstance(key, ScalarNode):
            document.keys[path] = (key.start_mark.line + 1, key.start_mark.column + 1)
            document.report(path, "a key must be a word", "write `key: value`", at_key=True)
            continue
        here = (*path, key.value)
        place = (key.start_mark.line + 1, key.start_mark.column + 1)
        if key.value in result:
            first = document.keys[here][0]
            document.problems.append(
                Problem(
                    document.file, *place, spelled(here), f"written twice (first in line {first})", "keep one"
                )
            )
            continue
        document.keys[here] = place
        result[key.value] = _convert(value, here, document)
        if isinstance(value, ScalarNode) and not value.value and not value.style:
            # What is not there is behind the colon, wherever a parser believes it to be.
            document.values[here] = (key.end_mark.line + 1, key.end_mark.column + 2)
    return result
