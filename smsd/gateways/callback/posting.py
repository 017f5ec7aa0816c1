"""One request for one event: what both kinds of callback gateways do, within limits, without following anything.

An event may come twice, under the same id: whoever asks again after a time-out must not lose it. So nothing here is ever in
doubt. No log and no reason shows more of a URL than its server.
"""

from __future__ import annotations

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from smsd import __version__
from smsd.codec import hops
from smsd.codec.weburl import Target
from smsd.gateways.callback.settings import Settings
from smsd.gateways.errands import clean, without_secrets
from smsd.gateways.exchange import Answer, Unanswered
from smsd.gateways.fetching import Client
from smsd.gateways.guard import Guard
from smsd.gateways.trust import policy
from smsd.gateways.underway import Underway
from smsd.interfaces import Abilities, GatewayContext, IGateway
from smsd.values.delivery import Accepted, Failure, Kind, Piece
from smsd.values.errors import InvalidValue
from smsd.values.message import Report

ANSWER = 2_000
"""Octets that are read of an answer, for the words in it."""
WORDS = 120
AGENT = f"smsd/{__version__}"
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
        self._underway = Underway()

    @property
    def used(self) -> bool:
        """Whether anything was ever to be carried."""
        return bool(self._underway.done or self._underway.failed or self._underway)

    @property
    def status(self) -> str:
        """How much was done."""
        way = self._underway
        return f"{way.done} done, {way.failed} failed, {len(way)} under way"

    def stopService(self) -> Deferred[None]:
        """Fires when the last answer is there (each has its time limit) and the connections are closed."""
        super().stopService()
        return self._underway.end(self._client)

    def send(self, piece: Piece) -> Deferred[Accepted]:
        """Tell one event."""
        return self._underway.send(self._deliver(piece))

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


def handed_on(piece: Piece) -> dict[str, str]:
    """Headers that count how often what a phone wrote was handed on, since the program may be a server that hands it back."""
    return {} if isinstance(piece.content, Report) else {hops.HEADER: hops.write(piece.hops)}


def refused(reason: str) -> Failure:
    """It would be refused again and again."""
    return Failure(Kind.PERMANENT, reason, status="5.3.0")
