"""What a timed rule says (feature R10): its templates and the rows of its statement become messages.

Variables are `%date%`, `%time%` (of the time that the rule ran for) and `%title%`; with a statement also its columns, by number
(`%1%`) and by name. What stands in a column can be an address or several, but never brings parameters along: those are the
administrator's to write.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from smsd.codec.smsuri import split_numbers
from smsd.codec.template import Template, parse
from smsd.values.errors import InvalidValue
from smsd.values.frozen import frozen

Row = Sequence["str | None"]

OWN = ("date", "time", "title")
MOST_COLUMNS = 99
MOST_CHARACTERS = 4_000_000
"""Of all messages of one run together."""

_NUMBERED = re.compile(r"(%%?)([1-9][0-9]?)((?:;[^%]*)?%)")
_PREFIX = "column."
_WORD = re.compile(r":?[A-Za-z_][A-Za-z0-9_.:-]*")
_CLOSED = re.compile(r"%%?(:?[A-Za-z_][A-Za-z0-9_.:-]*)(?:;[^%\s]*)?%")


@frozen
class Shape:
    """How a rule's messages look. `rows`: it has a statement; `join`: all its rows make one message."""

    to: tuple[str, ...]
    text: str
    subject: str = ""
    rows: bool = False
    join: bool = False
    most: int = 500


@frozen
class Made:
    """One message: addresses as written, subject, text. `wrong`: why it is none."""

    to: tuple[str, ...]
    subject: str
    text: str
    wrong: str = ""


def check(template: str, rows: bool) -> None:
    """InvalidValue when it is no template, or needs columns and there are none. Names of columns are known only later."""
    if not rows and _NUMBERED.search(template):
        raise InvalidValue("there are no columns without sql: leave %1% away, or add sql with a statement")
    _compiled(template, (*OWN, *(_CLOSED.findall(template) if rows else ())), MOST_COLUMNS if rows else 0)


def fill(template: str, own: Mapping[str, str]) -> str:
    """A template without columns, filled in."""
    return _compiled(template, OWN, 0).render(own)


def has_columns(template: str) -> bool:
    """Whether a template that passed `check` uses more than `OWN`."""
    return _NUMBERED.search(template) is not None or any(
        name.lower().removeprefix(":") not in OWN for name in _CLOSED.findall(template)
    )


def compose(
    shape: Shape, own: Mapping[str, str], columns: Sequence[str] = (), rows: Sequence[Row] = ((),)
) -> list[Made]:
    """The messages of one run: one for each row, one for all of them with `join`, none without rows. `own` has `OWN`.
    InvalidValue when a template names a column that there is not, or it all gets too long."""
    if not rows:
        return []
    width = max(len(row) for row in rows)
    columns_of = {_PREFIX + str(number + 1): number for number in range(width)}
    for number, column in enumerate(columns[:width]):
        if _WORD.fullmatch(column):
            columns_of.setdefault(column, number)
    names = (*OWN, *columns_of)
    line = _compiled(shape.text, names, width)
    whole, columns_too = (OWN, 0) if shape.join else (names, width)
    subject = _compiled(shape.subject, whole, columns_too)
    to = [_compiled(address, whole, columns_too) for address in shape.to]
    made, lines, size = [], [], 0
    for row in rows[: shape.most]:
        values = {**own, **{name: (row[n] if n < len(row) else None) or "" for name, n in columns_of.items()}}
        lines.append(line.render(values))
        if not shape.join:
            made.append(_made(to, subject.render(values), lines[-1], values))
        size += len(lines[-1]) + 1
        if size > MOST_CHARACTERS:
            raise InvalidValue(
                f"its messages have more than {MOST_CHARACTERS} characters: let the statement give fewer"
            )
    return [_made(to, subject.render(own), "\n".join(lines), own)] if shape.join else made


def _made(to: Sequence[Template], subject: str, text: str, values: Mapping[str, str]) -> Made:
    try:
        addresses = tuple(address for each in to for address in _addresses(each, values))
    except InvalidValue as error:
        return Made((), subject, text, str(error))
    return Made(addresses, subject, text, "" if addresses else "it has no address")


def _addresses(template: Template, values: Mapping[str, str]) -> list[str]:
    written = template.render(values, _bare).strip()
    return [written] if "?" in written else split_numbers(written)


def _bare(value: str) -> str:
    if "?" in value:
        raise InvalidValue("the address in its column has parameters: write them in the rule, sms:%1%?id=…")
    return value


def _compiled(template: str, names: Sequence[str], width: int) -> Template:
    numbered = [_PREFIX + str(number + 1) for number in range(width)]
    written = _NUMBERED.sub(rf"\1{_PREFIX}\2\3", template) if width else template
    try:
        return parse(written, {*names, *numbered}, url=False)
    except InvalidValue as error:
        if written == template and not width:
            raise
        # Positions are those of another text, and a hundred numbers help nobody.
        words = re.sub(r"^at character \d+: ", "", str(error)).replace(_PREFIX, "")
        raise InvalidValue(words) from None
