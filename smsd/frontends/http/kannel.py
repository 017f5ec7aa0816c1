"""`/cgi-bin/sendsms`: what programs written for Kannel ask (`kannel: true` on the listener).

Parameters and answers are Kannel's (`smsd.codec.sendsms`); the promise is ours: `0: Accepted for delivery` is written after the
commit. `3: Queued for later delivery` says, as in Kannel, that nothing can carry it just now; a Kannel in front of us takes
anything but `0:` for a failure, so it hears that. Reports go to the `dlr-url` (`smsd.codec.kannel`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from smsd.codec import hops, kannel, sendsms
from smsd.codec.smsuri import Wishes
from smsd.frontends.http.answer import Answer
from smsd.frontends.http.caller import identify
from smsd.frontends.http.request import DoorRequest
from smsd.frontends.http.sms import shown
from smsd.values.address import Address
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.message import Care, Declined, Pause, Receipt, Recipient, Submission, Ticket, Wants

if TYPE_CHECKING:
    from smsd.frontends.http.door import HttpDoor

PATH = b"/cgi-bin/sendsms"

ACCEPTED = b"0: Accepted for delivery"
QUEUED = b"3: Queued for later delivery"
STRANGER = b"Authorization failed for sendsms"
LATER = b"Temporal failure, try again later."
NEVER = b"Not routable. Do not try again."
DENIED = b"Number(s) has/have been denied by white- and/or black-lists."
UNKNOWN = b"Unknown request."
UNREAD = b"Invalid content-type"

_FORMS = ("", "application/x-www-form-urlencoded")
_BODIES = ("text/plain", "application/octet-stream")
_LOGIN = frozenset({Reason.BAD_CREDENTIALS, Reason.NOT_AUTHENTICATED, Reason.NOT_ALLOWED})
_NOT_NOW = frozenset({429, 503})
_ELSEWHERE = frozenset({Reason.NO_GATEWAY, Reason.UNKNOWN_GATEWAY, Reason.NOT_ALLOWED})
_OF_A_KANNEL = "dlr-mid="
"""What every request of Kannel's own `smsc = http` has in its dlr-url, whether it wants reports or not."""


class Kannel:
    """The page `/cgi-bin/sendsms`."""

    methods: tuple[bytes, ...] = (b"GET", b"POST")

    def __init__(self, door: HttpDoor) -> None:
        self._door = door

    def handle(self, request: DoorRequest) -> Deferred[Any]:
        """Answers when the returned Deferred fires."""
        if not self._door.settings.kannel:
            request.answer(Answer(404, UNKNOWN))
            return succeed(None)
        return _Call(self._door, request).run()


