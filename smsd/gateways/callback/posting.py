"""One request for one event: what both kinds of callback gateways do, within limits, without following anything.

An event may come twice, under the same id: whoever asks again after a time-out must not lose it. So nothing here is ever in
doubt. No log and no reason shows more of a URL than its server.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger
from zope.interface import implementer

from smsd import __version__
from smsd.codec.weburl import Target
from smsd.gateways.callback.settings import Settings
from smsd.gateways.errands import clean, without_secrets
from smsd.gateways.exchange import Answer, Unanswered
from smsd.gateways.fetching import Client
from smsd.gateways.guard import Guard
from smsd.gateways.trust import policy
from smsd.interfaces import Abilities, GatewayContext, IGateway
from smsd.values.delivery import Accepted, Failure, Kind, Piece
from smsd.values.errors import InvalidValue

ANSWER = 2_000
"""Octets that are read of an answer, for the words in it."""
WORDS = 120
AGENT = f"smsd/{__version__}"
SHORTEST_WAIT = 1.0
LONGEST_WAIT = 86_400.0
"""Bounds of a server's Retry-After, in seconds."""
NOT_NOW = frozenset({408, 425, 429})


@implementer(IGateway)
class Posting(Service):
    """Base of both: `_deliver` does one piece, and raises Failure."""

    log = Logger()

    def __init__(self, settings: Settings, context: GatewayContext, slots: int) -> None:
        self.name = settings.id
        self.context = context
        self.settings = settings
        self.abilities = Abilities(settings.schemes)
        subscriber = settings.subscriber
        guard = None if subscriber else Guard(settings.callbacks.allow_networks)
        trust = policy(subscriber.ca, subscriber.certificate) if subscriber else policy()
        self._client = Client(context.reactor, trust, slots, guard=guard)
        self._busy: set[Deferred[None]] = set()
        self._done = 0
        self._failed = 0

    @property
    def used(self) -> bool:
        """Whether anything was ever to be carried."""
        return bool(self._done or self._failed or self._busy)

    @property
    def status(self) -> str:
        """How much was done."""
        return f"{self._done} done, {self._failed} failed, {len(self._busy)} under way"

    def stopService(self) -> Deferred[None]:
        """Fires when the last answer is there (each has its time limit) and the connections are closed."""
        super().stopService()
        done = DeferredList(list(self._busy)).addCallback(lambda _: DeferredList([self._client.close()]))
        return done.addCallback(lambda _: None)

    def send(self, piece: Piece) -> Deferred[Accepted]:
        """Tell one event."""
        done: Deferred[Accepted] = Deferred.fromCoroutine(self._deliver(piece))
        over: Deferred[None] = Deferred()
        self._busy.add(over)

        def count(result: Any) -> Any:
            if isinstance(result, Accepted):
                self._done += 1
            else:
                self._failed += 1
            self._busy.discard(over)
            over.callback(None)
            return result

        return done.addBoth(count)

    async def _deliver(self, piece: Piece) -> Accepted:
        raise NotImplementedError

    async def _ask(
        self, method: str, target: Target, headers: dict[str, str], body: bytes | None
    ) -> Answer | Unanswered:
        """The answer, or why there is none; Failure for what is no request."""
        said = {"User-Agent": AGENT, "Accept": "*/*", **headers}
        try:
            return await self._client.fetch(
                method, target, said, body, ANSWER, self.settings.callbacks.seconds
            )
        except InvalidValue as error:
            raise refused(str(error)) from None
        except Unanswered as trouble:
            return trouble

    def _told(self, piece: Piece, what: str, target: Target, answer: Answer | Unanswered) -> str:
        """A line for the log and for the delivery's record."""
        if isinstance(answer, Unanswered):
            line = f"{target.origin}: {answer.reason}"
        else:
            words = clean(answer.body, ANSWER)[:WORDS] if answer.status >= 300 else ""
            line = f"{target.origin} answered {answer.status} {answer.phrase}"
            line += f": {words}" if words else ""
        line = without_secrets(line, (*target.secrets, target.path))
        self.log.info(
            "{gateway}: event {id} ({what}): {line}",
            gateway=self.name,
            id=piece.delivery,
            what=what,
            line=line,
        )
        return line

    def _retry_after(self, answer: Answer) -> float | None:
        """The seconds that a server wants to be left alone (RFC 9110, 10.2.3): a number, or a date."""
        text = answer.header("Retry-After").strip()
        if text.isascii() and text.isdigit():
            wait = float(text[:10])
        else:
            try:
                wait = parsedate_to_datetime(text).timestamp() - self.context.reactor.seconds()
            except (ValueError, TypeError, IndexError, OverflowError):
                return None
        return min(max(wait, SHORTEST_WAIT), LONGEST_WAIT)


def refused(reason: str) -> Failure:
    """It would be refused again and again."""
    return Failure(Kind.PERMANENT, reason, status="5.3.0")
