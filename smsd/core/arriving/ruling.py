"""Rules at work on what comes in: the message as a letter, its verdict, what of it the mail shows, and what rules send besides."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from twisted.logger import Logger

from smsd.codec.mail import headers as mail_headers
from smsd.core import effects
from smsd.core.arriving.known import Known
from smsd.core.traces import trace_json
from smsd.policy.rules.engine import Ruleset
from smsd.policy.rules.letter import Ask, Effect, Facts, Letter, Trace, Verdict
from smsd.policy.rules.model import Folder, Forward, Program, Url
from smsd.values.address import Address, masked
from smsd.values.errors import InvalidValue, Refused
from smsd.values.message import (
    DEFAULT_PARAMETERS,
    Binary,
    Call,
    Content,
    Parameters,
    Recipient,
    Submission,
    Text,
)

Made = TypeVar("Made")
Sent = tuple[Submission, list[Submission]]
"""A message that a rule sends as the outgoing rules leave it, and what they send besides."""

_log = Logger()
_FIELD = re.compile(r"[!-9;-~]{1,60}")
_MOST_FIELDS = 50
_MOST_QUESTIONS = 1000
_SHOWN = frozenset({"subject", "from", "headers"})
_NONE = Recipient(Address("mailto", "nobody"))
_NO_LETTER = Letter(False, "", "", "")


def local_time(now: int) -> tuple[int, int, str, str]:
    """`Letter.when` on this machine's clock."""
    local = datetime.fromtimestamp(now / 1000)
    return local.weekday(), local.hour * 60 + local.minute, f"{local:%Y-%m-%d}", f"{local:%H:%M}"


def _no_version(verdict: Verdict) -> str:
    return trace_json(verdict, 0)


def unasked(steps: tuple[str, ...]) -> str:
    """The trace of a message that no rule was asked about."""
    return _no_version(Verdict("accept", _NO_LETTER, trace=Trace(steps=steps)))


@dataclass(frozen=True)
class Rulebook:
    """What incoming messages are judged by. `judge` is `engine.judge` with its rules (None: there are none), `further` what
    the outgoing rules make of a message that an incoming rule sends, `lists` the lines of list files by path, `trace` writes
    a verdict's trace as it is kept. `number` gives the id of a message, 0 if no rule shows it. `ruleset`: what `judge` judges by,
    for trials."""

    judge: Callable[[Letter, Facts], Verdict | Ask] | None = None
    further: Callable[[Submission, Facts], Sent | Ask] | None = None
    lists: Callable[[], Mapping[str, tuple[str, ...]]] = dict
    trace: Callable[[Verdict], str] = _no_version
    when: Callable[[int], tuple[int, int, str, str]] = local_time
    number: Callable[[], int] = lambda: 0
    ruleset: Ruleset | None = None

    def facts(self) -> Facts:
        """What the rules know before they have asked anything."""
        return Facts(self.lists(), number=self.number())

    def verdict(self, letter: Letter, facts: Facts | None) -> Verdict | Ask:
        """What the rules make of it. Without facts nothing can be asked, and it is never an `Ask`."""
        judge = self.judge
        if judge is None:
            return Verdict("accept", letter)
        try:
            verdict = self._with_defaults(lambda known: judge(letter, known), facts, letter.message)
        except Exception:  # whatever is wrong with the rules, the modem must be able to forget this message
            _log.failure("the rules could not judge a message from {peer}", peer=masked(letter.number))
            return Verdict("accept", letter)
        if isinstance(verdict, Ask) and facts is None:
            return Verdict("accept", letter)
        return verdict

    def ruled(self, child: Submission, facts: Facts | None, number: int = 0) -> list[Submission] | Ask:
        """What the outgoing rules make of a message that an incoming rule sends because of the message with this number."""
        further = self.further
        if further is None:
            return [child]
        ruled = self._with_defaults(lambda known: further(child, known), facts, number)
        if isinstance(ruled, Ask):
            return [child] if facts is None else ruled
        first, more = ruled
        return [first, *more]

    def _with_defaults(
        self, judge: Callable[[Facts], Made | Ask], facts: Facts | None, number: int
    ) -> Made | Ask:
        """The judgement; without facts every question counts as not answered."""
        if facts is not None:
            return judge(facts)
        known = Facts(self.lists(), number=number)
        made = judge(known)
        while isinstance(made, Ask) and not known.failed.issuperset(made.questions):
            if len(known.failed) > _MOST_QUESTIONS:
                break
            known = replace(known, failed=known.failed.union(made.questions))
            made = judge(known)
        return made


