"""A file of XML as the dicts, lists and texts that YAML would give, with places: the half of `xml.read` that knows brackets.

Bounded in octets, elements, depth and mistakes. A document type is a mistake: without one there are no entities, so there
is nothing to expand and nothing to fetch.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from smsd.policy.rules.language.reading import KeyPath
from smsd.policy.rules.language.rules import DIRECTIONS
from smsd.values.errors import InvalidValue

NAMESPACE = "urn:smsd:rules:1"
MOST_OCTETS = 10_000_000
MOST_ELEMENTS = 500_000
DEEPEST = 64
MOST_MISTAKES = 100
"""Nobody reads more, and each costs something to find."""

_CONDITIONS = ("if", "and", "or", "not", "do")
"""Elements whose children are a list of words, in order."""
_ITEMS = ("item", "in")
"""Comparisons with a list of `entry` and `file`."""


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One thing wrong: where, which key, what, and what is allowed."""

    line: int
    column: int
    key: str
    wrong: str
    allowed: str = ""


class XmlError(InvalidValue):
    """A file that cannot be used: `mistakes` has every reason, `str()` one line for each."""

    def __init__(self, source: str, mistakes: Collection[Mistake]) -> None:
        self.mistakes = sorted(mistakes)[:MOST_MISTAKES]
        super().__init__("\n".join(_line(source, mistake) for mistake in self.mistakes))


def _line(source: str, mistake: Mistake) -> str:
    key = f" {mistake.key}:" if mistake.key else ""
    allowed = f"; {mistake.allowed}" if mistake.allowed else ""
    text = f"{source}:{mistake.line}:{mistake.column}:{key} {mistake.wrong}{allowed}"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class Enough(Exception):
    """There is no sense in reading on."""


@dataclass(slots=True)
class _Element:
    name: str
    place: tuple[int, int]
    attributes: dict[str, str]
    text: list[str] = field(default_factory=list)
    children: list[_Element] = field(default_factory=list)


