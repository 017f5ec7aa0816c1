"""When a gateway that fails is left alone, for how long, and who tries it again.

Trouble with the gateway opens its breaker at once; answers that nobody got open it when three messages in a row had none. Then
nothing goes there for 5 s, 10 s, 20 s … at most five minutes. After that exactly one message is the probe: any answer to it,
also a refusal, closes the breaker; trouble opens it again, for longer. A gateway that says how long (no credit, a wrong login)
rests that long, and only an operator, or a reload, ends it before.

A message that makes every gateway stumble must not stop all others. It is not the probe while there is another; when it fails
again after others have passed, it is the message that is ill: it waits as after a refusal, and the gateway goes on.
"""

from __future__ import annotations

from smsd.policy.limits import length
from smsd.values.delivery import Failure, Scope

FIRST, LONGEST = 5_000, 300_000
# After a probe that had failed before: another message may have come meanwhile, and prove more.
LONGEST_OF_SUSPECT = 60_000
# So many messages in a row without an answer are the gateway's trouble; fewer may be theirs.
DOUBTS = 3
MOST_SUSPECTS = 1000


class Breaker:
    """One gateway's. `tripped`: it has failed, and rests until `until` (ms) or waits for the answer to its `probe`."""

    def __init__(self) -> None:
        self.until = 0
        self.probe: int | None = None
        self._reset()
        self._passes = 0
        self._suspects: dict[int, int] = {}  # deliveries that failed here, and how many had passed before
        self._doubtful: set[int] = set()

    def _reset(self) -> None:
        self.tripped = False
        self.stopped = False
        self.reason = ""
        self.trips = 0

    @property
    def suspects(self) -> frozenset[int]:
        """Deliveries that are no good probes."""
        return frozenset(self._suspects)

    def admits(self, now: int) -> bool:
        """Whether a piece may go on the wire."""
        return not self.tripped or (now >= self.until and self.probe is None)

    def sent(self, delivery: int) -> None:
        """A piece is on the wire."""
        if self.tripped and self.probe is None:
            self.probe = delivery

    def blames(self, delivery: int, failure: Failure) -> bool:
        """Whether the failure is the message's own: it failed here before, and others have passed since."""
        before = self._suspects.get(delivery)
        return (
            failure.scope is Scope.GATEWAY
            and failure.retry_after is None
            and before is not None
            and self._passes > before
        )

    def passed(self, delivery: int) -> None:
        """The gateway has answered: it took a piece, or refused the message."""
        self._passes += 1
        self._doubtful.clear()
        self._suspects.pop(delivery, None)
        if self.tripped and self.probe == delivery:
            self.probe = None
            self._reset()

    def failed(self, delivery: int, failure: Failure, now: int) -> bool:
        """The gateway was in trouble, or nobody knows; gives whether it has to rest now."""
        probing, blamed = self.probe == delivery, self.blames(delivery, failure)
        known = delivery in self._suspects
        if probing:
            self.probe = None
        if not failure.keeps_place:  # which is the next one in any case
            self._suspect(delivery)
        if failure.scope is not Scope.GATEWAY:
            if len(self._doubtful) < DOUBTS:
                self._doubtful.add(delivery)
            if not self.tripped and len(self._doubtful) < DOUBTS:
                return False
        elif blamed:
            if probing:
                self.until = now  # it proves nothing; the next one may
            return False
        wait = int((failure.retry_after or 0) * 1000)
        if self.tripped and not probing and not wait:
            return False  # it was sent before
        self.trips += 1
        longest = LONGEST_OF_SUSPECT if known else LONGEST
        self.tripped, self.reason = True, failure.reason
        self.stopped = self.stopped or wait > LONGEST
        self.until = max(now + max(wait, min(FIRST * 2 ** min(self.trips - 1, 10), longest)), self.until)
        return True

    def _suspect(self, delivery: int) -> None:
        self._suspects[delivery] = self._passes
        if len(self._suspects) > MOST_SUSPECTS:
            del self._suspects[next(iter(self._suspects))]

    def again(self, now: int) -> None:
        """The gateway was away and is back: the probe may go at once, unless it was told how long to wait."""
        if self.tripped and not self.stopped:
            self.until = min(self.until, now)

    def release(self) -> None:
        """An operator says that it is well."""
        self.until = 0
        self.probe = None
        self._reset()

    def told(self, now: int) -> str:
        """For people; empty when nothing is wrong."""
        if not self.tripped:
            return ""
        if self.until > now:
            what = "stopped" if self.stopped else "resting"
            return f"{what} after {self.reason!r}; one message tries again in {length(self.until - now)}"
        if self.probe is None:
            return f"after {self.reason!r} the next message tries whether it works again"
        return f"after {self.reason!r} one message tries whether it works again"
