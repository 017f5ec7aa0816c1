"""`callback=` and `callback_events=` of a request: who is told what becomes of its message, and what phones answer."""

from __future__ import annotations

from typing import Any

from smsd.frontends.http.fields import Pairs
from smsd.values.address import Address
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.frozen import frozen
from smsd.values.message import Wants

_NAMES = {"callback": 0, "callback_events": 1}


@frozen
class Asked:
    """What a request says; None: nothing."""

    callback: str | None = None
    events: tuple[str, ...] | None = None

    def __bool__(self) -> bool:
        return self.callback is not None or self.events is not None


NOTHING = Asked()


def take(pairs: Pairs) -> tuple[Pairs, Asked]:
    """The pairs without these two, and what they said. InvalidValue when one is given twice with different values."""
    for name, _ in pairs:  # every request is asked; most say nothing
        if name[:1] in "cC" and name.lower() in _NAMES:
            break
    else:
        return pairs, NOTHING
    found: list[str | None] = [None, None]
    rest: Pairs = []
    for pair in pairs:
        name, value = pair
        at = _NAMES.get(name) if name in _NAMES else _NAMES.get(name.lower())
        if at is None:
            rest.append(pair)
        elif value and found[at] not in (None, value):
            raise InvalidValue(f"{name.lower()} is given twice with different values: give it once")
        else:
            found[at] = value or found[at]
    if len(rest) == len(pairs):
        return pairs, NOTHING
    callback, events = found
    listed = None
    if events is not None:
        listed = tuple(name for part in events.lower().split(",") if (name := part.strip()))
    return rest, Asked(None if callback is None else callback.strip(), listed)


def way_back(callbacks: Any, account: str | None, asked: Asked) -> tuple[Address, Wants] | None:
    """Who is told, and what; None for nobody. Refused when that cannot be. `callbacks` is an ICallbacks, or None."""
    if callbacks is None:
        if asked:
            raise Refused(Reason.BAD_REQUEST, "callback: this door cannot tell programs")
        return None
    way: tuple[Address, Wants] | None = callbacks.way_back(account, asked.callback, asked.events)
    return way
