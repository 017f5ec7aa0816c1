"""The gateway: one request per piece, and what becomes of it.

Classified here and in `smsd.codec.provider.answer`, nowhere else: nothing has left = trouble of the gateway; it has left and
there is no answer, or half of one = nobody knows; an answer = what the provider's description says of it. Nothing that is shown
(a log, a reason, the status) has a credential in it, or more of a URL than its server.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from html import escape
from urllib.parse import quote, quote_plus, urljoin

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from smsd import __version__
from smsd.codec import hops
from smsd.codec.provider.answer import Reply, asks_for_second, judge
from smsd.codec.provider.model import ORIGIN, Provider, at_server
from smsd.codec.provider.request import Facts, HttpRequest, NotCarried, write
from smsd.codec.weburl import Target, path_of, read_url
from smsd.gateways import trust
from smsd.gateways.errands import without_secrets
from smsd.gateways.exchange import Answer, Unanswered, idempotency_key, login_lines
from smsd.gateways.http.settings import Settings
from smsd.gateways.lean import LeanClient
from smsd.gateways.underway import Underway
from smsd.interfaces import Abilities, GatewayContext, IGateway
from smsd.values.delivery import Accepted, Failure, Kind, Piece, Scope
from smsd.values.errors import InvalidValue

AGENT = f"smsd/{__version__}"
MOST_REDIRECTS = 3
MOST_ORIGINS = 4
"""Servers whose address is remembered in its parts."""
REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SECRET = re.compile(r"pass|pwd|pin|token|secret|key|auth|sig")
_LONG = 8
"""Characters from which on something is told apart from what happens to look like it."""


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
            reports=provider.reports is not None,
            sender=provider.text is not None and provider.text.shows(("sender",), "ascii"),
        )
        self._settings = settings
        self._credentials = {credential.name: credential.default or "" for credential in provider.credentials}
        self._credentials |= {name: value.get_secret_value() for name, value in settings.credentials.items()}
        self._secrets = tuple(_hidden(self._credentials))
        self._client = LeanClient(
            context.reactor, trust.policy(settings.ca, settings.certificate, settings.key), settings.window
        )
        self._origins: dict[str, Target] = {}
        self._underway = Underway()

    @property
    def status(self) -> str:
        """How much was handed over."""
        way = self._underway
        return f"{way.done} accepted, {way.failed} not, {len(way)} under way"

    def startService(self) -> None:
        """Open at once: whether the provider is there is known with the first message."""
        super().startService()
        self.context.outlet.opened(self._settings.window)

    def stopService(self) -> Deferred[None]:
        """Fires when the last answer is there, or its deadline over, and the connections are closed."""
        super().stopService()
        return self._underway.end(self._client)

    def send(self, piece: Piece) -> Deferred[Accepted]:
        """Hand one piece to the provider."""
        return self._underway.send(self._send(piece))

    async def _send(self, piece: Piece) -> Accepted:
        facts = self._facts(piece)
        try:
            request = write(self.provider, piece, facts)
            servers = [request.url]
            if self.provider.second is not None:
                servers.append(at_server(request.url, self.provider.second))
            targets = [self._target(url) for url in servers]
        except NotCarried as error:  # by this provider; another may
            raise Failure(Kind.PERMANENT, str(error), scope=Scope.GATEWAY, status="5.6.0") from None
        except InvalidValue as error:
            raise Failure(
                Kind.PERMANENT, without_secrets(str(error), self._secrets), status="5.6.0"
            ) from None
        outcome, again = await self._exchange(piece, request, targets[0], facts.msgid)
        if again and len(targets) > 1:
            outcome, _ = await self._exchange(piece, request, targets[1], facts.msgid)
        if isinstance(outcome, Failure):
            raise outcome
        return outcome

    def _target(self, url: str) -> Target:
        """Where to, and what to ask for there. Its secrets are looked up when something is to be shown."""
        for origin, known in self._origins.items():
            path = path_of(url, origin)
            if path is not None:
                return Target(known.scheme, known.host, known.port, path, known.login, ())
        target = read_url(url)
        begins = ORIGIN.match(url)
        if begins is not None and len(self._origins) < MOST_ORIGINS:
            self._origins[begins[0]] = target
        return target

    def _facts(self, piece: Piece) -> Facts:
        account = self.context.find_account(piece.account) if piece.account else None
        part = f"-{piece.seq}" if piece.total > 1 else ""
        return Facts(
            self._credentials,
            sender=self._settings.sender or "",
            phone=(account.phone if account is not None else None) or "",
            msgid=f"{piece.delivery}{part}",
        )

    async def _exchange(
        self, piece: Piece, request: HttpRequest, target: Target, msgid: str
    ) -> tuple[Accepted | Failure, bool]:
        """Request it, follow redirects that stay where they are, judge the answer; and whether another server may do better."""
        try:
            answer, target = await self._fetch(piece, request, target)
        except Failure as failure:
            return self._clean(failure, failure.reason, request), failure.scope is Scope.GATEWAY
        answers, settings = self.provider.answers, self._settings
        reply = _reply(answer, settings.answer_limit, self.context.reactor.seconds())
        outcome = judge(
            answers,
            reply,
            settings.rest,
            msgid,
            lambda said: without_secrets(said, self._never_shown(request)),
        )
        if isinstance(outcome, Accepted):
            return outcome, False
        if answer.status in REDIRECTS:
            reason = f"{target.origin} {_led_away(request.method, target, answer)}"
            outcome = Failure(
                Kind.TEMPORARY, reason, scope=Scope.GATEWAY, retry_after=settings.rest, status="4.4.4"
            )
            return self._clean(outcome, reason, request), False
        shown = self._clean(outcome, f"{target.origin}: {outcome.reason}", request)
        return shown, asks_for_second(answers, reply)

    def _clean(self, failure: Failure, reason: str, request: HttpRequest) -> Failure:
        """The same failure with a reason that may be shown."""
        return Failure(
            failure.kind,
            without_secrets(reason, self._never_shown(request)),
            scope=failure.scope,
            maybe_sent=failure.maybe_sent,
            retry_after=failure.retry_after,
            status=failure.status,
        )

    def _never_shown(self, request: HttpRequest) -> list[str]:
        """Credentials, what may be some, and what else a server could say back: its words stand in reasons."""
        target = read_url(request.url)
        body = (request.body or b"").decode("utf-8", "replace")
        logins = [value for name, value in request.headers if name.lower() == "authorization"]
        if target.login is not None:
            logins += login_lines(target).values()
        tokens = [part for login in logins for part in login.split(" ") if len(part) >= _LONG]
        whole = [text for text in (target.path, body) if len(text) >= _LONG]
        return [*self._secrets, *target.secrets, *tokens, *whole]

    async def _fetch(self, piece: Piece, request: HttpRequest, target: Target) -> tuple[Answer, Target]:
        """The answer behind all redirects that may be followed, and whose it is. Raises Failure when there is none."""
        now = self.context.reactor.seconds
        end = now() + self._settings.seconds  # each server has its own time: the first may be silent
        headers = {
            "User-Agent": AGENT,
            "Accept": "*/*",
            "Idempotency-Key": idempotency_key(self.context.server_name, piece),
            hops.HEADER: hops.write(piece.hops),
        }
        if request.headers:
            own = {name.lower() for name, _ in request.headers}
            headers = {name: value for name, value in headers.items() if name.lower() not in own}
            headers |= dict(request.headers)
        limit = self._settings.answer_limit
        for redirects in range(MOST_REDIRECTS + 1):
            try:
                left = max(end - now(), 0.0)
                answer = await self._client.fetch(request.method, target, headers, request.body, limit, left)
            except InvalidValue as error:
                raise Failure(Kind.PERMANENT, str(error), status="5.6.0") from None
            except Unanswered as trouble:
                raise _unanswered(target, trouble) from None
            following = _following(request.method, target, answer)
            if following is None or redirects == MOST_REDIRECTS:
                break
            target = following
        return answer, target


def _hidden(credentials: dict[str, str]) -> Iterable[str]:
    """What of the credentials may be shown nowhere, as it is and as URLs, XML and JSON have it."""
    for name, value in credentials.items():
        if len(value) > 1 and (len(value) >= _LONG or _SECRET.search(name)):
            yield from {
                value,
                quote(value),
                quote(value, safe=""),
                quote_plus(value, safe=""),
                escape(value),
                json.dumps(value)[1:-1],
            }


def _unanswered(target: Target, trouble: Unanswered) -> Failure:
    reason = f"{target.origin}: {trouble.reason}"
    if trouble.sent:
        return Failure(Kind.UNKNOWN, f"{reason}: it may have been sent", maybe_sent=True, status="4.4.2")
    return Failure(Kind.TEMPORARY, reason, scope=Scope.GATEWAY, status="4.4.1")


def _reply(answer: Answer, limit: int, now: float) -> Reply:
    headers: dict[str, str] = {}
    for name, value in answer.lines:
        headers.setdefault(name.decode("latin-1").lower(), value.decode("utf-8", "replace"))
    cut = len(answer.body) > limit
    wait = answer.retry_after(now)
    return Reply(answer.status, answer.body, headers, answer.whole, cut, wait, answer.phrase)


def _following(method: str, target: Target, answer: Answer) -> Target | None:
    """Where a redirect leads to that may be followed: a GET, to the same server. A message is repeated nowhere else."""
    if answer.status not in REDIRECTS or method != "GET":
        return None
    there = _location(target, answer)
    if there is None or (there.scheme, there.host, there.port) != (target.scheme, target.host, target.port):
        return None
    return Target(there.scheme, there.host, there.port, there.path, target.login, there.secrets)


def _led_away(method: str, target: Target, answer: Answer) -> str:
    """Why a redirect was not followed."""
    if not answer.header("Location"):
        return f"answered {answer.status}, a redirect that leads nowhere"
    there = _location(target, answer)
    if there is None:
        return "redirects to what is neither http: nor https:, which is not followed"
    if method != "GET":
        return f"answered a {method} with a redirect to {there.origin}, which is not followed: use the new address"
    if there.origin == target.origin:
        return f"redirects more than {MOST_REDIRECTS} times"
    return f"redirects to {there.origin}, which is not followed: use the new address if it is right"


def _location(target: Target, answer: Answer) -> Target | None:
    where = answer.header("Location")
    try:
        return read_url(urljoin(f"{target.origin}{target.path}", where)) if where else None
    except (InvalidValue, ValueError):
        return None
