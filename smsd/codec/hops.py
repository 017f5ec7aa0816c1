"""How often a message has been handed on, in a header that servers of this kind give each other over HTTP.

Two servers whose rules or gateways send to each other would pass a message round for ever, and pay for each round. Mail has
`X-Loop` for this.
"""

from __future__ import annotations

HEADER = "X-SMSD-Hops"
NAME = HEADER.lower().encode()
"""As doors read it."""
_MOST_DIGITS = 4


def read(value: str | None) -> int:
    """The number in the header; 0 without one. What is no number was not written by a server of this kind."""
    if value is None:
        return 0
    text = value.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else 0


def write(hops: int) -> str:
    """The header's value for a message that has been handed on `hops` times and is now once more."""
    return str(hops + 1)
