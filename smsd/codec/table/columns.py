"""Which column of a table has the numbers and which the texts, and texts made of columns: `Dear {name}, …`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from smsd.codec.table.records import numeric
from smsd.values.errors import InvalidValue
from smsd.values.frozen import frozen

MOST_COLUMNS = 200
LONGEST_TEXT = 40_000
"""Characters of a text that is made of columns; 255 SMS hold 39015 of the GSM alphabet."""
NUMBER_NAMES = (
    "number", "phone", "mobile", "to", "recipient", "msisdn", "cell", "cellphone", "phone number", "phonenumber",
    "mobile number", "telephone", "tel", "gsm", "destination", "telefono", "cellulare", "numero", "telefon", "handy",
    "mobil", "nummer", "rufnummer", "telefonnummer", "téléphone", "portable", "móvil", "teléfono",
)  # fmt: skip
TEXT_NAMES = (
    "text", "message", "sms", "body", "data", "content", "testo", "messaggio", "nachricht", "texte", "texto", "mensaje",
)  # fmt: skip
_FLOAT = re.compile(r"([+-]?\d{7,15})[.,]0{1,3}")
_SHORTENED = re.compile(r"[+-]?\d+(?:[.,]\d+)?E[+-]?\d+", re.IGNORECASE)
_FIELD = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")


@frozen
class Wanted:
    """What the sender says of the columns: names or numbers (from 1), "" to guess. `text` is a text for all, with `{column}` in
    it, None: each line has its own. `header`: whether the first line names the columns, None to guess."""

    to: str = ""
    text_column: str = ""
    text: str | None = None
    header: bool | None = None


@frozen
class Layout:
    """What stands where. `text` is the column of the texts, or `pieces` are what they are made of: texts and columns."""

    to: int
    text: int | None
    pieces: tuple[str | int, ...]
    names: tuple[str, ...]
    header: bool

    @property
    def constant(self) -> str | None:
        """The text of all messages, when it is one."""
        if self.text is not None or any(isinstance(piece, int) for piece in self.pieces):
            return None
        return "".join(map(str, self.pieces))

    @property
    def filled(self) -> tuple[int, ...]:
        """The columns that texts are made of."""
        return tuple(piece for piece in self.pieces if isinstance(piece, int))

    def message(self, cells: Sequence[str]) -> str:
        """The text of a line. InvalidValue when a few columns make an enormous one."""
        if self.text is not None:
            return cells[self.text] if self.text < len(cells) else ""
        made, size = [], 0
        for piece in self.pieces:
            one = piece if isinstance(piece, str) else cells[piece].strip() if piece < len(cells) else ""
            made.append(one)
            size += len(one)
            if size > LONGEST_TEXT:
                raise InvalidValue(
                    f"the text has more than {LONGEST_TEXT} characters: make it, or what its columns hold, shorter"
                )
        return "".join(made)


def layout(first: Sequence[str], second: Sequence[str] | None, wanted: Wanted) -> Layout:
    """What the columns of a table are that begins with these lines. InvalidValue says how to name them."""
    width = max(len(first), len(second or ()))
    if width > MOST_COLUMNS:
        raise InvalidValue(
            f"the file has {width} columns, at most {MOST_COLUMNS} are read: leave out what is not needed"
        )
    header = not any(map(numeric, first)) if wanted.header is None else wanted.header
    if header and second is None and wanted.header is None:
        raise InvalidValue("the file has one line, and no cell of it is a telephone number")
    numbers = tuple(str(number + 1) for number in range(width))
    names = (*(cell.strip() for cell in first), *numbers[len(first) :]) if header else numbers
    sample = second if header and second is not None else first
    to = _find(wanted.to, names) if wanted.to else _guess_number(names, sample, header)
    if wanted.text is not None:
        if wanted.text_column:
            raise InvalidValue("give a text for all or a column with texts, not both")
        return Layout(to, None, pieces(wanted.text, names), names, header)
    text = _find(wanted.text_column, names) if wanted.text_column else _guess_text(names, to, header)
    if text == to:
        raise InvalidValue(f"the column {names[to]!r} cannot be both the number and the text")
    return Layout(to, text, (), names, header)


def _known(names: Sequence[str]) -> str:
    shown = [name[:30] or str(number) for number, name in enumerate(names, 1)]
    return ", ".join(shown[:20]) + (" …" if len(shown) > 20 else "")


def _find(wanted: str, names: Sequence[str]) -> int:
    folded = [name.casefold() for name in names]
    key = wanted.strip().casefold()
    if key in folded:
        if folded.count(key) > 1:
            raise InvalidValue(f"there are {folded.count(key)} columns {wanted!r}: name it by its number")
        return folded.index(key)
    if key.isascii() and key.isdigit() and 1 <= int(key[:6]) <= len(names):
        return int(key) - 1
    close = difflib.get_close_matches(key, folded, 1)
    hint = f"did you mean {names[folded.index(close[0])]}? " if close else ""
    raise InvalidValue(f"there is no column {wanted[:40]!r}: {hint}there are: {_known(names)}")


def _guess_number(names: Sequence[str], sample: Sequence[str], header: bool) -> int:
    if header:
        folded = [name.casefold() for name in names]
        for name in NUMBER_NAMES:
            if name in folded:
                return folded.index(name)
    for column, cell in enumerate(sample):
        if numeric(cell):
            return column
    raise InvalidValue(
        f"which column has the telephone numbers? Name it with to-column; there are: {_known(names)}"
    )


def _guess_text(names: Sequence[str], to: int, header: bool) -> int:
    if header:
        folded = [name.casefold() for name in names]
        for name in TEXT_NAMES:
            if name in folded:
                return folded.index(name)
    if len(names) == 2:
        return 1 - to
    if len(names) == 1:
        raise InvalidValue("the file has numbers and no texts: give the text for all of them")
    raise InvalidValue(
        f"which column has the texts? Name it with text-column, or give a text for all; there are: {_known(names)}"
    )


def pieces(text: str, names: Sequence[str]) -> tuple[str | int, ...]:
    """A text with `{column}` as what it is made of; `{{` is a brace."""
    made: list[str | int] = []
    at = 0
    for found in _FIELD.finditer(text):
        made.append(text[at : found.start()])
        at = found.end()
        made.append(found[0][0] if found[1] is None else _find(found[1], names))
    made.append(text[at:])
    return tuple(piece for piece in made if piece != "")


def stray_brace(text: str) -> bool:
    """Whether a brace stands alone in a text: it is sent as it is, and was perhaps meant for a column."""
    return not {"{", "}"}.isdisjoint(_FIELD.sub("", text))


def number_of(cell: str) -> str:
    """What a cell means as a number, without what spreadsheets put around it. InvalidValue when one has spoilt it."""
    text = cell.strip()
    if text.startswith('="') and text.endswith('"'):
        text = text[2:-1].strip()
    text = text.removeprefix("'")
    if _SHORTENED.fullmatch(text):
        raise InvalidValue(
            f"the spreadsheet has shortened this number to {text[:20]}, its digits are lost: give the column the format Text (or"
            " Number without decimals), enter the number again, and save the file again"
        )
    found = _FLOAT.fullmatch(text)
    return found[1] if found else text
