"""What requests say, as pydantic models: they check requests, and the description is made of them, so the two are always the same.
Names that are not known are errors.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from smsd.codec.smsuri import LONGEST_EXPIRY, MOST_PARTS
from smsd.config.subscribers import EVENTS
from smsd.core.clerk import STATES

MOST_MESSAGES = 500
"""Messages of one request."""
MOST_NUMBERS = 500
LONGEST_TEXT = 40_000
"""Characters; 255 parts hold 39015 of the GSM alphabet."""
MOST_PAGE = 500
MOST_ACCOUNTS = 1000

_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_WHOLE = re.compile(r"0|[1-9][0-9]{0,18}")
_NO_NUL = r"^[^\x00]*$"
_LINE = r"^[^\x00-\x1f\x7f]+$"
_CURSOR = r"^[A-Za-z0-9_-]*$"
ID = r"^[1-9][0-9]{0,18}$"


def _time(value: Any) -> Any:
    """RFC 3339 in a text; pydantic would take much more for a time."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise ValueError("this is no time: write 2026-12-31T08:00:00Z")
    try:
        read = datetime.fromisoformat(_iso(value))
    except (ValueError, OverflowError):
        raise ValueError("there is no such time: write one like 2026-12-31T08:00:00Z") from None
    return read


def _iso(text: str) -> str:
    """As Python 3.10 reads it: with three or six digits behind the second, and +00:00 for Z."""
    text = text.upper().replace("Z", "+00:00")
    found = re.fullmatch(r"(.{19})\.(\d+)(.{6})", text)
    return text if found is None else f"{found[1]}.{found[2][:6].ljust(6, '0')}{found[3]}"


def _whole(value: Any) -> Any:
    """A whole number in a query."""
    if isinstance(value, int):
        return value
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    raise ValueError("this is no whole number")


