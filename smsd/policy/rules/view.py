"""A message while rules are at work on it: what earlier rules made of it, what follows from that, and what has come of it so far.

Owns what each field of a condition means (`text`, `items`), when it has to be worked out anew, and what follows from a rewritten
`To:`: another number, another gateway. Everything is worked out when it is first asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from smsd.policy.rules import target
from smsd.policy.rules.addresses import LONGEST_HEADER, bare, keyword, normal, spellings, split
from smsd.policy.rules.letter import Effect, Facts, Letter
from smsd.values.errors import InvalidValue

Items = tuple[tuple[str, ...], ...]
"""The items of a field, each in the spellings that a test may mean: `Ann <ann@example.org>` and `ann@example.org`."""

MOST_ITEMS: Final = 1000
LONGEST_BODY: Final = 1 << 20
"""Characters: a rule that would make a text longer than this, or than it was, leaves it as it is."""

_ADDRESSES = frozenset({"to", "cc", "reply-to"})
_OWN = {"header:to": "to", "header:from": "from", "header:subject": "subject"}
"""Headers that are fields of the letter."""


class View:
    """One message under judgement. The first fields are as in `Letter`, rewritten; `changed` names them. `dirty` holds what was
    rewritten since somebody last emptied it, and `number` and `gateway` where a rewritten To means others. The keys of `cache`
    begin with what they depend on (`depends`)."""

    __slots__ = (
        "body", "cache", "changed", "decided", "dirty", "effects", "facts", "fate", "gateway", "headers", "letter", "number",
        "priority", "sender", "size", "steps", "stopped", "subject", "text", "to",
    )  # fmt: skip

    def __init__(self, letter: Letter, facts: Facts) -> None:
        self.letter = letter
        self.facts = facts
        self.to = letter.to
        self.sender = letter.sender
        self.subject = letter.subject
        self.body = letter.body
        self.headers = letter.headers
        self.priority = letter.priority
        self.number = letter.number or (target.number(letter.to) if letter.outgoing else "")
        self.gateway = letter.gateway
        self.size = letter.size
        self.changed: set[str] = set()
        self.dirty: set[str] = set()
        self.cache: dict[str, Any] = {}
        self.effects: list[Effect] = []
        self.steps: list[str] = []
        self.decided = bytearray()
        self.fate = "accept"
        self.text = ""
        self.stopped = ""

    # -- what rules rewrite

    def written(self, field: str) -> str:
        """To, from, subject or body as it is now."""
        text: str = getattr(self, _SLOTS[field])
        return text

    def rewrite(self, field: str, value: str) -> bool:
        """Write to, from, subject or body; whether that changed anything. A text that grew too long is not taken."""
        slot = _SLOTS[field]
        before = getattr(self, slot)
        if field == "body":
            longest = LONGEST_BODY
        else:
            longest = LONGEST_HEADER
            if not value.isprintable():
                value = one_line(value)
        if field == "to" and "@@" in value:
            value = target.single_at(value)
        if value == before or (len(value) > longest and len(value) > len(before)):
            return False
        setattr(self, slot, value)
        if field == "body":
            self.size += _octets(value) - _octets(before)
        elif field == "to" and self.letter.outgoing:
            self._follow(before, value)
        self._touch(field)
        return True

    def _follow(self, before: str, now: str) -> None:
        """What a rewritten To says about number and gateway."""
        old_number, old_at = target.number_and_at(before)
        number, at = target.number_and_at(now)
        if number != old_number:
            self.number = normal(number)
            self._stale("number")
        if at != old_at:
            self.gateway = at
            self._stale("gateway")

    def set_headers(self, headers: tuple[tuple[str, str], ...]) -> bool:
        """Write the further headers; whether that changed anything."""
        if headers == self.headers or len(headers) > max(MOST_ITEMS, len(self.headers)):
            return False
        self.headers = headers
        self._touch("headers")
        return True

    def set_priority(self, priority: Any) -> bool:
        """Write the priority; whether that changed anything."""
        if priority is self.priority:
            return False
        self.priority = priority
        self._touch("priority")
        return True

    def _touch(self, field: str) -> None:
        self.changed.add(field)
        self._stale(field)

    def _stale(self, field: str) -> None:
        self.dirty.add(field)
        if self.cache:
            begin = f"{field} "
            self.cache = {key: known for key, known in self.cache.items() if not key.startswith(begin)}

    def result(self) -> Letter:
        """The message as the rules left it."""
        if not self.changed:
            return self.letter
        one = self.letter
        # By position, in the order of Letter: dataclasses.replace takes many times as long.
        return Letter(
            one.outgoing, self.sender, self.to, self.body, self.number, self.subject, self.headers, self.size, one.account,
            one.phone, one.email, one.door, self.gateway, one.ip, one.host, one.message, one.authenticated, one.local,
            one.attachment, one.binary, self.priority, one.when, one.octets, one.elements, one.own,
        )  # fmt: skip


_SLOTS = {"to": "to", "from": "sender", "subject": "subject", "body": "body"}
WRITABLE: Final = frozenset(_SLOTS)
"""Headers that are fields of the letter, in lower case, and `body`."""


def one_line(value: str) -> str:
    """A header's value: a line end in it would begin another header."""
    if value.isprintable():
        return value
    return " ".join(value.replace("\0", "").splitlines())


