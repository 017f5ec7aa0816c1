"""The audit log: who changed what, when, and how it was before. Rows are written by the commit of the change (`smsd.store.audit`).

Every verb of the operator is a change unless it stands in `LOOKING`, so a new one is on record without a word here. What an account
does to messages of its own through the API is on record too. Secrets are never: of a password it says that it was set.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timezone
from typing import Any

from smsd.core.accounts.asked import subject_of
from smsd.store import audit, operating
from smsd.store.audit import Entry, Note
from smsd.store.sqlite import SqliteStore
from smsd.values.errors import InvalidValue

Verb = Callable[[Mapping[str, Any]], Awaitable[Any]]
Before = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]

OPERATOR = "the operator"
WHO: ContextVar[str] = ContextVar("who", default=OPERATOR)
"""Who acts, in the context of a door."""

LOOKING = frozenset(
    {
        "send", "sms_http", "list", "show", "explain", "trial", "status", "timed", "callbacks", "accounts", "account", "tokens",
        "credit", "statement", "books", "price", "job feed", "job close", "job show", "job list", "audit",
        "holds",
    }
)  # fmt: skip
"""Verbs that change nothing, but for messages, which have a log of their own."""
SUBJECTS = ("name", "account", "delivery", "job", "token", "gateway", "subscriber", "file")
"""Arguments that say what is changed; the first one that is there."""
MOST = 1000
LONGEST = 500
LONGEST_VALUE = 120
_SECRET = re.compile(r"pass|secret|key|pin\b|authorization", re.I)
_MOMENTS = ("last_sent",)
_YEAR_10000 = 253_402_300_800_000
_IN_URL = re.compile(r"(?<=://)[^/\s@]+(?=@)")


class Auditor:
    """`before` has, for verbs where that is known, how what they change is now: a function of the verb's arguments."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.before: dict[str, Before] = {}

    async def kept(self, verb: str, arguments: Mapping[str, Any], run: Verb) -> Any:
        """Do a verb of the operator, on record if it changes something."""
        if verb in LOOKING or (verb == "set" and arguments.get("name") is None) or arguments.get("dry"):
            return await run(arguments)
        entry = Entry(
            self._store.now(), WHO.get(), verb, _subject(arguments), await self._before(verb, arguments), _after(arguments)
        )  # fmt: skip
        with self.noting(entry) as note:
            result = await run(arguments)
        if not note.taken:  # it has written nothing itself
            note.taken = True
            await self._store.call(audit.write, entry)
        return result

    @contextmanager
    def noting(self, entry: Entry) -> Iterator[Note]:
        """What is written first in here takes the entry along."""
        note = Note(entry)
        token = audit.NOTE.set(note)
        try:
            yield note
        finally:
            audit.NOTE.reset(token)

    @contextmanager
    def deed(self, verb: str, number: int, who: str) -> Iterator[None]:
        """The same for what somebody does to a delivery or a job, unless it is on record already as the verb of an operator."""
        if audit.NOTE.get() is not None:
            yield
            return
        with self.noting(Entry(self._store.now(), who, verb, str(number))):
            yield

    async def _before(self, verb: str, arguments: Mapping[str, Any]) -> str:
        ask = self.before.get(verb)
        if ask is None:
            return ""
        try:
            return _told(await ask(arguments))
        except (InvalidValue, TypeError, ValueError):
            return ""  # the verb will say what is wrong with its arguments

    # -- the operator's verbs

    def verbs(self) -> dict[str, Verb]:
        """They take and give JSON values."""
        return {"audit": self.find, "rules_imported": self.rules_imported}

    async def find(self, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
        """since, until (ms), who, what (a verb), subject, before (an id), limit → the changes, newest first."""
        numbers = {name: _number(arguments, name) for name in ("since", "until", "before")}
        texts = {name: str(arguments.get(name) or "") for name in ("who", "what", "subject")}
        limit = _number(arguments, "limit") or 100
        if limit > MOST:
            raise InvalidValue(f"limit: at most {MOST}")
        found: list[dict[str, Any]] = await self._store.ask(audit.find, limit=limit, **numbers, **texts)
        return found

    async def rules_imported(self, arguments: Mapping[str, Any]) -> None:
        """file, rules: they were changed in their file, which is not the server's affair; it keeps that on record."""


def befores(store: SqliteStore, book: Any, overrides: Any, tokens: Any) -> dict[str, Before]:
    """How things are before the verbs that change them."""

    async def account(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        there = book.shown(*subject_of(arguments))
        wanted = arguments.get("settings")
        fields = wanted if isinstance(wanted, dict) and wanted else there or ()
        return {field: there[field] for field in fields if field in there} if there else {}

    async def counters(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        told = await book.show(arguments)
        names = {"sent": "sent_this_month", "sent_before": "sent_last_month", "last_sent": "last_sent"}
        return {name: told[there] for name, there in names.items() if arguments.get(name) is not None}

    async def setting(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        name = arguments.get("name")
        return next(({"value": one["value"]} for one in overrides.shown() if one["name"] == name), {})

    async def delivery(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        number = arguments.get("delivery")
        state = await store.ask(operating.state, number) if isinstance(number, int) else None
        return {} if state is None else {"state": state.name.lower()}

    async def token(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return next(
            (
                {name: one[name] for name in ("account", "scopes", "note") if one[name]}
                for one in tokens.listed()
                if one["id"] == arguments.get("token")
            ),
            {},
        )

    return {
        "account_set": account,
        "account_remove": account,
        "account_reset": counters,
        "set": setting,
        "retry": delivery,
        "cancel": delivery,
        "token_revoke": token,
    }


def _subject(arguments: Mapping[str, Any]) -> str:
    for name in SUBJECTS:
        value = arguments.get(name)
        if value not in (None, "", False):
            kind = arguments.get("kind")
            named = f"{kind} {value}" if kind not in (None, "", "account") else str(value)
            return named[:LONGEST_VALUE]
    return ""


def _after(arguments: Mapping[str, Any]) -> str:
    said = dict(arguments)
    subject = next((name for name in SUBJECTS if said.get(name) not in (None, "", False)), None)
    for name in (subject or "kind", "kind"):
        said.pop(name, None)
    settings = said.pop("settings", None)
    if isinstance(settings, dict):
        said.update(settings)
    return _told(said)


def _told(values: Mapping[str, Any]) -> str:
    """`name=value, …` without secrets, cut where it gets long."""
    parts = [f"{name}={_value(str(name), value)}" for name, value in values.items()]
    text = ", ".join(parts)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _value(name: str, value: Any) -> str:
    if value is None:
        return "never" if name in _MOMENTS else "default"
    if _SECRET.search(name) and not isinstance(value, bool):
        return "set" if value else "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name in _MOMENTS and isinstance(value, int) and 0 <= value < _YEAR_10000:
        return (
            f"{datetime.fromtimestamp(value / 1000, timezone.utc):%Y-%m-%dT%H:%M:%SZ}" if value else "never"
        )
    if isinstance(value, (list, tuple)):
        if len(value) > 10 or any(isinstance(one, (dict, list)) for one in value):
            return f"({len(value)} entries)"
        return "+".join(_value(name, one) for one in value)
    if isinstance(value, dict):
        return json.dumps({key: _value(str(key), one) for key, one in value.items()}, ensure_ascii=False)
    text = _IN_URL.sub("***", str(value))
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def _number(arguments: Mapping[str, Any], name: str) -> int:
    value = arguments.get(name)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise InvalidValue(f"{name}: {value!r} is not possible; allowed: 0 or more")
    return value