def _integral(value: Any) -> Any:
    """3.0 is a whole number in JSON Schema."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Octet = Annotated[int, Field(ge=0, le=255), BeforeValidator(_integral)]
Parts = Annotated[int, Field(ge=1, le=MOST_PARTS), BeforeValidator(_integral)]
Amount = Annotated[int, Field(ge=0, le=10**15), BeforeValidator(_integral)]
Minutes = Annotated[int, Field(ge=1, le=LONGEST_EXPIRY), BeforeValidator(_integral)]
Time = Annotated[datetime, BeforeValidator(_time), WithJsonSchema({"type": "string", "format": "date-time"})]
Id = Annotated[str, Field(pattern=ID)]
KIND = ("account", "group", "policy")
"""Whose settings there are: a policy is for a domain, a mail user, or all of them."""
Number = Annotated[str, Field(min_length=1, max_length=128, pattern=_LINE)]
State = Literal["queued", "sending", "sent", "scheduled", "held", "gathered", "delivered", "failed", "expired", "cancelled",
                "rejected", "merged"]  # fmt: skip
Event = Literal["sent", "buffered", "delayed", "delivered", "failed", "expired", "cancelled", "received"]
assert set(STATES) == set(State.__args__)  # type: ignore[attr-defined]
assert set(EVENTS) == set(Event.__args__)  # type: ignore[attr-defined]


class Asked(BaseModel):
    """What comes: nothing else, and nothing of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Queried(BaseModel):
    """What comes in a query, where everything is text."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Content(Asked):
    """A text, or octets."""

    text: str | None = Field(
        default=None, min_length=1, max_length=LONGEST_TEXT, pattern=_NO_NUL, description="what the SMS says"
    )
    data: str | None = Field(
        default=None, min_length=4, max_length=48_000, pattern=r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
        description="octets instead of a text, in base64 (RFC 4648)",
    )  # fmt: skip
    udh: str | None = Field(
        default=None, min_length=4, max_length=188, pattern=r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
        description="with data: the information elements of its header in base64, without the length octet",
    )  # fmt: skip

    @model_validator(mode="after")
    def _one(self) -> Content:
        if (self.text is None) == (self.data is None):
            raise ValueError("write text or data, one of them")
        if self.udh is not None and self.data is None:
            raise ValueError("udh goes with data: a text gets its header from smsd")
        return self


_ONE_CONTENT: dict[str, Any] = {
    "oneOf": [
        {"required": ["text"], "properties": {"data": {"type": "null"}, "udh": {"type": "null"}, "text": {"type": "string"}}},
        {"required": ["data"], "properties": {"text": {"type": "null"}, "data": {"type": "string"}}},
    ]
}  # fmt: skip


class Wishes(Content):
    """What is the same for sending and for asking what it would cost."""

    to: Number | Annotated[list[Number], Field(min_length=1, max_length=MOST_NUMBERS)] = Field(
        description="a number such as +15551234567, or a list of them; +15551234567@gsm1 names the gateway"
    )
    gateway: str | None = Field(
        default=None, min_length=1, max_length=64, pattern=_LINE, description="the id of a gateway or group"
    )
    sender: str | None = Field(
        default=None, min_length=1, max_length=64, pattern=_LINE,
        description="the sender's number or name, where the gateway can set it and the account may",
    )  # fmt: skip
    max_parts: Parts | None = Field(default=None, description="at most so many SMS; the rest is cut off")
    dcs: Octet | None = Field(default=None, description="TP-DCS")


class MessageRequest(Wishes):
    """A message to one number or to many."""

    model_config = ConfigDict(json_schema_extra=_ONE_CONTENT)

    sender_required: bool = Field(
        default=False, description="true: only by a gateway that can set the sender"
    )
    priority: Literal["urgent", "normal", "bulk"] = Field(
        default="normal", description="urgent overtakes all others"
    )
    expire_minutes: Minutes | None = Field(
        default=None, description="given up after so many minutes (after send_at)"
    )
    send_at: Time | None = Field(
        default=None, description="not before this time (RFC 3339), at most a year ahead"
    )
    pid: Octet = Field(default=0, description="TP-PID")
    msgid: str | None = Field(
        default=None, min_length=1, max_length=255, pattern=r"^[ -~]+$",
        description="your own id: told with reports, found by GET /messages?msgid=",
    )  # fmt: skip
    callback: str | None = Field(
        default=None, min_length=1, max_length=2000, pattern=_LINE,
        description="who hears what becomes of it: a subscriber of the account, or a URL",
    )  # fmt: skip
    callback_events: list[Event] | None = Field(
        default=None, min_length=1, max_length=8, description="what of it"
    )
    reply: str | None = Field(
        default=None, min_length=3, max_length=320, pattern=r"^[A-Za-z0-9!$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,255}$",
        description="a mail address that gets the answer and the report of failure",
    )  # fmt: skip


class PriceRequest(Wishes):
    """A message whose price is wanted."""

    model_config = ConfigDict(json_schema_extra=_ONE_CONTENT)


class TrialRequest(Asked):
    """A message that is tried and not sent: by whom, when and how it might come. The same as `smsd explain --dry-run` takes."""

    to: Number = Field(description="who would get it")
    text: str = Field(max_length=LONGEST_TEXT, pattern=_NO_NUL)
    sender: str | None = Field(
        default=None, min_length=1, max_length=320, pattern=_LINE, description="a mail address that writes"
    )
    subject: str | None = Field(default=None, max_length=1000, pattern=_NO_NUL)
    account: str | None = Field(
        default=None, min_length=1, max_length=128, description="whose; others' with the scope admin only"
    )
    gateway: str | None = Field(
        default=None, min_length=1, max_length=64, pattern=_LINE, description="which one the sender asks for"
    )
    at: str | None = Field(
        default=None, min_length=1, max_length=20, pattern=_LINE,
        description="when, in the server's time: 23:30 (today), or 2026-12-24 23:30; now, if not said",
    )  # fmt: skip
    door: str | None = Field(
        default=None, min_length=1, max_length=64, pattern=_LINE, description="the listener that takes it"
    )
    ip: str | None = Field(
        default=None, min_length=1, max_length=64, pattern=_LINE, description="where its client is: 192.0.2.7"
    )
    host: str | None = Field(
        default=None, min_length=1, max_length=255, pattern=_LINE, description="what its client calls itself"
    )
    headers: list[Annotated[str, Field(min_length=1, max_length=1000, pattern=_NO_NUL)]] = Field(
        default=[], max_length=100, description='headers, if it is a mail: ["X-Priority: 1"]'
    )


Value = (
    Annotated[str, Field(max_length=1000, pattern=_NO_NUL)]
    | Amount
    | bool
    | list[Annotated[str, Field(max_length=1000, pattern=_NO_NUL)]]
    | None
)


class SettingsRequest(Asked):
    """Settings of an account, an account group or a policy."""

    settings: dict[Annotated[str, Field(pattern=r"^[a-z_]{1,64}$")], Value] = Field(
        max_length=100,
        description="by name, as smsd account takes them; null: back to the default",
        json_schema_extra={"additionalProperties": False},
    )


class Found(Queried):
    """Which messages."""

    state: list[State] = Field(default=[], description="in one of these states; may be repeated")
    to: str | None = Field(default=None, min_length=1, max_length=128, description="to exactly this number")
    msgid: str | None = Field(default=None, min_length=1, max_length=255, description="with this msgid")
    since: Time | None = Field(default=None, description="handed in at this time or later (RFC 3339)")
    until: Time | None = Field(default=None, description="handed in before this time")
    account: str | None = Field(
        default=None, min_length=1, max_length=128, description="whose; others' with the scope admin only"
    )
    cursor: str | None = Field(default=None, pattern=ID, description="the `next` of the page before")
    limit: Annotated[int, BeforeValidator(_whole)] = Field(
        default=50, ge=1, le=MOST_PAGE, description="deliveries of one page"
    )


class Incoming(Queried):
    """Which of the messages that phones wrote."""

    after: str = Field(
        default="",
        max_length=8_000,
        pattern=_CURSOR,
        description="the cursor of the answer before; the oldest without one",
    )
    account: str | None = Field(
        default=None, min_length=1, max_length=128, description="whose; others' with the scope admin only"
    )
    limit: Annotated[int, BeforeValidator(_whole)] = Field(
        default=50, ge=1, le=MOST_PAGE, description="messages of one answer"
    )


class Waiting(Queried):
    """Which events."""

    after: str = Field(
        default="",
        max_length=8_000,
        pattern=_CURSOR,
        description="the cursor of the answer before: what came with it is confirmed",
    )
    limit: Annotated[int, BeforeValidator(_whole)] = Field(default=100, ge=1, le=500, description="events")
    wait: Annotated[int, BeforeValidator(_whole)] = Field(
        default=0, ge=0, le=60, description="seconds to wait until there is something"
    )
    subscriber: str | None = Field(
        default=None, min_length=1, max_length=64, description="which, where the account has several"
    )


class Accounts(Queried):
    """Which accounts."""

    after: str = Field(default="", max_length=128, description="the last name of the page before")
    limit: Annotated[int, BeforeValidator(_whole)] = Field(default=100, ge=1, le=MOST_ACCOUNTS)


class Nothing(Queried):
    """Nothing may be asked."""
