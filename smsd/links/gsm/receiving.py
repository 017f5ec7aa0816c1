"""What comes in: messages and reports, handed over directly, announced, or found in a memory.

Acknowledges (+CNMA) and deletes (+CMGD) only after the commit; what could not be committed stays where it is and is
tried again later. Whoever needs a memory selected holds the lock, and leaves the home memory selected.
"""

from __future__ import annotations

import re
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, DeferredLock, fail, succeed
from twisted.logger import Logger

from smsd.codec import at, tpdu
from smsd.codec.at.errors import NOT_READY
from smsd.interfaces import PartIn
from smsd.links.gsm.errors import Lost, Silent
from smsd.links.gsm.session import Urgency
from smsd.links.gsm.startup import subscribe
from smsd.values.delivery import NetworkReport
from smsd.values.errors import DecodeError

if TYPE_CHECKING:
    from smsd.interfaces import GatewayContext
    from smsd.links.gsm.session import Dialogue
    from smsd.links.gsm.startup import Modem

RECEIVED = (0, 1)  # stat of +CMGL and +CMGR: unread, read; 2 and 3 are messages of our own
MAX_CUT = 100
LATER = 30.0  # after a commit that failed
FULL = re.compile(r"(\*SMSFULL|\^SMMEMFULL|\+CIEV: ?\"?SMSFULL)")


class CutShort(Exception):
    """A PDU has fewer octets than the modem stated: noise on the line, or a modem that cannot count."""


