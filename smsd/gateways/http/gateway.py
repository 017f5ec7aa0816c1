"""The gateway: one request per piece, and what becomes of it.

Classified here and in `smsd.codec.provider.answer`, nowhere else: nothing has left = trouble of the gateway; it has left and
there is no answer, or half of one = nobody knows; an answer = what the provider's description says of it. Nothing that is shown
(a log, a reason, the status) has a credential in it, or more of a URL than its server.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, quote_plus, urljoin

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger
from zope.interface import implementer

from smsd import __version__
from smsd.codec.provider.answer import Reply, judge
from smsd.codec.provider.model import Provider
from smsd.codec.provider.request import Facts, HttpRequest, write
from smsd.codec.weburl import Target, read_url
from smsd.gateways import trust
from smsd.gateways.errands import without_secrets
from smsd.gateways.exchange import Answer, Unanswered
from smsd.gateways.http.settings import Settings
from smsd.gateways.lean import LeanClient
from smsd.interfaces import Abilities, GatewayContext, IGateway
from smsd.values.delivery import Accepted, Failure, Kind, Piece, Scope
from smsd.values.errors import InvalidValue

MOST_REDIRECTS = 3
REDIRECTS = frozenset({301, 302, 303, 307, 308})
SHORTEST_WAIT = 1.0
LONGEST_WAIT = 86_400.0
"""Bounds of a provider's Retry-After, in seconds."""
_SECRET = re.compile(r"pass|pwd|pin|token|secret|key|auth|sig")


@implementer(IGateway)
class Http(Service):
    """Carries SMS through one provider."""

    log = Logger()

    def __init__(self, settings: Settings, provider: Provider, context: GatewayContext) -> None:
        self.name = settings.id
        self.context = context
        self.provider = provider
        self.abilities = Abilities(
            schemes=frozenset({"sms"}),
            parts=True,
            whole_text=not provider.split,
            binary=provider.binary is not None and provider.binary.limit != 1,
            reports=settings.reports and provider.reports is not None,
            sender=provider.text is not None and provider.text.shows(("sender",), "ascii"),
        )
        self._settings = settings
        self._credentials = {credential.name: credential.default or "" for credential in provider.credentials}
        self._credentials |= {name: value.get_secret_value() for name, value in settings.credentials.items()}
        self._secrets = tuple(_hidden(self._credentials))
        self._client = LeanClient(
            context.reactor, trust.policy(settings.ca, settings.certificate, settings.key), settings.window
        )
        self._busy: set[Deferred[None]] = set()
        self._done = 0
        self._failed = 0

    @property
    def status(self) -> str:
        """How much was handed over."""
        return f"{self._done} accepted, {self._failed} not, {len(self._busy)} under way"

    def startService(self) -> None:
        """Open at once: whether the provider is there is known with the first message."""
        super().startService()
        self.context.outlet.opened(self._settings.window)

    def stopService(self) -> Deferred[None]:
        """Fires when the last answer is there, or its deadline over, and the connections are closed."""
        super().stopService()
        return (
            DeferredList(list(self._busy))
            .addCallback(lambda _: DeferredList([self._client.close()]))
            .addCallback(lambda _: None)
        )

    def send(self, piece: Piece) -> Deferred[Accepted]:
        """Hand one piece to the provider."""
        done: Deferred[Accepted] = Deferred.fromCoroutine(self._send(piece))
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

    async def _send(self, piece: Piece) -> Accepted:
        try:
            request = write(self.provider, piece, self._facts(piece))
            target = read_url(request.url)
        except InvalidValue as error:
            raise Failure(
                Kind.PERMANENT, without_secrets(str(error), self._secrets), status="5.6.0"
            ) from None
        outcome = await self._exchange(piece, request, target)
        if isinstance(outcome, Failure):
            raise outcome
        return outcome

    def _facts(self, piece: Piece) -> Facts:
        account = self.context.find_account(piece.account) if piece.account else None
        part = f"-{piece.seq}" if piece.total > 1 else ""
        return Facts(
            self._credentials,
            sender=self._settings.sender or "",
            phone=(account.phone if account is not None else None) or "",
            msgid=f"{piece.delivery}{part}",
        )

    async def _exchange(self, piece: Piece, request: HttpRequest, target: Target) -> Accepted | Failure:
        """Request it, follow redirects that stay where they are, and judge the answer."""
        settings, reactor = self._settings, self.context.reactor
        headers = {
            "User-Agent": f"smsd/{__version__}",
            "Accept": "*/*",
            # The same for every try of this piece, and no other's: /sms/ and others know it again by this.
            "Idempotency-Key": f"{self.context.server_name}-{piece.delivery}-{piece.arrived}-{piece.seq}",
            **dict(request.headers),
        }
        end = reactor.seconds() + settings.seconds
        secrets = (*self._secrets, *target.secrets)
        for redirects in range(MOST_REDIRECTS + 1):
            try:
                answer = await self._client.fetch(
                    request.method,
                    target,
                    headers,
                    request.body,
                    settings.answer_limit,
                    max(end - reactor.seconds(), 0.0),
                )
            except InvalidValue as error:
                return Failure(Kind.PERMANENT, without_secrets(str(error), secrets), status="5.6.0")
            except Unanswered as trouble:
                return _unanswered(target, trouble, secrets)
            outcome = judge(self.provider.answers, _reply(answer, reactor.seconds()), settings.rest)
            self.log.debug(
                "{gateway}: delivery {delivery} part {seq}/{total}: {origin} answered {status}",
                gateway=self.name, delivery=piece.delivery, seq=piece.seq, total=piece.total, origin=target.origin,
                status=answer.status,
            )  # fmt: skip
            if answer.status not in REDIRECTS or isinstance(outcome, Accepted):
                break
            following = _following(request.method, target, answer)
            if isinstance(following, str) or redirects == MOST_REDIRECTS:
                why = (
                    following if isinstance(following, str) else f"redirects more than {MOST_REDIRECTS} times"
                )
                reason = without_secrets(f"{target.origin} {why}", secrets)
                return Failure(
                    Kind.TEMPORARY, reason, scope=Scope.GATEWAY, retry_after=settings.rest, status="4.4.4"
                )
            target = following
        if isinstance(outcome, Failure):
            return _clean(outcome, f"{target.origin}: {outcome.reason}", secrets)
        return outcome


