"""List files: one item a line, blanks around it dropped; empty lines, and lines that begin with #, are for people."""

from __future__ import annotations

from smsd.config.bounded import Mark, read_bounded
from smsd.values.errors import InvalidValue

MOST_LINES = 100_000
MOST_OCTETS = 10_000_000


def read_list(path: str) -> tuple[tuple[str, ...], Mark]:
    """The items, and the mark of the file they are from; InvalidValue says why not."""
    content, mark = read_bounded(path, MOST_OCTETS)
    try:
        return parse_list(content), mark
    except InvalidValue as error:
        raise InvalidValue(f"{path}: {error}") from None


def parse_list(content: bytes) -> tuple[str, ...]:
    """The items in the content of a file."""
    try:
        lines = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidValue(f"line {line} is not UTF-8 text; save the file as UTF-8") from None
    if len(lines) - (not lines[-1]) > MOST_LINES:
        raise InvalidValue(f"the file has too many lines; allowed: {MOST_LINES}")
    if b"\0" in content:
        raise InvalidValue("the file has a NUL character; it is no text")
    stripped = (line.strip() for line in lines)
    return tuple(line for line in stripped if line and not line.startswith("#"))
