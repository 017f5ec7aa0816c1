"""A provider's stand-in without sockets, and what tests of HTTP gateways share."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from smsd.codec.weburl import Target
from smsd.config.places import find_data
from smsd.gateways import http
from smsd.gateways.exchange import Answer, Unanswered
from smsd.gateways.http.gateway import Http
from smsd.values.delivery import Accepted, Failure, Piece
from smsd.values.message import Binary, Text
from tests.codec.provider.test_request import piece as piece
from tests.gateways.helpers import context

JSON = "application/json"
CREDENTIALS = {
    "user": "annaacme", "password": "geheim-1&", "api_id": "3141", "api_key": "key-0815-4711", "api_secret": "geheim-2?",
    "ba_id": "1234567", "account_sid": "AC0123456789", "auth_token": "geheim-3+", "phone": "+18005550199",
}  # fmt: skip
DATA = os.path.join(os.path.dirname(__file__), "..", "..", "..", "etc")


@dataclass
class Asked:
    """A request as the stand-in heard it."""

    method: str
    target: Target
    headers: dict[str, str]
    body: bytes | None
    seconds: float

    @property
    def query(self) -> dict[str, str]:
        """What stands behind the question mark."""
        return dict(
            parse_qsl(self.target.path.partition("?")[2], keep_blank_values=True, strict_parsing=True)
        )

    @property
    def form(self) -> dict[str, str]:
        """What a form says."""
        return dict(parse_qsl((self.body or b"").decode(), keep_blank_values=True, strict_parsing=True))

    @property
    def url(self) -> str:
        """All of it."""
        return f"{self.target.origin}{self.target.path}"


class StandIn:
    """In the place of a gateway's client: answers what it was told, in order; the last for ever."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: list[Answer | Unanswered] = []
        self.takes: Callable[[float], None] = lambda seconds: None

    def says(self, status: int, body: str | bytes = b"", kind: str = "text/plain", **headers: str) -> None:
        """One more answer."""
        body = body.encode() if isinstance(body, str) else body
        lines = [(b"Content-Type", kind.encode())]
        lines += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        self.answers.append(Answer(status, "Phrase", tuple(lines), body, True))

    def fails(self, reason: str, sent: bool) -> None:
        """No answer."""
        self.answers.append(Unanswered(reason, sent))

    def fetch(
        self, method: str, target: Target, headers: Any, body: bytes | None, limit: int, seconds: float
    ) -> Deferred[Answer]:
        """See `IClient`."""
        self.asked.append(Asked(method, target, dict(headers), body, seconds))
        self.takes(seconds)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return fail(answer) if isinstance(answer, Unanswered) else succeed(answer)

    def close(self) -> Deferred[None]:
        """See `IClient`."""
        return succeed(None)


def gateway(reactor: Any = None, account: Any = None, **settings: Any) -> Http:
    """A gateway as its section of the configuration makes it."""
    clock = Clock() if reactor is None else reactor
    told = replace(
        context(clock),
        find_data=lambda name: find_data(name, os.path.join(DATA, "x")),
        find_account=lambda name: account,
    )
    return http.make(http.Settings(id="up", **settings), told)


def provider(name: str, **settings: Any) -> tuple[Http, StandIn]:
    """A gateway of a provider with made-up credentials, and its stand-in."""
    from smsd.config import providers

    wanted = providers.find(name, find_data)
    given = {c.name: CREDENTIALS[c.name] for c in wanted.credentials if not c.optional}
    given |= settings.pop("credentials", {})
    if wanted.wants_server:
        settings.setdefault("server", "http://box.example.org:8080")
    made = gateway(template=name, credentials=given, **settings)
    stand_in = StandIn()
    made._client = stand_in  # type: ignore[assignment]
    return made, stand_in


def send(made: Http, content: Text | Binary | str = "hello", **changes: Any) -> Accepted | Failure:
    """What becomes of a piece at once."""
    found: list[Any] = []
    carried: Piece = content if isinstance(content, Piece) else piece(content, **changes)
    made.send(carried).addCallbacks(found.append, lambda failure: found.append(failure.value))
    (outcome,) = found
    if not isinstance(outcome, (Accepted, Failure)):
        raise outcome
    return outcome


def short(outcome: Accepted | Failure) -> tuple[Any, ...]:
    """An outcome in short."""
    if isinstance(outcome, Accepted):
        return "yes", outcome.reference, *outcome.more
    return outcome.kind.value, outcome.scope.value, outcome.reason.partition(": ")[2]
