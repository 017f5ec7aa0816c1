"""What became of a delivery, as `smsd queue show` and `smsd explain` print it: parts, tries, reports, what followed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smsd.cli.output import moment, table

TITLES = {
    "attempts": "tries that did not work",
    "parts": "parts",
    "network": "the network reports",
    "siblings": "the message's other deliveries",
    "reports": "told to its sender",
    "answers": "answers",
    "copies": "copies",
    "effects": "what rules did besides",
    "digests": "left in a digest",
    "gathered": "gathered",
}


def after(told: Mapping[str, Any]) -> None:
    """Print one table for each of these that there is."""
    for name, title in TITLES.items():
        rows = told.get(name)
        if rows:
            shown = [{key: value for key, value in row.items() if key != "delivery"} for row in rows]
            print(f"\n{title}:")
            table(
                [[_cell(*cell) for cell in row.items()] for row in shown], [key.upper() for key in shown[0]]
            )


def _cell(name: str, value: Any) -> Any:
    if name in ("at", "heard", "arrived"):
        return moment(value)
    return "-" if value is None else value
