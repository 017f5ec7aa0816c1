"""Money as a whole number of ten-thousandths of the currency's unit: 12.50 is 125000. Nowhere a float."""

from __future__ import annotations

import re

from smsd.values.errors import InvalidValue

UNIT = 10_000
MOST = 10**15
"""A hundred thousand million: sums of these fit into 63 bits."""
_AMOUNT = re.compile(r"(\d{1,12})(?:\.(\d{1,4}))?")


def read(text: str) -> int:
    """The amount that `12.50`, `12` or `0.0345` stands for; InvalidValue for anything else, also for what is below zero."""
    found = _AMOUNT.fullmatch(text.strip()) if text.isascii() else None
    if found is None:
        raise InvalidValue(
            f"{text[:40]!r} is no amount: write 12.50 or 0.0345 (a point, at most four digits behind it, no currency)"
        )
    amount = int(found[1]) * UNIT + int((found[2] or "").ljust(4, "0"))
    if amount > MOST:
        raise InvalidValue(f"{text} is too much: at most {shown(MOST)}")
    return amount


def shown(amount: int, currency: str = "") -> str:
    """As people read it: at least two digits behind the point, and more where there are more."""
    whole, rest = divmod(abs(amount), UNIT)
    behind = f"{rest:04}".rstrip("0").ljust(2, "0")
    text = f"{'-' if amount < 0 else ''}{whole}.{behind}"
    return f"{text} {currency}" if currency else text
