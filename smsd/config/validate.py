"""Check one section against its pydantic model, and say what is wrong in words, with the place in the file.

Before a model sees a section, keys written without a value are dropped, secrets are fetched (`secrets`) and relative
paths completed. Values of secret settings never appear in a message.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from smsd.config import endpoints
from smsd.config.positions import Document, KeyPath
from smsd.config.secrets import SecretError, resolve
from smsd.config.settings import Endpoint, Place

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where relative things start: `base` is the folder of the configuration file, `folder` is `server.folder`."""

    base: str
    folder: str
    environ: Mapping[str, str]


def section(
    model: type[Model], data: Any, path: KeyPath, document: Document, around: Surroundings
) -> Model | None:
    """An instance of `model` from `data`, which stands at `path`; None when problems were reported instead."""
    before = len(document.problems)
    prepared = _prepare(model, data, path, document, around)
    try:
        result = model.model_validate(prepared)
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            _report(model, problem, path, document)
        return None
    return result if len(document.problems) == before else None


def _prepare(
    model: type[BaseModel], data: Any, path: KeyPath, document: Document, around: Surroundings
) -> Any:
    if not isinstance(data, dict):
        return data
    fields = _fields(model)
    result = {}
    for key, value in data.items():
        if value is None:
            continue
        field = fields.get(key)
        here = (*path, key)
        result[key] = value if field is None else _prepare_value(field, value, here, document, around)
    for key, field in model.model_fields.items():
        path_default = isinstance(field.default, str) and field.default and _is_path(field)
        if path_default and key not in result and field.alias not in result:
            result[key] = os.path.join(around.folder, field.default)
    return result


def _prepare_value(
    field: FieldInfo, value: Any, path: KeyPath, document: Document, around: Surroundings
) -> Any:
    parts = list(_parts(field))
    models = [part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)]
    if isinstance(value, list):
        return [_prepare_value(field, item, (*path, n), document, around) for n, item in enumerate(value)]
    if isinstance(value, dict):
        if models:
            return _prepare(models[0], value, path, document, around)
        return {
            key: _prepare_value(field, item, (*path, key), document, around) for key, item in value.items()
        }
    if not isinstance(value, str):
        return value
    if SecretStr in parts:
        try:
            return resolve(value, around.base, around.environ)
        except SecretError as error:
            document.report(path, str(error), "write env:NAME, file:PATH, or the secret itself")
            return value
    if value and _is_path(field):
        return os.path.join(around.folder, value)
    if any(isinstance(part, Endpoint) for part in parts):
        return endpoints.at_home(value, around.folder)
    return value


def _is_path(field: FieldInfo) -> bool:
    return any(isinstance(part, Place) for part in _parts(field))


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    fields = {}
    for name, info in model.model_fields.items():
        fields[name] = info
        if info.alias:
            fields[info.alias] = info
    return fields


def _parts(field: FieldInfo) -> Iterator[Any]:
    """Everything a field's annotation is made of: types, members of unions, items of lists, markers."""
    yield from field.metadata
    waiting = [field.annotation]
    while waiting:
        part = waiting.pop()
        yield part
        yield from getattr(part, "__metadata__", ())
        waiting += [argument for argument in get_args(part) if not isinstance(argument, str)]


def _report(model: type[BaseModel], problem: Any, path: KeyPath, document: Document) -> None:
    location = tuple(step for step in problem["loc"])
    owner, field = _locate(model, location)
    here = (*path, *_real(location, path, document))
    kind, given = problem["type"], problem["input"]
    if kind == "extra_forbidden":
        names = sorted(_fields(owner)) if owner else []
        close = difflib.get_close_matches(str(location[-1]), names, 1)
        hint = f"did you mean {close[0]}? " if close else ""
        document.report(here, "unknown key", f"{hint}allowed: {', '.join(names)}", at_key=True)
        return
    description = (field.description or "") if field is not None else ""
    allowed = f"allowed: {description}" if description else ""
    if kind == "missing":
        document.report(here, "missing", allowed)
        return
    secret = field is not None and SecretStr in _parts(field)
    shown = repr(given) if isinstance(given, str) and len(given) < 80 and not secret else "this"
    wrong, rule = words(kind, problem, shown)
    document.report(here, wrong, allowed or rule)


def words(kind: str, problem: Any, shown: str) -> tuple[str, str]:
    """What is wrong, and what is allowed when the field itself does not tell."""
    context = problem.get("ctx", {})
    message = re.sub(r"^Value error, ", "", problem["msg"])
    if kind == "value_error":
        return message, ""
    if kind in ("literal_error", "enum"):
        return f"{shown} is not possible", f"allowed: {context['expected']}"
    if kind.startswith("int"):
        return f"{shown} is no whole number", ""
    if kind.startswith(("float", "decimal")):
        return f"{shown} is no number", ""
    if kind.startswith("bool"):
        return f"{shown} is neither yes nor no", "allowed: yes, no"
    if kind in ("list_type", "tuple_type", "set_type", "frozen_set_type"):
        return "this must be a list", "write [a, b] or lines that begin with -"
    if kind in ("dict_type", "model_type", "model_attributes_type"):
        return "this must be a mapping", "write `key: value` lines"
    if kind == "string_type":
        return "this must be a text", ""
    if kind == "string_pattern_mismatch":
        return f"{shown} does not fit", f"allowed: what matches {context['pattern']}"
    return f"{shown}: {message[:1].lower()}{message[1:]}", ""


def _locate(
    model: type[BaseModel], location: tuple[Any, ...]
) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """The model and the field that a pydantic location is about."""
    owner: type[BaseModel] | None = model
    field: FieldInfo | None = None
    for step in location:
        if owner is not None and isinstance(step, str) and step in _fields(owner):
            field = _fields(owner)[step]
            inner = [part for part in _parts(field) if isinstance(part, type) and issubclass(part, BaseModel)]
            if step != location[-1] and inner:
                owner = inner[0]
    return owner, field


def _real(location: tuple[Any, ...], path: KeyPath, document: Document) -> KeyPath:
    """A pydantic location without what is not in the file (names of union members); the last step always stays."""
    kept: KeyPath = ()
    for step in location:
        if (*path, *kept, step) in document.values or step == location[-1]:
            kept = (*kept, step)
    return kept
