"""How results look: aligned columns for people, JSON for programs."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any


def as_json(options: argparse.Namespace, value: Any) -> bool:
    """Print `value` as JSON if that was asked for; tells whether it was."""
    if options.json:
        print(json.dumps(value, indent=2, ensure_ascii=False))
    return bool(options.json)


def table(rows: Sequence[Sequence[Any]], head: Sequence[str] = ()) -> None:
    """Print columns; control characters in them are made visible, so that no message can steer the terminal."""
    lines = [[printable(str(cell)) for cell in row] for row in ((head,) if head else ()) + tuple(rows)]
    if not lines:
        return
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def printable(text: str) -> str:
    """`text` on one line, without anything that a terminal would obey."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )


def moment(milliseconds: int | None) -> str:
    """A time for people, in this machine's time zone; "-" for none."""
    if not milliseconds:
        return "-"
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(milliseconds / 1000))


def until(delivery: Mapping[str, Any]) -> str:
    """Until when a delivery waits, if that is more than a moment: ", until 2026-11-22 07:00:00"."""
    waits = (
        delivery["state"] in ("queued", "ready", "gathered", "scheduled")
        and delivery["due"] > (time.time() + 60) * 1000
    )
    return f", until {moment(delivery['due'])}" if waits else ""


def shortened(text: str, width: int = 40) -> str:
    """The beginning of a text."""
    return text if len(text) <= width else text[: width - 1] + "…"
