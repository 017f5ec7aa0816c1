"""Rules at work on what goes out: a submission becomes letters, the engine judges them, and the verdicts become recipients with
what was changed for each, and further messages.

Owns the way from a submission to a `Letter` and back, and the asking of the engine's questions; decides nothing itself.
Messages to phones that rules send are judged in their turn, before anything is committed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from smsd.codec.mail import headers as mail_headers
from smsd.codec.smsuri import read_parameters
from smsd.core import effects
from smsd.core.asking import Asker, asked
from smsd.core.carriers import pinned
from smsd.core.gathering import cares
from smsd.core.judgement import (
    MOST_CHILDREN,
    MOST_TEXT,
    AllBut,
    Budget,
    Judgement,
    Ruled,
    differences,
    rewritten,
    with_gateway,
    with_recipients,
    with_trace,
)
from smsd.core.planning import Planner
from smsd.core.traces import Traces, stopped
from smsd.policy.answer import MOST_HOPS
from smsd.policy.notice import Told, notice
from smsd.policy.rules import engine, target
from smsd.policy.rules.glance import Glance
from smsd.policy.rules.letter import Ask, Effect, Facts, Letter, Question, Verdict
from smsd.values.address import Address, masked
from smsd.values.delivery import State
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.message import Binary, Parameters, Recipient, Submission, Text, Wants
from smsd.values.plan import Step

MOST_ROUNDS = 20
"""How often one message may have questions; then defaults count."""
LONGEST_REFUSAL = 500
"""Characters that whoever wrote hears of a rule that refuses."""
TURN = 50
"""Milliseconds after which judging lets others have a turn."""
_NOTHING: tuple[tuple[Ruled, ...], ...] = ((),)
"""What rules send besides, because of one recipient, where they send nothing."""


class Judge:
    """Judges what goes out. `lists` gives the lines of list files by path, `ask` answers questions, `account` finds one by
    name, `zone` is the administrator's time zone (None: this machine's), `pause` fires when others have had a turn."""

    log = Logger()

    def __init__(self, planner: Planner, now: Callable[[], int], account: Callable[[str], Any]) -> None:
        self._planner = planner
        self._now = now
        self._account = account
        self.ruleset: engine.Ruleset | None = None
        self.version = 0
        self.lists: Callable[[], Mapping[str, tuple[str, ...]]] = dict
        self.ask: Asker | None = None
        self.zone: tzinfo | None = None
        self.pause: Callable[[], Deferred[None]] = lambda: succeed(None)
        self.most_hops = MOST_HOPS
        self.domains: frozenset[str] = frozenset()
        self.gateways: frozenset[str] = frozenset()
        self._traces = Traces(0)
        self._glance: Glance | None = None
        self._known = Facts()
        self._minute: tuple[int, tuple[int, int, str, str]] = (-1, (0, 0, "", ""))

    def use(self, ruleset: engine.Ruleset | None, version: int) -> None:
        """Judge by these rules from now on; `version` is what the store calls them."""
        self.ruleset = ruleset if ruleset is not None and ruleset.compiled else None
        self.version = version
        self._traces = Traces(version)
        self._glance = None if self.ruleset is None else self.ruleset.index.glance

    def at(self, moment: int) -> Judge:
        """One that judges by the same rules as if it were another time, for trials."""
        other = copy(self)
        other._now = lambda: moment
        other._minute = (-1, (0, 0, "", ""))
        return other

    @property
    def at_work(self) -> bool:
        """Whether there are rules for what goes out."""
        return self.ruleset is not None

    def outgoing(self, submission: Submission) -> Ruled | Deferred[Ruled]:
        """What the rules make of a submission; a Deferred when something has to be asked outside, or when it takes long.
        Refused when it is more than can be kept."""
        alone = submission.recipients[0] if len(submission.recipients) == 1 else None
        candidates = None if alone is None else self._glanced(submission, alone)
        if candidates is not None and not candidates:
            return Ruled(submission, _NOTHING, self._traces.unmatched)  # most
        facts = self._known
        if facts.lists is not (lists := self.lists()):
            facts = self._known = Facts(lists)
        if self.ruleset is not None and self.ruleset.shows_number:
            submission = replace(submission, number=self._planner.number())
        if alone is not None:  # without what a judgement of many needs
            verdict = self._judged(submission, alone, facts, candidates)
            if verdict is None:
                return Ruled(submission, _NOTHING)
            if isinstance(verdict, Verdict):
                if verdict.fate == "accept" and not verdict.changed and not verdict.effects:
                    return Ruled(submission, _NOTHING, self._traces.of(verdict))
                budget = Budget(submission.number)
                made = self._made(verdict, submission, alone, facts, budget)
                if not isinstance(made, Ask) and budget.text <= MOST_TEXT:
                    return self._decided(Ruled(with_recipients(submission, (made[0],)), (made[1],)))
        judgement = Judgement(self.one, submission, facts)
        done = judgement.go(self._late())
        ruled = judgement.result() if done else None
        return (
            self._decided(ruled)
            if isinstance(ruled, Ruled)
            else Deferred.fromCoroutine(self._go_on(judgement, done))
        )

    async def _go_on(self, judgement: Judgement, done: bool) -> Ruled:
        """Ask, and let others have their turns, until it is decided."""
        rounds = 0
        while True:
            while not done:
                await self.pause()
                done = judgement.go(self._late())
            ruled = judgement.result()
            if isinstance(ruled, Ruled):
                return self._decided(ruled)
            rounds += 1
            facts = judgement.facts
            if rounds > MOST_ROUNDS:
                facts = replace(facts, failed=AllBut(facts.answers))
            else:
                facts = await asked(self.ask, ruled.questions, facts)
            judgement = Judgement(self.one, judgement.submission, facts)
            done = judgement.go(self._late())

    def _decided(self, ruled: Ruled) -> Ruled:
        """The log says what is refused, and by which rule: it is not on record."""
        submission = ruled.submission
        for recipient in submission.recipients:
            if recipient.refused is not None:
                title = stopped(recipient.trace)
                self.log.info(
                    "{door}: a message from {origin} to {to} was refused {why}",
                    door=submission.door, origin=masked(submission.origin.target), to=masked(recipient.address.target),
                    why=f"by the rule {title!r}" if title else f"after the rules: {recipient.refused.text}",
                )  # fmt: skip
        return ruled

    def _late(self) -> Callable[[], bool]:
        until = self._now() + TURN
        return lambda: self._now() > until

    def rule(self, submission: Submission, facts: Facts) -> tuple[Submission, list[Submission]] | Ask:
        """What the rules make at once of a message that one of the incoming ones sends, and what they send besides; or what has
        to be asked first."""
        ruled = self._ruled(submission, facts, Budget(facts.number))
        return ruled if isinstance(ruled, Ask) else (ruled.submission, list(ruled.further()))

    def _ruled(self, submission: Submission, facts: Facts, budget: Budget) -> Ruled | Ask:
        judgement = Judgement(self.one, submission, facts, budget)
        judgement.go()
        return judgement.result()

    def one(
        self, submission: Submission, recipient: Recipient, facts: Facts, budget: Budget
    ) -> tuple[Recipient, tuple[Ruled, ...]] | Ask:
        """One recipient as the rules leave it, and what they send because of it."""
        candidates = self._glanced(submission, recipient)
        if candidates is not None and not candidates:
            return with_trace(recipient, self._traces.unmatched), ()
        verdict = self._judged(submission, recipient, facts, candidates, budget.number)
        if verdict is None:
            return recipient, ()
        return (
            verdict if isinstance(verdict, Ask) else self._made(verdict, submission, recipient, facts, budget)
        )

    def _glanced(self, submission: Submission, recipient: Recipient) -> Sequence[int] | None:
        """The positions of the rules that may match; None where a glance cannot say."""
        glance, content = self._glance, recipient.content or submission.content
        if (
            glance is None
            or submission.headers
            or recipient.address.scheme != "sms"
            or type(content) is not Text
        ):
            return None
        name, pin = submission.account, recipient.parameters.gateway
        account = self._account(name) if name else None
        if pin is None and account is not None:
            pin = account.gateway
        try:
            number = self._planner.target(recipient, account).target
        except Refused:
            return None
        if number[0] != "+" or (pin and pin not in self.gateways):
            return None  # what it is read as, only the index knows
        way = (submission.origin.target, name or "", submission.door, submission.host, pin or "")
        return glance.candidates(way, number, pin or "", content.text)

    def _judged(
        self, submission: Submission, recipient: Recipient, facts: Facts, candidates: Sequence[int] | None, number: int = 0
    ) -> Verdict | Ask | None:  # fmt: skip
        """What the rules say; None when this is not for them. `candidates` are the rules that may match, where that is known;
        `number` is the one of the message that it comes from."""
        if recipient.address.scheme != "sms" or self.ruleset is None:
            return None
        return engine.judge(self.ruleset, self.letter(submission, recipient, number), facts, candidates)

    def _made(
        self, verdict: Verdict, submission: Submission, recipient: Recipient, facts: Facts, budget: Budget
    ) -> tuple[Recipient, tuple[Ruled, ...]] | Ask:
        applied = self._applied(verdict, recipient, submission)
        if not verdict.effects or applied.refused is not None:
            return applied, ()  # what is refused at the door is not on record, and nothing can come of it
        children: list[Submission] = []
        told = self._not_done(submission, recipient, children)
        children += effects.submissions(verdict, submission, self._now(), told, self.most_hops)
        if not applied.dropped and (wishes := cares(verdict.effects, self._now(), self.zone, told)):
            applied = replace(applied, gather=(*applied.gather, *wishes))
        grown: list[Ruled] = []
        questions: list[Question] = []
        for child in children:
            if not budget.has_room(child):
                self.log.warn("rules made more than {n} messages of one: no more are sent", n=MOST_CHILDREN)
                break
            ruled = self._ruled(child, facts, budget)
            if isinstance(ruled, Ask):
                questions += ruled.questions
            else:
                grown.append(ruled)
        return Ask(tuple(questions)) if questions else (applied, tuple(grown))

    # -- a submission as a letter

    def letter(self, submission: Submission, recipient: Recipient, number: int = 0) -> Letter:
        """The message to one recipient as the rules see it."""
        account = self._account(submission.account) if submission.account else None
        headers = submission.headers
        about = dict(headers) if headers else {}
        content = submission.content if recipient.content is None else recipient.content
        body, size, binary, octets, elements = "", 0, False, b"", b""
        if isinstance(content, Text):
            body = content.text
            size = len(body) if body.isascii() else len(body.encode("utf-8", "replace"))
        elif isinstance(content, Binary):
            size, binary, octets, elements = len(content.data), True, content.data, content.header
        try:
            to = self._planner.target(recipient, account).target
        except Refused:
            to = recipient.address.target
        pin = pinned(recipient.parameters, account) or ""
        sender = about.get("from") or submission.origin.target
        phone, email = ("", "") if account is None else (account.phone or "", account.email or "")
        # By position, in the order of Letter: with names it takes three times as long, for every message.
        further = self._headers(submission) if submission.head else ()
        return Letter(
            True, sender, f"{to}@{pin}" if pin else to, body, to, about.get("subject", ""),
            further, size, submission.account or "", phone, email, submission.door, pin, submission.peer,
            submission.host, submission.number or number, account is not None,
            sender.rpartition("@")[2].lower() in self.domains, bool(submission.attachments), binary,
            recipient.parameters.priority, self.when(self._now()), octets, elements,
        )  # fmt: skip

    def _headers(self, submission: Submission) -> tuple[tuple[str, str], ...]:
        if self.ruleset is not None and self.ruleset.reads_headers:
            return mail_headers.all_fields(submission.head)
        return ()

    def when(self, now: int) -> tuple[int, int, str, str]:
        """Local time as `Letter.when` has it, worked out once a minute."""
        minute = now // 60_000
        if self._minute[0] != minute:
            local = datetime.fromtimestamp(now / 1000, self.zone)
            self._minute = (
                minute,
                (local.weekday(), local.hour * 60 + local.minute, f"{local:%Y-%m-%d}", f"{local:%H:%M}"),
            )
        return self._minute[1]

    # -- a verdict applied

    def _applied(self, verdict: Verdict, recipient: Recipient, submission: Submission) -> Recipient:
        trace = self._traces.of(verdict)
        if verdict.fate == "reject":
            return replace(
                recipient,
                trace=trace,
                refused=Refused(Reason.NOT_ALLOWED, _cut(verdict.text) or "refused by a rule"),
            )
        if verdict.fate == "delete":
            title = verdict.trace.stopped
            return replace(recipient, trace=trace, dropped=f"deleted by the rule {title!r}")
        if not verdict.changed:
            return with_trace(recipient, trace)
        changed, letter = verdict.changed, verdict.letter
        address, parameters = recipient.address, recipient.parameters
        try:
            if "to" in changed:
                address, parameters = self._routed(letter, address, parameters)
        except (InvalidValue, Refused) as error:
            refusal = error if isinstance(error, Refused) else Refused(Reason.BAD_REQUEST, str(error))
            return replace(recipient, trace=trace, refused=refusal)
        if "priority" in changed:
            parameters = replace(parameters, priority=letter.priority)
        content = recipient.content
        if "body" in changed and not isinstance(submission.content, Binary):
            before = submission.content
            content = Text(letter.body, before.header if isinstance(before, Text) else b"")
        headers = recipient.headers
        if changed & {"subject", "from", "headers"}:
            headers = (*rewritten(submission.headers, letter), *effects.added_headers(verdict, submission))
            content = submission.content if content is None else content
        r = recipient
        named = r.named_by_rule or (
            parameters.sender != r.parameters.sender and engine.BY_USER not in changed
        )
        return Recipient(
            address, r.typed, parameters, r.wants, r.original, content, headers, trace, r.refused, r.dropped, r.gather, named
        )  # fmt: skip

    def _routed(self, letter: Letter, address: Address, parameters: Parameters) -> tuple[Address, Parameters]:
        """What a rewritten To says (feature R4). InvalidValue or Refused when it leads nowhere."""
        number, at = target.number_and_at(letter.to)
        said = None
        if "&" in letter.to and (written := target.read(letter.to).parameters):
            said = read_parameters(written).parameters
            parameters = replace(parameters, **differences(said))
        if number != address.target or address.scheme != "sms":
            address = Address("sms", number)
        where = at.rpartition("@")[2]  # of `number@gsm1@us` the last one counts: it was written last
        if not where or where.lower() in self.domains or where.lower() == _domain(letter.sender):
            wanted = (said is not None and said.gateway) or ""
            return address, with_gateway(parameters, wanted)
        if where in self.gateways:
            return address, with_gateway(parameters, where)
        if "." in where:
            return Address("mailto", f"{number}@{where}"), replace(parameters, gateway=None)
        raise Refused(
            Reason.UNKNOWN_GATEWAY,
            f"a rule sends this to {where[:80]!r}, which is neither a gateway nor a domain: the administrator can correct it",
        )

    def _not_done(
        self, submission: Submission, recipient: Recipient, children: list[Submission]
    ) -> Callable[[Effect, Refused], None]:
        """Told of what cannot be done: the log has it, and of messages that go in a circle their sender hears."""

        def told(effect: Effect, refusal: Refused) -> None:
            self.log.warn(
                "the rule {rule!r} could not do what it says with a message from {origin}: {text}",
                rule=effect.rule, origin=masked(submission.origin.target), text=refusal.text,
            )  # fmt: skip
            if submission.hops < self.most_hops:
                return
            now = self._now()
            report = notice(
                Told(0, 0, recipient.address, recipient.typed, "", submission.content, submission.ticket, Wants.FAILURE,
                     now, now, 1, submission.account),
                Step(State.REJECTED, reason=refusal.text, notice="failed", status="5.4.6"), now,
            )  # fmt: skip
            if report is not None:
                children.append(report)

        return told


def _cut(text: str) -> str:
    """A refusal as a door can say it: a rule may put the whole message into it."""
    return text if len(text) <= LONGEST_REFUSAL else f"{text[:LONGEST_REFUSAL]}…"


def _domain(sender: str) -> str:
    return sender.rpartition("@")[2].strip("<> ").lower() if "@" in sender else ""
