"""The variables of rules (feature R7): their names, and what each stands for in a message as earlier rules left it.

Texts are compiled by `compile_text`; only what a text shows is worked out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final
from urllib.parse import quote

from smsd.codec import template
from smsd.policy.rules.addresses import bare, extension, keyword, local_part, rest
from smsd.policy.rules.view import View
from smsd.values.errors import InvalidValue, storable

_VALUES: Final[dict[str, Callable[[View], str | bytes]]] = {
    "to": lambda view: view.to,
    "from": lambda view: view.sender,
    "subject": lambda view: view.subject,
    "body": lambda view: view.body,
    "data": lambda view: view.letter.octets if view.letter.binary else view.body,
    "udh": lambda view: view.letter.elements,
    "binary": lambda view: "1" if view.letter.binary else "0",
    "own": lambda view: view.letter.own,
    "number": lambda view: view.number,
    "extensionnose": lambda view: extension(view.to),
    "extensionnosep": lambda view: extension(view.to),
    "from_alias": lambda view: local_part(view.sender),
    "sender": lambda view: bare(view.sender),
    "sender_phonealias": lambda view: view.letter.phone,
    "phone": lambda view: view.letter.phone,
    "email": lambda view: view.letter.email,
    "account": lambda view: view.letter.account,
    "gateway": lambda view: view.gateway,
    "door": lambda view: view.letter.door,
    "date": lambda view: view.letter.when[2],
    "time": lambda view: view.letter.when[3],
    "message": lambda view: str(view.letter.message),
    "keyword": lambda view: keyword(view.body),
    "rest": lambda view: rest(view.body),
}

LATER: Final = frozenset({"count", "first", "last"})
"""Variables of a digest, which are known only when it is written: they stay."""
NAMES: Final = frozenset(_VALUES)
"""What a rule may use; each also with a colon in front, as in `%:body%`."""
LONGEST: Final = 20_000
"""Characters of a text with variables."""
MOST: Final = 50
"""Variables of a text: each may be as long as the message."""

Text = Callable[[View], str]
"""A compiled text: what it says for a message."""
Encode = Callable[[str], str]


class _Values(Mapping[str, "str | bytes"]):
    """What the variables stand for, worked out when asked for."""

    __slots__ = ("_view",)

    def __init__(self, view: View) -> None:
        self._view = view

    def __getitem__(self, name: str) -> str | bytes:
        return f"%{name}%" if name in LATER else _VALUES[name](self._view)

    def __iter__(self) -> Iterator[str]:
        return iter(_VALUES)

    def __len__(self) -> int:
        return len(_VALUES)


def percent(value: str) -> str:
    """A value as it stands in a URL."""
    return quote(value, safe="", errors="replace")


def compile_text(
    text: str, encode: Encode | None = None, url: bool = False, later: bool = False
) -> tuple[Text, bool]:
    """A text with variables, and whether it is always the same. `encode` is applied to what is inserted; `later`: the variables
    of a digest stay as they are. InvalidValue for unknown variables, with the position."""
    storable(text)
    if len(text) > LONGEST:
        raise InvalidValue(f"the text has {len(text)} characters, at most {LONGEST} are taken")
    if text.count("%") > 2 * MOST:
        raise InvalidValue(f"the text has more than {MOST} variables")
    if "%" not in text:
        return (lambda view: text), True
    compiled = template.parse(text, NAMES | LATER if later else NAMES, url)
    if not compiled.names:
        fixed = compiled.render({}, encode)
        return (lambda view: fixed), True

    def show(view: View) -> str:
        return compiled.render(_Values(view), encode, _kind(view))

    return show, False


def shows(value: object, name: str) -> bool:
    """Whether a text in this action or condition may have the variable in it."""
    if isinstance(value, str):
        return "%" in value and name in value.lower()
    if isinstance(value, tuple):
        return any(shows(one, name) for one in value)
    return any(
        shows(getattr(value, field), name) for field in getattr(type(value), "__dataclass_fields__", ())
    )


def _kind(view: View) -> template.Kind:
    if view.letter.binary:
        return "binary"
    return "ascii" if view.body.isascii() else "unicode"
