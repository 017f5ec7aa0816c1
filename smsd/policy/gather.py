"""Storm protection: whether a message leaves at once, later, or with others as one digest; and what a digest says.

Pure. A window belongs to a rule and a recipient, and begins with the first message. Of those in it `most` leave at once; the
others wait for its end, where they leave as one digest (one for each lane), which is the first message of the next window. So
however long a storm lasts, it costs at most `most` messages per window.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from typing import NamedTuple

from smsd.values.message import Window

DOOR = "digest"
SHOWN = 120
"""Characters of a message that a digest shows."""
BACKLOG = "%count% delayed messages. First: %first% Last: %last%"
"""What an old backlog to one recipient leaves as."""
LEAST_BACKLOG = 3
"""Fewer old messages are sent as they are."""
_VARIABLE = re.compile("%{1,2}(count|first|last)%{1,2}", re.IGNORECASE)


class Stand(NamedTuple):
    """How a window stands: when it ends, how many messages passed, and whether any wait (how many came, that is: some may have
    been cancelled since)."""

    due: int
    passed: int = 0
    waiting: int = 0


class Place(NamedTuple):
    """Where a message belongs: in the window with the number `waits`, or (None) in none. `due`: when it leaves, at the
    earliest. `stands` are the windows as they are now, None for those that nothing has changed."""

    due: int
    waits: int | None
    stands: tuple[Stand | None, ...]


def place(
    windows: Sequence[Window], before: Sequence[Stand | None], now: int, until: int = 0, *, text: bool = True
) -> Place:
    """Where a message belongs that came `now` and may not leave before `until`. `before` is how each window stood (None: it has
    not begun). What is no `text` cannot be told in a digest: it counts, and passes."""
    stands = [_current(window, stand, now) for window, stand in zip(windows, before, strict=True)]
    for number, (window, stand) in enumerate(zip(windows, stands, strict=True)):
        # Behind those that wait nothing passes, although the window's time may be over: the order is kept.
        if text and (stand.waiting or stand.passed >= window.most):
            joined = Stand(max(stand.due, until), stand.passed, stand.waiting + 1)
            changed = [joined if n == number else None for n in range(len(stands))]
            return Place(joined.due, number, tuple(changed))
    # What is kept for the morning belongs to a window that lasts until then: the morning is no storm either.
    passed = [Stand(max(stand.due, until), stand.passed + 1, stand.waiting) for stand in stands]
    return Place(max(now, until), None, tuple(passed))


def _current(window: Window, stand: Stand | None, now: int) -> Stand:
    """The window as it stands, or a new one where none is open."""
    if stand is None or (stand.due <= now and not stand.waiting):
        return Stand(now + window.length)
    return stand


def after_digest(most: int, length: int, now: int, left: int) -> Stand | None:
    """The window that begins when one has ended in `left` messages; None when none does."""
    return Stand(now + length, left) if most and left else None


def render(template: str, count: int, first: str, last: str) -> str:
    """The text of a digest. Never fails, and never grows with what it gathers: each message is shown on one line, cut."""
    values = {"count": str(count), "first": _shown(first), "last": _shown(last)}
    text = _VARIABLE.sub(lambda match: values[match[1].lower()], template)
    return text if text.strip() else f"{count} messages"


def _shown(text: str) -> str:
    line = " ".join(text.split())
    # Three dots: the character … would make a text of plain letters UCS-2, and the digest twice as dear.
    return line if len(line) <= SHOWN else line[: SHOWN - 3] + "..."


def hold_until(start: int, until: int, now: int, zone: tzinfo | None) -> int:
    """The end (ms) of the stretch from minute `start` of the local day to minute `until` (past midnight when it is not later)
    in which `now` lies; 0 when it lies in none. `zone` None is this machine's."""
    local = datetime.fromtimestamp(now / 1000, zone)
    minute = local.hour * 60 + local.minute
    inside = start <= minute < until if start < until else minute >= start or minute < until
    if not inside:
        return 0
    for days in range(3):
        day = local.replace(hour=until // 60 % 24, minute=until % 60, second=0, microsecond=0) + timedelta(
            days
        )
        for fold in (0, 1):  # the hour that a clock goes back is there twice
            at = int(day.replace(fold=fold).timestamp() * 1000)
            if at > now:
                return at
    return 0
