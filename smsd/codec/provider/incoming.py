"""What a provider hands in, as data: where its requests say who wrote what, and what its words for a message's fate mean.

`read_incoming` makes the mapping of the `incoming:` and `reports:` sections of `providers.yaml`; `smsd.codec.provider.taking`
applies it to a request. A field is a name in the query, the form or the JSON body (`payload.message`), or a list of names of which
the first that is there counts. `when:` tells messages and reports apart: a word, several words, `"*"` for "says something", `"-"`
for "is not there".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from smsd.codec.provider import matching, signature, stamps
from smsd.values.errors import InvalidValue

Names = tuple[str, ...]
Conditions = tuple[tuple[str, tuple[str, ...]], ...]

OCTETS = ("hex", "base64", "octets")
NUMBERS = ("plain", "digits", "address")
"""How numbers are written: as they are; international without the plus; `sms:+1…@domain`, as smsd and IceWarp do."""
PLAIN = "text/plain; charset=utf-8"
STATES = ("delivered", "pending", "failed", "expired")


@dataclass(frozen=True, slots=True)
class Said:
    """What the provider wants to hear when all went well."""

    status: int = 200
    body: str = "OK"
    kind: str = PLAIN


@dataclass(frozen=True, slots=True)
class Charset:
    """The charset of a text: what the field says, else `default`."""

    names: Names = ()
    default: str = "utf-8"


@dataclass(frozen=True, slots=True)
class Octets:
    """A field with octets, and how they are written there. `length`: one that says how many there are stands in front (UDHL)."""

    names: Names
    written: str
    length: bool = False


@dataclass(frozen=True, slots=True)
class Stamp:
    """A field with a time."""

    names: Names
    written: str = "iso"
    offset: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class Concat:
    """Fields that tell which part of a long message this is."""

    reference: Names
    total: Names
    part: Names


@dataclass(frozen=True, slots=True)
class Messages:
    """Where a message from a phone is. `list` is the path of the list in which there are several. What stands at `id_also` belongs
    to its id, where one field alone may be that of two messages."""

    sender: Names
    text: Names
    own: Names = ()
    id: Names = ()
    id_also: Names = ()
    list: str = ""
    when: Conditions = ()
    charset: Charset = Charset()
    data: Octets | None = None
    udh: Octets | None = None
    binary: Conditions = ()
    time: Stamp | None = None
    concat: Concat | None = None
    numbers: str = "plain"


@dataclass(frozen=True, slots=True)
class Reports:
    """Where a report is. `states` are pairs of a word and what it means; `reasons` are words for the codes of a field."""

    reference: Names
    status: Names
    states: tuple[tuple[str, str], ...]
    number: Names = ()
    list: str = ""
    when: Conditions = ()
    detail: Names = ()
    reason: Names = ()
    reasons: tuple[tuple[str, str], ...] = ()
    time: Stamp | None = None
    numbers: str = "plain"


@dataclass(frozen=True, slots=True)
class Incoming:
    """All that one provider hands in. `ways` are its signatures (see `signature.WAYS`), `parameter` the field of a plain secret;
    `paths` are further paths on which it calls."""

    messages: Messages | None = None
    reports: Reports | None = None
    said: Said = Said()
    ways: tuple[str, ...] = ("secret",)
    parameter: str = "secret"
    paths: tuple[str, ...] = ()


def code(word: str) -> str:
    """A status word in the form in which words are compared: `004` and `4`, `Delivered` and `delivered` are one."""
    word = word.strip().casefold()
    return (word.lstrip("0") or "0") if word.isascii() and word.isdecimal() else word


# -- reading


class _Section:
    """One mapping of the file while it is read; every key has to be asked for."""

    def __init__(self, values: Any, where: str) -> None:
        if not isinstance(values, Mapping):
            raise InvalidValue(f"{where}: this is no mapping: write names with a colon")
        self.values = {str(name): value for name, value in values.items()}
        self.where = where
        self._asked: set[str] = set()

    def get(self, name: str) -> Any:
        self._asked.add(name)
        return self.values.get(name)

    def done(self) -> None:
        unknown = sorted(set(self.values) - self._asked)
        if unknown:
            raise InvalidValue(f"{self.where}: {unknown[0]!r} is not known here: one of {_list(self._asked)}")

    def wrong(self, name: str, why: str) -> InvalidValue:
        return InvalidValue(f"{self.where}.{name}: {why}")

    def word(self, name: str, default: str = "", allowed: tuple[str, ...] = ()) -> str:
        value = self.get(name)
        if value is None:
            return default
        if isinstance(value, (Mapping, list)):
            raise self.wrong(name, "this is one word")
        text = _text(value)
        if allowed and text not in allowed:
            raise self.wrong(name, f"{text!r} is not known: one of {_list(allowed)}")
        return text

    def names(self, name: str, *, needed: bool = False) -> Names:
        found = _words(self.get(name))
        if found is None or (needed and not found):
            raise self.wrong(name, "write the name of a field, or a list of names")
        for each in found:
            try:
                matching.json_path(each)
            except InvalidValue as error:
                raise self.wrong(name, f"{each!r}: {error}") from None
        return found

    def within(self, name: str) -> _Section | None:
        value = self.get(name)
        if value is None:
            return None
        return _Section(value, f"{self.where}.{name}")

    def conditions(self, name: str) -> Conditions:
        section = self.within(name)
        if section is None:
            return ()
        found = []
        for field in section.values:
            words = _words(section.get(field))
            if not words:
                raise section.wrong(field, 'write a word, a list of words, "*" or "-"')
            try:
                matching.json_path(field)
            except InvalidValue as error:
                raise section.wrong(field, str(error)) from None
            found.append((field, tuple(code(word) for word in words)))
        return tuple(found)


def _text(value: Any) -> str:
    return {True: "yes", False: "no"}.get(value, "") if isinstance(value, bool) else str(value)


def _words(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return ()
    found = value if isinstance(value, (list, tuple)) else [value]
    if any(isinstance(each, (Mapping, list, tuple)) or each is None for each in found):
        return None
    return tuple(_text(each) for each in found)


def _list(names: Any) -> str:
    return ", ".join(sorted(names))


def read_incoming(mapping: Mapping[str, Any], where: str) -> Incoming | None:
    """The sections `incoming` and `reports` of one provider, None when it has neither. InvalidValue tells the place and what to
    write; `where` is the provider's own place."""
    messages, reports = mapping.get("incoming"), mapping.get("reports")
    if messages is None and reports is None:
        return None
    found: dict[str, Any] = {}
    if messages is not None:
        section = _Section(messages, f"{where}.incoming")
        found.update(_common(section), messages=_messages(section))
    if reports is not None:
        section = _Section(reports, f"{where}.reports")
        found.update({} if messages is not None else _common(section), reports=_reports(section))
    return Incoming(**found)


