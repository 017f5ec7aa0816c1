"""The transactions of SIP, with a clock and wires: requests come in and are answered, requests of ours get their answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from smsd.codec.sip.errors import Malformed
from smsd.codec.sip.messages import Request, Response
from smsd.codec.sip.transactions import (
    Answered,
    Asked,
    Key,
    Output,
    Peer,
    Send,
    Transactions,
    Unanswered,
)

FAR = 1e10
"""Seconds: later than anything here."""


class EvenTime:
    """Seconds since it was made, however often somebody sets the clock: read off a call that is never due, because all timers keep
    what is left of their wait (`smsd.steady`)."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._end = clock.callLater(FAR, lambda: None)

    def seconds(self) -> float:
        """How many have passed."""
        return float(FAR - (self._end.getTime() - self._clock.seconds()))

    def close(self) -> None:
        """It is needed no more."""
        if self._end.active():
            self._end.cancel()


class Stack:
    """`asked` gets every new request, to be answered with `answer`."""

    log = Logger()

    def __init__(self, clock: Any, wires: Any, transactions: Transactions) -> None:
        self.asked: Callable[[Asked], None] = lambda asked: None
        self._clock = clock
        self._time = EvenTime(clock)
        self._wires = wires
        self.transactions = transactions
        self._waiting: dict[Key, Deferred[Response | Unanswered]] = {}
        self._outputs: deque[Output] = deque()
        self._working = False
        self._timer: Any = None
        self._due = 0.0
        self._closed = False
        wires.heard = self.heard
        wires.broken = self.broken

    def close(self) -> None:
        """Nothing is sent or answered any more; requests of ours that wait are unanswered."""
        self._closed = True
        self._time.close()
        self._outputs.clear()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        waiting, self._waiting = self._waiting, {}
        for key, done in waiting.items():
            done.callback(Unanswered(key, 408))

    @property
    def underway(self) -> int:
        """Requests of ours that wait for their answer."""
        return len(self._waiting)

    def heard(self, octets: bytes, source: Peer) -> None:
        """A message came."""
        self._do(self.transactions.heard(octets, source, self._time.seconds()))

    def broken(self, error: Malformed, source: Peer) -> None:
        """A connection cannot be followed any more."""
        self._do(self.transactions.broken(error, source, self._time.seconds()))

    def answer(self, key: Key, response: Response) -> None:
        """Answer a request; Malformed when it cannot be written."""
        self._do(self.transactions.answer(key, response, self._time.seconds()))

    def ask(self, request: Request, to: Peer) -> Deferred[Response | Unanswered]:
        """Send a request of ours; fires with its final answer, or that there is none. Malformed when it cannot be written."""
        if self._closed:
            return succeed(Unanswered(None, 503))
        done: Deferred[Response | Unanswered] = Deferred()
        key, outputs = self.transactions.ask(request, to, self._time.seconds())
        self._waiting[key] = done
        self._do(outputs)
        return done

    def _do(self, outputs: Sequence[Output]) -> None:
        """One after the other; what comes of one of them waits for its turn."""
        if self._closed:
            return
        self._outputs.extend(outputs)
        if self._working:
            return
        self._working = True
        try:
            while self._outputs:
                self._one(self._outputs.popleft())
        finally:
            self._working = False
        self._wind()

    def _one(self, output: Output) -> None:
        if isinstance(output, Send):
            self._wires.send(output.octets, output.to, partial(self._failed, output.key))
        elif isinstance(output, Asked):
            self.asked(output)
        elif isinstance(output, Answered):
            if output.response.status >= 200:
                self._over(output.key, output.response)
        elif isinstance(output, Unanswered):
            self._over(output.key, output)

    def _over(self, key: Key, answer: Response | Unanswered) -> None:
        done = self._waiting.pop(key, None)
        if done is not None:
            done.callback(answer)

    def _failed(self, key: Key | None) -> None:
        self._do(self.transactions.failed(key, self._time.seconds()))

    # -- time

    def _wind(self) -> None:
        """Be called when something is due; a timer that comes too early does no harm."""
        if self._closed:
            return
        due = self.transactions.wake()
        if due is None:
            return
        if self._timer is not None:
            if self._due <= due:
                return
            self._timer.cancel()
        self._due = due
        self._timer = self._clock.callLater(max(due - self._time.seconds(), 0.0), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._do(self.transactions.tick(self._time.seconds()))
