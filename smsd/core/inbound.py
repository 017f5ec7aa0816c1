"""What comes in: octets from a network become parts, parts become messages, messages become deliveries to people.

Everything happens in the store's one transaction (`Receiving`): this module gives it the pure functions that join the TPDUs
of a whole message and decide who gets it (`arriving`), asks what rules have to know first, and wakes the lanes afterwards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from smsd.codec.reassemble import UserContent, assemble, part_key
from smsd.codec.tpdu import Deliver, decode_mt
from smsd.core import partly
from smsd.core.arriving import Arrivals, Arriving, Rulebook
from smsd.core.arriving.trial import TrialDesk, told
from smsd.core.asking import Asker, asked
from smsd.core.pingpong import PingPong
from smsd.core.planning import Planner
from smsd.core.queue import Queue
from smsd.interfaces import IInbound, MessageIn, PartIn
from smsd.policy.reply import Replying
from smsd.policy.rules.letter import Ask, Facts
from smsd.store import replies
from smsd.store.receiving import Arrival, Decided, Desk, Received
from smsd.store.sqlite import SqliteStore
from smsd.values.address import masked
from smsd.values.errors import DecodeError, InvalidValue, Reason, Refused
from smsd.values.message import Binary, Content, IdempotencyKey, Text
from smsd.values.plan import Incoming

__all__ = ["Arrivals", "Inbound", "Replying", "Rulebook"]

MOST_ROUNDS = 20
"""How often one message may have questions; then defaults count."""


@implementer(IInbound)
class Inbound:
    """See `IInbound`. `arriving` decides who gets what; `ask` answers the questions of rules (None: nobody does)."""

    log = Logger()

    def __init__(self, store: SqliteStore, planner: Planner, queue: Queue, ping_pong: PingPong) -> None:
        self._store = store
        self._ping_pong = ping_pong
        self._queue = queue
        self.ask: Asker | None = None
        self.arriving = Arriving(planner, self._carried)
        store.receiving.whole = self._whole
        store.receiving.decide = self._decide

    def use(self, replying: Replying) -> None:
        """Take the settings of replies: the log's writing and reading are the store's, circles are stopped on the way out."""
        self.arriving.replying = replying
        self._store.replies.keep = replying.keep
        self._ping_pong.most = replying.at_once

    def _carried(self, scheme: str) -> bool:
        """Whether answers reach such an address; mail always does, if not at once."""
        return scheme == "mailto" or any(scheme in way.abilities.schemes for way in self._queue.ways())

    def _decide(self, arrival: Arrival, desk: Desk, facts: Facts | None) -> Decided | Ask:
        decided = self.arriving.decide(arrival, desk, facts)
        if isinstance(decided, Decided):
            sender = decided.acceptance.submission.origin.target
            self.log.info(
                "gateway {gateway}: SMS from {sender}", gateway=arrival.gateway, sender=masked(sender)
            )
            self._ping_pong.came(decided.acceptance)
        return decided

    # -- one SMS

    def part(self, incoming: PartIn) -> Deferred[int | None]:
        """See `IInbound`."""
        identity = f"{incoming.slot}|{hashlib.sha256(incoming.octets).hexdigest()}"
        item = Incoming(incoming.gateway, incoming.octets, identity, "", self._store.now())
        try:
            value = decode_mt(incoming.octets)
        except DecodeError as error:
            self.log.warn(
                "gateway {gateway}: an incoming SMS of {n} octets cannot be read ({error}); kept as it is",
                gateway=incoming.gateway, n=len(incoming.octets), error=error,
            )  # fmt: skip
            value = None
        if isinstance(value, Deliver):
            key = part_key("", value)
            concat = value.user_data.concat
            if key is not None and concat is not None:
                item = Incoming(
                    incoming.gateway, incoming.octets, identity, key.sender, item.now,
                    join=f"{key.sender}|{key.width}|{key.reference}|{key.total}", seq=concat.seq, total=key.total,
                )  # fmt: skip

        def known(received: Received) -> int | None:
            if received.repeated:
                self.log.info(
                    "gateway {gateway}: an SMS came again and was already here", gateway=incoming.gateway
                )
            return received.message

        return self._through(lambda facts: self._store.receive(item, facts)).addCallback(known)

    def _whole(self, first: Incoming, octets: list[bytes]) -> Arrival:
        """The message whose parts are all here (or will not come any more)."""
        if partly.is_packed(first):
            return partly.whole(first, octets)
        delivers: list[Deliver] = []
        for part in octets:
            try:
                value = decode_mt(part)
            except DecodeError:
                continue
            if isinstance(value, Deliver):
                delivers.append(value)
        if not delivers:
            content = Binary(b"".join(octets))
            return Arrival(first.gateway, "", content, first.now, (("unreadable", "1"),))
        whole = assemble(delivers)
        stamp = delivers[0].at
        headers = [("date", str(stamp.at))] if stamp is not None else []
        if whole.missing:
            headers.append(("missing-parts", ",".join(str(seq) for seq in whole.missing)))
        return Arrival(first.gateway, delivers[0].sender.text, _content(whole), first.now, tuple(headers))

    # -- a whole message

    def message(self, incoming: MessageIn) -> Deferred[int]:
        """See `IInbound`."""
        now = self._store.now()
        key = IdempotencyKey(f"mo:{incoming.gateway}", incoming.id) if incoming.id else None
        headers = () if incoming.at is None else (("date", str(incoming.at)),)
        arrival = Arrival(
            incoming.gateway, incoming.sender, incoming.content, now, headers, own=incoming.own, key=key,
            hops=incoming.hops,
        )  # fmt: skip
        part = partly.packed(incoming, now) if incoming.total > 1 else None

        def known(received: Received) -> int:
            return received.message or 0

        def failed(failure: Any) -> Any:
            if failure.check(Refused):
                return failure
            self.log.error(
                "an incoming message was not kept because the store failed: {e!r}", e=failure.value
            )
            raise Refused(
                Reason.UNAVAILABLE, "the message could not be stored: please try again later"
            ) from None

        def keep(facts: Facts | None) -> Deferred[Received]:
            return self._store.arrive(arrival, facts) if part is None else self._store.receive(part, facts)

        return self._through(keep).addCallbacks(known, failed)

    # -- both

    def _through(self, call: Callable[[Facts | None], Deferred[Received]]) -> Deferred[Received]:
        """Fires when the message is in the store, after as many rounds of questions as its rules have."""
        return self._round(call, self.arriving.rules.facts(), MOST_ROUNDS)

    def _round(
        self, call: Callable[[Facts | None], Deferred[Received]], facts: Facts, left: int
    ) -> Deferred[Received]:
        def came(received: Received) -> Received | Deferred[Received]:
            if received.questions:
                answers = asked(self.ask, received.questions, facts)
                return answers.addCallback(lambda known: self._round(call, known, left - 1))
            for lane in received.woken:
                self._queue.wake(lane)
            return received

        return call(facts if left else None).addCallback(came)

    # -- questions of people

    async def trial(self, gateway: str, sender: str, text: str, at: int = 0) -> dict[str, Any]:
        """What would become of a message, for `smsd explain --dry-run --incoming`, now or `at` another moment; `seen` is what the
        rules were asked about. Nothing is kept, sent or noted."""
        if gateway and gateway not in self.arriving.arrivals:
            known = ", ".join(sorted(self.arriving.arrivals))
            raise InvalidValue(f"nothing comes in through {gateway!r}; there are {known}")
        arrival = Arrival(gateway, sender, Text(text), at or self._store.now())
        links = await self._store.ask(self._store.replies.links, self.arriving.peer(arrival), arrival.now)
        facts, decided = self.arriving.rules.facts(), None
        for _ in range(MOST_ROUNDS):
            decided = self.arriving.decide(arrival, TrialDesk(links), facts)
            if isinstance(decided, Decided):
                return {**told(decided.acceptance), "seen": self.arriving.seen(arrival, facts)}
            facts = await asked(self.ask, decided.questions, facts)
        raise InvalidValue(f"the rules ask more than {MOST_ROUNDS} questions, one after the other")

    # -- answers by mail

    def peer_of(self, message_id: str) -> Deferred[replies.Wrote | None]:
        """The phone (and its gateway) whose SMS became the mail with this Message-ID, so that a mail in answer to it finds the
        phone whatever became of its address; None when it is unknown."""
        return self._store.ask(replies.peer_of, message_id)


def _content(whole: UserContent) -> Content:
    if whole.text is None:
        return Binary(whole.data, whole.elements)
    # Phones may put NUL or half a surrogate pair into a text; what cannot be held is shown as what it is.
    text = whole.text.replace("\0", "�")
    return Text(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
