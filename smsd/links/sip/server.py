"""Requests that come in, checked in the order of RFC 3261 section 8.2, and their answers.

What a method does is elsewhere: `Incoming` has MESSAGE, `Registrar` REGISTER.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from smsd.codec.sip import (
    ACCEPT,
    Asked,
    Malformed,
    Pairs,
    Peer,
    Request,
    Response,
    Uri,
    date,
    readable,
    respond,
    unsupported,
)
from smsd.core.calls import CallLog
from smsd.links.sip.incoming import Done, Incoming, number_of
from smsd.links.sip.login import Caller, Logins
from smsd.links.sip.packed import ENCODINGS
from smsd.links.sip.refusals import Rejected, refuse, rejected
from smsd.links.sip.registrar import Registrar
from smsd.links.sip.settings import Settings
from smsd.links.sip.stack import Stack
from smsd.values.address import masked
from smsd.values.errors import Refused

MOST_AT_ONCE = 2000
"""Requests that are worked on at once; more are told to come again."""
BROKEN = Rejected(500, "something went wrong here: the log of the server says what")


class Server:
    """`back(address)` is told that somebody's phone is there (again)."""

    log = Logger()

    def __init__(
        self,
        settings: Settings,
        stack: Stack,
        logins: Logins,
        registrar: Registrar,
        incoming: Incoming,
        clock: Any,
        host: str,
        known: Callable[[Peer], None],
        back: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._stack = stack
        self._logins = logins
        self._registrar = registrar
        self._incoming = incoming
        self._clock = clock
        self._host = host
        self._known = known
        self._back = back
        self.calls = CallLog(self.log, clock, settings.id)
        self._methods: dict[str, Callable[[Request, Uri, Peer, str], Done | Deferred[Done]]] = {
            "MESSAGE": self._message,
            "OPTIONS": self._options,
        }
        if settings.registrar:
            self._methods["REGISTER"] = self._register
        self._allow = ("Allow", ", ".join(self._methods))
        self.working = 0
        self._idle: list[Deferred[None]] = []
        self.stopping = False
        stack.asked = self.asked

    def asked(self, asked: Asked) -> None:
        """Answer a request, now or after the commit."""
        if self.stopping or self.working >= MOST_AT_ONCE:
            why = Rejected(
                503, "too much is asked at once, or the server is stopping", (("Retry-After", "5"),)
            )
            self._answer(
                asked, refuse(asked.request, self._stack.transactions.tag(asked.request), self._host, why)
            )
            return
        self.working += 1
        request = asked.request
        tag = self._stack.transactions.tag(request)
        done: Done | Deferred[Done]
        try:
            done = self._done(request, asked.source, tag)
        except (Refused, Rejected, Malformed) as error:
            done = self._refused(error, request, tag)
        except Exception as error:  # a door's edge: whatever it is, nobody waits for an answer in vain
            done = self._broken(Failure(error), request, tag)
        if isinstance(done, Deferred):
            done.addErrback(self._failed, request, tag).addCallback(self._worked, asked)
        else:
            self._worked(done, asked)

    def _failed(self, failure: Failure, request: Request, tag: str) -> Done:
        error = failure.value
        if isinstance(error, (Refused, Rejected, Malformed)):
            return self._refused(error, request, tag)
        return self._broken(failure, request, tag)

    def _refused(self, error: Refused | Rejected | Malformed, request: Request, tag: str) -> Done:
        why = rejected(error)
        return Done(refuse(request, tag, self._host, why), why.text or "asked for a login")

    def _broken(self, failure: Failure, request: Request, tag: str) -> Done:
        link, method = self._settings.id, request.method
        self.log.failure("{link}: {method} failed unexpectedly", failure, link=link, method=method)
        return Done(refuse(request, tag, self._host, BROKEN), BROKEN.text)

    def _worked(self, done: Done, asked: Asked) -> None:
        try:
            self._answer(asked, done.response)
            if asked.request.method != "OPTIONS":
                self._tell(asked.request, asked.source, done)
        finally:
            self.working -= 1
            if not self.working:
                idle, self._idle = self._idle, []
                for waiting in idle:
                    waiting.callback(None)

    def idle(self) -> Deferred[None]:
        """Fires when everybody is answered."""
        done: Deferred[None] = Deferred()
        if self.working:
            self._idle.append(done)
        else:
            done.callback(None)
        return done

    def _answer(self, asked: Asked, response: Response) -> None:
        try:
            self._stack.answer(asked.key, response)
        except Malformed as error:
            # Something of the request, sent back, would break out of its line.
            self.log.error("{link}: an answer cannot be written: {e}", link=self._settings.id, e=error)
            tag = self._stack.transactions.tag(asked.request)
            self._stack.answer(asked.key, respond(asked.request, response.status, tag=tag))

    def _tell(self, request: Request, source: Peer, done: Done) -> None:
        status = done.response.status
        to = masked(readable(_user(request)))
        who = masked(readable(request.sender.uri.partition(":")[2])[:100])
        line = (
            f"{self._settings.id}: {readable(request.method)[:20]} for {to} from {who} at {source.host}: {status} "
            f"{readable(done.told)}"
        )
        if status in (401, 407) or request.method == "REGISTER":
            self.log.debug("{line}", line=line)
        else:
            self.calls.add(line)

    # -- in the order of RFC 3261 section 8.2

    def _done(self, request: Request, source: Peer, tag: str) -> Done | Deferred[Done]:
        work = self._methods.get(request.method)
        target = request.target
        if request.method != "MESSAGE":
            ruled = self._ruled(request, target, tag)
            if ruled is not None:
                return ruled
        if work is None:
            raise Rejected(
                405, f"{readable(request.method)[:20]} is not done here: this is for texts", (self._allow,)
            )
        if target.scheme not in ("sip", "sips", "tel"):
            raise Rejected(416, "write to a sip: or tel: address")
        lacking = unsupported(request)
        if lacking:
            raise Rejected(420, "not known here", tuple(("Unsupported", name) for name in lacking[:10]))
        if request.to.tag:
            raise Rejected(481, "there is no dialog with this server")
        return work(request, target, source, tag)

    def _ruled(self, request: Request, target: Uri, tag: str) -> Done | None:
        """What rules say of a request that can become no SMS: they may refuse it, but not say yes to what is not done."""
        verdict = self._incoming.verdict(request, target)
        answer = verdict.response
        if verdict.sms is not None or not (verdict.stop or answer):
            return None
        if answer is not None and (answer.code >= 300 or request.method == "OPTIONS"):
            return Done(
                respond(request, answer.code, answer.phrase, tag=tag), f"as the rule in {verdict.place} says"
            )
        if verdict.stop:
            raise Rejected(403, "this server does not take such requests for this address")
        return None

    def _options(self, request: Request, target: Uri, source: Peer, tag: str) -> Done:
        headers: Pairs = (
            self._allow,
            ("Accept", ACCEPT),
            ("Accept-Encoding", ENCODINGS),
            ("Accept-Language", "en"),
        )
        return Done(respond(request, 200, tag=tag, headers=headers), "")

    def _message(self, request: Request, target: Uri, source: Peer, tag: str) -> Done | Deferred[Done]:
        caller = self._caller(request, source)
        if target.host and not caller.trusted and not self._ours(target.host):
            # Digits at another domain are somebody's extension there: no SMS to a stranger who has that number.
            raise Rejected(
                404, f"this is for another server: numbers stand in front of @{self._settings.domains[0]}"
            )
        return self._incoming.message(request, target, caller, source, tag)

    def _caller(self, request: Request, source: Peer) -> Caller:
        caller = self._logins.caller(request, source, self._clock.seconds())
        self._known(source)
        return caller

    def _register(self, request: Request, target: Uri, source: Peer, tag: str) -> Deferred[Done]:
        return Deferred.fromCoroutine(self._registered(request, target, source, tag))

    async def _registered(self, request: Request, target: Uri, source: Peer, tag: str) -> Done:
        to = request.to.target
        if not self._ours(target.host) or not self._ours(to.host) or not to.user:
            raise Rejected(404, f"phones of {', '.join(self._settings.domains)} register here")
        caller = self._caller(request, source)
        if caller.account is not None and caller.account.closed(self._clock.seconds()):
            raise Rejected(403, str(caller.account.closed(self._clock.seconds())))
        if not caller.may_be(to):
            raise Rejected(403, "this account registers for its own address: its name in front of the @")
        host = to.host if to.host in self._settings.domains else self._settings.domains[0]
        address = f"{readable(number_of(to))}@{host}".lower()
        left = await self._registrar.register(address, request, source)
        now = self._clock.seconds()
        headers: list[tuple[str, str]] = [
            ("Contact", f"<{one.uri}>;expires={math.ceil(max(one.expires - now, 0))}") for one in left
        ]
        headers.append(date(now))
        if left:
            self._back(address)
        told = f"{address} has {len(left)} phone{'' if len(left) == 1 else 's'}"
        return Done(respond(request, 200, tag=tag, headers=tuple(headers)), told)

    def _ours(self, host: str) -> bool:
        """Whether a domain is ours; phones may know us by an address only."""
        if host in self._settings.domains or host == self._host.lower():
            return True
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return True


def _user(request: Request) -> str:
    try:
        return request.target.user or request.target.host
    except Malformed:
        return "?"
