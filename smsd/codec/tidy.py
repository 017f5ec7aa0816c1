"""Texts that would be sent as Unicode because of a few characters, and cost twice as much: which characters those are, and what
can be written for them in the alphabet of GSM.

Quotes, dashes, dots and blanks of word processors become those of a typewriter, letters lose accents that the alphabet lacks,
signs become words (`PLAIN`, and docs/credit.rst has the table). Nothing is dropped but what nobody sees. A text with a
character that has no plain form (Greek words, an emoji) stays as it is.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from smsd.codec import gsm7

POLICIES: Final = ("as_is", "tidy", "national")

_FORMS: Final = {
    "'": "‘’‚‛′´`ʹʼˈ",
    '"': "“”„‟″«»‹›〝〞ʺ",
    "-": "‐‑‒–—―−⁃",
    "*": "•●·∙▪◦",
    " ": "\t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000",
    "\n": "\u000b\u0085\u2028\u2029",
    "": "\u00ad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff",
    "...": "…",
    "<": "〈",
    ">": "〉",
    "/": "⁄∕÷",
    "x": "×",
    "~": "∼",
    "|": "¦",
    "<=": "≤",
    ">=": "≥",
    "!=": "≠",
    "->": "→",
    "<-": "←",
    "=>": "⇒",
    "+-": "±",
    "(c)": "©",
    "(R)": "®",
    "(TM)": "™",
    "No.": "№",
    "c": "¢",
    "o": "º°",
    "a": "ª",
    "l": "ł",
    "L": "Ł",
    "d": "đð",
    "D": "ĐÐ",
    "th": "þ",
    "Th": "Þ",
    "h": "ħ",
    "H": "Ħ",
    "i": "ı",
    "oe": "œ",
    "OE": "Œ",
    "SS": "ẞ",
    # With a blank: 1½ is not 11/2.
    " 1/4": "¼",
    " 1/2": "½",
    " 3/4": "¾",
    " 1/3": "⅓",
    " 2/3": "⅔",
    **{f"^{digit}": letter for digit, letter in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
}
PLAIN: Final = {letter: plain for plain, letters in _FORMS.items() for letter in letters}
"""What is written for a character; letters with accents besides, by taking these away."""


class Offender(NamedTuple):
    """A character that the alphabet lacks: how often it is there, where first (from 0), its name, and what could be written for it
    (None: nothing)."""

    char: str
    times: int
    at: int
    name: str
    plain: str | None


def plain(char: str) -> str | None:
    """What can be written for a character that the alphabet lacks; None when nothing can."""
    found = PLAIN.get(char)
    if found is None:
        if unicodedata.category(char) == "Mn":
            return ""  # an accent by itself; its letter stands before it
        if unicodedata.category(char) == "No":
            return None
        letters = unicodedata.normalize("NFKD", char)
        found = "".join(PLAIN.get(each, each) for each in letters if unicodedata.category(each) != "Mn")
        if not found:
            return None
    return found if _has(found) else None


def offenders(text: str) -> list[Offender]:
    """The characters that keep a text from being sent in the alphabet of GSM, in their order."""
    return [
        Offender(char, times, text.index(char), _name(char), plain(char))
        for char, times in Counter(text).items()
        if not _has(char)
    ]


def fitted(text: str, policy: str, national: frozenset[int] = frozenset()) -> tuple[str, dict[str, str]]:
    """The text as a policy wants it sent, and what was written for what. It is changed only when it then needs no Unicode.

    `tidy` writes plain characters rather than using a national table of those that the gateway has (`national`); the policy
    `national` uses these first, and writes plain characters for what they lack."""
    if policy == "as_is" or _has(text):
        return text, {}
    if policy == "tidy":
        tidy = _tidied(text, 0, 0)
        if tidy is not None:
            return tidy
    pairs = [(0, 0), *_pairs(national)]
    if any(_has(text, *pair) for pair in pairs):
        return text, {}
    found = [tidy for pair in pairs if (tidy := _tidied(text, *pair)) is not None]
    return min(found, key=lambda tidy: len(tidy[1])) if found else (text, {})


def _pairs(national: frozenset[int]) -> Iterator[tuple[int, int]]:
    for table in sorted(national & gsm7.NATIONAL):
        yield (0, table)
        if table in gsm7.LOCKING:
            yield (table, 0)
            yield (table, table)


def _tidied(text: str, locking: int, single: int) -> tuple[str, dict[str, str]] | None:
    text = unicodedata.normalize("NFC", text)
    replaced: dict[str, str] = {}
    for char in dict.fromkeys(text):
        if not _has(char, locking, single):
            instead = plain(char)
            if instead is None or not _has(instead, locking, single):
                return None
            replaced[char] = instead
    tidy = text.translate({ord(char): instead for char, instead in replaced.items()})
    return (tidy, replaced) if tidy else None


def _has(text: str, locking: int = 0, single: int = 0) -> bool:
    try:
        gsm7.septets(text, locking, single)
    except gsm7.Unencodable:
        return False
    return True


def _name(char: str) -> str:
    return unicodedata.name(char, f"U+{ord(char):04X}").lower()
