"""What is said when something cannot be done: `application/problem+json` (RFC 9457), with the places of all mistakes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import ValidationError

from smsd.frontends.http.answer import Answer
from smsd.frontends.http.api.answers import Mistake, Problem
from smsd.values.errors import Reason, Refused

KIND = b"application/problem+json"
CHALLENGE = b'WWW-Authenticate: Bearer realm="smsd", Basic realm="smsd", charset="UTF-8"'
WAITS = {Reason.OVER_LIMIT: 3600, Reason.SLOW_DOWN: 30}
"""Seconds until it makes sense to try again, where the refusal does not say."""
MOST = 50
"""Mistakes that are told of one request."""


class NotThere(Refused):
    """Nothing is there (404), or nothing of yours."""

    def __init__(self, text: str) -> None:
        super().__init__(Reason.BAD_REQUEST, text)


class UnreadType(Refused):
    """A body of a type that is not read (415)."""

    def __init__(self, text: str) -> None:
        super().__init__(Reason.BAD_REQUEST, text)


class OtherScope(Refused):
    """The token may not do that (403). `scopes` are those it would need."""

    def __init__(self, scopes: Sequence[str]) -> None:
        super().__init__(
            Reason.NOT_ALLOWED,
            f"this needs the scope {' and '.join(scopes)}: use a token that has it (smsd token create --scope …)",
        )
        self.scopes = scopes


class Wrong(Refused):
    """A request with mistakes: 400 when it is not what the description says (`form`), else 422."""

    def __init__(self, mistakes: Sequence[Mistake], *, form: bool = True) -> None:
        first = mistakes[0]
        where = first.pointer if first.pointer is not None else first.parameter or first.header or ""
        more = f", and {len(mistakes) - 1} more" if len(mistakes) > 1 else ""
        super().__init__(Reason.BAD_REQUEST, f"{where}: {first.detail}{more}" if where else first.detail)
        self.mistakes = mistakes[:MOST]
        self.form = form


def problem(refusal: Refused, status: int = 0) -> Problem:
    """A refusal as a body, without the pointers."""
    if isinstance(refusal, NotThere):
        word, title, status = "not-found", "not found", 404
    elif isinstance(refusal, UnreadType):
        word, title, status = "unsupported-media-type", "unsupported media type", 415
    elif status == 405:
        word, title = "method-not-allowed", "method not allowed"
    elif isinstance(refusal, OtherScope):
        word, title = "insufficient-scope", "insufficient scope"
    else:
        word, title = refusal.reason.name.lower().replace("_", "-"), str(refusal.reason.value[0])
    if not status:
        form = isinstance(refusal, Wrong) and refusal.form
        status = 422 if refusal.reason.http == 400 and not form else refusal.reason.http
    return Problem(
        type=f"urn:smsd:problem:{word}",
        title=title,
        status=status,
        detail=refusal.text,
        errors=list(refusal.mistakes) if isinstance(refusal, Wrong) else None,
    )


def refused(refusal: Refused, status: int = 0, headers: Iterable[bytes] = ()) -> Answer:
    """The answer to a request that is not done."""
    said = problem(refusal, status)
    lines = list(headers)
    if said.status == 401:
        lines.append(CHALLENGE)
    if isinstance(refusal, OtherScope):
        lines.append(
            b'WWW-Authenticate: Bearer realm="smsd", error="insufficient_scope", scope="%b"'
            % " ".join(refusal.scopes).encode()
        )
    if said.status in (429, 503):
        wait = getattr(refusal, "wait", None) or WAITS.get(refusal.reason, 5)
        lines.append(b"Retry-After: %d" % wait)
    return Answer(said.status, octets(said.model_dump(exclude_none=True)), KIND, tuple(lines))


def failed(mark: str) -> Answer:
    """The answer to something that should not have happened."""
    said = Problem(
        type="urn:smsd:problem:internal",
        title="internal error",
        status=500,
        detail=f"internal error {mark}: nothing is known to be done; the log has the details under this number",
    )
    return Answer(500, octets(said.model_dump(exclude_none=True)), KIND)


def octets(content: Any) -> bytes:
    """JSON as it is sent."""
    return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def body_mistakes(error: ValidationError, given: Any) -> list[Mistake]:
    """What pydantic found, by place in the body `given`. It names the branches of unions too, which are no places."""
    found: dict[str, list[str]] = {}
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        pointer = _pointer(one["loc"], given, missing=one["type"] == "missing")
        said = _words(one)
        if said not in found.setdefault(pointer, []):
            found[pointer].append(said)
    # Of a list with a mistake in it the other branch of the union says that it is none.
    return [
        Mistake(pointer=pointer, detail="; or ".join(said))
        for pointer, said in found.items()
        if not any(other.startswith(f"{pointer}/") and pointer != "#" for other in found)
    ]


def query_mistakes(error: ValidationError) -> list[Mistake]:
    """The same for a query."""
    return [
        Mistake(parameter=str(one["loc"][0]) if one["loc"] else None, detail=_words(one))
        for one in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def _pointer(location: tuple[int | str, ...], given: Any, *, missing: bool) -> str:
    pointer, here = "#", given
    for at, step in enumerate(location):
        last = at == len(location) - 1
        if isinstance(here, dict) and isinstance(step, str) and (step in here or (missing and last)):
            here = here.get(step)
        elif isinstance(here, list) and isinstance(step, int) and step < len(here):
            here = here[step]
        else:
            continue
        pointer += "/" + str(step)[:100].replace("~", "~0").replace("/", "~1")
    return pointer


_SAID = {
    "missing": "this is missing",
    "extra_forbidden": "this name is not known here: correct it, or leave it away",
    "string_type": "a text is expected",
    "int_type": "a whole number is expected",
    "bool_type": "true or false is expected",
    "list_type": "a list is expected",
    "string_pattern_mismatch": "this is not of the form that is expected",
    "model_type": "an object is expected",
    "dict_type": "an object is expected",
    "model_attributes_type": "an object is expected",
}


def _words(one: Any) -> str:
    said = _SAID.get(one["type"])
    if said is not None:
        return said
    said = re.sub(
        r"^(Input|String|List) should", "this should", str(one["msg"]).removeprefix("Value error, ")
    )
    return said.replace(" after validation", "")