def letter(known: Known, server_name: str, when: tuple[int, int, str, str]) -> Letter:
    """The message as the rules see it: From by the gateway's pattern, To what it names itself, else empty."""
    content = known.arrival.content
    octets, elements = (content.data, content.header) if isinstance(content, Binary) else (b"", b"")
    size = len(octets) or len(known.text.encode("utf-8", "replace"))
    return Letter(
        outgoing=False, sender=known.sender(server_name), to=known.address, body=known.text, number=known.peer, size=size,
        door=known.arrival.gateway, gateway=known.arrival.gateway,
        binary=isinstance(content, Binary), when=when, octets=octets, elements=elements, own=known.own, message=known.number,
    )  # fmt: skip


def recipient(known: Known, verdict: Verdict, receiver: Address) -> Recipient:
    """Who gets it when no rule has handed it on, with what the rules have rewritten."""
    address, parameters = receiver, DEFAULT_PARAMETERS
    if "to" in verdict.changed and verdict.letter.to.strip():
        address, parameters = _rewritten_to(verdict.letter.to, address)
    if "priority" in verdict.changed:
        parameters = replace(parameters, priority=verdict.letter.priority)
    content: Content | None = None
    if "body" in verdict.changed and isinstance(known.arrival.content, Text):
        content = Text(verdict.letter.body)
    elif known.address or verdict.changed & _SHOWN:
        content = known.content
    headers = shown(known, verdict) if verdict.changed & _SHOWN else None
    return Recipient(address, address.target, parameters, content=content, headers=headers)


def _rewritten_to(to: str, otherwise: Address) -> tuple[Address, Parameters]:
    named = mail_headers.mailbox(to.encode("utf-8", "replace")) if "<" in to else to
    try:
        return effects.read_address(named)
    except InvalidValue as error:
        _log.warn("a rule wrote a To: that is no address ({error}): it is not followed", error=error)
        return otherwise, DEFAULT_PARAMETERS


def shown(known: Known, verdict: Verdict) -> tuple[tuple[str, str], ...]:
    """The headers of the mail as rules left them."""
    made = verdict.letter
    found = list(known.submission(_NONE).headers)
    if "from" in verdict.changed and made.sender.strip():
        found = [pair for pair in found if pair[0] != "mail_from"] + [("mail_from", made.sender)]
    if made.subject:
        found = [pair for pair in found if pair[0] != "subject"] + [("subject", made.subject)]
    found += [
        (f"header:{name}", value) for name, value in made.headers[:_MOST_FIELDS] if _FIELD.fullmatch(name)
    ]
    return tuple(found)


def children(
    effect: Effect,
    known: Known,
    verdict: Verdict,
    main: Submission,
    failed: Callable[[Effect, Refused], None],
    most_hops: int,
) -> list[Submission]:
    """What one effect sends. What is forwarded by mail bears the headers and the To: that rules wrote (feature I1). What a user's
    own rule sends to a phone is sent by his account."""
    made = effects.submissions(
        verdict._replace(effects=(effect,)), main, known.arrival.now, failed, most_hops
    )
    if effect.user:
        made = [replace(one, account=effect.user) if _to_phones(one) or _asks(one) else one for one in made]
    if not isinstance(effect.action, (Forward, Folder)) or not verdict.changed & (_SHOWN | {"to"}):
        return made
    about = shown(known, verdict)
    if "to" in verdict.changed and verdict.letter.to:
        about = (*about, ("to", verdict.letter.to))
    names = {name for name, _ in about}
    return [
        replace(one, headers=(*(pair for pair in one.headers if pair[0] not in names), *about))
        for one in made
    ]


def _to_phones(one: Submission) -> bool:
    return any(recipient.address.scheme == "sms" for recipient in one.recipients)


def _asks(one: Submission) -> bool:
    """Whether what it does may answer a phone."""
    return isinstance(one.content, Call) and one.content.reply.startswith("sms:")


def hands_on(effect: Effect) -> bool:
    """Whether the message counts as delivered by this."""
    action = effect.action
    return isinstance(action, (Program, Url)) or (isinstance(action, (Forward, Folder)) and not action.copy)
