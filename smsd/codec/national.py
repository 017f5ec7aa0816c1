"""The tables of TS 23.038: default alphabet, extension and the 13 national locking and single shift tables.

The data is that of `gsmcodecs.charmaps`, with `CORRECTIONS` where it departs from the published tables; it is
turned into four look-up forms once, when the module is loaded. Nothing here handles a whole text: that is
`gsm7`. Number 0 is the default (6.2.1, 6.2.1.1); 1..13 are the national language identifiers of 6.2.1.2.4.
"""

from __future__ import annotations

from typing import Final

from gsmcodecs.charmaps import GSMCHARMAPS

ESCAPE: Final = 0x1B
NATIONAL: Final = frozenset(range(1, 14))

# (table, kind, septet) -> character. The Indic and Urdu locking tables have the comma at 0x2C (the apostrophe
# is ESC 09), Kannada has DDA between TTHA and DDHA, and Telugu has the euro sign where all the others have
# it.
CORRECTIONS: Final = {
    **{(table, "locking", 0x2C): "," for table in range(4, 14)},
    (7, "locking", 0x24): "\u0ca1",
    (12, "singleShift", 0x65): "€",
}


def _characters(table: int, kind: str) -> dict[int, str]:
    """Septet -> character of one table, without the escape."""
    source = GSMCHARMAPS.get(table, {}).get(kind)
    if source is None:
        return {}
    found = {septet: chr(point) for septet, point in source["decode"].items() if septet != ESCAPE}
    for (number, name, septet), character in CORRECTIONS.items():
        if (number, name) == (table, kind):
            found[septet] = character
    return found


def _invert(table: dict[int, str]) -> dict[str, int]:
    """Character -> septet; where a table has a character twice the lower septet is written."""
    return {character: septet for septet, character in sorted(table.items(), reverse=True)}


_SINGLES: Final = {table: _characters(table, "singleShift") for table in range(14)}
_LOCKINGS: Final = {
    table: found for table in range(14) if (found := _characters(table, "locking"))
}  # Spanish (2) has none

LOCKING: Final = frozenset(_LOCKINGS)
"""Numbers of the tables that can be locked to."""

MAIN: Final = {
    table: "".join(found.get(septet, " ") for septet in range(128)) for table, found in _LOCKINGS.items()
}
"""Locking table -> its 128 characters; the escape and the places that are empty read as a space."""

SINGLE: Final = _SINGLES
"""Single shift table -> {septet after the escape: character}."""


def encoder(locking: int, single: int) -> dict[int, str]:
    """Code point -> its septets as a string of one or two characters below U+0080, for `str.translate`."""
    found = {
        ord(character): chr(ESCAPE) + chr(septet) for character, septet in _invert(_SINGLES[single]).items()
    }
    found.update((ord(character), chr(septet)) for character, septet in _invert(_LOCKINGS[locking]).items())
    return found
