"""Read a configuration file and refuse it, with every reason at once, or give a `Configuration` that can be built.

The only place where the file, the models of the plug-ins (found by `type`) and the checks between sections meet.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from smsd import registry
from smsd.config import checks, groups, prices, rules, subscribers, timed, userrules
from smsd.config.positions import ConfigError, Document, KeyPath, read, read_file
from smsd.config.settings import Configuration, DatabaseSettings, FileSettings, ServerSettings
from smsd.config.validate import Surroundings, section
from smsd.policy.rules.language.rules import together

PLUGINS = ("listeners", "gateways", "password_sources", "accounts", "simulators")
POST_OFFICE = ("notifications", "lists", "programs")
LISTS = (
    *PLUGINS,
    *POST_OFFICE,
    "groups",
    "account_groups",
    "policies",
    "databases",
    "outgoing",
    "incoming",
    "rules_files",
    "timed",
    "subscribers",
)


def load(
    path: str,
    environ: Mapping[str, str] | None = None,
    instead: Mapping[str, bytes] | None = None,
    starting: bool = False,
) -> Configuration:
    """The configuration in the file `path`; ConfigError with every problem otherwise.

    `instead` has the contents of files of rules that are about to be written, by absolute path. A server that is `starting`
    is not kept from it by a line of a members file, which somebody has written since it ran last: that is a warning.
    """
    return _build(read_file(path), path, os.environ if environ is None else environ, instead or {}, starting)


def load_text(text: str | bytes, path: str, environ: Mapping[str, str] | None = None) -> Configuration:
    """`load` for a text that would stand in `path`."""
    return _build(read(text, path), path, os.environ if environ is None else environ, {})


def folder_of(path: str) -> str:
    """Where the relative paths of the configuration `path` start, even if there are mistakes in what it names."""
    base = os.path.dirname(os.path.abspath(path))
    return os.path.normpath(os.path.join(base, _folder(read_file(path).data)))


def _build(
    document: Document,
    path: str,
    environ: Mapping[str, str],
    instead: Mapping[str, bytes],
    starting: bool = False,
) -> Configuration:
    path = os.path.abspath(path)
    base = os.path.dirname(path)
    folder = os.path.normpath(os.path.join(base, _folder(document.data)))
    around = Surroundings(base, folder, environ)
    file = _own_sections(document, around)
    defaults = {"in_doubt": file.queue.in_doubt, "country": file.server.country}
    found: dict[str, list[Any]] = {
        "listeners": _plugins("listeners", registry.DOORS, document, around, {}),
        "gateways": _plugins("gateways", registry.GATEWAYS, document, around, defaults),
        "groups": _all_of("groups", lambda: groups.GroupSettings, document, around),
        "accounts": _all_of("accounts", _account_model, document, around),
        "account_groups": _all_of("account_groups", _account_group_model, document, around),
        "policies": _all_of("policies", _policy_model, document, around),
        "password_sources": _plugins("password_sources", registry.SOURCES, document, around, {}),
        "simulators": _all_of("simulators", _simulator_model, document, around),
        "databases": _all_of("databases", lambda: DatabaseSettings, document, around),
        "timed": _all_of("timed", lambda: timed.TimedSettings, document, around),
        "subscribers": _all_of("subscribers", lambda: subscribers.SubscriberSettings, document, around),
    }
    found |= {kind: _all_of(kind, partial(_box_model, kind), document, around) for kind in POST_OFFICE}
    warnings = checks.across(document, file, found)
    warnings += [doubt for _, one in found["password_sources"] if one.active for doubt in one.doubts()]
    warnings += _post_office().across(document, file.server, found, starting)
    warnings += timed.across(document, found)
    warnings += subscribers.across(document, file.callbacks, found)
    paid = section(prices.PricesSettings, document.data.get("prices") or {}, ("prices",), document, around)
    warnings += prices.doubts(paid, found) if paid is not None else []
    databases = rules.kinds(database for _, database in found["databases"])
    written = rules.read(document, around, instead, databases)
    gateways = [gateway for _, gateway in found["gateways"]]
    own, doubts = userrules.read(document, folder, found["accounts"], databases, gateways)
    active = [gateway for gateway in gateways if gateway.active]
    carried = {scheme for gateway in active for scheme in gateway.schemes}
    warnings += rules.unreached(together(written.rules, own), carried)
    if document.problems:
        raise ConfigError(document.problems)
    lists = {name: tuple(item for _, item in items) for name, items in found.items()}
    lists["databases"] = tuple(rules.at_home(database, folder) for database in lists["databases"])
    return Configuration(
        path,
        folder,
        file.server,
        file.store,
        file.queue,
        file.log,
        file.control,
        **lists,
        rules=together(written.rules, own),
        rules_files=written.files,
        replies=file.replies,
        effects=file.effects,
        callbacks=file.callbacks,
        protection=file.protection,
        prices=paid,
        warnings=(*warnings, *written.warnings, *doubts),
    )


def _folder(data: dict[str, Any]) -> str:
    server = data.get("server")
    folder = server.get("folder") if isinstance(server, dict) else None
    return folder if isinstance(folder, str) else str(ServerSettings().folder)


def _own_sections(document: Document, around: Surroundings) -> FileSettings:
    """The file's own sections; defaults stand in for one that is wrong, so that the other checks can go on."""
    fields = FileSettings.model_fields
    good: dict[str, Any] = {}
    for key, value in document.data.items():
        if key in LISTS:
            if value is not None and not isinstance(value, list):
                document.report((key,), "this must be a list", "begin each entry with -")
            continue
        if key not in fields:
            document.report((key,), "unknown section", f"allowed: {', '.join(fields)}", at_key=True)
    for key in fields.keys() - {*LISTS, "prices"}:
        model: Any = fields[key].annotation
        value = document.data.get(key)
        checked = section(model, {} if value is None else value, (key,), document, around)
        if checked is not None:
            good[key] = checked
    return FileSettings(**good)


