"""The description of the API (OpenAPI 3.1), made of the table of operations and the models that check requests."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from smsd import __version__
from smsd.frontends.http import uploads
from smsd.frontends.http.api import asked
from smsd.frontends.http.api.answers import Problem
from smsd.frontends.http.api.operations import DESCRIPTION, LONGEST_NAME, OPERATIONS, Operation

ABOUT = """\
Hand in SMS, hear what became of them, fetch what phones wrote. A message that was answered 201 is on disk.

Mistakes are told as `application/problem+json` (RFC 9457), each with its place. Repeat a request that had no answer with the same
`Idempotency-Key`, and nothing is sent twice. Ids are texts: they have more digits than a JavaScript number holds.
"""
_REASONS = {
    400: "The request is not what this description says: `errors` says where.",
    401: "Nobody has logged in.",
    402: "The credit does not cover it.",
    403: "Not allowed.",
    404: "There is no such message (or gateway), or it is not yours.",
    409: "The key stands for another request, or it is too late.",
    413: "Too much at once.",
    415: "Another type of body.",
    422: "The request cannot be done: no such number, no such text …",
    429: "Not so fast, or not so much: try again after `Retry-After` seconds.",
    500: "A fault: the number in `detail` stands in the log.",
    503: "Not now: try again after `Retry-After` seconds.",
    508: "The message goes in a circle of servers.",
}
_COMMON = (401, 403, 429, 500, 503)
_HEADERS: dict[int, tuple[str, dict[str, Any]]] = {
    401: ("WWW-Authenticate", {"schema": {"type": "string"}, "description": "how to log in"}),
    429: ("Retry-After", {"schema": {"type": "integer"}, "description": "seconds"}),
    503: ("Retry-After", {"schema": {"type": "integer"}, "description": "seconds"}),
    201: ("Location", {"schema": {"type": "string"}, "description": "the path of what was made"}),
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "description": "a word of your own, another one for each request: repeats are answered with the first answer "
    "(a file with its job) and `Idempotent-Replayed: true`, for a day; the same word with another body is refused (409)",
}
_REPLAYED = {
    "schema": {"type": "string", "const": "true"},
    "description": "the request was done before, under the same key",
}
_LINKS = {
    name: {"operationId": name, "parameters": {"id": "$response.body#/id"}}
    for name in ("look_up", "cancel", "explain")
}
_JOB_LINKS = {
    name: {"operationId": name, "parameters": {"id": "$response.body#/id"}} for name in ("job", "change_job")
}
_FILE = "number;text\n+15551234567;Hello\n"
_IN_PATH: dict[str, dict[str, Any]] = {
    "id": {"type": "string", "pattern": asked.ID},
    "kind": {"type": "string", "enum": list(asked.KIND)},
    "deed": {"type": "string", "enum": list(uploads.DEEDS)},
    "name": {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME, "pattern": "^[!-~]+$"},
}
_REF = "#/components/schemas/{model}"


def description() -> dict[str, Any]:
    """The whole document."""
    requests = {(one.body, "validation") for one in OPERATIONS if one.body is not None}
    told = {(model, "serialization") for one in OPERATIONS for each in one.answers.values() for model in each}
    wanted: Any = sorted([*requests, *told, (Problem, "serialization")], key=lambda pair: pair[0].__name__)
    _, schemas = models_json_schema(wanted, ref_template=_REF)
    paths: dict[str, Any] = {}
    for one in OPERATIONS:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    paths[DESCRIPTION] = {"get": _itself()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "smsd", "version": __version__, "description": ABOUT, "license": {"name": "MIT", "identifier": "MIT"}},
        "servers": [{"url": "/api/v1"}],
        "security": [{"token": []}, {"password": []}],
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "a token that smsd token create made"},
                "password": {"type": "http", "scheme": "basic", "description": "an account and its password"},
            },
        },
    }  # fmt: skip


def _operation(one: Operation) -> dict[str, Any]:
    needs = f"Needs the scope {' and '.join(f'`{scope}`' for scope in one.scopes)}." if one.scopes else ""
    made: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary,
        "description": " ".join(part for part in (one.notes, needs) if part),
        "responses": _responses(one),
    }
    parameters = _parameters(one)
    if parameters:
        made["parameters"] = parameters
    if one.body is not None:
        body: dict[str, Any] = _reference(one.body)
        if one.many:
            most = asked.MOST_MESSAGES
            body = {"anyOf": [body, {"type": "array", "items": body, "minItems": 1, "maxItems": most}]}
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    if one.upload:
        made["requestBody"] = {"required": True, "content": _upload(one)}
    return made


def _upload(one: Operation) -> dict[str, Any]:
    """A form with a file, or the file itself."""
    fields = {
        said["name"]: {**said["schema"], "description": said["description"]}
        for said in _parameters(one)
        if said["in"] == "query"
    }
    file = {"type": "string", "format": "binary", "minLength": 1, "description": "numbers and texts, as CSV"}
    form = {
        "type": "object", "required": ["file"], "additionalProperties": False, "properties": {"file": file, **fields}
    }  # fmt: skip
    raw = {"schema": {"type": "string", "minLength": 1}, "example": _FILE}
    return {uploads.FORM: {"schema": form}, **dict.fromkeys(uploads.TYPES, raw)}


def _parameters(one: Operation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name, schema in _IN_PATH.items():
        if f"{{{name}}}" in one.path:
            found.append({"name": name, "in": "path", "required": True, "schema": schema})
    known: dict[str, dict[str, Any]] = one.query.model_json_schema().get("properties", {})
    for name, said in known.items():
        schema = {key: value for key, value in said.items() if key not in ("title", "description", "default")}
        options = [branch for branch in schema.pop("anyOf", []) if branch.get("type") != "null"]
        schema |= options[0] if options else {}
        if said.get("default") not in (None, [], ""):
            schema["default"] = said["default"]
        found.append(
            {"name": name, "in": "query", "required": False, "schema": schema, "description": said.get("description", "")}
        )  # fmt: skip
    return [*found, _KEY] if one.keyed else found


def _responses(one: Operation) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for status, told in one.answers.items():
        schemas = [_reference(model) for model in told]
        schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
        made[str(status)] = {
            "description": (told[0].__doc__ or "").strip(),
            "content": {"application/json": {"schema": schema}},
        }
    asks = bool(one.body or one.upload or one.query.model_fields or "{" in one.path)
    for status in sorted({*_COMMON, *one.refusals, 400, 422} if asks else {*_COMMON, 400, *one.refusals}):
        made[str(status)] = {
            "description": _REASONS[status],
            "content": {"application/problem+json": {"schema": _reference(Problem)}},
        }
    if one.name == "send":
        made["201"]["links"] = _LINKS
    if one.name == "check_job":
        made["201"]["links"] = _JOB_LINKS
    for status, (name, header) in _HEADERS.items():
        if str(status) in made:
            made[str(status)]["headers"] = {name: header}
    for status in one.answers if one.keyed else ():
        made[str(status)].setdefault("headers", {})["Idempotent-Replayed"] = _REPLAYED
    return made


def _itself() -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "object"}}}
    return {
        "operationId": "description", "summary": "This description", "security": [],
        "responses": {"200": {"description": "OpenAPI 3.1", "content": content}},
    }  # fmt: skip


def _reference(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": _REF.format(model=model.__name__)}
