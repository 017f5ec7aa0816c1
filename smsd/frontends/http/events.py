"""`/sms/events`: programs that cannot be reached fetch what became of their messages, and what phones answered.

`after` is the cursor of the answer before: what came with it is confirmed, and not told again. Who dies before that gets it
again. `wait` lets the answer wait until there is something.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from smsd.codec.smsuri import Wishes
from smsd.codec.webhooks import Event
from smsd.frontends.http import answer
from smsd.frontends.http.answer import JSON, Answer
from smsd.frontends.http.caller import identify
from smsd.frontends.http.request import DoorRequest
from smsd.frontends.http.sms import request_pairs
from smsd.values.errors import InvalidValue, Reason, Refused, storable

if TYPE_CHECKING:
    from smsd.frontends.http.door import HttpDoor

USUAL, MOST = 100, 500
"""Events of one answer."""
LONGEST_WAIT = 60
LOOK = 1.0
"""Seconds between two looks while somebody waits."""
_NAMES = ("user", "pass", "after", "limit", "wait", "subscriber")


class Events:
    """The page `/sms/events`."""

    methods: tuple[bytes, ...] = (b"GET", b"POST")

    def __init__(self, door: HttpDoor) -> None:
        self._door = door

    def handle(self, request: DoorRequest) -> Deferred[Any]:
        """Answers when the returned Deferred fires; it fails only with what nobody expected."""
        return Deferred.fromCoroutine(self._handle(request))

    async def _handle(self, request: DoorRequest) -> None:
        account = ""
        try:
            given = _read(request)
            limit = _number(given, "limit", USUAL, 1, MOST)
            wait = _number(given, "wait", 0, 0, LONGEST_WAIT)
            account = await self._who(request, given)
            said, fate = await self._events(request, account, given, limit, wait)
        except (InvalidValue, Refused) as error:
            refusal = error if isinstance(error, Refused) else Refused(Reason.BAD_REQUEST, str(error))
            said, fate = answer.refused(refusal, as_json=True), refusal.reason.name
        self._door.calls.add(f"{request.peer} /sms/events {said.status}: {fate}", account=account or None)
        request.answer(said)

    async def _who(self, request: DoorRequest, given: dict[str, str]) -> str:
        wishes = Wishes(user=given.get("user") or None, password=given.get("pass") or None)
        caller = identify(
            request, wishes, self._door.context, trusted=False, required=True, scopes=("read", "incoming")
        )
        account = await caller if isinstance(caller, Deferred) else caller
        return str(account.name)

    async def _events(
        self, request: DoorRequest, account: str, given: dict[str, str], limit: int, wait: int
    ) -> tuple[Answer, str]:
        named, after = given.get("subscriber") or None, given.get("after", "")
        found, cursor = await fetch(self._door, request, account, named, after, limit, wait)
        content = {"events": [{"id": event.id, **event.shown} for event in found], "cursor": cursor}
        body = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        return Answer(200, body, JSON), f"{len(found)} events"


async def fetch(
    door: HttpDoor, request: DoorRequest, account: str, named: str | None, after: str, limit: int, wait: int
) -> tuple[list[Event], str]:
    """The next events of an account, after those that the cursor `after` confirms, and the cursor that confirms these. Waits up to
    `wait` seconds for the first."""
    callbacks, reactor = door.context.callbacks, door.context.reactor
    if callbacks is None:
        raise Refused(Reason.NOT_ALLOWED, "there are no events to fetch here")
    end = reactor.seconds() + wait
    found, cursor = await callbacks.fetch(account, named, after, limit)
    # What it has confirmed stays confirmed; only what is new is looked for.
    while not found and reactor.seconds() + LOOK <= end and door.running and not request.gone:
        await deferLater(reactor, LOOK)
        found, cursor = await callbacks.fetch(account, named, "", limit)
    return found, cursor


def _read(request: DoorRequest) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in request_pairs(request):
        if name.lower() not in _NAMES:
            raise InvalidValue(f"{name[:40]!r} is not known here: write {', '.join(_NAMES)}")
        given[name.lower()] = storable(value)
    return given


def _number(given: dict[str, str], name: str, usual: int, least: int, most: int) -> int:
    text = given.get(name, "").strip()
    if not text:
        return usual
    if text.isascii() and text.isdigit() and len(text) < 6 and least <= int(text) <= most:
        return int(text)
    raise InvalidValue(f"{name}={text[:40]!r} is not understood: write a whole number from {least} to {most}")
