"""What each operation does: ask the clerk or the dispatcher, and say it in the words of the models. Methods are called as the table
names them, and give the answer with a word for the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smsd.core.clerk import Wish
from smsd.frontends.http.answer import JSON, Answer
from smsd.frontends.http.api import answers, asked, problems, showing
from smsd.frontends.http.api.caller import Caller
from smsd.frontends.http.api.jobs import JobVerbs
from smsd.frontends.http.api.sending import Sending, content, numbers, parameters
from smsd.frontends.http.events import fetch
from smsd.frontends.http.request import DoorRequest

if TYPE_CHECKING:
    from datetime import datetime

    from smsd.frontends.http.door import HttpDoor

Said = tuple[Answer, str]


class Verbs(JobVerbs):
    """Those of one request."""

    def __init__(self, door: HttpDoor, request: DoorRequest, caller: Caller) -> None:
        self._door = door
        self._request = request
        self._caller = caller
        self._clerk = door.context.clerk

    async def send(self, body: asked.MessageRequest | list[asked.MessageRequest]) -> Said:
        """POST /messages"""
        self._caller.own()
        sending = Sending(self._door, self._request, self._caller)
        return await (sending.many(body) if isinstance(body, list) else sending.one(body))

    async def find(self, query: asked.Found) -> Said:
        """GET /messages"""
        to = query.to
        if to is not None and to[:1] == " ":
            to = "+" + to.strip()  # a plus that was not encoded
        wish = Wish(
            tuple(query.state), to or "", query.msgid or "", _ms(query.since), _ms(query.until), int(query.cursor or 0), query.limit
        )  # fmt: skip
        found, further = await self._clerk.find(self._caller.whose(query.account), wish)
        page = answers.Page(
            deliveries=[showing.delivery(row) for row in found], next=str(further) if further else None
        )
        return _said(page), f"{len(found)} deliveries"

    async def look_up(self, number: int) -> Said:
        """GET /messages/{id}"""
        told = await self._clerk.message(self._caller.whose(None), _id(number))
        return _said(showing.message(_there(told, number))), "shown"

    async def cancel(self, number: int) -> Said:
        """DELETE /messages/{id}"""
        told = await self._clerk.cancel(self._caller.whose(None), _id(number), self._caller.who)
        return _said(showing.message(_there(told, number))), f"message {number} cancelled"

    async def explain(self, number: int) -> Said:
        """GET /messages/{id}/explain"""
        told = await self._clerk.explain(self._caller.whose(None), _id(number))
        found = [showing.explained(one) for one in _there(told, number)]
        return _said(answers.Explanation(deliveries=found)), "explained"

    async def try_out(self, body: asked.TrialRequest) -> Said:
        """POST /explain"""
        given = body.model_dump(exclude={"sender", "account"})
        whose = self._caller.name if body.account is None else self._caller.whose(body.account)
        told = await self._clerk.trial(whose, {**given, "from": body.sender}, self._caller.everything)
        return _said(answers.Trial(**told)), told["fate"]

    async def price(self, body: asked.PriceRequest) -> Said:
        """POST /price"""
        typed = [
            self._door.recipient(number, parameters(body, self._door.settings.max_parts))
            for number in numbers(body)
        ]
        told = self._clerk.price(self._caller.name, typed, content(body))
        told["recipients"] = [showing.price_of_one(one) for one in told["recipients"]]
        return _said(answers.Price(**told)), f"{told['parts']} SMS"

    async def account(self) -> Said:
        """GET /account"""
        told = await self._clerk.account(self._caller.own())
        return _said(showing.account(told, await self._balance(told["name"]))), "shown"

    async def accounts(self, query: asked.Accounts) -> Said:
        """GET /accounts"""
        found = await self._clerk.accounts(query.after, query.limit)
        shown = [showing.account(told, await self._balance(told["name"])) for told in found]
        further = shown[-1].name if len(shown) == query.limit else None
        return _said(answers.AccountList(accounts=shown, next=further)), f"{len(shown)} accounts"

    async def _balance(self, name: str) -> str | None:
        credit = self._door.context.credit
        return None if credit is None else await credit.shown(name)

    async def incoming(self, query: asked.Incoming) -> Said:
        """GET /incoming"""
        whose = self._caller.whose(query.account)
        found, cursor = await self._clerk.incoming(whose, query.after, query.limit)
        page = answers.ReceivedPage(messages=[showing.received(row) for row in found], cursor=cursor)
        return _said(page), f"{len(found)} messages"

    async def events(self, query: asked.Waiting) -> Said:
        """GET /events"""
        found, cursor = await fetch(
            self._door,
            self._request,
            self._caller.own(),
            query.subscriber,
            query.after,
            query.limit,
            query.wait,
        )
        told = [answers.EventTold(id=event.id, **event.shown) for event in found]
        return _said(answers.EventPage(events=told, cursor=cursor)), f"{len(found)} events"

    async def settings(self, kind: str, name: str) -> Said:
        """GET /settings/{kind}/{name}"""
        return self._settings(await self._clerk.settings(kind, name), kind, name)

    async def add_settings(self, kind: str, name: str, body: asked.SettingsRequest) -> Said:
        """PUT /settings/{kind}/{name}"""
        return self._settings(await self._clerk.add(kind, name, body.settings), kind, name, 201)

    async def change_settings(self, kind: str, name: str, body: asked.SettingsRequest) -> Said:
        """PATCH /settings/{kind}/{name}"""
        return self._settings(await self._clerk.change(kind, name, body.settings), kind, name)

    async def remove_settings(self, kind: str, name: str) -> Said:
        """DELETE /settings/{kind}/{name}"""
        return self._settings(await self._clerk.remove(kind, name), kind, name)

    def _settings(self, told: Any, kind: str, name: str, status: int = 200) -> Said:
        if told is None:
            raise problems.NotThere(f"there is no {kind} {name}")
        return _said(showing.settings(told), status), f"{kind} {name}"

    async def gateways(self) -> Said:
        """GET /gateways"""
        return _said(showing.gateways(await self._clerk.status())), "shown"


def _said(said: Any, status: int = 200) -> Answer:
    return Answer(status, problems.octets(said.model_dump(mode="json", by_alias=True)), JSON)


def _ms(time: datetime | None) -> int:
    return 0 if time is None else max(int(time.timestamp() * 1000), 1)


def _id(number: int) -> int:
    if number >= 1 << 63:
        raise problems.NotThere(f"there is no message {number}")
    return number


def _there(told: Any, number: int) -> Any:
    if told is None:
        raise problems.NotThere(f"there is no message {number}, or it is not yours")
    return told
