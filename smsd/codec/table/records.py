"""Text of a table to records, bite by bite: lines cut at a separator, which is guessed; cells in quotation marks may hold it, and
line ends (RFC 4180, and what spreadsheets make of it).
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator, Sequence

from smsd.values.errors import InvalidValue

SEPARATORS = "\t;,|"
NONE = "\x1f"
"""The separator of a table with one column: nobody types it."""
LONGEST = 20_000
"""Characters of one record."""
MOST_LINES = 200
"""Lines of one record."""
SAMPLE = 20
"""Lines by which the separator is guessed."""
_NUMBER = re.compile(r"'?\+?[\d\s().,/\u00a0-]{3,25}(?:E\+?\d+)?", re.IGNORECASE)

Record = tuple[int, list[str]]
"""The line that it begins in (from 1), and its cells."""


class Records:
    """`separator` "" is guessed from the first lines."""

    def __init__(self, separator: str = "") -> None:
        self.separator = separator
        self._rest = ""
        self._lines: deque[str] = deque()
        self._at = 1  # the number of the first of the lines
        self._open: list[str] = []

    def feed(self, text: str, final: bool = False) -> Iterator[Record]:
        """The records that are whole now. InvalidValue says in which line something is wrong."""
        text = self._rest + text
        self._rest = ""
        if text.endswith("\r") and not final:  # perhaps half a line end
            text, self._rest = text[:-1], "\r"
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        last = lines.pop()
        if final:
            if last:
                lines.append(last)
        else:
            self._rest = last + self._rest
            if len(self._rest) > LONGEST:
                self._too_long(self._at + len(self._lines) + len(lines))
        self._lines.extend(lines)
        if not self.separator:
            if not final and len(self._lines) < SAMPLE:
                return
            self._choose(final)
        yield from self._records(final)

    def _choose(self, final: bool) -> None:
        if self._lines and self._lines[0].lower().startswith("sep=") and len(self._lines[0]) == 5:
            self.separator = self._lines.popleft()[4]  # Excel's own way to say it
            self._at += 1
            return
        whole = final and len(self._lines) <= SAMPLE
        sample = [self._lines[n] for n in range(min(SAMPLE, len(self._lines)))]
        for number, line in enumerate(sample, self._at):
            if len(line) > LONGEST:
                self._too_long(number)
        self.separator = guess(sample, whole)

    def _records(self, final: bool) -> Iterator[Record]:
        while self._lines:
            line = self._lines.popleft()
            if not self._open and '"' not in line:
                if len(line) > LONGEST:
                    self._too_long(self._at)
                cells = line.split(self.separator)
            else:
                found = self._quoted(line)
                if found is None:
                    continue
                cells = found
            number = self._at
            self._at += len(self._open) or 1
            self._open = []
            if any(cell.strip() for cell in cells):
                yield number, cells
        if final and self._open:
            raise InvalidValue(f"line {self._at} opens a quotation mark that nothing closes")

    def _quoted(self, line: str) -> list[str] | None:
        """The cells of the lines that are open and this one; None when they go on in the next line."""
        self._open.append(line + "\n")
        if len(self._open) > MOST_LINES or sum(map(len, self._open)) > LONGEST:
            raise InvalidValue(
                f"line {self._at} opens a quotation mark that is not closed within {MOST_LINES} lines and {LONGEST} characters"
            )
        if len(self._open) > 1 and '"' not in line:
            return None  # nothing in it could close what is open
        # Who needs the line behind to end a record has not got its end here.
        reader = csv.reader([*self._open, "\n"], delimiter=self.separator)
        cells = next(reader)
        return cells if reader.line_num == len(self._open) else None

    def _too_long(self, number: int) -> None:
        raise InvalidValue(f"line {number} is longer than {LONGEST} characters: this is no list of messages")


def numeric(cell: str) -> bool:
    """Whether a cell looks like a telephone number, however it is written."""
    cell = cell.strip()
    return bool(_NUMBER.fullmatch(cell)) and sum(char.isdigit() for char in cell) >= 3


def _rows(lines: Sequence[str], separator: str) -> list[list[str]]:
    """As many rows as can be read: a cell that nothing closes may be more than the module takes."""
    rows = []
    try:
        for row in csv.reader([line + "\n" for line in lines], delimiter=separator):
            if any(row):
                rows.append(row)
    except csv.Error:
        pass  # what it was gets its sentence when its record is read
    return rows


def guess(lines: Sequence[str], whole: bool = True) -> str:
    """The separator of a table that begins with these lines; `NONE` when it has one column."""
    best, separator = (0.0, False), NONE
    for one in SEPARATORS:
        rows = _rows(lines, one)
        if not whole and len(rows) > 1:
            rows.pop()
        if not rows:
            continue
        widths = [len(row) for row in rows]
        common = max(set(widths), key=widths.count)
        if common < 2:
            continue
        agree = widths.count(common) / len(widths)
        score = (agree, any(numeric(cell) for row in rows[:3] for cell in row))
        if (score[1], score[0]) > (best[1], best[0]):
            best, separator = score, one
    return separator