def _octets(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


# -- what fields mean


def is_single(name: str) -> bool:
    """Whether a field is one text in one spelling."""
    return name in _TEXTS


def text(name: str) -> Callable[[View], str]:
    """The reader of a field as one text: several items as they stand in the message, with commas."""
    if name in _TEXTS:
        return _TEXTS[name]
    if name == "to":
        return lambda view: view.to
    if name == "from":
        return lambda view: view.sender
    return lambda view: ", ".join(_occurrences(view, name))


def items(view: View, name: str) -> Items:
    """The items of a field; a missing one reads as an empty text."""
    single = _TEXTS.get(name)
    if single is not None:
        return ((single(view),),)
    if name == "from" or (name == "to" and view.letter.outgoing):
        return (spellings(view.sender if name == "from" else view.to),)
    occurrences = [view.to] if name == "to" else _occurrences(view, name)
    if name.removeprefix("header:") not in _ADDRESSES:
        return tuple((value,) for value in occurrences) or (("",),)
    found = tuple(spellings(one) for value in occurrences for one in split(value))[:MOST_ITEMS]
    return found or (("",),)


def _occurrences(view: View, name: str) -> list[str]:
    wanted = name.removeprefix("header:")
    return [value for header, value in view.headers if header.lower() == wanted][:MOST_ITEMS]


def _date(view: View) -> str:
    found = _occurrences(view, "date")
    return found[0] if found else f"{view.letter.when[2]} {view.letter.when[3]}"


_TEXTS: dict[str, Callable[[View], str]] = {
    "subject": lambda view: view.subject,
    "body": lambda view: view.body,
    "sender": lambda view: bare(view.sender),
    "number": lambda view: view.number,
    "host": lambda view: view.letter.host,
    "account": lambda view: view.letter.account,
    "gateway": lambda view: view.gateway,
    "door": lambda view: view.letter.door,
    "keyword": lambda view: keyword(view.body),
    "date": _date,
}

_DEPENDS = {
    "to": "to", "number": "number", "gateway": "gateway", "from": "from", "sender": "from", "subject": "subject", "body": "body",
    "keyword": "body", "host": "", "account": "", "door": "",
}  # fmt: skip


def canonical(name: str) -> str:
    """The name of a field in the one spelling used here; InvalidValue when there is no such field."""
    name = name.strip().lower()
    name = _OWN.get(name, name)
    if name in _DEPENDS or name in ("date", "cc", "reply-to"):
        return name
    header = name.removeprefix("header:").strip()
    if (
        header != name
        and header.isascii()
        and header.isprintable()
        and header
        and not set(header) & set(" :")
    ):
        return header if header in ("cc", "reply-to") else f"header:{header}"
    known = ", ".join(sorted({*_DEPENDS, "date", "cc", "reply-to"}))
    raise InvalidValue(f"there is no field {name[:40]!r}: known are {known}, and header:NAME for any header")


def depends(name: str) -> str:
    """What has to become another for a field to change: one of what `View.dirty` may hold, or "" for nothing."""
    return _DEPENDS.get(name, "headers")
