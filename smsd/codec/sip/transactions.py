"""All transactions of a SIP element (RFC 3261 section 17, RFC 3581, RFC 4320): told what arrived and when, it says what to do.

Owns matching, retransmissions, timers, the routing of answers, ACK and CANCEL; the tables are in `tables`. No octets make it raise;
every transaction ends, and there are never more than `most`. Outputs are to be done in their order. `now` is in seconds of a clock
that only goes forward. After every call ask `wake` when to call `tick`.
"""

from __future__ import annotations

import hashlib
from typing import Union

from smsd.codec.sip.answers import respond, warning
from smsd.codec.sip.errors import Malformed
from smsd.codec.sip.matching import Key as Key
from smsd.codec.sip.matching import Peer as Peer
from smsd.codec.sip.matching import client_key, merge_key, server_key, stamped, way_back
from smsd.codec.sip.messages import USUAL, Limits, Request, Response, parse, write
from smsd.codec.sip.tables import (
    INVITE_SERVER,
    NON_INVITE_CLIENT,
    NON_INVITE_SERVER,
    Do,
    Event,
    State,
    Table,
    event_of,
)
from smsd.codec.sip.timers import Clockwork, Timers
from smsd.codec.sip.uri import Pairs
from smsd.values.frozen import frozen

RETRY_AFTER = 10
"""Seconds that a client is asked to wait when there are too many transactions."""
_USUAL_TIMERS = Timers()


@frozen
class Send:
    """Send octets. When that fails, say `failed(key, now)`. Answers go by `to.flow` or, if it has gone, nowhere."""

    octets: bytes
    to: Peer
    key: Key | None


@frozen
class Asked:
    """A new request (never ACK or CANCEL, never a retransmission): `answer(key, response, now)` it within 32 seconds. The top Via
    has `received` and `rport` already."""

    key: Key
    request: Request
    source: Peer


@frozen
class Answered:
    """A response to our request `key`; with a final one (status >= 200) the transaction is over for us."""

    key: Key
    response: Response


@frozen
class Unanswered:
    """Our request `key` got no final answer: `status` 408 (time is over) or 503 (could not be sent). It is over."""

    key: Key
    status: int


@frozen
class Cancelled:
    """An INVITE that was Asked was cancelled (487 was answered): whoever works on it can stop."""

    key: Key


Output = Union[Send, Asked, Answered, Unanswered, Cancelled]


class _Transaction:
    """One of them. `octets` is what was sent last; `timers` are the running ones."""

    __slots__ = ("interval", "key", "merge", "octets", "peer", "request", "state", "table", "timers")

    def __init__(self, key: Key, table: Table, state: State, peer: Peer, request: Request | None) -> None:
        self.key = key
        self.table = table
        self.state = state
        self.peer = peer
        self.octets = b""
        self.request = request
        self.interval = 0.0
        self.timers: dict[Event, float] = {}
        self.merge: Key | None = None


