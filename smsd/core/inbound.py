"""What comes in: octets from a network become parts, parts become messages, messages become deliveries to people.

Everything happens in the store's one transaction (`Receiving`): this module gives it the pure function that turns the TPDUs
of a whole message into an acceptance, and wakes the lanes afterwards. Until rules decide, an incoming message goes to the
mailbox of its gateway (`deliver_to`); without one it is held, never lost.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from smsd.codec.number import normalise
from smsd.codec.reassemble import UserContent, assemble, part_key
from smsd.codec.tpdu import Deliver, decode_mt
from smsd.core.dispatcher import Dispatcher
from smsd.core.planning import Planner, held
from smsd.core.queue import Queue
from smsd.interfaces import IInbound, MessageIn, PartIn
from smsd.store.receiving import Received
from smsd.store.sqlite import SqliteStore
from smsd.values.address import Address, masked
from smsd.values.delivery import State
from smsd.values.errors import DecodeError, InvalidValue
from smsd.values.message import Binary, Content, IdempotencyKey, Receipt, Recipient, Submission, Text
from smsd.values.plan import Acceptance, Incoming


class Arrivals:
    """Where a gateway's incoming messages go: its mailbox, and the From: pattern of the mail."""

    def __init__(self, deliver_to: str, mail_from: str, country: str | None) -> None:
        self.deliver_to = deliver_to
        self.mail_from = mail_from
        self.country = country


@implementer(IInbound)
class Inbound:
    """See `IInbound`. `arrivals` maps gateway ids; the service replaces it on reload."""

    log = Logger()

    def __init__(self, store: SqliteStore, planner: Planner, dispatcher: Dispatcher, queue: Queue) -> None:
        self._store = store
        self._planner = planner
        self._dispatcher = dispatcher
        self._queue = queue
        self.arrivals: dict[str, Arrivals] = {}
        self.postmaster = "postmaster@localhost"
        store.receiving.whole = self._whole

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
            return self._store.receive(item).addCallback(self._received, incoming.gateway)
        if isinstance(value, Deliver):
            key = part_key("", value)
            concat = value.user_data.concat
            if key is not None and concat is not None:
                item = Incoming(
                    incoming.gateway, incoming.octets, identity, key.sender, item.now,
                    join=f"{key.sender}|{key.width}|{key.reference}|{key.total}", seq=concat.seq, total=key.total,
                )  # fmt: skip
        return self._store.receive(item).addCallback(self._received, incoming.gateway)

    def _received(self, received: Received, gateway: str) -> int | None:
        for lane in received.woken:
            self._queue.wake(lane)
        if received.repeated:
            self.log.info("gateway {gateway}: an SMS came again and was already here", gateway=gateway)
        return received.message

    def _whole(self, first: Incoming, octets: list[bytes]) -> Acceptance | None:
        """The acceptance of a message whose parts are all here (or will not come any more)."""
        delivers: list[Deliver] = []
        for part in octets:
            try:
                value = decode_mt(part)
            except DecodeError:
                continue
            if isinstance(value, Deliver):
                delivers.append(value)
        if not delivers:
            return self._acceptance(
                first.gateway, "", Binary(b"".join(octets)), (("unreadable", "1"),), first.now
            )
        whole = assemble(delivers)
        stamp = delivers[0].at
        headers = [("date", str(stamp.at))] if stamp is not None else []
        if whole.missing:
            headers.append(("missing-parts", ",".join(str(seq) for seq in whole.missing)))
        return self._acceptance(
            first.gateway, delivers[0].sender.text, _content(whole), tuple(headers), first.now
        )

    # -- a whole message

    def message(self, incoming: MessageIn) -> Deferred[int]:
        """See `IInbound`."""
        key = None
        if incoming.id:
            key = IdempotencyKey(f"mo:{incoming.gateway}", incoming.id)
        acceptance = self._acceptance(
            incoming.gateway, incoming.sender, incoming.content, (), self._store.now(), key, incoming.own
        )

        def known(receipt: Receipt) -> int:
            return receipt.message

        return self._dispatcher.commit(acceptance).addCallback(known)

    def _acceptance(
        self,
        gateway: str,
        sender: str,
        content: Content,
        headers: Sequence[tuple[str, str]],
        now: int,
        key: IdempotencyKey | None = None,
        own: str = "",
    ) -> Acceptance:
        arrivals = self.arrivals.get(gateway) or Arrivals("", "%s", None)
        with contextlib.suppress(InvalidValue):  # networks let many things be a sender; kept as it came
            sender = normalise(sender, arrivals.country).value
        mailbox = arrivals.deliver_to or self.postmaster
        named = [("gateway", gateway), ("mail_from", arrivals.mail_from), *headers]
        if own:
            named.append(("own", own))
        submission = Submission(
            door=gateway,
            origin=Address("sms", sender or "unknown"),
            recipients=(Recipient(Address("mailto", mailbox), mailbox),),
            content=content,
            headers=tuple(named),
            key=key,
        )
        self.log.info("gateway {gateway}: SMS from {sender}", gateway=gateway, sender=masked(sender))
        return self._plan(submission, arrivals)

    def _plan(self, submission: Submission, arrivals: Arrivals) -> Acceptance:
        content = submission.content
        if isinstance(content, Text) and not content.text:
            # Feature I5: a message with no body goes to the trash; on record, told to nobody.
            return held(self._planner.unrouted(submission), "a message with no body", State.CANCELLED)
        acceptance = self._planner.plan(submission, reserve=False)
        if not acceptance.planned:
            # Nothing carries mail just now (a reload may be under way): it waits for what will.
            self.log.warn(
                "gateway {gateway}: no gateway carries mail; the message waits", gateway=submission.door
            )
            acceptance = self._planner.unrouted(submission)
        if arrivals.deliver_to:
            return acceptance
        return held(acceptance, "nobody is configured to get this gateway's messages: set deliver_to")


def _content(whole: UserContent) -> Content:
    if whole.text is None:
        return Binary(whole.data, whole.elements)
    # Phones may put NUL or half a surrogate pair into a text; what cannot be held is shown as what it is.
    text = whole.text.replace("\0", "�")
    return Text(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