class Receiver:
    """Receives over one open line."""

    log = Logger()

    def __init__(self, context: GatewayContext, gateway: str, dialogue: Dialogue, modem: Modem) -> None:
        self._context = context
        self._clock = context.reactor
        self._gateway = gateway
        self._dialogue = dialogue
        self._modem = modem
        self._lock = DeferredLock()
        self._selected = modem.home
        self._memories = list(modem.memories) or [""]
        self._sweeping = False
        self._again: Any = None
        self._cut: set[str] = set()
        self._miscounts = False
        self._full = [re.compile(pattern) for pattern in modem.profile.full]

    def stop(self) -> None:
        """The line is closing."""
        if self._again is not None and self._again.active():
            self._again.cancel()

    def news(self, event: at.Event) -> None:
        """An event that answers no command."""
        if isinstance(event, at.Incoming):
            self._direct(event)
        elif isinstance(event, at.Stored):
            self._go(self._fetch(event))
        elif isinstance(event, at.Notice) and (
            FULL.match(event.line) or any(pattern.match(event.line) for pattern in self._full)
        ):
            self.log.warn(
                "{gateway}: the modem's memory is full, it is read and emptied", gateway=self._gateway
            )
            self.sweep()

    def sweep(self) -> Deferred[None]:
        """Read every memory, keep what is in it, and delete what was kept."""
        return self._go(self._sweep())

    def upkeep(self) -> Deferred[None]:
        """See that news are still switched on: a modem drops them when it was left without +CNMA, or restarted."""
        busy = self._dialogue.silences or not self._modem.notify
        return succeed(None) if busy else self._go(self._upkeep())

    async def _upkeep(self) -> None:
        answer = await self._ask("AT+CNMI?")
        found = [min(values, default=-1) for values in at.notify_ranges(answer.lines)]
        wanted = [int(value) for value in self._modem.notify.split(",")]
        if answer.ok and len(found) >= 4 and (found[1], found[3]) != (wanted[1], wanted[3]):
            self.log.info("{gateway}: news of messages were off, switched on again", gateway=self._gateway)
            await self._subscribe()
            self.sweep()  # what came meanwhile lies in a memory, announced to nobody

    async def _subscribe(self) -> None:
        await subscribe(self._dialogue, self._modem.notify, self._modem.acknowledge)

    def _go(self, work: Coroutine[Deferred[Any], Any, Any]) -> Deferred[None]:
        """Run `work`; a modem that fell silent or away is the supervisor's business, what was not read stays there."""
        done: Deferred[Any] = Deferred.fromCoroutine(work)
        done.addCallback(lambda _: None)
        done.addErrback(lambda failure: failure.trap(Silent, Lost) and None)
        done.addErrback(self._failed)
        return done

    def _failed(self, failure: Any) -> None:
        if failure.check(CutShort):
            self.log.warn("{gateway}: {error}", gateway=self._gateway, error=str(failure.value))
            self._try_later()
            return
        self.log.failure(
            "{gateway}: a received message was not kept; it is tried again", failure, gateway=self._gateway
        )
        self._try_later()

    def _try_later(self) -> None:
        if self._dialogue.alive and (self._again is None or not self._again.active()):
            self._again = self._clock.callLater(LATER, self._tried_later)

    def _tried_later(self) -> None:
        """After a message was left unacknowledged the modem has switched its news off (27.005 3.4.1)."""
        if self._modem.notify:
            self._go(self._subscribe())
        self.sweep()

    async def _ask(self, text: str, urgency: Urgency = Urgency.UPKEEP) -> at.Answer:
        return await self._dialogue.ask(text, urgency=urgency)

    def _direct(self, event: at.Incoming) -> None:
        """+CMT and +CDS: nothing else is waited for before the commit."""
        kept = self._keep(event.pdu, "", event.length)
        kept.addCallback(lambda _: self._go(self._acknowledge()))
        kept.addErrback(self._failed)

    async def _acknowledge(self) -> None:
        if not self._modem.acknowledge:
            return
        answer = await self._ask("AT+CNMA", Urgency.ACKNOWLEDGE)
        if answer.outcome.code == 340:  # too late, or it has forgotten that it has to wait
            await self._ask("AT+CSMS=1")
        elif not answer.ok:
            self.log.info(
                "{gateway}: +CNMA answered {text}", gateway=self._gateway, text=answer.outcome.text[:60]
            )
            await self._subscribe()

    def _keep(self, pdu: str, slot: str, length: int) -> Deferred[Any]:
        """Hand a PDU inwards; fires after the commit. `length` is the number of octets that the modem stated."""
        octets = bytes.fromhex(pdu[: len(pdu) & ~1])
        try:
            octets = tpdu.split_smsc(octets)[1]
            if self._is_cut(pdu, length - len(octets), slot):
                return fail(CutShort(f"{length - len(octets)} octets of a PDU are missing; it is read again"))
            if octets and octets[0] & 3 == 2:
                report = tpdu.decode_mt(octets)
                if isinstance(report, tpdu.StatusReport):
                    return self._reported(report)
        except DecodeError as error:
            self.log.warn("{gateway}: unreadable PDU: {error}", gateway=self._gateway, error=str(error))
        return self._context.inbound.part(PartIn(self._gateway, octets, slot))

    def _is_cut(self, pdu: str, missing: int, slot: str) -> bool:
        """Whether to wait for a better copy. The same one twice means that this modem states wrong lengths."""
        if missing <= 0 or self._miscounts or not (slot or self._modem.acknowledge):
            return False
        if pdu in self._cut:
            self._miscounts = True
            return False
        if len(self._cut) >= MAX_CUT:
            self._cut.clear()
        self._cut.add(pdu)
        return True

    def _reported(self, report: tpdu.StatusReport) -> Deferred[Any]:
        at_time, submitted = report.discharged, report.at
        return self._context.outlet.reported(
            NetworkReport(
                reference=str(report.reference),
                number=report.recipient.text,
                status=tpdu.status_kind(report.status),
                detail=f"{report.status:#04x} {tpdu.status_words(report.status)}",
                at=None if at_time is None else at_time.at,
                submitted=None if submitted is None else submitted.at,
            )
        )

    async def _select(self, memory: str) -> bool:
        if memory in ("", self._selected):
            return True
        answer = await self._ask(f'AT+CPMS="{memory}"')
        if answer.ok:
            self._selected = memory
        return answer.ok

    async def _fetch(self, event: at.Stored) -> None:
        """One announced message: read, keep, delete; in its own memory."""
        memory = event.memory or self._modem.home
        await self._lock.acquire()
        try:
            if not await self._select(memory):
                self.log.warn(
                    "{gateway}: memory {memory} cannot be read", gateway=self._gateway, memory=memory
                )
                return
            if memory not in self._memories:  # if this fails, or a later one is lost, it must be found again
                self._memories.append(memory)
            answer = await self._ask(f"AT+CMGR={event.index}")
            slot = at.record(answer.lines) if answer.ok else None
            if slot is not None and slot.stat in RECEIVED:
                await self._keep(slot.pdu, f"{memory}:{event.index}", slot.length)
                await self._delete(event.index)
            elif not answer.ok and answer.outcome.code != 321:
                self._try_later()
        finally:
            await self._home()

    async def _home(self) -> None:
        try:
            if self._modem.home and self._dialogue.alive:
                await self._select(self._modem.home)
        finally:
            self._lock.release()

    async def _delete(self, index: int) -> None:
        answer = await self._ask(f"AT+CMGD={index}")
        if not answer.ok and answer.outcome.code != 321:
            self.log.warn(
                "{gateway}: message {index} was kept but could not be deleted ({text})",
                gateway=self._gateway,
                index=index,
                text=answer.outcome.text[:60],
            )

    async def _sweep(self) -> None:
        if self._sweeping or not self._modem.receives:
            return
        self._sweeping = True
        try:
            await self._lock.acquire()
            try:
                for memory in tuple(self._memories):
                    if await self._select(memory):
                        await self._read_all(memory)
            finally:
                await self._home()
        finally:
            self._sweeping = False

    async def _read_all(self, memory: str) -> None:
        """Everything received that lies in the selected memory. The commits run together, the deletions in turn."""
        answer = await self._ask("AT+CMGL=4")
        if not answer.ok:
            if (answer.outcome.kind, answer.outcome.code) in NOT_READY:
                self._try_later()
            return
        kept = [
            (slot.index, self._kept(self._keep(slot.pdu, f"{memory}:{slot.index}", slot.length)))
            for slot in at.listing(answer.lines)
            if slot.stat in RECEIVED
        ]
        if kept:
            self.log.info(
                "{gateway}: {n} messages found in {memory}", gateway=self._gateway, n=len(kept), memory=memory
            )
        for index, commit in kept:
            if await commit:
                await self._delete(index)

    def _not_kept(self, failure: Any) -> bool:
        self._failed(failure)
        return False

    def _kept(self, commit: Deferred[Any]) -> Deferred[bool]:
        """Whether the commit went through; a failure is logged and tried later."""
        return commit.addCallbacks(lambda _: True, self._not_kept)
