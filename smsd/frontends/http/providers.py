"""`/sms/in/<gateway>`: what providers hand in, messages from phones and delivery reports, in their own words (features D3, D4).

How a provider's requests are read and signed is data (`smsd.codec.provider`). Here is asked where a call comes from and whether it
is signed; what it holds goes to `IInbound` and `IReports`. The answer that the provider wants to hear comes after the commit; what
could not be stored is answered 503, so that it comes again, and the provider's id makes that harmless. Secrets are never logged.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from smsd.codec import hops
from smsd.codec.provider import handed
from smsd.codec.provider.signature import BODY_ONLY, Call, signed_in
from smsd.codec.provider.taking import Heard, Taken, take
from smsd.core.provided import Provided
from smsd.frontends.http.answer import Answer
from smsd.frontends.http.request import DoorRequest
from smsd.frontends.http.sms import shown
from smsd.interfaces import MessageIn
from smsd.values.errors import InvalidValue, Reason, Refused

if TYPE_CHECKING:
    from smsd.frontends.http.door import HttpDoor, Page

_log = Logger()
_SIGNED = (
    "authorization", "x-twilio-signature", "x-signature", "x-timestamp", "webhook-id", "webhook-timestamp",
    "webhook-signature",
)  # fmt: skip
_LATER = Refused(Reason.UNAVAILABLE, "not stored: send it again later")


def pages(door: HttpDoor) -> dict[bytes, Page]:
    """A page for every path at which a provider calls."""
    known: dict[str, Provided] = door.context.providers or {}
    found: dict[bytes, Page] = {}
    shared: dict[str, list[Provided]] = {}
    for provided in known.values():
        path = f"/sms/in/{provided.gateway}"
        found[path.encode()] = ProviderPage(door, [provided])
        if provided.incoming.reports is not None:
            found[f"{path}/report".encode()] = ProviderPage(door, [provided], reports_only=True)
        for further in provided.incoming.paths:
            shared.setdefault(further, []).append(provided)
    found.update((path.encode(), ProviderPage(door, every)) for path, every in shared.items())
    return found


class ProviderPage:
    """A path at which one provider calls, or (the paths of old scripts name no gateway) one of several: the first that lets the
    call in."""

    methods: tuple[bytes, ...] = (b"GET", b"POST")

    def __init__(self, door: HttpDoor, every: list[Provided], *, reports_only: bool = False) -> None:
        self._door = door
        self._every = [(provided, provided.networks) for provided in every]
        self._reports_only = reports_only

    def handle(self, request: DoorRequest) -> Deferred[Any]:
        """Answers when the returned Deferred fires."""
        visit = _Visit(self._door, request)
        if len(self._every) == 1:
            visit.provided = self._every[0][
                0
            ]  # whatever is wrong with the call, the log says whose it would be
        try:
            taken = self._read(request, visit)
        except (InvalidValue, Refused) as error:
            visit.refuse(error if isinstance(error, Refused) else Refused(Reason.BAD_REQUEST, str(error)))
            return succeed(None)
        return visit.keep(taken)

    def _read(self, request: DoorRequest, visit: _Visit) -> Taken:
        """What the request holds, once it is known whose it is."""
        encoding = request.header(b"content-encoding")
        if encoding is not None and encoding.lower() != "identity":
            raise InvalidValue(f"Content-Encoding {encoding[:20]!r} is not taken: send the body as it is")
        here = [each for each, networks in self._every if not networks or request.peer in networks]
        if not here:
            raise Refused(Reason.NOT_ALLOWED, "you may not call from this address")
        if not request.query and not request.body:
            # How some providers try whether there is anybody, when the URL is entered there.
            visit.provided = here[0]
            return Taken()
        said = handed.read(request.query, request.body, request.header(b"content-type") or "")
        wrong = ""
        for provided in here:
            way, why = self._checked(provided, request, said)
            if not why:
                visit.provided = provided
                vouched = replace(said, query=()) if way in BODY_ONLY else said
                return take(provided.incoming, vouched, reports_only=self._reports_only)
            wrong = wrong or why
        visit.provided = here[0]
        visit.why = wrong
        raise Refused(Reason.NOT_ALLOWED, "the call is not signed as it should be")

    def _checked(self, provided: Provided, request: DoorRequest, said: handed.Handed) -> tuple[str, str]:
        """How the call is signed ("" where it need not be), and why it is not the provider's ("" when it is)."""
        settings = provided.settings
        if not settings.secrets:
            return "", ""
        named = ((name, request.header(name.encode())) for name in _SIGNED)
        call = Call(
            url=_url(request, settings.url),
            query=said.query,
            form=said.form,
            scalars=said.scalars,
            body=request.body,
            headers=tuple((name, value) for name, value in named if value is not None),
            parameter=provided.incoming.parameter,
        )
        now = self._door.context.reactor.seconds()
        return signed_in(provided.ways, settings.secrets, call, now, settings.tolerance)


