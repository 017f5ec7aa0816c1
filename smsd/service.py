"""The composition root: settings become store, core, gateways and doors, started and stopped in order, each awaited.

Start: store, recovery, gateways, queue, doors; stop in reverse. A reload (SIGHUP) leaves alone what is equal, drains and
rebuilds what changed; a broken file leaves the running configuration in force. Nothing else in the house knows all rooms.
"""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, TimeoutError, maybeDeferred
from twisted.internet.error import BindError
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from smsd import __version__, welcome
from smsd.config.load import load
from smsd.config.positions import ConfigError
from smsd.config.settings import Configuration
from smsd.core.auditing import befores
from smsd.core.control import Control
from smsd.core.overrides import Overrides
from smsd.frontends.control import ControlDoor
from smsd.house import House
from smsd.inventory import inventory
from smsd.logs import Logs
from smsd.notify import Notifier
from smsd.privileges import Privileges
from smsd.values.errors import InvalidValue

PATIENCE = 20.0
"""How long stopping may take altogether, in seconds; every step gets at least one."""


class Server(Service):
    """A running smsd. `started` fires when it is open for messages, and fails when it cannot be.

    `failed` is called once when the start fails, before the reactor is stopped.
    """

    log = Logger()

    def __init__(
        self,
        configuration: Configuration,
        reactor: Any,
        *,
        notifier: Notifier,
        privileges: Privileges,
        logs: Logs | None = None,
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        self.configuration = configuration
        self.started: Deferred[None] = Deferred()
        self._reactor = reactor
        self._notifier = notifier
        self._privileges = privileges
        self._logs = logs
        self._failed = failed
        self._undo: list[tuple[str, Callable[[], Any]]] = []
        self._reloading = False
        self._reload_again = False
        self._began = reactor.seconds()
        self._old_hangup: Any = None
        self.house: House | None = None

    # -- start and stop

    def startService(self) -> None:
        """Begin; what cannot be known at once is told by `started`."""
        super().startService()
        self._listen_for_hangup()
        Deferred.fromCoroutine(self._start()).addErrback(self._not_started).chainDeferred(self.started)
        self.started.addErrback(lambda _: None)

    async def _start(self) -> None:
        self._privileges.lower()
        file = self.configuration
        house = self.house = House(file, self._reactor)
        self._then("store", await maybeDeferred(house.open_store))
        overrides = Overrides(house.store, file, self._use)
        await overrides.load()
        self.overrides = overrides
        self._use(overrides.effective())
        await house.book.load()
        await house.knowing.load()
        await house.tokens.load()
        self._then("tokens", house.tokens.stop)
        control = house.clerk.control = self._control(house)
        control.add(house.importer.verbs())
        control.add(house.auditor.verbs())
        control.add(house.protection.verbs())
        house.auditor.before = befores(house.store, house.book, overrides, house.tokens)
        recovered = await house.recover()
        if recovered:
            self.log.info("{n} deliveries were on the wire when the last run ended", n=recovered)
        self._then("simulators", house.simulators.stop)
        self._complain(await house.simulators.become(house.workshop.simulators(file)))
        await house.rulework.look()
        self._then("gateways", house.gateways.stop)
        self._complain(await house.gateways.become(house.workshop.gateways(file)))
        self._then("queue", await house.start_queue())
        with self._privileges.raised():
            self._then("ports", house.ports.close)
            self._then("doors", house.doors.stop)
            troubles = await house.doors.become(house.workshop.doors(file))
            house.ports.hold()
        if troubles:
            raise InvalidValue("; ".join(troubles))
        self._then("timed messages", house.clocks.stop)
        await house.clocks.start()
        door = ControlDoor(file.control.path, control, self._reactor)
        door.startService()
        self._then("control", door.stopService)
        self._privileges.drop()
        self._open()

    def _open(self) -> None:
        if self._notifier.watchdog_seconds:
            alive = LoopingCall(self._notifier.watchdog)
            alive.clock = self._reactor
            alive.start(self._notifier.watchdog_seconds)
            self._then("watchdog", alive.stop)
        self._notifier.ready(f"smsd {__version__} takes messages")
        self.log.info("smsd {version} takes messages", version=__version__)
        for warning in self.configuration.warnings:
            self.log.warn("{path}: {warning}", path=self.configuration.path, warning=warning)
        if self._logs is not None:
            self._logs.say("".join(f"{line}\n" for line in welcome.lines(self.configuration)))
        if self._reload_again:
            self._reload_again = False
            self._reactor.callLater(0, self._hangup)

    def _not_started(self, failure: Any) -> Any:
        if failure.check(InvalidValue, OSError, LookupError, BindError, sqlite3.Error):
            self.log.critical("smsd cannot start: {reason}", reason=failure.getErrorMessage())
        else:
            self.log.failure("smsd cannot start", failure)
        self._failed()
        self._reactor.callWhenRunning(self._reactor.stop)
        return failure

    def stopService(self) -> Deferred[None]:
        """Close the doors, let what is on the wire finish, then close the store; bounded by `PATIENCE`."""
        super().stopService()
        self._notifier.stopping()
        if self._old_hangup is not None:
            signal.signal(signal.SIGHUP, self._old_hangup)
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        deadline = self._reactor.seconds() + PATIENCE
        while self._undo:
            what, stop = self._undo.pop()
            patience = max(deadline - self._reactor.seconds(), 1.0)
            try:
                await maybeDeferred(stop).addTimeout(patience, self._reactor)
            except TimeoutError:
                self.log.warn("{what}: not finished after {seconds:.0f} s", what=what, seconds=patience)
            except (OSError, InvalidValue) as error:
                self.log.error("{what}: {error}", what=what, error=error)
        self.log.info("smsd has stopped")

    def clock_was_set(self, step: float) -> None:
        """Somebody has set the clock forward by so many seconds: what waits for a time looks again."""
        self._began += step
        if self.house is not None and self.started.called and self.running:
            self.house.clock_was_set(step)

    def _then(self, what: str, stop: Callable[[], Any]) -> None:
        self._undo.append((what, stop))

    def _complain(self, troubles: list[str]) -> None:
        """A gateway that cannot start hinders nobody else; its messages wait (the keeper has logged why)."""
        if troubles:
            self.log.warn("{n} of the configuration's services did not start", n=len(troubles))

    # -- reload

    def _listen_for_hangup(self) -> None:
        try:
            self._old_hangup = signal.signal(
                signal.SIGHUP, lambda *_: self._reactor.callFromThread(self._hangup)
            )
        except ValueError:
            return  # not in the main thread: nobody can send us one

    def _hangup(self) -> None:
        Deferred.fromCoroutine(self.reload()).addErrback(
            lambda failure: self.log.failure("the reload failed", failure)
        )

    async def reload(self) -> list[str]:
        """Read the file again and become what it says; gives what could not be done, and warnings. One reload at a time."""
        if self._reloading or not self.started.called:
            self._reload_again = True
            return ["a reload is already under way; another one follows it"]
        self._reloading = True
        self._notifier.reloading()
        try:
            return await self._reload()
        finally:
            self._notifier.ready(f"smsd {__version__} takes messages")
            self._reloading = False
            if self._reload_again and self.running:
                self._reload_again = False
                self._reactor.callLater(0, self._hangup)

    async def _reload(self) -> list[str]:
        assert self.house is not None
        try:
            pool = self._reactor.getThreadPool()
            new = await deferToThreadPool(self._reactor, pool, self._read, self.configuration.path)
        except ConfigError as error:
            problems = str(error).splitlines()
            for problem in problems:
                self.log.error("reload: {problem}", problem=problem)
            self.log.error("reload: the running configuration stays in force")
            return problems
        if not self.running:
            return ["the server has stopped"]
        assert self.house is not None
        clashes = self.house.accounts.directory.clashes(
            {"account": new.accounts, "group": new.account_groups, "policy": new.policies}
        )
        if clashes:
            for clash in clashes:
                self.log.error("reload: {clash}", clash=clash)
            self.log.error("reload: the running configuration stays in force")
            return clashes
        troubles = _needs_restart(self.configuration, new)
        self.configuration = self.overrides.file = new
        house = self.house
        self._use(self.overrides.effective())
        await house.rulework.look()
        troubles += await house.simulators.become(house.workshop.simulators(new))
        gateways = house.workshop.gateways(new)
        house.queue.serving.keep(gateways)
        try:
            troubles += await house.gateways.become(gateways)
        finally:
            house.queue.serving.keep(())
        house.queue.release()
        troubles += await house.doors.become(house.workshop.doors(new))
        troubles += [f"warning: {doubt}" for doubt in (*house.book.doubts(), *house.tokens.doubts())]
        house.ports.hold()
        house.ports.sweep()
        for trouble in troubles:
            self.log.warn("reload: {trouble}", trouble=trouble)
        self.log.info("{path} is in force", path=new.path)
        return troubles

    def _read(self, path: str) -> Configuration:
        """Runs in a thread: ten thousand rules take seconds, and messages go on meanwhile."""
        new = load(path)
        assert self.house is not None
        self.house.rulework.prepare(new.rules)
        return new

    def _use(self, effective: Configuration) -> None:
        """Take what needs nothing rebuilt: limits, accounts, log levels."""
        assert self.house is not None
        self.house.use(effective)
        if self._logs is not None:
            self._logs.use(effective.log)

    # -- the operator

    def _control(self, house: House) -> Control:
        return Control(
            store=house.store,
            dispatcher=house.dispatcher,
            queue=house.queue,
            overrides=self.overrides,
            explainer=house.explainer,
            status=self.status,
            reload=self.reload,
            timed=house.clocks.listed,
            callbacks=house.callbacks,
            tokens=house.tokens,
            jobs=house.jobs,
            accounts=house.book,
            billing=house.billing,
            audit=house.auditor,
        )

    def status(self) -> dict[str, Any]:
        """What runs, for people."""
        assert self.house is not None
        return {
            "version": __version__,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "uptime_seconds": int(self._reactor.seconds() - self._began),
            "configuration": self.configuration.path,
            **inventory(self.house, self.configuration),
        }


def _needs_restart(old: Configuration, new: Configuration) -> list[str]:
    """What a running server cannot take over."""
    fixed = {
        "server.folder": (old.folder, new.folder),
        "server.time_zone": (old.server.time_zone, new.server.time_zone),
        "server.user": (old.server.user, new.server.user),
        "server.group": (old.server.group, new.server.group),
        "server.percent_logins": (old.server.percent_logins, new.server.percent_logins),
        "store.path": (old.store.path, new.store.path),
        "control.path": (old.control.path, new.control.path),
    }
    return [f"{key} changes with the next start" for key, (before, after) in fixed.items() if before != after]