def _common(section: _Section) -> dict[str, Any]:
    ways = section.names("signature") or ("secret",)
    for way in ways:
        if way not in signature.WAYS:
            raise section.wrong(
                "signature", f"{way!r} is no signature known here: one of {_list(signature.WAYS)}"
            )
    said = Said()
    answer = section.within("answer")
    if answer is not None:
        status = answer.word("status", "200")
        if status not in ("200", "201", "202", "204"):
            raise answer.wrong("status", "an answer of success is 200, 201, 202 or 204")
        said = Said(int(status), answer.word("body", "OK"), answer.word("type", PLAIN))
        answer.done()
    paths = _words(section.get("paths")) or ()
    for path in paths:
        if not path.startswith("/") or not path.isascii() or not path.isprintable() or " " in path:
            raise section.wrong("paths", f"{path!r} is no path: write /sms/name.html")
    return {"said": said, "ways": ways, "parameter": section.word("parameter", "secret"), "paths": paths}


def _messages(section: _Section) -> Messages:
    concat = section.within("concat")
    found = Messages(
        sender=section.names("sender", needed=True),
        text=section.names("text", needed=True),
        own=section.names("own"),
        id=section.names("id"),
        id_also=section.names("id_also"),
        list=section.word("list"),
        when=section.conditions("when"),
        charset=_charset(section),
        data=_octets(section, "data"),
        udh=_octets(section, "udh"),
        binary=section.conditions("binary"),
        time=_time(section),
        concat=None
        if concat is None
        else Concat(*(concat.names(name, needed=True) for name in ("reference", "total", "part"))),
        numbers=section.word("numbers", "plain", NUMBERS),
    )
    if concat is not None:
        concat.done()
    section.done()
    return found


def _reports(section: _Section) -> Reports:
    states: dict[str, str] = {}
    for state in STATES:
        for word in section.names(state):
            if states.setdefault(code(word), state) != state:
                raise section.wrong(state, f"{word!r} stands under {states[code(word)]} too")
    reasons = section.within("reasons")
    table: dict[str, str] = {}
    reason: Names = ()
    if reasons is not None:
        reason = reasons.names("field", needed=True)
        words = reasons.within("words") or _Section({}, reasons.where)
        table = {code(name): words.word(name) for name in words.values}
        reasons.done()
    found = Reports(
        reference=section.names("reference", needed=True),
        status=section.names("status", needed=True),
        states=tuple(states.items()),
        number=section.names("number"),
        list=section.word("list"),
        when=section.conditions("when"),
        detail=section.names("detail"),
        reason=reason,
        reasons=tuple(table.items()),
        time=_time(section),
        numbers=section.word("numbers", "plain", NUMBERS),
    )
    section.done()
    return found


def _charset(section: _Section) -> Charset:
    value = section.get("charset")
    names: Names = ()
    if value is None or not isinstance(value, Mapping):
        default = section.word("charset", "utf-8")
    else:
        within = _Section(value, f"{section.where}.charset")
        default, names = within.word("default", "utf-8"), within.names("field", needed=True)
        within.done()
    if matching.charset(default) is None:
        raise section.wrong("charset", f"{default!r} is no charset: write utf-8, iso-8859-1 or utf-16be")
    return Charset(names, default)


def _octets(section: _Section, name: str) -> Octets | None:
    within = section.within(name)
    if within is None:
        return None
    length = within.word("length", "no", ("yes", "no")) == "yes"
    found = Octets(within.names("field", needed=True), within.word("as", "hex", OCTETS), length)
    within.done()
    return found


def _time(section: _Section) -> Stamp | None:
    within = section.within("time")
    if within is None:
        return None
    names = within.names("field", needed=True)
    written = within.word("format", "iso", stamps.FORMATS)
    try:
        offset = stamps.zone(within.word("zone", "+00:00"))
    except InvalidValue as error:
        raise within.wrong("zone", str(error)) from None
    within.done()
    return Stamp(names, written, offset)