def _url(request: DoorRequest, told: str | None) -> str:
    """The URL that the provider asked: what it was told, or, without a proxy between us, what it says."""
    if told is None:
        scheme = "https" if request.channel.isSecure() else "http"
        told = f"{scheme}://{request.header(b'host') or ''}{request.path.decode('latin-1')}"
    return f"{told}?{request.query.decode('latin-1')}" if request.query else told


class _Visit:
    """One call on its way: what is kept, said back and logged."""

    def __init__(self, door: HttpDoor, request: DoorRequest) -> None:
        self._door = door
        self._request = request
        self._started = door.context.reactor.seconds()
        self.provided: Provided | None = None
        self.why = ""
        self._numbers: tuple[str, ...] = ()
        self._what = ""

    def keep(self, taken: Taken) -> Deferred[Any]:
        """Hand everything over; one that is not stored makes the provider send all of it again."""
        assert self.provided is not None
        gateway = self.provided.gateway
        self._numbers = tuple(heard.sender for heard in taken.messages) + tuple(
            r.number for r in taken.reports
        )
        self._what = _counted(taken)
        for line in (*taken.notes, *taken.wrong):
            _log.warn("gateway {gateway}: its provider's call: {line}", gateway=gateway, line=line)
        if taken.wrong and not (taken.messages or taken.reports):
            self.refuse(Refused(Reason.BAD_REQUEST, taken.wrong[0]))
            return succeed(None)
        context = self._door.context
        if taken.reports and context.reports is None:
            self.refuse(_LATER)
            return succeed(None)
        handed_on = hops.read(self._request.header(hops.NAME))
        waiting = [context.inbound.message(_message(gateway, heard, handed_on)) for heard in taken.messages]
        waiting += [context.reports.reported(gateway, report) for report in taken.reports]
        return DeferredList(waiting, consumeErrors=True).addCallback(self._kept)

    def _kept(self, results: list[tuple[bool, Any]]) -> None:
        failures = [result for good, result in results if not good]
        if not failures:
            self._answer(None)
            return
        for failure in failures:
            # A door's edge: whatever it was, the provider has to keep it and send it again.
            if isinstance(failure, Failure) and not failure.check(Refused):
                _log.failure("a provider's call could not be kept", failure)
        first = failures[0].value
        self.refuse(first if isinstance(first, Refused) else _LATER)

    def refuse(self, refusal: Refused) -> None:
        """Say no."""
        self._answer(refusal)

    def _answer(self, refusal: Refused | None) -> None:
        said = self._said(refusal)
        gateway = self.provided.gateway if self.provided is not None else "-"
        request = self._request
        path = request.path.decode("ascii", "replace")[:100]
        why = f" ({self.why or refusal.text})" if refusal is not None else ""
        took = self._door.context.reactor.seconds() - self._started
        self._door.calls.add(
            f"{request.peer} {path} {said.status}: {refusal is None}{why}, gateway {gateway}, {self._what or 'nothing'}"
            f" from {shown(self._numbers)}, {took:.3f} s",
            gateway=gateway,
        )
        request.answer(said)

    def _said(self, refusal: Refused | None) -> Answer:
        if refusal is None:
            assert self.provided is not None
            said = self.provided.incoming.said
            return Answer(said.status, said.body.encode(), said.kind.encode("ascii", "replace"))
        # Callers know three answers: wrong signature, wrong request, later.
        status = {401: 403, 429: 503}.get(refusal.reason.http, refusal.reason.http)
        headers = (b"Retry-After: 5",) if status == 503 else ()
        return Answer(status, f"{refusal.text}\n".encode("utf-8", "replace"), headers=headers)


def _message(gateway: str, heard: Heard, handed_on: int) -> MessageIn:
    return MessageIn(
        gateway, heard.sender, heard.content, heard.own, heard.id, heard.join, heard.seq, heard.total, heard.at,
        hops=handed_on,
    )  # fmt: skip


def _counted(taken: Taken) -> str:
    counts = (
        (len(taken.messages), "message"),
        (len(taken.reports), "report"),
        (taken.others, "other"),
        (len(taken.wrong), "unreadable"),
    )
    return ", ".join(
        f"{n} {what}{'s' if n > 1 and what not in ('other', 'unreadable') else ''}" for n, what in counts if n
    )
