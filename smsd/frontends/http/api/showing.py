"""Rows as the clerk gives them become what answers tell."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from smsd.codec.webhooks import moment
from smsd.core.clerk import CALLED
from smsd.frontends.http.api import problems
from smsd.frontends.http.api.answers import (
    Account,
    Delivery,
    DeliveryWhole,
    Explained,
    Gateway,
    Gateways,
    InReplyTo,
    Message,
    NetworkSaid,
    PartSent,
    PriceOfOne,
    Queue,
    Received,
    Settings,
    Step,
    Try,
)

_WORDS = {state.name.lower(): word for state, word in CALLED.items()}


def _at(milliseconds: int | None) -> str | None:
    return moment(milliseconds) if milliseconds else None


def _content(row: Mapping[str, Any]) -> dict[str, str]:
    if row["binary"]:
        return {"data": base64.b64encode(bytes(row["body"])).decode("ascii")}
    return {"text": str(row["body"])}


def _delivery(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "message": str(row["message"]),
        "to": row["to"],
        "state": row["state"],
        "reason": row["reason"],
        "parts": row["pieces"],
        "parts_sent": row["sent"],
        "gateway": row["gateway"],
        "tries": row["tries"],
        "perhaps_twice": bool(row["maybe_twice"]),
        "submitted": moment(row["arrived"]),
        "due": _at(row["due"]) if row["state"] in ("queued", "scheduled", "gathered") else None,
        "expires": _at(row["expires"]),
        "finished": _at(row["finished"]),
        "msgid": row["msgid"],
        "account": row["account"],
        **_content(row),
    }


def delivery(row: Mapping[str, Any]) -> Delivery:
    """One line of a list."""
    return Delivery(**_delivery(row))


def message(told: Mapping[str, Any]) -> Message:
    """A message with everything about its deliveries."""
    whole = [_whole(row) for row in told["deliveries"]]
    first = told["deliveries"][0]
    return Message(
        id=str(told["id"]),
        account=told["account"],
        submitted=moment(told["arrived"]),
        msgid=first["msgid"],
        deliveries=whole,
        **_content({"binary": first["binary"] and told["kind"] == first["kind"], "body": told["body"]}),
    )


def _whole(row: Mapping[str, Any]) -> DeliveryWhole:
    return DeliveryWhole(
        **_delivery(row),
        sent=[
            PartSent(
                part=one["part"], gateway=one["gateway"], reference=one["reference"], at=_at(one["at"]), reported=one["reported"]
            )
            for one in row["parts"]
        ],
        reports=[
            NetworkSaid(part=one["part"], status=one["status"], words=one["words"], at=_at(one["at"] or one["heard"]))
            for one in row["network"]
        ],
        failed_tries=[Try(at=moment(one["at"]), gateway=one["gateway"], reason=one["reason"]) for one in row["attempts"]],
    )  # fmt: skip


def explained(one: Mapping[str, Any]) -> Explained:
    """How one delivery came to where it is."""
    return Explained(
        delivery=str(one["delivery"]), state=one["state"], why=one["why"], rules=one.get("rules"),
        steps=[Step(at=moment(step["at"]), what=step["what"]) for step in one["steps"]],
    )  # fmt: skip


def account(told: Mapping[str, Any], balance: str | None) -> Account:
    """An account, without what only the administrator has to see."""
    group = told.get("group")
    return Account(
        name=told["name"], active=bool(told.get("active", True)) and not told.get("closed"), closed=told.get("closed") or None,
        expires=told.get("expires"), group=group, gateway=told.get("gateway"), email=told.get("email"), phone=told.get("phone"),
        country=told.get("country"), senders=list(told.get("senders") or ()), text=told.get("text") or "as_is",
        prepaid=bool(told.get("prepaid")), balance=balance or None, monthly_limit=told.get("monthly_limit") or 0,
        sent_this_month=told.get("sent_this_month") or 0, sent_last_month=told.get("sent_last_month") or 0,
        last_sent=_at(told.get("last_sent")),
    )  # fmt: skip


_NO_SETTINGS = frozenset(
    {
        "name",
        "kind",
        "source",
        "closed",
        "sent_this_month",
        "sent_last_month",
        "last_sent",
        "group_sent_this_month",
        "linked",
    }
)


def settings(told: Mapping[str, Any]) -> Settings:
    """Settings as the book tells them."""
    said = {name: value for name, value in told.items() if name not in _NO_SETTINGS}
    return Settings(
        kind=told["kind"],
        name=told["name"],
        source=told["source"],
        closed=told.get("closed") or None,
        settings=said,
    )


def received(row: Mapping[str, Any]) -> Received:
    """What a phone wrote."""
    about = row["headers"]
    answers = about.get("answers")
    said = _content(row)
    if row["binary"] and about.get("udh"):
        said["udh"] = base64.b64encode(bytes.fromhex(about["udh"])).decode("ascii")
    return Received(
        id=str(row["id"]),
        to=about.get("own"),
        gateway=about.get("gateway"),
        received=moment(row["arrived"]),
        written=moment(int(about["date"])) if about.get("date", "").isdecimal() else None,
        in_reply_to=InReplyTo(delivery=answers, msgid=about.get("in_reply_to") or None) if answers else None,
        **said,
        **{"from": row["origin"].removeprefix("sms:")},
    )


def gateways(told: Mapping[str, Any]) -> Gateways:
    """The gateways, and what waits."""
    return Gateways(
        version=str(told["version"]),
        gateways=[Gateway(**{name: one[name] for name in Gateway.model_fields}) for one in told["gateways"]],
        queue=[
            Queue(
                route=one["route"], state=_WORDS.get(one["state"], one["state"]), deliveries=one["deliveries"]
            )
            for one in told["queue"]
        ],
    )


def price_of_one(one: Mapping[str, Any]) -> PriceOfOne:
    """What one recipient costs, or why it would be refused."""
    refusal = one.get("refusal")
    return PriceOfOne(
        number=one["number"], parts=one["parts"], encoding=one.get("encoding"), price=one.get("price"),
        destination=one.get("destination"), problem=None if refusal is None else problems.problem(refusal),
    )  # fmt: skip
