"""One request: which operation it is, who calls, what is in it; and its answer. What nobody expected is the door's edge's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote_to_bytes

from pydantic import TypeAdapter, ValidationError
from twisted.internet.defer import Deferred

from smsd.core.auditing import WHO
from smsd.frontends.http import keys, uploads
from smsd.frontends.http.answer import JSON, Answer
from smsd.frontends.http.api import caller as callers
from smsd.frontends.http.api import openapi, operations, problems
from smsd.frontends.http.api.answers import Mistake
from smsd.frontends.http.api.asked import MOST_MESSAGES, Queried
from smsd.frontends.http.api.operations import Operation
from smsd.frontends.http.api.verbs import Verbs
from smsd.frontends.http.fields import Pairs
from smsd.frontends.http.request import DoorRequest
from smsd.values.errors import InvalidValue, Reason, Refused

if TYPE_CHECKING:
    from smsd.frontends.http.door import HttpDoor

PREFIX = b"/api/v1"
MOST_FIELDS = 100


class Api:
    """Everything under `PREFIX`, for one door."""

    def __init__(self, door: HttpDoor) -> None:
        self._door = door
        self._bodies: dict[str, tuple[TypeAdapter[Any], TypeAdapter[Any] | None]] = {
            one.name: (TypeAdapter(one.body), TypeAdapter(list[one.body]) if one.many else None)  # type: ignore[name-defined]
            for one in operations.OPERATIONS
            if one.body is not None
        }
        self._description = b""

    def handle(self, request: DoorRequest) -> Deferred[Any]:
        """Answers when the returned Deferred fires; it fails with what nobody expected."""
        return Deferred.fromCoroutine(self._handle(request))

    async def _handle(self, request: DoorRequest) -> None:
        path = request.path[len(PREFIX) :].split(b"/")
        steps = [unquote_to_bytes(step).decode("utf-8", "replace") for step in path]
        method = request.method.decode("ascii", "replace")
        account = ""
        name = "?"
        try:
            found = self._find(steps, method)
            if isinstance(found, Answer):
                request.answer(found)
                return
            operation, given = found
            name = operation.name
            caller = await callers.find(request, self._door.context, operation.scopes)
            account = caller.name
            WHO.set(caller.who)  # in the context of this coroutine
            verbs = Verbs(self._door, request, caller)
            parts = [_pairs(request)]
            if operation.upload:
                form, given["file"], given["name"] = _upload(request)
                parts.append(form)
            query = _query(parts, operation)
            if query is not None:
                given["query"] = query
            if operation.body is not None:
                given["body"] = self._body(request, operation)
            said, fate = await getattr(verbs, operation.name)(**given)
        except keys.WrongKey as error:
            mistake = Mistake(header="Idempotency-Key", detail=str(error))
            said, fate = problems.refused(problems.Wrong([mistake])), "BAD_REQUEST"
        except InvalidValue as error:
            said, fate = problems.refused(Refused(Reason.BAD_REQUEST, str(error))), "BAD_REQUEST"
        except Refused as refusal:
            said, fate = problems.refused(refusal), refusal.reason.name
        self._door.calls.add(f"{request.peer} api {name} {said.status}: {fate}", account=account or None)
        request.answer(said)

    def _find(self, steps: list[str], method: str) -> tuple[Operation, dict[str, Any]] | Answer:
        """The operation and what stands in its path, or the answer at once."""
        method = "GET" if method == "HEAD" else method
        if steps == ["", operations.DESCRIPTION[1:]]:
            known: dict[str, Any] = {"GET": None}
            if method == "GET":
                self._description = self._description or problems.octets(openapi.description())
                return Answer(200, self._description, JSON)
        else:
            found = operations.find(steps[1:]) if not steps[0] and len(steps) > 1 else None
            if found is None:
                raise problems.NotThere("nothing is here: /api/v1/openapi.json tells what there is")
            known, there = found
            if method in known:
                given: dict[str, Any] = dict(there)
                if "id" in given:
                    given["number"] = int(given.pop("id"))
                return known[method], given
        refusal = Refused(Reason.BAD_REQUEST, f"this path takes {' or '.join(known)}")
        return problems.refused(refusal, 405, [b"Allow: " + operations.allowed(known)])

    def _body(self, request: DoorRequest, operation: Operation) -> Any:
        kind = request.header(b"content-type") or ""
        media, _, options = kind.partition(";")
        charset = options.partition("charset=")[2].strip(' "').lower()
        if media.strip().lower() != "application/json" or charset not in ("", "utf-8", "utf8"):
            raise problems.UnreadType(
                f"Content-Type {kind[:60]!r} is not taken: send application/json in UTF-8"
            )
        _as_it_is(request)
        one, many = self._bodies[operation.name]
        reader = one
        if many is not None and request.body.lstrip()[:1] == b"[":
            reader = many
        try:
            made: Any = reader.validate_json(request.body)
        except ValidationError as error:
            raise _wrong(error, request.body) from None
        if isinstance(made, list) and not 0 < len(made) <= MOST_MESSAGES:
            raise problems.Wrong([Mistake(pointer="#", detail=f"a list has 1 to {MOST_MESSAGES} messages")])
        return made


def _pairs(request: DoorRequest) -> Pairs:
    """What stands in the query."""
    try:
        return parse_qsl(
            request.query.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except UnicodeDecodeError:
        mistake = Mistake(detail="the query is not percent-encoded UTF-8: encode it")
    except ValueError:
        mistake = Mistake(detail=f"more than {MOST_FIELDS} parameters in the query: write fewer")
    raise problems.Wrong([mistake])


def _upload(request: DoorRequest) -> tuple[Pairs, bytes, str]:
    """The fields of a form, its file, and what that is called."""
    kind = uploads.kind(request)
    if kind != uploads.FORM and kind not in uploads.RAW:
        raise problems.UnreadType(
            f"Content-Type {kind[:60]!r} is not taken: send the file in {uploads.FORM}, or as text/csv"
        )
    _as_it_is(request)
    try:
        pairs, file, name = uploads.file(request)
    except InvalidValue as error:
        raise problems.Wrong([Mistake(pointer="#", detail=str(error))]) from None
    if not file:
        why = "there is no file, or it is empty: send it as file= with a filename, or as text/csv"
        raise problems.Wrong([Mistake(pointer="#/file" if kind == uploads.FORM else "#", detail=why)])
    return pairs, file, name


def _query(parts: list[Pairs], operation: Operation) -> Queried | None:
    """What a query says, or the fields of a form behind it, which win."""
    model = operation.query
    given: dict[str, Any] = {}
    mistakes = []
    for pairs in parts:
        here: dict[str, Any] = {}
        for name, value in pairs:
            field = model.model_fields.get(name)
            if field is not None and field.default == []:
                here.setdefault(name, []).append(value)
            elif name in here:
                mistakes.append(Mistake(parameter=name[:100], detail="this is given twice: give it once"))
            else:
                here[name] = value
        given |= here
    try:
        made = model.model_validate(given)
    except ValidationError as error:
        mistakes += problems.query_mistakes(error)
    if mistakes:
        raise problems.Wrong(mistakes)
    return made if model.model_fields else None


def _as_it_is(request: DoorRequest) -> None:
    encoding = request.header(b"content-encoding")
    if encoding is not None and encoding.strip().lower() != "identity":
        raise problems.UnreadType(f"Content-Encoding {encoding[:20]!r} is not taken: send the body as it is")


def _wrong(error: ValidationError, body: bytes) -> Refused:
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        why = str(first["ctx"]["error"]) if "ctx" in first else "it cannot be read"
        return problems.Wrong([Mistake(pointer="#", detail=f"the body is no JSON in UTF-8: {why[:200]}")])
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        given = None
    return problems.Wrong(problems.body_mistakes(error, given))