class Transactions:
    """`secret`: any random octets; they make the tags of our answers. `most` transactions live at a time; above that the oldest
    completed ones are forgotten, and if there are none, new requests are answered 503. `server`: our name in answers of our own."""

    def __init__(
        self,
        secret: bytes,
        timers: Timers = _USUAL_TIMERS,
        limits: Limits = USUAL,
        most: int = 40_000,
        server: str = "",
    ) -> None:
        self._secret = secret
        self._timers = timers
        self._limits = limits
        self._most = most
        self._own: Pairs = (("Server", server),) if server else ()
        self._live: dict[Key, _Transaction] = {}
        self._completed: dict[Key, None] = {}  # the oldest first
        self._merged: dict[Key, Key] = {}
        self._clockwork = Clockwork(self._is_set)

    # -- what happens

    def heard(self, octets: bytes, source: Peer, now: float) -> list[Output]:
        """A datagram, or a message that the framer cut out."""
        try:
            message = parse(octets, self._limits)
        except Malformed as error:
            return self.broken(error, source, now)
        if isinstance(message, Response):
            return self._response(message, now)
        return self._request(message, source, now)

    def broken(self, error: Malformed, source: Peer, now: float) -> list[Output]:
        """What the framer could not follow: its answer, if it can have one."""
        if error.request is None:
            return []
        try:
            headers = (*error.headers, warning("sip", error.text))
            return self._stateless(stamped(error.request, source), source, error.status, headers)
        except Malformed:
            return []

    def ask(self, request: Request, to: Peer, now: float) -> tuple[Key, list[Output]]:
        """Send a request of our own (built by `requests.ask`). Malformed when it cannot be written, or is INVITE, ACK or CANCEL."""
        if request.method in ("INVITE", "ACK", "CANCEL"):
            raise Malformed(f"{request.method} is not sent")
        octets, key = write(request), client_key(request)
        if key in self._live:
            raise Malformed("the branch of this request was used already")
        if not self._room():
            return key, [Unanswered(key, 503)]
        transaction = _Transaction(key, NON_INVITE_CLIENT, State.TRYING, to, None)
        transaction.octets = octets
        self._live[key] = transaction
        if not to.is_stream:
            transaction.interval = self._timers.t1
            self._start(transaction, Event.RESEND, now + transaction.interval)
        self._start(transaction, Event.GIVE_UP, now + self._timers.most)
        return key, [Send(octets, to, key)]

    def answer(self, key: Key, response: Response, now: float) -> list[Output]:
        """The answer to an Asked request. Nothing happens when it is too late or was answered already. Malformed when it cannot be
        written (another may be given then)."""
        outputs: list[Output] = []
        transaction = self._live.get(key)
        if transaction is not None and transaction.table is not NON_INVITE_CLIENT:
            self._step(transaction, event_of(response.status), now, outputs, octets=write(response))
        return outputs

    def failed(self, key: Key | None, now: float) -> list[Output]:
        """Octets of this transaction could not be sent."""
        outputs: list[Output] = []
        if key is not None and (transaction := self._live.get(key)) is not None:
            self._step(transaction, Event.FAILED, now, outputs)
        return outputs

    def tick(self, now: float) -> list[Output]:
        """What is due by now."""
        outputs: list[Output] = []
        for key, event in self._clockwork.due(now):
            transaction = self._live[key]
            del transaction.timers[event]
            self._step(transaction, event, now, outputs)
        return outputs

    def wake(self) -> float | None:
        """When `tick` should be called next (in `now`'s time); None: nothing is waiting."""
        return self._clockwork.next()

    def tag(self, request: Request) -> str:
        """Our To tag for this request: the same for its retransmissions."""
        named = "\0".join(
            (request.get("Call-ID"), request.get("From"), request.get("CSeq"), request.get("Via"))
        )
        octets = named.encode("utf-8", "surrogateescape")
        return hashlib.blake2b(octets, key=self._secret, digest_size=8).hexdigest()

    def __len__(self) -> int:
        """Live transactions."""
        return len(self._live)

    # -- requests and responses that arrive

    def _response(self, response: Response, now: float) -> list[Output]:
        outputs: list[Output] = []
        transaction = self._live.get(client_key(response))
        if transaction is not None:
            self._step(transaction, event_of(response.status), now, outputs, response)
        return outputs

    def _request(self, request: Request, source: Peer, now: float) -> list[Output]:
        outputs: list[Output] = []
        key = server_key(request, source)
        transaction = self._live.get(key)
        if transaction is not None:
            self._step(transaction, Event.ACK if request.method == "ACK" else Event.AGAIN, now, outputs)
            return outputs
        if request.method == "ACK":  # of nothing that we have answered
            return outputs
        request = stamped(request, source)
        if not self._room():
            return self._stateless(request, source, 503, (("Retry-After", str(RETRY_AFTER)),))
        transaction = self._begin(key, request, source, now)
        if request.method == "CANCEL":
            self._cancel(transaction, request, source, now, outputs)
            return outputs
        merge = merge_key(request)
        if merge is not None:
            if merge in self._merged:
                self._own_answer(transaction, request, 482, now, outputs, "Request Merged")
                return outputs
            transaction.merge = merge
            self._merged[merge] = key
        outputs.append(Asked(key, request, source))
        return outputs

    def _begin(self, key: Key, request: Request, source: Peer, now: float) -> _Transaction:
        back = way_back(request, source)
        if request.method == "INVITE":
            transaction = _Transaction(key, INVITE_SERVER, State.TRYING, back, request)
            self._live[key] = transaction
            self._start(transaction, Event.SLOW, now + self._timers.trying)
        else:
            transaction = _Transaction(key, NON_INVITE_SERVER, State.TRYING, back, None)
            self._live[key] = transaction
        self._start(transaction, Event.GIVE_UP, now + self._timers.most)
        return transaction

    def _cancel(
        self, transaction: _Transaction, request: Request, source: Peer, now: float, outputs: list[Output]
    ) -> None:
        """Section 9.2. What is no INVITE cannot be called back: 200 says only that the CANCEL was understood."""
        invite = self._live.get(server_key(request, source, "INVITE"))
        known = invite is not None or server_key(request, source, "MESSAGE") in self._live
        self._own_answer(transaction, request, 200 if known else 481, now, outputs)
        if invite is not None and invite.request is not None:  # not answered yet
            outputs.append(Cancelled(invite.key))
            self._own_answer(invite, invite.request, 487, now, outputs)

    def _own_answer(
        self,
        transaction: _Transaction,
        request: Request,
        status: int,
        now: float,
        outputs: list[Output],
        reason: str = "",
    ) -> None:
        octets = self._made(request, status, reason)
        self._step(transaction, event_of(status), now, outputs, octets=octets)

    def _stateless(self, request: Request, source: Peer, status: int, headers: Pairs) -> list[Output]:
        return [Send(self._made(request, status, headers=headers), way_back(request, source), None)]

    def _made(self, request: Request, status: int, reason: str = "", headers: Pairs = ()) -> bytes:
        return write(respond(request, status, reason, tag=self.tag(request), headers=(*headers, *self._own)))

    # -- the tables at work

    def _step(
        self,
        transaction: _Transaction,
        event: Event,
        now: float,
        outputs: list[Output],
        response: Response | None = None,
        octets: bytes = b"",
    ) -> None:
        """`response` arrived, or `octets` are one to send."""
        found = transaction.table.get((transaction.state, event))
        if found is None:
            return
        before = transaction.state
        transaction.state, doings = found
        if transaction.state is not before and transaction.state is not State.PROCEEDING:
            transaction.timers.clear()
        for do in doings:
            self._do(do, transaction, now, outputs, response, octets)
        if transaction.state is State.TERMINATED:
            self._end(transaction)
        elif transaction.state is not before and transaction.state is State.COMPLETED:
            self._complete(transaction, event)

    def _do(
        self,
        do: Do,
        transaction: _Transaction,
        now: float,
        outputs: list[Output],
        response: Response | None,
        octets: bytes,
    ) -> None:
        key, timers = transaction.key, self._timers
        if do in (Do.TRY, Do.FAIL_INVITE) and transaction.request is not None:
            octets = self._made(transaction.request, 100 if do is Do.TRY else 500)
        if do in (Do.SEND, Do.SEND_AGAIN, Do.TRY, Do.FAIL_INVITE):
            transaction.octets = octets or transaction.octets
            if transaction.octets:
                outputs.append(Send(transaction.octets, transaction.peer, key))
        elif do is Do.PASS:
            if response is not None:
                outputs.append(Answered(key, response))
        elif do in (Do.TIME_OUT, Do.FAIL):
            outputs.append(Unanswered(key, 408 if do is Do.TIME_OUT else 503))
        elif do is Do.BACK_OFF:
            slow = transaction.state is State.PROCEEDING
            transaction.interval = timers.t2 if slow else min(2 * transaction.interval, timers.t2)
            self._start(transaction, Event.RESEND, now + transaction.interval)
        elif do in (Do.LINGER, Do.LINGER_ACK):
            if transaction.peer.is_stream:
                transaction.state = State.TERMINATED
            else:
                server = transaction.table is NON_INVITE_SERVER
                self._start(transaction, Event.FORGET, now + (timers.most if server else timers.t4))
        elif do is Do.AWAIT_ACK:
            self._start(transaction, Event.GIVE_UP, now + timers.most)
        elif do is Do.REPEAT and not transaction.peer.is_stream:
            transaction.interval = timers.t1
            self._start(transaction, Event.RESEND, now + timers.t1)

    def _complete(self, transaction: _Transaction, event: Event) -> None:
        self._completed[transaction.key] = None
        transaction.request = None
        if event is not Event.SUCCESS:
            # Refused (401, 503 …): the same request by another way is a new try, no copy.
            self._unmerge(transaction)

    def _end(self, transaction: _Transaction) -> None:
        self._live.pop(transaction.key, None)
        self._completed.pop(transaction.key, None)
        self._unmerge(transaction)

    def _unmerge(self, transaction: _Transaction) -> None:
        if transaction.merge is not None:
            self._merged.pop(transaction.merge, None)
            transaction.merge = None

    def _room(self) -> bool:
        """Whether one more may begin: the oldest completed one makes room."""
        if len(self._live) >= self._most and self._completed:
            self._end(self._live[next(iter(self._completed))])
        return len(self._live) < self._most

    # -- timers

    def _start(self, transaction: _Transaction, event: Event, at: float) -> None:
        transaction.timers[event] = at
        self._clockwork.start(at, transaction.key, event, len(self._live))

    def _is_set(self, key: Key, event: Event, at: float) -> bool:
        transaction = self._live.get(key)
        return transaction is not None and transaction.timers.get(event) == at
