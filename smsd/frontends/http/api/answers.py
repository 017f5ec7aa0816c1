"""What answers tell, as pydantic models, which the description is made of too. Names may become more."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from smsd.frontends.http.api.asked import State


class Told(BaseModel):
    """What goes."""

    model_config = ConfigDict(populate_by_name=True)


class Mistake(Told):
    """One thing that is wrong with a request."""

    pointer: str | None = Field(default=None, description="where in the body (RFC 6901)")
    parameter: str | None = Field(default=None, description="in which part of the query")
    header: str | None = Field(default=None, description="in which header")
    detail: str = Field(description="what is wrong, and what to do")


class Problem(Told):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="urn:smsd:problem: and a word for programs")
    title: str
    status: int
    detail: str = Field(description="what was wrong and what to do, for people")
    errors: list[Mistake] | None = None


class Fate(Told):
    """What became of one recipient."""

    status: Literal["accepted", "refused"]
    number: str
    delivery: str | None = Field(default=None, description="its id")
    parts: int | None = Field(default=None, description="SMS")
    encoding: str | None = None
    notes: list[str] | None = Field(default=None, description="what was changed: cut, sender not set …")
    problem: Problem | None = Field(default=None, description="why it was refused")


class Accepted(Told):
    """A message that is committed: it survives everything from now on."""

    id: str
    recipients: list[Fate]
    msgid: str | None = None
    replayed: bool = Field(default=False, description="true: accepted before under the same key")


class OneOfMany(Told):
    """What became of one message of a list."""

    status: int = Field(description="as if it had come alone")
    message: Accepted | None = None
    problem: Problem | None = None


class Many(Told):
    """What became of each message, in the order of the request."""

    messages: list[OneOfMany]


class Delivery(Told):
    """One message on its way to one number."""

    id: str
    message: str
    to: str
    state: State
    reason: str | None
    text: str | None = None
    data: str | None = Field(default=None, description="octets in base64")
    parts: int
    parts_sent: int
    gateway: str | None
    tries: int
    perhaps_twice: bool = Field(description="nobody knows whether the network got it twice")
    submitted: str
    due: str | None = Field(description="when it is tried next")
    expires: str | None
    finished: str | None
    msgid: str | None
    account: str | None


class PartSent(Told):
    """One SMS of a delivery."""

    part: int
    gateway: str | None
    reference: str | None = Field(description="what the network calls it")
    at: str | None
    reported: str | None


class NetworkSaid(Told):
    """One report of a network."""

    part: int | None
    status: str | None
    words: str | None = Field(description="the network's own")
    at: str | None


class Try(Told):
    """One try that did not work."""

    at: str
    gateway: str | None
    reason: str | None


class DeliveryWhole(Delivery):
    """A delivery with everything that happened to it."""

    sent: list[PartSent]
    reports: list[NetworkSaid]
    failed_tries: list[Try]


class Message(Told):
    """A message with its deliveries."""

    id: str
    account: str | None
    submitted: str
    msgid: str | None
    text: str | None = None
    data: str | None = None
    deliveries: list[DeliveryWhole]


class Page(Told):
    """Deliveries, newest first."""

    deliveries: list[Delivery]
    next: str | None = Field(
        description="the cursor of the next page, null at the end; a page may hold less than `limit`, or nothing, and go on"
    )


class Step(Told):
    """Something that happened."""

    at: str
    what: str


class Explained(Told):
    """How a delivery came to where it is."""

    delivery: str
    state: State
    why: str
    steps: list[Step]
    rules: list[str] | None = Field(default=None, description="what rules said (scope admin)")


class Explanation(Told):
    """Of each delivery of a message."""

    deliveries: list[Explained]


class Trial(Told):
    """What would become of a message."""

    fate: str
    why: str
    to: str | None = None
    parts: int | None = None
    encoding: str | None = None
    text: str | None = None
    notes: list[str] = []
    route: str | None = Field(default=None, description="scope admin")
    rules: list[str] | None = Field(default=None, description="scope admin")
    sends: list[dict[str, str]] | None = Field(
        default=None, description="what rules would send besides (scope admin)"
    )


class Culprit(Told):
    """A character that the GSM alphabet has not got."""

    char: str
    name: str
    at: int = Field(description="where it is first, from 0")
    times: int
    plain: str | None = Field(description="what could be written for it")


class PriceOfOne(Told):
    """Of one recipient."""

    number: str
    parts: int
    encoding: str | None = None
    price: str | None = Field(default=None, description="of all its parts")
    destination: str | None = None
    problem: Problem | None = None


class Price(Told):
    """What a message would cost."""

    recipients: list[PriceOfOne]
    parts: int = Field(description="SMS for all recipients")
    price: str | None = Field(default=None, description="for all recipients; null where nothing is charged")
    currency: str | None = None
    encoding: str | None = None
    units: int | None = Field(default=None, description="septets or UTF-16 units of the text")
    left: int | None = Field(default=None, description="units free in the last SMS")
    text: str | None = Field(default=None, description="what would be sent")
    notes: list[str] = []
    plain_parts: int | None = Field(default=None, description="SMS if the culprits were written plainly")
    culprits: list[Culprit] = Field(
        default=[], description="what makes it UCS-2, so that an SMS holds 70 characters and not 160"
    )


class Account(Told):
    """An account as its owner sees it."""

    name: str
    active: bool
    closed: str | None = Field(description="why it cannot be used, if it cannot")
    expires: str | None
    group: str | None
    gateway: str | None
    email: str | None
    phone: str | None
    country: str | None
    senders: list[str]
    text: str
    prepaid: bool
    balance: str | None = Field(description="what a prepaid account may still spend")
    monthly_limit: int = Field(description="0: none")
    sent_this_month: int
    sent_last_month: int
    last_sent: str | None


class AccountList(Told):
    """By name."""

    accounts: list[Account]
    next: str | None = Field(description="the `after` of the next page, null at the end")


class Settings(Told):
    """Settings of an account, an account group or a policy, without its password."""

    kind: str
    name: str
    source: str = Field(description="configuration (changed in its file only), store, or policy")
    closed: str | None = Field(description="why it cannot be used, if it cannot")
    settings: dict[str, Any]


class InReplyTo(Told):
    """What a phone answered."""

    delivery: str
    msgid: str | None


class Received(Told):
    """What a phone wrote."""

    id: str
    from_: str = Field(alias="from", description="the phone's number")
    to: str | None = Field(description="the number that was written to, if known")
    gateway: str | None
    received: str
    written: str | None = Field(description="when, as the network says")
    text: str | None = None
    data: str | None = None
    udh: str | None = None
    in_reply_to: InReplyTo | None


class ReceivedPage(Told):
    """Oldest first."""

    messages: list[Received]
    cursor: str = Field(description="goes into `after` next time")


class EventTold(Told):
    """An event, as callbacks tell it."""

    id: str
    type: str
    timestamp: str
    data: dict[str, Any]


class EventPage(Told):
    """Oldest first."""

    events: list[EventTold]
    cursor: str = Field(description="confirms them when it goes into `after`")


class Gateway(Told):
    """A gateway as the operator sees it."""

    id: str
    type: str
    status: str
    slots: int
    on_wire: int
    closed: str
    trouble: str


class Queue(Told):
    """How many deliveries wait."""

    route: str
    state: State
    deliveries: int


class Gateways(Told):
    """All of them, and what waits."""

    version: str
    gateways: list[Gateway]
    queue: list[Queue]