@dataclass(slots=True)
class File:
    """The places of a file, and what is wrong with it."""

    name: str
    places: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def report(self, path: KeyPath, wrong: str, allowed: str = "", at_key: bool = False) -> None:
        key = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
        self.refuse(self._place(path), wrong, allowed, key)

    def refuse(self, place: tuple[int, int], wrong: str, allowed: str = "", key: str = "") -> None:
        self.mistakes.append(Mistake(*place, key, wrong, allowed))
        if len(self.mistakes) >= MOST_MISTAKES:
            raise Enough

    def source(self, path: KeyPath) -> str:
        return f"{self.name}:{self._place(path)[0]}"

    def _place(self, path: KeyPath) -> tuple[int, int]:
        return next(
            (self.places[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.places), (1, 1)
        )


class _Parser:
    """expat's events as a tree of bounded size."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._open: list[_Element] = []
        self._count = 0
        self.root: _Element | None = None
        self.expat = expat.ParserCreate(namespace_separator=" ")
        self.expat.buffer_text = True
        self.expat.StartDoctypeDeclHandler = self._doctype
        self.expat.StartElementHandler = self._start
        self.expat.EndElementHandler = lambda name: self._open.pop()
        self.expat.CharacterDataHandler = self._text

    def place(self) -> tuple[int, int]:
        return self.expat.CurrentLineNumber, self.expat.CurrentColumnNumber + 1

    def _stop(self, wrong: str, allowed: str) -> None:
        self._file.refuse(self.place(), wrong, allowed)
        raise Enough

    def _doctype(self, *_: Any) -> None:
        self._stop(
            "a document type (<!DOCTYPE …>) is not taken",
            "leave it out, and write out what its entities stand for",
        )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > MOST_ELEMENTS:
            self._stop("there are too many elements", f"allowed: {MOST_ELEMENTS}")
        if len(self._open) >= DEEPEST:
            self._stop("nested too deeply", f"allowed: {DEEPEST} elements inside each other")
        space, _, local = name.rpartition(" ")
        if space != NAMESPACE:
            wrong = (
                f"<{local[:60]}> is in the namespace {space[:100]!r}"
                if space
                else f"<{local[:60]}> is in no namespace"
            )
            self._stop(wrong, f'the file begins with <rules xmlns="{NAMESPACE}">')
        # Attributes of other namespaces (xsi:schemaLocation) are for others.
        own = {key: value for key, value in attributes.items() if " " not in key}
        element = _Element(local, self.place(), own)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def _text(self, text: str) -> None:
        self._open[-1].text.append(text)


def _tree(data: bytes, file: File) -> _Element:
    if len(data) > MOST_OCTETS:
        file.refuse((1, 1), "the file is too long", f"allowed: {MOST_OCTETS} octets")
        raise Enough
    parser = _Parser(file)
    try:
        parser.expat.Parse(data, True)
    except expat.ExpatError as error:
        file.refuse((error.lineno, error.offset + 1), expat.ErrorString(error.code))
        raise Enough from None
    except (ValueError, LookupError, UnicodeError):
        file.refuse((1, 1), "the file is in an encoding that is not known", "save it as UTF-8")
        raise Enough from None
    assert parser.root is not None
    if parser.root.name != "rules":
        file.refuse(
            parser.root.place,
            f"<{parser.root.name[:60]}> is no list of rules",
            "the file begins with <rules>",
        )
        raise Enough
    return parser.root


def parse(data: bytes, file: File) -> dict[str, Any]:
    """`{outgoing: […], incoming: […]}`; Enough when there is nothing to read, and why is in `file.mistakes`."""
    return _root(_tree(data, file), file)


def _root(root: _Element, file: File) -> dict[str, Any]:
    file.places[()] = root.place
    _no_text(root, (), file)
    _no_attributes(root, (), file)
    data: dict[str, Any] = {}
    for child in root.children:
        path: KeyPath = (child.name,)
        if child.name not in DIRECTIONS or child.name in data:
            wrong = "this stands here twice" if child.name in data else "unknown element"
            file.refuse(child.place, wrong, f"allowed: {', '.join(DIRECTIONS)}, each once", child.name)
            continue
        file.places[path] = child.place
        _no_text(child, path, file)
        _no_attributes(child, path, file)
        data[child.name] = []
        for rule in child.children:
            if rule.name != "rule":
                file.refuse(rule.place, f"<{rule.name[:60]}> is no rule", "write <rule title=…>", child.name)
            else:
                data[child.name].append(_plain(rule, (*path, len(data[child.name])), file))
    return data


def _plain(element: _Element, path: KeyPath, file: File) -> Any:
    """An element as the dict, list or text that YAML would have in its place."""
    file.places[path] = element.place
    name = path[-1]
    listed = name in _ITEMS or any(child.name == "entry" for child in element.children)
    if name in _CONDITIONS or (listed and element.children):
        _no_text(element, path, file)
        _no_attributes(element, path, file)
        return _plain_list(element, path, file)
    if not element.children and not element.attributes:
        return "".join(element.text)
    _no_text(element, path, file)
    result: dict[str, Any] = dict(element.attributes)
    for child in element.children:
        here = (*path, child.name)
        if child.name in result:
            file.places[here] = child.place
            file.report(here, "this stands here twice", "keep one")
        else:
            result[child.name] = _plain(child, here, file)
    return result


def _plain_list(element: _Element, path: KeyPath, file: File) -> list[Any]:
    result: list[Any] = []
    for number, child in enumerate(element.children):
        here = (*path, number)
        file.places[here] = child.place
        if child.name == "entry":
            result.append(_plain(child, here, file))
        else:
            result.append({child.name: _plain(child, (*here, child.name), file)})
    return result


def _no_text(element: _Element, path: KeyPath, file: File) -> None:
    if "".join(element.text).strip():
        file.places[path] = element.place
        file.report(path, "there is text between the elements", "put it into an element of its own")


def _no_attributes(element: _Element, path: KeyPath, file: File) -> None:
    for key in element.attributes:
        file.places[path] = element.place
        file.report((*path, key), "unknown attribute", "leave it out")
