"""Why a message went where it went: the trace that its delivery keeps, in words. Trials of messages that do not exist: `trying`.

Reads, and changes nothing. The lines of a rule that did not match are worked out again from the kept trace: it says which
condition decided, the text of the rules as they were then says what that condition was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from smsd.core.judging import Judge
from smsd.core.planning import Planner
from smsd.core.trying import UNASKED, Incoming, Trier, rules_of
from smsd.policy import route as routes
from smsd.policy.rules.explain import kept
from smsd.store import operating
from smsd.store.sqlite import SqliteStore
from smsd.values.errors import InvalidValue


class Explainer:
    """`trial` tries a message that does not exist, `incoming` one from a phone: the inbound side gives it.
    `waits(route)`: which gateways may carry what waits there, and why they do not; the queue gives it."""

    def __init__(
        self,
        store: SqliteStore,
        planner: Planner,
        judge: Judge,
        incoming: Incoming | None = None,
        waits: Callable[[str], Mapping[str, str]] | None = None,
    ) -> None:
        self._store = store
        self.trial = Trier(store, planner, judge, incoming).trial
        self._waits = waits

    async def delivery(self, number: int) -> dict[str, Any]:
        """Everything about one delivery, with `rules`: lines for people. InvalidValue when there is none."""
        told: dict[str, Any] | None = await self._store.ask(operating.explain, number)
        if told is None:
            raise InvalidValue(f"there is no delivery {number}: smsd queue list shows those there are")
        told["rules"] = await self._lines(told.get("trace"), outgoing=not _came_in(told["about"]))
        if told["state"] == "ready" and self._waits is not None:
            told["waits"] = self._waits(told["route"])
            if not told["waits"]:
                told["nobody"] = routes.nobody(told["route"])
        return told

    async def _lines(self, trace: str | None, *, outgoing: bool) -> list[str]:
        """A line for each rule that there was, and then what those that matched did."""
        if not trace:
            return trace_lines(trace)
        version, decided, steps, stopped = json.loads(trace)
        rules = await self._store.ask(rules_of, version)
        if rules is None:
            return trace_lines(trace)
        told = kept(rules.outgoing if outgoing else rules.incoming, bytes.fromhex(decided), stopped)
        return [*told, *(["what they did:", *(f"  {step}" for step in steps)] if steps else [])]


def _came_in(message: Mapping[str, Any]) -> bool:
    """Whether a phone's message itself, which the incoming rules see: what they send has a door of its own."""
    return dict(message["headers"]).get("gateway") == message["door"]


def trace_lines(trace: str | None) -> list[str]:
    """The kept trace of a delivery in lines for people."""
    if not trace:
        return [UNASKED]
    _, _, steps, stopped = json.loads(trace)
    lines = list(steps) or ["no rule matched"]
    if stopped:
        lines.append(f"after {stopped!r} no more rules were asked")
    return lines
