"""One value of a file at its place: asked what it should be, it reports what it is not, and reading goes on.

Every question gives an answer of the right type, whatever the file says: who has reported a mistake refuses the whole, so
stand-ins never leave this package.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from smsd.policy.rules.model import Rule
from smsd.values.errors import InvalidValue, storable

KeyPath = tuple["str | int", ...]
T = TypeVar("T")

LONGEST = 20_000
"""Characters of any one text in a rule."""
_SWITCHES = {"yes": True, "no": False, "true": True, "false": False, "on": True, "off": False}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""What XML cannot hold, and nobody types on purpose."""


class Sink(Protocol):
    """Where mistakes go, and what knows places: `smsd.config.positions.Document`, or a file of XML."""

    def report(self, path: KeyPath, wrong: str, allowed: str = "", at_key: bool = False) -> None:
        """Note a mistake at the nearest part of `path` that the file has."""

    def source(self, path: KeyPath) -> str:
        """`file:line` of `path`."""


class Checks:
    """What one rule cannot know alone. Each raises InvalidValue, which is reported at the place of what was asked.

    A configuration knows more and extends this; see `smsd.config.rules`.
    """

    users = True
    """Whether a rule may say whose it is."""

    def __init__(self) -> None:
        self._titles: dict[tuple[str, str, str], str] = {}

    def title(self, direction: str, rule: Rule) -> None:
        """Titles are unique in their list: what is imported replaces by title."""
        key = (direction, rule.user, rule.title)
        if key in self._titles:
            raise InvalidValue(f"{rule.title!r} is used twice (first in {self._titles[key]}); choose another")
        self._titles[key] = rule.source

    def list_file(self, path: str) -> str:
        """The whole path of a list file, which can be read."""
        return path

    def database(self, name: str) -> str:
        """The name of a database that is configured."""
        return name

    def rule(self, direction: str, rule: Rule) -> None:
        """The rule can be run."""


class Reader:
    """One reading: counts mistakes, and carries what `Spot`s need."""

    def __init__(self, sink: Sink, checks: Checks) -> None:
        self.sink = sink
        self.checks = checks
        self.mistakes = 0

    def report(self, path: KeyPath, wrong: str, allowed: str = "", at_key: bool = False) -> None:
        """Note a mistake."""
        self.mistakes += 1
        self.sink.report(path, wrong, allowed, at_key)


_MISSING: Any = object()
"""The value of a key that was obligatory, not there, and has been reported."""


