"""What the operator's verbs on accounts are asked: their arguments, read one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smsd.core.accounts.directory import MODELS
from smsd.values.errors import InvalidValue
from smsd.values.message import storable

MOST = 10**15


def subject_of(arguments: Mapping[str, Any]) -> tuple[str, str]:
    """The kind and the name of what it is about; a policy is for whom it is for, however his address is written."""
    kind, name = kind_of(arguments), name_of(arguments)
    return kind, (name.strip().lower().rstrip(".") or name) if kind == "policy" else name


def kind_of(arguments: Mapping[str, Any]) -> str:
    """What it is about: an account, where nothing is said."""
    kind = arguments.get("kind") or "account"
    if kind not in MODELS:
        raise InvalidValue(f"kind: {kind!r} is not possible; allowed: {', '.join(MODELS)}")
    return str(kind)


def name_of(arguments: Mapping[str, Any]) -> str:
    """Which one it is about."""
    name = text_of(arguments, "name")
    if not name:
        raise InvalidValue("name: a name is needed")
    return name


def text_of(arguments: Mapping[str, Any], field: str) -> str:
    """A text, "" where nothing is said."""
    value = arguments.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidValue(f"{field}: a text is needed")
    return storable(value)


def number_of(arguments: Mapping[str, Any], field: str) -> int | None:
    """A number from 0 on, None where nothing is said."""
    value = arguments.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST:
        raise InvalidValue(f"{field}: {value!r} is not possible; allowed: 0 or more")
    return value


def settings_of(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is to be set, by field."""
    settings = arguments.get("settings") or {}
    if not isinstance(settings, dict) or not all(isinstance(name, str) for name in settings):
        raise InvalidValue("settings: an object with names and values is needed")
    for value in settings.values():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str):
                storable(text)
    return settings
