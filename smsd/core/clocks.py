"""Timed rules (feature R10): once a minute each of them is asked what is due, runs it, and remembers durably what has run.

A slot runs once, whatever clocks, crashes and restarts do: what has run is remembered after each run, and a run that was
interrupted is safe to repeat (`core.timedruns`). A rule's slots run one after the other; what cannot run now is tried again until
it is too late for it. Owns no arithmetic of times: that is `policy.timetable`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from itertools import islice
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from smsd.config.timed import TimedSettings
from smsd.core import timedruns
from smsd.core.timedruns import GivenUp, Later, Query, Runner
from smsd.core.zone import LocalZone
from smsd.policy.timetable import DAY, MINUTE, Done, begins, due, label, next_slot, slots
from smsd.values.frozen import frozen

SCOPE = "timed"
INTERVAL = 60.0
LAG = 0.05
"""Seconds after the full minute: never before it."""
SLOWEST = 16
"""Minutes between two tries of a run that cannot be done."""
_REACH = 721 * MINUTE  # whatever late_minutes may be


@frozen
class Memory:
    """What is remembered of a rule: its timetable, what has run, up to when it was told what did not, the newest slot that
    ended, and what came of it."""

    table: str = ""
    done: Done = Done()
    told: int = 0
    last: int = 0
    result: str = ""

    def json(self) -> str:
        """As it is remembered."""
        return json.dumps(
            {**asdict(self), "done": self.done.stretches}, ensure_ascii=False, separators=(",", ":")
        )


def read_memory(text: str) -> Memory | None:
    """What `Memory.json` wrote."""
    try:
        facts = json.loads(text)
        done = Done(tuple((int(first), int(last)) for first, last in facts.pop("done")))
        return Memory(done=done, **facts)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


class Clocks:
    """`dispatcher` is an IDispatcher, `find_account` the accounts', `query` the databases' `run`; `zone` may be replaced."""

    log = Logger()

    def __init__(
        self, store: Any, dispatcher: Any, reactor: Any, find_account: Callable[[str], Any], query: Query
    ) -> None:
        self._store = store
        self._reactor = reactor
        self._runner = Runner(store, dispatcher, find_account, query, self._label)
        self.zone: Any = LocalZone()
        self._all: tuple[TimedSettings, ...] = ()
        self._rules: dict[str, TimedSettings] = {}
        self._memories: dict[str, Memory] = {}
        self._busy: dict[str, Deferred[None]] = {}
        self._tries: dict[str, tuple[int, int]] = {}  # how often in vain, how many looks to let pass
        self._started = False
        self._first: Any = None
        self._loop = LoopingCall(self._look)
        self._loop.clock = reactor

    # -- life

    def use(self, rules: Iterable[TimedSettings]) -> None:
        """Take the rules of a configuration. One that is new, or has other times now, has nothing to make up for."""
        before = self._rules
        self._all = tuple(rules)
        self._rules = {rule.title: rule for rule in self._all if rule.active}
        if self._started:
            for title in before.keys() - self._rules.keys():
                self._forget(title)
            for rule in self._rules.values():
                self._begin(rule)

    async def start(self) -> None:
        """Recall what has run, make up for what was missed, and look again every minute."""
        facts: Mapping[str, str] = await self._store.settings(SCOPE)
        runs: Mapping[str, str] = await self._store.settings(timedruns.SCOPE)
        self._memories = {title: memory for title, text in facts.items() if (memory := read_memory(text))}
        self._runner.recall(runs)
        self._started = True
        for title in (facts.keys() | runs.keys()) - self._rules.keys():
            self._forget(title)
        for rule in self._rules.values():
            self._begin(rule)
        self._look()
        self._first = self._reactor.callLater(
            INTERVAL - self._reactor.seconds() % INTERVAL + LAG, self._loop.start, INTERVAL
        )

    def stop(self) -> Deferred[None]:
        """Begin nothing more; fires when what is under way has come to a halt. The next start goes on with it."""
        self._runner.stop()
        if self._first is not None and self._first.active():
            self._first.cancel()
        if self._loop.running:
            self._loop.stop()
        return DeferredList(list(self._busy.values())).addCallback(lambda _: None)

    def listed(self) -> list[dict[str, Any]]:
        """Every rule for the operator: when it runs next, when it ran last and what came of it. Times are milliseconds or
        None; `waits`: it should have run by now."""
        now = self._now()
        told = []
        for rule in self._all:
            memory, table = self._memories.get(rule.title) if rule.active else None, rule.timetable()
            waiting = due(table, memory.done, now, rule.late_minutes, self.zone) if memory else []
            following = next_slot(table, now, self.zone) if rule.active else None
            told.append(
                {
                    "title": rule.title,
                    "active": rule.active,
                    "times": str(table),
                    "next": waiting[0] if waiting else following,
                    "waits": bool(waiting),
                    "last": (memory.last or None) if memory else None,
                    "result": memory.result if memory else "",
                }
            )
        return told

    # -- what is due

    def _begin(self, rule: TimedSettings) -> None:
        memory, table = self._memories.get(rule.title), str(rule.timetable())
        if memory is None or memory.table != table:
            now = self._now()
            memory = replace(memory or Memory(), table=table, told=now)
            self._save(rule.title, replace(memory, done=memory.done.having(now - _REACH, now)))

    def _look(self) -> None:
        for title in self._rules:
            if title in self._busy:
                continue  # it looks again itself
            tries, wait = self._tries.get(title, (0, 0))
            if wait > 0:
                self._tries[title] = (tries, wait - 1)
                continue
            work = self._busy[title] = Deferred.fromCoroutine(self._work(title))
            work.addErrback(self._broken, title).addCallback(self._idle, title)

    def _idle(self, _: None, title: str) -> None:
        self._busy.pop(title, None)

    async def _work(self, title: str) -> None:
        """Run what is due of one rule, oldest first."""
        while not self._runner.stopping and (rule := self._rules.get(title)) is not None:
            now = self._now()
            self._say_missed(rule, now)
            slot = self._next(rule, now)
            if slot is None:
                self._tries.pop(title, None)
                memory = self._memories[title]
                seen = memory.done.having(begins(now, rule.late_minutes), now)
                self._memories[title] = replace(memory, done=seen)  # written down with the next run
                return
            try:
                result = await self._runner.run(rule, slot)
            except Later as trouble:
                if not self._runner.stopping:
                    self._again(rule, slot, str(trouble))
                return
            except GivenUp as trouble:
                result = f"failed: {trouble}"
                self.log.error(
                    "the timed rule {title!r} sends nothing for {slot}: {why}",
                    title=title, slot=self._label(slot), why=str(trouble),
                )  # fmt: skip
            self._tries.pop(title, None)
            await self._finish(title, slot, begins(now, rule.late_minutes), result)

    def _next(self, rule: TimedSettings, now: int) -> int | None:
        """The slot to run now; one that was begun comes first."""
        done, begun = self._memories[rule.title].done, self._runner.begun(rule.title)
        if begun is not None:
            if begun not in done and begins(now, rule.late_minutes) <= begun <= now:
                return begun
            if begun not in done:
                self.log.error(
                    "the timed rule {title!r} was interrupted in its run for {slot}: the rest of its messages is not sent, it is"
                    " too late for them", title=rule.title, slot=self._label(begun),
                )  # fmt: skip
            self._runner.drop(rule.title)
        waiting = due(rule.timetable(), done, now, rule.late_minutes, self.zone)
        return waiting[0] if waiting else None

    def _say_missed(self, rule: TimedSettings, now: int) -> None:
        """Log the times that it has become too late for."""
        memory = self._memories[rule.title]
        until = begins(now, rule.late_minutes) - 1
        since = max(min(memory.told, now), until - 7 * DAY)
        passed = islice(slots(rule.timetable(), since, until, self.zone), 10_080)
        missed = [slot for slot in passed if slot not in memory.done]
        memory = self._memories[rule.title] = replace(memory, told=max(until, min(memory.told, now)))
        if missed:
            self.log.warn(
                "the timed rule {title!r} did not run at {slot}{more}: that is more than {late} minutes ago",
                title=rule.title, slot=self._label(missed[-1]), late=rule.late_minutes,
                more=f" and {len(missed) - 1} times before" if len(missed) > 1 else "",
            )  # fmt: skip
            self._save(rule.title, replace(memory, last=missed[-1], result="not run: it became too late"))

    def _again(self, rule: TimedSettings, slot: int, why: str) -> None:
        tries = self._tries.get(rule.title, (0, 0))[0] + 1
        self._tries[rule.title] = (tries, min(2 ** (tries - 1), SLOWEST) - 1)
        self.log.warn(
            "the timed rule {title!r} cannot run for {slot}: {why}; it is tried again until it is {late} minutes late",
            title=rule.title, slot=self._label(slot), why=why, late=rule.late_minutes,
        )  # fmt: skip

    # -- memory

    async def _finish(self, title: str, slot: int, first: int, result: str) -> None:
        """The slot, and whatever the rule had before it since `first`, has run."""
        memory = self._memories.get(title)
        if memory is not None:
            done = memory.done.having(min(first, slot), slot)
            memory = self._memories[title] = replace(memory, done=done, last=slot, result=result)
            await self._store.remember(SCOPE, title, memory.json())
        self._runner.drop(title)

    def _save(self, title: str, memory: Memory) -> None:
        self._memories[title] = memory
        self._store.remember(SCOPE, title, memory.json()).addErrback(self._broken, title)

    def _forget(self, title: str) -> None:
        self._memories.pop(title, None)
        self._tries.pop(title, None)
        self._runner.drop(title)
        self._store.remember(SCOPE, title, None).addErrback(self._broken, title)

    def _broken(self, failure: Any, title: str) -> None:
        self.log.failure("the timed rule {title!r} failed; it is tried again", failure, title=title)

    def _now(self) -> int:
        now: int = self._store.now()
        return now

    def _label(self, slot: int) -> str:
        return label(slot, self.zone)
