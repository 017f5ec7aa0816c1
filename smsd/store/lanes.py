"""Lanes as rows: (route, flow) to a small id, remembered, because every accept asks."""

from __future__ import annotations

import sqlite3


class Lanes:
    """A cache in front of the lane table; `forget` after a rollback, which may have taken new lanes away."""

    def __init__(self) -> None:
        self._ids: dict[tuple[str, str], int] = {}

    def of(self, cursor: sqlite3.Cursor, route: str, flow: str) -> int:
        """The lane's id, made in this transaction if it is new."""
        lane = self._ids.get((route, flow))
        if lane is None:
            below = flow.startswith("job:")  # see migration 0011
            cursor.execute(
                "insert or ignore into lane(id, route, flow)"
                " values(iif(?, (select min(coalesce(min(id), 0), 0) - 1 from lane), null), ?, ?)",
                (below, route, flow),
            )
            lane = int(
                cursor.execute("select id from lane where route=? and flow=?", (route, flow)).fetchone()[0]
            )
            self._ids[route, flow] = lane
        return lane

    def forget(self) -> None:
        """Drop what is remembered."""
        self._ids.clear()
