"""Why a message went where it went: the trace that its delivery keeps, in words, and trials with messages that do not exist.

Reads, and changes nothing. The lines of a rule that did not match are worked out again from the kept trace: it says which
condition decided, the text of the rules as they were then says what that condition was.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred

from smsd.core.judging import TRIAL, Judge
from smsd.core.planning import Planner
from smsd.policy.rules import xml
from smsd.policy.rules.explain import kept
from smsd.policy.rules.model import Rules
from smsd.store import operating
from smsd.store.sqlite import SqliteStore
from smsd.values.address import Address
from smsd.values.errors import InvalidValue, Refused
from smsd.values.message import Declined, Recipient, Submission, Text


class Explainer:
    """`incoming(gateway, sender, text)` tells what an incoming message would meet; the inbound side gives it.
    `waits(route)`: which gateways may carry what waits there, and why they do not; the queue gives it."""

    def __init__(
        self,
        store: SqliteStore,
        planner: Planner,
        judge: Judge,
        incoming: Callable[[str, str, str], Deferred[dict[str, Any]]] | None = None,
        waits: Callable[[str], Mapping[str, str]] | None = None,
    ) -> None:
        self._store = store
        self._planner = planner
        self._judge = judge
        self._incoming = incoming
        self._waits = waits

    async def delivery(self, number: int) -> dict[str, Any]:
        """Everything about one delivery, with `rules`: lines for people. InvalidValue when there is none."""
        told: dict[str, Any] | None = await self._store.ask(operating.explain, number)
        if told is None:
            raise InvalidValue(f"there is no delivery {number}: smsd queue list shows those there are")
        told["rules"] = await self._lines(told.get("trace"), outgoing=not _came_in(told["about"]))
        if told["state"] == "ready" and self._waits is not None:
            told["waits"] = self._waits(told["route"])
        return told

    async def _lines(self, trace: str | None, *, outgoing: bool) -> list[str]:
        """A line for each rule that there was, and then what those that matched did."""
        if not trace:
            return trace_lines(trace)
        version, decided, steps, stopped = json.loads(trace)
        rules = await self._store.ask(_rules_of, version)
        if rules is None:
            return trace_lines(trace)
        told = kept(rules.outgoing if outgoing else rules.incoming, bytes.fromhex(decided), stopped)
        return [*told, *(["what they did:", *(f"  {step}" for step in steps)] if steps else [])]

    async def trial(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What would become of a message: from, to, text; account, subject, gateway. Nothing is kept or sent."""
        if given.get("incoming"):
            if self._incoming is None:
                raise InvalidValue("incoming messages cannot be tried here")
            found: dict[str, Any] = await self._incoming(
                given.get("gateway") or "", given["from"], given["text"]
            )
            return {**found, "rules": await self._lines(found.pop("trace"), outgoing=False)}
        headers = tuple(
            (name, str(given[key]))
            for name, key in (("from", "from"), ("subject", "subject"))
            if given.get(key)
        )
        account = given.get("account") or None
        sender = str(given.get("from") or "")
        origin = Address("mailto", sender) if "@" in sender else Address("account", account or "operator")
        submission = Submission(
            TRIAL, origin, (Recipient(Address("sms", given["to"]), given["to"]),), Text(given["text"]), account=account,
            headers=headers,
        )  # fmt: skip
        judged = self._judge.outgoing(submission)
        whole = await judged if isinstance(judged, Deferred) else judged
        ruled = whole.submission
        recipient = ruled.recipients[0]
        rules = await self._lines(recipient.trace or whole.trace, outgoing=True)
        told: dict[str, Any] = {"rules": rules, "sends": []}
        try:
            entry = self._planner.plan(ruled, reserve=False).order[0]
        except Refused as refusal:
            return {**told, "fate": "refused", "why": refusal.text}
        if isinstance(entry, Declined):
            return {**told, "fate": "refused", "why": entry.refusal.text}
        content = entry.content if entry.content is not None else ruled.content
        return {
            **told, "fate": entry.state.name.lower() if recipient.dropped else "sent", "why": entry.reason or "",
            "sends": [_sent(one) for one in whole.further()],
            "to": str(entry.target), "route": entry.route, "parts": entry.parts, "encoding": entry.encoding,
            "text": content.text if isinstance(content, Text) else "", "notes": list(entry.notes),
        }  # fmt: skip


def _rules_of(connection: sqlite3.Connection, version: int) -> Rules | None:
    """The rules that had this id. Asked in the store's thread: ten thousand of them take a second to read."""
    text = operating.ruleset(connection, version)
    return None if text is None else xml.read(text.encode("utf-8"), "the rules of that time")


def _came_in(message: Mapping[str, Any]) -> bool:
    """Whether a phone's message itself, which the incoming rules see: what they send has a door of its own."""
    return dict(message["headers"]).get("gateway") == message["door"]


def trace_lines(trace: str | None) -> list[str]:
    """The kept trace of a delivery in lines for people."""
    if not trace:
        return ["no rule was asked"]
    _, _, steps, stopped = json.loads(trace)
    lines = list(steps) or ["no rule matched"]
    if stopped:
        lines.append(f"after {stopped!r} no more rules were asked")
    return lines


def _sent(child: Submission) -> dict[str, str]:
    recipient = child.recipients[0]
    content = child.content if recipient.content is None else recipient.content
    return {
        "to": str(recipient.address),
        "what": content.text if isinstance(content, Text) else type(content).__name__.lower(),
    }
