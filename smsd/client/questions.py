"""What is asked, and how an answer is read: without a socket."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

MOST = 50_000_000
"""Octets of an answer that are read."""
TRIES = 3
"""How often something is asked when no answer comes, or the server says `not now`."""
LONGEST_WAIT = 30.0
"""Seconds between two tries; who is told to wait longer is told so (`Refused`)."""


class Refused(Exception):
    """The server says no. `status` is that of HTTP, `reason` the word for programs (`bad-number`), `problem` all that was said;
    the text is for people. `retry_after`: seconds, if it may be tried again."""

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after: float | None = None) -> None:
        super().__init__(str(problem.get("detail") or f"the server answered {status}"))
        self.status = status
        self.problem = dict(problem)
        self.reason = str(problem.get("type", "")).rpartition(":")[2]
        self.retry_after = retry_after


class NoAnswer(Exception):
    """Nobody answered, or what came is no answer. Whether the request was done is not known: ask again with the same key."""


@dataclass(frozen=True)
class Question:
    """A request, and how its answer is read. `anyway` is the result when there is no answer."""

    method: str
    path: str
    read: Callable[[int, Mapping[str, str], bytes], Any]
    query: Mapping[str, Any] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    safe: bool = True
    anyway: Any = None

    @property
    def target(self) -> str:
        """Path and query."""
        said = {name: value for name, value in self.query.items() if value is not None}
        return self.path + (f"?{urlencode(said, doseq=True)}" if said else "")

    def waits(self, result: Any, tried: int) -> float | None:
        """Seconds until it is asked again; None when it is not."""
        if not self.safe or tried >= TRIES:
            return None
        if isinstance(result, NoAnswer):
            return float(tried)
        if isinstance(result, Refused) and result.status in (429, 503) and result.retry_after is not None:
            return result.retry_after if result.retry_after <= LONGEST_WAIT else None
        return None


def basic(user: str, password: str) -> str:
    """The Authorization header of RFC 7617."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def headers(question: Question) -> dict[Any, Any]:
    """What is sent in front of the body."""
    headers = {"User-Agent": "smsd", **question.headers}
    return headers if question.body is None else {**headers, "Content-Type": question.kind}


def pairs(query: str) -> list[tuple[str, str]]:
    """The pairs of a query, where the plus of a number may not be encoded."""
    pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=1000)
    return [
        (name, "+" + value[1:] if name == "number" and value[:1] == " " else value) for name, value in pairs
    ]


def settled(question: Question, result: Any) -> Any:
    """What the caller gets: the result, or the exception that it is; where no answer is an answer, that."""
    if isinstance(result, NoAnswer) and question.anyway is not None:
        return question.anyway
    if isinstance(result, Exception):
        raise result
    return result


def bounded(body: bytes) -> bytes:
    """The body itself; NoAnswer when it is longer than anybody needs."""
    if len(body) > MOST:
        raise NoAnswer(f"the answer has more than {MOST} octets")
    return body


def keep(found: bytearray, data: bytes) -> None:
    """Add to a body that comes bit by bit; NoAnswer when it gets too long."""
    found += data
    if len(found) > MOST:
        raise NoAnswer(f"the answer has more than {MOST} octets")


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise NoAnswer("what came is no JSON: does an smsd answer here, with api: yes?") from None


def read(status: int, headers: Mapping[str, str], body: bytes) -> Any:
    """What an answer of the API says; Refused when it is a no."""
    said = _json(body) if "json" in headers.get("content-type", "") else None
    if 200 <= status < 300 and said is not None:
        return said
    wait = headers.get("retry-after", "")
    problem = (
        said
        if isinstance(said, dict)
        else {"detail": f"the server answered {status}: is the API switched on (api: yes)?"}
    )
    raise Refused(status, problem, float(wait) if wait.isdecimal() else None)


def read_sms(status: int, headers: Mapping[str, str], body: bytes) -> Any:
    """The same for `/sms/`, whose refusals have another form."""
    if status == 200:
        return _json(body)
    said = _json(body)
    error: dict[str, Any] = said.get("error") or next(
        (one for one in said.get("recipients", []) if one["status"] == "refused"), {}
    )
    word = str(error.get("reason", "")).lower().replace("_", "-")
    wait = headers.get("retry-after", "")
    problem = {**said, "type": f"urn:smsd:problem:{word}", "detail": error.get("text")}
    raise Refused(status, problem, float(wait) if wait.isdecimal() else None)


def valid(status: int, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether a login is good; Refused when the server says something else."""
    if status in (401, 403):
        return False
    read(status, headers, body)
    return True


def kept(status: int, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether `/sms/deliver.html` took a message."""
    return status == 200 and body.strip() == b"True"
