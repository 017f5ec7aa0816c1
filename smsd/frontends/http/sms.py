"""`/sms/`: hand in one message for one or many numbers, by GET or POST (features S1, S2, S3).

Reads the fields, asks who it is, hands one Submission to the dispatcher and spells its receipt. What the
parameters mean is `smsd.codec.smsuri`; who may send what is decided behind the dispatcher. Nothing is
answered with OK before the commit.
"""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, succeed

from smsd.codec import hops
from smsd.codec.smsuri import Wishes, read_parameters
from smsd.frontends.http import answer, callback
from smsd.frontends.http.caller import identify
from smsd.frontends.http.fields import Pairs, read_body, read_query
from smsd.frontends.http.request import DoorRequest
from smsd.values.address import Address, masked
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.message import (
    DEFAULT_PARAMETERS,
    Declined,
    IdempotencyKey,
    Parameters,
    Receipt,
    Submission,
    Ticket,
    Wants,
)

if TYPE_CHECKING:
    from smsd.frontends.http.door import HttpDoor

_NO_WISHES = Wishes()
_PARAMETER_FIELDS = tuple(field.name for field in fields(Parameters))


def request_pairs(request: DoorRequest) -> Pairs:
    """The pairs of a request: its query, then its body. InvalidValue, or Refused when the body's type is not
    read."""
    pairs = read_query(request.query) if request.query else []
    if request.body:
        encoding = request.header(b"content-encoding")
        if encoding is not None and encoding.lower() != "identity":
            raise UnreadType(f"Content-Encoding {encoding[:20]!r} is not taken: send the body as it is")
        kind = request.header(b"content-type") or ""
        more = read_body(request.body, kind)
        if more is None:
            raise UnreadType(
                f"Content-Type {kind[:60]!r} is not taken: send application/x-www-form-urlencoded, "
                "application/json or multipart/form-data"
            )
        pairs.extend(more)
    return pairs


_SCOPES = ("send",)


class UnreadType(Refused):
    """A body of a type that is not read: 415."""

    def __init__(self, text: str) -> None:
        super().__init__(Reason.BAD_REQUEST, text)


class Sms:
    """The page `/sms/`."""

    methods: tuple[bytes, ...] = (b"GET", b"POST")

    def __init__(self, door: HttpDoor) -> None:
        self._door = door

    def handle(self, request: DoorRequest) -> Deferred[Any]:
        """Answers the request when the returned Deferred fires; it fails only with what nobody expected."""
        return _Call(self._door, request).run()


