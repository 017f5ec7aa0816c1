"""Lists from a file (`/jobs`): what is asked and told of them, and what the operations do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from smsd.codec.webhooks import moment
from smsd.core.jobs import NoSuchJob
from smsd.frontends.http import keys, uploads
from smsd.frontends.http.answer import JSON, Answer
from smsd.frontends.http.api import problems
from smsd.frontends.http.api.answers import Told
from smsd.frontends.http.api.asked import _LINE, _NO_NUL, Event, Queried, _whole
from smsd.frontends.http.callback import Asked
from smsd.values import money

if TYPE_CHECKING:
    from smsd.frontends.http.api.caller import Caller
    from smsd.frontends.http.door import HttpDoor
    from smsd.frontends.http.request import DoorRequest

Column = Annotated[str, Field(min_length=1, max_length=200, pattern=_LINE)]
MOST_JOBS = 500
MOST_REFUSED = 500
LONGEST_TEMPLATE = 8_000
"""Characters; a longer one would not fit into a query. Columns may hold more."""
LARGEST = 2**31
"""Above every number of a job."""


class FileRequest(Queried):
    """What holds for all lines of a file."""

    name: str | None = Field(
        default=None, min_length=1, max_length=200, pattern=_LINE, description="what the job is called; the file's name"
    )  # fmt: skip
    text: str | None = Field(
        default=None, min_length=1, max_length=LONGEST_TEMPLATE, pattern=_NO_NUL,
        description="the text for all; {name} is what stands in the column name",
    )  # fmt: skip
    to_column: Column | None = Field(
        default=None, description="the column with the numbers, by name or number"
    )
    text_column: Column | None = Field(
        default=None, description="the column with the texts, if there is no text"
    )
    header: Literal["yes", "no", "guess"] | None = Field(
        default=None, description="whether the first line names the columns"
    )
    separator: Literal["comma", "semicolon", "tab", "|"] | None = Field(
        default=None, description="between cells; guessed"
    )
    duplicates: Literal["send", "drop-same", "drop"] | None = Field(
        default=None,
        description="numbers that come again: send (usual), drop-same (with the same text), drop",
    )
    gateway: str | None = Field(default=None, min_length=1, max_length=64, pattern=_LINE)
    sender: str | None = Field(default=None, min_length=1, max_length=64, pattern=_LINE)
    expire_minutes: Annotated[int, Field(ge=1, le=525_600), BeforeValidator(_whole)] | None = None
    max_parts: Annotated[int, Field(ge=1, le=128), BeforeValidator(_whole)] | None = None
    priority: Literal["bulk", "normal"] | None = Field(
        default=None, description="bulk (usual): behind all other messages"
    )
    callback: str | None = Field(
        default=None, min_length=1, max_length=2000, pattern=_LINE,
        description="who hears what becomes of each message: a subscriber of the account, or a URL",
    )  # fmt: skip
    callback_events: list[Event] = Field(default=[], max_length=8, description="what of it; may be repeated")


class JobPage(Queried):
    """Which jobs."""

    limit: Annotated[int, BeforeValidator(_whole)] = Field(
        default=50, ge=1, le=MOST_JOBS, description="the newest ones"
    )


class JobLook(Queried):
    """How much of a job."""

    refused: Annotated[int, BeforeValidator(_whole)] = Field(
        default=0,
        ge=0,
        le=MOST_REFUSED,
        description="with so many of the lines that were refused when their turn came",
    )


class Line(Told):
    """A line as it will be sent."""

    line: int
    to: str
    text: str
    parts: int
    encoding: str
    price: str | None = None


class WrongLine(Told):
    """A line that cannot be sent."""

    line: int
    typed: str = Field(description="what stands there for a number")
    why: str


class Again(Told):
    """A line with a number that was there before."""

    line: int
    to: str
    same_text: bool


class Checked(Told):
    """What the file is, and what would become of it."""

    lines: int
    good: int
    wrong: int
    dropped: int = Field(description="left out as duplicates")
    sms: int
    price: str | None = Field(default=None, description="of all; null where nothing is charged")
    columns: list[str]
    charset: str
    separator: str
    header: bool
    encodings: dict[str, int] = Field(description="messages by encoding")
    by_parts: dict[str, int] = Field(description="messages by their number of SMS")
    first: list[Line]
    wrongs: list[WrongLine] = Field(description="the first hundred")
    agains: list[Again] = Field(description="the first hundred")
    warnings: list[str]


class RefusedLine(Told):
    """A line that was refused when its turn came."""

    line: int
    to: str
    why: str


class Job(Told):
    """A file, and how far it is."""

    id: str
    name: str
    account: str | None
    state: Literal["checking", "ready", "running", "paused", "cancelled", "done"]
    reason: str | None = Field(description="why it stands still")
    made: str
    started: str | None
    ended: str | None
    total: int = Field(description="messages")
    done: int = Field(description="lines whose turn has come")
    accepted: int
    refused: int
    messages: dict[str, int] = Field(description="how many are in which state")
    checked: Checked | None = Field(default=None, description="not in lists")
    refused_lines: list[RefusedLine] | None = None
    replayed: bool = Field(default=False, description="true: checked before under the same key")


class JobList(Told):
    """Newest first."""

    jobs: list[Job]


class JobVerbs:
    """What the operations do; a part of `Verbs`."""

    _door: HttpDoor
    _request: DoorRequest
    _caller: Caller

    async def check_job(self, query: FileRequest, file: bytes, name: str) -> tuple[Answer, str]:
        """POST /jobs"""
        given = query.model_dump(exclude={"callback", "callback_events"})
        given["name"] = query.name or name or None
        asked = Asked(query.callback, tuple(query.callback_events) or None)
        state = await uploads.check(self._request, self._door, self._caller.own(), given, asked, file)
        headers = [b"Location: /api/v1/jobs/%d" % state["id"]]
        if state.get("replayed"):
            headers.append(keys.REPLAYED)
        return _said(_job(state), 201, *headers), f"job {state['id']}, {state['total']} messages"

    async def jobs(self, query: JobPage) -> tuple[Answer, str]:
        """GET /jobs"""
        found = await uploads.jobs(self._door).listed(self._owner, query.limit)
        return _said(JobList(jobs=[_job(one) for one in found])), f"{len(found)} jobs"

    async def job(self, number: int, query: JobLook) -> tuple[Answer, str]:
        """GET /jobs/{id}"""
        try:
            state = await uploads.jobs(self._door).state(_id(number), self._owner, query.refused)
        except NoSuchJob:
            raise _missing(number) from None
        return _said(_job(state)), f"job {number}"

    async def change_job(self, number: int, deed: str) -> tuple[Answer, str]:
        """POST /jobs/{id}/{deed}"""
        try:
            state = await uploads.change(self._door, deed, _id(number), self._owner, self._caller.who)
        except NoSuchJob:
            raise _missing(number) from None
        return _said(_job(state)), f"job {number}: {deed}"

    @property
    def _owner(self) -> str | None:
        return self._caller.whose(None) or None


def _missing(number: int) -> problems.NotThere:
    return problems.NotThere(f"there is no job {number}, or it is not yours")


def _id(number: int) -> int:
    if number >= LARGEST:
        raise _missing(number)
    return number


def _said(said: Any, status: int = 200, *headers: bytes) -> Answer:
    return Answer(status, problems.octets(said.model_dump(mode="json")), JSON, headers)


def _money(amount: int | None) -> str | None:
    return None if amount is None else money.shown(amount)


def _job(state: Mapping[str, Any]) -> Job:
    given: dict[str, Any] = {
        name: state[name]
        for name in ("name", "account", "state", "total", "done", "accepted", "refused", "messages")
    }
    times: dict[str, Any] = {
        name: moment(state[name]) if state[name] else None for name in ("made", "started", "ended")
    }
    lines = state.get("refused_lines")
    return Job(
        id=str(state["id"]), reason=state["reason"] or None, **given, **times,
        checked=_checked(state["checked"]) if state.get("checked") else None,
        replayed=bool(state.get("replayed")),
        refused_lines=None if lines is None else [RefusedLine(line=n, to=to, why=why) for n, to, why in lines],
    )  # fmt: skip


def _checked(found: Mapping[str, Any]) -> Checked:
    names = (
        "good",
        "wrong",
        "dropped",
        "sms",
        "columns",
        "charset",
        "separator",
        "header",
        "encodings",
        "by_parts",
        "warnings",
    )
    first = [
        Line(line=line, to=to, text=text, parts=parts, encoding=encoding, price=_money(price))
        for line, to, text, parts, encoding, price in found["first"]
    ]
    return Checked(
        lines=found["rows"], price=_money(found["price"]), first=first,
        wrongs=[WrongLine(line=line, typed=typed, why=why) for line, typed, why in found["wrongs"]],
        agains=[Again(line=line, to=to, same_text=same) for line, to, same in found["agains"]],
        **{name: found[name] for name in names},
    )  # fmt: skip
