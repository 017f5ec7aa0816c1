"""The table of operations: what there is, who may, what is read and what is told. Requests and the description go by it alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from smsd.frontends.http import uploads
from smsd.frontends.http.api import answers, asked, jobs


@dataclass(frozen=True, slots=True)
class Operation:
    """One of them. `name` is that of the method that does it; `path` may have `{id}` in it. `body` is the model of one; `many`:
    a list of them may come too; `upload`: the body is a file, or a form with one and with what `query` says. `answers` are models
    by status; `refusals` are statuses that only this one has. Without `scopes` nobody has to log in."""

    name: str
    method: str
    path: str
    summary: str
    scopes: tuple[str, ...]
    answers: dict[int, tuple[type[BaseModel], ...]]
    query: type[asked.Queried] = asked.Nothing
    body: type[asked.Asked] | None = None
    many: bool = False
    upload: bool = False
    keyed: bool = False
    refusals: tuple[int, ...] = ()
    notes: str = ""


OPERATIONS = (
    Operation(
        "send", "POST", "/messages", "Hand in a message, or a list of messages", ("send",),
        {200: (answers.Many,), 201: (answers.Accepted,)}, body=asked.MessageRequest, many=True, keyed=True,
        refusals=(402, 404, 409, 413, 415, 508),
        notes="One message is answered 201 when at least one of its numbers was accepted: it is committed then, and survives "
        "everything. A list is answered 200 with the fate of each message; a list with a mistake in it is not taken at all.",
    ),
    Operation(
        "find", "GET", "/messages", "Find what was sent", ("read",), {200: (answers.Page,)}, query=asked.Found,
    ),
    Operation(
        "look_up", "GET", "/messages/{id}", "What became of a message", ("read",), {200: (answers.Message,)}, refusals=(404,),
        notes="`id` is that of the message, or of one of its deliveries: then it is about that one alone.",
    ),
    Operation(
        "cancel", "DELETE", "/messages/{id}", "Do not send it", ("send",), {200: (answers.Message,)}, refusals=(404, 409),
        notes="Stops what still waits; 409 when that is nothing.",
    ),
    Operation(
        "explain", "GET", "/messages/{id}/explain", "Why it went where it went", ("read",), {200: (answers.Explanation,)},
        refusals=(404,),
    ),
    Operation(
        "try_out", "POST", "/explain", "What would become of a message; nothing is sent", ("read",), {200: (answers.Trial,)},
        body=asked.TrialRequest, refusals=(413, 415),
    ),
    Operation(
        "price", "POST", "/price", "What a message would cost; nothing is sent", ("send",), {200: (answers.Price,)},
        body=asked.PriceRequest, refusals=(404, 413, 415),
    ),
    Operation(
        "check_job", "POST", "/jobs", "Check a file with numbers and texts", ("send",), {201: (jobs.Job,)}, query=jobs.FileRequest,
        upload=True, keyed=True, refusals=(404, 409, 413, 415),
        notes="Answered with what would become of each line; nothing is sent before the job is started. In a form the parameters "
        "may be fields of it, which win over those of the query.",
    ),
    Operation("jobs", "GET", "/jobs", "Files, newest first", ("read",), {200: (jobs.JobList,)}, query=jobs.JobPage),
    Operation(
        "job", "GET", "/jobs/{id}", "How far a file is", ("read",), {200: (jobs.Job,)}, query=jobs.JobLook, refusals=(404,),
    ),
    Operation(
        "change_job", "POST", "/jobs/{id}/{deed}", "Start, pause, resume or cancel it", ("send",), {200: (jobs.Job,)},
        refusals=(404, 409), notes="409 when it is in another state than that is possible in.",
    ),
    Operation("account", "GET", "/account", "The account: limits, counters, balance", (), {200: (answers.Account,)}),
    Operation(
        "accounts", "GET", "/accounts", "All accounts", ("admin",), {200: (answers.AccountList,)}, query=asked.Accounts,
    ),
    Operation(
        "incoming", "GET", "/incoming", "What phones wrote", ("incoming",), {200: (answers.ReceivedPage,)}, query=asked.Incoming,
        notes="Oldest first; reading takes nothing away.",
    ),
    Operation(
        "events", "GET", "/events", "What became of messages, and what phones answered, as it happens", ("read", "incoming"),
        {200: (answers.EventPage,)}, query=asked.Waiting,
        notes="For accounts with a subscriber that fetches (`pull: yes`). The cursor of an answer confirms what came with it.",
    ),
    Operation(
        "settings", "GET", "/settings/{kind}/{name}", "Settings of an account, an account group or a policy", ("admin",),
        {200: (answers.Settings,)}, refusals=(404,), notes="A policy is for a mail domain, a mail user, or `*`.",
    ),
    Operation(
        "add_settings", "PUT", "/settings/{kind}/{name}", "A new account, account group or policy", ("admin",),
        {201: (answers.Settings,)},
        body=asked.SettingsRequest, refusals=(404, 409, 413, 415), notes="409 when there is one already.",
    ),
    Operation(
        "change_settings", "PATCH", "/settings/{kind}/{name}", "Change some settings", ("admin",), {200: (answers.Settings,)},
        body=asked.SettingsRequest, refusals=(404, 413, 415),
    ),
    Operation(
        "remove_settings", "DELETE", "/settings/{kind}/{name}", "Remove it; its tokens are revoked", ("admin",),
        {200: (answers.Settings,)}, refusals=(404,),
    ),
    Operation("gateways", "GET", "/gateways", "The gateways, and what waits", ("admin",), {200: (answers.Gateways,)}),
)  # fmt: skip
LONGEST_NAME = 128
DESCRIPTION = "/openapi.json"
"""Where the description is; nobody has to log in for it."""

by_path: dict[str, dict[str, Operation]] = {}
for _one in OPERATIONS:
    by_path.setdefault(_one.path, {})[_one.method] = _one


def find(steps: list[str]) -> tuple[dict[str, Operation], dict[str, str]] | None:
    """The operations of a path, given step by step, by their method, and what stands in the path by name; None for a path that is
    none."""
    for path, known in by_path.items():
        template = path.split("/")[1:]
        if len(template) == len(steps) and all(map(_fits, template, steps)):
            named = zip(template, steps, strict=True)
            return known, {name[1:-1]: step for name, step in named if name[0] == "{"}
    return None


def _fits(name: str, step: str) -> bool:
    if name == "{id}":
        return _is_id(step)
    if name == "{deed}":
        return step in uploads.DEEDS
    if name == "{kind}":
        return step in asked.KIND
    if name == "{name}":
        return 0 < len(step) <= LONGEST_NAME and step.isprintable()
    return name == step


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 19 and text[0] != "0"


def allowed(known: dict[str, Any]) -> bytes:
    """The methods for an Allow header."""
    names = [*known, *(["HEAD"] if "GET" in known else [])]
    return ", ".join(names).encode("ascii")
