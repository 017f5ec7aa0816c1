"""Rules in the configuration: the lists `outgoing:` and `incoming:`, and the XML files that `rules_files:` adds to them.

How a rule is written is `smsd.policy.rules.language`'s affair. Here is what only a configuration knows: which databases
there are, where list files are, and whether the engine can run the rule. Everything is reported where it stands.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Union

from pydantic import SecretStr

from smsd.codec import sqltext
from smsd.codec.sqltext import Dialect
from smsd.config.bounded import read_bounded
from smsd.config.lists import read_list
from smsd.config.positions import Document, KeyPath, Problem
from smsd.config.settings import DatabaseSettings
from smsd.config.validate import Surroundings
from smsd.policy.rules import engine, sendto, xml
from smsd.policy.rules.conditions import walk
from smsd.policy.rules.language.reading import Checks, Reader, unknown
from smsd.policy.rules.language.rules import DIRECTIONS, read_rules, together
from smsd.policy.rules.model import (
    Cap,
    Escalate,
    Gather,
    Hold,
    Program,
    Rule,
    Rules,
    Sql,
    SqlCondition,
    WrongPart,
)
from smsd.policy.rules.xmltree import MOST_OCTETS, XmlError
from smsd.values.errors import InvalidValue


@dataclass(frozen=True)
class Written:
    """The rules of a configuration, the paths of the XML files they are partly from, and what is doubtful in them."""

    rules: Rules
    files: tuple[str, ...]
    warnings: tuple[str, ...]


def read(
    document: Document, around: Surroundings, instead: Mapping[str, bytes], databases: Mapping[str, Kind]
) -> Written:
    """All rules; mistakes are reported to the document. `databases` are those without a mistake."""
    named = dict.fromkeys(_names(document, "databases", "name"))
    checks = RuleChecks(around.folder, {**named, **databases}, _names(document, "subscribers", "id"))
    lists = {key: value for key in DIRECTIONS if isinstance(value := document.data.get(key), list)}
    several = [read_rules(lists, Reader(_Place(document), checks))]
    files = []
    paths = document.data.get("rules_files")
    for number, path in enumerate(paths if isinstance(paths, list) else []):
        here = ("rules_files", number)
        if not isinstance(path, str) or not path:
            document.report(here, "this must be the path of a file", "write rules.xml")
            continue
        files.append(os.path.normpath(os.path.join(around.folder, path)))
        several.append(_file(files[-1], here, document, checks, instead))
    return Written(together(*several), tuple(files), tuple(checks.warnings))


def unreached(rules: Rules, carried: Collection[str]) -> list[str]:
    """Rules that send to chats or SIP phones where no gateway carries such, which would only be seen when it is needed."""
    warnings = []
    for rule in (*rules.outgoing, *rules.incoming):
        missing = {scheme for action in rule.actions for scheme in sendto.chats(action)} - set(carried)
        if rule.active and missing:
            warnings.append(
                f"{rule.source}: the rule {rule.title!r} sends to {', '.join(f'{one}:' for one in sorted(missing))} and no"
                " gateway carries that"
            )
    return warnings


def _names(document: Document, section: str, key: str) -> list[str]:
    """Every name in a section, also of entries with mistakes: one mistake should not be reported twice."""
    entries = document.data.get(section)
    return [
        entry[key]
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and isinstance(entry.get(key), str)
    ]


def _file(
    path: str, here: KeyPath, document: Document, checks: Checks, instead: Mapping[str, bytes]
) -> Rules:
    try:
        data = instead[path] if path in instead else read_bounded(path, MOST_OCTETS)[0]
        return xml.read(data, path, checks)
    except XmlError as error:
        document.problems += [
            Problem(path, mistake.line, mistake.column, mistake.key, mistake.wrong, mistake.allowed)
            for mistake in error.mistakes
        ]
    except InvalidValue as error:
        wrong, _, allowed = str(error).partition("; ")
        document.report(here, wrong, allowed or "`smsd rules import --into` makes one")
    return Rules()


Kind = Union[Dialect, None]
"""The SQL that a database understands; None where that is not known."""


def kinds(databases: Iterable[DatabaseSettings]) -> dict[str, Kind]:
    """The databases that rules may use, by name."""
    return {
        one.name: "sqlite" if one.url.get_secret_value().startswith("sqlite:") else "postgresql"
        for one in databases
    }


def at_home(database: DatabaseSettings, folder: str) -> DatabaseSettings:
    """The same database, the path of its file completed."""
    kind, _, path = database.url.get_secret_value().partition(":")
    if kind != "sqlite":
        return database
    return database.model_copy(update={"url": SecretStr(f"sqlite:{os.path.join(folder, path)}")})


@dataclass(frozen=True, slots=True)
class _Place:
    """The document as the language sees it; sources are absolute, since a daemon changes its folder."""

    document: Document

    def report(self, path: KeyPath, wrong: str, allowed: str = "", at_key: bool = False) -> None:
        self.document.report(path, wrong, allowed, at_key)

    def source(self, path: KeyPath) -> str:
        return f"{os.path.abspath(self.document.file)}:{self.document.values[path][0]}"


class RuleChecks(Checks):
    """What only a configuration knows of a rule. `folder` is where relative list files start, `databases` are those that there
    are, `subscribers` those that incoming rules may forward to."""

    users = False

    def __init__(self, folder: str, databases: Mapping[str, Kind], subscribers: Collection[str] = ()) -> None:
        super().__init__()
        self.warnings: list[str] = []
        self._folder = folder
        self._databases = databases
        self._subscribers = subscribers
        self._lists: dict[str, InvalidValue | None] = {}

    def list_file(self, path: str) -> str:
        """The absolute path; each file is looked into once, however many rules name it."""
        whole = os.path.normpath(os.path.join(self._folder, path))
        if whole not in self._lists:
            try:
                read_list(whole)
                self._lists[whole] = None
            except InvalidValue as error:
                self._lists[whole] = error
        trouble = self._lists[whole]
        if trouble is not None:
            raise trouble
        return whole

    def database(self, name: str) -> str:
        """A name that `databases:` has."""
        if name not in self._databases:
            allowed = unknown(name, self._databases) if self._databases else "add it to databases:"
            raise InvalidValue(f"there is no database {name!r}; {allowed}")
        return name

    def rule(self, direction: str, rule: Rule) -> None:
        """The engine can run it, in this direction."""
        for number, action in enumerate(rule.actions):
            if direction == "incoming" and isinstance(action, _OUT_ONLY):
                raise WrongPart(
                    "cap, digest, hold and escalate are about what goes out to phones: write them into outgoing",
                    ("do", number),
                )
        try:
            self.warnings += engine.doubts_about(rule)
        except WrongPart as error:
            # The place says which rule it is.
            told = str(error).removeprefix(f"rule {rule.title!r} ({rule.source}): ")
            raise WrongPart(told, error.where) from None
        for part in walk(rule.condition):
            if isinstance(part, SqlCondition):
                self._statement(part, ("if",))
        for number, action in enumerate(rule.actions):
            try:
                sendto.check(action, self._subscribers if direction == "incoming" else ())
            except InvalidValue as error:
                raise WrongPart(str(error), ("do", number)) from None
            if isinstance(action, Sql):
                self._statement(action, ("do", number, "sql", "statement"))
            if isinstance(action, Program) and "%" not in action.command[0] and not _runs(action.command[0]):
                self.warnings.append(f"{rule.source}: {action.command[0]} is no program that can be run here")

    def _statement(self, sql: Sql | SqlCondition, where: tuple[str | int, ...]) -> None:
        """It is one statement, with a value for each ?: every message would fail otherwise."""
        kind = self._databases.get(sql.database)
        if kind is None:
            return
        try:
            count = sqltext.read(sql.statement, kind).count
        except InvalidValue as error:
            raise WrongPart(str(error), where) from None
        if count != len(sql.values):
            told = f"the statement has {count} ? and the rule {len(sql.values)} values; write one value for each ?"
            raise WrongPart(told, where)


_OUT_ONLY = (Cap, Gather, Hold, Escalate)


def _runs(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)