class _Call:
    """One request on its way."""

    __slots__ = ("_account", "_as_json", "_asked", "_door", "_request", "_wishes")

    def __init__(self, door: HttpDoor, request: DoorRequest) -> None:
        self._door = door
        self._request = request
        self._as_json = "json" in (request.header(b"accept") or "").lower()
        self._wishes = _NO_WISHES
        self._asked = callback.NOTHING
        self._account: str | None = None

    def run(self) -> Deferred[Any]:
        door, request = self._door, self._request
        try:
            pairs, self._asked = callback.take(self._without_format(request_pairs(request)))
            self._wishes = wishes = read_parameters(pairs)
            caller = identify(
                request,
                wishes,
                door.context,
                trusted=request.peer in door.trusted,
                required=door.settings.require_auth,
                scopes=_SCOPES,
            )
            waits = isinstance(caller, Deferred)
            submitted = caller.addCallback(self._submit) if waits else self._submit(caller)
        except InvalidValue as error:
            return self._refuse(Refused(Reason.BAD_REQUEST, str(error)))
        except Refused as refusal:
            return self._refuse(refusal)
        return submitted.addCallbacks(self._accepted, self._failed)

    def _without_format(self, pairs: Pairs) -> Pairs:
        for number, (name, value) in enumerate(pairs):
            if name == "format" and value in ("json", "text"):
                self._as_json = value == "json"
                return [*pairs[:number], *pairs[number + 1 :]]
        return pairs

    def _submit(self, account: Any) -> Deferred[Receipt]:
        try:
            return self._door.context.dispatcher.submit(self._submission(account))
        except InvalidValue as error:
            raise Refused(Reason.BAD_REQUEST, str(error)) from None

    def _submission(self, account: Any) -> Submission:
        door, wishes = self._door, self._wishes
        if not wishes.numbers:
            raise Refused(Reason.BAD_REQUEST, "number is missing: write number=+15551234567")
        if len(wishes.numbers) > door.settings.max_recipients:
            raise Refused(
                Reason.TOO_MANY_RECIPIENTS,
                f"{len(wishes.numbers)} numbers in one request: send at most {door.settings.max_recipients}",
            )
        if wishes.data is None:
            raise Refused(Reason.EMPTY, "data is missing: write data=hello")
        parameters = wishes.parameters
        if parameters.max_parts is None and door.settings.max_parts is not None:
            parameters = replace(parameters, max_parts=door.settings.max_parts)
        name = self._account = None if account is None else account.name
        reply = wishes.reply_to()
        way = None
        if reply is None or self._asked:
            way = callback.way_back(door.context.callbacks, name, self._asked)
        if way is None and reply is None and account is not None and account.email:
            reply = Address("mailto", account.email)
        ticket = None if reply is None else Ticket(reply)
        wants = Wants.NOTHING if reply is None else Wants.FAILURE
        if way is not None:
            ticket, wants = Ticket(way[0], message_id=wishes.msgid or ""), way[1]
        return Submission(
            door=door.name,
            origin=reply or (Address("door", door.name) if name is None else Address("account", name)),
            recipients=tuple([door.recipient(number, parameters) for number in wishes.numbers]),
            content=wishes.content(wishes.data),
            account=name,
            ticket=ticket,
            wants=wants,
            key=self._key(name),
            hops=hops.read(self._request.header(hops.NAME)),
            peer=self._request.peer,
        )

    def _key(self, account: str | None) -> IdempotencyKey | None:
        key = self._request.header(b"idempotency-key") or self._wishes.msgid
        if not key:
            return None
        if len(key) > 255 or not key.isprintable():
            raise Refused(Reason.BAD_REQUEST, "Idempotency-Key has at most 255 printable characters")
        scope = f"door:{self._door.name}" if account is None else f"account:{account}"
        return IdempotencyKey(scope, key, fingerprint(self._wishes, self._asked))

    def _accepted(self, receipt: Receipt) -> None:
        wishes = self._wishes
        said = answer.accepted(receipt, as_json=self._as_json, msgid=wishes.msgid, warnings=wishes.warnings)
        total = len(receipt.recipients)
        declined = [fate.refusal.reason.name for fate in receipt.recipients if isinstance(fate, Declined)]
        fate = f"{total - len(declined)} of {total} accepted"
        if len(declined) < total:
            fate += f" as message {receipt.message}"
        if declined:
            fate += f" ({', '.join(dict.fromkeys(declined))})"
        self._door.calls.add(
            f"{self._request.peer} /sms/ {said.status}: {fate}, to {shown(wishes.numbers)}",
            account=self._account,
            message=receipt.message,
            msgid=wishes.msgid,
        )
        self._request.answer(said)

    def _failed(self, failure: Any) -> None:
        failure.trap(Refused)
        self._refuse(failure.value)

    def _refuse(self, refusal: Refused) -> Deferred[None]:
        status = 415 if isinstance(refusal, UnreadType) else 0
        said = answer.refused(refusal, as_json=self._as_json, status=status)
        self._door.calls.add(
            f"{self._request.peer} /sms/ {said.status}: {refusal.reason.name}, to {shown(self._wishes.numbers)}",
            account=self._account,
        )
        self._request.answer(said)
        return succeed(None)


def shown(numbers: tuple[str, ...]) -> str:
    """The first number as a log may have it, whatever was typed for one."""
    return masked(answer.word(numbers[0])) if numbers else "nobody"


def fingerprint(wishes: Wishes, asked: callback.Asked = callback.NOTHING) -> bytes:
    """What a request means, as 32 octets: equal for repeats, whatever their credentials and their
    spelling."""
    chosen = [
        (name, value)
        for name in _PARAMETER_FIELDS
        if (value := getattr(wishes.parameters, name)) != getattr(DEFAULT_PARAMETERS, name)
    ]
    meaning: tuple[object, ...] = (
        wishes.numbers, wishes.data, wishes.binary, wishes.udh, wishes.reply, chosen,
    )  # fmt: skip
    if asked:
        meaning += (asked.callback, asked.events)
    return hashlib.sha256(repr(meaning).encode("utf-8")).digest()