def _hidden(credentials: dict[str, str]) -> Iterable[str]:
    """What of the credentials may be shown nowhere, as it is and as URLs have it."""
    for name, value in credentials.items():
        if len(value) > 1 and (len(value) >= 8 or _SECRET.search(name)):
            yield from {value, quote(value, safe=""), quote_plus(value, safe="")}


def _unanswered(target: Target, trouble: Unanswered, secrets: tuple[str, ...]) -> Failure:
    if trouble.sent:
        reason = f"{target.origin}: {trouble.reason}: it may have been sent"
        return Failure(Kind.UNKNOWN, without_secrets(reason, secrets), maybe_sent=True, status="4.4.2")
    reason = f"{target.origin}: {trouble.reason}"
    return Failure(Kind.TEMPORARY, without_secrets(reason, secrets), scope=Scope.GATEWAY, status="4.4.1")


def _clean(failure: Failure, reason: str, secrets: tuple[str, ...]) -> Failure:
    """The same failure with a reason that may be shown."""
    return Failure(
        failure.kind,
        without_secrets(reason, secrets),
        scope=failure.scope,
        maybe_sent=failure.maybe_sent,
        retry_after=failure.retry_after,
        status=failure.status,
    )


def _reply(answer: Answer, now: float) -> Reply:
    headers: dict[str, str] = {}
    for name, value in answer.lines:
        headers.setdefault(name.decode("latin-1").lower(), value.decode("utf-8", "replace"))
    wait = _wait(headers.get("retry-after", ""), now)
    return Reply(answer.status, answer.body, headers, answer.whole, wait, answer.phrase)


def _wait(text: str, now: float) -> float | None:
    """The seconds that a Retry-After asks for (RFC 9110, 10.2.3): a number, or a date."""
    text = text.strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        wait = float(text[:10])
    else:
        try:
            wait = parsedate_to_datetime(text).timestamp() - now
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return min(max(wait, SHORTEST_WAIT), LONGEST_WAIT)


def _following(method: str, target: Target, answer: Answer) -> Target | str:
    """Where a redirect leads to, or why nobody goes there. A message is only repeated where it was meant to go."""
    if method != "GET":
        return f"answered a {method} with a redirect: write the new address into the configuration"
    where = answer.header("Location")
    try:
        following = read_url(urljoin(f"{target.origin}{target.path}", where) if where else "")
    except InvalidValue as error:
        return f"redirects to nowhere: {error}"
    if (following.scheme, following.host, following.port) != (target.scheme, target.host, target.port):
        return f"redirects to {following.origin}: write the new address into the configuration if it is right"
    return Target(
        following.scheme, following.host, following.port, following.path, target.login, following.secrets
    )
