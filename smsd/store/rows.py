"""Values to columns and back: the only place that knows how a message or a delivery lies in a row."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from functools import lru_cache
from typing import Any

from smsd.policy.notice import Told
from smsd.values.address import Address
from smsd.values.delivery import Piece, State
from smsd.values.message import (
    DEFAULT_PARAMETERS,
    Binary,
    Call,
    Content,
    Declined,
    Parameters,
    Priority,
    Queued,
    Receipt,
    Report,
    Submission,
    Text,
    Ticket,
    Wants,
)
from smsd.values.plan import Acceptance, Planned, View

TEXT, OCTETS, REPORT, CALL = 1, 2, 3, 4
_compact = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode

MESSAGE = "insert into message(id,door,account,origin,ticket,kind,body,headers,hops,parent,arrived) values(?,?,?,?,?,?,?,?,?,?,?)"
DELIVERY = (
    "insert into delivery(id,message,target,typed,lane,state,priority,due,deadline,expires,session,gateway,code,pieces,"
    "reference,wants,report,parameters,original,reason,finished,content,trace)"
    " values(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)
CONTENT = "insert into content(id,kind,body,headers) values(?,?,?,?)"
# Written so that the index delivery_message serves it, which has no entry for the delivery with the id before its message's.
# What is in a digest is finished when that is: until then its sender is still to be told.
_FINISHED = (
    "select d.id, iif(g.id, g.finished, d.finished) from delivery d left join delivery g on g.id = d.merged"
)
DELIVERIES_OF = (
    f"{_FINISHED} where d.id = :message - 1 and d.message = :message"
    f" union all {_FINISHED} where d.message = :message and d.message <> d.id + 1"
)
# Everything a Piece, a View or a report needs; aliased so that the two ids do not collide.
LOAD = (
    "select d.id, d.message, d.target, d.typed, d.lane, d.state, d.priority, d.due, d.deadline, d.expires, d.tries, d.gateway,"
    " d.code, d.pieces, d.sent, d.reference, d.wants, d.report, d.maybe_twice, d.parameters, d.original, d.reason, d.session,"
    " d.finished, d.network_reference, d.again,"
    " m.door, m.account, m.origin, m.ticket, m.kind as first_kind, m.body as first_body, m.headers as first_headers, m.arrived,"
    " m.hops,"
    " coalesce(c.kind, m.kind) as kind, coalesce(c.body, m.body) as body, iif(c.id, c.headers, m.headers) as headers"
    " from delivery d join message m on m.id = d.message left join content c on c.id = d.content "
)


def message_row(accepted: Acceptance) -> tuple[Any, ...]:
    """The columns of MESSAGE."""
    s = accepted.submission
    kind, body = body_of(s.content)
    headers = _headers_with(s.content, s.headers)
    t = s.ticket
    return (
        accepted.message, s.door, s.account, str(s.origin),
        _compact(_ticket(t)) if t else None,
        kind, body, _compact(headers) if headers else None, s.hops, accepted.parent, accepted.now,
    )  # fmt: skip


def _ticket(ticket: Ticket) -> list[Any]:
    """What `ticket_of` reads; few have a link."""
    said = [str(ticket.address), ticket.envelope_id, ticket.message_id, ticket.subject, ticket.full]
    return [*said, ticket.link] if ticket.link else said


def _headers_with(content: Content, headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """A user data header lies among the headers."""
    if isinstance(content, (Binary, Text)) and content.header:
        return (*headers, ("udh", content.header.hex()))
    return headers


def content_row(p: Planned, submission: Submission) -> tuple[Any, ...]:
    """The columns of CONTENT."""
    assert p.content is not None
    kind, body = body_of(p.content)
    headers = _headers_with(p.content, submission.headers if p.headers is None else p.headers)
    return (p.delivery, kind, body, _compact(headers) if headers else None)


def delivery_row(accepted: Acceptance, p: Planned, lane: int, session: int) -> tuple[Any, ...]:
    """The columns of DELIVERY."""
    sending = p.state is State.SENDING
    return (
        p.delivery, accepted.message, str(p.target), p.typed if p.typed != p.target.target else None, lane, int(p.state),
        int(p.parameters.priority), p.due, p.deadline, p.expires, session if sending else None, p.gateway, p.code, p.parts,
        p.reference, int(p.wants), int(p.report), parameters_json(p.parameters), p.original or None, p.reason,
        accepted.now if p.state >= State.DELIVERED else None,
        None if p.content is None else p.delivery, p.trace or None,
    )  # fmt: skip


def body_of(content: Content) -> tuple[int, str | bytes]:
    """Kind and body columns."""
    if isinstance(content, Text):
        return TEXT, content.text
    if isinstance(content, Binary):
        return OCTETS, content.data
    return (REPORT if isinstance(content, Report) else CALL), _compact(asdict(content))


def parameters_json(parameters: Parameters) -> str | None:
    """None for what is all defaults, which is most."""
    if parameters is DEFAULT_PARAMETERS or parameters == DEFAULT_PARAMETERS:
        return None
    return _written(parameters)


@lru_cache(maxsize=256)
def _written(parameters: Parameters) -> str:
    """Remembered: those of a caller, or of a rule, are mostly the same."""
    return _compact(
        {name: value for name, default in _DEFAULTS if (value := getattr(parameters, name)) != default}
    )


_DEFAULTS = tuple((one.name, getattr(DEFAULT_PARAMETERS, one.name)) for one in fields(Parameters))


def parameters_of(text: str | None) -> Parameters:
    """The inverse of `parameters_json`."""
    if text is None:
        return DEFAULT_PARAMETERS
    said = json.loads(text)
    if "values" in said:
        said["values"] = tuple(said["values"])
    if "priority" in said:
        said["priority"] = Priority(said["priority"])
    return Parameters(**said)


def headers_of(text: str | None) -> tuple[tuple[str, str], ...]:
    """Headers as they were submitted."""
    return tuple((name, value) for name, value in json.loads(text)) if text else ()


def content_of(kind: int, body: Any, headers: tuple[tuple[str, str], ...]) -> Content:
    """The content as it was submitted."""
    if kind == TEXT:
        return Text(body, bytes.fromhex(dict(headers).get("udh", ""))) if headers else Text(body)
    if kind == OCTETS:
        return Binary(bytes(body), bytes.fromhex(dict(headers).get("udh", "")))
    said = json.loads(body)
    if kind == REPORT:
        return Report(**said)
    said["arguments"] = tuple(said["arguments"])
    said["facts"] = tuple((name, value) for name, value in said["facts"])
    return Call(**said)


def ticket_of(text: str | None) -> Ticket | None:
    """The return ticket, or None."""
    if text is None:
        return None
    address, *more = json.loads(text)
    return Ticket(Address.parse(address), *more)


def piece_of(row: Mapping[str, Any], gateway: str, *, parts: bool, whole_text: bool = False) -> Piece:
    """What this gateway gets to carry next for a loaded row: see `Abilities` for `parts` and `whole_text`."""
    headers = headers_of(row["headers"])
    total = row["pieces"] if parts and not (whole_text and row["kind"] == TEXT) else 1
    return Piece(
        delivery=row["id"], message=row["message"], lane=row["lane"], gateway=gateway,
        target=Address.parse(row["target"]), content=content_of(row["kind"], row["body"], headers),
        origin=Address.parse(row["origin"]), seq=min(row["sent"] + 1, total), total=total, code=row["code"],
        reference=row["reference"], parameters=parameters_of(row["parameters"]), headers=headers,
        ticket=ticket_of(row["ticket"]), account=row["account"], arrived=row["arrived"], expires=row["expires"],
        report=bool(row["report"]), tries=row["tries"], maybe_twice=bool(row["maybe_twice"]), wants=Wants(row["wants"]),
        hops=row["hops"], again=row["again"],
    )  # fmt: skip


def view_of(row: Mapping[str, Any], in_doubt: str = "resend") -> View:
    """What policy needs to know of a loaded row."""
    return View(
        state=State(row["state"]), tries=row["tries"], sent=row["sent"], total=row["pieces"], expires=row["expires"],
        wants=Wants(row["wants"]), report=bool(row["report"]), maybe_twice=bool(row["maybe_twice"]), in_doubt=in_doubt,
        seq=min(row["sent"] + 1, row["pieces"]), finished=row["finished"] is not None,
    )  # fmt: skip


def told_of(row: Mapping[str, Any]) -> Told:
    """What a report about a loaded row names."""
    target = Address.parse(row["target"])
    return Told(
        message=row["message"], delivery=row["id"], target=target, typed=row["typed"] or target.target,
        original=row["original"] or "",
        content=content_of(row["first_kind"], row["first_body"], headers_of(row["first_headers"])),
        ticket=ticket_of(row["ticket"]), wants=Wants(row["wants"]), arrived=row["arrived"], expires=row["expires"],
        total=row["pieces"], account=row["account"], sent=row["sent"], gateway=row["gateway"] or "",
        reference=row["network_reference"] or "",
    )  # fmt: skip


def receipt_of(accepted: Acceptance) -> Receipt:
    """What the door answers."""
    return Receipt(
        accepted.message,
        tuple(
            entry
            if isinstance(entry, Declined)
            else Queued(entry.delivery, entry.target.target, entry.parts, entry.encoding, entry.notes)
            for entry in accepted.order
        ),
    )


def answer_json(receipt: Receipt) -> str:
    """A receipt as it is replayed to a repeated request; refusals are kept in words."""
    rows: list[Sequence[Any]] = []
    for entry in receipt.recipients:
        if isinstance(entry, Queued):
            rows.append((entry.delivery, entry.target, entry.parts, entry.encoding, entry.notes))
        else:
            rows.append((entry.typed, entry.refusal.reason.name, entry.refusal.text))
    return _compact([receipt.message, rows])


def answer_of(text: str) -> Receipt:
    """The inverse of `answer_json`, marked as replayed."""
    from smsd.values.errors import Reason, Refused

    message, rows = json.loads(text)
    recipients: list[Queued | Declined] = []
    for row in rows:
        if len(row) == 3:
            recipients.append(Declined(row[0], Refused(Reason[row[1]], row[2])))
        else:
            recipients.append(Queued(row[0], row[1], row[2], row[3], tuple(row[4])))
    return Receipt(message, tuple(recipients), replayed=True)
