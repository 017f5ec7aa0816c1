"""Users' own rules (feature R11): `outgoing_rules` and `incoming_rules` of an account.

They come after the administrator's, and each is about its user's messages alone: what the account sends; what comes in for
the account's mailbox. That is written into the condition, so that the engine needs to know nothing of users, and `smsd explain`
shows it. A user starts no program, requests no URL and asks no database unless the account has `may_execute: yes`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from smsd.config.positions import Document, KeyPath
from smsd.config.rules import Kind, RuleChecks
from smsd.policy.rules.conditions import walk
from smsd.policy.rules.language.reading import Reader
from smsd.policy.rules.language.rules import DIRECTIONS, read_rules
from smsd.policy.rules.model import (
    And,
    Condition,
    Escalate,
    Field,
    How,
    Or,
    Program,
    Rule,
    Rules,
    Sql,
    SqlCondition,
    TextTest,
    Url,
)
from smsd.values.errors import InvalidValue

_FORBIDDEN = {Program: "start programs", Url: "request URLs", Sql: "run SQL"}


def read(
    document: Document,
    folder: str,
    accounts: Sequence[tuple[KeyPath, Any]],
    databases: Mapping[str, Kind],
    gateways: Sequence[Any],
) -> tuple[Rules, list[str]]:
    """The rules of all accounts, and what is doubtful in them; mistakes are reported to the document."""
    found: dict[str, list[Rule]] = {direction: [] for direction in DIRECTIONS}
    warnings: list[str] = []
    for path, account in accounts:
        written = {
            direction: rules
            for direction in DIRECTIONS
            if isinstance(rules := _written(document, path, direction), list) and rules
        }
        if not written:
            continue
        if "incoming" in written and account.email is None:
            document.report(
                (*path, "incoming_rules"),
                "these are about mail for the account, which has no email",
                "give it one",
            )
            continue
        checks = UserChecks(folder, databases, account.may_execute)
        own = read_rules(written, Reader(_Place(document, path), checks))
        warnings += checks.warnings
        about = {"outgoing": sent_by(account.user), "incoming": arrives_for(account.email or "", gateways)}
        for direction in DIRECTIONS:
            found[direction] += [
                replace(rule, user=account.user, condition=And((about[direction], rule.condition)))
                for rule in getattr(own, direction)
            ]
    return Rules(tuple(found["outgoing"]), tuple(found["incoming"])), warnings


def sent_by(user: str) -> Condition:
    """Messages of this account."""
    return Field("account", TextTest(How.EQUALS, user, case=True))


def arrives_for(email: str, gateways: Sequence[Any]) -> Condition:
    """Messages for this mailbox: because they name it or a rule says so, or because nobody says anything else and their
    gateway delivers to it."""
    named: Condition = Field("to", TextTest(How.EQUALS, email))
    by_default = tuple(
        gateway.id for gateway in gateways if (gateway.deliver_to or "").lower() == email.lower()
    )
    if not by_default:
        return named
    open_ = And((Field("to", TextTest(How.EMPTY)), Field("gateway", TextTest(How.IN, items=by_default))))
    return Or((named, open_))


def _written(document: Document, path: KeyPath, direction: str) -> Any:
    value: Any = document.data
    for step in (*path, f"{direction}_rules"):
        value = value.get(step) if isinstance(value, dict) else value[step]
    return value


class UserChecks(RuleChecks):
    """What a user's rule may do."""

    users = False

    def __init__(self, folder: str, databases: Mapping[str, Kind], may_execute: bool) -> None:
        super().__init__(folder, databases)
        self._may_execute = may_execute

    def rule(self, direction: str, rule: Rule) -> None:
        """It does nothing that only the administrator may, and the engine can run it."""
        if not self._may_execute:
            asks = any(isinstance(part, SqlCondition) for part in walk(rule.condition))
            for what in [_FORBIDDEN.get(type(action)) for action in rule.actions] + ["ask databases"] * asks:
                if what is not None:
                    raise InvalidValue(f"users' rules do not {what}; set may_execute: yes for this account")
        for action in rule.actions:
            if isinstance(action, Escalate) and any("sender=" in to.lower() for to in action.to):
                raise InvalidValue("users' rules do not choose senders for escalations; leave &sender= away")
        super().rule(direction, rule)


@dataclass(frozen=True, slots=True)
class _Place:
    """The document as the language sees it, from an account on: `outgoing[0]` is `accounts[3].outgoing_rules[0]`."""

    document: Document
    account: KeyPath

    def report(self, path: KeyPath, wrong: str, allowed: str = "", at_key: bool = False) -> None:
        self.document.report(self._whole(path), wrong, allowed, at_key)

    def source(self, path: KeyPath) -> str:
        whole = self._whole(path)
        return f"{os.path.abspath(self.document.file)}:{self.document.values[whole][0]}"

    def _whole(self, path: KeyPath) -> KeyPath:
        return (*self.account, f"{path[0]}_rules", *path[1:])