class _Call:
    """One request on its way."""

    __slots__ = ("_account", "_asked", "_door", "_fields", "_gateway", "_request", "_submission")

    def __init__(self, door: HttpDoor, request: DoorRequest) -> None:
        self._door = door
        self._request = request
        self._fields: dict[str, bytes] = {}
        self._account: str | None = None
        self._gateway: str | None = None
        self._asked: sendsms.Sendsms | None = None
        self._submission: Submission | None = None

    def run(self) -> Deferred[Any]:
        door, request = self._door, self._request
        try:
            fields = self._read()
            if fields is None:
                return self._answer(400, UNREAD)
            self._fields = fields
            caller = identify(
                request, self._login(), door.context,
                trusted=request.peer in door.trusted, required=door.settings.require_auth,
            )  # fmt: skip
        except InvalidValue as error:
            return self._answer(400, str(error).encode())
        except Refused as refusal:
            return self._not_let_in(refusal)
        if isinstance(caller, Deferred):
            return caller.addCallbacks(self._submit, self._stranger)
        return self._submit(caller)

    def _read(self) -> dict[str, bytes] | None:
        """The fields of the request; None for a body of a kind that is not read."""
        request = self._request
        fields = sendsms.read_form(request.query)
        if not request.body:
            return fields
        given = request.header(b"content-type") or ""
        kind = given.partition(";")[0].strip().lower()
        if kind in _FORMS:
            return {**sendsms.read_form(request.body.strip(b"\r\n")), **fields}
        if kind in _BODIES:
            headers = ((name, request.header(name.encode())) for name in sendsms.HEADERS)
            said = [(name, value) for name, value in headers if value is not None]
            return sendsms.read_headers(said, request.body, given)
        return sendsms.read_xml(request.body) if kind == "text/xml" else None

    def _login(self) -> Wishes:
        fields = self._fields
        user = fields.get("username", fields.get("user"))
        password = fields.get("password", fields.get("pass"))
        try:
            return Wishes(
                user=user.decode() if user else None, password=password.decode() if password else None
            )
        except UnicodeDecodeError:
            raise Refused(Reason.BAD_CREDENTIALS, "user and password are UTF-8") from None

    def _stranger(self, failure: Failure) -> Deferred[None]:
        failure.trap(Refused)
        assert isinstance(failure.value, Refused)
        return self._not_let_in(failure.value)

    def _not_let_in(self, refusal: Refused) -> Deferred[None]:
        """A login that failed, or (503) that cannot be looked at just now."""
        return self._answer(403, STRANGER) if refusal.reason in _LOGIN else self._answer(503, LATER)

    def _submit(self, account: Any) -> Deferred[Any]:
        if account is not None:
            self._account, self._gateway = account.name, account.gateway
        settings = self._door.settings
        try:
            self._asked = asked = sendsms.read(self._fields, self._door.smscs)
            if len(asked.to) > settings.max_recipients:
                return self._answer(
                    400, b"Too many receivers, rejected: at most %d" % settings.max_recipients
                )
            if not any(map(sendsms.dialled, asked.to)):
                return self._answer(400, DENIED)
            self._submission = self._made(asked, account)
        except InvalidValue as error:
            return self._answer(400, str(error).encode())
        except Refused as refusal:
            return self._answer(400, refusal.text.encode())
        submitted: Deferred[Receipt] = self._door.context.dispatcher.submit(self._submission)
        return submitted.addCallbacks(self._accepted, self._failed)

    def _made(self, asked: sendsms.Sendsms, account: Any) -> Submission:
        door, name = self._door, self._account
        later: tuple[Care, ...] = ()
        if asked.deferred:
            later = (Pause("", int(door.context.reactor.seconds() * 1000) + asked.deferred * 60_000),)
        parameters = asked.parameters
        if parameters.max_parts is None and door.settings.max_parts is not None:
            parameters = replace(parameters, max_parts=door.settings.max_parts)
        ticket, wants = self._back(asked, account)
        return Submission(
            door=door.name,
            origin=Address("door", door.name) if name is None else Address("account", name),
            recipients=tuple(
                [
                    Recipient(Address("sms", to), to, parameters, gather=later)
                    for to in asked.to
                    if sendsms.dialled(to)
                ]
            ),
            content=asked.content, account=name, ticket=ticket, wants=wants, peer=self._request.peer,
            hops=hops.read(self._request.header(hops.NAME)),
        )  # fmt: skip

    def _back(self, asked: sendsms.Sendsms, account: Any) -> tuple[Ticket | None, Wants]:
        """Who hears what becomes of it: the dlr-url, else as for `/sms/` the account's subscriber or mailbox. Refused when senders
        may not give URLs."""
        callbacks = self._door.context.callbacks
        if asked.mask:
            if callbacks is not None:
                callbacks.way_back(self._account, asked.dlr_url)
            facts = replace(asked.facts, service=self._account or "")
            return kannel.ticket(asked.dlr_url, asked.mask, facts), kannel.wants(asked.mask)
        way = None if callbacks is None else callbacks.way_back(self._account)
        if way is not None:
            return Ticket(way[0]), way[1]
        if account is not None and account.email:
            return Ticket(Address("mailto", account.email)), Wants.FAILURE
        return None, Wants.NOTHING

    # -- what came of it

    def _accepted(self, receipt: Receipt) -> Deferred[None]:
        asked, submission = self._asked, self._submission
        assert asked is not None
        assert submission is not None
        declined = [fate for fate in receipt.recipients if isinstance(fate, Declined)]
        if len(declined) == len(receipt.recipients):
            return self._refuse(
                declined[0].refusal if declined else Refused(Reason.EMPTY, "nobody to send to")
            )
        line = QUEUED if self._waits(asked) else ACCEPTED
        answered = self._answer(202, line, f"message {receipt.message}", message=receipt.message)
        if declined and submission.ticket is not None:
            # The answer is for all of them at once: who was not taken is told by a report.
            told: Deferred[None] = self._door.context.dispatcher.bounce(submission, receipt.message, declined)
            return told
        return answered

    def _waits(self, asked: sendsms.Sendsms) -> bool:
        carries = self._door.context.carries
        if carries is None or _OF_A_KANNEL in asked.dlr_url:
            return False
        return not carries(asked.parameters.gateway or self._gateway)

    def _failed(self, failure: Failure) -> Deferred[None]:
        failure.trap(Refused)
        assert isinstance(failure.value, Refused)
        return self._refuse(failure.value)

    def _refuse(self, refusal: Refused) -> Deferred[None]:
        """Kannel's words for why nothing was taken, and ours where it has none."""
        reason = refusal.reason
        if reason in _ELSEWHERE:
            return self._answer(403, NEVER, reason.name)
        if reason.http in _NOT_NOW:
            return self._answer(503, LATER, reason.name)
        if reason is Reason.BAD_NUMBER:
            return self._answer(400, DENIED, reason.name)
        return self._answer(400, refusal.text.encode("utf-8", "replace"), reason.name)

    def _answer(self, status: int, text: bytes, more: str = "", **fields: Any) -> Deferred[None]:
        numbers = () if self._asked is None else self._asked.to
        self._door.calls.add(
            f"{self._request.peer} {PATH.decode()} {status}"
            f" {more or text.decode('utf-8', 'replace')[:80]}, to {shown(numbers)}",
            account=self._account, **fields,
        )  # fmt: skip
        headers = (b"Retry-After: 5",) if status == 503 else ()
        self._request.answer(Answer(status, text, headers=headers))
        return succeed(None)
