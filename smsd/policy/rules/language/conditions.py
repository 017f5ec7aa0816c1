"""Conditions as they are written: one word and what it says; several words, or a list, are all of them together."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

from smsd.policy.rules.language.comparisons import KEYS, read_comparison, read_test
from smsd.policy.rules.language.reading import Spot, unknown
from smsd.policy.rules.model import (
    All,
    And,
    Clock,
    Condition,
    Field,
    Flag,
    HasPriority,
    How,
    Network,
    Not,
    Or,
    Size,
    SqlCondition,
)
from smsd.values.errors import InvalidValue
from smsd.values.message import Priority

DEEPEST = 20
"""Conditions inside conditions."""
MOST_SECONDS = 60.0
"""How long a message may wait for one SQL condition."""

# Ids and hosts are compared whole: `gateway: gsm1` is not gsm11.
FIELDS = {
    "from": How.CONTAINS,
    "to": How.CONTAINS,
    "subject": How.CONTAINS,
    "cc": How.CONTAINS,
    "reply_to": How.CONTAINS,
    "date": How.CONTAINS,
    "body": How.CONTAINS,
    "sender": How.CONTAINS,
    "number": How.CONTAINS,
    "host": How.EQUALS,
    "account": How.EQUALS,
    "gateway": How.EQUALS,
    "door": How.EQUALS,
    "keyword": How.EQUALS,
}
FLAGS = ("authenticated", "local", "attachment", "binary")
PRIORITIES = {priority.name.lower(): priority for priority in Priority}
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HEADER_NAME = re.compile(r"[!-9;-~]{1,100}")
"""A field name of RFC 5322 3.6.8."""


def read_condition(spot: Spot, depth: int = 0) -> Condition:
    """The condition that stands at `spot`."""
    value = spot.value
    if depth > DEEPEST:
        spot.wrong("nested too deeply", f"allowed: {DEEPEST} conditions inside each other")
    elif value == "all":
        return All()
    elif isinstance(value, str):
        spot.wrong(f"there is no condition {value[:60]!r}", unknown(value, tuple(WORDS)))
    elif isinstance(value, dict) and value:
        return _together([_worded(spot, word, part, depth) for word, part in value.items()])
    else:
        parts = [read_condition(part, depth) for part in spot.entries("write at least one condition")]
        return _together(parts)
    return All()


def _together(parts: list[Condition]) -> Condition:
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def _worded(spot: Spot, word: str, value: object, depth: int) -> Condition:
    here = spot.at(word, value)
    if word not in WORDS:
        here.wrong("there is no such condition", unknown(word, tuple(WORDS)), at_key=True)
        return All()
    return WORDS[word](here, depth)


def _all(spot: Spot, depth: int) -> Condition:
    if spot.value not in (None, "", "yes"):
        spot.wrong("nothing follows this word")
    return All()


def _parts(spot: Spot, depth: int) -> tuple[Condition, ...]:
    return tuple(
        read_condition(part, depth + 1)
        for part in spot.entries("begin each condition with - in a line of its own")
    )


def _field(word: str, plain: How) -> Callable[[Spot, int], Condition]:
    name = word.replace("_", "-")
    return lambda spot, depth: Field(name, read_test(spot, plain))


def _header(spot: Spot, depth: int) -> Condition:
    fields = spot.fields(("name", *KEYS), ("name",))
    name = header_name(fields["name"])
    test = read_comparison(spot, fields) if isinstance(spot.value, dict) else None
    return Field(f"header:{name}", test) if test else All()


def header_name(spot: Spot) -> str:
    """The name of a header, without the colon that may stand behind it."""
    name = spot.text().strip()
    name = name[:-1].rstrip() if name.endswith(":") else name
    if name and not HEADER_NAME.fullmatch(name):
        spot.impossible("allowed: letters, digits and -, as in X-Priority")
    return name


def _size(spot: Spot, depth: int) -> Condition:
    fields = spot.fields(("above", "below"))
    limits = {word: field.number(0, 10**12) for word, field in fields.items()}
    above, below = limits.get("above"), limits.get("below")
    if isinstance(spot.value, dict) and not spot.value.keys() & {"above", "below"}:
        spot.wrong("a limit is missing", "write above, below, or both")
    if below == 0 or (above is not None and below is not None and below <= above + 1):
        spot.wrong("no message can have such a size", "more octets than above and fewer than below")
    return Size(above, below)


def _flag(word: str) -> Callable[[Spot, int], Condition]:
    return lambda spot, depth: Flag(word, spot.switch())


def _networks(spot: Spot, depth: int) -> Condition:
    networks = spot.entries("write [10.0.0.0/8, 192.0.2.7]")
    return Network(tuple(entry.approved(_network) for entry in networks))


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        try:
            meant = ipaddress.ip_network(text, strict=False)
        except ValueError:
            wrong = f"{text[:60]!r} is no network"
            raise InvalidValue(f"{wrong}; write 192.0.2.0/24, 2001:db8::/32 or an address") from None
        raise InvalidValue(f"{text!r} has bits set behind its prefix; write {meant}") from None
    return text


def _clock(spot: Spot, depth: int) -> Condition:
    fields = spot.fields(("from", "to", "days"))
    if isinstance(spot.value, dict) and not fields:
        spot.wrong("a time is missing", "write from, to, days, or several of them")
    before = spot.reader.mistakes
    start = fields["from"].minute() if "from" in fields else 0
    end = fields["to"].minute(end=True) if "to" in fields else 24 * 60
    if spot.reader.mistakes == before and start == end:
        spot.wrong("from and to are the same", "leave both out for the whole day")
    days = _days(fields["days"]) if "days" in fields else frozenset(range(7))
    return Clock(start, end, days)


def _days(spot: Spot) -> frozenset[int]:
    """`mon-fri`, `sat, sun`, or a list of such."""
    if isinstance(spot.value, list):
        return frozenset().union(*(_days(entry) for entry in spot.entries("write [mon, tue]")))
    days: set[int] = set()
    for stretch in re.split(r"[\s,]+", spot.text().strip()):
        first, dash, last = stretch.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            spot.impossible(f"allowed: {', '.join(DAYS)}, and stretches like mon-fri")
            break
        begin, end = DAYS.index(first), DAYS.index(last or first)
        days.update(day % 7 for day in range(begin, end + 1 if end >= begin else end + 8))
    return frozenset(days)


def _priority(spot: Spot, depth: int) -> Condition:
    return HasPriority(spot.word(PRIORITIES))


def _sql(spot: Spot, depth: int) -> Condition:
    words = ("database", "statement", "values", "seconds", "default", *KEYS)
    fields = spot.fields(words, ("database", "statement"))
    test = read_comparison(spot, fields, required=False)
    return SqlCondition(
        fields["database"].approved(spot.reader.checks.database),
        fields["statement"].text(),
        fields["values"].texts("write ['%number%', …]", empty=True) if "values" in fields else (),
        test,
        fields["seconds"].seconds(0.1, MOST_SECONDS) if "seconds" in fields else 2.0,
        fields["default"].switch() if "default" in fields else False,
    )


WORDS: dict[str, Callable[[Spot, int], Condition]] = {
    "all": _all,
    "and": lambda spot, depth: And(_parts(spot, depth)),
    "or": lambda spot, depth: Or(_parts(spot, depth)),
    "not": lambda spot, depth: Not(read_condition(spot, depth + 1)),
    **{word: _field(word, plain) for word, plain in FIELDS.items()},
    "header": _header,
    "size": _size,
    **{word: _flag(word) for word in FLAGS},
    "ip": _networks,
    "time": _clock,
    "priority": _priority,
    "sql": _sql,
}
"""Every condition and how it is read."""