def _entries(kind: str, document: Document) -> list[tuple[KeyPath, Any]]:
    value = document.data.get(kind)
    if not isinstance(value, list):
        return []
    return [((kind, number), entry) for number, entry in enumerate(value)]


def _plugins(
    kind: str, packages: tuple[str, ...], document: Document, around: Surroundings, defaults: dict[str, Any]
) -> list[tuple[KeyPath, Any]]:
    result = []
    for path, entry in _entries(kind, document):
        if not isinstance(entry, dict):
            document.report(path, "this must be a mapping", "write `id: …` and `type: …` lines")
            continue
        word = entry.get("type")
        if not isinstance(word, str):
            document.report((*path, "type"), "missing", f"allowed: {', '.join(registry.types(packages))}")
            continue
        try:
            module = registry.find(packages, word)
        except registry.UnknownType as error:
            wrong, _, allowed = str(error).partition("; ")
            document.report((*path, "type"), wrong, allowed)
            continue
        model = registry.settings_of(module)
        inherited = {
            key: value
            for key, value in defaults.items()
            if value is not None and key in model.model_fields and entry.get(key) is None
        }
        settings = section(model, {**entry, **inherited}, path, document, around)
        if settings is not None:
            more = getattr(module, "check", None)  # what a model cannot know: other files, places in a text
            if more is not None:
                more(settings, path, document)
            result.append((path, settings))
    return result


def _all_of(
    kind: str, model: Callable[[], Any], document: Document, around: Surroundings
) -> list[tuple[KeyPath, Any]]:
    result = []
    for path, entry in _entries(kind, document):
        settings = section(model(), entry, path, document, around)
        if settings is not None:
            result.append((path, settings))
    return result


def _account_model() -> Any:
    from smsd.core.accounts import AccountSettings

    return AccountSettings


def _account_group_model() -> Any:
    from smsd.core.accounts import AccountGroupSettings

    return AccountGroupSettings


def _policy_model() -> Any:
    from smsd.core.accounts import PolicySettings

    return PolicySettings


def _post_office() -> Any:
    from smsd.core.postoffice import checks

    return checks


def _box_model(kind: str) -> Any:
    return _post_office().MODELS[kind]


def _simulator_model() -> Any:
    from smsd.simulator.service import Settings

    return Settings
