"""All jobs: what doors, the API and the operator's verbs may do with them. Methods are coroutines; answers are JSON values.

`owner` is the account that asks, and sees its own jobs; None is the operator, who sees all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from smsd.core.jobs import settings as jobsettings
from smsd.core.jobs.checking import Checking, Gone
from smsd.core.jobs.running import Runner
from smsd.core.jobs.settings import JobSettings
from smsd.core.planning import KEY_LIFE
from smsd.policy import route as routes
from smsd.store import jobs
from smsd.store.jobs import Begun, Change, JobState
from smsd.values.address import Address
from smsd.values.delivery import State
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.message import IdempotencyKey, Recipient, Text

HOUR = 3_600_000
PATIENCE = HOUR // 6
"""How long a file may stand still while it is read."""
KEEP_READY = 7 * 24 * HOUR
"""How long a job may wait to be started."""
MOST_CHECKS = 20
MOST_READY = 50
"""Files of one account that wait to be started: they are kept for a week, with all their lines."""
BITE = 1 << 18
"""Octets that are read in one go."""
_PROBE = Recipient(Address("sms", "+15551234567"))


class NoSuchJob(InvalidValue):
    """There is none with this number, or it belongs to somebody else."""


class Jobs:
    """`planner`, `dispatcher` and `queue` are the house's. `keep_days`: how long finished jobs stay on record."""

    log = Logger()

    def __init__(
        self, store: Any, dispatcher: Any, queue: Any, planner: Any, reactor: Any, find_account: Callable[[str], Any]
    ) -> None:  # fmt: skip
        self._store = store
        self._queue = queue
        self._planner = planner
        self._reactor = reactor
        self._find_account = find_account
        self._runner = Runner(store, dispatcher, queue, reactor, find_account)
        self._checks: dict[int, Checking] = {}
        self.keep_days = 90
        self._tidying = LoopingCall(self._tidy)
        self._tidying.clock = reactor

    # -- life

    async def load(self) -> None:
        """Recall what was under way; before the queue begins."""
        for one in await self._store.ask(jobs.jobs, states=(JobState.CHECKING,), limit=100_000):
            await self._store.forget_job(one["id"])  # whoever sent it has lost his connection
        await self._runner.load()

    def begin(self) -> None:
        """Go on with them."""
        self._runner.start()
        self._tidying.start(PATIENCE / 1000)

    async def stop(self) -> None:
        """Fires when nothing is being written any more."""
        if self._tidying.running:
            self._tidying.stop()
        await self._runner.stop()

    async def _tidy(self) -> None:
        now = self._store.now()
        for job, check in list(self._checks.items()):
            if now - check.at > PATIENCE:
                await self._drop(job)
        for one in await self._store.ask(jobs.jobs, limit=100_000):
            state = one["state"]
            old = state is JobState.READY and now - one["made"] > KEEP_READY
            ended = one["ended"] and now - one["ended"] > self.keep_days * 24 * HOUR
            if old or ended:
                await self._store.forget_job(one["id"])

    # -- check

    async def check(
        self,
        account: str | None,
        settings: JobSettings,
        octets: bytes | Iterable[bytes],
        key: IdempotencyKey | None = None,
    ) -> dict[str, Any]:
        """Read a whole file: a job that is ready, and what would become of each line. InvalidValue or Refused. Under a key that an
        earlier request had it is the job of that one, as it is now, and `replayed`."""
        before = None if key is None else await self._store.ask(jobs.keyed, key, self._store.now())
        if isinstance(before, Refused):
            raise before
        if before is not None:
            return await self._again(before)
        job = await self.open(account, settings, key)
        bites = (
            (octets[at : at + BITE] for at in range(0, len(octets), BITE)) if isinstance(octets, bytes) else octets
        )  # fmt: skip
        for bite in bites:
            await self.feed(job, bite)
        return await self.close(job)

    async def _again(self, job: int) -> dict[str, Any]:
        state = await self.state(job)
        if state["state"] == _name(JobState.CHECKING):
            raise _not_yet(job)
        return {**state, "replayed": True}

    async def open(
        self, account: str | None, settings: JobSettings, key: IdempotencyKey | None = None
    ) -> int:
        """A new job, which is fed with a file next."""
        if account is not None:
            found = self._find_account(account)
            if found is None:
                raise InvalidValue(f"there is no account {account!r}")
            if closed := found.closed(self._store.now() / 1000):
                raise Refused(Reason.NOT_ALLOWED, closed)
            waiting = (JobState.CHECKING, JobState.READY)
            if len(await self._store.ask(jobs.jobs, account, waiting, MOST_READY)) >= MOST_READY:
                raise Refused(
                    Reason.CONFLICT,
                    f"{MOST_READY} files were checked and not started: start them, or cancel some first",
                )
        if len(self._checks) >= MOST_CHECKS:
            raise Refused(Reason.SLOW_DOWN, "too many files are being read just now: try again in a minute")
        try:
            probe = Recipient(_PROBE.address, "", settings.parameters)
            self._planner.check(probe, Text("x"), account)
        except Refused as refusal:
            if refusal.reason is not Reason.BAD_NUMBER:
                raise
        now = self._store.now()
        opened = await self._store.begin_job(Begun(account, settings.name, "{}", now, key, now + KEY_LIFE))
        job: int = opened.job
        if opened.again:  # of the same moment
            raise _not_yet(job)
        self._checks[job] = Checking(
            job, account, settings, self._store, self._planner, self._reactor, self._cost
        )
        return job

    async def feed(self, job: int, octets: bytes, owner: str | None = None) -> None:
        """The next octets of its file; what is wrong with it ends the job."""
        check = self._check(job, owner)
        try:
            await check.feed(octets)
        except BaseException as error:
            await self._drop(job)
            if isinstance(error, Gone):
                raise _unknown(job) from None
            raise

    async def close(self, job: int, owner: str | None = None) -> dict[str, Any]:
        """That was all of its file: the job is ready; its state, with what was found."""
        check = self._check(job, owner)
        try:
            await check.end()
        except BaseException as error:
            await self._drop(job)
            if isinstance(error, Gone):
                raise _unknown(job) from None
            raise
        del self._checks[job]
        return await self.state(job)

    def _check(self, job: int, owner: str | None) -> Checking:
        check = self._checks.get(job)
        if check is None or (owner is not None and check.account != owner):
            raise InvalidValue(f"job {job} is not being read (any more)")
        return check

    async def _drop(self, job: int) -> None:
        self._checks.pop(job, None)
        await self._store.forget_job(job)

    def _cost(self, account: str | None, acceptance: Any) -> int | None:
        payer = self._find_account(account) if account else None
        prices = self._planner.tariffs.of(payer)
        found = [
            (prices.price(one.target.target), one.parts)
            for one in acceptance.planned
        ]  # fmt: skip
        known = [price.amount * parts for price, parts in found if price is not None]
        return sum(known) if known else None

    # -- verbs

    async def start(self, job: int, owner: str | None = None) -> dict[str, Any]:
        """Begin to send what was checked."""
        one = await self._find(job, owner)
        if one["state"] is JobState.READY and not one["total"]:
            raise InvalidValue("no line of this file can be sent: correct it, and check it again")
        return await self._change(one, (JobState.READY,), JobState.RUNNING, "started")

    async def pause(self, job: int, owner: str | None = None) -> dict[str, Any]:
        """Send nothing more of it that is not on the wire."""
        one = await self._find(job, owner)
        return await self._change(one, (JobState.RUNNING, JobState.PAUSED), JobState.PAUSED, "paused", True)

    async def resume(self, job: int, owner: str | None = None) -> dict[str, Any]:
        """Go on with one that was paused, by somebody or by a limit."""
        one = await self._find(job, owner)
        return await self._change(one, (JobState.PAUSED,), JobState.RUNNING, "resumed", False)

    async def cancel(self, job: int, owner: str | None = None) -> dict[str, Any]:
        """Send nothing more of it, for good."""
        one = await self._find(job, owner)
        before = (JobState.CHECKING, JobState.READY, JobState.RUNNING, JobState.PAUSED)
        return await self._change(one, before, JobState.CANCELLED, "cancelled", True)

    async def _change(
        self, one: dict[str, Any], before: tuple[JobState, ...], state: JobState, done: str, held: bool | None = None
    ) -> dict[str, Any]:  # fmt: skip
        job, flow = one["id"], jobs.flow(one["id"])
        if held and one["state"] in before:
            self._queue.pause(flow)  # at once; if this fails it goes on below
        reason = "paused on request" if state is JobState.PAUSED else ""
        changed = await self._store.change_job(Change(job, before, state, self._store.now(), reason, held))
        if not changed:
            now = await self._find(job, None)
            raise Refused(Reason.CONFLICT, f"job {job} is {_name(now['state'])}: it cannot be {done}")
        self._checks.pop(job, None)
        if held is False:
            self._queue.resume(flow)
        self._runner.changed(job, state)
        return await self.state(job)

    # -- questions

    async def state(self, job: int, owner: str | None = None, refused: int = 0) -> dict[str, Any]:
        """How far it is; `refused`: with so many of the lines that were refused when their turn came."""
        one = await self._find(job, owner)
        told = self._told(one, await self._store.ask(jobs.counts, job))
        told["checked"] = one["checked"]
        if refused:
            told["refused_lines"] = await self._store.ask(jobs.refused, job, refused)
        return told

    async def listed(self, owner: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
        """Jobs, newest first."""
        found = await self._store.ask(jobs.jobs, account=owner, limit=limit)
        return [self._told(one, await self._store.ask(jobs.counts, one["id"])) for one in found]

    async def _find(self, job: int, owner: str | None) -> dict[str, Any]:
        one: dict[str, Any] | None = await self._store.ask(jobs.job, job)
        if one is None or (owner is not None and one["account"] != owner):
            raise _unknown(job)
        return one

    def _told(self, one: dict[str, Any], counts: Mapping[State, int]) -> dict[str, Any]:
        job = one["id"]
        return {
            "id": job,
            "name": one["name"],
            "account": one["account"],
            "state": _name(one["state"]),
            "reason": self._runner.trouble.get(job) or one["reason"] or self._stands(one),
            "made": one["made"],
            "started": one["started"],
            "ended": one["ended"],
            "total": one["total"],
            "done": one["position"],
            "accepted": one["accepted"],
            "refused": one["refused"],
            "messages": {state.name.lower(): n for state, n in sorted(counts.items())},
        }

    def _stands(self, one: Mapping[str, Any]) -> str:
        """Why nobody carries what a job that runs has waiting, "" when somebody does."""
        if one["state"] is not JobState.RUNNING:
            return ""
        queue, flow = self._queue, jobs.flow(one["id"])
        for route in {lane.route for lane in queue.lanes.ready.values() if lane.flow == flow}:
            waits = queue.serving.waits(route, queue.now())
            if not waits:
                return routes.nobody(route)
            if all(why not in ("", "busy") for why in waits.values()):
                return "; ".join(f"{name}: {why}" for name, why in waits.items())
        return ""

    # -- over the control socket

    def verbs(self) -> dict[str, Callable[[Mapping[str, Any]], Any]]:
        """The operator's verbs on jobs."""
        return {
            "job open": self._open_verb,
            "job feed": self._feed_verb,
            "job close": lambda given: self.close(_job(given)),
            "job start": lambda given: self.start(_job(given)),
            "job pause": lambda given: self.pause(_job(given)),
            "job resume": lambda given: self.resume(_job(given)),
            "job cancel": lambda given: self.cancel(_job(given)),
            "job show": lambda given: self.state(_job(given), refused=100 if given.get("refused") else 0),
            "job list": lambda given: self.listed(),
        }

    async def _open_verb(self, given: Mapping[str, Any]) -> int:
        account = given.get("account")
        if account is not None and not isinstance(account, str):
            raise InvalidValue("account: a name is needed")
        return await self.open(account, jobsettings.read(given))

    async def _feed_verb(self, given: Mapping[str, Any]) -> None:
        from base64 import b64decode

        data = given.get("data")
        if not isinstance(data, str):
            raise InvalidValue("data: octets in base64 are needed")
        try:
            octets = b64decode(data, validate=True)
        except ValueError:
            raise InvalidValue("data: octets in base64 are needed") from None
        await self.feed(_job(given), octets)


def _job(given: Mapping[str, Any]) -> int:
    number = given.get("job")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 2**31:
        raise InvalidValue("job: its number is needed")
    return number


def _name(state: JobState) -> str:
    return state.name.lower()


def _not_yet(job: int) -> Refused:
    return Refused(
        Reason.UNAVAILABLE,
        f"the file of this request is still being checked (job {job}): ask again in a moment",
    )


def _unknown(job: int) -> NoSuchJob:
    return NoSuchJob(f"there is no job {job}: smsd job list shows those there are")
