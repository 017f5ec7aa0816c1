"""Accounts that come from another gateway, with what they have sent: the verb `account_import`.

Nothing that is there is touched: an account of the same name stays as it is, and so do its counters, so that an import done twice
changes nothing. All that is new is one transaction. Who reads the other gateway's files is somebody else (`smsd.cli.icewarp`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from smsd.core.accounts.book import Book
from smsd.core.accounts.directory import MODELS
from smsd.core.accounts.showing import before, counter_of
from smsd.core.accounts.wishes import Wish
from smsd.store.accounts import Tally
from smsd.values.errors import InvalidValue, storable

MOST = 20_000
"""Entries of one import."""
_MOST_NUMBER = 10**15
_NUMBERS = ("sent", "sent_before", "last_sent")


class Importer:
    """Brings entries into the book; `period` gives the month of a moment (ms), `now` the moment."""

    def __init__(self, book: Book, period: Callable[[int], str], now: Callable[[], int]) -> None:
        self._book = book
        self._period = period
        self._now = now

    def verbs(self) -> dict[str, Callable[[Mapping[str, Any]], Any]]:
        """Those of the operator, by name."""
        return {"account_import": self.bring}

    async def bring(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """entries: objects of kind, name, settings, and sent, sent_before, last_sent (ms) as the other gateway counted them; dry:
        only look → `entries` with the state of each (new, there, broken), how it `differs`, what is `wrong` with it; `done`;
        and the `gateways` there are. One that is broken, and nothing is done."""
        entries = _entries(arguments)
        told = [self._state(kind, name, settings) for kind, name, settings, _ in entries]
        fresh = [number for number, one in enumerate(told) if one["state"] == "new"]
        wishes = [Wish(entries[n][0], entries[n][1], entries[n][2], new=True) for n in fresh]
        wrong = self._book.mistakes(wishes)
        for number, text in wrong.items():
            told[fresh[number]] |= {"state": "broken", "wrong": text}
        done = bool(wishes) and not wrong and not arguments.get("dry")
        if done:
            now = self._now()
            tallies = [self._tally(*entries[n], now) for n in fresh]
            await self._book.change(wishes, [one for one in tallies if one is not None])
        return {"entries": told, "done": done, "gateways": sorted(self._book.gateways())}

    def _state(self, kind: str, name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
        told = {"kind": kind, "name": name}
        there = self._book.shown(kind, name)
        if there is None:
            return {**told, "state": "new"}
        differs = [
            field
            for field, value in settings.items()
            if field != "password" and _plain(there.get(field)) != _plain(value)
        ]
        return {**told, "state": "there", "source": there["source"], "differs": differs}

    def _tally(
        self, kind: str, name: str, settings: Mapping[str, Any], sent: tuple[int, ...], now: int
    ) -> Tally | None:
        """The counters, in the months that they belong to: what was sent "this month" was so in the month of the last message."""
        this, before_this, last = sent
        if kind == "policy" or not any(sent):
            return None
        period = self._period(now)
        month = self._period(last) if last and this else period
        if month < before(period):
            this = before_this = 0
        elif month < period:
            this, before_this = 0, this
        return Tally(counter_of(kind, name), period, before(period), this, before_this, last)


def _plain(value: Any) -> Any:
    """A setting for comparing: what is not said, or empty, is its default."""
    if isinstance(value, list):
        return sorted(value) or None
    return value or None


def _entries(arguments: Mapping[str, Any]) -> list[tuple[str, str, dict[str, Any], tuple[int, ...]]]:
    given = arguments.get("entries")
    if not isinstance(given, list) or not given or len(given) > MOST:
        raise InvalidValue(f"entries: a list of 1 to {MOST} is needed")
    found = []
    seen = set()
    for number, one in enumerate(given, 1):
        if not isinstance(one, dict):
            raise InvalidValue(f"entry {number}: an object is needed")
        kind, name, settings = one.get("kind"), one.get("name"), one.get("settings") or {}
        if kind not in MODELS or not isinstance(name, str) or not name or not isinstance(settings, dict):
            raise InvalidValue(f"entry {number}: kind, name and settings are needed")
        name = storable(name.lower() if kind == "policy" else name)
        if (kind, name) in seen:
            raise InvalidValue(f"entry {number}: there is already {kind} {name!r} in this import")
        seen.add((kind, name))
        found.append((kind, name, _storable(settings), _numbers(one, number)))
    return found


def _storable(settings: dict[str, Any]) -> dict[str, Any]:
    for value in settings.values():
        texts: Sequence[Any] = value if isinstance(value, list) else [value]
        for text in texts:
            if isinstance(text, str):
                storable(text)
    return settings


def _numbers(one: Mapping[str, Any], number: int) -> tuple[int, ...]:
    found = tuple(one.get(name) or 0 for name in _NUMBERS)
    for name, value in zip(_NUMBERS, found, strict=True):
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_NUMBER:
            raise InvalidValue(f"entry {number}: {name} is no number from 0 to {_MOST_NUMBER}")
    return found
