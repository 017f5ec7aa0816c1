"""Settings that the operator changes while the server runs (`smsd set expire_minutes 7200`, feature A2).

An override is durable (the store's setting table), holds at once, and wins over the configuration file until it is
taken back. Only settings that need nothing rebuilt may be changed this way.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from smsd.config.settings import Configuration
from smsd.values.errors import InvalidValue

SCOPE = "override"

NAMES: dict[str, tuple[str, str]] = {
    "expire_minutes": ("queue", "expire_minutes"),
    "warn_minutes": ("queue", "warn_minutes"),
    "keep_days": ("queue", "keep_days"),
    "log_level": ("log", "level"),
}


class Overrides:
    """The overrides of one store. `changed` is called with the configuration that holds now, after every change."""

    def __init__(self, store: Any, file: Configuration, changed: Callable[[Configuration], None]) -> None:
        self._store = store
        self._changed = changed
        self._values: dict[str, str] = {}
        self.file = file

    async def load(self) -> None:
        """Read what was set before; what this version does not know is ignored."""
        kept = await self._store.settings(SCOPE)
        self._values = {name: value for name, value in kept.items() if name in NAMES}

    def effective(self) -> Configuration:
        """The configuration file with the overrides in it."""
        configuration = self.file
        for name, value in self._values.items():
            section, key = NAMES[name]
            changed = _checked(getattr(configuration, section), key, value)
            configuration = dataclasses.replace(configuration, **{section: changed})
        return configuration

    async def set(self, name: str, value: str | None) -> None:
        """Change one (None: back to the file's) and fire after the commit; InvalidValue says what is allowed."""
        if name not in NAMES:
            raise InvalidValue(f"{name!r} cannot be set; allowed: {', '.join(NAMES)}")
        if value is not None:
            section, key = NAMES[name]
            _checked(getattr(self.file, section), key, value)
        await self._store.remember(SCOPE, name, value)
        if value is None:
            self._values.pop(name, None)
        else:
            self._values[name] = value
        self._changed(self.effective())

    def shown(self) -> list[dict[str, Any]]:
        """Every name with its value, the file's value, and whether it is overridden."""
        now = self.effective()
        return [
            {
                "name": name,
                "value": getattr(getattr(now, section), key),
                "file": getattr(getattr(self.file, section), key),
                "overridden": name in self._values,
            }
            for name, (section, key) in NAMES.items()
        ]


def _checked(section: Any, key: str, value: str) -> Any:
    model = type(section)
    try:
        return model.model_validate({**section.model_dump(), key: value})
    except ValidationError as error:
        allowed = model.model_fields[key].description or error.errors()[0]["msg"]
        raise InvalidValue(f"{value!r} is not possible for {key}; allowed: {allowed}") from None
