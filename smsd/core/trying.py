"""Trials: what would become of a message that does not exist (`smsd explain --dry-run`). Nothing is kept, sent or noted.

Every rule is asked, not only those that the index finds: whoever tries a message wants to hear why a rule did not match.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred

from smsd.codec.smsuri import read_parameters
from smsd.core.asking import asked
from smsd.core.judgement import AllBut
from smsd.core.judging import MOST_ROUNDS, Judge
from smsd.core.networks import read_address
from smsd.core.planning import Planner
from smsd.policy.rules import target, xml
from smsd.policy.rules.called import called
from smsd.policy.rules.engine import Ruleset
from smsd.policy.rules.explain import explain
from smsd.policy.rules.letter import Ask, Facts, Letter
from smsd.policy.rules.model import Rules
from smsd.store import operating
from smsd.store.sqlite import SqliteStore
from smsd.values.address import Address
from smsd.values.errors import InvalidValue, Refused
from smsd.values.message import Call, Content, Declined, Parameters, Recipient, Submission, Text

DOOR = "trial"
UNASKED = "no rule was asked"
_HEADER = re.compile(r"[!-9;-~]+:[^\r\n\x00]*")


class Seen(NamedTuple):
    """What rules were asked, about what, and what they knew."""

    ruleset: Ruleset
    letter: Letter
    facts: Facts


Incoming = Callable[[str, str, str, int], "Deferred[dict[str, Any]]"]
"""What becomes of an incoming message: gateway, sender, text, moment (0 is now)."""


class Trier:
    """Tries messages; `incoming` tries those from phones."""

    def __init__(
        self, store: SqliteStore, planner: Planner, judge: Judge, incoming: Incoming | None = None
    ) -> None:
        self._store = store
        self._planner = planner
        self._judge = judge
        self._incoming = incoming

    async def trial(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What would become of it, with `rules`: lines for people. They are left out when it is to be `brief`: of ten thousand
        rules they take seconds."""
        at = self._moment(given.get("at") or "")
        if not given.get("incoming"):
            return await self._outgoing(given, at)
        if self._incoming is None:
            raise InvalidValue("incoming messages cannot be tried here")
        found = await self._incoming(given.get("gateway") or "", given["from"], given["text"], at)
        seen, trace = found.pop("seen"), found.pop("trace")
        if given.get("brief"):
            return found
        version, _, steps, _ = json.loads(trace) if trace else (0, "", [], "")
        if not version or seen is None:
            return {**found, "rules": steps or [UNASKED]}
        rules = await self._rules(version)
        lines = [UNASKED] if rules is None else explain(rules.incoming, *seen)
        shown = {line.strip() for line in lines}
        further = [step for step in steps if step.strip() not in shown and " matched: " not in step]
        return {**found, "rules": [*lines, *further]}

    def _moment(self, text: str) -> int:
        """Milliseconds of a time as rules understand it, of today if there is no date; 0 is now."""
        if not text:
            return 0
        zone = self._judge.zone
        today = f"{datetime.fromtimestamp(self._store.now() / 1000, zone):%Y-%m-%d}"
        for written in (text, f"{today} {text}"):
            with suppress(ValueError, OverflowError):
                return int(
                    datetime.strptime(written, "%Y-%m-%d %H:%M").replace(tzinfo=zone).timestamp() * 1000
                )
        raise InvalidValue(f'{text!r} is no time: write 23:30 or "{today} 23:30"')

    async def _outgoing(self, given: Mapping[str, Any], at: int) -> dict[str, Any]:
        judge = self._judge.at(at) if at else self._judge
        submission = self._submission(given)
        ruleset, version = judge.ruleset, judge.version
        facts = Facts(judge.lists(), number=self._planner.number())
        ruled, rounds = judge.rule(submission, facts), 0
        while isinstance(ruled, Ask):
            rounds += 1
            if rounds > MOST_ROUNDS:
                facts = replace(facts, failed=AllBut(facts.answers))
            else:
                facts = await asked(judge.ask, ruled.questions, facts)
            ruled = judge.rule(submission, facts)
        made, further = ruled
        if given.get("brief"):
            return self._fate(made, further)
        letter = judge.letter(submission, submission.recipients[0], facts.number)
        rules = await self._rules(version) if ruleset is not None else None
        told: dict[str, Any] = {"rules": [UNASKED], "sends": []}
        if ruleset is not None and rules is not None:
            told["rules"] = explain(rules.outgoing, ruleset, letter, facts)
        return {**told, **self._fate(made, further)}

    def _fate(self, made: Submission, further: Sequence[Submission]) -> dict[str, Any]:
        (recipient,) = made.recipients
        try:
            entry = self._planner.plan(made, reserve=False).order[0]
        except Refused as refusal:
            return {"fate": "refused", "why": refusal.text}
        if isinstance(entry, Declined):
            return {"fate": "refused", "why": entry.refusal.text}
        content = entry.content if entry.content is not None else made.content
        return {
            "fate": entry.state.name.lower() if recipient.dropped else "sent", "why": entry.reason or "",
            "sends": [_sent(one) for one in further],
            "to": str(entry.target), "route": entry.route, "parts": entry.parts, "encoding": entry.encoding,
            "text": content.text if isinstance(content, Text) else "", "notes": list(entry.notes),
        }  # fmt: skip

    def _submission(self, given: Mapping[str, Any]) -> Submission:
        """The message as a door would hand it in; InvalidValue where it names what there is not."""
        account = given.get("account") or None
        if account is not None and self._planner.account(account) is None:
            raise InvalidValue(f"there is no account {account!r}: smsd account list shows those there are")
        ip = str(given.get("ip") or "")
        if ip and read_address(ip) is None:
            raise InvalidValue(f"{ip!r} is no address: write 192.0.2.7 or 2001:db8::7")
        lines = list(given.get("headers") or ())
        for line in lines:
            if not _HEADER.fullmatch(line):
                raise InvalidValue(f"{line!r} is no header: write it as in a mail, X-Priority: 1")
        number, parameters = self._to(given["to"], given.get("gateway") or "")
        sender = str(given.get("from") or "")
        origin = Address("mailto", sender) if "@" in sender else Address("account", account or "operator")
        headers = tuple((name, str(given[name])) for name in ("from", "subject") if given.get(name))
        return Submission(
            given.get("door") or DOOR, origin, (Recipient(Address("sms", number), given["to"], parameters),),
            Text(given["text"]), account=account, headers=headers, peer=ip, host=given.get("host") or "",
            head="".join(f"{line}\r\n" for line in lines).encode("utf-8", "replace"),
        )  # fmt: skip

    def _to(self, written: str, gateway: str) -> tuple[str, Parameters]:
        """As rules see it, `number[@gateway][&param=value…]`, or as senders write it, `sms:number?param=value`."""
        to = target.read(written.strip().removeprefix("sms:").replace("?", "&", 1))
        gateway = gateway or ("" if to.at.lower() in self._judge.domains else to.at)
        if gateway and gateway not in self._judge.gateways:
            raise InvalidValue(
                f"there is no gateway {gateway!r}: write +15551234567, or +15551234567@ and the id of a gateway that is active"
            )
        parameters = read_parameters(to.parameters).parameters
        return to.number, replace(parameters, gateway=gateway) if gateway else parameters

    async def _rules(self, version: int) -> Rules | None:
        return await self._store.ask(rules_of, version)


def rules_of(connection: sqlite3.Connection, version: int) -> Rules | None:
    """The rules that had this id. Asked in the store's thread: ten thousand of them take a second to read."""
    text = operating.ruleset(connection, version)
    return None if text is None else xml.read(text.encode("utf-8"), "the rules of that time")


def what(content: Content) -> str:
    """What a message says, or what it runs."""
    if isinstance(content, Text):
        return content.text
    return called(content) if isinstance(content, Call) else type(content).__name__.lower()


def _sent(child: Submission) -> dict[str, str]:
    recipient = child.recipients[0]
    return {
        "to": str(recipient.address),
        "what": what(child.content if recipient.content is None else recipient.content),
    }
