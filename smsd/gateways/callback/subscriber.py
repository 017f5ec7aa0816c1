"""A subscriber's gateway: one event after the other, and none overtakes one that has to be tried again.

So trouble is the subscriber's and not one event's, with two exceptions. 410 (Gone) is its wish to hear no more: the event is
dead, and the others wait until the operator lets them go on, or the URL is another. An event that is refused again and again,
in a way that speaks of what is in it, is dead, and the others go on; where nothing was taken since the last such one, it is more
likely that something is wrong with the whole (a secret), so that the next one is given longer.
"""

from __future__ import annotations

import hashlib

from smsd.codec.webhooks import MEDIA_TYPE, event, headers
from smsd.codec.weburl import Target
from smsd.config.subscribers import key_of
from smsd.gateways.callback.posting import Posting, handed_on, refused
from smsd.gateways.callback.settings import Settings
from smsd.gateways.exchange import Answer, Unanswered
from smsd.interfaces import GatewayContext
from smsd.values.delivery import Accepted, Failure, Kind, Piece, Scope

WAITS = (5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600)
"""Seconds between tries; the last one repeats until the event is dead."""
GONE = 410
ABOUT_IT = frozenset({400, 409, 413, 422})
"""Answers that may be about one event: not understood, already there, too large, not valid."""
REFUSALS = 8
"""How many of them make it dead, about twenty minutes; the next one in a row needs so many more."""
_MEMORY = "gone"


class Subscriber(Posting):
    """Posts to one URL; without one (`pull`) events wait until they are fetched."""

    def __init__(self, settings: Settings, context: GatewayContext) -> None:
        super().__init__(settings, context, 1)
        assert settings.subscriber is not None
        self._subscriber = settings.subscriber
        self._target: Target | None = settings.subscriber.target
        self._keys = tuple(key_of(secret.get_secret_value()) for secret in settings.subscriber.secrets)
        self._troubles = 0
        self._trouble = ""
        self._refused = (0, 0)
        self._dead = 0

    @property
    def status(self) -> str:
        """What it is doing."""
        if self._target is None:
            return "its events are fetched at /sms/events"
        return f"{super().status}; {self._trouble}" if self._trouble else super().status

    def startService(self) -> None:
        """Open, unless this URL has said that it wants no more."""
        super().startService()
        if self._target is None:
            self.context.outlet.closed("its events wait until they are fetched")
            return
        self.context.memory.recall(_MEMORY).addCallbacks(self._begin, self._cannot_recall)

    def _begin(self, gone: str | None) -> None:
        if not self.running:
            return
        if gone == self._mark():
            self._stopped()
        else:
            self.context.outlet.opened(1)

    def _cannot_recall(self, failure: object) -> None:
        self.log.error(
            "{gateway}: what was remembered of it cannot be read: {e}", gateway=self.name, e=failure
        )
        self._begin(None)

    def again(self) -> None:
        """The operator wants it to go on now."""
        if self._target is None or not self.running:
            return
        self._troubles, self._trouble = 0, ""
        self._remember(None)
        self.context.outlet.opened(1)

    async def _deliver(self, piece: Piece) -> Accepted:
        told, target = event(piece), self._target
        if told is None or target is None:
            raise refused("this is no event for a program")
        signed = headers(told, self._keys, int(self.context.reactor.seconds()))
        said = {"Content-Type": MEDIA_TYPE, **signed, **handed_on(piece)}
        answer = await self._ask("POST", target, said, told.body)
        line = self._told(piece, told.type, target, answer)
        if isinstance(answer, Answer) and 200 <= answer.status < 300:
            self._troubles, self._trouble, self._dead = 0, "", 0
            return Accepted()
        if isinstance(answer, Answer) and answer.status == GONE:
            self._remember(self._mark())
            self._stopped()
            raise refused(line)
        if isinstance(answer, Answer) and answer.status in ABOUT_IT and self._enough(piece.delivery):
            self._troubles, self._dead = 0, self._dead + 1
            raise refused(f"{line}; refused {self._refused[1]} times, the next ones go on")
        raise self._not_now(line, answer)

    def _enough(self, delivery: int) -> bool:
        """Count a refusal of this event; whether that was the last one."""
        which, times = self._refused
        self._refused = (delivery, times + 1 if which == delivery else 1)
        return self._refused[1] >= REFUSALS * (self._dead + 1)

    def _not_now(self, line: str, answer: Answer | Unanswered) -> Failure:
        wait: float = WAITS[min(self._troubles, len(WAITS) - 1)]
        self._troubles += 1
        if isinstance(answer, Answer):
            if 300 <= answer.status < 400:
                line += "; redirects are not followed: write the new URL into the configuration"
            wait = answer.retry_after(self.context.reactor.seconds()) or wait
        self._trouble = f"{self._troubles} times in a row: {line}"
        return Failure(
            Kind.TEMPORARY, line, scope=Scope.GATEWAY, retry_after=wait, status="4.4.1", keeps_place=True
        )

    def _stopped(self) -> None:
        self._trouble = "it answered 410: it wants no more events"
        self.context.outlet.closed(
            f"{self._trouble}; smsd callbacks replay --subscriber {self._subscriber.id} goes on"
        )

    def _mark(self) -> str:
        """The URL, without saying it."""
        url = self._subscriber.url
        return hashlib.sha256(url.get_secret_value().encode()).hexdigest() if url else ""

    def _remember(self, value: str | None) -> None:
        remembering = self.context.memory.remember(_MEMORY, value)
        remembering.addErrback(
            lambda failure: self.log.error(
                "{gateway}: not remembered: {e}", gateway=self.name, e=failure.value
            )
        )