def unknown(word: str, words: Collection[str]) -> str:
    """What is allowed instead of `word`, with what was probably meant."""
    close = difflib.get_close_matches(word[:40], words, 1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"{hint}allowed: {', '.join(words)}"


@dataclass(frozen=True, slots=True)
class Spot:
    """A value (dict, list, text, or None for a key without one) at its place in the file."""

    value: Any
    path: KeyPath
    reader: Reader

    def wrong(self, what: str, allowed: str = "", at_key: bool = False) -> None:
        """Report a mistake here, once."""
        if self.value is not _MISSING:
            self.reader.report(self.path, what, allowed, at_key)

    def invalid(self, error: InvalidValue) -> None:
        """Report what somebody else found, whose text may have what to do after a semicolon."""
        what, _, allowed = str(error).partition("; ")
        self.wrong(what, allowed)

    def impossible(self, allowed: str) -> None:
        """Report a value that is not possible."""
        if self.value is None:
            self.wrong("missing", allowed)
        elif isinstance(self.value, str):
            shown = self.value if len(self.value) <= 60 else self.value[:60] + "…"
            self.wrong(f"{shown!r} is not possible", allowed)
        else:
            self.wrong("this must be one word or number", allowed)

    def at(self, step: str | int, value: Any) -> Spot:
        """A part of this one."""
        return Spot(value, (*self.path, step), self.reader)

    def entries(self, hint: str) -> list[Spot]:
        """A list with at least one entry."""
        if not isinstance(self.value, list):
            self.wrong("this must be a list", hint)
        elif not self.value:
            self.wrong("this list is empty", hint)
        else:
            return [self.at(number, entry) for number, entry in enumerate(self.value)]
        return []

    def fields(self, words: Collection[str], required: Collection[str] = ()) -> dict[str, Spot]:
        """A mapping with these keys and no others; a key without a value counts as not written."""
        found: dict[str, Spot] = {}
        if isinstance(self.value, dict):
            for key, value in self.value.items():
                if key not in words:
                    self.at(key, value).wrong("unknown key", unknown(key, words), at_key=True)
                elif value is not None:
                    found[key] = self.at(key, value)
            for word in required:
                if word not in found:
                    self.at(word, None).wrong("missing")
        else:
            self.wrong("this must be a mapping", f"allowed: {', '.join(words)}")
        return {**{word: self.at(word, _MISSING) for word in required}, **found}

    def text(self, *, empty: bool = False, longest: int = LONGEST) -> str:
        """A text; what it is about may be `empty`."""
        if isinstance(self.value, str):
            try:
                return _checked(self.value, empty, longest)
            except InvalidValue as error:
                self.invalid(error)
        elif self.value is None:
            self.wrong("missing", "write a text")
        else:
            self.wrong("this must be a text", "write it in 'single quotes' if it begins with [ or {")
        return ""

    def approved(self, check: Callable[[str], str]) -> str:
        """A text as `check` gives it back; what its InvalidValue says is reported here."""
        text = self.text()
        try:
            return check(text) if text else ""
        except InvalidValue as error:
            self.invalid(error)
            return ""

    def texts(self, hint: str, *, empty: bool = False) -> tuple[str, ...]:
        """A list of texts."""
        return tuple(entry.text(empty=empty) for entry in self.entries(hint))

    def word(self, words: Mapping[str, T], allowed: str = "") -> T:
        """One of some words, as what it stands for."""
        if isinstance(self.value, str) and self.value in words:
            return words[self.value]
        self.impossible(allowed or f"allowed: {', '.join(words)}")
        return next(iter(words.values()))

    def switch(self) -> bool:
        """yes or no."""
        return self.word(_SWITCHES, "allowed: yes, no")

    def number(self, lowest: int, highest: int) -> int:
        """A whole number."""
        if isinstance(self.value, str) and re.fullmatch(r"[0-9]{1,15}", self.value):
            number = int(self.value)
            if lowest <= number <= highest:
                return number
        self.impossible(f"allowed: {lowest} to {highest}")
        return lowest

    def seconds(self, lowest: float, highest: float) -> float:
        """A number that may have decimals."""
        if isinstance(self.value, str) and re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,20})?", self.value):
            number = float(self.value)
            if lowest <= number <= highest:
                return number
        self.impossible(f"allowed: {lowest:g} to {highest:g}")
        return lowest

    def minute(self, *, end: bool = False) -> int:
        """A time of the day as minutes; only an `end` may be 24:00."""
        if isinstance(self.value, str):
            match = re.fullmatch(r"([0-9]{1,2}):([0-5][0-9])", self.value)
            minute = int(match[1]) * 60 + int(match[2]) if match else 9999
            if minute < 24 * 60 + end:
                return minute
        self.impossible(f"allowed: 00:00 to {'24:00' if end else '23:59'}")
        return 0


def _checked(text: str, empty: bool, longest: int) -> str:
    if not text and not empty:
        raise InvalidValue("this is empty; write a text")
    if len(text) > longest:
        raise InvalidValue(f"this is too long; allowed: {longest} characters")
    control = _CONTROL.search(text)
    if control:
        raise InvalidValue(
            f"this contains the control character {control[0]!r}; "
            "write the text in 'single quotes', where a backslash is a backslash"
        )
    return storable(text)
