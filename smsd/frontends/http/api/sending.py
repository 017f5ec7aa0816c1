"""Messages as they come become submissions, receipts become answers. One message, or a list in which each has its own fate."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.python.failure import Failure

from smsd.codec import hops
from smsd.codec.smsuri import read_parameters
from smsd.frontends.http import callback, keys
from smsd.frontends.http.answer import JSON, Answer
from smsd.frontends.http.api import problems
from smsd.frontends.http.api.answers import Accepted, Fate, Many, Mistake, OneOfMany
from smsd.frontends.http.api.asked import Content, MessageRequest, Wishes
from smsd.frontends.http.api.caller import Caller
from smsd.frontends.http.request import DoorRequest
from smsd.frontends.http.sms import shown
from smsd.values.address import Address
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.message import (
    Binary,
    Care,
    Declined,
    IdempotencyKey,
    Parameters,
    Pause,
    Priority,
    Queued,
    Receipt,
    Submission,
    Text,
    Ticket,
    Wants,
)

if TYPE_CHECKING:
    from smsd.frontends.http.door import HttpDoor

LATEST = 366 * 86_400_000
"""Milliseconds ahead that `send_at` may be."""
MINUTE = 60_000


def numbers(wishes: Wishes) -> list[str]:
    """Who gets it, as written."""
    return [wishes.to] if isinstance(wishes.to, str) else list(wishes.to)


def content(said: Content) -> Text | Binary:
    """What is to be sent. InvalidValue for a header that is none."""
    if said.text is not None:
        return Text(said.text)
    header = read_parameters([("binary", "1"), ("udh", said.udh)]).udh if said.udh else b""
    return Binary(base64.b64decode(said.data or ""), header)


def parameters(said: Wishes, most: int | None) -> Parameters:
    """What holds for every recipient; `most` is the door's limit of parts for who says none."""
    return Parameters(
        gateway=said.gateway, sender=said.sender, coding=said.dcs,
        max_parts=said.max_parts if said.max_parts is not None else most,
    )  # fmt: skip


