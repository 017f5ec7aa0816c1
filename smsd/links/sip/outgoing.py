"""Pieces become MESSAGEs to phones and proxies, and their answers outcomes.

A retry has the Call-ID of the first try, so a phone that got the text and whose answer was lost can know it again.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import replace
from typing import Any

from twisted.logger import Logger

from smsd.codec.sip import (
    Malformed,
    Pairs,
    Party,
    Peer,
    Request,
    Response,
    Unanswered,
    again,
    ask,
    credentials,
    date,
    is_refused,
    is_too_large,
    read_uri,
    readable,
    text_body,
    write,
)
from smsd.links.sip.receipts import report_body
from smsd.links.sip.registrar import Registrar
from smsd.links.sip.settings import Settings
from smsd.links.sip.stack import Stack
from smsd.links.sip.ways import Way, Ways
from smsd.links.sip.wires import Wires
from smsd.values.delivery import Accepted, Failure, Kind, Piece, Scope
from smsd.values.message import Binary, Report, Text

LONGEST = 60_000
"""Octets of a body: a datagram holds no more."""
GONE = frozenset({404, 408, 410, 480, 481, 486, 487, 491, 600})
"""Answers that another time may bring another of; besides all of 5xx."""
WRONG_PASSWORD = 300.0
MOST_WAYS = 100
"""Phones that are asked in one go."""
ELSEWHERE = frozenset({"4.3.2", "4.4.1"})
"""Busy (503) or not there: another host of the same name may do it (RFC 3263 section 4.3). What one host refuses, all do."""


class Outgoing:
    """`send` is the link's."""

    log = Logger()

    def __init__(
        self,
        settings: Settings,
        stack: Stack,
        wires: Wires,
        ways: Ways,
        registrar: Registrar,
        clock: Any,
        host: str,
    ) -> None:
        self._settings = settings
        self._stack = stack
        self._wires = wires
        self._ways = ways
        self._registrar = registrar
        self._clock = clock
        self._host = host

    async def send(self, piece: Piece) -> Accepted:
        """To the first phone, or host of the proxy, that takes it; Failure when none does. A phone that registers meanwhile is one
        of them: a try lasts half a minute, and who walks from one network into another is not to wait for the next."""
        target = piece.target.target
        trouble: Failure | None = None
        tried: set[tuple[str, Peer]] = set()
        while len(tried) < MOST_WAYS:
            try:
                ways = await self._ways.find(target)
            except Failure as error:
                trouble = trouble or error
                break
            way = next((one for one in ways if (one.uri, one.peer) not in tried), None)
            if way is None:
                break
            tried.add((way.uri, way.peer))
            outcome = await self._try(piece, way)
            if isinstance(outcome, Accepted):
                return outcome
            trouble = _worse(trouble, outcome)
            if way.binding is None and outcome.status not in ELSEWHERE:
                break
        assert trouble is not None
        raise trouble

    async def _try(self, piece: Piece, way: Way) -> Accepted | Failure:
        try:
            request = self._request(piece, way)
            answer = await self._asked(request, way)
        except Malformed as error:
            return Failure(Kind.PERMANENT, f"no MESSAGE can be made of it: {error.text}", status="5.6.0")
        if isinstance(answer, Unanswered):
            return self._silent(piece, way, answer.status)
        if 200 <= answer.status < 300:
            return Accepted(request.call_id)
        return self._refused(way, answer)

    async def _asked(self, request: Request, way: Way) -> Response | Unanswered:
        user, password = self._settings.proxy_user, self._settings.proxy_password
        request, answer = await self._once(request, way.peer)
        if (
            isinstance(answer, Response)
            and answer.status in (401, 407)
            and way.routes
            and user is not None
            and password is not None
            and not is_refused(request, answer)
        ):
            own = credentials(answer, request, user, password.get_secret_value(), secrets.token_hex(16))
            if own:
                _, answer = await self._once(again(request, secrets.token_hex(16), own), way.peer)
        return answer

    async def _once(self, request: Request, peer: Peer) -> tuple[Request, Response | Unanswered]:
        """Too large for a datagram: by TCP, and if nobody listens there by UDP all the same (RFC 3261 section 18.1.1)."""
        if peer.transport == "UDP" and is_too_large(write(request)):
            via = self._wires.via("TCP", peer.host)
            by_tcp = again(request, secrets.token_hex(16), via=via)
            answer = await self._stack.ask(by_tcp, Peer("TCP", peer.host, peer.port))
            if not (isinstance(answer, Unanswered) and answer.status == 503):
                return by_tcp, answer
            request = again(by_tcp, secrets.token_hex(16), via=self._wires.via("UDP", peer.host))
        return request, await self._stack.ask(request, peer)

    # -- what is asked

    def _request(self, piece: Piece, way: Way) -> Request:
        sender, to = self._sender(piece), f"sip:{piece.target.target}"
        named = f"{self._settings.id}|{piece.delivery}|{piece.again}"
        identity = hashlib.sha256(named.encode()).hexdigest()[:24]
        headers, octets = self._body(piece, sender.uri, to, identity)
        if len(octets) > LONGEST:
            raise Malformed(f"the text is longer than {LONGEST} octets")
        # Each try asks at most three times, and the number has to rise.
        return ask(
            "MESSAGE",
            way.uri,
            sender=replace(sender, parameters=(("tag", identity[:12]),)),
            to=Party(str(read_uri(to))),
            via=self._wires.via(way.peer.transport, way.peer.host),
            token=secrets.token_hex(16),
            call_id=f"{identity}@{self._host}",
            cseq=1 + 8 * min(piece.tries, 10_000_000),
            routes=way.routes,
            headers=(*headers, date(piece.arrived / 1000)) if piece.arrived else headers,
            body=octets,
        )

    def _sender(self, piece: Piece) -> Party:
        """The number as it was written to, so that the phone shows one conversation; else the number at our domain."""
        typed = dict(piece.headers).get("typed", "")
        if isinstance(piece.content, Report):
            typed = piece.content.recipient
        try:
            uri = read_uri(typed)
            if uri.scheme in ("sip", "sips", "tel") and readable(typed) == typed:
                return Party(str(replace(uri, headers=(), password="")) if uri.scheme != "tel" else str(uri))
        except Malformed:
            pass
        origin, domain = piece.origin, self._settings.domains[0]
        number = typed if isinstance(piece.content, Report) else origin.target
        if origin.scheme != "sms" and not isinstance(piece.content, Report):
            return Party(f"sip:smsd@{domain}", origin.target if origin.target.isprintable() else "")
        kept = "".join(c for c in number if (c.isalnum() and c.isascii()) or c in "+*#-_.")[:100]
        return Party(f"sip:{kept.replace('#', '%23') or 'unknown'}@{domain}")

    def _body(self, piece: Piece, sender: str, to: str, identity: str) -> tuple[Pairs, bytes]:
        content = piece.content
        if isinstance(content, Text):
            return text_body(content.text)
        if isinstance(content, Report):
            return report_body(content, sender, to, identity)
        if isinstance(content, Binary):
            return text_body(f"(binary message of {len(content.data)} octets: {content.data[:140].hex()})")
        raise Malformed("this is no message for a phone")

    # -- what came of it

    def _silent(self, piece: Piece, way: Way, status: int) -> Failure:
        whose = "the phone" if way.binding is not None else f"{way.peer.host}"
        scope = Scope.MESSAGE if way.binding is not None else self._ways.proxy_scope
        if way.binding is not None:
            self._registrar.quiet(piece.target.target.lower(), way.binding)
        else:
            self._ways.silent(way.peer)
        if status == 503:
            why = self._wires.why(way.peer)
            told = f"{whose} cannot be reached" + (f": {why}" if why else "")
            return Failure(Kind.TEMPORARY, told, scope=scope, status="4.4.1")
        return Failure(
            Kind.TEMPORARY, f"{whose} has not answered", scope=scope, maybe_sent=True, status="4.4.1"
        )

    def _refused(self, way: Way, answer: Response) -> Failure:
        whose = "the phone" if way.binding is not None else f"the proxy {way.peer.host}"
        told = f"{whose} answers {answer.status} {readable(answer.reason)[:100]}".rstrip()
        wait = _retry_after(answer)
        if answer.status in (401, 407):
            if way.binding is None:
                scope = self._ways.proxy_scope
                return Failure(
                    Kind.TEMPORARY, f"{told}: proxy_user and proxy_password are wrong, or missing", scope=scope,
                    retry_after=WRONG_PASSWORD, status="4.7.8",
                )  # fmt: skip
            return Failure(Kind.PERMANENT, told, status="5.7.8")
        if answer.status == 503 and way.binding is None:
            self._ways.silent(way.peer)
            return Failure(
                Kind.TEMPORARY, told, scope=self._ways.proxy_scope, retry_after=wait, status="4.3.2"
            )
        if answer.status in GONE or 500 <= answer.status < 600:
            return Failure(Kind.TEMPORARY, told, retry_after=wait, status="4.2.1")
        return Failure(Kind.PERMANENT, told, status="5.7.1" if answer.status in (403, 603) else "5.6.0")


def _retry_after(answer: Response) -> float | None:
    digits = answer.get("Retry-After").strip().partition(" ")[0].partition("(")[0].partition(";")[0]
    return (
        float(min(int(digits), 86_400)) if digits.isascii() and digits.isdigit() and len(digits) < 9 else None
    )


def _worse(before: Failure | None, now: Failure) -> Failure:
    """Of several phones: perhaps taken, then another time, then never."""
    if before is None:
        return now
    ranked = sorted((before, now), key=lambda one: (not one.maybe_sent, one.kind is Kind.PERMANENT))
    return ranked[0]
