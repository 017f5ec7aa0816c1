"""What a job is asked to be, read from JSON values: the columns of its table, and what holds for all of its messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from smsd.codec.table.columns import Wanted
from smsd.codec.table.records import SEPARATORS
from smsd.values.errors import InvalidValue
from smsd.values.frozen import frozen
from smsd.values.message import Parameters, Priority, Ticket, Wants, storable

SEND, DROP_SAME, DROP = "send", "drop-same", "drop"
DUPLICATES = (SEND, DROP_SAME, DROP)
_SEPARATORS = {"tab": "\t", "comma": ",", "semicolon": ";", "\\t": "\t", **{one: one for one in SEPARATORS}}


@frozen
class JobSettings:
    """`name` is the file's; `wanted` and `separator` are about its columns. `duplicates`: `send` all, `drop-same` (the same text to
    the same number again), `drop` (whatever the same number gets again). `ticket` and `wants`: who hears what became of each."""

    name: str = ""
    wanted: Wanted = Wanted()
    separator: str = ""
    duplicates: str = SEND
    parameters: Parameters = Parameters(priority=Priority.BULK)
    ticket: Ticket | None = None
    wants: Wants = Wants.NOTHING


def read(arguments: Mapping[str, Any]) -> JobSettings:
    """The settings of these arguments: name, to_column, text_column, text, header, separator, duplicates; gateway, sender,
    expire_minutes, max_parts, priority (bulk or normal). Numbers and switches may be texts. InvalidValue says which is wrong."""
    header = _word(arguments, "header", ("yes", "no", "guess")) or "guess"
    separator = _text(arguments, "separator") or ""
    if separator and separator.lower() not in _SEPARATORS:
        raise InvalidValue(
            f"separator: {separator[:10]!r} is not possible; allowed: comma, semicolon, tab, |"
        )
    text = _text(arguments, "text")
    return JobSettings(
        name=(_text(arguments, "name") or "a list")[:200],
        wanted=Wanted(
            _text(arguments, "to_column") or "",
            _text(arguments, "text_column") or "",
            text or None,
            {"yes": True, "no": False, "guess": None}[header],
        ),
        separator=_SEPARATORS.get(separator.lower(), ""),
        duplicates=_word(arguments, "duplicates", DUPLICATES) or SEND,
        parameters=Parameters(
            gateway=_text(arguments, "gateway") or None,
            sender=_text(arguments, "sender") or None,
            expire_minutes=_number(arguments, "expire_minutes", 1, 525600),
            max_parts=_number(arguments, "max_parts", 1, 128),
            priority=Priority[(_word(arguments, "priority", ("bulk", "normal")) or "bulk").upper()],
        ),
    )


NAMES = (
    "name", "to_column", "text_column", "text", "header", "separator", "duplicates", "gateway", "sender", "expire_minutes",
    "max_parts", "priority",
)  # fmt: skip


def _text(arguments: Mapping[str, Any], name: str) -> str | None:
    value = arguments.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidValue(f"{name}: a text is needed")
    if value is not None and len(value) > 20_000:
        raise InvalidValue(f"{name}: at most 20000 characters are possible")
    return None if value is None else storable(value)


def _word(arguments: Mapping[str, Any], name: str, allowed: tuple[str, ...]) -> str | None:
    value = arguments.get(name)
    if isinstance(value, bool):
        value = "yes" if value else "no"
    if value is None or value == "":
        return None
    if value not in allowed:
        raise InvalidValue(f"{name}: {str(value)[:40]!r} is not possible; allowed: {', '.join(allowed)}")
    return str(value)


def _number(arguments: Mapping[str, Any], name: str, least: int, most: int) -> int | None:
    value = arguments.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise InvalidValue(f"{name}: {str(value)[:40]!r} is not possible; allowed: {least} to {most}")
    return value


Cost = Callable[[Any, Any], "int | None"]
"""What an acceptance would cost an account, in ten-thousandths; None when there are no prices."""
