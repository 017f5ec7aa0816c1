"""What may go on the wire next: the deliveries of lanes that are due, never two to one target of a lane, but for gateways whose
targets may have several at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection

from smsd.policy.limits import FITS, PASS, WAIT, Budget, Meter
from smsd.values.delivery import Piece
from smsd.values.frozen import frozen

# How far a claim looks past deliveries to targets that are on the wire, so that one phone with a thousand messages keeps
# nobody waiting behind it, and a million for one phone cost no more.
LOOK_AHEAD = 1000

Probe = tuple[int, int]  # a lane and a priority


@frozen
class Take:
    """A gateway asks for work: `probes` are (lane, priority) in the order of fairness; `busy` tells, at the moment of the
    claim, which targets of a lane are on the wire; `parts` and `whole_text` as in `Abilities`. `meter` has its
    limits, if it has any; of the deliveries in `shun` it takes one only when there is nothing else. `abreast` as in
    `Abilities`."""

    gateway: str
    probes: tuple[Probe, ...]
    slots: int
    busy: Callable[[int], Collection[str]]
    parts: bool
    now: int
    whole_text: bool = False
    meter: Meter | None = None
    shun: frozenset[int] = frozenset()
    abreast: bool = False


@frozen
class Taken:
    """The pieces claimed, and per probe that was made when there is something next (ms), or None when it is empty. What is
    due in a `held_up` one has to wait (its targets are on the wire, or it is about to expire) until the next one there is due
    (ms), which may be for another target; None: no other is. With limits: `costs` is what each
    piece takes of them, `passed` the probes with deliveries that others may carry, and this gateway not soon; `short` is what
    the first one needs that waits for its turn (0: none does)."""

    pieces: list[Piece]
    next_due: dict[Probe, int | None]
    held_up: dict[Probe, int | None]
    costs: tuple[int, ...] = ()
    passed: frozenset[Probe] = frozenset()
    short: int = 0


def claim(
    cursor: sqlite3.Cursor,
    probe: Probe,
    room: int,
    item: Take,
    targets: set[tuple[int, str]],
    budget: Budget | None,
    shunned: set[Probe],
) -> list[int]:
    """The next deliveries that may go on the wire, at most `room`, whose targets are not among `targets` (or `abreast`); now they
    are."""
    lane, priority = probe
    busy, shun = item.busy(lane), item.shun
    found: list[int] = []
    for delivery, target, expires, missing in cursor.execute(
        "select id, target, expires, pieces - sent from delivery where lane=? and state=0 and priority=? and due<=?"
        " order by due, id limit ?",
        (lane, priority, item.now, room + LOOK_AHEAD),
    ):
        free = item.abreast or (target not in busy and (lane, target) not in targets)
        if free and expires > item.now:
            if shun and delivery in shun:
                shunned.add(probe)
                continue
            fits = FITS if budget is None else budget.take(target, missing)
            if fits is WAIT:
                break
            if fits is PASS:
                continue
            targets.add((lane, target))
            found.append(delivery)
            if len(found) == room:
                break
    return found


def due_next(cursor: sqlite3.Cursor, probe: Probe, after: int = -1) -> int | None:
    """When the next one of a probe is due, `after` that time (ms); None when it is empty."""
    row = cursor.execute(
        "select due from delivery where lane=? and state=0 and priority=? and due>? order by due limit 1",
        (*probe, after),
    ).fetchone()
    return int(row[0]) if row else None