class Sending:
    """One request that hands messages in."""

    def __init__(self, door: HttpDoor, request: DoorRequest, caller: Caller) -> None:
        self._door = door
        self._request = request
        self._caller = caller
        self._now = int(door.context.reactor.seconds() * 1000)

    # -- one

    async def one(self, message: MessageRequest) -> tuple[Answer, str]:
        """The answer, and what became of it in words."""
        key = keys.said(self._request)
        scope = f"account:{self._caller.own()}"
        made = None if key is None else IdempotencyKey(scope, key, _fingerprint(message))
        receipt = await self._submit(message, made)
        return self._answered(message, receipt)

    def _answered(self, message: MessageRequest, receipt: Receipt) -> tuple[Answer, str]:
        headers = [keys.REPLAYED] if receipt.replayed else []
        refusal = _all_refused(receipt)
        to = shown(tuple(numbers(message)))
        if refusal is not None:
            said_no = problems.refused(_placed(refusal, message, receipt), headers=headers)
            return said_no, f"{refusal.reason.name}, to {to}"
        said = _accepted(message, receipt)
        headers.append(b"Location: /api/v1/messages/%d" % receipt.message)
        taken = sum(fate.status == "accepted" for fate in said.recipients)
        words = f"{taken} of {len(said.recipients)} accepted as message {receipt.message}, to {to}"
        return Answer(201, _octets(said), JSON, tuple(headers)), words

    # -- many

    async def many(self, messages: list[MessageRequest]) -> tuple[Answer, str]:
        """The same for a list. Under a key the list is one request: another list under it is a conflict, the same one again goes
        on where it was interrupted."""
        most = self._door.settings.max_recipients
        total = sum(len(numbers(message)) for message in messages)
        if total > most:
            raise Refused(
                Reason.TOO_MANY_RECIPIENTS, f"{total} numbers in one request: send at most {most}, in several"
            )
        key, scope = keys.said(self._request), f"account:{self._caller.own()}"
        marked: list[IdempotencyKey | None] = [None] * len(messages)
        if key is not None:
            prints = [_fingerprint(message) for message in messages]
            whole = IdempotencyKey(scope, key, hashlib.sha256(b"list" + b"".join(prints)).digest())
            await self._door.context.clerk.begin(whole)
            marked = [IdempotencyKey(f"{scope}|list", f"{n}|{key}", mark) for n, mark in enumerate(prints)]
        done = [
            Deferred.fromCoroutine(self._submit(message, one)).addErrback(_kept)
            for message, one in zip(messages, marked, strict=True)
        ]
        results = await gatherResults(done)
        told = [self._fate(message, result) for message, result in zip(messages, results, strict=True)]
        taken = sum(one.message is not None for one in told)
        replayed = [one for one in told if one.message is not None and one.message.replayed]
        headers = (keys.REPLAYED,) if replayed and len(replayed) == taken else ()
        words = f"{taken} of {len(told)} messages accepted"
        return Answer(200, _octets(Many(messages=told)), JSON, headers), words

    def _fate(self, message: MessageRequest, result: Receipt | Refused) -> OneOfMany:
        refusal = result if isinstance(result, Refused) else _all_refused(result)
        if refusal is not None:
            if isinstance(result, Receipt):
                refusal = _placed(refusal, message, result)
            said = problems.problem(refusal)
            return OneOfMany(status=said.status, problem=said)
        assert isinstance(result, Receipt)
        return OneOfMany(status=201, message=_accepted(message, result))

    # -- submissions

    async def _submit(self, message: MessageRequest, key: IdempotencyKey | None) -> Receipt:
        try:
            submission = self._submission(message, key)
        except InvalidValue as error:
            raise Refused(Reason.BAD_REQUEST, str(error)) from None
        receipt: Receipt = await self._door.context.dispatcher.submit(submission)
        return receipt

    def _submission(self, message: MessageRequest, key: IdempotencyKey | None) -> Submission:
        door, account = self._door, self._caller.account
        typed = numbers(message)
        if len(typed) > door.settings.max_recipients:
            raise Refused(
                Reason.TOO_MANY_RECIPIENTS,
                f"{len(typed)} numbers in one message: send at most {door.settings.max_recipients}, in several",
            )
        later, minutes = self._later(message)
        wanted = replace(
            parameters(message, door.settings.max_parts),
            sender_required=message.sender_required, expire_minutes=minutes, priority=Priority[message.priority.upper()],
            protocol_id=message.pid,
        )  # fmt: skip
        recipients = [door.recipient(number, wanted) for number in typed]
        if later:
            recipients = [replace(recipient, gather=later) for recipient in recipients]
        reply = Address("mailto", message.reply) if message.reply else None
        made = content(message)
        if reply is not None and isinstance(made, Text):
            made = Text(f"#{message.reply}# {made.text}")
        ticket, wants = self._back(message, reply)
        return Submission(
            door=door.name,
            origin=reply or Address("account", account.name),
            recipients=tuple(recipients),
            content=made,
            account=account.name,
            ticket=ticket,
            wants=wants,
            headers=(("msgid", message.msgid),) if message.msgid else (),
            key=key,
            hops=hops.read(self._request.header(hops.NAME)),
            peer=self._request.peer,
        )

    def _later(self, message: MessageRequest) -> tuple[tuple[Care, ...], int | None]:
        """What `send_at` makes of it, and the minutes until it is given up."""
        if message.send_at is None:
            return (), message.expire_minutes
        at = int(message.send_at.timestamp() * 1000)
        wait = max(at - self._now, 0)
        if wait > LATEST:
            raise problems.Wrong(
                [Mistake(pointer="#/send_at", detail="more than a year ahead: send it later")], form=False
            )
        minutes = None if message.expire_minutes is None else message.expire_minutes + -(-wait // MINUTE)
        return ((Pause("", at),) if wait else ()), minutes

    def _back(self, message: MessageRequest, reply: Address | None) -> tuple[Ticket | None, Wants]:
        """Who hears what becomes of it: as at `/sms/`."""
        account = self._caller.account
        asked = callback.Asked(
            message.callback, None if message.callback_events is None else tuple(message.callback_events)
        )
        way = None
        if reply is None or asked:
            way = callback.way_back(self._door.context.callbacks, account.name, asked)
        if way is not None:
            return Ticket(way[0], message_id=message.msgid or ""), way[1]
        if reply is None and account.email:
            reply = Address("mailto", account.email)
        return (None, Wants.NOTHING) if reply is None else (Ticket(reply), Wants.FAILURE)


def _kept(failure: Failure) -> Any:
    failure.trap(Refused)
    return failure.value


def _fingerprint(message: MessageRequest) -> bytes:
    """What a message means, as 32 octets: equal for repeats, whatever their spelling."""
    meaning = message.model_dump(mode="json", exclude_defaults=True)
    meaning["to"] = numbers(message)
    return hashlib.sha256(b"api" + repr(sorted(meaning.items())).encode()).digest()


def _all_refused(receipt: Receipt) -> Refused | None:
    """The first refusal when nobody gets it."""
    refusals = [fate.refusal for fate in receipt.recipients if isinstance(fate, Declined)]
    return refusals[0] if refusals and len(refusals) == len(receipt.recipients) else None


def _placed(refusal: Refused, message: MessageRequest, receipt: Receipt) -> Refused:
    """The refusals of all recipients, each with its place."""
    many = not isinstance(message.to, str)
    mistakes = [
        Mistake(pointer=f"#/to/{n}" if many else "#/to", detail=fate.refusal.text)
        for n, fate in enumerate(receipt.recipients)
        if isinstance(fate, Declined)
    ]
    placed = problems.Wrong(mistakes, form=False)
    placed.reason, placed.text = refusal.reason, refusal.text
    return placed


def _accepted(message: MessageRequest, receipt: Receipt) -> Accepted:
    return Accepted(
        id=str(receipt.message),
        recipients=[_recipient(fate) for fate in receipt.recipients],
        msgid=message.msgid,
        replayed=receipt.replayed,
    )


def _recipient(fate: Queued | Declined) -> Fate:
    if isinstance(fate, Declined):
        return Fate(status="refused", number=fate.typed, problem=problems.problem(fate.refusal))
    return Fate(
        status="accepted", number=fate.target, delivery=str(fate.delivery), parts=fate.parts, encoding=fate.encoding,
        notes=list(fate.notes) or None,
    )  # fmt: skip


def _octets(said: Any) -> bytes:
    return problems.octets(said.model_dump(mode="json", exclude_none=True, by_alias=True))
