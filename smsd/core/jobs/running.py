"""A job under way: the next rows become messages as the ones before leave, a thousand or two ahead and no more.

So a job of half a million costs the queue what one of a thousand does, an account's limit and credit count when a message is
made, and to pause or to cancel is one row. Whatever hinders a job (a limit, no gateway) is written where its owner sees it.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger

from smsd.core.jobs.making import Kept, in_lane, read_kept, submission
from smsd.store import jobs
from smsd.store.jobs import OPEN, Change, Expansion, JobState, Turned
from smsd.store.operating import Verb
from smsd.values.delivery import State
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.message import Declined
from smsd.values.plan import Acceptance

INTERVAL = 0.5
AHEAD = 2000
"""Messages of a job that may wait at once; when half of them have left, more are made."""
TURN = 25
"""Rows after which others have a turn."""
BITE = 100
"""Deliveries of a cancelled job that are cancelled at once."""
_LATER = (Reason.UNAVAILABLE, Reason.SLOW_DOWN)
_NO_WAY = (Reason.NO_GATEWAY, Reason.UNKNOWN_GATEWAY)


class _Wait(Exception):
    """Nothing can be made of rows now; the text says why."""


class Runner:
    """Looks after the jobs that run, and those that were cancelled and still have messages waiting."""

    log = Logger()

    def __init__(self, store: Any, dispatcher: Any, queue: Any, reactor: Any, find_account: Any) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._queue = queue
        self._reactor = reactor
        self._find_account = find_account
        self._open: dict[int, JobState] = {}
        self._busy: dict[int, Deferred[Any]] = {}
        self.trouble: dict[int, str] = {}
        self._stopping = False
        self._loop = LoopingCall(self._look)
        self._loop.clock = reactor

    async def load(self) -> None:
        """Recall what was under way; before the queue claims anything."""
        known = await self._store.ask(
            jobs.jobs, states=(JobState.RUNNING, JobState.PAUSED, JobState.CANCELLED), limit=100_000
        )
        for one in known:
            number, state = one["id"], one["state"]
            if one["held"]:
                self._queue.pause(jobs.flow(number))
            if state is not JobState.PAUSED and not one["ended"]:
                self._open[number] = state

    def start(self) -> None:
        """Begin."""
        self._loop.start(INTERVAL)

    async def stop(self) -> None:
        """Fires when nothing more is being written."""
        self._stopping = True
        if self._loop.running:
            self._loop.stop()
        for busy in list(self._busy.values()):
            await busy

    def changed(self, job: int, state: JobState) -> None:
        """A job has another state now."""
        self.trouble.pop(job, None)
        if state in (JobState.RUNNING, JobState.CANCELLED):
            self._open[job] = state
            self._work(job)
        else:
            self._open.pop(job, None)

    def _look(self) -> None:
        for job in list(self._open):
            self._work(job)

    def _work(self, job: int) -> None:
        if job in self._busy or self._stopping:
            return
        work = self._fill(job) if self._open[job] is JobState.RUNNING else self._clear(job)
        busy = Deferred.fromCoroutine(work)
        self._busy[job] = busy
        busy.addErrback(self._broken, job).addCallback(lambda _: self._busy.pop(job, None))
        if busy.called and not busy.paused:
            self._busy.pop(job, None)

    def _broken(self, failure: Any, job: int) -> None:
        self.trouble[job] = "something failed, the log tells more; it is tried again"
        self.log.failure("job {job} failed; it is tried again", failure, job=job)

    # -- running

    async def _fill(self, job: int) -> None:
        """Make messages of rows until enough wait."""
        now = self._store.now()
        waiting = await self._store.ask(jobs.waiting, job, now, AHEAD)
        if waiting > AHEAD // 2:
            return
        one = await self._store.ask(jobs.job, job)
        if one is None or one["state"] is not JobState.RUNNING:
            self._open.pop(job, None)
            return
        position, kept = one["position"], read_kept(one["settings"])
        while waiting < AHEAD and position < one["total"] and self._runs(job):
            if stopped := self._closed(one["account"]):
                await self._pause(job, stopped)
                return
            rows = await self._store.ask(jobs.chunk, job, position)
            try:
                entries = await self._entries(job, one["account"], kept, rows)
            except _Wait as wait:
                self.trouble[job] = str(wait)
                return
            self.trouble.pop(job, None)
            if not entries:
                return
            expanded = await self._store.expand_job(Expansion(job, position, entries, self._store.now()))
            if expanded.stale:
                return
            for acceptance, committed in expanded.committed:
                self._dispatcher.handed(committed, acceptance)
            waiting += len(expanded.committed)
            position = expanded.position
            if expanded.stopped:
                self.log.warn("job {job} is paused: {why}", job=job, why=expanded.stopped)
                self._open.pop(job, None)
                return
        if position >= one["total"]:
            await self._finish(job)

    def _runs(self, job: int) -> bool:
        return not self._stopping and self._open.get(job) is JobState.RUNNING

    def _closed(self, name: str | None) -> str | None:
        """Why an account cannot send any more."""
        if name is None:
            return None
        account = self._find_account(name)
        if account is None:
            return f"there is no account {name!r} any more"
        closed: str | None = account.closed(self._store.now() / 1000)
        return closed

    async def _entries(
        self, job: int, account: str | None, kept: Kept, rows: list[tuple[int, str, str | None]]
    ) -> tuple[Acceptance | Turned, ...]:
        """What becomes of rows, as far as that can be said now; _Wait when nothing can."""
        made: list[Acceptance | Turned] = []
        for line, number, own in rows:
            text = kept.text if own is None else own
            try:
                made.append(await self._entry(job, account, kept, line, number, text or ""))
            except _Wait:
                if not made:
                    raise
                break
            if len(made) % TURN == 0:
                await deferLater(self._reactor, 0)
                if not self._runs(job):
                    return ()
        return tuple(made)

    async def _entry(
        self, job: int, account: str | None, kept: Kept, line: int, number: str, text: str
    ) -> Acceptance | Turned:
        try:
            acceptance: Acceptance = await self._dispatcher.prepare(
                submission(job, account, kept, number, text)
            )
        except (Refused, InvalidValue) as refusal:
            if isinstance(refusal, Refused) and refusal.reason in _LATER:
                raise _Wait(refusal.text) from None
            return Turned(line, number, str(refusal))
        (entry,) = acceptance.order
        if isinstance(entry, Declined):
            if entry.refusal.reason in _NO_WAY:
                raise _Wait(entry.refusal.text)
            return Turned(line, number, entry.refusal.text)
        return in_lane(acceptance, job)

    async def _pause(self, job: int, why: str) -> None:
        self._open.pop(job, None)
        await self._store.change_job(
            Change(job, (JobState.RUNNING,), JobState.PAUSED, self._store.now(), why)
        )
        self.log.warn("job {job} is paused: {why}", job=job, why=why)

    async def _finish(self, job: int) -> None:
        """All rows are messages: it is done when none of them has to be sent any more."""
        if await self._store.ask(jobs.unfinished, job, OPEN, 1):
            return
        if await self._store.change_job(Change(job, (JobState.RUNNING,), JobState.DONE, self._store.now())):
            self.log.info("job {job} is done", job=job)
        self._open.pop(job, None)

    # -- cancelled

    async def _clear(self, job: int) -> None:
        """Cancel, bite by bite, what still waits. What is on the wire comes back first, and is cancelled then."""
        waiting = tuple(state for state in OPEN if state is not State.SENDING)
        while not self._stopping:
            found = await self._store.ask(jobs.unfinished, job, waiting, BITE)
            if not found:
                break
            now, who = self._store.now(), f"whoever cancelled job {job}"
            done = [self._store.control(Verb("cancel", delivery, now, 0, who)) for delivery in found]
            for good, woken in await DeferredList(done, consumeErrors=True):
                if not good:
                    woken.trap(InvalidValue)  # it was quicker
                    continue
                for lane in woken:
                    self._queue.wake(lane)
        # One question for all of it: what was on the wire a moment ago may wait now.
        if self._stopping or await self._store.ask(jobs.unfinished, job, OPEN, 1):
            return
        await self._store.change_job(
            Change(job, (JobState.CANCELLED,), JobState.CANCELLED, self._store.now(), held=False)
        )
        self._queue.resume(jobs.flow(job))
        self._open.pop(job, None)
