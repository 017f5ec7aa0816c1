"""Find plug-ins by the word in the configuration: `type: gsm` is the module `gsm`. A new protocol is a new module here:

`smsd.frontends` (doors), `smsd.gateways` (out only), `smsd.links` (both ways) and `smsd.sources` (who knows passwords). A module
is a plug-in when it has `Settings` (a pydantic model) and `make(settings, context)`; modules without them are helpers and no
types. Nothing is imported before it is asked for, so an optional library that is missing disturbs only those who configure it.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from types import ModuleType
from typing import Any

DOORS = ("smsd.frontends",)
GATEWAYS = ("smsd.gateways", "smsd.links")
SOURCES = ("smsd.sources",)

_WORD = re.compile(r"[a-z][a-z0-9_]*")


class UnknownType(LookupError):
    """No such plug-in, or one whose libraries are not installed; the text says which there are, or what is missing."""


def find(packages: tuple[str, ...], word: str) -> ModuleType:
    """The plug-in module called `word` in one of `packages`; UnknownType if there is none."""
    if _WORD.fullmatch(word):
        for package in packages:
            if word in _modules(package):
                module = _load(f"{package}.{word}", word)
                if _is_plugin(module):
                    return module
    raise UnknownType(f"there is no type {word!r}; allowed: {', '.join(types(packages)) or 'none'}")


def types(packages: tuple[str, ...]) -> list[str]:
    """Every word that `find` takes, sorted; imports them all."""
    found = set()
    for package in packages:
        for word in _modules(package):
            try:
                if _is_plugin(_load(f"{package}.{word}", word)):
                    found.add(word)
            except UnknownType:
                continue
    return sorted(found)


def settings_of(module: ModuleType) -> Any:
    """The pydantic model of a plug-in."""
    return module.Settings


def _modules(package: str) -> list[str]:
    try:
        path = importlib.import_module(package).__path__
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        return []
    return [info.name for info in pkgutil.iter_modules(path) if not info.name.startswith("_")]


def _load(name: str, word: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise UnknownType(f"the type {word!r} needs the Python package {error.name!r}; install it") from error


def _is_plugin(module: ModuleType) -> bool:
    return hasattr(module, "Settings") and hasattr(module, "make")
