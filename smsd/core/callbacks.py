"""What programs that are told by HTTP get from the core: their way back, their events when they fetch them, and dead events again.

A cursor names the events that were handed out with it, all of them and nothing else: ids are made before their commit, so a
later commit may bring an earlier id, and a cursor that meant "all up to here" would pass over that.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from smsd.codec.webhooks import Event, event
from smsd.config.subscribers import gateway_of
from smsd.core.queue import Queue
from smsd.core.subscribers import MINUTES, Subscribers
from smsd.interfaces import ICallbacks
from smsd.store import events, operating
from smsd.store.sqlite import SqliteStore
from smsd.values.address import Address
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.message import Wants

START = "0"
"""The cursor that stands for nothing."""
MOST = 500
"""Events that are handed out at once."""
AT_ONCE = 500
_LONGEST = 16_000


@implementer(ICallbacks)
class Callbacks:
    """See `ICallbacks`. `resume` lets a gateway go on that has stopped."""

    def __init__(
        self,
        store: SqliteStore,
        queue: Queue,
        subscribers: Subscribers,
        resume: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._store = store
        self._queue = queue
        self.subscribers = subscribers
        self.resume = resume

    def way_back(
        self, account: str | None, named: str | None = None, events: Iterable[str] | None = None
    ) -> tuple[Address, Wants] | None:
        """See `ICallbacks`."""
        return self.subscribers.way_back(account, named, events)

    # -- fetching

    def fetch(self, account: str, named: str | None, cursor: str, limit: int) -> Deferred[Any]:
        """See `ICallbacks`."""
        return Deferred.fromCoroutine(self._fetch(account, named, cursor, limit))

    async def _fetch(
        self, account: str, named: str | None, cursor: str, limit: int
    ) -> tuple[list[Event], str]:
        gateway = self.subscribers.fetching(account, named).gateway
        confirmed = read_cursor(cursor)
        if confirmed:
            await self._store.confirm(events.Confirmed(gateway, confirmed, self._store.now()))
        pieces = await self._store.ask(events.waiting, gateway, min(limit, MOST))
        return [told for piece in pieces if (told := event(piece))], make_cursor(
            [piece.delivery for piece in pieces]
        )

    # -- the operator

    async def find(self, subscriber: str, dead: bool, before: int, limit: int) -> list[dict[str, Any]]:
        """Events that wait or, if `dead`, those that expired or were refused; newest first."""
        found: list[dict[str, Any]] = await self._store.ask(
            events.find, gateway=self._gateway(subscriber), dead=dead, before=before, limit=limit
        )
        return found

    async def replay(self, delivery: int) -> int:
        """Tell one event again, under the same id, whatever became of it; gives how many that were."""
        gateway = await self._store.ask(events.gateway_of, delivery)
        await self._again(gateway, [delivery])
        return 1

    async def replay_dead(self, subscriber: str) -> int:
        """The same for all dead events, those of one subscriber or of all (""); oldest first."""
        gateway, after, count = self._gateway(subscriber), 0, 0
        while deliveries := await self._store.ask(events.dead, gateway, after, AT_ONCE):
            await self._again(gateway, deliveries)
            count, after = count + len(deliveries), deliveries[-1]
        if gateway:
            self._go_on(gateway)
        return count

    async def _again(self, gateway: str, deliveries: list[int]) -> None:
        now = self._store.now()
        expires = now + int(self.subscribers.days(gateway) * MINUTES) * 60_000
        # In one group, and so in one commit; what has just changed by itself is left as it is.
        calls = [
            self._store.control(operating.Verb("retry", delivery, now, expires)) for delivery in deliveries
        ]
        lanes: set[int] = set()
        for call in calls:
            try:
                lanes.update(await call)
            except InvalidValue:
                if len(calls) == 1:
                    raise
        if gateway:
            self._go_on(gateway)
        for lane in lanes:
            self._queue.wake(lane)

    def _go_on(self, gateway: str) -> None:
        """It may have stopped for ever, or rest for long."""
        self.resume(gateway)
        self._queue.release(gateway)

    def _gateway(self, subscriber: str) -> str:
        if not subscriber:
            return ""
        if subscriber not in self.subscribers.names:
            raise InvalidValue(
                f"there is no subscriber {subscriber!r}; there are: {', '.join(self.subscribers.names) or 'none'}"
            )
        return gateway_of(subscriber)


def make_cursor(deliveries: Iterable[int]) -> str:
    """The cursor for events that are handed out: their ids, as differences, seven bits an octet."""
    octets, last = bytearray(), 0
    for delivery in sorted(deliveries):
        step, last = delivery - last, delivery
        while step > 0x7F:
            octets.append(0x80 | step & 0x7F)
            step >>= 7
        octets.append(step)
    return base64.urlsafe_b64encode(octets).decode("ascii").rstrip("=") if octets else START


def read_cursor(cursor: str) -> tuple[int, ...]:
    """The ids in a cursor; Refused for what none of ours is."""
    if cursor in ("", START):
        return ()
    try:
        if len(cursor) > _LONGEST:
            raise ValueError
        octets = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _strange() from None
    found, last, value, shift = [], 0, 0, 0
    for octet in octets:
        value |= (octet & 0x7F) << shift
        shift += 7
        if shift > 63:
            raise _strange()
        if not octet & 0x80:
            last += value
            found.append(last)
            value, shift = 0, 0
    if shift or last >= 1 << 63 or len(found) > MOST:
        raise _strange()
    return tuple(found)


def _strange() -> Refused:
    return Refused(
        Reason.BAD_REQUEST, "after is no cursor of ours: give back the one of the last answer, or 0"
    )
