"""A spool folder as a door (`type: spool`): programs written for SMSTools3 or gammu-smsd put files into a folder.

A file that was moved here is taken at once, one that is written here when it has stayed the same for a while. It is committed, then
moved to `checked`, and lies in `sent` or `failed` when that is known (`smsd.gateways.spool`). Its identity is the message's, so a
crash between commit and move makes no second message of it. Bad files go to `failed` with the reason.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from twisted.application.service import Service
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from smsd.codec.spool import gammu, smstools
from smsd.codec.spool.values import Asked
from smsd.config.spool import SpoolSettings as Settings
from smsd.core.accounts import Vouched
from smsd.core.spool import files
from smsd.core.spool.fates import fail_file
from smsd.core.spool.files import Found, Stamp
from smsd.interfaces import FrontendContext, IAccount, IFrontend
from smsd.values.address import Address
from smsd.values.errors import InvalidValue, Reason, Refused, storable
from smsd.values.message import Declined, IdempotencyKey, Receipt, Recipient, Submission, Ticket, Wants

AT_ONCE = 50
"""Files that are handed in together: they share a commit."""
REST = 10.0
"""Seconds until files are tried again that nothing could be done with just now."""
STUCK = 60.0
"""Seconds until a bad file that could not be moved away is looked at again."""
_LATER = (Reason.UNAVAILABLE, Reason.SLOW_DOWN, Reason.NO_GATEWAY)
__all__ = ["Settings", "make"]


@implementer(IFrontend)
class Spool(Service):
    """The door of one folder."""

    log = Logger()

    name: str

    def __init__(self, settings: Settings, context: FrontendContext) -> None:
        self.name = settings.id
        self.settings = settings
        self.context = context
        self._outgoing, self._checked = settings.place("outgoing"), settings.place("checked")
        self._seen: dict[str, tuple[Stamp, float]] = {}
        self._moved: set[str] = set()
        self._stuck: dict[str, tuple[Stamp, float]] = {}
        self._rests_until = 0.0
        self._trouble = ""
        self._busy: Deferred[None] | None = None
        self._again = False
        self._notifier: Any = None
        self._loop = LoopingCall(self.look)
        self._loop.clock = context.reactor

    def startService(self) -> None:
        """OSError when the folders cannot be made."""
        files.make(self.settings.places())
        super().startService()
        self._notifier = _notify(self.context.reactor, self._outgoing, self._noticed)
        self._loop.start(self.settings.poll)

    def stopService(self) -> Deferred[None]:
        """Fires when the files at hand are done with."""
        super().stopService()
        if self._loop.running:
            self._loop.stop()
        if self._notifier is not None:
            self._notifier.loseConnection()
            self._notifier = None
        if self._busy is None:
            return succeed(None)
        done: Deferred[None] = Deferred()
        self._busy.addBoth(lambda _: done.callback(None))
        return done

    def _noticed(self, name: str) -> None:
        """A whole file was moved here."""
        self._moved.add(name)
        self.look()

    def look(self) -> None:
        """See what is there."""
        if self._busy is not None:
            self._again = True
            return
        if self.context.reactor.seconds() < self._rests_until or not self.running:
            return
        self._busy = Deferred.fromCoroutine(self._look())
        self._busy.addErrback(self._broken).addBoth(self._looked)

    def _looked(self, _: Any) -> None:
        self._busy = None
        if self._again and self.running:
            self._again = False
            self.context.reactor.callLater(0, self.look)

    def _broken(self, failure: Failure) -> None:
        self._rests_until = self.context.reactor.seconds() + REST
        if failure.check(OSError):
            self._say(f"the spool folder cannot be used: {failure.value}")
        else:
            self.log.failure("{door}: the spool folder failed; it is tried again", failure, door=self.name)

    def _say(self, trouble: str) -> None:
        """Once, not every second."""
        if trouble != self._trouble:
            self._trouble = trouble
            if trouble:
                self.log.warn("{door}: {trouble}", door=self.name, trouble=trouble)

    def _thread(self, call: Any, *args: Any) -> Deferred[Any]:
        reactor = self.context.reactor
        return deferToThreadPool(reactor, reactor.getThreadPool(), call, *args)

    # -- which files

    async def _look(self) -> None:
        is_order = gammu.is_order if self.settings.dialect == "gammu" else _any_name
        there: dict[str, Stamp] = await self._thread(files.stamps, self._outgoing, is_order)
        ready = self._ready(there)
        for at in range(0, len(ready), AT_ONCE):
            if not self.running:
                return
            found = await self._thread(
                files.read, self._outgoing, ready[at : at + AT_ONCE], self.settings.max_size
            )
            if not await self._hand_in([one for one in found if one.stamp == there[one.name]]):
                self._rests_until = self.context.reactor.seconds() + REST
                return
        self._say("")

    def _ready(self, there: dict[str, Stamp]) -> list[str]:
        """Those that are whole, oldest first; gammu's by their names."""
        now = self.context.reactor.seconds()
        self._seen = {
            name: known if (known := self._seen.get(name)) and known[0] == stamp else (stamp, now)
            for name, stamp in there.items()
        }
        whole = [
            name
            for name, (_, since) in self._seen.items()
            if name in self._moved or now - since >= self.settings.settle
        ]
        self._moved.difference_update(there)
        self._stuck = {
            name: known
            for name, known in self._stuck.items()
            if there.get(name) == known[0] and now < known[1]
        }
        whole = [name for name in whole if name not in self._stuck]
        if self.settings.dialect == "gammu":
            return sorted(whole)
        return sorted(whole, key=lambda name: (there[name].modified, name))

    # -- what they become

    async def _hand_in(self, found: list[Found]) -> bool:
        """Make messages of files, then move them; False when the rest has to wait."""
        account = await self._account()
        if account is False:
            return False
        results: list[tuple[bool, Any]]
        pending: list[Found] = []
        submitting: list[Deferred[Receipt]] = []
        bad: list[tuple[Found, str]] = []
        for one in found:
            try:
                submission = self._submission(one, account)
            except (InvalidValue, Refused) as error:
                bad.append((one, str(error)))
                continue
            pending.append(one)
            submitting.append(self.context.dispatcher.submit(submission))
        taken, wait = [], ""
        results = await DeferredList(submitting, consumeErrors=True)
        for one, (good, result) in zip(pending, results, strict=True):
            refusal = _refusal(result)
            if good and refusal is None:
                taken.append(one)
            elif refusal is None:
                raise result.value
            elif refusal.reason in _LATER:
                wait = refusal.text
            else:
                bad.append((one, refusal.text))
        await self._thread(files.take, self._outgoing, self._checked, taken)
        for one, why in bad:
            now = self.context.reactor.seconds()
            try:
                await self._thread(fail_file, self.settings, one, why, int(now * 1000))
            except OSError as error:  # the others are taken all the same
                self._stuck[one.name] = (one.stamp, now + STUCK)
                why = f"{why}; and it cannot be moved away: {error.strerror}"
            self.log.info("{door}: {name} was not taken: {why}", door=self.name, name=one.name, why=why)
        if taken:
            self.log.info("{door}: {n} files were taken", door=self.name, n=len(taken))
        if wait:
            self._say(f"files wait: {wait}")
        return not wait

    async def _account(self) -> Any:
        """The account that pays, None for none, False when it cannot be used now."""
        name = self.settings.account
        if name is None:
            return None
        try:
            _, avatar, _ = await self.context.portal.login(Vouched(name, ""), None, IAccount)
        except (UnauthorizedLogin, Refused) as error:
            self._say(f"files wait: account {name!r} cannot be used: {error}")
            return False
        return avatar

    def _submission(self, one: Found, account: Any) -> Submission:
        if one.octets is None:
            raise InvalidValue(one.trouble)
        storable(one.name)
        if len(one.name.encode()) > files.LONGEST_NAME:
            raise InvalidValue(f"the name of the file is longer than {files.LONGEST_NAME} octets")
        asked = self._read(one.name, one.octets)
        parameters = asked.parameters
        if asked.queue:
            parameters = replace(parameters, gateway=self._gateway(asked.queue))
        if parameters.max_parts is None and self.settings.max_parts is not None:
            parameters = replace(parameters, max_parts=self.settings.max_parts)
        last = len(asked.contents) - 1
        wants = Wants.FAILURE | (Wants.SUCCESS if asked.report else Wants.NOTHING)
        who: str | None = None if account is None else account.name
        return Submission(
            door=self.name,
            origin=Address("door", self.name) if who is None else Address("account", who),
            recipients=tuple(
                Recipient(
                    Address("sms", asked.number), asked.number, parameters,
                    wants=wants | Wants.SENT if number == last else wants,
                    content=content if last else None,
                )
                for number, content in enumerate(asked.contents)
            ),
            content=asked.contents[0],
            account=who,
            # The mark is the file's place in `checked`.
            ticket=Ticket(Address("spool", f"{self.name}/{one.name}.{one.mark}"), full=False),
            wants=wants,
            key=IdempotencyKey(f"spool:{self.name}", f"{one.name}|{one.mark}"),
        )  # fmt: skip

    def _read(self, name: str, octets: bytes) -> Asked:
        if self.settings.dialect == "gammu":
            return gammu.read(name, octets)
        return smstools.read(octets, self._include if self.settings.includes else None)

    def _include(self, name: str) -> bytes:
        """The file that a header names: only one that lies in the folder for them."""
        folder = os.path.realpath(self.settings.includes or "")
        path = os.path.realpath(os.path.join(folder, name))
        if os.path.dirname(path) != folder:
            raise InvalidValue(f"Include: only files in {folder} may be included")
        found = files.read(folder, [os.path.basename(path)], self.settings.max_size)
        if not found or found[0].octets is None:
            raise InvalidValue(f"Include: {os.path.basename(path)} cannot be read")
        return found[0].octets

    def _gateway(self, queue: str) -> str:
        gateway = self.settings.queues.get(queue, queue)
        if gateway not in self.context.gateways:
            raise InvalidValue(f"there is no gateway for Provider or Queue {queue[:40]!r}: name it in queues")
        return gateway


def _any_name(name: str) -> bool:
    return True


def _refusal(result: Any) -> Refused | None:
    """Why a file was not taken, when it was refused."""
    if isinstance(result, Failure):
        return result.value if isinstance(result.value, Refused) else None
    declined = [entry.refusal for entry in result.recipients if isinstance(entry, Declined)]
    return declined[0] if len(declined) == len(result.recipients) else None


def _notify(reactor: Any, folder: str, noticed: Any) -> Any:
    """Tells of files that are moved into a folder; None where that cannot be had, and polling has to do."""
    try:
        from twisted.internet import inotify
        from twisted.python.filepath import FilePath

        notifier = inotify.INotify(reactor)
        notifier.startReading()
    except Exception:  # no inotify here, or no more of it: whatever it is, there is polling
        return None
    notifier.watch(
        FilePath(folder),
        mask=inotify.IN_MOVED_TO,
        callbacks=[lambda _, path, mask: noticed(os.fsdecode(path.basename()))],
    )
    return notifier


def make(settings: Settings, context: FrontendContext) -> Spool:
    """The door for these settings."""
    return Spool(settings, context)
