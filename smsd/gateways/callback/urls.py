"""URLs that senders gave: JSON to `callback=` of a request, or what Kannel's escapes make of a `dlr-url`.

Each event has its own fate, but a server that does not answer is not asked for every one of them (`silent`). A sender's URL leads
nowhere into our own networks (`guard`), whatever its name says just then.
"""

from __future__ import annotations

from smsd.codec import kannel
from smsd.codec.webhooks import MEDIA_TYPE, event, headers
from smsd.codec.weburl import Target, read_url
from smsd.gateways.callback.posting import NOT_NOW, Posting, handed_on, refused
from smsd.gateways.callback.settings import Settings
from smsd.gateways.callback.silent import Silent
from smsd.gateways.exchange import Unanswered
from smsd.interfaces import GatewayContext
from smsd.values.delivery import Accepted, Failure, Kind, Piece
from smsd.values.errors import InvalidValue
from smsd.values.message import Report


class Urls(Posting):
    """Requests URLs of senders."""

    def __init__(self, settings: Settings, context: GatewayContext) -> None:
        super().__init__(settings, context, settings.callbacks.slots)
        self._silent = Silent()

    def startService(self) -> None:
        """Open at once."""
        super().startService()
        self.context.outlet.opened(self.settings.callbacks.slots)

    async def _deliver(self, piece: Piece) -> Accepted:
        if piece.target.scheme == kannel.SCHEME:
            if not isinstance(piece.content, Report):
                raise refused("a dlr-url hears of reports and nothing else")
            url = kannel.callback(piece.target.target, piece.content)
            if url is None:
                return Accepted(output="not wanted")
            return await self._try(piece, "GET", piece.content.event, _read(url), {}, None)
        told = event(piece)
        if told is None:
            raise refused("this is no event for a program")
        stamp = int(self.context.reactor.seconds())
        said = {"Content-Type": MEDIA_TYPE, **headers(told, (), stamp), **handed_on(piece)}
        return await self._try(piece, "POST", told.type, _read(piece.target.target), said, told.body)

    async def _try(
        self, piece: Piece, method: str, what: str, target: Target, said: dict[str, str], body: bytes | None
    ) -> Accepted:
        origin, seconds = target.origin, self.context.reactor.seconds
        rest = self._silent.rest(origin, seconds(), self.settings.callbacks.seconds)
        if rest:
            why = f"{origin} has not answered several times: it is left alone for a while"
            raise Failure(Kind.TEMPORARY, why, retry_after=rest, status="4.4.1")
        answer = await self._ask(method, target, said, body)
        line = self._told(piece, what, target, answer)
        if isinstance(answer, Unanswered):
            if answer.forbidden:
                raise refused(f"{line}: callbacks.allow_networks may allow it")
            self._silent.failed(origin, seconds())
            raise Failure(Kind.TEMPORARY, line, status="4.4.1")
        self._silent.answered(origin)
        if 200 <= answer.status < 300:
            return Accepted()
        if answer.status >= 500 or answer.status in NOT_NOW:
            raise Failure(
                Kind.TEMPORARY,
                line,
                retry_after=answer.retry_after(self.context.reactor.seconds()),
                status="4.3.0",
            )
        raise refused(line + ("; redirects are not followed" if answer.status < 400 else ""))


def _read(url: str) -> Target:
    try:
        return read_url(url)
    except InvalidValue as error:
        raise refused(str(error)) from None
