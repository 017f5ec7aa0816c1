"""URLs that rules request (`type: url`): GET and POST, with limits for time and answer, and nothing sent twice unseen.

What the statuses mean for the message stands in `_judge`. No line of a log, no status and no reason shows more of a URL than
its server; the rest may be a password, a number or a text.
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote, urljoin

from pydantic import Field
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from smsd import __version__
from smsd.codec import hops
from smsd.codec.weburl import Target, read_url
from smsd.config.settings import Path
from smsd.gateways.errands import Errands, Limits, clean, permanent, temporary, without_secrets
from smsd.gateways.exchange import Answer, Unanswered, idempotency_key
from smsd.gateways.fetching import Client
from smsd.gateways.trust import policy
from smsd.interfaces import GatewayContext
from smsd.values.delivery import Accepted, Piece
from smsd.values.errors import InvalidValue
from smsd.values.message import Call

MOST_REDIRECTS = 3
REDIRECTS = frozenset({301, 302, 303, 307, 308})
NOT_NOW = frozenset({408, 425, 429})
SHORTEST_WAIT = 5.0
"""Seconds that a server's Retry-After means at least."""
_WORDS = 120


class Settings(Limits):
    """`type: url`."""

    schemes = frozenset({"url"})

    type: Literal["url"] = "url"
    ca: Path | None = Field(
        default=None, description="PEM file of the authorities to trust instead of the system's"
    )


class Urls(Errands):
    """Requests URLs."""

    log = Logger()
    kind = "url"

    def __init__(self, settings: Settings, context: GatewayContext) -> None:
        super().__init__(settings, context)
        self._client = Client(context.reactor, policy(settings.ca), settings.slots)

    def stopService(self) -> Deferred[None]:
        """Fires when the last answer is there and the connections are closed."""
        super().stopService()
        return self._underway.end(self._client)

    async def _run(self, piece: Piece, call: Call) -> Accepted:
        method = call.arguments[0] if call.arguments else "GET"
        if method not in ("GET", "POST"):
            raise permanent(f"{method[:20]!r} is not possible: the method is GET or POST")
        target = _read(call.what)
        body = None
        headers = {
            "User-Agent": f"smsd/{__version__}",
            "Accept": "*/*",
            "Idempotency-Key": idempotency_key(self.context.server_name, piece),
            hops.HEADER: hops.write(piece.hops),
        }
        if method == "POST":
            body = call.text.encode("utf-8", "replace")
            headers["Content-Type"] = quote(
                call.media_type or "text/plain; charset=utf-8", safe="!#$&-^_.+/;= \"'"
            )
        answer, target, secrets = await self._follow(method, target, headers, body)
        return self._judge(call, answer, target, secrets)

    async def _follow(
        self, method: str, target: Target, headers: dict[str, str], body: bytes | None
    ) -> tuple[Answer, Target, tuple[str, ...]]:
        """The answer behind all redirects, whose it is, and what may not be shown of it."""
        reactor, limits = self.context.reactor, self._limits
        end = reactor.seconds() + limits.seconds
        secrets = target.secrets
        for redirects in range(MOST_REDIRECTS + 1):
            try:
                answer = await self._client.fetch(
                    method, target, headers, body, limits.output, max(end - reactor.seconds(), 0.0)
                )
            except InvalidValue as error:
                raise permanent(str(error)) from None
            except Unanswered as trouble:
                doubt = ": it may have been carried out" if trouble.sent else ""
                raise temporary(
                    without_secrets(f"{target.origin}: {trouble.reason}{doubt}", secrets),
                    maybe_sent=trouble.sent,
                    status="4.4.2" if trouble.sent else "4.4.1",
                ) from None
            if answer.status not in REDIRECTS:
                return answer, target, secrets
            if redirects < MOST_REDIRECTS:
                target = self._next(method, target, answer)
                secrets += target.secrets
        raise permanent(f"{target.origin} redirects more than {MOST_REDIRECTS} times")

    def _next(self, method: str, target: Target, answer: Answer) -> Target:
        """Where a redirect leads to. A login goes along only to the same server."""
        if method != "GET":
            raise permanent(
                f"{target.origin} answered a POST with a redirect: write the new URL into the rule"
            )
        found = answer.header("Location")
        try:
            following = read_url(urljoin(f"{target.origin}{target.path}", found) if found else "")
        except InvalidValue as error:
            raise permanent(f"{target.origin} redirects to nowhere: {error}") from None
        if target.scheme == "https" and following.scheme != "https":
            raise permanent(f"{target.origin} redirects from https to http, which is not followed")
        if following.login is None and following.origin == target.origin:
            return Target(
                following.scheme,
                following.host,
                following.port,
                following.path,
                target.login,
                following.secrets,
            )
        return following

    def _judge(self, call: Call, answer: Answer, target: Target, secrets: tuple[str, ...]) -> Accepted:
        """What an answer means for the message."""
        status = f"{target.origin} answered {answer.status}"
        output = clean(answer.body, self._limits.output)
        self.log.info("{gateway}: {status} (rule {rule!r})", gateway=self.name, status=status, rule=call.rule)
        if 200 <= answer.status < 300:
            if not answer.whole:
                self.log.info(
                    "{gateway}: the answer of {origin} is longer than {limit} octets or was cut off, the rest is missing",
                    gateway=self.name, origin=target.origin, limit=self._limits.output,
                )  # fmt: skip
            return Accepted(output=output)
        words = without_secrets(output[: _WORDS * 4], secrets)[:_WORDS]
        reason = without_secrets(f"{status} {answer.phrase}", secrets) + (f": {words}" if words else "")
        if answer.status >= 500 or answer.status in NOT_NOW:
            wait = answer.retry_after(self.context.reactor.seconds(), SHORTEST_WAIT)
            raise temporary(reason, retry_after=wait)
        raise permanent(reason)


def _read(url: str) -> Target:
    try:
        return read_url(url)
    except InvalidValue as error:
        raise permanent(str(error)) from None


def make(settings: Settings, context: GatewayContext) -> Urls:
    """The gateway for one section of the configuration."""
    return Urls(settings, context)
