"""The use of gateways' limits as rows: written by the commit that puts a message on the wire, read when the store opens.

Who may send is decided by `smsd.policy.limits`. Gateways without limits have no rows, and cost nothing here.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import tzinfo

from smsd.policy.limits import Charge, Limits, Meter, Use
from smsd.values.delivery import State
from smsd.values.message import Text
from smsd.values.plan import Acceptance, Settlement, Step

# How often rows that no longer count are deleted (ms).
SWEEP = 3_600_000


class Limiting:
    """`meters` has those of the gateways with limits, by id. What leaves is written before it does: a message with the commit that
    claims or accepts it, a part that follows with the commit that settles the one before."""

    def __init__(self) -> None:
        self.meters: dict[str, Meter] = {}
        self._all: dict[str, Meter] = {}  # also of gateways that are gone, or have no limits just now
        self._uses: dict[str, list[Use]] = defaultdict(list)
        self._numbers: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._swept = 0

    def read(self, connection: sqlite3.Connection, now: int) -> None:
        """What was kept by earlier lives of the process."""
        for gateway, *use in connection.execute(
            "select gateway, span, start, until, n from limit_use where until > ? order by start", (now,)
        ):
            self._uses[gateway].append(Use(*use))
        for gateway, month, number in connection.execute("select * from limit_recipient"):
            self._numbers[gateway, month].append(number)

    def use(self, gateway: str, limits: Limits | None, zone: tzinfo, now: int) -> Meter | None:
        """The meter of a gateway; None without limits."""
        meter = self._all.get(gateway)
        if limits is None or not any(limits):
            self.meters.pop(gateway, None)
            return None
        if meter is None:
            meter = self._all[gateway] = Meter(limits, zone)
            meter.load(self._uses[gateway], self._numbers[gateway, meter.month(now)], now)
        else:
            meter.become(limits)
        self.meters[gateway] = meter
        return meter

    def accepted(self, cursor: sqlite3.Cursor, items: Sequence[Acceptance]) -> None:
        """Write what messages take that are committed as already on the wire."""
        for accepted in items:
            for planned in accepted.planned:
                if planned.state is State.SENDING and planned.gateway in self.meters:
                    content = accepted.submission.content if planned.content is None else planned.content
                    meter = self.meters[planned.gateway]
                    by_parts = meter.text_parts if isinstance(content, Text) else meter.parts
                    charge = Charge(accepted.now, 1 if by_parts else planned.parts, str(planned.target))
                    self.write(cursor, planned.gateway, [charge])

    def settled(self, cursor: sqlite3.Cursor, steps: Iterable[tuple[Settlement, Step]]) -> None:
        """Write the parts that follow those that are settled."""
        for item, step in steps:
            if step.state is State.SENDING:
                self.write(cursor, item.piece.gateway, [Charge(item.now, 1, str(item.piece.target))])

    def write(self, cursor: sqlite3.Cursor, gateway: str, charges: Sequence[Charge]) -> None:
        """Add what these messages, or parts, take of the gateway's limits."""
        meter = self.meters.get(gateway)
        if meter is None or not charges:
            return
        cursor.executemany(
            "insert into limit_use(gateway, span, start, until, n) values(?,?,?,?,?) on conflict(gateway, span, start)"
            " do update set n = n + excluded.n, until = max(until, excluded.until)",
            [(gateway, *use) for charge in charges for use in meter.uses(charge)],
        )
        now = charges[-1].at
        if meter.limits.recipients_per_month:
            cursor.executemany(
                "insert or ignore into limit_recipient(gateway, month, number) values(?,?,?)",
                [(gateway, meter.month(charge.at), charge.number) for charge in charges],
            )
        if now - self._swept > SWEEP:
            self._swept = now
            cursor.execute("delete from limit_use where until <= ?", (now,))
            for name, each in self.meters.items():
                cursor.execute(
                    "delete from limit_recipient where gateway = ? and month <> ?", (name, each.month(now))
                )
