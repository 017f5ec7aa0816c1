"""A row of a job as the message that it becomes, and the settings of a job as they are kept beside it."""

from __future__ import annotations

import json
from typing import Any

from smsd.core.jobs.settings import JobSettings
from smsd.store.jobs import flow
from smsd.store.rows import parameters_json, parameters_of
from smsd.values.address import Address
from smsd.values.frozen import frozen
from smsd.values.message import Parameters, Recipient, Submission, Text, Ticket, Wants
from smsd.values.plan import Acceptance, Planned


@frozen
class Kept:
    """What holds for all messages of a job. `text`: None when each has its own."""

    text: str | None
    parameters: Parameters
    ticket: Ticket | None
    wants: Wants


def kept(settings: JobSettings, text: str | None) -> str:
    """As it is kept, JSON."""
    t = settings.ticket
    return json.dumps(
        {
            "text": text,
            "parameters": parameters_json(settings.parameters),
            "ticket": [str(t.address), t.message_id] if t else None,
            "wants": int(settings.wants),
        },
        ensure_ascii=False,
    )


def read_kept(said: dict[str, Any]) -> Kept:
    """The inverse."""
    ticket = said.get("ticket")
    return Kept(
        said.get("text"),
        parameters_of(said.get("parameters")),
        Ticket(Address.parse(ticket[0]), message_id=ticket[1]) if ticket else None,
        Wants(said.get("wants", 0)),
    )


def submission(
    job: int, account: str | None, settings: JobSettings | Kept, number: str, text: str
) -> Submission:
    """The message of one row."""
    return Submission(
        door=flow(job),
        origin=Address("account", account or "operator"),
        recipients=(Recipient(Address("sms", number), number, settings.parameters),),
        content=Text(text),
        account=account,
        ticket=settings.ticket,
        wants=settings.wants,
    )


def in_lane(acceptance: Acceptance, job: int) -> Acceptance:
    """The same in the lane of its job: nobody else's messages wait behind half a million."""
    return acceptance._replace(
        order=tuple(
            entry._replace(flow=flow(job)) if isinstance(entry, Planned) else entry
            for entry in acceptance.order
        )
    )
